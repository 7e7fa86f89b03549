/* SPDX-License-Identifier: MIT
 * urbs.c - the transfers of one host device that are with the kernel (usbfs URBs)
 *
 * The loop calls on_fd() when URBs can be reaped, on_task() when queues want to be
 * looked at, on_timer() when memory is to be tried for again, on_trim_timer() when some has
 * lain unused, and urb_discard.c when the worker has discarded. Only these report, so never inside a call of the owner's; and
 * the owner may destroy the whole inside a report, which then happens when the
 * callback ends.
 *
 * The end of the device shows in reaping only: URBs come back with statuses that other
 * causes have too (an interface changed under them). They are believed when nothing is
 * left to be reaped: -ENODEV then means gone.
 */
#include "usbdev/host/urb/urbs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "usbdev/host/urb/urb_priv.h"
#include "usbdev/host/urb/usbfs.h"
#include "util/log.h"

/* ---- memory ---- */

struct urb *urb_get(struct urb_queue *queue)
{
	struct urbs *urbs = queue->urbs;
	size_t bytes = sizeof(struct urb) +
		       URB_PACKETS_MAX * sizeof(struct usbdevfs_iso_packet_desc);
	struct urb *urb = urbs->spare;

	if (urb) {
		urbs->spare = urb->next;
		urbs->spare_count--;
	} else {
		urb = malloc(bytes);
		if (!urb)
			return NULL;
	}
	memset(urb, 0, sizeof(*urb));
	list_init(&urb->node);
	list_init(&urb->slot_node);
	urb->queue = queue;
	return urb;
}

static void arm_trim_timer(struct urbs *urbs)
{
	if (urbs->trim_armed || !urb_buffers_has_mapped_spares(&urbs->buffers))
		return;
	urbs->trim_armed = true;
	loop_timer_set(urbs->trim_timer, URB_TRIM_NS);
}

static void on_trim_timer(void *ctx)
{
	struct urbs *urbs = ctx;

	urbs->trim_armed = false;
	urb_buffers_trim(&urbs->buffers);
	arm_trim_timer(urbs);
}

void urb_put(struct urbs *urbs, struct urb *urb)
{
	assert(list_empty(&urb->node));
	urb_buffer_put(&urbs->buffers, urb->buffer);
	arm_trim_timer(urbs);
	if (urbs->spare_count == URB_SPARE_MAX) {
		free(urb);
		return;
	}
	urb->next = urbs->spare;
	urbs->spare = urb;
	urbs->spare_count++;
}

/* ---- callbacks of the loop ---- */

static void free_all(struct urbs *urbs)
{
	struct list *node, *next;

	LIST_FOREACH_SAFE(node, next, &urbs->streams)
		free(LIST_ENTRY(node, struct urb_queue, node));
	while (urbs->spare) {
		struct urb *urb = urbs->spare;

		urbs->spare = urb->next;
		free(urb);
	}
	free(urbs);
}

void urbs_enter(struct urbs *urbs)
{
	urbs->busy++;
}

void urbs_leave(struct urbs *urbs)
{
	urbs->busy--;
	if (urbs->destroyed && urbs->busy == 0)
		free_all(urbs);
}

void urbs_arm_timer(struct urbs *urbs)
{
	if (urbs->timer_armed)
		return;
	urbs->timer_armed = true;
	loop_timer_set(urbs->timer, URB_MEMORY_WAIT_NS);
}

static void wake_if_used(struct urb_queue *queue)
{
	if (!list_empty(&queue->transfers))
		urb_queue_wake(queue);
}

void urbs_wake_all(struct urbs *urbs)
{
	urb_queue_each(urbs, wake_if_used);
}

static void wake_starved(struct urb_queue *queue)
{
	if (queue->starved)
		urb_queue_wake(queue);
	queue->starved = false;
}

void urbs_starve(struct urb_queue *queue)
{
	queue->starved = true;
	if (queue->starved_since_ns == 0)
		queue->starved_since_ns = clock_now_ns();
	urbs_arm_timer(queue->urbs);
}

static void on_timer(void *ctx)
{
	struct urbs *urbs = ctx;

	urbs->timer_armed = false;
	urbs_update_watch(urbs);
	urb_queue_each(urbs, wake_starved);
}

/* ---- those with the kernel ---- */

static struct list *slot_of(struct urbs *urbs, const struct usbdevfs_urb *usb)
{
	uint64_t mixed = (uintptr_t)usb * UINT64_C(0x9e3779b97f4a7c15);

	return &urbs->slots[mixed >> 32 & (URB_SLOTS - 1)];
}

static void give_to_kernel(struct urb *urb)
{
	struct urbs *urbs = urb->queue->urbs;

	list_append(&urbs->with_kernel, &urb->node);
	list_append(slot_of(urbs, &urb->usb), &urb->slot_node);
	urbs->with_kernel_count++;
}

static void take_from_kernel(struct urb *urb)
{
	list_remove(&urb->node);
	list_remove(&urb->slot_node);
	urb->queue->urbs->with_kernel_count--;
}

/* ---- the device is gone ---- */

static void lose_queue(struct urb_queue *queue)
{
	struct list *node;

	queue->with_kernel = 0;
	queue->kernel_bytes = 0;
	queue->fetching = false;
	urb_late_forget(&queue->late);
	LIST_FOREACH(node, &queue->transfers) {
		struct usbdev_transfer *transfer = urb_transfer_of(node);

		if (!urb_transfer_is_over(transfer) && !urb_of(transfer))
			urb_transfer_set_over(queue, transfer, USBDEV_STATUS_GONE);
	}
	wake_if_used(queue);
}

/* Nothing is left to be reaped, and nothing will come. The kernel writes to an URB's
 * memory only when it is reaped, so that can go. The controller may still write to what
 * was mapped: it is unmapped, which leaves it to the kernel, and not used again. */
static void lose_all(struct urbs *urbs)
{
	if (urbs->gone)
		return;
	urbs->gone = true;
	urbs->gone_untold = true;
	urbs->in_doubt = false;
	loop_unwatch(urbs->watch);
	urbs->watch = NULL;
	urb_buffers_stop_mapping(&urbs->buffers);
	while (!list_empty(&urbs->with_kernel)) {
		struct urb *urb =
			LIST_ENTRY(list_first(&urbs->with_kernel), struct urb, node);

		take_from_kernel(urb);
		for (unsigned i = 0; i < urb->count; i++)
			urb_transfer_set_over(urb->queue, urb->transfers[i],
					      USBDEV_STATUS_GONE);
		urb_put(urbs, urb);
	}
	urbs->discards_wanted = 0;
	urb_queue_each(urbs, lose_queue);
	loop_defer(urbs->loop, &urbs->task);
}

void urbs_look_if_gone(struct urbs *urbs)
{
	urbs->reap_wanted = true;
	loop_defer(urbs->loop, &urbs->task);
}

void urbs_disturb(struct urbs *urbs)
{
	urbs->disturbed = true;
	loop_defer(urbs->loop, &urbs->task);
}

void urbs_looked(struct urbs *urbs)
{
	if (urbs->contest != URB_CONTESTED)
		return;
	urbs->contest = URB_LOOKED;
	urbs_wake_all(urbs);
}

/* ---- reaping ---- */

/* The one with the kernel that @usb is in, or NULL: something else uses the fd, then @usb
 * may be any address and is not looked at. */
static struct urb *own_urb(struct urbs *urbs, const struct usbdevfs_urb *usb)
{
	struct list *node;

	LIST_FOREACH(node, slot_of(urbs, usb)) {
		struct urb *urb = LIST_ENTRY(node, struct urb, slot_node);

		if (&urb->usb == usb)
			return urb;
	}
	return NULL;
}

static void take_back(struct urb *urb)
{
	struct urb_queue *queue = urb->queue;
	struct urbs *urbs = queue->urbs;

	take_from_kernel(urb);
	urb->is_back = true;
	queue->with_kernel--;
	queue->kernel_bytes -= urb->length_bytes;
	if (urb->discard == URB_DISCARD_WANTED)
		urbs->discards_wanted--;
	if (urb->usb.status == 0 && urbs->piece_bytes < urbs->piece_bytes_max)
		urbs->piece_bytes *= 2;
	urbs->in_doubt = urbs->in_doubt || urb_in_doubt(urb);
	urb_queue_retire(queue);
	if (!urbs->destroyed)
		urb_queue_release(queue);
}

/* There is nothing to be reaped, and the device is there. */
static void end_doubt(struct urbs *urbs)
{
	if (!urbs->in_doubt)
		return;
	urbs->in_doubt = false;
	urbs_disturb(urbs);
	urbs_wake_all(urbs);
}

static void reap(struct urbs *urbs)
{
	for (unsigned i = 0; i < URB_REAPS_MAX; i++) {
		struct usbdevfs_urb *usb = NULL;
		struct urb *urb;
		int r;

		/* the owner may do all that in a report */
		if (urbs->destroyed || urbs->gone || urbs_frozen(urbs))
			return;
		r = usbfs_reap(urbs->fd, &usb);
		if (r == -EINTR)
			continue;
		if (r == -EAGAIN) {
			end_doubt(urbs);
			break;
		}
		if (r < 0) {
			if (r != -ENODEV)
				log_error("reaping USB transfers: %s", strerror(-r));
			lose_all(urbs);
			return;
		}
		urb = own_urb(urbs, usb);
		if (urb)
			take_back(urb);
		else
			log_limited(LOG_LEVEL_WARN, "reaped a foreign USB transfer");
		/* asking for more would be in vain */
		if (urbs->with_kernel_count == 0 && !urbs->in_doubt)
			break;
	}
	if (urbs->destroyed)
		return;
	if (urbs->in_doubt)
		urbs_look_if_gone(urbs);
	urb_queue_each(urbs, wake_starved);
}

static void on_fd(void *ctx, int fd, unsigned events)
{
	struct urbs *urbs = ctx;

	(void)fd;
	(void)events;
	urbs_enter(urbs);
	reap(urbs);
	urbs_leave(urbs);
}

/* ---- the deferred task ---- */

static void look_at(struct urb_queue *queue)
{
	list_remove(&queue->work_node);
	urb_queue_retire(queue);
	if (queue->urbs->destroyed)
		return;
	urb_queue_kick(queue);
	if (urb_queue_has_report(queue))
		urb_queue_wake(queue);
	urb_queue_release(queue);
}

static void on_task(void *ctx)
{
	struct urbs *urbs = ctx;
	struct list batch;

	urbs_enter(urbs);
	if (urbs->reap_wanted) {
		urbs->reap_wanted = false;
		reap(urbs);
	}
	/* what is woken meanwhile is for the next round */
	list_init(&batch);
	while (!urbs->destroyed && !list_empty(&urbs->work)) {
		struct list *node = list_first(&urbs->work);

		list_remove(node);
		list_append(&batch, node);
	}
	while (!urbs->destroyed && !list_empty(&batch))
		look_at(LIST_ENTRY(list_first(&batch), struct urb_queue, work_node));
	if (!urbs->destroyed) {
		urbs_start_discards(urbs);
		if (urbs->disturbed) {
			urbs->disturbed = false;
			urbs->owner.disturbed(urbs->owner.ctx);
		}
		if (urbs->gone_untold && list_empty(&urbs->work)) {
			urbs->gone_untold = false;
			urbs->owner.gone(urbs->owner.ctx);
		}
	}
	urbs_leave(urbs);
}

/* ---- to the kernel ---- */

int urb_submit(struct urb *urb, void *data, uint32_t bytes)
{
	struct urb_queue *queue = urb->queue;
	struct urbs *urbs = queue->urbs;
	int r;

	assert(!urbs_frozen(urbs));
	urb->usb.buffer = data;
	urb->usb.buffer_length = (int)bytes;
	urb->usb.usercontext = urb;
	r = usbfs_submit(urbs->fd, &urb->usb);
	if (r == -ENOMEM && urb_buffers_unmap_spares(&urbs->buffers))
		r = usbfs_submit(urbs->fd, &urb->usb);
	if (r < 0)
		return r;
	give_to_kernel(urb);
	queue->with_kernel++;
	queue->kernel_bytes += urb->length_bytes;
	queue->starved_since_ns = 0;
	urbs->contest = URB_UNCONTESTED;
	for (unsigned i = 0; i < urb->count; i++)
		urb->transfers[i]->backend = urb;
	queue->waiting -= urb->count;
	return 0;
}

/* ---- for the owner ---- */

/* Elsewhere the memory may be one that the CPU does not cache, slower to read than to copy. */
static bool can_map(uint32_t caps)
{
#if defined(__x86_64__) || defined(__i386__)
	return caps & USBDEVFS_CAP_MMAP;
#else
	(void)caps;
	return false;
#endif
}

struct urbs *urbs_create(struct loop *loop, int fd, uint32_t caps, struct worker *worker,
			 const struct urbs_owner *owner)
{
	struct urbs *urbs = calloc(1, sizeof(*urbs));

	if (!urbs)
		return NULL;
	urbs->loop = loop;
	urbs->fd = fd;
	urbs->worker = worker;
	urbs->owner = *owner;
	urbs->task = (struct loop_task){.cb = on_task, .ctx = urbs};
	for (unsigned i = 0; i < URB_ENDPOINTS; i++)
		urb_queue_init(&urbs->queues[i], urbs,
			       (uint8_t)(i < 16 ? i : USBDEV_DIR_IN | (i - 16)), 0);
	urb_queue_init(&urbs->lost, urbs, 0, 0);
	list_init(&urbs->streams);
	list_init(&urbs->work);
	list_init(&urbs->with_kernel);
	for (unsigned i = 0; i < URB_SLOTS; i++)
		list_init(&urbs->slots[i]);
	if (caps & USBDEVFS_CAP_BULK_SCATTER_GATHER)
		urbs->piece_bytes_max = URB_PIECE_BYTES_MAX;
	else if (caps & USBDEVFS_CAP_NO_PACKET_SIZE_LIM)
		urbs->piece_bytes_max = URB_PIECE_BYTES_ONE;
	else
		urbs->piece_bytes_max = URB_PIECE_BYTES_OLD;
	urbs->piece_bytes = urbs->piece_bytes_max;
	urb_buffers_init(&urbs->buffers, can_map(caps) ? fd : -1);
	urbs->watched = LOOP_WRITE;
	urbs->watch = loop_watch_fd(loop, fd, LOOP_WRITE, on_fd, urbs);
	urbs->timer = loop_timer_create(loop, on_timer, urbs);
	urbs->trim_timer = loop_timer_create(loop, on_trim_timer, urbs);
	if (!urbs->watch || !urbs->timer || !urbs->trim_timer) {
		urbs_destroy(urbs);
		return NULL;
	}
	return urbs;
}

void urbs_destroy(struct urbs *urbs)
{
	if (!urbs)
		return;
	assert(urbs_quiet(urbs) && !urbs->destroyed);
	loop_unwatch(urbs->watch);
	loop_timer_destroy(urbs->timer);
	loop_timer_destroy(urbs->trim_timer);
	loop_undefer(urbs->loop, &urbs->task);
	urb_queue_each(urbs, urb_queue_forget);
	urb_buffers_finish(&urbs->buffers);
	urbs->destroyed = true;
	if (urbs->busy == 0)
		free_all(urbs);
}

void urbs_submit(struct urbs *urbs, struct usbdev_transfer *transfer)
{
	struct urb_queue *queue = urb_queue_get(urbs, transfer);
	bool lost = !queue || urbs->gone;

	if (!queue)
		queue = &urbs->lost;
	transfer->actual_bytes = 0;
	list_append(&queue->transfers, &transfer->node);
	urbs->transfers++;
	urb_transfer_set_waiting(queue, transfer);
	if (lost)
		urb_transfer_set_over(queue, transfer,
				      urbs->gone ? USBDEV_STATUS_GONE
						 : USBDEV_STATUS_ERROR);
	/* isochronous ones go in company, when the turn ends */
	if (transfer->type == USBDEV_TYPE_ISOCHRONOUS)
		urb_queue_wake(queue);
	else
		urb_queue_kick(queue);
	if (urb_queue_has_report(queue))
		urb_queue_wake(queue);
}

void urbs_cancel(struct urbs *urbs, struct usbdev_transfer *transfer)
{
	if (!urb_transfer_is_over(transfer))
		urb_queue_cancel(urb_queue_get(urbs, transfer), transfer);
}

static void cancel_queue(struct urb_queue *queue)
{
	struct list *node;

	LIST_FOREACH(node, &queue->transfers) {
		struct usbdev_transfer *transfer = urb_transfer_of(node);

		if (!urb_transfer_is_over(transfer))
			urb_queue_cancel(queue, transfer);
	}
}

void urbs_cancel_all(struct urbs *urbs)
{
	urb_queue_each(urbs, cancel_queue);
}

void urbs_forget_late_data(struct urbs *urbs, uint8_t ep_addr)
{
	struct list *node;

	urb_late_forget(&urb_queue_without_streams(urbs, ep_addr)->late);
	LIST_FOREACH(node, &urbs->streams) {
		struct urb_queue *queue = LIST_ENTRY(node, struct urb_queue, node);

		if (queue->ep_addr == ep_addr)
			urb_late_forget(&queue->late);
	}
}

bool urbs_quiet(const struct urbs *urbs)
{
	return urbs->transfers == 0 && !urbs->discarding;
}
