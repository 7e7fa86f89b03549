/* SPDX-License-Identifier: MIT
 * port_driver.c - a guest's driver of root hub ports
 */
#include "port_driver.h"

uint32_t portsc(struct fixture *f, unsigned port)
{
	return read32(f, PORT(port, PORTSC));
}

enum xhci_pls pls(struct fixture *f, unsigned port)
{
	return (enum xhci_pls)((portsc(f, port) & XHCI_PORTSC_PLS) >>
			       XHCI_PORTSC_PLS_SHIFT);
}

uint32_t want(uint32_t bits, enum xhci_pls state, enum usbdev_speed speed)
{
	return bits | XHCI_PORTSC_PP | (uint32_t)state << XHCI_PORTSC_PLS_SHIFT |
	       (uint32_t)speed << XHCI_PORTSC_SPEED_SHIFT;
}

void write_portsc(struct fixture *f, unsigned port, uint32_t value)
{
	write32(f, PORT(port, PORTSC), value | XHCI_PORTSC_PP);
}

void write_pls(struct fixture *f, unsigned port, enum xhci_pls state)
{
	write_portsc(f, port, XHCI_PORTSC_LWS | (uint32_t)state << XHCI_PORTSC_PLS_SHIFT);
}

void clear_changes(struct fixture *f, unsigned port)
{
	write_portsc(f, port, XHCI_PORTSC_CHANGES);
}

void expect_port_event(struct fixture *f, unsigned port)
{
	struct xhci_trb trb = expect_event(f, XHCI_TRB_TYPE_PORT_STATUS_CHANGE_EVENT);

	assert_int_equal(trb.parameter, (uint64_t)port << 24);
	assert_int_equal(trb.status, (uint32_t)XHCI_CC_SUCCESS << 24);
}

unsigned plug_enabled(struct fake_dev *fake, struct fixture *f, enum usbdev_speed speed)
{
	unsigned port;

	fake_dev_init(fake, f, speed);
	port = fake_dev_plug(fake, f);
	write_portsc(f, port, XHCI_PORTSC_PR);
	fake_dev_reset_done(fake, 0);
	events_skip(f);
	clear_changes(f, port);
	assert_int_equal(portsc(f, port),
			 want(XHCI_PORTSC_CCS | XHCI_PORTSC_PED, XHCI_PLS_U0, speed));
	return port;
}
