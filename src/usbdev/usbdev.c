/* SPDX-License-Identifier: MIT
 * usbdev.c - bookkeeping at the boundary between xHCI and USB devices
 *
 * Counts transfers, keeps completions in order and out of the operations. A
 * transfer that is completed "soon" waits on usbdev->soon for a deferred task.
 * The asserts are for bugs above or below the boundary; nothing that a guest, device
 * or image sends can make them fail.
 */
#include "usbdev/usbdev.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/compiler.h"

/* In usbdev_transfer.phase. Not "idle" but 0, as a new transfer comes zeroed. */
enum phase {
	PHASE_IDLE,      /* with its owner */
	PHASE_SUBMITTED, /* with the back end */
	PHASE_SOON,      /* completed by the back end, waits for the deferred task */
};

#define COPY_IOV_MAX 16

/* One step of a copy: the next pieces of [offset, length). Return: entries or -EFAULT. */
static int next_pieces(struct usbdev_transfer *transfer, uint32_t offset, uint32_t len,
		       struct iovec *iov, int iov_max)
{
	int r = usbdev_transfer_iov(transfer, offset, len, iov, iov_max);

	return r == 0 ? -EFAULT : r;
}

int usbdev_transfer_iov(struct usbdev_transfer *transfer, uint32_t offset, uint32_t len,
			struct iovec *iov, int iov_max)
{
	assert(offset <= transfer->length_bytes);
	assert(len <= transfer->length_bytes - offset);

	if (len == 0)
		return 0;
	if (!transfer->iov)
		return -EFAULT;
	return transfer->iov(transfer, offset, len, iov, iov_max);
}

/* @to_guest: from @buf into the data of the transfer, else the other way. */
static int copy(struct usbdev_transfer *transfer, uint32_t offset, uint8_t *buf,
		uint32_t len, bool to_guest)
{
	UNINITIALIZED struct iovec iov[COPY_IOV_MAX];

	while (len > 0) {
		int n = next_pieces(transfer, offset, len, iov, COPY_IOV_MAX);

		if (n < 0)
			return n;
		for (int i = 0; i < n; i++) {
			uint32_t piece = (uint32_t)iov[i].iov_len;

			assert(iov[i].iov_len <= len);
			memcpy(to_guest ? iov[i].iov_base : buf,
			       to_guest ? buf : iov[i].iov_base, piece);
			buf += piece;
			offset += piece;
			len -= piece;
		}
	}
	return 0;
}

int usbdev_transfer_read(struct usbdev_transfer *transfer, uint32_t offset, void *buf,
			 uint32_t len)
{
	return copy(transfer, offset, buf, len, false);
}

int usbdev_transfer_write(struct usbdev_transfer *transfer, uint32_t offset,
			  const void *buf, uint32_t len)
{
	return copy(transfer, offset, (uint8_t *)buf, len, true); /* not written to */
}

static void count(struct usbdev_stats *stats, const struct usbdev_transfer *transfer)
{
	stats->transfers++;
	if (usbdev_transfer_is_in(transfer))
		stats->in_bytes += transfer->actual_bytes;
	else
		stats->out_bytes += transfer->actual_bytes;
	if (transfer->status != USBDEV_STATUS_OK &&
	    transfer->status != USBDEV_STATUS_CANCELLED)
		stats->failed++;
}

/* Returns the transfer to its owner, who may destroy @dev if this was the last one. */
static void hand_back(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	assert(dev->in_flight > 0);
	if (dev->tap)
		dev->tap->completed(dev->tap, dev, transfer);
	count(&dev->stats, transfer);
	dev->in_flight--;
	transfer->phase = PHASE_IDLE;
	transfer->done(transfer);
}

static void set_result(struct usbdev_transfer *transfer, enum usbdev_status status,
		       uint32_t actual_bytes)
{
	assert(transfer->phase == PHASE_SUBMITTED); /* else: completed twice */
	assert(actual_bytes <= transfer->length_bytes);

	list_remove(&transfer->node);
	transfer->status = status;
	transfer->actual_bytes = actual_bytes;
}

/* Deferred. Only the transfers that wait when it begins: if their owners submit more,
 * which complete at once, these are for the next turn. */
static void on_soon(void *ctx)
{
	struct usbdev *dev = ctx;
	struct list batch;

	list_init(&batch);
	while (!list_empty(&dev->soon)) {
		struct list *node = list_first(&dev->soon);

		list_remove(node);
		list_append(&batch, node);
	}
	while (!list_empty(&batch)) {
		struct list *node = list_first(&batch);

		list_remove(node);
		hand_back(dev, LIST_ENTRY(node, struct usbdev_transfer, node));
	}
}

int usbdev_init(struct usbdev *dev, const struct usbdev_ops *ops, struct loop *loop,
		enum usbdev_speed speed, const char *label)
{
	assert(ops->submit && ops->cancel && ops->reset && ops->destroy);

	dev->ops = ops;
	dev->speed = speed;
	dev->loop = loop;
	dev->events = NULL;
	dev->events_ctx = NULL;
	dev->address = 0;
	dev->vendor = 0;
	dev->product = 0;
	dev->in_flight = 0;
	dev->stats = (struct usbdev_stats){0};
	dev->tap = NULL;
	dev->destroyed = NULL;
	dev->destroyed_ctx = NULL;
	(void)snprintf(dev->label, sizeof(dev->label), "%s", label);
	list_init(&dev->soon);
	dev->soon_task = (struct loop_task){.cb = on_soon, .ctx = dev};
	return 0;
}

void usbdev_finish(struct usbdev *dev)
{
	assert(dev->in_flight == 0);
	loop_undefer(dev->loop, &dev->soon_task);
	if (dev->destroyed)
		dev->destroyed(dev->destroyed_ctx);
}

void usbdev_complete(struct usbdev *dev, struct usbdev_transfer *transfer,
		     enum usbdev_status status, uint32_t actual_bytes)
{
	/* must not overtake those of the same endpoint that still wait */
	if (!list_empty(&dev->soon)) {
		usbdev_complete_soon(dev, transfer, status, actual_bytes);
		return;
	}
	set_result(transfer, status, actual_bytes);
	hand_back(dev, transfer);
}

void usbdev_complete_soon(struct usbdev *dev, struct usbdev_transfer *transfer,
			  enum usbdev_status status, uint32_t actual_bytes)
{
	set_result(transfer, status, actual_bytes);
	transfer->phase = PHASE_SOON;
	list_append(&dev->soon, &transfer->node);
	loop_defer(dev->loop, &dev->soon_task);
}

void usbdev_reset_done(struct usbdev *dev, int result)
{
	if (dev->events && dev->events->reset_done)
		dev->events->reset_done(dev->events_ctx, result);
}

void usbdev_gone(struct usbdev *dev)
{
	if (dev->events && dev->events->gone)
		dev->events->gone(dev->events_ctx);
}

void usbdev_wake(struct usbdev *dev)
{
	if (dev->events && dev->events->wake)
		dev->events->wake(dev->events_ctx);
}

void usbdev_set_events(struct usbdev *dev, const struct usbdev_events *events, void *ctx)
{
	dev->events = events;
	dev->events_ctx = ctx;
}

void usbdev_submit(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	assert(transfer->done);

	list_init(&transfer->node);
	transfer->actual_bytes = 0;
	transfer->status = USBDEV_STATUS_OK;
	transfer->tap_id = 0;
	transfer->cancelled = false;
	transfer->phase = PHASE_SUBMITTED;
	dev->in_flight++;
	if (dev->tap)
		dev->tap->submitted(dev->tap, dev, transfer);
	dev->ops->submit(dev, transfer);
}

void usbdev_cancel(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	assert(transfer->phase != PHASE_IDLE);

	/* one that already ended keeps its result */
	if (transfer->phase == PHASE_SOON)
		return;
	transfer->cancelled = true;
	dev->ops->cancel(dev, transfer);
}

void usbdev_endpoint_reset(struct usbdev *dev, uint8_t ep_addr)
{
	if (dev->ops->endpoint_reset)
		dev->ops->endpoint_reset(dev, ep_addr);
}

void usbdev_reset(struct usbdev *dev)
{
	dev->ops->reset(dev);
}

void usbdev_suspend(struct usbdev *dev, bool suspended)
{
	if (dev->ops->suspend)
		dev->ops->suspend(dev, suspended);
}

void usbdev_streams(struct usbdev *dev, struct usbdev_streams *request)
{
	assert(dev->ops->streams && request->done);
	assert(request->ep_count <= USBDEV_STREAM_EPS_MAX);

	list_init(&request->node);
	dev->ops->streams(dev, request);
}

void usbdev_streams_done(struct usbdev_streams *request, int result)
{
	list_remove(&request->node);
	request->done(request, result);
}

bool usbdev_has_streams(const struct usbdev *dev)
{
	return dev->ops->streams != NULL;
}

void usbdev_set_tap(struct usbdev *dev, struct usbdev_tap *tap)
{
	dev->tap = tap;
}

void usbdev_destroy(struct usbdev *dev, void (*destroyed)(void *ctx), void *ctx)
{
	if (!dev)
		return;
	assert(dev->in_flight == 0);
	dev->destroyed = destroyed;
	dev->destroyed_ctx = ctx;
	dev->ops->destroy(dev);
}
