/* SPDX-License-Identifier: MIT
 * in_flight.c - the URBs of one device that are with the kernel
 */
#include "usbdev/host/urb/in_flight.h"

#include "usbdev/host/urb/pool.h"

static struct list *slot_of(struct urb_in_flight *in_flight,
			    const struct usbdevfs_urb *usb)
{
	uint64_t mixed = (uintptr_t)usb * UINT64_C(0x9e3779b97f4a7c15);

	return &in_flight->slots[mixed >> 32 & (URB_SLOTS - 1)];
}

void urb_in_flight_init(struct urb_in_flight *in_flight)
{
	list_init(&in_flight->urbs);
	in_flight->count = 0;
	for (unsigned i = 0; i < URB_SLOTS; i++)
		list_init(&in_flight->slots[i]);
}

void urb_in_flight_add(struct urb_in_flight *in_flight, struct urb *urb)
{
	list_append(&in_flight->urbs, &urb->node);
	list_append(slot_of(in_flight, &urb->usb), &urb->slot_node);
	in_flight->count++;
}

void urb_in_flight_remove(struct urb_in_flight *in_flight, struct urb *urb)
{
	list_remove(&urb->node);
	list_remove(&urb->slot_node);
	in_flight->count--;
}

struct urb *urb_in_flight_find(struct urb_in_flight *in_flight,
			       const struct usbdevfs_urb *usb)
{
	struct list *node;

	LIST_FOREACH(node, slot_of(in_flight, usb)) {
		struct urb *urb = LIST_ENTRY(node, struct urb, slot_node);

		if (&urb->usb == usb)
			return urb;
	}
	return NULL;
}
