/* SPDX-License-Identifier: MIT
 * isoch.c - isochronous transfers as the packets of URBs
 *
 * What has been submitted in one turn of the loop goes together, one packet for each
 * transfer, "as soon as possible": right behind the URB before, as long as that has
 * not ended (USBDEVFS_URB_ISO_ASAP).
 */
#include <errno.h>

#include "usbdev/host/urb/urb_priv.h"

/* Adds the transfers from @first on that wait. Those too long for a packet are over. */
static void collect(struct urb *urb, struct usbdev_transfer *first)
{
	struct urb_queue *queue = urb->queue;
	struct list *node;

	for (node = &first->node; node != &queue->transfers; node = node->next) {
		struct usbdev_transfer *transfer = urb_transfer_of(node);

		if (urb_transfer_is_over(transfer))
			continue;
		if (urb_of(transfer) || urb->count == URB_PACKETS_MAX ||
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

/* The packets, with OUT data. Transfers whose data cannot be read are over and drop out. */
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

static int hand(struct urb *urb)
{
	struct usbdevfs_urb *usb = &urb->usb;
	struct urbs *urbs = urb->queue->urbs;

	urb->buffer = urb_buffer_get(&urbs->buffers, urb->length_bytes);
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

/* There has been no memory for so long that their intervals are over. */
static void miss_all(struct urb_queue *queue)
{
	struct list *node;

	queue->starved_since_ns = 0;
	LIST_FOREACH(node, &queue->transfers) {
		struct usbdev_transfer *transfer = urb_transfer_of(node);

		if (!urb_transfer_is_over(transfer) && !urb_of(transfer))
			urb_transfer_set_over(queue, transfer, USBDEV_STATUS_MISSED);
	}
}

static enum urb_handed wait_for_memory(struct urb_queue *queue)
{
	if (queue->starved_since_ns != 0 &&
	    clock_now_ns() - queue->starved_since_ns > URB_ISOCH_WAIT_NS) {
		miss_all(queue);
		return URB_HANDED_ON;
	}
	urbs_starve(queue);
	return URB_HANDED_WAIT;
}

enum urb_handed urb_isoch_hand(struct urb_queue *queue, struct usbdev_transfer *first)
{
	struct urbs *urbs = queue->urbs;
	struct urb *urb = urb_get(queue);
	enum urb_handed handed = URB_HANDED_ON;
	int r = 0;

	if (!urb)
		return wait_for_memory(queue);
	collect(urb, first);
	if (queue->with_kernel > 0 &&
	    queue->kernel_bytes + urb->length_bytes > URB_QUEUE_BYTES_MAX)
		handed = URB_HANDED_WAIT;
	else if (urb->count > 0)
		r = hand(urb);
	if (r == -ENOMEM) {
		handed = wait_for_memory(queue);
	} else if (r < 0) {
		if (r == -ENODEV)
			urbs_look_if_gone(urbs);
		for (unsigned i = 0; i < urb->count; i++)
			urb_transfer_set_over(queue, urb->transfers[i],
					      r == -ENODEV ? USBDEV_STATUS_GONE
							   : USBDEV_STATUS_ERROR);
	}
	if (r < 0 || handed == URB_HANDED_WAIT || urb->count == 0)
		urb_put(urbs, urb);
	return handed;
}

/* ---- back from the kernel ---- */

/* The kernel took the URB back before it came to this packet. */
static bool did_not_run(const struct urb *urb, int packet_status)
{
	switch (urb->usb.status) {
	case -ENOENT:
	case -ECONNRESET:
	case -ESHUTDOWN:
	case -ENODEV:
		/* what packets begin with in the kernel */
		return packet_status == -EXDEV || packet_status == -EINPROGRESS;
	default:
		return false;
	}
}

static void retire_packet(struct urb *urb, unsigned index, uint32_t offset)
{
	const struct usbdevfs_iso_packet_desc *packet = &urb->usb.iso_frame_desc[index];
	struct usbdev_transfer *transfer = urb->transfers[index];
	uint32_t arrived = MIN_OF(packet->actual_length, transfer->length_bytes);
	struct urb_queue *queue = urb->queue;
	int packet_status = (int)packet->status;
	enum usbdev_status status;

	if (did_not_run(urb, packet_status)) {
		/* taken back for another packet's sake */
		if (!transfer->cancelled && !queue->urbs->gone &&
		    urb->discard == URB_DISCARD_ASKED)
			urb_transfer_set_waiting(queue, transfer);
		else
			urb_transfer_set_over(queue, transfer,
					      urb_status(queue->urbs, urb->usb.status));
		return;
	}
	status = packet_status == -EXDEV ? USBDEV_STATUS_MISSED
					 : urb_status(queue->urbs, packet_status);
	/* no packet halts an endpoint that has no handshakes */
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

void urb_isoch_retire(struct urb *urb)
{
	uint32_t offset = 0;

	for (unsigned i = 0; i < urb->count; i++) {
		uint32_t length = urb->transfers[i]->length_bytes;

		retire_packet(urb, i, offset);
		offset += length;
	}
	urb_put(urb->queue->urbs, urb);
}
