/* SPDX-License-Identifier: MIT
 * urbs.h - the transfers of one host device that are with the kernel (usbfs URBs)
 *
 * Any transfer type in, results out, by SUBMITURB and REAPURBNDELAY on the
 * device's fd in the loop thread. Not by libusb: it refuses control data above
 * 4096 bytes, hides ENOMEM and the packets' errors, and asks the kernel twice per
 * wake-up.
 *
 * The kernel serialises calls on a device by a lock that a reset or a change of
 * configuration holds for as long as it takes, and DISCARDURB until the URB is
 * back. So while the worker makes such a call the loop must make none: whoever
 * gives the worker one freezes the URBs first and thaws them when it is done.
 * Meanwhile submissions wait in their queues and nothing is reaped. Discarding,
 * which is this file's own business, is done by the worker the same way.
 *
 * Of a device at most URB_QUEUE_BYTES_MAX (4 MiB) are with the kernel for one endpoint and
 * stream (the kernel's own limit, 16 MiB for all devices, is waited for), 4 MiB of buffers
 * lie spare, for a moment 4 MiB more that usbfs maps (see urb_buffer.h), and 4 MiB of
 * late data are kept for one endpoint and stream, 16 MiB for all of them.
 *
 * Loop thread only. Results never come inside a call.
 */
#ifndef USBDEV_HOST_URB_URBS_H
#define USBDEV_HOST_URB_URBS_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/usbdev.h"
#include "util/compiler.h"

struct loop;
struct urbs;
struct worker;

/**
 * struct urbs_owner - whom to tell
 * @finished:	@transfer is over, exactly once, in the order submitted within its
 *		endpoint and stream; the owner completes it. Data of an IN transfer is in
 *		its place. Unsolicited kills by the kernel (the interface was changed under
 *		it) are CANCELLED
 * @disturbed:	perhaps an interface is not ours any more: the kernel has killed transfers,
 *		or refused one as somebody else has it, which waits unless isochronous. To be
 *		answered by urbs_looked()
 * @gone:	the kernel says that the device is no more; told once, also when idle.
 *		What was with the kernel has finished as GONE before
 */
struct urbs_owner {
	void *ctx;
	void (*finished)(void *ctx, struct usbdev_transfer *transfer,
			 enum usbdev_status status, uint32_t actual_bytes);
	void (*disturbed)(void *ctx);
	void (*gone)(void *ctx);
};

/* @fd: usbfs, borrowed until urbs_destroy(); @caps: of USBDEVFS_GET_CAPABILITIES; @worker: borrowed. Begins
 * thawed. Returns owned, or NULL without memory. */
struct urbs *urbs_create(struct loop *loop, int fd, uint32_t caps, struct worker *worker,
			 const struct urbs_owner *owner);
/* Must be quiet. NULL is fine. */
void urbs_destroy(struct urbs *urbs);

/* Control transfers go to the device as they are, setup.length included. Until it is
 * finished, @transfer's node and backend are used here; urbs_cancel() sets cancelled. */
void urbs_submit(struct urbs *urbs, struct usbdev_transfer *transfer);
/* As usbdev_cancel(): finishes soon, CANCELLED with what had moved, or as it really ended. */
void urbs_cancel(struct urbs *urbs, struct usbdev_transfer *transfer);
void urbs_cancel_all(struct urbs *urbs);
/* What the device has sent for transfers that were taken back from @ep_addr, and is
 * kept for the next ones, is dropped: a reset, clear halt or new alternate setting
 * starts the endpoint afresh. */
void urbs_forget_late_data(struct urbs *urbs, uint8_t ep_addr);

/* They count: as many thaws as freezes. */
void urbs_freeze(struct urbs *urbs);
void urbs_thaw(struct urbs *urbs);

/* It was looked whose the interfaces are: what was refused is tried again, once. */
void urbs_looked(struct urbs *urbs);

/* True if no transfer has been submitted and not finished, and no discard runs. */
bool urbs_quiet(const struct urbs *urbs);

#endif /* USBDEV_HOST_URB_URBS_H */
