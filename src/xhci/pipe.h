/* SPDX-License-Identifier: MIT
 * pipe.h - what the transfer rings of an endpoint share
 *
 * An endpoint (endpoint.h) is a pipe with its rings, streams and schedule on top. Rings and
 * streams know their pipe, and never the endpoint above: they mark work in it, and they
 * return that a TD has failed. Only endpoint.c changes its @state and its @activity. Loop
 * thread only.
 */
#ifndef XHCI_PIPE_H
#define XHCI_PIPE_H

#include <stdint.h>

#include "usbdev/usbdev.h"
#include "util/list.h"
#include "xhci/context.h"
#include "xhci/spec.h"

struct xhci;

/*
 *              quiesce                Stop Endpoint
 *   ACTIVE ------------> QUIESCING <-----------------> STOPPING
 *     ^                      |      command abandoned,     |
 *     |                      |      halted with streams    |
 *     +------- settled ------+------ done, or halted ------+
 *
 * Changed by set_activity() in endpoint.c only.
 */
enum xhci_ep_activity {
	XHCI_EP_ACTIVITY_ACTIVE, /* transfers start */
	XHCI_EP_ACTIVITY_QUIESCING, /* all that the device holds is being cancelled; nothing starts */
	XHCI_EP_ACTIVITY_STOPPING, /* the same for a Stop Endpoint command, which posts Stopped events */
};

/**
 * struct xhci_pipe - what the transfer rings of an endpoint share
 * @dev:	NULL: nothing answers, its device was pulled
 * @rings:	all transfer rings, xhci_transfer_ring.node
 * @kicked_rings: rings that may have work, xhci_transfer_ring.kick_node
 * @kick_node:	among the kicked endpoints of the controller
 * @td_count:	TDs of all rings
 * @in_flight:	those of them that the device holds
 */
struct xhci_pipe {
	struct xhci *xhci;
	struct xhci_ep_id id;
	uint8_t ep_addr;
	struct usbdev *dev;
	enum xhci_ep_state state;
	enum xhci_ep_activity activity;
	struct list rings;
	struct list kicked_rings;
	struct list kick_node;
	unsigned td_count;
	unsigned in_flight;
};

/* Running, without rings. */
void xhci_pipe_init(struct xhci_pipe *pipe, struct xhci *xhci, struct xhci_ep_id id,
		    struct usbdev *dev);
/* There may be work: on the list for the next run, and asks for one. */
void xhci_pipe_kick(struct xhci_pipe *pipe);

#endif /* XHCI_PIPE_H */
