/* SPDX-License-Identifier: MIT
 * interrupter.h - the interrupters: an event ring each, and the interrupt for its events
 *
 * Loop thread only.
 */
#ifndef XHCI_INTERRUPTER_H
#define XHCI_INTERRUPTER_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "xhci/event_ring.h"
#include "xhci/trb.h"

struct xhci;

/**
 * struct xhci_interrupter - registers of one interrupter and its event ring
 * @imod:	IMODI in the low half (250 ns units); IMODC is derived from @fire_at_ns
 * @fire_at_ns:	interrupt moderation: not before this time
 */
struct xhci_interrupter {
	unsigned number;
	bool ip;
	bool ie;
	uint32_t imod;
	unsigned desi;
	bool ehb;
	uint64_t fire_at_ns;
	struct xhci_event_ring ring;
};

/* Power-on and HCRST state. */
void xhci_interrupter_reset(struct xhci *xhci, unsigned number);
uint32_t xhci_interrupter_read(struct xhci *xhci, unsigned number, uint32_t reg);
void xhci_interrupter_write(struct xhci *xhci, unsigned number, uint32_t reg,
			    uint32_t value);
/**
 * xhci_event_post() - put @event into the event ring of interrupter @number
 * @event:	without cycle bit
 * @number:	one that does not exist or whose ring is disabled (ERSTSZ 0) means 0
 * @block:	BEI: no interrupt for this event
 *
 * Return: 0; -ENOSPC no room now: keep your state, a later run will come;
 * -EFAULT memory: xhci_dma_fault() was called, keep your state.
 */
MUST_USE int xhci_event_post(struct xhci *xhci, unsigned number,
			     const struct xhci_trb *event, bool block);
/* Raises the interrupts that are due, at the end of a run. */
void xhci_interrupters_update(struct xhci *xhci);
/* CSS, CRS, see event_ring.h. */
void xhci_interrupters_save(struct xhci *xhci);
void xhci_interrupters_restore(struct xhci *xhci);
/* When the next moderated interrupt is due, 0 = none waits. */
uint64_t xhci_interrupters_wake_ns(const struct xhci *xhci);

#endif /* XHCI_INTERRUPTER_H */
