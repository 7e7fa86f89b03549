/* SPDX-License-Identifier: MIT
 * host.h - a real USB device of the host, by its usbfs node
 *
 * Loop thread only. Each device has a worker of its own for what blocks: opening,
 * claiming, reset, set configuration, alternate setting, clear halt, streams,
 * discarding transfers, closing. The loop submits and reaps transfers.
 */
#ifndef USBDEV_HOST_HOST_H
#define USBDEV_HOST_HOST_H

#include "util/compiler.h"
#include "util/err.h"

struct loop;
struct usbdev;

/* What a USB reset by the guest does to the real device. A reset that follows
 * another without any use of the device in between is never done twice. */
enum host_reset {
	HOST_RESET_ALWAYS,
	HOST_RESET_FIRST, /* only the first one after it was attached */
	HOST_RESET_NEVER,
};

/**
 * struct host_options - what to open, and how
 * @fd:		open O_RDWR usbfs node; taken, also on failure
 * @name:	for messages and the label: the path given, or "fd 7". Copied
 * @reset:	see enum host_reset
 */
struct host_options {
	int fd;
	const char *name;
	enum host_reset reset;
};

/* What is better done before the sandbox is shut. Once; without it devices work, too. */
void host_prepare(void);

/**
 * host_open() - take a device from the host's drivers
 * @opened:	called exactly once, later, in the loop: with the device, owned by the
 *		callee; or with NULL and in @err why not and how to mend it. Kernel drivers
 *		have been given back their interfaces then
 *
 * Return: 0, or -errno with the reason in @err: @opened will not be called.
 */
MUST_USE int host_open(struct loop *loop, const struct host_options *options,
		       void (*opened)(void *ctx, struct usbdev *dev,
				      const struct err *err),
		       void *ctx, struct err *err);

#endif /* USBDEV_HOST_HOST_H */
