/* SPDX-License-Identifier: MIT
 * emulated.h - common part of the emulated devices (stick, keyboard, ...)
 *
 * A device describes itself by tables (emulated_info.h). This part makes the
 * descriptors for the device's speed, answers all standard requests of chapter 9
 * on endpoint 0, and keeps a queue of waiting transfers and the halt of every other
 * endpoint. The device handles class requests, and takes transfers off the queues.
 * While a transfer is on a queue, its actual_bytes says how many bytes the device
 * has moved.
 *
 * Thread: loop thread only. Allocates: nothing.
 */
#ifndef USBDEV_EMULATED_H
#define USBDEV_EMULATED_H

#include <stdbool.h>

#include "usbdev/emulated_ep.h"
#include "usbdev/emulated_info.h"
#include "usbdev/usbdev.h"
#include "util/compiler.h"

struct loop;

/* @dev is zeroed but for strings. Return: 0 or -errno. */
MUST_USE int emulated_init(struct emulated *dev, const struct emulated_info *info,
			   struct loop *loop, enum usbdev_speed speed, const char *label);
/* Inside the device's destroy. */
void emulated_finish(struct emulated *dev);
/* The device is suspended and the host lets it wake the bus up. */
bool emulated_may_wake(const struct emulated *dev);

#endif /* USBDEV_EMULATED_H */
