/* SPDX-License-Identifier: MIT
 * host.h - a real USB device of the host, by its usbfs node
 *
 * Loop thread only. Each device has a worker of its own for what blocks: opening,
 * claiming, reset, set configuration, alternate setting, clear halt, streams,
 * unlinking URBs, closing. The loop submits and reaps URBs.
 */
#ifndef USBDEV_HOST_HOST_H
#define USBDEV_HOST_HOST_H

#include "usbdev/host/reset_policy.h"
#include "util/compiler.h"
#include "util/err.h"

struct loop;
struct usbdev;

/**
 * struct host_options - what to open, and how
 * @fd:		open O_RDWR usbfs node; taken, also on failure
 * @name:	for messages: the path given, or "fd 7". Copied
 * @reset:	see enum host_reset
 */
struct host_options {
	int fd;
	const char *name;
	enum host_reset reset;
};

/* Prepares parts that the sandbox may forbid later. Once; devices work without it, too. */
void host_prepare(void);

/**
 * host_open() - take a device from the host's drivers
 * @opened:	called exactly once, later, in the loop: with the device, owned by the
 *		callee; or with NULL and in @err why not and how to fix it. Kernel drivers
 *		then have their interfaces again
 *
 * Return: 0, or -errno with the reason in @err: @opened will not be called.
 */
MUST_USE int host_open(struct loop *loop, const struct host_options *options,
		       void (*opened)(void *ctx, struct usbdev *dev,
				      const struct err *err),
		       void *ctx, struct err *err);

#endif /* USBDEV_HOST_HOST_H */
