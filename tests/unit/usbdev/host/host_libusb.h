/* SPDX-License-Identifier: MIT
 * host_libusb.h - a fake of libusb and a usbfs node for tests of handle.c
 *
 * The node is a file with descriptors in it; fstat() and ioctl() are wrapped (see
 * meson.build). The fake records the calls of libusb and the kernel.
 */
#ifndef TESTS_UNIT_USBDEV_HOST_LIBUSB_H
#define TESTS_UNIT_USBDEV_HOST_LIBUSB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct usb_node - the device
 * @calls:	calls in order: "claim 0+; " with automatic detaching, "claim 0-; " without
 * @fail:	a call that starts with this text fails with @fail_with, a libusb error or result
 * @there:	false: the kernel returns ENODEV
 * @driver:	driver of the interfaces, for GETDRIVER; NULL = none
 * @caps_errno: error of GET_CAPABILITIES
 * @speed:	from linux/usb/ch9.h
 * @active:	configuration that libusb finds; 0 = none
 * @claim_errno: error of a DISCONNECT_CLAIM without libusb
 * @open_things: contexts and handles of libusb that exist
 */
struct usb_node {
	int fd;
	char calls[1024];
	const char *fail;
	int fail_with;
	bool plain_file;
	bool there;
	const char *driver;
	int caps_errno;
	int speed;
	uint8_t active;
	int claim_errno;
	int streams;
	unsigned open_things;
	bool option_set;
	bool auto_detach;
};

extern struct usb_node usb_node;

/* Makes a high-speed device with these descriptors, in its first configuration. */
void node_init(const uint8_t *raw, size_t len);
void node_finish(void);

#endif /* TESTS_UNIT_USBDEV_HOST_LIBUSB_H */
