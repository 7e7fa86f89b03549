/* SPDX-License-Identifier: MIT
 * wake.h - remote wake-up by a real device whose port the guest has suspended
 */
#ifndef USBDEV_HOST_WAKE_H
#define USBDEV_HOST_WAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/usbdev.h"
#include "util/compiler.h"

struct host_core;

#define HOST_EARS 15u /* IN endpoints 1 to 15 */

/*
 *   DEAF         -- the guest suspends the port ------------> LISTENING
 *   LISTENING    -- data comes: wake the guest -------------> DEAF
 *   LISTENING    -- host_wake_stop(): cancel the transfer --> ENDING
 *   ENDING       -- the transfer is over -------------------> DEAF
 *   ENDING       -- the guest suspends the port again ------> ENDING_AGAIN
 *   ENDING_AGAIN -- host_wake_stop() -----------------------> ENDING
 *   ENDING_AGAIN -- the transfer is over -------------------> LISTENING
 */
enum host_ear_state {
	HOST_EAR_DEAF,
	HOST_EAR_LISTENING,
	HOST_EAR_ENDING,
	HOST_EAR_ENDING_AGAIN,
};

/**
 * struct host_ear - an IN endpoint that we listen on for the guest
 * @length_bytes: of the guest's transfer that was cancelled last; 0 = it did not listen
 * @transfer:	ours, with urbs unless DEAF. It has no memory, so urbs keeps the data
 */
struct host_ear {
	enum usbdev_type type;
	uint32_t length_bytes;
	enum host_ear_state state;
	struct usbdev_transfer transfer;
};

/**
 * struct host_wake
 * @suspended:	the guest's port is
 * @device:	the guest has enabled remote wake-up, USB 2; @functions: USB 3, by interface
 * @listening:	number of ears that are not DEAF
 */
struct host_wake {
	struct host_core *core;
	bool suspended;
	bool device;
	uint32_t functions;
	unsigned listening;
	struct host_ear ears[HOST_EARS];
};

/* The guest suspends or resumes the port. */
void host_wake_suspend(struct host_wake *wake, bool suspended);
/* All ears stop listening soon. */
void host_wake_stop(struct host_wake *wake);
/* The device was reset (@reset) or configured: forget what the guest had enabled. */
void host_wake_forget(struct host_wake *wake, bool reset);
/* urbs has completed @transfer, on another endpoint than 0. Return: true if it was an ear's; all
 * others are the guest's. */
MUST_USE bool host_wake_on_completed(struct host_wake *wake,
				     struct usbdev_transfer *transfer,
				     enum usbdev_status status);
/* Changes a control request that would have the device sleep, before it goes there. */
void host_wake_filter(struct usbdev_setup *setup);
/* The device has accepted a control request. */
void host_wake_requested(struct host_wake *wake, const struct usbdev_setup *setup);

#endif /* USBDEV_HOST_WAKE_H */
