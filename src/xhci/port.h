/* SPDX-License-Identifier: MIT
 * port.h - the root hub ports (4.19, 5.4.8)
 *
 * Loop thread only.
 */
#ifndef XHCI_PORT_H
#define XHCI_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"

struct usbdev;
struct xhci;
struct xhci_release;

/**
 * struct xhci_port - a root hub port
 * @portsc:	as the guest reads it
 * @resetting:	usbdev_reset() is on its way; PR says whether the guest waits for it
 * @warm:	that reset is a warm one
 * @suspended:	usbdev_suspend(true) was the last
 * @release:	preallocated for xhci_detach(); NULL if the port is empty
 * @event:	a Port Status Change Event is due
 * @given_up_ns: after this time the guest has abandoned the running reset
 * @absent_until_ns: since the last device was pulled the guest has not taken note of that;
 *		@dev is not shown before then. 0 = nothing to wait for
 * @absence_read: the guest has read PORTSC without CCS since
 */
struct xhci_port {
	struct xhci *xhci;
	unsigned number; /* 1-based */
	bool usb3;
	uint32_t portsc;
	uint32_t portpmsc;
	uint32_t porthlpmc;
	struct usbdev *dev; /* NULL = empty */
	struct xhci_release *release;
	bool resetting;
	bool warm;
	bool suspended;
	bool event;
	bool absence_read;
	uint64_t absent_until_ns;
	uint64_t given_up_ns;
};

void xhci_ports_init(struct xhci *xhci);
/* HCRST: each port as after power-on, devices newly connected. */
void xhci_port_reset_state(struct xhci_port *port);
uint32_t xhci_port_read(struct xhci_port *port, uint32_t reg);
void xhci_port_write(struct xhci_port *port, uint32_t reg, uint32_t value);
/* Posts the Port Status Change Events that are due. Return: 0 or as xhci_event_post(). */
MUST_USE int xhci_ports_run(struct xhci *xhci);
/* @dev, owned by the caller, is in the empty @port now, and in sight, at once or when
 * the guest has taken note that the last one went. Takes its events. */
void xhci_port_plug(struct xhci_port *port, struct usbdev *dev);
/* Out of sight at once. Return: the device, which still has its events here. */
MUST_USE struct usbdev *xhci_port_unplug(struct xhci_port *port);
/* Shows the devices whose time has come. Call it in each run, it is cheap. */
void xhci_ports_show(struct xhci *xhci);
/* Port number 1..count, else NULL. */
struct xhci_port *xhci_port(struct xhci *xhci, unsigned number);

#endif /* XHCI_PORT_H */
