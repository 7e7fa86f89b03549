/* SPDX-License-Identifier: MIT
 * usb_node.h - a usbfs node without a kernel: everything but the URBs
 *
 * It answers the system calls of handle.c and of the real libusb: ioctl(), read() and others on
 * usb_node.fd and its folder in sysfs. It tracks who has which interface. It checks that no call
 * blocks outside of a worker, and that the kernel has no URB when that would matter. URBs are in
 * kernel_urbs.h.
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
	NODE_DRIVER, /* attach, detach or query it */
	NODE_SET_CONFIGURATION,
	NODE_SET_INTERFACE,
	NODE_CLEAR_HALT,
	NODE_RESET,
	NODE_STREAMS,
	NODE_FREE_STREAMS,
};

/**
 * struct usb_node - the node and its device
 * @fd:		open while the daemon has the node; -1: none
 * @raw, @raw_len: contents of the node
 * @offset:	file offset, set by lseek()
 * @short_reads: maximum bytes of a read; 0 = all
 * @speed:	from linux/usb/ch9.h, or another number
 * @config:	bConfigurationValue
 * @claimed, @drivers: interfaces that we have and that the host's drivers have
 * @streams:	number of streams of each endpoint
 * @text:	contents of its files in sysfs, and the place of the device; "": no files
 * @refuse:	how many of the next calls of each kind fail
 * @refuse_errno: their errno
 * @refused:	number of calls that have failed, and of other odd events
 * @plain:	the node is a regular file
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

/* Chooses one of NODE_DEVICES devices with good descriptors. The host's drivers have its
 * interfaces, and its node is not open yet. */
void node_init(unsigned device);
/* Makes no further call fail. */
void node_tells_the_truth(void);

#endif /* TESTS_FUZZ_USB_NODE_H */
