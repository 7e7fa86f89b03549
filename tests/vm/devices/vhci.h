/* SPDX-License-Identifier: MIT
 * vhci.h - a port of Linux' vhci_hcd, without the tools of usbip
 */
#ifndef DEVICES_VHCI_H
#define DEVICES_VHCI_H

#include <stdbool.h>

#include "tests/vm/devices/descr.h"
#include "util/compiler.h"

struct vhci_port {
	int number;    /* as the attach file counts */
	int kmsg;      /* the kernel's log, -1: not readable */
	char path[32]; /* name of the USB device, "3-1" */
};

/* Finds a free port for the speed and gives the kernel one end of a socket pair.
 * Return: our end, or -errno; -ENODEV without vhci_hcd, -EBUSY if no port is free */
MUST_USE int vhci_attach(struct vhci_port *port, enum usb_speed speed);

/* Nothing is on the port that was attached to last, not even in the kernel's view. */
bool vhci_is_free(const struct vhci_port *port);

/* Detaches in an orderly way; the kernel then closes its end. */
void vhci_detach(const struct vhci_port *port);

/* How often the device of this port was given an address since the last call. USB/IP tells nothing
 * of resets, but the kernel logs the address that each of them ends with. */
unsigned vhci_addressed(const struct vhci_port *port);

#endif /* DEVICES_VHCI_H */
