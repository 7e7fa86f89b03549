/* SPDX-License-Identifier: MIT
 * stick.h - an emulated USB stick backed by a file or block device
 *
 * Mass storage, bulk-only transport, SCSI transparent command set, one LUN.
 */
#ifndef USBDEV_STICK_STICK_H
#define USBDEV_STICK_STICK_H

#include <stdbool.h>

#include "usbdev/usbdev.h"
#include "util/err.h"

struct loop;

/**
 * struct stick_options - what to make
 * @path:	regular file or block device; borrowed during the call
 * @readonly:	opened read-only and shown as write-protected
 * @speed:	FULL, HIGH or SUPER; UNKNOWN (0) means SUPER
 */
struct stick_options {
	const char *path;
	bool readonly;
	enum usbdev_speed speed;
};

/**
 * stick_create() - open the image and make the device
 *
 * The file is locked against other writers for the device's life. Its size is
 * taken once; a last part of less than 512 bytes is not shown to the guest.
 * Return: owned, ends by usbdev_destroy(); NULL with the reason in @err.
 */
struct usbdev *stick_create(struct loop *loop, const struct stick_options *options,
			    struct err *err);

#endif /* USBDEV_STICK_STICK_H */
