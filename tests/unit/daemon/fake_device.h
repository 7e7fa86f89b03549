/* SPDX-License-Identifier: MIT
 * fake_device.h - devices that can only be plugged in and destroyed
 */
#ifndef FAKE_DEVICE_H
#define FAKE_DEVICE_H

#include <stdbool.h>

#include "usbdev/usbdev.h"

struct loop;

extern unsigned destroyed;
/* If true, a device to destroy becomes @destroying and waits for device_finish(). */
extern bool destroy_later;
extern struct usbdev *destroying;

struct usbdev *device_new(struct loop *loop, enum usbdev_speed speed, const char *label);
void device_finish(struct usbdev *dev);

#endif /* FAKE_DEVICE_H */
