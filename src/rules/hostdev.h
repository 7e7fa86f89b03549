/* SPDX-License-Identifier: MIT
 * hostdev.h - USB devices of the host, from sysfs
 *
 * Reading waits while the kernel resets or probes the device: call it on a worker's thread,
 * not on the loop's. Any thread. Texts that come from a device are cut to the sizes below
 * and are safe to print: other bytes become '?'.
 *
 * Interfaces come from the descriptors of all configurations and alternate settings. The
 * descriptors are there when the kernel announces the device, before it sets a
 * configuration, and a device cannot hide an interface.
 *
 * @root: everywhere a prefix of all paths, "" but for tests.
 */
#ifndef RULES_HOSTDEV_H
#define RULES_HOSTDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/uevent.h"
#include "util/compiler.h"

#define HOSTDEV_PLACE_BYTES UEVENT_PLACE_BYTES
/* "12-1.2.3.4.5.6" */
#define HOSTDEV_NAME_BYTES 32u
/* USB strings have at most 126 characters, of up to three bytes each. */
#define HOSTDEV_TEXT_BYTES     384u
#define HOSTDEV_DRIVER_BYTES   24u
#define HOSTDEV_INTERFACES_MAX 32u
#define HOSTDEV_DEVICES_MAX    1024u

#define USB_CLASS_OF_HID     0x03u
#define USB_CLASS_OF_STORAGE 0x08u
#define USB_CLASS_OF_HUB     0x09u

/* One kind of interface. @driver: the host's driver, if the present configuration has the
 * interface and a driver is bound to it; else "". "usbfs": a program has claimed it. */
struct hostdev_interface {
	uint8_t number;
	uint8_t class_code;
	uint8_t subclass;
	uint8_t protocol;
	char driver[HOSTDEV_DRIVER_BYTES];
};

/**
 * struct hostdev - one device
 * @place:	as in struct uevent
 * @name:	bus and ports: "1-2.3"
 * @twin:	the other half of the socket it is in, if that is known: sockets of super
 *		speed are two ports, one on a bus of USB 2 and one on a bus of USB 3
 * @socket:	the same for both halves: the smaller of @name and @twin
 * @bus, @number: as in /dev/bus/usb/BBB/DDD
 * @speed_mbit:	1 (low speed, in fact 1.5), 12, 480, 5000, 10000, 20000; 0 unknown
 * @interfaces:	the first ones; @classes knows of all
 * @classes:	bit set: a class of an interface, or of the device unless that is 0
 * @boot_keyboard: it has an interface 03/01/01
 * @serial, @product, @manufacturer: "" if it has none
 * @claimed:	a program has one of its interfaces, by usbfs
 * @removable:	"removable", "fixed", "unknown" or ""
 */
struct hostdev {
	char place[HOSTDEV_PLACE_BYTES];
	char name[HOSTDEV_NAME_BYTES];
	char twin[HOSTDEV_NAME_BYTES];
	char socket[HOSTDEV_NAME_BYTES];
	unsigned bus;
	unsigned number;
	uint16_t vendor;
	uint16_t product_id;
	uint16_t release; /* bcdDevice */
	uint8_t device_class;
	unsigned speed_mbit;
	char serial[HOSTDEV_TEXT_BYTES];
	char product[HOSTDEV_TEXT_BYTES];
	char manufacturer[HOSTDEV_TEXT_BYTES];
	char removable[12];
	struct hostdev_interface interfaces[HOSTDEV_INTERFACES_MAX];
	unsigned interface_count;
	uint32_t classes[8];
	bool boot_keyboard;
	bool claimed;
};

/* Return: 0; -ENOENT no device sits there, or sysfs makes no sense; -ENOMEM. */
MUST_USE int hostdev_read(const char *root, const char *place, struct hostdev *ret_dev);

/* In the order of hostdev_order(). */
struct hostdev_list {
	struct hostdev *devs;
	unsigned count;
};

/**
 * hostdev_list_read() - all devices but root hubs
 * @ret_list:	hostdev_list_finish() ends it
 *
 * At most HOSTDEV_DEVICES_MAX. Return: 0, -ENOENT if there is no sysfs, -ENOMEM.
 */
MUST_USE int hostdev_list_read(const char *root, struct hostdev_list *ret_list);
void hostdev_list_finish(struct hostdev_list *list);

/* By socket, "1-2" before "1-10", then by name. As strcmp(). */
int hostdev_order(const struct hostdev *a, const struct hostdev *b);
bool hostdev_has_class(const struct hostdev *dev, unsigned class_code);

/* "1050:0407 Yubico YubiKey, serial 12 at 1-2.3", cut to @size. */
void hostdev_describe(const struct hostdev *dev, char *buf, size_t size);

#endif /* RULES_HOSTDEV_H */
