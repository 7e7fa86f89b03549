/* SPDX-License-Identifier: MIT
 * isoch.h - when the TDs of an isochronous endpoint start, and when its ring runs empty
 *
 * Loop thread only. Allocates: nothing.
 */
#ifndef XHCI_ISOCH_H
#define XHCI_ISOCH_H

#include <stdbool.h>
#include <stdint.h>

#include "util/list.h"
#include "xhci/context.h"

struct xhci;
struct xhci_td;

/* TDs of an isochronous ring that the device holds or that wait for their events: drivers
 * queue hundreds, one for each service interval. */
#define XHCI_ISOCH_TDS_PER_RING 512u

/* Drawn in isoch.c. */
enum xhci_isoch_state {
	XHCI_ISOCH_STATE_IDLE,      /* the next TD starts a stream */
	XHCI_ISOCH_STATE_WAITING,   /* the same, and its frame is ahead */
	XHCI_ISOCH_STATE_STREAMING, /* TDs follow each other */
	XHCI_ISOCH_STATE_DRAINED,   /* the same, but the ring was found empty */
};

/**
 * struct xhci_isoch - the schedule of an isochronous endpoint
 * @interval_ns: its service interval, as the endpoint context says
 * @due_ns:	WAITING: when the first TD of the stream is due; DRAINED: when the stream has
 *		ended unless the guest queues more. Else 0
 * @node:	among xhci->isoch_due, while @due_ns is not 0
 */
struct xhci_isoch {
	struct xhci *xhci;
	struct xhci_ep_id id;
	uint64_t interval_ns;
	enum xhci_isoch_state state;
	uint64_t due_ns;
	struct list node;
};

void xhci_isoch_init(struct xhci_isoch *isoch, struct xhci *xhci, struct xhci_ep_id id,
		     const struct xhci_context *ctx);
/* The endpoint stops or goes: the stream has ended. */
void xhci_isoch_end(struct xhci_isoch *isoch);

enum xhci_isoch_turn {
	XHCI_ISOCH_TURN_NOW,
	XHCI_ISOCH_TURN_LATER,  /* ask again when xhci_endpoints_wake() kicks it */
	XHCI_ISOCH_TURN_MISSED, /* its frame has passed */
};

/* Whether @td, the next one, is to start (4.11.2.5). */
enum xhci_isoch_turn xhci_isoch_admit(struct xhci_isoch *isoch, const struct xhci_td *td);
/* The ring is empty and all its TDs have been reported. Posts Ring Underrun or
 * Overrun when it has been so for too long, once (4.10.3.1). Return: 0, or as
 * xhci_event_post(): call again. */
int xhci_isoch_empty(struct xhci_isoch *isoch);

/* The earliest time for which an endpoint waits that has not come yet; 0 = none. */
uint64_t xhci_isoch_wake_ns(const struct xhci *xhci);

#endif /* XHCI_ISOCH_H */
