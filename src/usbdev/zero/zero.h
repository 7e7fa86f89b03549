/* SPDX-License-Identifier: MIT
 * zero.h - a test device that takes and gives data for nothing
 *
 * What Linux' "gadget zero" is with its source/sink function: IN endpoints give a
 * pattern for ever, OUT endpoints take one and check it, for all kinds of transfers.
 * Drivers made for that gadget (Linux' usbtest) find here what they look for.
 *
 * One configuration, one interface of the vendor class, whose alternate settings have
 *	0  bulk 0x81, 0x01
 *	1  the same, and isochronous 0x82, 0x02: one packet each millisecond
 *	2  the same as 0, and interrupt 0x83, 0x03: each millisecond
 *	3  as 1, with the most a service interval can hold: 1023 bytes at full, 3 x 1024
 *	   in each microframe at high, 48 KiB each millisecond at super speed
 *
 * Vendor requests: 0x5b keeps its data, 0x5c gives them back.
 *
 * Thread: loop thread only. Allocates: the device. Without a transfer that waits nothing
 * runs.
 */
#ifndef USBDEV_ZERO_ZERO_H
#define USBDEV_ZERO_ZERO_H

#include "usbdev/usbdev.h"
#include "usbdev/zero/pattern.h"
#include "util/err.h"

struct loop;

/* @speed: FULL, HIGH or SUPER; UNKNOWN (0) means SUPER */
struct zero_options {
	enum usbdev_speed speed;
	enum zero_pattern pattern;
};

/* Return: owned, ends by usbdev_destroy(); NULL with the reason in @err. */
struct usbdev *zero_create(struct loop *loop, const struct zero_options *options,
			   struct err *err);

#endif /* USBDEV_ZERO_ZERO_H */
