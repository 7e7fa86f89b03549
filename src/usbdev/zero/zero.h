/* SPDX-License-Identifier: MIT
 * zero.h - a test device: a source and sink of data
 *
 * Like Linux' "gadget zero" with its source/sink function: IN endpoints send a pattern
 * for ever, OUT endpoints receive and check one, for all kinds of transfers. Drivers for
 * that gadget (Linux' usbtest) work with it.
 *
 * One configuration, one interface of the vendor class, whose alternate settings have
 *	0  bulk 0x81, 0x01
 *	1  the same, and isochronous 0x82, 0x02: one packet each millisecond
 *	2  the same as 0, and interrupt 0x83, 0x03: each millisecond
 *	3  as 1, with the maximum for a service interval: 1023 bytes at full, 3 x 1024
 *	   in each microframe at high, 48 KiB each millisecond at super speed
 *
 * Vendor requests: 0x5b stores its data, 0x5c returns them.
 *
 * Thread: loop thread only. Allocates: the device. Nothing runs while no transfer waits.
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
