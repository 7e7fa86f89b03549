/* SPDX-License-Identifier: MIT
 * port_driver.h - a guest's driver of root hub ports
 */
#ifndef TESTS_UNIT_XHCI_PORT_DRIVER_H
#define TESTS_UNIT_XHCI_PORT_DRIVER_H

#include "fixture.h"

#define USB2_PORT 1u
#define USB3_PORT (FIXTURE_PORTS + 1)

/* Read PORTSC, and its PLS. */
uint32_t portsc(struct fixture *f, unsigned port);
enum xhci_pls pls(struct fixture *f, unsigned port);
/* The value of PORTSC in this state. */
uint32_t want(uint32_t bits, enum xhci_pls state, enum usbdev_speed speed);
/* Write PORTSC with PP; write_pls() also sets LWS. */
void write_portsc(struct fixture *f, unsigned port, uint32_t value);
void write_pls(struct fixture *f, unsigned port, enum xhci_pls state);
void clear_changes(struct fixture *f, unsigned port);
/* Demands that the next event is a Port Status Change Event of @port. */
void expect_port_event(struct fixture *f, unsigned port);
/* Plugs in, resets if USB 2, clears the changes: the port is enabled in U0. Return: the port */
unsigned plug_enabled(struct fake_dev *fake, struct fixture *f, enum usbdev_speed speed);

#endif /* TESTS_UNIT_XHCI_PORT_DRIVER_H */
