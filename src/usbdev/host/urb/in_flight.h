/* SPDX-License-Identifier: MIT
 * in_flight.h - the URBs of one device that are with the kernel
 */
#ifndef USBDEV_HOST_URB_IN_FLIGHT_H
#define USBDEV_HOST_URB_IN_FLIGHT_H

#include "util/list.h"

struct urb;
struct usbdevfs_urb;

/* Lists to find an URB in, by its address: a power of two. */
#define URB_SLOTS 256u

/**
 * struct urb_in_flight
 * @urbs:	in the order submitted, by their node
 * @slots:	the same URBs, by their slot_node
 */
struct urb_in_flight {
	struct list urbs;
	unsigned count;
	struct list slots[URB_SLOTS];
};

void urb_in_flight_init(struct urb_in_flight *in_flight);
void urb_in_flight_add(struct urb_in_flight *in_flight, struct urb *urb);
void urb_in_flight_remove(struct urb_in_flight *in_flight, struct urb *urb);
/* The URB that @usb belongs to, or NULL if @usb is not ours. Then it may be any address: do
 * not dereference it. */
struct urb *urb_in_flight_find(struct urb_in_flight *in_flight,
			       const struct usbdevfs_urb *usb);

#endif /* USBDEV_HOST_URB_IN_FLIGHT_H */
