/* SPDX-License-Identifier: MIT
 * urbs.c - the transfers of one host device, as URBs of the kernel (usbfs)
 *
 * The loop calls on_fd() when it can reap URBs, on_task() when queues have something to do,
 * and on_memory_timer() when it is time to try for memory again. Only the first two report
 * to the owner, so never inside a call of the owner's. The owner may destroy the URBs inside
 * a report; the memory goes when the callback ends.
 */
#include "usbdev/host/urb/urbs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "usbdev/host/urb/engine.h"
#include "usbdev/host/urb/piece.h"
#include "usbdev/host/urb/pump.h"
#include "usbdev/host/urb/submit.h"
#include "usbdev/host/urb/transfer.h"
#include "usbdev/host/urb/unlink.h"
#include "util/log.h"

/* ---- callbacks of the loop ---- */

static void free_all(struct urbs *urbs)
{
	urb_queues_finish(&urbs->queues);
	urb_pool_free_urbs(&urbs->pool);
	free(urbs);
}

/* Around each callback that may report to the owner. @urbs may be freed by leaving. */
static void enter(struct urbs *urbs)
{
	urbs->busy++;
}

static void leave(struct urbs *urbs)
{
	urbs->busy--;
	if (urbs->destroyed && urbs->busy == 0)
		free_all(urbs);
}

static void on_memory_timer(void *ctx)
{
	struct urbs *urbs = ctx;

	urb_freeze_update_watch(&urbs->freeze);
	urb_queues_each(&urbs->queues, urb_queue_retry_memory);
}

/* ---- the device is gone ---- */

static void lose_queue(struct urb_queue *queue)
{
	struct list *node;

	queue->draining = false;
	urb_queue_forget(queue);
	LIST_FOREACH(node, &queue->transfers) {
		struct usbdev_transfer *transfer = urb_transfer_of(node);

		if (urb_transfer_is_waiting(transfer))
			urb_transfer_set_over(queue, transfer, USBDEV_STATUS_GONE);
	}
	urb_queue_wake_if_used(queue);
}

/* No URB is left to reap, and none will come. The kernel writes to the memory of an URB only
 * in a reap, so that memory can go. The controller may still write to mapped memory: it is
 * unmapped, which leaves it to the kernel, and not used again. */
static void lose_all(struct urbs *urbs)
{
	struct list *node;

	if (urb_is_gone(&urbs->standing))
		return;
	urb_set_presence(&urbs->standing, URB_PRESENCE_GONE);
	urb_freeze_unwatch(&urbs->freeze);
	urb_buffers_stop_mapping(&urbs->pool.buffers);
	while ((node = list_first(&urbs->in_flight.urbs)))
		urb_lose(LIST_ENTRY(node, struct urb, node));
	urbs->unlinks.wanted = 0;
	urb_queues_each(&urbs->queues, lose_queue);
}

/* ---- reaping ---- */

static void take_back(struct urb *urb)
{
	struct urb_queue *queue = urb->queue;
	struct urbs *urbs = queue->urbs;

	if (urb_looks_gone(urb) && !urb_is_suspect(&urbs->standing))
		urb_set_presence(&urbs->standing, URB_PRESENCE_SUSPECT);
	urb_pump_complete(queue);
	if (!urbs->destroyed)
		urb_queues_release(&urbs->queues, queue);
}

/* No URB is left to reap, and the device is there. */
static void confirm_presence(struct urbs *urbs)
{
	bool suspect = urb_is_suspect(&urbs->standing);

	if (!urb_wants_reap(&urbs->standing))
		return;
	urb_set_presence(&urbs->standing, URB_PRESENCE_PRESENT);
	if (suspect) {
		urb_suspect_claim(&urbs->standing);
		urb_queues_each(&urbs->queues, urb_queue_wake_if_used);
	}
}

static void reap(struct urbs *urbs)
{
	for (unsigned i = 0; i < URB_REAPS_MAX; i++) {
		struct urb *urb = NULL;
		int r;

		/* a report to the owner may have led to each of these */
		if (urbs->destroyed || urb_is_gone(&urbs->standing) ||
		    urb_is_frozen(&urbs->freeze))
			return;
		r = urb_reap(urbs, &urb);
		if (r == -EINTR)
			continue;
		if (r == -EAGAIN) {
			confirm_presence(urbs);
			break;
		}
		if (r < 0) {
			if (r != -ENODEV)
				log_error("reaping USB transfers: %s", strerror(-r));
			lose_all(urbs);
			return;
		}
		if (urb)
			take_back(urb);
		/* the kernel has no more */
		if (urbs->in_flight.count == 0 && !urb_wants_reap(&urbs->standing))
			break;
	}
	if (urbs->destroyed)
		return;
	if (urb_wants_reap(&urbs->standing))
		urb_work_defer(&urbs->work);
	urb_queues_each(&urbs->queues, urb_queue_retry_memory);
}

static void on_fd(void *ctx, int fd, unsigned events)
{
	struct urbs *urbs = ctx;

	(void)fd;
	(void)events;
	enter(urbs);
	reap(urbs);
	leave(urbs);
}

/* ---- the deferred task ---- */

static void run_queue(struct urb_queue *queue)
{
	struct urbs *urbs = queue->urbs;

	list_remove(&queue->work_node);
	urb_pump_complete(queue);
	if (urbs->destroyed)
		return;
	urb_pump_submit(queue);
	if (urb_pump_has_completion(queue))
		urb_queue_wake(queue);
	urb_queues_release(&urbs->queues, queue);
}

static void notify_owner(struct urbs *urbs)
{
	struct urb_standing *standing = &urbs->standing;

	if (standing->check_wanted) {
		standing->check_wanted = false;
		urbs->owner.claim_suspect(urbs->owner.ctx);
	}
	if (standing->presence == URB_PRESENCE_GONE && list_empty(&urbs->work.queues)) {
		urb_set_presence(standing, URB_PRESENCE_GONE_NOTIFIED);
		urbs->owner.gone(urbs->owner.ctx);
	}
}

static void on_task(void *ctx)
{
	struct urbs *urbs = ctx;
	struct list batch;

	enter(urbs);
	if (urb_wants_reap(&urbs->standing))
		reap(urbs);
	/* queues woken meanwhile are for the next round */
	list_init(&batch);
	while (!urbs->destroyed && !list_empty(&urbs->work.queues)) {
		struct list *node = list_first(&urbs->work.queues);

		list_remove(node);
		list_append(&batch, node);
	}
	while (!urbs->destroyed && !list_empty(&batch))
		run_queue(LIST_ENTRY(list_first(&batch), struct urb_queue, work_node));
	if (!urbs->destroyed) {
		urb_unlink_start(urbs);
		notify_owner(urbs);
	}
	leave(urbs);
}

/* ---- for the owner ---- */

/* Elsewhere the CPU may not cache such memory: slower to read than to copy. */
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
	urbs->fd = fd;
	urbs->worker = worker;
	urbs->owner = *owner;
	urb_standing_init(&urbs->standing, &urbs->work, fd);
	urb_in_flight_init(&urbs->in_flight);
	urb_queues_init(&urbs->queues, urbs, &urbs->work);
	urb_piece_init(urbs, caps);
	if (urb_work_init(&urbs->work, loop, on_task, on_memory_timer, urbs) < 0 ||
	    urb_pool_init(&urbs->pool, loop, can_map(caps) ? fd : -1) < 0 ||
	    urb_freeze_init(&urbs->freeze, &urbs->work, fd, on_fd, urbs) < 0) {
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
	urb_freeze_unwatch(&urbs->freeze);
	urb_work_finish(&urbs->work);
	urb_queues_each(&urbs->queues, urb_queue_forget);
	urb_pool_finish(&urbs->pool);
	urbs->destroyed = true;
	if (urbs->busy == 0)
		free_all(urbs);
}

void urbs_submit(struct urbs *urbs, struct usbdev_transfer *transfer)
{
	struct urb_queue *queue = urb_queues_get(&urbs->queues, transfer);
	bool gone = urb_is_gone(&urbs->standing);
	bool lost = !queue || gone;

	if (!queue)
		queue = &urbs->queues.lost;
	transfer->actual_bytes = 0;
	list_append(&queue->transfers, &transfer->node);
	urbs->transfers++;
	urb_transfer_set_waiting(queue, transfer);
	if (lost)
		urb_transfer_set_over(queue, transfer,
				      gone ? USBDEV_STATUS_GONE : USBDEV_STATUS_ERROR);
	/* isochronous ones go in company, when the turn ends */
	if (transfer->type == USBDEV_TYPE_ISOCHRONOUS)
		urb_queue_wake(queue);
	else
		urb_pump_submit(queue);
	if (urb_pump_has_completion(queue))
		urb_queue_wake(queue);
}

void urbs_cancel(struct urbs *urbs, struct usbdev_transfer *transfer)
{
	if (!urb_transfer_is_over(transfer))
		urb_pump_cancel(urb_queues_get(&urbs->queues, transfer), transfer);
}

static void cancel_queue(struct urb_queue *queue)
{
	struct list *node;

	LIST_FOREACH(node, &queue->transfers) {
		struct usbdev_transfer *transfer = urb_transfer_of(node);

		if (!urb_transfer_is_over(transfer))
			urb_pump_cancel(queue, transfer);
	}
}

void urbs_cancel_all(struct urbs *urbs)
{
	urb_queues_each(&urbs->queues, cancel_queue);
}

void urbs_forget_leftovers(struct urbs *urbs, uint8_t ep_addr)
{
	urb_queues_forget(&urbs->queues, ep_addr);
}

void urbs_freeze(struct urbs *urbs)
{
	urb_freeze_begin(&urbs->freeze);
}

void urbs_thaw(struct urbs *urbs)
{
	urb_freeze_end(&urbs->freeze);
	urb_unlink_resume(urbs);
}

void urbs_claim_checked(struct urbs *urbs)
{
	if (urbs->standing.claim != URB_CLAIM_CONTESTED)
		return;
	urb_set_claim(&urbs->standing, URB_CLAIM_CHECKED);
	urb_queues_each(&urbs->queues, urb_queue_wake_if_used);
}

bool urbs_quiet(const struct urbs *urbs)
{
	return urbs->transfers == 0 && !urbs->unlinks.running;
}
