/* SPDX-License-Identifier: MIT
 * unlink.c - asks the kernel to give URBs back before they are done
 */
#include "usbdev/host/urb/unlink.h"

#include <assert.h>

#include "usbdev/host/urb/engine.h"
#include "usbdev/host/urb/transfer.h"
#include "usbdev/host/urb/usbfs.h"

void urb_unlink(struct urb *urb)
{
	struct urbs *urbs = urb->queue->urbs;

	assert(!urb_is_back(urb));
	if (urb->unlink != URB_UNLINK_NONE)
		return;
	urb->unlink = URB_UNLINK_WANTED;
	urbs->unlinks.wanted++;
	urb_work_defer(&urbs->work);
}

void urb_unlink_queue(struct urb_queue *queue)
{
	struct list *node;

	LIST_FOREACH(node, &queue->transfers) {
		struct usbdev_transfer *transfer = urb_transfer_of(node);

		if (urb_transfer_has_urb(transfer) && !urb_is_back(urb_of(transfer)))
			urb_unlink(urb_of(transfer));
	}
}

void urb_unlink_resume(struct urbs *urbs)
{
	if (urb_is_frozen(&urbs->freeze))
		return;
	/* for URBs to unlink, and for a reap that tells whether the device is there: the fd
	 * becomes ready for URBs to reap only, not when there are none */
	urb_work_defer(&urbs->work);
	urb_queues_each(&urbs->queues, urb_queue_wake_if_used);
}

/* On the worker. */
static void run_unlinks(struct worker_job *job)
{
	struct urbs *urbs = CONTAINER_OF(job, struct urbs, unlinks.job);

	/* an URB that is back already says -EINVAL; the loop reaps it all the same */
	for (struct urb *urb = urbs->unlinks.first; urb; urb = urb->next)
		(void)usbfs_discard(urbs->fd, &urb->usb);
}

static void on_unlinked(struct worker_job *job)
{
	struct urbs *urbs = CONTAINER_OF(job, struct urbs, unlinks.job);

	urbs->unlinks.running = false;
	urbs->unlinks.first = NULL;
	urb_freeze_end(&urbs->freeze);
	urb_unlink_start(urbs);
	urb_unlink_resume(urbs);
}

void urb_unlink_start(struct urbs *urbs)
{
	struct urb_unlinks *unlinks = &urbs->unlinks;
	struct urb **end = &unlinks->first;
	struct list *node;

	if (unlinks->wanted == 0 || urb_is_frozen(&urbs->freeze))
		return;
	for (node = urbs->in_flight.urbs.prev; node != &urbs->in_flight.urbs;
	     node = node->prev) {
		struct urb *urb = LIST_ENTRY(node, struct urb, node);

		if (urb->unlink != URB_UNLINK_WANTED)
			continue;
		urb->unlink = URB_UNLINK_ASKED;
		urb->next = NULL;
		*end = urb;
		end = &urb->next;
	}
	unlinks->wanted = 0;
	unlinks->running = true;
	urb_freeze_begin(&urbs->freeze);
	unlinks->job = (struct worker_job){.run = run_unlinks, .done = on_unlinked};
	worker_submit(urbs->worker, &unlinks->job);
}
