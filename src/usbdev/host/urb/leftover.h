/* SPDX-License-Identifier: MIT
 * leftover.h - data that a device has sent for transfers that cannot take it any more
 *
 * The device knows that its data arrived, so it will not send it again. The data goes to
 * the next transfers of the endpoint, in the order received.
 */
#ifndef USBDEV_HOST_URB_LEFTOVER_H
#define USBDEV_HOST_URB_LEFTOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/list.h"

struct usbdev_transfer;

/* Kept for one endpoint and stream, with URB_LEFTOVER_HEAD_BYTES for each train of packets: all
 * that it may have with the kernel (URB_QUEUE_BYTES_MAX), in small pieces. Beyond it the oldest
 * is lost. */
#define URB_LEFTOVER_BYTES_MAX ((4u << 20) + (64u << 10))
/* Kept for one device: as much as usbfs has for all devices by default. Beyond it new data is
 * lost, so that one endpoint cannot take it from the others. */
#define URB_LEFTOVER_TOTAL_MAX  (4u * URB_LEFTOVER_BYTES_MAX)
#define URB_LEFTOVER_HEAD_BYTES 64u

/**
 * struct urb_leftover - of one endpoint and stream
 * @bytes:	of these trains; @total: of all trains of the device
 * @is_broken:	data was lost, and no transfer has failed for it yet
 */
struct urb_leftover {
	struct list trains;
	uint32_t bytes;
	uint32_t *total;
	bool is_broken;
};

void urb_leftover_init(struct urb_leftover *leftover, uint32_t *total);
/* Drops all of it. */
void urb_leftover_forget(struct urb_leftover *leftover);

static inline bool urb_leftover_empty(const struct urb_leftover *leftover)
{
	return list_empty(&leftover->trains);
}

/* Copies a train of packets that one URB received. @ends_short: its last packet was a short one
 * (and perhaps the only one, with @len 0). */
void urb_leftover_keep(struct urb_leftover *leftover, uint8_t ep_addr,
		       const uint8_t *data, uint32_t len, bool ends_short);

/* True if urb_leftover_deliver() has something for the next transfer, if only a failure. */
static inline bool urb_leftover_is_due(const struct urb_leftover *leftover)
{
	return leftover->is_broken || !urb_leftover_empty(leftover);
}

/* Moves data to @transfer, from its actual_bytes on, and advances these. Return: 1 if that
 * completes it, by its length or by a short packet; 0 if it wants more; -EFAULT if its memory
 * cannot be written, the rest being kept; -EIO, once, if data was lost: the transfer must fail,
 * so that the guest knows. */
MUST_USE int urb_leftover_deliver(struct urb_leftover *leftover,
				  struct usbdev_transfer *transfer);

#endif /* USBDEV_HOST_URB_LEFTOVER_H */
