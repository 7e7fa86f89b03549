/* SPDX-License-Identifier: MIT
 * submit.c - one URB to the kernel, and back
 */
#include "usbdev/host/urb/submit.h"

#include <assert.h>
#include <errno.h>

#include "usbdev/host/urb/engine.h"
#include "usbdev/host/urb/transfer.h"
#include "usbdev/host/urb/usbfs.h"
#include "util/log.h"

int urb_submit(struct urb *urb, void *data, uint32_t bytes)
{
	struct urb_queue *queue = urb->queue;
	struct urbs *urbs = queue->urbs;
	int r;

	assert(!urb_is_frozen(&urbs->freeze));
	urb->usb.buffer = data;
	urb->usb.buffer_length = (int)bytes;
	urb->usb.usercontext = urb;
	r = usbfs_submit(urbs->fd, &urb->usb);
	if (r == -ENOMEM && urb_buffers_unmap_spares(&urbs->pool.buffers))
		r = usbfs_submit(urbs->fd, &urb->usb);
	if (r < 0)
		return r;
	urb_set_state(urb, URB_STATE_SUBMITTED);
	urb_in_flight_add(&urbs->in_flight, urb);
	queue->with_kernel++;
	queue->kernel_bytes += urb->length_bytes;
	queue->no_memory_since_ns = 0;
	urb_set_claim(&urbs->standing, URB_CLAIM_OURS);
	for (unsigned i = 0; i < urb->count; i++)
		urb_transfer_set_urb(queue, urb->transfers[i], urb);
	return 0;
}

int urb_reap(struct urbs *urbs, struct urb **ret_urb)
{
	struct usbdevfs_urb *usb = NULL;
	struct urb_queue *queue;
	struct urb *urb;
	int r = usbfs_reap(urbs->fd, &usb);

	if (r < 0)
		return r;
	urb = urb_in_flight_find(&urbs->in_flight, usb);
	*ret_urb = urb;
	if (!urb) {
		log_limited(LOG_LEVEL_WARN, "reaped a foreign USB transfer");
		return 0;
	}
	queue = urb->queue;
	urb_in_flight_remove(&urbs->in_flight, urb);
	urb_set_state(urb, URB_STATE_BACK);
	queue->with_kernel--;
	queue->kernel_bytes -= urb->length_bytes;
	if (urb->unlink == URB_UNLINK_WANTED)
		urbs->unlinks.wanted--;
	if (urb->usb.status == 0 && urbs->piece_bytes < urbs->piece_bytes_max)
		urbs->piece_bytes *= 2;
	return 0;
}

void urb_lose(struct urb *urb)
{
	struct urb_queue *queue = urb->queue;
	struct urbs *urbs = queue->urbs;

	urb_in_flight_remove(&urbs->in_flight, urb);
	queue->with_kernel--;
	queue->kernel_bytes -= urb->length_bytes;
	for (unsigned i = 0; i < urb->count; i++)
		urb_transfer_set_over(queue, urb->transfers[i], USBDEV_STATUS_GONE);
	urb_put(&urbs->pool, urb);
}

bool urb_looks_gone(const struct urb *urb)
{
	switch (urb->usb.status) {
	case -ENODEV:
	case -ESHUTDOWN:
		return true;
	case -ENOENT:
	case -ECONNRESET:
		return urb->unlink != URB_UNLINK_ASKED;
	default:
		return false;
	}
}
