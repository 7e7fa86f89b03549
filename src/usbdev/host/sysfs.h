/* SPDX-License-Identifier: MIT
 * sysfs.h - facts about a USB device in sysfs, which may be unreadable
 *
 * Any thread; files of sysfs do not block for long, but may wait for the device.
 */
#ifndef USBDEV_HOST_SYSFS_H
#define USBDEV_HOST_SYSFS_H

#include <stddef.h>
#include <sys/types.h>

/* Mbit/s of the device whose node has the number @rdev; 0 if it cannot be read. */
unsigned sysfs_speed_mbps(dev_t rdev);

/* "1-2.3 046d:c31c Name": where it is (or "003/007" by the node's number), what it is,
 * and the product string if there is one, all in printable ASCII. */
void sysfs_label(dev_t rdev, unsigned vendor, unsigned product, char *label,
		 size_t label_bytes);

#endif /* USBDEV_HOST_SYSFS_H */
