/* SPDX-License-Identifier: MIT
 * port.c - root hub ports (4.19, 5.4.8): PORTSC and its effects
 *
 * A port is USB 2 or USB 3 for good. PORTSC shows its state:
 *
 *   USB 2                                 USB 3
 *   empty     PLS RxDetect                empty     PLS RxDetect
 *   disabled  CCS, PLS Polling            disabled  PLS Disabled, sees no device
 *   reset     CCS, PR                     reset     CCS, PR, PLS Hot Reset or Polling
 *   enabled   CCS, PED, PLS U0 U3 Resume  enabled   CCS, PED, PLS U0 U3 Resume
 *                                         error     CCS, PLS Inactive
 *
 * A USB 3 device trains its link and comes up enabled, a USB 2 device waits for a
 * reset. Each change bit that goes from 0 to 1 sets USBSTS.PCD and makes a Port Status
 * Change Event due. xhci_ports_run() posts the events, one per port however many bits
 * have changed.
 *
 * The device does the reset, which may take long, and answers in on_reset_done(). If PR is
 * clear by then (HCRST) the answer changes nothing. If the guest has set PR again, it
 * answers that too.
 *
 * A person needs a while to put a device back, a program does not. Drivers lose a
 * disconnect that is followed by a connect at once, because CSC is one bit: Linux, in the
 * middle of a reset, clears it, finds a device as before, and goes on with the old one. So
 * after a device was pulled, the port hides the next one until the guest has taken note: it
 * has read PORTSC without CCS, then cleared CSC (enum xhci_port_absence). Not all guests
 * may do so. One that was handling an earlier change clears CSC without having seen this
 * one. Hence the time limits.
 *
 * If a reset takes too long (the device hung, or its host was busy with it), the guest has
 * given the device up and would not look at the port again. So the port then shows that the
 * device was pulled and plugged in again.
 */
#include "xhci/port.h"

#include "usbdev/usbdev.h"
#include "xhci/controller.h"
#include "xhci/interrupter.h"

/* The writable bits of PORTPMSC and PORTHLPMC; there is no hardware LPM (HLE), and there are
 * no test modes. */
#define USB2_PORTPMSC_RW  0x0000fff8u /* RWE, BESL, L1 Device Slot */
#define USB3_PORTPMSC_RW  0x0001ffffu /* U1 and U2 timeout, FLA */
#define USB2_PORTHLPMC_RW 0x00003fffu /* HIRDM, L1 Timeout, BESLD */
/* How long a port hides a new device: longer than a driver tries a reset (Linux: 800 ms), on a
 * slow machine, too. After that it has seen the empty port. And after it has cleared CSC. */
#define ABSENT_NS         UINT64_C(10000000000)
#define ABSENT_CLEARED_NS UINT64_C(1000000000)
/* A driver does not give a device up before this (Linux: 4 times 5 times 800 ms). */
#define GIVEN_UP_NS UINT64_C(16000000000)

struct xhci_port *xhci_port(struct xhci *xhci, unsigned number)
{
	if (number == 0 || number > xhci_port_count(xhci))
		return NULL;
	return &xhci->ports[number - 1];
}

bool xhci_port_is_usb3(const struct xhci *xhci, unsigned port)
{
	return port >= 1 && port <= xhci_port_count(xhci) && xhci->ports[port - 1].usb3;
}

struct usbdev *xhci_port_device(const struct xhci *xhci, unsigned port)
{
	if (port == 0 || port > xhci_port_count(xhci))
		return NULL;
	return xhci->ports[port - 1].dev;
}

static enum xhci_pls pls_get(const struct xhci_port *port)
{
	return (enum xhci_pls)((port->portsc & XHCI_PORTSC_PLS) >> XHCI_PORTSC_PLS_SHIFT);
}

static void pls_set(struct xhci_port *port, enum xhci_pls pls)
{
	port->portsc &= ~XHCI_PORTSC_PLS;
	port->portsc |= (uint32_t)pls << XHCI_PORTSC_PLS_SHIFT;
}

static void speed_set(struct xhci_port *port, enum usbdev_speed speed)
{
	port->portsc &= ~XHCI_PORTSC_SPEED;
	port->portsc |= (uint32_t)speed << XHCI_PORTSC_SPEED_SHIFT;
}

/* Sets change bits, and reports those that are new (4.19.2). */
static void changed(struct xhci_port *port, uint32_t bits)
{
	if ((port->portsc & bits) == bits)
		return;
	port->portsc |= bits;
	port->event = true;
	port->xhci->usbsts |= XHCI_USBSTS_PCD;
	xhci_kick(port->xhci);
}

static void suspend(struct xhci_port *port, bool suspended)
{
	if (port->suspended == suspended || !port->dev)
		return;
	port->suspended = suspended;
	usbdev_suspend(port->dev, suspended);
}

/* @until_ns: unless NONE */
static void set_absence(struct xhci_port *port, enum xhci_port_absence absence,
			uint64_t until_ns)
{
	static const char *const names[] = {[XHCI_PORT_ABSENCE_NONE] = "NONE",
					    [XHCI_PORT_ABSENCE_UNREAD] = "UNREAD",
					    [XHCI_PORT_ABSENCE_READ] = "READ"};

	if (absence != port->absence)
		log_trace("port %u: absence %s -> %s", port->number, names[port->absence],
			  names[absence]);
	port->absence = absence;
	port->absent_until_ns = absence == XHCI_PORT_ABSENCE_NONE ? 0 : until_ns;
}

/* The guest has to see the port empty before the next device is shown. */
static void be_absent(struct xhci_port *port)
{
	set_absence(port, XHCI_PORT_ABSENCE_UNREAD, xhci_now_ns(port->xhci) + ABSENT_NS);
}

/* Shows the device that is plugged in. */
static void connect(struct xhci_port *port)
{
	set_absence(port, XHCI_PORT_ABSENCE_NONE, 0);
	suspend(port, false);
	speed_set(port, port->dev->speed);
	port->portsc |= XHCI_PORTSC_CCS;
	if (port->usb3) {
		port->portsc |= XHCI_PORTSC_PED;
		pls_set(port, XHCI_PLS_U0);
	} else {
		pls_set(port, XHCI_PLS_POLLING);
	}
	changed(port, XHCI_PORTSC_CSC);
}

/* Calls connect() if the guest may see the device, now or later. */
static void show(struct xhci_port *port)
{
	struct xhci *xhci = port->xhci;

	/* a disabled USB 3 port sees nothing until the guest lets it look */
	if (pls_get(port) == XHCI_PLS_DISABLED)
		return;
	/* a guest that has halted the controller does not look at the ports, so it cannot miss
	 * the disconnect */
	if (port->absence == XHCI_PORT_ABSENCE_NONE ||
	    port->absent_until_ns <= xhci_now_ns(xhci) || xhci->halted) {
		connect(port);
		return;
	}
	if (xhci->ports_wake_ns == 0 || port->absent_until_ns < xhci->ports_wake_ns)
		xhci->ports_wake_ns = port->absent_until_ns;
	xhci_kick(xhci);
}

/* Hides the device. The link goes to state @pls. */
static void disconnect(struct xhci_port *port, enum xhci_pls pls)
{
	uint32_t was = port->portsc;

	port->portsc &= ~(XHCI_PORTSC_CCS | XHCI_PORTSC_PED | XHCI_PORTSC_PR);
	pls_set(port, pls);
	speed_set(port, USBDEV_SPEED_UNKNOWN);
	/* a reset has nothing left to reset: end it for the guest */
	if (was & XHCI_PORTSC_PR)
		changed(port, XHCI_PORTSC_PRC);
	if (was & XHCI_PORTSC_CCS)
		changed(port, XHCI_PORTSC_CSC);
}

static void reset_finish(struct xhci_port *port, int result)
{
	uint32_t bits = XHCI_PORTSC_PRC | (port->warm ? XHCI_PORTSC_WRC : 0);

	port->portsc &= ~XHCI_PORTSC_PR;
	port->warm = false;
	if (result == 0) {
		speed_set(port, port->dev->speed);
		port->portsc |= XHCI_PORTSC_PED;
		pls_set(port, XHCI_PLS_U0);
	} else if (port->usb3) {
		pls_set(port, XHCI_PLS_INACTIVE);
		bits |= XHCI_PORTSC_PLC;
	} else {
		pls_set(port, XHCI_PLS_POLLING);
	}
	changed(port, bits);
}

static void on_reset_done(void *ctx, int result)
{
	struct xhci_port *port = ctx;
	struct xhci *xhci = port->xhci;

	port->resetting = false;
	if (!(port->portsc & XHCI_PORTSC_PR))
		return;
	if (xhci_now_ns(xhci) < port->given_up_ns) {
		reset_finish(port, result);
		return;
	}
	be_absent(port);
	disconnect(port, XHCI_PLS_RX_DETECT);
	show(port);
}

static void on_gone(void *ctx)
{
	struct xhci_port *port = ctx;
	struct xhci *xhci = port->xhci;

	if (xhci->on_gone)
		xhci->on_gone(xhci->on_gone_ctx, port->number);
}

static void on_wake(void *ctx)
{
	struct xhci_port *port = ctx;

	if (!(port->portsc & XHCI_PORTSC_PED) || pls_get(port) != XHCI_PLS_U3)
		return;
	/* the guest waits for the resume signal to end, then writes U0 (4.15.2) */
	pls_set(port, XHCI_PLS_RESUME);
	changed(port, XHCI_PORTSC_PLC);
}

static const struct usbdev_events port_events = {
	.reset_done = on_reset_done,
	.gone = on_gone,
	.wake = on_wake,
};

/* PR or WPR was written. */
static void reset_start(struct xhci_port *port, bool warm)
{
	struct xhci *xhci = port->xhci;

	if (!(port->portsc & XHCI_PORTSC_CCS)) {
		changed(port, XHCI_PORTSC_PRC | (warm ? XHCI_PORTSC_WRC : 0));
		return;
	}
	if (port->portsc & XHCI_PORTSC_PR) {
		port->warm |= warm;
		return;
	}
	port->portsc &= ~XHCI_PORTSC_PED;
	port->portsc |= XHCI_PORTSC_PR;
	port->warm = warm;
	pls_set(port, port->usb3 && !warm ? XHCI_PLS_HOT_RESET : XHCI_PLS_POLLING);
	suspend(port, false);
	port->given_up_ns = xhci_now_ns(xhci) + GIVEN_UP_NS;
	if (!port->resetting) {
		port->resetting = true;
		usbdev_reset(port->dev);
	}
}

/* The guest wrote PED as 1, or on USB 3 PLS Disabled. The way back is a reset on USB 2, and PLS
 * RxDetect on USB 3, where a disabled port does not see its device. */
static void disable(struct xhci_port *port)
{
	if (port->usb3) {
		disconnect(port, XHCI_PLS_DISABLED);
	} else if (port->portsc & XHCI_PORTSC_PED) {
		port->portsc &= ~XHCI_PORTSC_PED;
		pls_set(port, XHCI_PLS_POLLING);
	}
}

/* Out of Disabled only (5.4.8, Table 5-27: PLS write). */
static void redetect(struct xhci_port *port)
{
	if (!port->usb3 || pls_get(port) != XHCI_PLS_DISABLED)
		return;
	pls_set(port, XHCI_PLS_RX_DETECT);
	if (port->dev)
		show(port);
}

static void enter_u0(struct xhci_port *port)
{
	enum xhci_pls pls = pls_get(port);

	if (pls != XHCI_PLS_U3 && pls != XHCI_PLS_RESUME)
		return;
	pls_set(port, XHCI_PLS_U0);
	suspend(port, false);
	changed(port, XHCI_PORTSC_PLC);
}

/* The guest wrote PLS together with LWS. Ignores changes that the state does not allow. */
static void link_write(struct xhci_port *port, unsigned pls)
{
	bool enabled = (port->portsc & XHCI_PORTSC_PED) != 0;

	switch (pls) {
	case XHCI_PLS_U0:
		if (enabled)
			enter_u0(port);
		break;
	case XHCI_PLS_U3:
		if (enabled && pls_get(port) == XHCI_PLS_U0) {
			pls_set(port, XHCI_PLS_U3);
			suspend(port, true);
		}
		break;
	case XHCI_PLS_RESUME:
		if (enabled && !port->usb3 && pls_get(port) == XHCI_PLS_U3)
			pls_set(port, XHCI_PLS_RESUME);
		break;
	case XHCI_PLS_DISABLED:
		if (port->usb3)
			disable(port);
		break;
	case XHCI_PLS_RX_DETECT:
		redetect(port);
		break;
	default:
		break;
	}
}

/* CSC was cleared after a device was pulled. */
static void absence_cleared(struct xhci_port *port)
{
	uint64_t cleared_ns = xhci_now_ns(port->xhci) + ABSENT_CLEARED_NS;

	if (port->absence == XHCI_PORT_ABSENCE_READ)
		set_absence(port, XHCI_PORT_ABSENCE_NONE, 0);
	else
		set_absence(port, port->absence,
			    MIN_OF(port->absent_until_ns, cleared_ns));
	if (port->dev)
		show(port);
}

static void portsc_write(struct xhci_port *port, uint32_t value)
{
	port->portsc &= ~(value & XHCI_PORTSC_CHANGES);
	port->portsc &= ~XHCI_PORTSC_WAKES;
	port->portsc |= value & XHCI_PORTSC_WAKES;
	if ((value & XHCI_PORTSC_CSC) && port->absence != XHCI_PORT_ABSENCE_NONE)
		absence_cleared(port);

	/* a reset overrides everything else, and a port ignores other writes during one */
	if (port->usb3 && (value & XHCI_PORTSC_WPR))
		reset_start(port, true);
	else if (value & XHCI_PORTSC_PR)
		reset_start(port, false);
	else if (port->portsc & XHCI_PORTSC_PR)
		return;
	else if (value & XHCI_PORTSC_PED)
		disable(port);
	else if (value & XHCI_PORTSC_LWS)
		link_write(port, (value & XHCI_PORTSC_PLS) >> XHCI_PORTSC_PLS_SHIFT);
}

uint32_t xhci_port_read(struct xhci_port *port, uint32_t reg)
{
	switch (reg) {
	case XHCI_PORT_PORTSC:
		if (port->absence == XHCI_PORT_ABSENCE_UNREAD &&
		    !(port->portsc & XHCI_PORTSC_CCS))
			set_absence(port, XHCI_PORT_ABSENCE_READ, port->absent_until_ns);
		return port->portsc;
	case XHCI_PORT_PORTPMSC:
		return port->portpmsc;
	case XHCI_PORT_PORTHLPMC:
		return port->porthlpmc;
	case XHCI_PORT_PORTLI: /* no link errors; lanes of the link, less one (5.4.10) */
		return port->dev && port->dev->speed == USBDEV_SPEED_SUPER_PLUS_X2
			       ? XHCI_PORTLI_LANES(2u)
			       : 0;
	default:
		return 0;
	}
}

void xhci_port_write(struct xhci_port *port, uint32_t reg, uint32_t value)
{
	switch (reg) {
	case XHCI_PORT_PORTSC:
		portsc_write(port, value);
		break;
	case XHCI_PORT_PORTPMSC:
		port->portpmsc =
			value & (port->usb3 ? USB3_PORTPMSC_RW : USB2_PORTPMSC_RW);
		break;
	case XHCI_PORT_PORTHLPMC:
		port->porthlpmc = port->usb3 ? 0 : value & USB2_PORTHLPMC_RW;
		break;
	default:
		break;
	}
}

void xhci_ports_init(struct xhci *xhci)
{
	for (unsigned i = 0; i < xhci_port_count(xhci); i++) {
		struct xhci_port *port = &xhci->ports[i];

		port->xhci = xhci;
		port->number = i + 1;
		port->usb3 = i >= xhci->ports_per_kind;
		xhci_port_reset_state(port);
	}
}

void xhci_port_reset_state(struct xhci_port *port)
{
	port->portsc = XHCI_PORTSC_PP;
	pls_set(port, XHCI_PLS_RX_DETECT);
	port->portpmsc = 0;
	port->porthlpmc = 0;
	port->warm = false;
	port->event = false;
	set_absence(port, XHCI_PORT_ABSENCE_NONE, 0);
	if (port->dev)
		connect(port);
}

int xhci_ports_run(struct xhci *xhci)
{
	for (unsigned i = 0; i < xhci_port_count(xhci); i++) {
		struct xhci_port *port = &xhci->ports[i];
		struct xhci_trb event = {
			.parameter = (uint64_t)port->number << 24,
			.status = (uint32_t)XHCI_CC_SUCCESS << 24,
			.control = xhci_trb_type_bits(
				XHCI_TRB_TYPE_PORT_STATUS_CHANGE_EVENT),
		};
		int r;

		if (!port->event)
			continue;
		/* no event if the guest has seen and cleared the changes by itself */
		if (port->portsc & XHCI_PORTSC_CHANGES) {
			r = xhci_event_post(xhci, 0, &event, false);
			if (r < 0)
				return r;
		}
		port->event = false;
	}
	return 0;
}

void xhci_port_plug(struct xhci_port *port, struct usbdev *dev)
{
	port->dev = dev;
	usbdev_set_events(dev, &port_events, port);
	show(port);
}

struct usbdev *xhci_port_unplug(struct xhci_port *port)
{
	struct usbdev *dev = port->dev;

	suspend(port, false);
	port->dev = NULL;
	port->resetting = false;
	if (port->portsc & XHCI_PORTSC_CCS)
		be_absent(port);
	if (pls_get(port) != XHCI_PLS_DISABLED)
		disconnect(port, XHCI_PLS_RX_DETECT);
	return dev;
}

void xhci_ports_show(struct xhci *xhci)
{
	if (xhci->ports_wake_ns == 0 || xhci_now_ns(xhci) < xhci->ports_wake_ns)
		return;
	xhci->ports_wake_ns = 0;
	for (unsigned i = 0; i < xhci_port_count(xhci); i++)
		if (xhci->ports[i].dev &&
		    xhci->ports[i].absence != XHCI_PORT_ABSENCE_NONE)
			show(&xhci->ports[i]);
}
