/* SPDX-License-Identifier: MIT
 * unlink.c - fetching URBs back from the kernel, and when it must not be called
 *
 * URBs that are to come back are marked; when no freeze is in force one job
 * takes all marked so far, the last submitted first, so that none behind runs ahead.
 * The job is a freeze itself. So no URB can be reaped, and none be submitted under the
 * address of one that was, while the job still names it.
 */
#include <assert.h>

#include "usbdev/host/urb/urb_priv.h"
#include "usbdev/host/urb/usbfs.h"

/* The fd is watched unless some call may hold the device's lock. */
void urbs_update_watch(struct urbs *urbs)
{
	unsigned wanted = urbs_frozen(urbs) ? 0 : LOOP_WRITE;

	if (!urbs->watch || urbs->watched == wanted)
		return;
	if (loop_watch_set(urbs->watch, wanted) < 0)
		urbs_arm_timer(urbs); /* no memory: tried again then */
	else
		urbs->watched = wanted;
}

void urb_discard(struct urb *urb)
{
	struct urbs *urbs = urb->queue->urbs;

	assert(!urb->is_back);
	if (urb->discard != URB_DISCARD_NONE)
		return;
	urb->discard = URB_DISCARD_WANTED;
	urbs->discards_wanted++;
	loop_defer(urbs->loop, &urbs->task);
}

/* Goes on where the freeze, if none is left, has stopped it. */
static void go_on(struct urbs *urbs)
{
	urbs_update_watch(urbs);
	/* the fd tells of URBs to be reaped only, not of the end of a doubt */
	if (urbs->in_doubt)
		urbs_look_if_gone(urbs);
	urbs_wake_all(urbs);
}

/* On the worker. */
static void run_discards(struct worker_job *job)
{
	struct urbs *urbs = CONTAINER_OF(job, struct urbs, job);

	/* one that is back already says -EINVAL: it will be reaped all the same */
	for (struct urb *urb = urbs->job_first; urb; urb = urb->next)
		(void)usbfs_discard(urbs->fd, &urb->usb);
}

static void on_discarded(struct worker_job *job)
{
	struct urbs *urbs = CONTAINER_OF(job, struct urbs, job);

	urbs_enter(urbs);
	urbs->discarding = false;
	urbs->job_first = NULL;
	urbs_start_discards(urbs);
	go_on(urbs);
	urbs_leave(urbs);
}

void urbs_start_discards(struct urbs *urbs)
{
	struct urb **end = &urbs->job_first;
	struct list *node;

	if (urbs->discards_wanted == 0 || urbs_frozen(urbs))
		return;
	for (node = urbs->with_kernel.prev; node != &urbs->with_kernel;
	     node = node->prev) {
		struct urb *urb = LIST_ENTRY(node, struct urb, node);

		if (urb->discard != URB_DISCARD_WANTED)
			continue;
		urb->discard = URB_DISCARD_ASKED;
		urb->next = NULL;
		*end = urb;
		end = &urb->next;
	}
	urbs->discards_wanted = 0;
	urbs->discarding = true;
	urbs_update_watch(urbs);
	urbs->job = (struct worker_job){.run = run_discards, .done = on_discarded};
	worker_submit(urbs->worker, &urbs->job);
}

void urbs_freeze(struct urbs *urbs)
{
	urbs->freezes++;
	urbs_update_watch(urbs);
}

void urbs_thaw(struct urbs *urbs)
{
	assert(urbs->freezes > 0);
	urbs->freezes--;
	if (urbs_frozen(urbs))
		return;
	go_on(urbs);
	loop_defer(urbs->loop, &urbs->task);
}
