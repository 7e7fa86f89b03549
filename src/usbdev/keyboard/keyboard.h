/* SPDX-License-Identifier: MIT
 * keyboard.h - an emulated boot-protocol USB keyboard
 *
 * HID 1.11, US layout, eight-byte reports. Keys come by keyboard_key() or as
 * text through a FIFO. Nothing runs without a key: an interrupt transfer just
 * waits. Thread: loop thread only.
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
 * struct keyboard_options - settings of a keyboard
 * @speed:	LOW, FULL or HIGH; UNKNOWN (0) means FULL
 * @input:	an open FIFO whose ASCII text the keyboard types, or NULL; keyboard_create()
 *		takes and moves it on success. The keyboard skips characters that it has no key
 *		for. Text waits in the FIFO until the guest takes key presses
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
 * Return: 0; -EINVAL for a usage that is no key; -ENOSPC if KEYBOARD_REPORTS_MAX reports
 * wait; -EHOSTDOWN if the guest has not configured the keyboard. The key does not change
 * on an error.
 */
MUST_USE int keyboard_key(struct usbdev *dev, uint8_t hid_usage, bool pressed);

#endif /* USBDEV_KEYBOARD_KEYBOARD_H */
