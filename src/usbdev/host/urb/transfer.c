/* SPDX-License-Identifier: MIT
 * transfer.c - the states of a transfer on its queue, and how it ends
 */
#include "usbdev/host/urb/transfer.h"

#include <assert.h>
#include <errno.h>

#include "usbdev/host/urb/queue.h"

char urb_over_mark[1];

void urb_transfer_set_waiting(struct urb_queue *queue, struct usbdev_transfer *transfer)
{
	transfer->backend = NULL;
	queue->waiting++;
}

void urb_transfer_set_urb(struct urb_queue *queue, struct usbdev_transfer *transfer,
			  struct urb *urb)
{
	assert(urb_transfer_is_waiting(transfer));
	transfer->backend = urb;
	queue->waiting--;
}

void urb_transfer_set_over(struct urb_queue *queue, struct usbdev_transfer *transfer,
			   enum usbdev_status status)
{
	assert(!urb_transfer_is_over(transfer));
	if (urb_transfer_is_waiting(transfer))
		queue->waiting--;
	transfer->backend = URB_OVER;
	transfer->status = status;
}

enum usbdev_status urb_status(int kernel_status, bool gone)
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
		return gone ? USBDEV_STATUS_GONE : USBDEV_STATUS_CANCELLED;
	default:
		return USBDEV_STATUS_ERROR;
	}
}

bool urb_is_failure(const struct usbdev_transfer *transfer, enum usbdev_status status)
{
	return (transfer->type == USBDEV_TYPE_BULK ||
		transfer->type == USBDEV_TYPE_INTERRUPT) &&
	       (status == USBDEV_STATUS_ERROR || status == USBDEV_STATUS_BABBLE ||
		status == USBDEV_STATUS_MEMORY);
}
