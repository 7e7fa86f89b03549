/* SPDX-License-Identifier: MIT
 * piece.c - control, bulk and interrupt transfers as URBs
 *
 * A transfer longer than an URB goes in pieces; the next is submitted when the one before
 * is back, as a short packet ends the transfer. IN data goes to a buffer and from there to
 * the guest. OUT data goes from the guest to a buffer, copied once if usbfs has mapped that.
 * If not, and if the data is contiguous in host memory, the kernel gets it where it is and
 * copies it inside the call.
 *
 * When a bulk or interrupt transfer fails, the kernel goes on with those behind it, which
 * the guest must not see. So the queue drains: the URBs behind are unlinked before the
 * failure completes, and their data becomes leftover data. The queue also drains
 * behind a transfer that left data behind; the transfers behind wait again and get it.
 */
#include "usbdev/host/urb/piece.h"

#include <assert.h>
#include <errno.h>

#include "usbdev/host/urb/deliver.h"
#include "usbdev/host/urb/engine.h"
#include "usbdev/host/urb/submit.h"
#include "usbdev/host/urb/transfer.h"
#include "usbdev/host/urb/unlink.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define SETUP_BYTES        8u
#define CONTIGUOUS_IOV_MAX 16
/* Maximum packet sizes of bulk endpoints are multiples of this. */
#define BULK_PACKET_UNIT 8u

void urb_piece_init(struct urbs *urbs, uint32_t caps)
{
	if (caps & USBDEVFS_CAP_BULK_SCATTER_GATHER)
		urbs->piece_bytes_max = URB_PIECE_BYTES_MAX;
	else if (caps & USBDEVFS_CAP_NO_PACKET_SIZE_LIM)
		urbs->piece_bytes_max = URB_PIECE_BYTES_ONE;
	else
		urbs->piece_bytes_max = URB_PIECE_BYTES_OLD;
	urbs->piece_bytes = urbs->piece_bytes_max;
}

/* Bytes moved; bounded, whatever the kernel or the device claim. */
static uint32_t arrived_bytes(const struct urb *urb)
{
	if (urb->usb.actual_length < 0)
		return 0;
	return MIN_OF((uint32_t)urb->usb.actual_length, urb->length_bytes);
}

/* ---- submitting ---- */

/* Host memory of [@offset, @offset + @len) if it is contiguous, else NULL. */
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

/* Return: 0; -EFAULT if guest memory cannot be read; or -errno. */
static int submit_buffered(struct urb *urb)
{
	struct usbdev_transfer *transfer = urb->transfers[0];
	int r = usbdev_transfer_read(transfer, transfer->actual_bytes, urb->buffer->data,
				     urb->length_bytes);

	return r < 0 ? r : urb_submit(urb, urb->buffer->data, urb->length_bytes);
}

/* Return: as submit_buffered(). */
static int submit_out(struct urb *urb)
{
	struct urb_buffers *buffers = &urb->queue->urbs->pool.buffers;
	void *data;
	int r;

	urb->buffer = urb_buffer_get_mapped(buffers, urb->length_bytes);
	if (urb->buffer)
		return submit_buffered(urb);
	data = contiguous(urb->transfers[0], urb->transfers[0]->actual_bytes,
			  urb->length_bytes);
	if (data || urb->length_bytes == 0) {
		r = urb_submit(urb, data, urb->length_bytes);
		/* guest memory may have changed since the lookup: a copy tells */
		if (r != -EFAULT)
			return r;
	}
	urb->buffer = urb_buffer_get_heap(buffers, urb->length_bytes);
	if (!urb->buffer)
		return -ENOMEM;
	r = submit_buffered(urb);
	/* the kernel has copied the data */
	urb_buffer_put(buffers, urb->buffer);
	urb->buffer = NULL;
	return r;
}

static int submit_in(struct urb *urb)
{
	if (urb->length_bytes > 0) {
		urb->buffer = urb_buffer_get(&urb->queue->urbs->pool.buffers,
					     urb->length_bytes);
		if (!urb->buffer)
			return -ENOMEM;
	}
	return urb_submit(urb, urb->buffer ? urb->buffer->data : NULL, urb->length_bytes);
}

/* The kernel moves setup.length bytes, behind the SETUP packet in its buffer. */
static int submit_control(struct urb *urb)
{
	struct usbdev_transfer *transfer = urb->transfers[0];
	const struct usbdev_setup *setup = &transfer->setup;
	uint8_t *data;
	int r = 0;

	urb->buffer = urb_buffer_get_heap(&urb->queue->urbs->pool.buffers,
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

static int submit_piece(struct urb_queue *queue, struct usbdev_transfer *transfer,
			uint32_t bytes)
{
	struct urb *urb = urb_get(&queue->urbs->pool, queue);
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
		r = submit_control(urb);
	} else {
		urb->is_last = bytes == transfer->length_bytes - transfer->actual_bytes;
		urb->usb.type = transfer->type == USBDEV_TYPE_INTERRUPT
					? USBDEVFS_URB_TYPE_INTERRUPT
					: USBDEVFS_URB_TYPE_BULK;
		urb->usb.stream_id = transfer->stream_id;
		r = usbdev_transfer_is_in(transfer) ? submit_in(urb) : submit_out(urb);
	}
	if (r < 0)
		urb_put(&queue->urbs->pool, urb);
	return r;
}

static uint32_t piece_bytes(const struct urbs *urbs,
			    const struct usbdev_transfer *transfer)
{
	if (transfer->type == USBDEV_TYPE_CONTROL)
		return transfer->setup.length;
	return MIN_OF(transfer->length_bytes - transfer->actual_bytes, urbs->piece_bytes);
}

/* Makes pieces smaller. Return: false if that is not worth a try, as memory will come back from
 * URBs of ours, or if they are the smallest. */
static bool shrink(struct urbs *urbs, const struct usbdev_transfer *transfer)
{
	uint32_t bytes = piece_bytes(urbs, transfer);

	if (transfer->type == USBDEV_TYPE_CONTROL || urbs->in_flight.count > 0 ||
	    bytes <= URB_PIECE_BYTES_MIN)
		return false;
	while (urbs->piece_bytes >= bytes && urbs->piece_bytes > URB_PIECE_BYTES_MIN)
		urbs->piece_bytes /= 2;
	return true;
}

/* How a transfer ends whose submission the kernel refused with @error. */
static enum usbdev_status status_of_refusal(struct urbs *urbs,
					    const struct usbdev_transfer *transfer,
					    int error)
{
	switch (error) {
	case -EFAULT:
		return USBDEV_STATUS_MEMORY;
	case -ENODEV:
		urb_check_presence(&urbs->standing);
		return USBDEV_STATUS_GONE;
	case -EPIPE:
		return USBDEV_STATUS_STALL;
	case -ESHUTDOWN: /* the endpoint is being disabled */
	case -EPERM:     /* the endpoint is being flushed */
		return USBDEV_STATUS_CANCELLED;
	case -ENOENT:
	case -EINVAL:
	case -ESRCH:
	case -EHOSTUNREACH:
		/* usbfs knows no such interface or endpoint, or the device has no
		 * configuration: the device would refuse such a request */
		if (transfer->type == USBDEV_TYPE_CONTROL)
			return USBDEV_STATUS_STALL;
		return USBDEV_STATUS_ERROR;
	default:
		return USBDEV_STATUS_ERROR;
	}
}

/* ---- leftover data ---- */

static_assert(URB_QUEUE_BYTES_MAX < URB_LEFTOVER_BYTES_MAX,
	      "all that is with the kernel may become leftover data");

/* Keeps IN data, from @offset on, that its transfer does not take. */
static void keep(struct urb *urb, uint32_t offset)
{
	struct usbdev_transfer *transfer = urb->transfers[0];
	uint32_t len = arrived_bytes(urb);
	bool ok = urb->usb.status == 0 || urb->usb.status == -EREMOTEIO;
	bool is_short =
		ok && (len < urb->length_bytes || (transfer->type == USBDEV_TYPE_BULK &&
						   len % BULK_PACKET_UNIT != 0));

	if (len > offset || is_short)
		urb_leftover_keep(&urb->queue->leftover, transfer->ep_addr,
				  urb->buffer ? urb->buffer->data + offset : NULL,
				  len - offset, is_short);
}

/* No transfer behind @first has an URB with the kernel any more. Cancels them (@cancel), or has
 * them wait again. */
static void drain_behind(struct urb_queue *queue, struct usbdev_transfer *first,
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
			urb_put(&queue->urbs->pool, urb);
	}
}

/* Ends a transfer that waits. */
static void end_waiting(struct urb_queue *queue, struct usbdev_transfer *transfer,
			enum usbdev_status status)
{
	if (urb_is_failure(transfer, status))
		drain_behind(queue, transfer, true);
	urb_transfer_set_over(queue, transfer, status);
}

/* Gives @transfer, which waits, leftover data. Return: true if that ends it. */
static bool take_leftover(struct urb_queue *queue, struct usbdev_transfer *transfer)
{
	enum usbdev_status status = USBDEV_STATUS_ERROR;
	int r;

	if (!urb_leftover_is_due(&queue->leftover))
		return false;
	r = urb_leftover_deliver(&queue->leftover, transfer);
	if (r == 0)
		return false;
	if (r > 0)
		status = USBDEV_STATUS_OK;
	else if (r == -EFAULT)
		status = USBDEV_STATUS_MEMORY;
	end_waiting(queue, transfer, status);
	return true;
}

bool urb_piece_submit(struct urb_queue *queue, struct usbdev_transfer *transfer)
{
	struct urbs *urbs = queue->urbs;
	uint32_t bytes;
	int r;

	if (take_leftover(queue, transfer))
		return true;
	if (transfer->type == USBDEV_TYPE_CONTROL && !usbdev_transfer_is_in(transfer) &&
	    transfer->length_bytes < transfer->setup.length) {
		/* the device would wait for more data than there is */
		end_waiting(queue, transfer, USBDEV_STATUS_ERROR);
		return true;
	}
	do {
		bytes = piece_bytes(urbs, transfer);
		if (queue->with_kernel > 0 &&
		    queue->kernel_bytes + bytes > URB_QUEUE_BYTES_MAX)
			return false;
		r = submit_piece(queue, transfer, bytes);
	} while (r == -ENOMEM && shrink(urbs, transfer));
	if (r == -ENOMEM) {
		urb_queue_wait_for_memory(queue);
		return false;
	}
	/* another driver has the interface */
	if (r == -EBUSY && urb_contest_claim(&urbs->standing))
		return false;
	if (r < 0)
		end_waiting(queue, transfer, status_of_refusal(urbs, transfer, r));
	return true;
}

/* ---- completing ---- */

/* True if the transfer's memory cannot be reached any more. */
static bool is_closed(struct usbdev_transfer *transfer)
{
	struct iovec iov;

	return transfer->actual_bytes < transfer->length_bytes &&
	       usbdev_transfer_iov(transfer, transfer->actual_bytes, 1, &iov, 1) <= 0;
}

static void complete_control(struct urb *urb)
{
	struct usbdev_transfer *transfer = urb->transfers[0];
	uint32_t arrived = arrived_bytes(urb);
	uint32_t len = MIN_OF(arrived, transfer->length_bytes);

	transfer->actual_bytes = len;
	if (!usbdev_transfer_is_in(transfer))
		return;
	transfer->actual_bytes =
		urb_deliver(transfer, 0, urb->buffer->data + SETUP_BYTES, len);
	if (urb->status != USBDEV_STATUS_OK)
		return;
	if (transfer->actual_bytes < len)
		urb->status = transfer->cancelled ? USBDEV_STATUS_CANCELLED
						  : USBDEV_STATUS_MEMORY;
	else if (arrived > len)
		urb->status = USBDEV_STATUS_BABBLE;
}

static void complete_in(struct urb *urb)
{
	struct usbdev_transfer *transfer = urb->transfers[0];
	uint32_t arrived = arrived_bytes(urb);
	uint32_t done = 0;
	bool lost_end;

	if (arrived > 0)
		done = urb_deliver(transfer, transfer->actual_bytes, urb->buffer->data,
				   arrived);
	transfer->actual_bytes += done;
	/* a short packet without data has to be kept as well */
	lost_end = arrived == 0 && urb->status == USBDEV_STATUS_OK &&
		   transfer->cancelled && is_closed(transfer);
	if ((done == arrived && !lost_end) || urb->status == USBDEV_STATUS_GONE)
		return;
	keep(urb, done);
	if (urb->status == USBDEV_STATUS_OK)
		urb->status = transfer->cancelled ? USBDEV_STATUS_CANCELLED
						  : USBDEV_STATUS_MEMORY;
}

/* Delivers the data and decides how the transfer goes on. */
static void decide(struct urb *urb)
{
	struct usbdev_transfer *transfer = urb->transfers[0];
	bool gone = urb_is_gone(&urb->queue->urbs->standing);
	uint32_t arrived = arrived_bytes(urb);
	enum urb_state state = URB_STATE_DONE;

	urb->status = urb_status(urb->usb.status, gone);
	if (transfer->type == USBDEV_TYPE_CONTROL)
		complete_control(urb);
	else if (usbdev_transfer_is_in(transfer))
		complete_in(urb);
	else
		transfer->actual_bytes += arrived;
	if (urb->status == USBDEV_STATUS_OK && !urb->is_last &&
	    arrived == urb->length_bytes) {
		if (transfer->cancelled)
			urb->status = USBDEV_STATUS_CANCELLED;
		else if (gone)
			urb->status = USBDEV_STATUS_GONE;
		else
			state = URB_STATE_CONTINUES;
	}
	urb_set_state(urb, state);
}

bool urb_piece_complete(struct urb *urb)
{
	struct usbdev_transfer *transfer = urb->transfers[0];
	struct urb_queue *queue = urb->queue;
	bool failed;

	if (urb->state == URB_STATE_BACK)
		decide(urb);
	failed = urb_is_failure(transfer, urb->status);
	if (failed || queue->draining || !urb_leftover_empty(&queue->leftover)) {
		queue->draining = queue->with_kernel > 0;
		if (queue->draining) {
			urb_unlink_queue(queue);
			return false;
		}
		drain_behind(queue, transfer, failed);
	}
	if (urb->state == URB_STATE_CONTINUES)
		urb_transfer_set_waiting(queue, transfer);
	else
		urb_transfer_set_over(queue, transfer, urb->status);
	urb_put(&queue->urbs->pool, urb);
	return true;
}
