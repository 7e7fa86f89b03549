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

struct image;
struct loop;

/**
 * struct stick_options - settings of a stick
 * @image:	open; stick_create() takes and moves it on success
 * @speed:	FULL, HIGH or SUPER; UNKNOWN (0) means SUPER
 */
struct stick_options {
	struct image *image;
	enum usbdev_speed speed;
};

/**
 * stick_create() - create the device of an image
 *
 * The file stays locked against other writers for the device's life. Its size is read
 * once; the guest does not see a last part of less than 512 bytes, and sees a read-only
 * image as write-protected.
 * Return: owned, ends by usbdev_destroy(); NULL with the reason in @err.
 */
struct usbdev *stick_create(struct loop *loop, const struct stick_options *options,
			    struct err *err);

#endif /* USBDEV_STICK_STICK_H */
