/* SPDX-License-Identifier: MIT
 * ring.h - consumer side of a TRB ring (command or transfer ring)
 *
 * The guest produces and owns the memory; we own only a cursor. A ring has no
 * length: it ends at the first TRB whose cycle bit differs from ours (4.9.2).
 * We trust nothing in it, so every walk draws on a budget (budget.h).
 * Loop thread only. Allocates nothing.
 */
#ifndef XHCI_RING_H
#define XHCI_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"

struct guest_mem;
struct xhci_budget;
struct xhci_trb;

/* Link TRBs followed in a row before the ring is declared broken. */
#define XHCI_RING_LINKS_MAX 32u

/**
 * struct xhci_ring - cursor of the consumer
 * @dequeue_iova:	guest address of the next TRB; 16-byte aligned
 * @cycle:		consumer cycle state (CCS)
 */
struct xhci_ring {
	uint64_t dequeue_iova;
	bool cycle;
};

/* @pointer with the low four bits ignored. */
void xhci_ring_init(struct xhci_ring *ring, uint64_t pointer, bool cycle);

/**
 * xhci_ring_next() - take the next TRB the guest has handed over
 * @ring:	cursor; moved past the TRB (past a Link: to its target, cycle
 *		toggled if asked, 4.11.5.1) on success, else left alone
 * @budget:	a look costs one unit
 * @trb:	filled in on success; a Link TRB is returned like any other
 * @trb_iova:	where @trb was; success only
 *
 * Callers count Link TRBs in a row against XHCI_RING_LINKS_MAX.
 * Return: 1 with a TRB, 0 if the guest has queued none, -EFAULT outside memory,
 * -ELOOP the budget is spent.
 */
MUST_USE int xhci_ring_next(struct xhci_ring *ring, struct guest_mem *mem,
			    struct xhci_budget *budget, struct xhci_trb *trb,
			    uint64_t *trb_iova);

#endif /* XHCI_RING_H */
