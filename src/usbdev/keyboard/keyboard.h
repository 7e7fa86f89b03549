/* SPDX-License-Identifier: MIT
 * keyboard.h - an emulated boot-protocol USB keyboard
 *
 * HID 1.11, US layout, eight-byte reports. Keys come by keyboard_key() or as
 * text through a FIFO. Without a key nothing runs: a waiting interrupt
 * transfer just waits. Thread: loop thread only.
 */
#ifndef USBDEV_KEYBOARD_KEYBOARD_H
#define USBDEV_KEYBOARD_KEYBOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/usbdev.h"
#include "util/compiler.h"
#include "util/err.h"

struct keyboard_input;
struct loop;

/* Reports that may wait for the host. */
#define KEYBOARD_REPORTS_MAX 64u

/**
 * struct keyboard_options - what to make
 * @speed:	LOW, FULL or HIGH; UNKNOWN (0) means FULL
 * @input:	an open FIFO whose ASCII text is typed, or NULL; taken with success, and moved.
 *		What cannot be typed is left out. Text waits in the FIFO until the guest takes
 *		key presses
 */
struct keyboard_options {
	enum usbdev_speed speed;
	struct keyboard_input *input;
};

/* Return: owned, ends by usbdev_destroy(); NULL with the reason in @err. */
struct usbdev *keyboard_create(struct loop *loop, const struct keyboard_options *options,
			       struct err *err);

/**
 * keyboard_key() - press or release a key
 * @dev:	made by keyboard_create()
 * @hid_usage:	of HID usage page 7: 0x04 (A) to 0xe7 (right GUI)
 *
 * From a loop callback, not inside an op of @dev.
 * Return: 0, -EINVAL for a usage that is no key, -ENOSPC if so many reports
 * wait that the guest would miss this one, -EHOSTDOWN if it has not set the
 * keyboard up. In no such case the key changes.
 */
MUST_USE int keyboard_key(struct usbdev *dev, uint8_t hid_usage, bool pressed);

#endif /* USBDEV_KEYBOARD_KEYBOARD_H */
