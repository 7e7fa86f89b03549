/* SPDX-License-Identifier: MIT
 * piece.c - control, bulk and interrupt transfers as URBs
 *
 * A transfer longer than an URB may be goes in pieces, the next when the one before is
 * back: a short packet ends it. IN data goes to a buffer and from there to the guest, OUT
 * data from the guest to a buffer: once copied, if usbfs has mapped that. If not, OUT data
 * that lies in one piece of host memory is given to the kernel as it is, which copies
 * it inside the call.
 *
 * When a bulk or interrupt transfer fails, the kernel goes on with those behind it, as
 * the guest must not see it do: they are fetched back before the failure is told, and
 * what they received is kept as late data. Likewise behind a transfer whose data had
 * to be kept; these wait again, behind that data.
 */
#include <assert.h>
#include <errno.h>

#include "usbdev/host/urb/urb_priv.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define SETUP_BYTES        8u
#define CONTIGUOUS_IOV_MAX 16
/* Maximum packet sizes of bulk endpoints are multiples of this. */
#define BULK_PACKET_UNIT 8u

/* The device cannot go on with what is behind a transfer that ended so. */
bool urb_is_failure(const struct usbdev_transfer *transfer, enum usbdev_status status)
{
	return urb_kind_is_stream_of_data(transfer) &&
	       (status == USBDEV_STATUS_ERROR || status == USBDEV_STATUS_BABBLE ||
		status == USBDEV_STATUS_MEMORY);
}

/* Bytes moved, whatever the kernel or the device say. */
static uint32_t arrived_bytes(const struct urb *urb)
{
	if (urb->usb.actual_length < 0)
		return 0;
	return MIN_OF((uint32_t)urb->usb.actual_length, urb->length_bytes);
}

/* ---- to the kernel ---- */

/* Host memory of [@offset, @offset + @len) if it lies in one piece, else NULL. */
static void *contiguous(struct usbdev_transfer *transfer, uint32_t offset, uint32_t len)
{
	UNINITIALIZED struct iovec iov[CONTIGUOUS_IOV_MAX];
	uint8_t *start = NULL;
	uint32_t found = 0;

	while (found < len) {
		int n = usbdev_transfer_iov(transfer, offset + found, len - found, iov,
					    CONTIGUOUS_IOV_MAX);

		if (n <= 0)
			return NULL;
		if (!start)
			start = iov[0].iov_base;
		for (int i = 0; i < n; i++) {
			if (iov[i].iov_base != start + found)
				return NULL;
			found += (uint32_t)iov[i].iov_len;
		}
	}
	return start;
}

/* Return: 0, -EFAULT guest memory cannot be read, or -errno. */
static int hand_buffered(struct urb *urb)
{
	struct usbdev_transfer *transfer = urb->transfers[0];
	int r = usbdev_transfer_read(transfer, transfer->actual_bytes, urb->buffer->data,
				     urb->length_bytes);

	return r < 0 ? r : urb_submit(urb, urb->buffer->data, urb->length_bytes);
}

/* Return: as there. */
static int hand_out(struct urb *urb)
{
	struct urb_buffers *buffers = &urb->queue->urbs->buffers;
	void *data;
	int r;

	urb->buffer = urb_buffer_get_mapped(buffers, urb->length_bytes);
	if (urb->buffer)
		return hand_buffered(urb);
	data = contiguous(urb->transfers[0], urb->transfers[0]->actual_bytes,
			  urb->length_bytes);
	if (data || urb->length_bytes == 0) {
		r = urb_submit(urb, data, urb->length_bytes);
		/* it may have changed since it was looked up: copying tells */
		if (r != -EFAULT)
			return r;
	}
	urb->buffer = urb_buffer_get_heap(buffers, urb->length_bytes);
	if (!urb->buffer)
		return -ENOMEM;
	r = hand_buffered(urb);
	/* the kernel has copied it */
	urb_buffer_put(buffers, urb->buffer);
	urb->buffer = NULL;
	return r;
}

static int hand_in(struct urb *urb)
{
	if (urb->length_bytes > 0) {
		urb->buffer =
			urb_buffer_get(&urb->queue->urbs->buffers, urb->length_bytes);
		if (!urb->buffer)
			return -ENOMEM;
	}
	return urb_submit(urb, urb->buffer ? urb->buffer->data : NULL, urb->length_bytes);
}

/* The kernel moves setup.length bytes, behind the SETUP packet in its buffer. */
static int hand_control(struct urb *urb)
{
	struct usbdev_transfer *transfer = urb->transfers[0];
	const struct usbdev_setup *setup = &transfer->setup;
	uint8_t *data;
	int r = 0;

	urb->buffer = urb_buffer_get_heap(&urb->queue->urbs->buffers,
					  SETUP_BYTES + (uint32_t)setup->length);
	if (!urb->buffer)
		return -ENOMEM;
	data = urb->buffer->data;
	data[0] = setup->request_type;
	data[1] = setup->request;
	put_le16(data + 2, setup->value);
	put_le16(data + 4, setup->index);
	put_le16(data + 6, setup->length);
	if (!usbdev_transfer_is_in(transfer))
		r = usbdev_transfer_read(transfer, 0, data + SETUP_BYTES, setup->length);
	if (r == 0)
		r = urb_submit(urb, data, SETUP_BYTES + (uint32_t)setup->length);
	return r;
}

static int hand_piece(struct urb_queue *queue, struct usbdev_transfer *transfer,
		      uint32_t bytes)
{
	struct urb *urb = urb_get(queue);
	int r;

	if (!urb)
		return -ENOMEM;
	urb->transfers[0] = transfer;
	urb->count = 1;
	urb->length_bytes = bytes;
	urb->is_last = true;
	urb->usb.endpoint = transfer->ep_addr;
	if (transfer->type == USBDEV_TYPE_CONTROL) {
		urb->usb.type = USBDEVFS_URB_TYPE_CONTROL;
		r = hand_control(urb);
	} else {
		urb->is_last = bytes == transfer->length_bytes - transfer->actual_bytes;
		urb->usb.type = transfer->type == USBDEV_TYPE_INTERRUPT
					? USBDEVFS_URB_TYPE_INTERRUPT
					: USBDEVFS_URB_TYPE_BULK;
		urb->usb.stream_id = transfer->stream_id;
		r = usbdev_transfer_is_in(transfer) ? hand_in(urb) : hand_out(urb);
	}
	if (r < 0)
		urb_put(queue->urbs, urb);
	return r;
}

static uint32_t piece_bytes(const struct urbs *urbs,
			    const struct usbdev_transfer *transfer)
{
	if (transfer->type == USBDEV_TYPE_CONTROL)
		return transfer->setup.length;
	return MIN_OF(transfer->length_bytes - transfer->actual_bytes, urbs->piece_bytes);
}

/* Is it worth trying with less? Not while memory will come back from transfers of ours. */
static bool shrink(struct urbs *urbs, const struct usbdev_transfer *transfer)
{
	uint32_t bytes = piece_bytes(urbs, transfer);

	if (transfer->type == USBDEV_TYPE_CONTROL || urbs->with_kernel_count > 0 ||
	    bytes <= URB_PIECE_BYTES_MIN)
		return false;
	while (urbs->piece_bytes >= bytes && urbs->piece_bytes > URB_PIECE_BYTES_MIN)
		urbs->piece_bytes /= 2;
	return true;
}

/* What it means that a submission was refused. */
static enum usbdev_status refused(struct urbs *urbs,
				  const struct usbdev_transfer *transfer, int error)
{
	switch (error) {
	case -EFAULT:
		return USBDEV_STATUS_MEMORY;
	case -ENODEV:
		urbs_look_if_gone(urbs);
		return USBDEV_STATUS_GONE;
	case -EPIPE:
		return USBDEV_STATUS_STALL;
	case -EBUSY: /* somebody else has the interface */
		urbs_disturb(urbs);
		return USBDEV_STATUS_ERROR;
	case -ESHUTDOWN: /* the endpoint is being disabled */
	case -EPERM:     /* it is being emptied */
		return USBDEV_STATUS_CANCELLED;
	case -ENOENT:
	case -EINVAL:
	case -ESRCH:
	case -EHOSTUNREACH:
		/* usbfs finds no such interface or endpoint, or no configuration with
		 * one: the device would refuse such a request */
		if (transfer->type == USBDEV_TYPE_CONTROL)
			return USBDEV_STATUS_STALL;
		return USBDEV_STATUS_ERROR;
	default:
		return USBDEV_STATUS_ERROR;
	}
}

/* ---- fetched back from the kernel ---- */

static_assert(URB_QUEUE_BYTES_MAX < URB_LATE_BYTES_MAX,
	      "what is with the kernel may all come late");

/* IN data of a transfer that does not get it now. */
static void keep(struct urb *urb, uint32_t offset)
{
	struct usbdev_transfer *transfer = urb->transfers[0];
	uint32_t len = arrived_bytes(urb);
	bool ok = urb->usb.status == 0 || urb->usb.status == -EREMOTEIO;
	bool is_short =
		ok && (len < urb->length_bytes || (transfer->type == USBDEV_TYPE_BULK &&
						   len % BULK_PACKET_UNIT != 0));

	if (len > offset || is_short)
		urb_late_keep(&urb->queue->late, transfer->ep_addr,
			      urb->buffer ? urb->buffer->data + offset : NULL,
			      len - offset, is_short);
}

/* Those behind @first have no URB with the kernel any more. They are cancelled
 * (@cancel), or wait again. */
static void fetch_behind(struct urb_queue *queue, struct usbdev_transfer *first,
			 bool cancel)
{
	struct list *node;

	assert(queue->with_kernel == 0 || urb_of(first) == NULL);
	for (node = first->node.next; node != &queue->transfers; node = node->next) {
		struct usbdev_transfer *transfer = urb_transfer_of(node);
		struct urb *urb;

		if (urb_transfer_is_over(transfer))
			continue;
		urb = urb_of(transfer);
		if (urb && usbdev_transfer_is_in(transfer))
			keep(urb, 0);
		else if (urb)
			transfer->actual_bytes += arrived_bytes(urb);
		if (cancel || transfer->cancelled)
			urb_transfer_set_over(queue, transfer, USBDEV_STATUS_CANCELLED);
		else if (urb)
			urb_transfer_set_waiting(queue, transfer);
		if (urb)
			urb_put(queue->urbs, urb);
	}
}

/* A transfer that waits cannot go. */
static void refuse(struct urb_queue *queue, struct usbdev_transfer *transfer,
		   enum usbdev_status status)
{
	if (urb_is_failure(transfer, status))
		fetch_behind(queue, transfer, true);
	urb_transfer_set_over(queue, transfer, status);
}

enum urb_handed urb_piece_hand(struct urb_queue *queue, struct usbdev_transfer *transfer)
{
	struct urbs *urbs = queue->urbs;
	uint32_t bytes;
	int r;

	if (urb_late_is_due(&queue->late)) {
		r = urb_late_deliver(&queue->late, transfer);
		if (r != 0) {
			refuse(queue, transfer,
			       r > 0          ? USBDEV_STATUS_OK
			       : r == -EFAULT ? USBDEV_STATUS_MEMORY
					      : USBDEV_STATUS_ERROR);
			return URB_HANDED_ON;
		}
	}
	if (transfer->type == USBDEV_TYPE_CONTROL && !usbdev_transfer_is_in(transfer) &&
	    transfer->length_bytes < transfer->setup.length) {
		/* the device would wait for more than there is */
		refuse(queue, transfer, USBDEV_STATUS_ERROR);
		return URB_HANDED_ON;
	}
	do {
		bytes = piece_bytes(urbs, transfer);
		if (queue->with_kernel > 0 &&
		    queue->kernel_bytes + bytes > URB_QUEUE_BYTES_MAX)
			return URB_HANDED_WAIT;
		r = hand_piece(queue, transfer, bytes);
	} while (r == -ENOMEM && shrink(urbs, transfer));
	if (r == -ENOMEM) {
		urbs_starve(queue);
		return URB_HANDED_WAIT;
	}
	if (r == -EBUSY && urbs->contest != URB_LOOKED) {
		urbs->contest = URB_CONTESTED;
		urbs_disturb(urbs);
		return URB_HANDED_WAIT;
	}
	if (r < 0)
		refuse(queue, transfer, refused(urbs, transfer, r));
	return URB_HANDED_ON;
}

/* ---- back from the kernel ---- */

/* True if the transfer's owner has closed its memory. */
static bool is_closed(struct usbdev_transfer *transfer)
{
	struct iovec iov;

	return transfer->actual_bytes < transfer->length_bytes &&
	       usbdev_transfer_iov(transfer, transfer->actual_bytes, 1, &iov, 1) <= 0;
}

static void judge_control(struct urb *urb)
{
	struct usbdev_transfer *transfer = urb->transfers[0];
	uint32_t arrived = arrived_bytes(urb);
	uint32_t len = MIN_OF(arrived, transfer->length_bytes);

	transfer->actual_bytes = len;
	if (!usbdev_transfer_is_in(transfer))
		return;
	transfer->actual_bytes =
		urb_deliver(transfer, 0, urb->buffer->data + SETUP_BYTES, len);
	if (urb->verdict != USBDEV_STATUS_OK)
		return;
	if (transfer->actual_bytes < len)
		urb->verdict = transfer->cancelled ? USBDEV_STATUS_CANCELLED
						   : USBDEV_STATUS_MEMORY;
	else if (arrived > len)
		urb->verdict = USBDEV_STATUS_BABBLE;
}

static void judge_in(struct urb *urb)
{
	struct usbdev_transfer *transfer = urb->transfers[0];
	uint32_t arrived = arrived_bytes(urb);
	uint32_t done = 0;
	bool lost_end;

	if (arrived > 0)
		done = urb_deliver(transfer, transfer->actual_bytes, urb->buffer->data,
				   arrived);
	transfer->actual_bytes += done;
	/* a short packet without data is something to keep as well */
	lost_end = arrived == 0 && urb->verdict == USBDEV_STATUS_OK &&
		   transfer->cancelled && is_closed(transfer);
	if ((done == arrived && !lost_end) || urb->verdict == USBDEV_STATUS_GONE)
		return;
	keep(urb, done);
	if (urb->verdict == USBDEV_STATUS_OK)
		urb->verdict = transfer->cancelled ? USBDEV_STATUS_CANCELLED
						   : USBDEV_STATUS_MEMORY;
}

/* What became of the transfer, and its data to where it belongs. */
static void judge(struct urb *urb)
{
	struct usbdev_transfer *transfer = urb->transfers[0];
	uint32_t arrived = arrived_bytes(urb);

	urb->is_judged = true;
	urb->verdict = urb_status(urb->queue->urbs, urb->usb.status);
	if (transfer->type == USBDEV_TYPE_CONTROL)
		judge_control(urb);
	else if (usbdev_transfer_is_in(transfer))
		judge_in(urb);
	else
		transfer->actual_bytes += arrived;
	if (urb->verdict != USBDEV_STATUS_OK || urb->is_last ||
	    arrived < urb->length_bytes)
		return;
	if (transfer->cancelled)
		urb->verdict = USBDEV_STATUS_CANCELLED;
	else if (urb->queue->urbs->gone)
		urb->verdict = USBDEV_STATUS_GONE;
	else
		urb->goes_on = true;
}

bool urb_piece_retire(struct urb *urb)
{
	struct usbdev_transfer *transfer = urb->transfers[0];
	struct urb_queue *queue = urb->queue;
	bool failed;

	if (!urb->is_judged)
		judge(urb);
	failed = urb_is_failure(transfer, urb->verdict);
	if (failed || queue->fetching || !urb_late_empty(&queue->late)) {
		queue->fetching = queue->with_kernel > 0;
		if (queue->fetching) {
			urb_queue_discard(queue);
			return false;
		}
		fetch_behind(queue, transfer, failed);
	}
	if (urb->goes_on)
		urb_transfer_set_waiting(queue, transfer);
	else
		urb_transfer_set_over(queue, transfer, urb->verdict);
	urb_put(queue->urbs, urb);
	return true;
}
