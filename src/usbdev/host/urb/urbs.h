/* SPDX-License-Identifier: MIT
 * urbs.h - the transfers of one host device, as URBs of the kernel (usbfs)
 *
 * Takes transfers of any type, submits them by SUBMITURB and reaps them by REAPURBNDELAY
 * on the device's fd, in the loop thread. libusb does not do: it refuses control data
 * above 4096 bytes, hides ENOMEM and the errors of packets, and asks the kernel twice for
 * each wake-up.
 *
 * The kernel serialises calls on a device by a lock. A reset or a change of configuration
 * holds it for as long as it takes, and DISCARDURB until the URB is back. So while the
 * worker makes such a call the loop must make none: whoever gives the worker one freezes
 * the URBs first and thaws them when it is done. Meanwhile submissions wait in their
 * queues and the loop reaps nothing. The worker also unlinks URBs, by the same rule; that
 * is the engine's own business.
 *
 * Bounds of one device: URB_QUEUE_BYTES_MAX (4 MiB) with the kernel for each endpoint and
 * stream (the kernel's own limit, 16 MiB for all devices, makes transfers wait); 4 MiB of
 * spare buffers, for a moment 4 MiB more that usbfs maps (see buffer.h); 4 MiB of leftover
 * data for each endpoint and stream, 16 MiB for all.
 *
 * Loop thread only. No call reports to the owner.
 */
#ifndef USBDEV_HOST_URB_URBS_H
#define USBDEV_HOST_URB_URBS_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/host/urb/owner.h"
#include "usbdev/usbdev.h"
#include "util/compiler.h"

struct loop;
struct urbs;
struct worker;

/* @fd: usbfs, borrowed until urbs_destroy(); @caps: of USBDEVFS_GET_CAPABILITIES; @worker: borrowed.
 * Starts thawed. Returns owned, or NULL without memory. */
struct urbs *urbs_create(struct loop *loop, int fd, uint32_t caps, struct worker *worker,
			 const struct urbs_owner *owner);
/* Must be quiet. NULL is fine. */
void urbs_destroy(struct urbs *urbs);

/* Control transfers go to the device as they are, setup.length included. Until it completes,
 * @transfer's node and backend are the engine's. urbs_cancel() sets cancelled. */
void urbs_submit(struct urbs *urbs, struct usbdev_transfer *transfer);
/* As usbdev_cancel(): completes soon, CANCELLED with what had moved, or as it really ended. */
void urbs_cancel(struct urbs *urbs, struct usbdev_transfer *transfer);
void urbs_cancel_all(struct urbs *urbs);
/* Drops the leftover data of @ep_addr: data that the device has sent for cancelled transfers, kept
 * for the next ones. A reset, clear halt or new alternate setting starts the endpoint afresh. */
void urbs_forget_leftovers(struct urbs *urbs, uint8_t ep_addr);

/* They count: as many thaws as freezes. */
void urbs_freeze(struct urbs *urbs);
void urbs_thaw(struct urbs *urbs);

/* The owner has checked that the interfaces are ours: submissions that the kernel refused are
 * tried again, once. */
void urbs_claim_checked(struct urbs *urbs);

/* True if all transfers have completed and no unlink job runs. */
bool urbs_quiet(const struct urbs *urbs);

#endif /* USBDEV_HOST_URB_URBS_H */
