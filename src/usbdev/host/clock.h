/* SPDX-License-Identifier: MIT
 * clock.h - who wants to know that the host's clock was set
 *
 * The host sets its clock at the end of each suspend. There is one timer for all devices of
 * this process, as a sandbox may forbid to make one later.
 */
#ifndef USBDEV_HOST_CLOCK_H
#define USBDEV_HOST_CLOCK_H

#include "util/compiler.h"
#include "util/list.h"

struct loop;

struct host_clock_listener {
	struct list node;
	void (*on_set)(struct host_clock_listener *listener);
};

/* Makes the timer, if there is none. Return: 0 or -errno. */
MUST_USE int host_clock_prepare(void);
/* Calls listener->on_set in the loop from now on. Return: 0 or -errno. */
MUST_USE int host_clock_listen(struct loop *loop, struct host_clock_listener *listener);
/* Fine for one that does not listen, with an initialized node. */
void host_clock_unlisten(struct host_clock_listener *listener);

#endif /* USBDEV_HOST_CLOCK_H */
