/* SPDX-License-Identifier: MIT
 * queue.c - the transfers of one endpoint and stream, in order
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "usbdev/host/urb/urb_priv.h"

char urb_over_mark[1];

void urb_queue_init(struct urb_queue *queue, struct urbs *urbs, uint8_t ep_addr,
		    uint16_t stream_id)
{
	list_init(&queue->node);
	list_init(&queue->work_node);
	queue->urbs = urbs;
	queue->ep_addr = ep_addr;
	queue->stream_id = stream_id;
	list_init(&queue->transfers);
	urb_late_init(&queue->late, &urbs->late_bytes);
}

/* Endpoint 0 is one, whatever its direction bit says. */
struct urb_queue *urb_queue_without_streams(struct urbs *urbs, uint8_t ep_addr)
{
	unsigned number = ep_addr & 0xf;

	return &urbs->queues[number + (number > 0 && (ep_addr & USBDEV_DIR_IN) ? 16 : 0)];
}

struct urb_queue *urb_queue_get(struct urbs *urbs, const struct usbdev_transfer *transfer)
{
	struct urb_queue *queue;
	struct list *node;

	if (transfer->stream_id == 0)
		return urb_queue_without_streams(urbs, transfer->ep_addr);
	LIST_FOREACH(node, &urbs->streams) {
		queue = LIST_ENTRY(node, struct urb_queue, node);
		if (queue->ep_addr == transfer->ep_addr &&
		    queue->stream_id == transfer->stream_id)
			return queue;
	}
	/* one of this stream may be lost: the next is not to be told before it */
	queue = list_empty(&urbs->lost.transfers) ? calloc(1, sizeof(*queue)) : NULL;
	if (!queue)
		return NULL;
	urb_queue_init(queue, urbs, transfer->ep_addr, transfer->stream_id);
	list_append(&urbs->streams, &queue->node);
	urbs->stream_count++;
	return queue;
}

void urb_queue_forget(struct urb_queue *queue)
{
	urb_late_forget(&queue->late);
}

void urb_queue_release(struct urb_queue *queue)
{
	struct urbs *urbs = queue->urbs;

	if (queue->stream_id == 0 || urbs->stream_count <= URB_STREAMS_SPARE_MAX ||
	    !list_empty(&queue->transfers) || queue->with_kernel > 0 ||
	    !urb_late_empty(&queue->late))
		return;
	list_remove(&queue->node);
	list_remove(&queue->work_node);
	urbs->stream_count--;
	free(queue);
}

void urb_queue_each(struct urbs *urbs, void (*each)(struct urb_queue *queue))
{
	struct list *node, *next;

	for (unsigned i = 0; i < URB_ENDPOINTS; i++)
		each(&urbs->queues[i]);
	LIST_FOREACH_SAFE(node, next, &urbs->streams)
		each(LIST_ENTRY(node, struct urb_queue, node));
}

void urb_queue_wake(struct urb_queue *queue)
{
	if (list_empty(&queue->work_node))
		list_append(&queue->urbs->work, &queue->work_node);
	loop_defer(queue->urbs->loop, &queue->urbs->task);
}

void urb_transfer_set_waiting(struct urb_queue *queue, struct usbdev_transfer *transfer)
{
	transfer->backend = NULL;
	queue->waiting++;
}

void urb_transfer_set_over(struct urb_queue *queue, struct usbdev_transfer *transfer,
			   enum usbdev_status status)
{
	assert(!urb_transfer_is_over(transfer));
	if (!urb_of(transfer))
		queue->waiting--;
	transfer->backend = URB_OVER;
	transfer->status = status;
}

enum usbdev_status urb_status(const struct urbs *urbs, int kernel_status)
{
	switch (kernel_status) {
	case 0:
	case -EREMOTEIO: /* a short packet */
		return USBDEV_STATUS_OK;
	case -EPIPE:
		return USBDEV_STATUS_STALL;
	case -EOVERFLOW:
		return USBDEV_STATUS_BABBLE;
	case -ENODEV:
	case -ESHUTDOWN:
	case -ENOENT:
	case -ECONNRESET:
		return urbs->gone ? USBDEV_STATUS_GONE : USBDEV_STATUS_CANCELLED;
	default:
		return USBDEV_STATUS_ERROR;
	}
}

bool urb_in_doubt(const struct urb *urb)
{
	switch (urb->usb.status) {
	case -ENODEV:
	case -ESHUTDOWN:
		return true;
	case -ENOENT:
	case -ECONNRESET:
		return urb->discard != URB_DISCARD_ASKED;
	default:
		return false;
	}
}

void urb_queue_kick(struct urb_queue *queue)
{
	struct urbs *urbs = queue->urbs;
	struct list *node;

	if (queue->fetching || urbs->gone || urbs_frozen(urbs))
		return;
	LIST_FOREACH(node, &queue->transfers) {
		struct usbdev_transfer *transfer = urb_transfer_of(node);
		enum urb_handed handed = URB_HANDED_ON;

		if (queue->waiting == 0)
			break;
		if (urb_transfer_is_over(transfer)) {
			if (urb_is_failure(transfer, transfer->status))
				return;
			continue;
		}
		if (!urb_of(transfer))
			handed = transfer->type == USBDEV_TYPE_ISOCHRONOUS
					 ? urb_isoch_hand(queue, transfer)
					 : urb_piece_hand(queue, transfer);
		if (handed == URB_HANDED_WAIT)
			return;
		/* its next piece goes before the next transfer */
		if (!urb_transfer_is_over(transfer) && !urb_of(transfer)->is_last)
			return;
	}
	/* nothing waits for memory any more */
	queue->starved_since_ns = 0;
}

/* Takes the first transfer off and tells. */
static void report_first(struct urb_queue *queue)
{
	struct usbdev_transfer *transfer = urb_transfer_of(list_first(&queue->transfers));
	struct urbs *urbs = queue->urbs;

	list_remove(&transfer->node);
	transfer->backend = NULL;
	urbs->transfers--;
	urbs->owner.finished(urbs->owner.ctx, transfer, transfer->status,
			     transfer->actual_bytes);
}

bool urb_queue_has_report(const struct urb_queue *queue)
{
	return !list_empty(&queue->transfers) &&
	       urb_transfer_is_over(urb_transfer_of(queue->transfers.next));
}

/* Looks at the URB of the first transfer. Return: false if nothing comes of it now. */
static bool retire_first(struct urb_queue *queue)
{
	struct usbdev_transfer *first = urb_transfer_of(list_first(&queue->transfers));
	struct urb *urb = urb_of(first);

	if (!urb || !urb->is_back || (queue->urbs->in_doubt && urb_in_doubt(urb)))
		return false;
	if (first->type != USBDEV_TYPE_ISOCHRONOUS)
		return urb_piece_retire(urb);
	urb_isoch_retire(urb);
	return true;
}

void urb_queue_retire(struct urb_queue *queue)
{
	struct urbs *urbs = queue->urbs;
	unsigned reports = 0;
	bool retired = false;

	assert(urbs->busy > 0);
	while (!list_empty(&queue->transfers) && reports < URB_REPORTS_MAX) {
		if (urb_queue_has_report(queue)) {
			report_first(queue);
			reports++;
		} else if (retire_first(queue)) {
			retired = true;
		} else {
			break;
		}
	}
	if (!urbs->destroyed &&
	    ((retired && queue->waiting > 0) || reports == URB_REPORTS_MAX))
		urb_queue_wake(queue);
}

void urb_queue_cancel(struct urb_queue *queue, struct usbdev_transfer *transfer)
{
	transfer->cancelled = true;
	if (!urb_of(transfer)) {
		urb_transfer_set_over(queue, transfer, USBDEV_STATUS_CANCELLED);
		urb_queue_wake(queue);
	} else if (!urb_of(transfer)->is_back) {
		urb_discard(urb_of(transfer));
	}
}

void urb_queue_discard(struct urb_queue *queue)
{
	struct list *node;

	LIST_FOREACH(node, &queue->transfers) {
		struct usbdev_transfer *transfer = urb_transfer_of(node);

		if (!urb_transfer_is_over(transfer) && urb_of(transfer) &&
		    !urb_of(transfer)->is_back)
			urb_discard(urb_of(transfer));
	}
}
