/* SPDX-License-Identifier: MIT
 * leftover.h - data that a device has sent for transfers which cannot take it any more
 *
 * The device has been told that it arrived, so it will not send it again: it is for
 * the next transfers of the endpoint. Kept in the order received.
 */
#ifndef USBDEV_HOST_URB_LEFTOVER_H
#define USBDEV_HOST_URB_LEFTOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/list.h"

struct usbdev_transfer;

/* Of one endpoint and stream, with URB_LATE_HEAD_BYTES for each train of packets: all that it may have with the kernel
 * (URB_QUEUE_BYTES_MAX), in small pieces; beyond it the oldest is lost. Of a device: as much as usbfs has for all
 * devices by default; beyond it what comes is lost, as the endpoints and streams of the others are not to pay for it. */
#define URB_LATE_BYTES_MAX  ((4u << 20) + (64u << 10))
#define URB_LATE_TOTAL_MAX  (4u * URB_LATE_BYTES_MAX)
#define URB_LATE_HEAD_BYTES 64u

/* @total: of all of the device, among them @bytes of these. @is_broken: some were lost, and that has not been told. */
struct urb_late {
	struct list trains;
	uint32_t bytes;
	uint32_t *total;
	bool is_broken;
};

void urb_late_init(struct urb_late *late, uint32_t *total);
void urb_late_forget(struct urb_late *late);

static inline bool urb_late_empty(const struct urb_late *late)
{
	return list_empty(&late->trains);
}

/* A train of packets of one URB, copied. @ends_short: its last packet was a short one (which may
 * have been all of it, with @len 0). */
void urb_late_keep(struct urb_late *late, uint8_t ep_addr, const uint8_t *data,
		   uint32_t len, bool ends_short);

/* True if urb_late_deliver() has something for the next transfer, if only to say that data were lost. */
static inline bool urb_late_is_due(const struct urb_late *late)
{
	return late->is_broken || !urb_late_empty(late);
}

/* Moves what there is to @transfer, behind its actual_bytes, which is counted up.
 * Return: 1 it is complete, by its length or by a short packet; 0 it wants more than there
 * was; -EFAULT its memory cannot be written, what did not go there is kept; -EIO, once, data were
 * lost: it shall fail, so that the guest knows. */
MUST_USE int urb_late_deliver(struct urb_late *late, struct usbdev_transfer *transfer);

/* Copies @data to @offset of an IN transfer. Return: bytes that went there, less than
 * @len if its memory cannot be written. */
uint32_t urb_deliver(struct usbdev_transfer *transfer, uint32_t offset,
		     const uint8_t *data, uint32_t len);

#endif /* USBDEV_HOST_URB_LEFTOVER_H */
