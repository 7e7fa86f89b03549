/* SPDX-License-Identifier: MIT
 * devices.h - from the text form of a device to the device
 */
#ifndef DAEMON_DEVICES_H
#define DAEMON_DEVICES_H

#include "util/compiler.h"
#include "util/err.h"

struct loop;
struct usbdev;

/* Whether @text describes a device (see spec.h); opens nothing.
 * Return: 0, or -errno with the reason in @err; -ENOTSUP for kinds that this
 * version does not have. */
MUST_USE int device_check(const char *text, struct err *err);

/**
 * device_create() - make the device that @text describes
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
