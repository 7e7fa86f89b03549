/* SPDX-License-Identifier: MIT
 * isoch.c - isochronous transfers as the packets of URBs
 *
 * Transfers submitted in one turn of the loop go together, one packet for each transfer,
 * "as soon as possible" (USBDEVFS_URB_ISO_ASAP): right behind the URB before, as long as
 * that has not ended.
 */
#include "usbdev/host/urb/isoch.h"

#include <errno.h>

#include "usbdev/host/urb/deliver.h"
#include "usbdev/host/urb/engine.h"
#include "usbdev/host/urb/submit.h"
#include "usbdev/host/urb/transfer.h"

/* Adds the waiting transfers from @first on. Ends those too long for a packet. */
static void collect(struct urb *urb, struct usbdev_transfer *first)
{
	struct urb_queue *queue = urb->queue;
	struct list *node;

	for (node = &first->node; node != &queue->transfers; node = node->next) {
		struct usbdev_transfer *transfer = urb_transfer_of(node);

		if (urb_transfer_is_over(transfer))
			continue;
		if (urb_transfer_has_urb(transfer) || urb->count == URB_PACKETS_MAX ||
		    transfer->type != USBDEV_TYPE_ISOCHRONOUS)
			break;
		if (transfer->length_bytes > URB_PACKET_BYTES_MAX) {
			urb_transfer_set_over(queue, transfer, USBDEV_STATUS_ERROR);
			continue;
		}
		if (urb->length_bytes + transfer->length_bytes > URB_ISOCH_BYTES_MAX)
			break;
		urb->transfers[urb->count++] = transfer;
		urb->length_bytes += transfer->length_bytes;
	}
}

/* Fills in the packets, with OUT data. Ends and drops transfers whose data cannot be read. */
static void fill(struct urb *urb)
{
	unsigned count = urb->count;

	urb->count = 0;
	urb->length_bytes = 0;
	for (unsigned i = 0; i < count; i++) {
		struct usbdev_transfer *transfer = urb->transfers[i];

		if (!usbdev_transfer_is_in(transfer) &&
		    usbdev_transfer_read(transfer, 0,
					 urb->buffer->data + urb->length_bytes,
					 transfer->length_bytes) < 0) {
			urb_transfer_set_over(urb->queue, transfer, USBDEV_STATUS_MEMORY);
			continue;
		}
		urb->usb.iso_frame_desc[urb->count] = (struct usbdevfs_iso_packet_desc){
			.length = transfer->length_bytes,
		};
		urb->transfers[urb->count++] = transfer;
		urb->length_bytes += transfer->length_bytes;
	}
}

static int submit(struct urb *urb)
{
	struct usbdevfs_urb *usb = &urb->usb;
	struct urbs *urbs = urb->queue->urbs;

	urb->buffer = urb_buffer_get(&urbs->pool.buffers, urb->length_bytes);
	if (!urb->buffer)
		return -ENOMEM;
	fill(urb);
	if (urb->count == 0)
		return 0;
	urb->is_last = true;
	usb->type = USBDEVFS_URB_TYPE_ISO;
	usb->endpoint = urb->transfers[0]->ep_addr;
	usb->flags = USBDEVFS_URB_ISO_ASAP;
	usb->number_of_packets = (int)urb->count;
	return urb_submit(urb, urb->buffer->data, urb->length_bytes);
}

/* The kernel had no memory for so long that the intervals of the waiting transfers are over. */
static void miss_all(struct urb_queue *queue)
{
	struct list *node;

	queue->no_memory_since_ns = 0;
	LIST_FOREACH(node, &queue->transfers) {
		struct usbdev_transfer *transfer = urb_transfer_of(node);

		if (urb_transfer_is_waiting(transfer))
			urb_transfer_set_over(queue, transfer, USBDEV_STATUS_MISSED);
	}
}

/* Return: as urb_isoch_submit(). */
static bool wait_for_memory(struct urb_queue *queue)
{
	if (queue->no_memory_since_ns != 0 &&
	    clock_now_ns() - queue->no_memory_since_ns > URB_ISOCH_WAIT_NS) {
		miss_all(queue);
		return true;
	}
	urb_queue_wait_for_memory(queue);
	return false;
}

bool urb_isoch_submit(struct urb_queue *queue, struct usbdev_transfer *first)
{
	struct urbs *urbs = queue->urbs;
	struct urb *urb = urb_get(&urbs->pool, queue);
	bool go_on = true;
	int r = 0;

	if (!urb)
		return wait_for_memory(queue);
	collect(urb, first);
	if (queue->with_kernel > 0 &&
	    queue->kernel_bytes + urb->length_bytes > URB_QUEUE_BYTES_MAX)
		go_on = false;
	else if (urb->count > 0)
		r = submit(urb);
	if (r == -ENOMEM) {
		go_on = wait_for_memory(queue);
	} else if (r < 0) {
		if (r == -ENODEV)
			urb_check_presence(&urbs->standing);
		else if (r == -EBUSY) /* another driver has the interface */
			urb_suspect_claim(&urbs->standing);
		for (unsigned i = 0; i < urb->count; i++)
			urb_transfer_set_over(queue, urb->transfers[i],
					      r == -ENODEV ? USBDEV_STATUS_GONE
							   : USBDEV_STATUS_ERROR);
	}
	if (urb->state == URB_STATE_NEW)
		urb_put(&urbs->pool, urb);
	return go_on;
}

/* ---- completing ---- */

/* The URB was unlinked or killed before the controller came to this packet. */
static bool did_not_run(const struct urb *urb, int packet_status)
{
	switch (urb->usb.status) {
	case -ENOENT:
	case -ECONNRESET:
	case -ESHUTDOWN:
	case -ENODEV:
		/* the kernel sets these at first */
		return packet_status == -EXDEV || packet_status == -EINPROGRESS;
	default:
		return false;
	}
}

static void complete_packet(struct urb *urb, unsigned index, uint32_t offset)
{
	const struct usbdevfs_iso_packet_desc *packet = &urb->usb.iso_frame_desc[index];
	struct usbdev_transfer *transfer = urb->transfers[index];
	uint32_t arrived = MIN_OF(packet->actual_length, transfer->length_bytes);
	struct urb_queue *queue = urb->queue;
	int packet_status = (int)packet->status;
	bool gone = urb_is_gone(&queue->urbs->standing);
	enum usbdev_status status;

	if (did_not_run(urb, packet_status)) {
		/* unlinked because of another packet */
		if (!transfer->cancelled && !gone && urb->unlink == URB_UNLINK_ASKED)
			urb_transfer_set_waiting(queue, transfer);
		else
			urb_transfer_set_over(queue, transfer,
					      urb_status(urb->usb.status, gone));
		return;
	}
	status = packet_status == -EXDEV ? USBDEV_STATUS_MISSED
					 : urb_status(packet_status, gone);
	/* an endpoint without handshakes cannot halt */
	if (status == USBDEV_STATUS_STALL)
		status = USBDEV_STATUS_ERROR;
	transfer->actual_bytes = arrived;
	if (usbdev_transfer_is_in(transfer)) {
		transfer->actual_bytes =
			urb_deliver(transfer, 0, urb->buffer->data + offset, arrived);
		if (transfer->actual_bytes < arrived && status == USBDEV_STATUS_OK)
			status = transfer->cancelled ? USBDEV_STATUS_CANCELLED
						     : USBDEV_STATUS_MEMORY;
	}
	urb_transfer_set_over(queue, transfer, status);
}

void urb_isoch_complete(struct urb *urb)
{
	uint32_t offset = 0;

	for (unsigned i = 0; i < urb->count; i++) {
		uint32_t length = urb->transfers[i]->length_bytes;

		complete_packet(urb, i, offset);
		offset += length;
	}
	urb_put(&urb->queue->urbs->pool, urb);
}
