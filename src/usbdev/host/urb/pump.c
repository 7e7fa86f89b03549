/* SPDX-License-Identifier: MIT
 * pump.c - moves the transfers of one queue along: submits, completes, cancels
 *
 * URBs that are back are taken in the order of their queue, not as the kernel gives them:
 * data is delivered and kept in the order in which the device sent it.
 */
#include "usbdev/host/urb/pump.h"

#include <assert.h>

#include "usbdev/host/urb/engine.h"
#include "usbdev/host/urb/isoch.h"
#include "usbdev/host/urb/piece.h"
#include "usbdev/host/urb/submit.h"
#include "usbdev/host/urb/transfer.h"
#include "usbdev/host/urb/unlink.h"

/* The first transfer to examine for submission: normally the head, but the tail if only that waits
 * and the kernel has the last URB of the transfer before it. Nothing is submitted behind a failure
 * or an unfinished piece, so those before the tail need no look. */
static struct list *first_to_submit(const struct urb_queue *queue)
{
	struct list *last = queue->transfers.prev;
	const struct usbdev_transfer *before = urb_transfer_of(last->prev);

	if (queue->waiting == 1 && last->prev != &queue->transfers &&
	    urb_transfer_is_waiting(urb_transfer_of(last)) &&
	    urb_transfer_has_urb(before) &&
	    urb_of(before)->state == URB_STATE_SUBMITTED && urb_of(before)->is_last)
		return last;
	return queue->transfers.next;
}

void urb_pump_submit(struct urb_queue *queue)
{
	struct urbs *urbs = queue->urbs;
	struct list *node;

	if (queue->draining || urb_is_gone(&urbs->standing) ||
	    urb_is_frozen(&urbs->freeze))
		return;
	for (node = first_to_submit(queue); node != &queue->transfers;
	     node = node->next) {
		struct usbdev_transfer *transfer = urb_transfer_of(node);
		bool go_on = true;

		if (queue->waiting == 0)
			break;
		if (urb_transfer_is_over(transfer)) {
			if (urb_is_failure(transfer, transfer->status))
				return;
			continue;
		}
		if (urb_transfer_is_waiting(transfer))
			go_on = transfer->type == USBDEV_TYPE_ISOCHRONOUS
					? urb_isoch_submit(queue, transfer)
					: urb_piece_submit(queue, transfer);
		if (!go_on)
			return;
		/* its next piece goes before the next transfer */
		if (!urb_transfer_is_over(transfer) && !urb_of(transfer)->is_last)
			return;
	}
	/* nothing waits for memory any more */
	queue->no_memory_since_ns = 0;
}

bool urb_pump_has_completion(const struct urb_queue *queue)
{
	return !list_empty(&queue->transfers) &&
	       urb_transfer_is_over(urb_transfer_of(queue->transfers.next));
}

/* Takes the first transfer, which is over, off the queue and completes it. */
static void complete_first(struct urb_queue *queue)
{
	struct usbdev_transfer *transfer = urb_transfer_of(list_first(&queue->transfers));
	struct urbs *urbs = queue->urbs;

	list_remove(&transfer->node);
	transfer->backend = NULL;
	urbs->transfers--;
	urbs->owner.completed(urbs->owner.ctx, transfer, transfer->status,
			      transfer->actual_bytes);
}

/* Takes the URB of the first transfer if it is back. Return: false if that changes nothing now. */
static bool take_first(struct urb_queue *queue)
{
	struct usbdev_transfer *first = urb_transfer_of(list_first(&queue->transfers));
	struct urb *urb = urb_of(first);

	/* while the device is a suspect, the status is ambiguous: leave the URB */
	if (!urb || !urb_is_back(urb) ||
	    (urb_is_suspect(&queue->urbs->standing) && urb_looks_gone(urb)))
		return false;
	if (first->type != USBDEV_TYPE_ISOCHRONOUS)
		return urb_piece_complete(urb);
	urb_isoch_complete(urb);
	return true;
}

void urb_pump_complete(struct urb_queue *queue)
{
	struct urbs *urbs = queue->urbs;
	unsigned completions = 0;
	bool taken = false;

	assert(urbs->busy > 0);
	while (!list_empty(&queue->transfers) && completions < URB_COMPLETIONS_MAX) {
		if (urb_pump_has_completion(queue)) {
			complete_first(queue);
			completions++;
		} else if (take_first(queue)) {
			taken = true;
		} else {
			break;
		}
	}
	if (!urbs->destroyed &&
	    ((taken && queue->waiting > 0) || completions == URB_COMPLETIONS_MAX))
		urb_queue_wake(queue);
}

void urb_pump_cancel(struct urb_queue *queue, struct usbdev_transfer *transfer)
{
	transfer->cancelled = true;
	if (urb_transfer_is_waiting(transfer)) {
		urb_transfer_set_over(queue, transfer, USBDEV_STATUS_CANCELLED);
		urb_queue_wake(queue);
	} else if (!urb_is_back(urb_of(transfer))) {
		urb_unlink(urb_of(transfer));
	}
}
