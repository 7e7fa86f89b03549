/* SPDX-License-Identifier: MIT
 * devices.h - from the text form of a device to the device
 */
#ifndef DAEMON_DEVICES_H
#define DAEMON_DEVICES_H

#include <limits.h>
#include <stdbool.h>

#include "usbdev/host/host.h"
#include "util/compiler.h"
#include "util/err.h"

struct loop;
struct usbdev;

/**
 * struct device_host - which device of the host
 * @path:	its node or a symlink to it, empty: @fd
 * @fd:		its node, opened by whoever started us; -1: @path
 * @force:	also if the host would miss it (rules/guard.h)
 */
struct device_host {
	char path[PATH_MAX];
	int fd;
	enum host_reset reset;
	bool force;
};

/* Whether @text describes a device (see spec.h); opens nothing.
 * Return: 0, or -errno with the reason in @err; -ENOTSUP for kinds that this
 * version does not have. */
MUST_USE int device_check(const char *text, struct err *err);

/* Whether @text describes a real device, which then is in @ret_host and must be
 * opened by its user. Return: 1, 0 (device_create() makes it), or as device_check(). */
MUST_USE int device_is_host(const char *text, struct device_host *ret_host,
			    struct err *err);

/**
 * device_create() - make the emulated device that @text describes
 * @ret_dev:	owned by the caller
 * @err:	not NULL
 *
 * Return: 0, or -errno with the reason in @err: as device_check(), or the device
 * cannot be had (no such file...).
 */
MUST_USE int device_create(struct loop *loop, const char *text, struct usbdev **ret_dev,
			   struct err *err);

/* "super" for USBDEV_SPEED_SUPER... */
const char *device_speed_name(unsigned speed);

#endif /* DAEMON_DEVICES_H */
