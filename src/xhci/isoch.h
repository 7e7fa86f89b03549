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

struct xhci;
struct xhci_context;
struct xhci_endpoint;
struct xhci_td;

/* TDs of an isochronous ring that are with the device or wait for their events: drivers
 * queue hundreds, each a service interval. */
#define XHCI_ISOCH_TDS_PER_RING 512u

/**
 * struct xhci_isoch - the schedule of an isochronous endpoint
 * @interval_ns: its service interval, as the endpoint context says
 * @streaming:	TDs follow each other; else the next one starts a stream
 * @due_ns:	@streaming: when the ring, found empty, counts as run empty; else: when
 *		the first TD of the stream is due. 0 = neither
 * @node:	among the controller's, while @due_ns is not 0
 */
struct xhci_isoch {
	uint64_t interval_ns;
	bool streaming;
	uint64_t due_ns;
	struct list node;
};

/* Before anything else; all types of endpoints have one. */
void xhci_isoch_init(struct xhci_endpoint *ep, const struct xhci_context *ctx);
/* The endpoint stops or goes: the stream has ended. */
void xhci_isoch_end(struct xhci_endpoint *ep);

enum xhci_isoch_turn {
	XHCI_ISOCH_TURN_NOW,
	XHCI_ISOCH_TURN_LATER,  /* the endpoint is kicked when it is time: ask again */
	XHCI_ISOCH_TURN_MISSED, /* its frame has passed */
};

/* Whether @td, the next one of @ep, is to start (4.11.2.5). */
enum xhci_isoch_turn xhci_isoch_admit(struct xhci_endpoint *ep, const struct xhci_td *td);
/* @ep's ring is empty and all its TDs have been reported. Posts Ring Underrun or
 * Overrun when it has been so for too long, once (4.10.3.1). Return: 0, or as
 * xhci_event_post(): call again. */
int xhci_isoch_empty(struct xhci_endpoint *ep);

/* Puts the endpoints that are due among the kicked ones. At the begin of a run. */
void xhci_isoch_wake(struct xhci *xhci);
/* When the next one will be; 0 = none. */
uint64_t xhci_isoch_wake_ns(const struct xhci *xhci);

#endif /* XHCI_ISOCH_H */
