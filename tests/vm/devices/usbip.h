/* SPDX-License-Identifier: MIT
 * usbip.h - the messages of USB/IP in the form of Linux's vhci_hcd
 *
 * A message is a big-endian header of 48 bytes, then data, if any, then a descriptor of 16 bytes
 * for each isochronous packet (see Linux's Documentation/usb/usbip_protocol.rst).
 */
#ifndef DEVICES_USBIP_H
#define DEVICES_USBIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device;
struct urb;

#define USBIP_EARLY_MAX 16

/**
 * struct usbip_inbox - bytes received on one connection
 * @bytes:	the beginning of a message
 * @last_seqnum: of the last transfer
 * @early:	requests to unlink a transfer that has not arrived yet: the kernel may send an
 *		unlink before a transfer that it has just submitted
 */
struct usbip_inbox {
	uint8_t *bytes;
	size_t len;
	size_t room;
	uint32_t last_seqnum;
	struct {
		uint32_t seqnum;
		uint32_t urb_seqnum;
	} early[USBIP_EARLY_MAX];
	unsigned early_count;
};

/* Reads from the socket and passes whole messages to the device.
 * Return: 0, -EAGAIN if there was nothing, -EPIPE at the end, or -errno */
int usbip_receive(struct device *dev, struct usbip_inbox *inbox);

/* Answers a submitted transfer. */
void usbip_reply(struct device *dev, const struct urb *urb, int status, uint32_t actual);

/* Answers the unlink request @seqnum. */
void usbip_reply_unlink(struct device *dev, uint32_t seqnum, int status);

#endif /* DEVICES_USBIP_H */
