/* SPDX-License-Identifier: MIT
 * fake_sysfs.h - a fake /sys and /proc in a folder of the test
 */
#ifndef TESTS_UNIT_RULES_FAKE_SYSFS_H
#define TESTS_UNIT_RULES_FAKE_SYSFS_H

#include <stddef.h>
#include <stdint.h>

#include "rules/hostdev.h"

#define FAKE_CONTROLLER "/devices/pci0000:00/0000:00:14.0"

/* An interface 03/01/01 is {0x03, 0x01, 0x01}; class 0 ends a list. */
struct fake_interface {
	uint8_t class_code, subclass, protocol;
};

/* Defaults for zeros: vendor 1050, product 0407, high speed, one interface of class ff. */
struct fake_device {
	const char *name; /* "1-2.3" */
	unsigned number;
	unsigned vendor, product_id;
	const char *serial, *product, *manufacturer;
	const char *speed;
	unsigned device_class;
	struct fake_interface interfaces[8];
	bool unconfigured; /* has only descriptors, as when the kernel's uevent comes */
	const char *driver;
};

/* The folder; the first call makes it. */
const char *fake_root(void);
/* Empties the folder. */
void fake_clear(void);
/* Removes it. */
void fake_finish(void);

/* Writes a file and the folders on the way; @path begins with "/sys" or "/proc". */
void fake_file(const char *path, const char *text);
void fake_bytes(const char *path, const void *bytes, size_t len);
void fake_folder(const char *path);
void fake_link(const char *path, const char *target);
void fake_remove(const char *path);

/* The place of a device with this name; all buses belong to one controller. Valid until the fourth
 * call from now. */
const char *fake_place(const char *name);
/* Plugs in a device, or replaces the one in its place. */
void fake_plug(const struct fake_device *dev);
void fake_unplug(const char *name);
/* Makes the two ports one socket. */
void fake_peers(const char *port, const char *peer);

#endif /* TESTS_UNIT_RULES_FAKE_SYSFS_H */
