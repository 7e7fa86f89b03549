/* SPDX-License-Identifier: MIT
 * emulated_descr.h - descriptors of emulated devices (USB 2.0 9.6, USB 3.2 9.6)
 */
#ifndef USBDEV_EMULATED_DESCR_H
#define USBDEV_EMULATED_DESCR_H

#include <stdint.h>

#include "usbdev/emulated_info.h"
#include "util/compiler.h"

enum emulated_column emulated_column(enum usbdev_speed speed);

/* Fills @buf of EMULATED_CONTROL_MAX bytes. Return: bytes, or -EINVAL if the device has no
 * such descriptor. */
MUST_USE int emulated_descr_get(const struct emulated *dev, uint8_t type, uint8_t index,
				uint8_t *buf);

#endif /* USBDEV_EMULATED_DESCR_H */
