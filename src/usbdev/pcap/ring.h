/* SPDX-License-Identifier: MIT
 * ring.h - the bytes of a capture that wait to be written
 */
#ifndef USBDEV_PCAP_RING_H
#define USBDEV_PCAP_RING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "util/compiler.h"

struct usbdev_transfer;

/**
 * struct pcap_ring
 * @buf:	@size bytes; NULL: the capture has failed, and takes nothing
 * @start, @used: the bytes in it
 */
struct pcap_ring {
	uint8_t *buf;
	size_t size;
	size_t start;
	size_t used;
};

/* The at most two pieces in which @len bytes at @offset from the start of the used ones lie.
 * Return: how many. */
int pcap_ring_pieces(const struct pcap_ring *ring, size_t offset, size_t len,
		     struct iovec iov[2]);
void pcap_ring_put(struct pcap_ring *ring, size_t offset, const uint8_t *buf, size_t len);
void pcap_ring_get(const struct pcap_ring *ring, size_t offset, uint8_t *buf, size_t len);
/* The first @len bytes of the transfer's data, straight to their place. Return: 0, or
 * -EFAULT if they cannot be reached. */
MUST_USE int pcap_ring_put_data(struct pcap_ring *ring, size_t offset,
				struct usbdev_transfer *transfer, uint32_t len);
/* The first @len bytes have been written. */
void pcap_ring_release(struct pcap_ring *ring, size_t len);

#endif /* USBDEV_PCAP_RING_H */
