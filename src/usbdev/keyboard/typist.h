/* SPDX-License-Identifier: MIT
 * typist.h - which keys make a character on a US keyboard
 */
#ifndef USBDEV_KEYBOARD_TYPIST_H
#define USBDEV_KEYBOARD_TYPIST_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"

/* The HID usage of the key that types @c, and whether with Shift. False if
 * there is none. */
MUST_USE bool typist_key(unsigned char c, uint8_t *ret_usage, bool *ret_shift);

#endif /* USBDEV_KEYBOARD_TYPIST_H */
