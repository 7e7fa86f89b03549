/* SPDX-License-Identifier: MIT
 * freeze.h - when the loop must make no call for a device
 *
 * The kernel has one lock per device. A call of the worker may hold it for seconds, so the
 * loop makes no call for the device meanwhile, and does not watch its fd. Freezes count.
 */
#ifndef USBDEV_HOST_URB_FREEZE_H
#define USBDEV_HOST_URB_FREEZE_H

#include <stdbool.h>

#include "util/compiler.h"
#include "util/loop.h"

struct urb_work;

/**
 * struct urb_freeze
 * @watch:	of the fd; NULL once the device is gone
 * @watched:	the events that the loop watches it for
 */
struct urb_freeze {
	struct urb_work *work;
	struct loop_watch *watch;
	unsigned watched;
	unsigned count;
};

/* @on_fd: called with @ctx when URBs can be reaped. Return: 0, or -ENOMEM; urb_freeze_unwatch()
 * is fine after both. */
MUST_USE int urb_freeze_init(struct urb_freeze *freeze, struct urb_work *work, int fd,
			     loop_fd_cb *on_fd, void *ctx);
/* The fd is not watched any more. */
void urb_freeze_unwatch(struct urb_freeze *freeze);

static inline bool urb_is_frozen(const struct urb_freeze *freeze)
{
	return freeze->count > 0;
}

void urb_freeze_begin(struct urb_freeze *freeze);
/* After the last one the caller calls urb_unlink_resume(). */
void urb_freeze_end(struct urb_freeze *freeze);
/* Tries again to change the watch, after the memory timer of @work has fired. */
void urb_freeze_update_watch(struct urb_freeze *freeze);

#endif /* USBDEV_HOST_URB_FREEZE_H */
