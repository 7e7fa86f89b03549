/* SPDX-License-Identifier: MIT
 * usbip.h - the messages of USB/IP, as Linux' vhci_hcd speaks them
 *
 * Big-endian headers of 48 bytes; data follows where data moves, then one descriptor of 16 bytes
 * for each isochronous packet (Documentation/usb/usbip_protocol.rst of Linux).
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
 * struct usbip_inbox - what has come over one connection
 * @bytes:	no whole message yet
 * @last_seqnum: of the last transfer
 * @early:	requests to unlink a transfer that has not come yet: the kernel sends those past
 *		transfers that have just been submitted
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

/* Reads what the socket has and hands whole messages to the device.
 * Return: 0, -EAGAIN if there was nothing, -EPIPE at the end, or -errno */
int usbip_receive(struct device *dev, struct usbip_inbox *inbox);

/* Answers a submitted transfer. */
void usbip_reply(struct device *dev, const struct urb *urb, int status, uint32_t actual);

/* Answers the unlink request @seqnum. */
void usbip_reply_unlink(struct device *dev, uint32_t seqnum, int status);

#endif /* DEVICES_USBIP_H */
