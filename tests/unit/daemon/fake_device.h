/* SPDX-License-Identifier: MIT
 * fake_device.h - devices that are plugged in and destroyed, and nothing else
 */
#ifndef FAKE_DEVICE_H
#define FAKE_DEVICE_H

#include <stdbool.h>

#include "usbdev/usbdev.h"

struct loop;

extern unsigned destroyed;
/* A device to be destroyed becomes @destroying and waits for device_finish(). */
extern bool destroy_later;
extern struct usbdev *destroying;

struct usbdev *device_new(struct loop *loop, enum usbdev_speed speed, const char *label);
void device_finish(struct usbdev *dev);

#endif /* FAKE_DEVICE_H */
