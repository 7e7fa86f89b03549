/* SPDX-License-Identifier: MIT
 * xhci_priv.h - what the files of the controller model share
 */
#ifndef XHCI_XHCI_PRIV_H
#define XHCI_XHCI_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/usbdev.h"
#include "util/list.h"
#include "xhci/controller.h"
#include "xhci/interrupter.h"
#include "xhci/ring.h"
#include "xhci/spec.h"
#include "xhci/trb.h"
#include "xhci/xhci.h"

struct xhci_endpoint;

/**
 * struct xhci_port - a root hub port
 * @portsc:	as the guest reads it
 * @resetting:	usbdev_reset() is on its way; PR says whether the guest waits for it
 * @warm:	that reset is a warm one
 * @suspended:	usbdev_suspend(true) was the last
 * @release:	for the time when @dev is pulled; NULL while @dev is
 * @event:	a Port Status Change Event is due
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
	uint64_t given_up_ns; /* of the reset that goes on */
};

/* A device that was pulled, until its last transfer has completed and a reset
 * that was on its way is over (@resetting; the end of it kicks). Whoever frees it takes
 * its events off the device first: usbdev_set_events(dev, NULL, NULL). */
struct xhci_release {
	struct list node;
	struct xhci *xhci;
	struct usbdev *dev;
	bool resetting;
	void (*released)(void *ctx, struct usbdev *dev);
	void *ctx;
};

struct xhci_slot {
	unsigned id;
	bool enabled;
	enum xhci_slot_state state;
	uint64_t context_iova; /* output device context; valid from Address Device on */
	unsigned port;         /* root hub port number, 0 = none yet */
	struct usbdev *dev;    /* NULL: nothing answers */
	struct xhci_endpoint *endpoints[XHCI_DCI_MAX + 1]; /* by DCI; NULL = disabled */
};

/**
 * struct xhci_commands - the command ring
 * @running:	CRR
 * @doorbell:	there may be commands
 * @stop, @abort: CS, CA were written
 * @active:	@trb (found at @trb_iova, ring cursor before it @before) has been taken and
 *		is not answered yet
 * @result:	its completion code once known, else XHCI_CC_INVALID
 * @result_slot: Slot ID for the Command Completion Event
 */
struct xhci_commands {
	struct xhci_ring ring;
	bool running;
	bool doorbell;
	bool stop;
	bool abort;
	bool active;
	struct xhci_trb trb;
	uint64_t trb_iova;
	struct xhci_ring before;
	enum xhci_cc result;
	unsigned result_slot;
};

/* xhci.c */

/* RS, HCRST, CSS, CRS as written to USBCMD. */
void xhci_set_running(struct xhci *xhci, bool run);
void xhci_hcrst(struct xhci *xhci);
void xhci_save_state(struct xhci *xhci);
void xhci_restore_state(struct xhci *xhci);
/* The doorbell register of slot @slot_id (0 = commands) was written. doorbell is in endpoint.c */
void xhci_doorbell(struct xhci *xhci, unsigned slot_id, uint32_t value);

/* port.c */
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

/* plug.c */

/* Gives pulled devices back that nothing holds any more. */
void xhci_releases_run(struct xhci *xhci);

/* slot.c, command.c, endpoint.c have headers of their own. */

#endif /* XHCI_XHCI_PRIV_H */
