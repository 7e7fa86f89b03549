/* SPDX-License-Identifier: MIT
 * owner.h - whom the URBs of a device report to
 */
#ifndef USBDEV_HOST_URB_OWNER_H
#define USBDEV_HOST_URB_OWNER_H

#include <stdint.h>

#include "usbdev/usbdev.h"

/**
 * struct urbs_owner
 * @completed:	@transfer is over: exactly once, in the order submitted within its endpoint
 *		and stream. The owner completes it. Data of an IN transfer is in its place.
 *		If the kernel killed it unasked (somebody changed the interface), @status is
 *		CANCELLED
 * @claim_suspect: another driver may have an interface of ours: the kernel has killed
 *		transfers, or refused one as somebody else has the interface. Such a
 *		transfer waits, unless it is isochronous. The owner answers by
 *		urbs_claim_checked()
 * @gone:	the device is no more. Called once, also when idle. Transfers that were
 *		with the kernel have completed as GONE before
 */
struct urbs_owner {
	void *ctx;
	void (*completed)(void *ctx, struct usbdev_transfer *transfer,
			  enum usbdev_status status, uint32_t actual_bytes);
	void (*claim_suspect)(void *ctx);
	void (*gone)(void *ctx);
};

#endif /* USBDEV_HOST_URB_OWNER_H */
