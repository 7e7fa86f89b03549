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

/*
 * What the guest knows of the device that was pulled last. A new one stays hidden until NONE.
 *
 *            pulled               PORTSC read without CCS          CSC cleared
 *   NONE ------------> UNREAD ------------------------------> READ ------------+
 *     ^                   |                                     |              |
 *     +-------------------+------- a device is shown: the ------+--------------+
 *                                  time is over, or HCH
 *
 * Changed by set_absence() in port.c only.
 */
enum xhci_port_absence {
	XHCI_PORT_ABSENCE_NONE,   /* a device is shown as soon as it is plugged in */
	XHCI_PORT_ABSENCE_UNREAD, /* the guest has not read the empty port */
	XHCI_PORT_ABSENCE_READ,   /* it has, and has not acknowledged the change */
};

/**
 * struct xhci_port - a root hub port
 * @portsc:	as the guest reads it
 * @resetting:	usbdev_reset() has not answered; PR says whether the guest waits for it
 * @warm:	that reset is a warm one
 * @suspended:	the last call of usbdev_suspend() had true
 * @release:	preallocated for xhci_detach(); NULL if the port is empty
 * @event:	a Port Status Change Event is due
 * @given_up_ns: after this time the guest has abandoned the running reset
 * @absent_until_ns: unless NONE: show @dev at this time at the latest
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
	enum xhci_port_absence absence;
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
/* Puts @dev, owned by the caller, into the empty @port, and takes its events. The guest sees it
 * at once, or when it has taken note that the last device was pulled. */
void xhci_port_plug(struct xhci_port *port, struct usbdev *dev);
/* Hides the device at once. Return: the device, whose events still come here. */
MUST_USE struct usbdev *xhci_port_unplug(struct xhci_port *port);
/* Shows the devices whose time has come. Call it in each run, it is cheap. */
void xhci_ports_show(struct xhci *xhci);
/* Port number 1..count, else NULL. */
struct xhci_port *xhci_port(struct xhci *xhci, unsigned number);

#endif /* XHCI_PORT_H */
