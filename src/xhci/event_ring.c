/* SPDX-License-Identifier: MIT
 * event_ring.c - producer side of the event rings (4.9.4)
 *
 * An event ring is a table (ERST) of segments in guest memory. We are the
 * producer: we own enqueue position and cycle state, the guest moves ERDP.
 * The table may be grown or replaced while we run, so an entry is read anew
 * each time the ring goes into its segment. Where the next event goes is always
 * a TRB, never the end of a segment: so it can be compared with ERDP.
 *
 * One TRB always stays free, else a full ring would look empty. The last but
 * one is kept for a Host Controller Event that says the ring is full; when it
 * has been used no more events come until the guest moves ERDP. A guest that
 * then frees a single TRB gets no second error into it, which would go on
 * for ever: ordinary events must fit again first.
 */
#include <errno.h>

#include "xhci/lend.h"
#include "xhci/xhci_priv.h"

#define ERST_ENTRY_BYTES 16u
#define SEGMENT_TRBS_MIN 16u
#define SEGMENT_TRBS_MAX 4096u
#define POINTER_MASK     (~UINT64_C(0x3f)) /* ERST entries, 6.5 */

/* A place in the ring. */
struct position {
	unsigned segment;
	uint64_t segment_iova;
	uint32_t segment_trbs;
	uint32_t index;
	bool cycle;
};

static uint64_t position_iova(const struct position *position)
{
	return position->segment_iova + (uint64_t)position->index * XHCI_TRB_SIZE;
}

static struct position enqueue_get(const struct xhci_interrupter *intr)
{
	return (struct position){
		.segment = intr->segment,
		.segment_iova = intr->segment_iova,
		.segment_trbs = intr->segment_trbs,
		.index = intr->index,
		.cycle = intr->cycle,
	};
}

static void enqueue_set(struct xhci_interrupter *intr, const struct position *position)
{
	intr->segment = position->segment;
	intr->segment_iova = position->segment_iova;
	intr->segment_trbs = position->segment_trbs;
	intr->index = position->index;
	intr->cycle = position->cycle;
}

/* Start of @segment, its entry read from the table. Return: 0, or -EFAULT with the
 * controller told. */
static int segment_enter(struct xhci *xhci, const struct xhci_interrupter *intr,
			 unsigned segment, struct position *position)
{
	uint64_t entry_iova = intr->erstba + (uint64_t)segment * ERST_ENTRY_BYTES;
	uint8_t entry[ERST_ENTRY_BYTES];
	uint32_t trbs;

	xhci_budget_spend(&xhci->budget, 1); /* at most two entries for an event */
	if (guest_mem_read(xhci->mem, entry_iova, entry, sizeof(entry)) < 0) {
		xhci_dma_fault(xhci, "event ring segment table", entry_iova);
		return -EFAULT;
	}
	trbs = get_le16(entry + 8);
	if (trbs < SEGMENT_TRBS_MIN || trbs > SEGMENT_TRBS_MAX) {
		xhci_controller_error(xhci, "event ring segment of a forbidden size");
		return -EFAULT;
	}
	position->segment = segment;
	position->segment_iova = get_le64(entry) & POINTER_MASK;
	position->segment_trbs = trbs;
	position->index = 0;
	return 0;
}

/* The first event after the ring was set up. Return: 0 or -EFAULT. */
static int ring_start(struct xhci *xhci, struct xhci_interrupter *intr)
{
	struct position first = {.cycle = true};
	int r;

	if (intr->erstsz > BIT(XHCI_ERST_MAX_LOG2)) {
		xhci_controller_error(xhci, "ERSTSZ over ERST Max");
		return -EFAULT;
	}
	r = segment_enter(xhci, intr, 0, &first);
	if (r < 0)
		return r;
	xhci_lend_event_ring(xhci, intr);
	enqueue_set(intr, &first);
	intr->erst_changed = false;
	intr->pending = false;
	intr->full_told = false;
	return 0;
}

/* Moves @position one TRB on. Return: 0 or -EFAULT. */
static int position_next(struct xhci *xhci, const struct xhci_interrupter *intr,
			 struct position *position)
{
	position->index++;
	if (position->index < position->segment_trbs)
		return 0;
	if (position->segment + 1 < intr->erstsz)
		return segment_enter(xhci, intr, position->segment + 1, position);
	position->cycle = !position->cycle;
	return segment_enter(xhci, intr, 0, position);
}

/* Fills the TRB at the enqueue position and goes on to @next. Return: 0 or -EFAULT. */
static int event_write(struct xhci *xhci, struct xhci_interrupter *intr,
		       const struct xhci_trb *event, const struct position *next)
{
	struct position here = enqueue_get(intr);
	const struct xhci_event_place place = {
		.segment = here.segment,
		.segment_iova = here.segment_iova,
		.segment_trbs = here.segment_trbs,
		.index = here.index,
	};
	uint64_t iova = position_iova(&here);
	uint32_t control = (event->control & ~XHCI_TRB_C) | (here.cycle ? XHCI_TRB_C : 0);
	uint8_t raw[XHCI_TRB_SIZE];
	int r;

	/* the control word hands the TRB over: last, and ordered */
	xhci_trb_put(raw, event);
	xhci_lend_event(xhci, intr, &place);
	r = guest_mem_write(xhci->mem, iova, raw, 12);
	if (r == 0)
		r = guest_mem_store_le32(xhci->mem, iova + 12, control);
	xhci_lend_event_end(xhci, intr, &place, r == 0);
	if (r < 0) {
		xhci_dma_fault(xhci, "event ring", iova);
		return -EFAULT;
	}
	xhci_budget_spend(&xhci->budget, 1);
	xhci_pace_event_posted(&xhci->pace);
	enqueue_set(intr, next);
	return 0;
}

static int event_write_full(struct xhci *xhci, struct xhci_interrupter *intr,
			    const struct position *next)
{
	const struct xhci_trb event = {
		.status = (uint32_t)XHCI_CC_EVENT_RING_FULL << 24,
		.control = xhci_trb_type_bits(XHCI_TRB_TYPE_HOST_CONTROLLER_EVENT),
	};
	int r = event_write(xhci, intr, &event, next);

	if (r < 0)
		return r;
	log_limited(LOG_LEVEL_DEBUG, "xhci: event ring %u is full", intr->number);
	intr->full_told = true;
	intr->pending = true;
	return 0;
}

/* Where an event for interrupter @number goes, NULL = nowhere yet. */
static struct xhci_interrupter *event_target(struct xhci *xhci, unsigned number)
{
	struct xhci_interrupter *intr = &xhci->interrupters[0];

	if (number < XHCI_INTERRUPTERS && xhci->interrupters[number].erstsz > 0)
		intr = &xhci->interrupters[number];
	return intr->erstsz > 0 ? intr : NULL;
}

int xhci_event_post(struct xhci *xhci, unsigned number, const struct xhci_trb *event,
		    bool block)
{
	struct xhci_interrupter *intr = event_target(xhci, number);
	struct position next, second;
	int r;

	if (!intr || intr->full)
		return -ENOSPC;
	if (intr->erst_changed) {
		r = ring_start(xhci, intr);
		if (r < 0)
			return r;
	}

	next = enqueue_get(intr);
	r = position_next(xhci, intr, &next);
	if (r < 0)
		return r;
	if (position_iova(&next) == intr->erdp) {
		intr->full = true;
		return -ENOSPC;
	}
	second = next;
	r = position_next(xhci, intr, &second);
	if (r < 0)
		return r;
	if (position_iova(&second) == intr->erdp) {
		if (!intr->full_told) {
			r = event_write_full(xhci, intr, &next);
			if (r < 0)
				return r;
		}
		intr->full = true;
		return -ENOSPC;
	}

	r = event_write(xhci, intr, event, &next);
	if (r < 0)
		return r;
	intr->full_told = false;
	if (!block)
		intr->pending = true;
	return 0;
}
