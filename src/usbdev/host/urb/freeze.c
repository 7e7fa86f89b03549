/* SPDX-License-Identifier: MIT
 * freeze.c - when the loop must make no call for a device
 */
#include "usbdev/host/urb/freeze.h"

#include <assert.h>
#include <errno.h>

#include "usbdev/host/urb/work.h"

int urb_freeze_init(struct urb_freeze *freeze, struct urb_work *work, int fd,
		    loop_fd_cb *on_fd, void *ctx)
{
	*freeze = (struct urb_freeze){
		.work = work,
		.watch = loop_watch_fd(work->loop, fd, LOOP_WRITE, on_fd, ctx),
		.watched = LOOP_WRITE,
	};
	return freeze->watch ? 0 : -ENOMEM;
}

void urb_freeze_unwatch(struct urb_freeze *freeze)
{
	loop_unwatch(freeze->watch);
	freeze->watch = NULL;
}

void urb_freeze_update_watch(struct urb_freeze *freeze)
{
	unsigned wanted = urb_is_frozen(freeze) ? 0 : LOOP_WRITE;

	if (!freeze->watch || freeze->watched == wanted)
		return;
	if (loop_watch_set(freeze->watch, wanted) < 0)
		urb_work_arm_timer(freeze->work); /* no memory: try again later */
	else
		freeze->watched = wanted;
}

void urb_freeze_begin(struct urb_freeze *freeze)
{
	freeze->count++;
	urb_freeze_update_watch(freeze);
}

void urb_freeze_end(struct urb_freeze *freeze)
{
	assert(freeze->count > 0);
	freeze->count--;
	urb_freeze_update_watch(freeze);
}
