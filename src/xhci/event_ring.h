/* SPDX-License-Identifier: MIT
 * event_ring.h - an event ring and the registers that describe it (4.9.4, 5.5.2.3)
 *
 * Loop thread only.
 */
#ifndef XHCI_EVENT_RING_H
#define XHCI_EVENT_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "xhci/spec.h"
#include "xhci/trb.h"

struct xhci;

/*
 *   any --- ERSTBA or ERSTSZ written ---> NEW --- first event ---> OPEN
 *
 *            no room for an event                       no room for an event
 *   +------------------------------> FULL_REPORTED <---------------------------+
 *   |         and the error posted         |            but no second error    |
 *   |                                      +-------- ERDP moves -----> OPEN_REPORTED
 *   |                                                                          |
 *   OPEN <------------------------ an event is posted -------------------------+
 *   |  ^
 *   |  +--- ERDP moves ----+
 *   v                      |
 *   no room for either --> FULL
 *
 * Changed by set_state() in event_ring.c only.
 */
enum xhci_event_ring_state {
	XHCI_EVENT_RING_STATE_NEW,  /* starts at segment 0 with the next event */
	XHCI_EVENT_RING_STATE_OPEN, /* takes events */
	XHCI_EVENT_RING_STATE_FULL, /* takes none until ERDP moves */
	XHCI_EVENT_RING_STATE_FULL_REPORTED, /* the same, and Event Ring Full Error is the last event */
	XHCI_EVENT_RING_STATE_OPEN_REPORTED, /* ERDP has moved since; no second error before an event */
};

/**
 * struct xhci_event_ring - an event ring
 * @number:	of its interrupter
 * @erdp:	low 4 bits clear
 * @enqueue:	where the next event goes; unless NEW
 * @pending:	an event without BEI was posted; the interrupter clears this when it raises
 *		the interrupt for it
 * @saved:	the values at the last xhci_event_ring_save()
 */
struct xhci_event_ring {
	unsigned number;
	uint32_t erstsz;
	uint64_t erstba;
	uint64_t erdp;
	enum xhci_event_ring_state state;
	struct xhci_event_place enqueue;
	bool pending;
	struct {
		uint32_t erstsz;
		uint64_t erstba;
		enum xhci_event_ring_state state;
	} saved;
};

/* Power-on and HCRST state. */
void xhci_event_ring_reset(struct xhci_event_ring *ring, unsigned number);
/* The guest has written ERSTSZ, ERSTBA or ERDP. */
void xhci_event_ring_set_erstsz(struct xhci_event_ring *ring, uint32_t erstsz);
void xhci_event_ring_set_erstba(struct xhci_event_ring *ring, uint64_t erstba);
void xhci_event_ring_set_erdp(struct xhci_event_ring *ring, uint64_t erdp);
/* CSS, CRS: keep the enqueue position even if the guest writes the same ERSTSZ and ERSTBA
 * again. */
void xhci_event_ring_save(struct xhci_event_ring *ring);
void xhci_event_ring_restore(struct xhci_event_ring *ring);

/* True if events lie between ERDP and the enqueue position. */
static inline bool xhci_event_ring_has_events(const struct xhci_event_ring *ring)
{
	return ring->state != XHCI_EVENT_RING_STATE_NEW &&
	       ring->erdp != xhci_event_place_iova(&ring->enqueue);
}

/* Puts @event into @ring, whose ERSTSZ is not 0. Use xhci_event_post(), which explains
 * the parameters. */
MUST_USE int xhci_event_ring_post(struct xhci *xhci, struct xhci_event_ring *ring,
				  const struct xhci_trb *event, bool block);

#endif /* XHCI_EVENT_RING_H */
