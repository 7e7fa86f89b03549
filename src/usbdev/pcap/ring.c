/* SPDX-License-Identifier: MIT
 * ring.c - the bytes of a capture that wait to be written
 */
#include "usbdev/pcap/ring.h"

#include <string.h>

#include "usbdev/usbdev.h"

int pcap_ring_pieces(const struct pcap_ring *ring, size_t offset, size_t len,
		     struct iovec iov[2])
{
	size_t at = (ring->start + offset) % ring->size;
	size_t first = MIN_OF(len, ring->size - at);

	iov[0] = (struct iovec){.iov_base = ring->buf + at, .iov_len = first};
	iov[1] = (struct iovec){.iov_base = ring->buf, .iov_len = len - first};
	return len > first ? 2 : 1;
}

void pcap_ring_put(struct pcap_ring *ring, size_t offset, const uint8_t *buf, size_t len)
{
	struct iovec iov[2];
	int n = pcap_ring_pieces(ring, offset, len, iov);

	for (int i = 0; i < n; i++) {
		memcpy(iov[i].iov_base, buf, iov[i].iov_len);
		buf += iov[i].iov_len;
	}
}

void pcap_ring_get(const struct pcap_ring *ring, size_t offset, uint8_t *buf, size_t len)
{
	struct iovec iov[2];
	int n = pcap_ring_pieces(ring, offset, len, iov);

	for (int i = 0; i < n; i++) {
		memcpy(buf, iov[i].iov_base, iov[i].iov_len);
		buf += iov[i].iov_len;
	}
}

int pcap_ring_put_data(struct pcap_ring *ring, size_t offset,
		       struct usbdev_transfer *transfer, uint32_t len)
{
	struct iovec iov[2];
	uint32_t from = 0;
	int n = pcap_ring_pieces(ring, offset, len, iov);
	int r = 0;

	for (int i = 0; i < n && r == 0; i++) {
		r = usbdev_transfer_read(transfer, from, iov[i].iov_base,
					 (uint32_t)iov[i].iov_len);
		from += (uint32_t)iov[i].iov_len;
	}
	return r;
}

void pcap_ring_release(struct pcap_ring *ring, size_t len)
{
	ring->start = (ring->start + len) % ring->size;
	ring->used -= len;
	/* a capture that keeps pace needs little memory */
	if (ring->used == 0)
		ring->start = 0;
}
