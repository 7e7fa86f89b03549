/* SPDX-License-Identifier: MIT
 * usb_node.h - a node of usbfs without a kernel: all of it but the URBs
 *
 * It answers the calls of handle.c and of libusb, which is the real one, to the kernel:
 * ioctl(), read() and others on usb_node.fd and its folder in sysfs. It keeps track of who
 * has which interface, and checks that no call blocks outside of a worker and that no URB is
 * with the kernel where that would matter. URBs are in kernel_urbs.h.
 */
#ifndef TESTS_FUZZ_USB_NODE_H
#define TESTS_FUZZ_USB_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODE_RAW_BYTES  4096u
#define NODE_TEXT_BYTES 256u
#define NODE_CALLS      16u
#define NODE_DEVICES    6u

/* Calls that can fail. */
enum node_call {
	NODE_FSTAT,
	NODE_READ,
	NODE_CAPABILITIES,
	NODE_SPEED,
	NODE_CONNECT_INFO,
	NODE_CONTROL,
	NODE_CLAIM,
	NODE_DISCONNECT_CLAIM,
	NODE_RELEASE,
	NODE_DRIVER, /* attach, detach, ask for it */
	NODE_SET_CONFIGURATION,
	NODE_SET_INTERFACE,
	NODE_CLEAR_HALT,
	NODE_RESET,
	NODE_STREAMS,
	NODE_FREE_STREAMS,
};

/**
 * struct usb_node - the node and its device
 * @fd:		open while the daemon has it; -1: none
 * @raw, @raw_len: its contents
 * @offset:	of lseek()
 * @short_reads: most bytes of a read; 0 = all
 * @speed:	of linux/usb/ch9.h, or another number
 * @config:	bConfigurationValue
 * @claimed, @drivers: interfaces that we have and that the host's drivers have
 * @streams:	of each endpoint
 * @text:	contents of its files in sysfs, and the place of the device; "": no files
 * @refuse:	number of next calls of each kind to fail
 * @refuse_errno: their errno
 * @refused:	calls that have failed, and other odd events
 * @plain:	it is a regular file
 */
struct usb_node {
	int fd;
	uint8_t raw[NODE_RAW_BYTES];
	size_t raw_len;
	size_t offset;
	unsigned short_reads;
	uint32_t caps;
	int speed;
	uint8_t config;
	uint32_t claimed;
	uint32_t drivers;
	unsigned streams;
	char text[NODE_TEXT_BYTES];
	uint8_t refuse[NODE_CALLS];
	int refuse_errno[NODE_CALLS];
	unsigned refused;
	bool plain;
};

extern struct usb_node usb_node;

/* A new device, one of NODE_DEVICES with good descriptors, whose interfaces the host's drivers
 * have. Its node is not open yet. */
void node_init(unsigned device);
/* No call fails from now on. */
void node_tells_the_truth(void);

#endif /* TESTS_FUZZ_USB_NODE_H */
