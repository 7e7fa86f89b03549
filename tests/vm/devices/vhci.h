/* SPDX-License-Identifier: MIT
 * vhci.h - a port of Linux's vhci_hcd, without the tools of usbip
 */
#ifndef DEVICES_VHCI_H
#define DEVICES_VHCI_H

#include <stdbool.h>

#include "tests/vm/devices/descr.h"
#include "util/compiler.h"

struct vhci_port {
	int number;    /* the attach file's number of the port */
	int kmsg;      /* the kernel's log, -1: not readable */
	char path[32]; /* name of the USB device, "3-1" */
};

/* Finds a free port for the speed and gives the kernel one end of a socket pair.
 * Return: our end, or -errno; -ENODEV without vhci_hcd, -EBUSY if no port is free */
MUST_USE int vhci_attach(struct vhci_port *port, enum usb_speed speed);

/* Whether the kernel has released the port of the last vhci_attach(). */
bool vhci_is_free(const struct vhci_port *port);

/* Detaches in an orderly way: the kernel closes its end. */
void vhci_detach(const struct vhci_port *port);

/* How often the kernel has set the address of this port's device since the last call. USB/IP does
 * not report resets, but the kernel logs the SetAddress request that ends each of them. */
unsigned vhci_addressed(const struct vhci_port *port);

#endif /* DEVICES_VHCI_H */
