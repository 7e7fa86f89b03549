/* SPDX-License-Identifier: MIT
 * event_ring.c - producer side of the event rings (4.9.4)
 *
 * An event ring is a table (ERST) of segments in guest memory. We are the
 * producer: we own enqueue position and cycle state, the guest moves ERDP.
 * The guest may grow or replace the table while we run, so we read an entry each time
 * the ring enters its segment. The enqueue position is always a TRB, never the end of a
 * segment: so it can be compared with ERDP.
 *
 * One TRB always stays free, else a full ring would look empty. The last but one is
 * reserved for a Host Controller Event that says the ring is full. After that no events
 * come until the guest moves ERDP. A guest that then frees a single TRB gets no second
 * error into it, which would go on for ever: ordinary events must fit again first.
 */
#include "xhci/event_ring.h"

#include <errno.h>

#include "xhci/controller.h"
#include "xhci/lend.h"

#define ERST_ENTRY_BYTES 16u
#define SEGMENT_TRBS_MIN 16u
#define SEGMENT_TRBS_MAX 4096u
#define POINTER_MASK     (~UINT64_C(0x3f)) /* ERST entries, 6.5 */

static void set_state(struct xhci_event_ring *ring, enum xhci_event_ring_state state)
{
	static const char *const names[] = {
		[XHCI_EVENT_RING_STATE_NEW] = "NEW",
		[XHCI_EVENT_RING_STATE_OPEN] = "OPEN",
		[XHCI_EVENT_RING_STATE_FULL] = "FULL",
		[XHCI_EVENT_RING_STATE_FULL_REPORTED] = "FULL_REPORTED",
		[XHCI_EVENT_RING_STATE_OPEN_REPORTED] = "OPEN_REPORTED"};

	if (state == ring->state)
		return;
	log_trace("event ring %u: %s -> %s", ring->number, names[ring->state],
		  names[state]);
	ring->state = state;
}

static bool is_full(const struct xhci_event_ring *ring)
{
	return ring->state == XHCI_EVENT_RING_STATE_FULL ||
	       ring->state == XHCI_EVENT_RING_STATE_FULL_REPORTED;
}

static bool is_reported(const struct xhci_event_ring *ring)
{
	return ring->state == XHCI_EVENT_RING_STATE_FULL_REPORTED ||
	       ring->state == XHCI_EVENT_RING_STATE_OPEN_REPORTED;
}

void xhci_event_ring_reset(struct xhci_event_ring *ring, unsigned number)
{
	*ring = (struct xhci_event_ring){
		.number = number,
		.state = XHCI_EVENT_RING_STATE_NEW,
	};
}

/* The ring starts again (4.9.4: a write of ERSTBA starts it), but not before there is an
 * event: until then the guest writes halves in any order. A new size alone only lengthens
 * or shortens a ring that is in use. */
void xhci_event_ring_set_erstsz(struct xhci_event_ring *ring, uint32_t erstsz)
{
	if (ring->erstsz == 0 || erstsz == 0)
		set_state(ring, XHCI_EVENT_RING_STATE_NEW);
	ring->erstsz = erstsz;
}

void xhci_event_ring_set_erstba(struct xhci_event_ring *ring, uint64_t erstba)
{
	ring->erstba = erstba;
	set_state(ring, XHCI_EVENT_RING_STATE_NEW);
}

/* The state after ERDP has moved: a ring that was full may have room again. */
static enum xhci_event_ring_state reopened(enum xhci_event_ring_state state)
{
	switch (state) {
	case XHCI_EVENT_RING_STATE_FULL:
		return XHCI_EVENT_RING_STATE_OPEN;
	case XHCI_EVENT_RING_STATE_FULL_REPORTED:
		return XHCI_EVENT_RING_STATE_OPEN_REPORTED;
	case XHCI_EVENT_RING_STATE_NEW:
	case XHCI_EVENT_RING_STATE_OPEN:
	case XHCI_EVENT_RING_STATE_OPEN_REPORTED:
		break;
	}
	return state;
}

void xhci_event_ring_set_erdp(struct xhci_event_ring *ring, uint64_t erdp)
{
	ring->erdp = erdp;
	set_state(ring, reopened(ring->state));
}

void xhci_event_ring_save(struct xhci_event_ring *ring)
{
	ring->saved.erstsz = ring->erstsz;
	ring->saved.erstba = ring->erstba;
	ring->saved.state = ring->state;
}

void xhci_event_ring_restore(struct xhci_event_ring *ring)
{
	if (ring->erstsz == ring->saved.erstsz && ring->erstba == ring->saved.erstba)
		set_state(ring, reopened(ring->saved.state));
}

/* Start of @segment, its entry read from the table. Return: 0, or -EFAULT after
 * marking the fault. */
static int segment_enter(struct xhci *xhci, const struct xhci_event_ring *ring,
			 unsigned segment, struct xhci_event_place *place)
{
	uint64_t entry_iova = ring->erstba + (uint64_t)segment * ERST_ENTRY_BYTES;
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
	place->segment = segment;
	place->segment_iova = get_le64(entry) & POINTER_MASK;
	place->segment_trbs = trbs;
	place->index = 0;
	return 0;
}

/* The first event after the ring was set up. Return: 0 or -EFAULT. */
static int ring_start(struct xhci *xhci, struct xhci_event_ring *ring)
{
	struct xhci_event_place first = {.cycle = true};
	int r;

	if (ring->erstsz > BIT(XHCI_ERST_MAX_LOG2)) {
		xhci_controller_error(xhci, "ERSTSZ over ERST Max");
		return -EFAULT;
	}
	r = segment_enter(xhci, ring, 0, &first);
	if (r < 0)
		return r;
	xhci_lend_event_ring(xhci, ring->number);
	ring->enqueue = first;
	ring->pending = false;
	set_state(ring, XHCI_EVENT_RING_STATE_OPEN);
	return 0;
}

/* Moves @place one TRB on. Return: 0 or -EFAULT. */
static int place_next(struct xhci *xhci, const struct xhci_event_ring *ring,
		      struct xhci_event_place *place)
{
	place->index++;
	if (place->index < place->segment_trbs)
		return 0;
	if (place->segment + 1 < ring->erstsz)
		return segment_enter(xhci, ring, place->segment + 1, place);
	place->cycle = !place->cycle;
	return segment_enter(xhci, ring, 0, place);
}

/* Fills the TRB at the enqueue position and moves on to @next. Return: 0 or -EFAULT. */
static int event_write(struct xhci *xhci, struct xhci_event_ring *ring,
		       const struct xhci_trb *event, const struct xhci_event_place *next)
{
	const struct xhci_event_place *here = &ring->enqueue;
	uint64_t iova = xhci_event_place_iova(here);
	uint32_t control =
		(event->control & ~XHCI_TRB_C) | (here->cycle ? XHCI_TRB_C : 0);
	uint8_t raw[XHCI_TRB_SIZE];
	int r;

	/* the control word hands the TRB over: last, and ordered */
	xhci_trb_put(raw, event);
	xhci_lend_event(xhci, ring->number, here, ring->erstsz, ring->erdp);
	r = guest_mem_write(xhci->mem, iova, raw, 12);
	if (r == 0)
		r = guest_mem_store_le32(xhci->mem, iova + 12, control);
	xhci_lend_event_end(xhci, ring->number, here, r == 0);
	if (r < 0) {
		xhci_dma_fault(xhci, "event ring", iova);
		return -EFAULT;
	}
	xhci_budget_spend(&xhci->budget, 1);
	xhci_pace_event_posted(&xhci->pace);
	ring->enqueue = *next;
	return 0;
}

/* Posts Event Ring Full Error. Return: -ENOSPC, or -EFAULT. */
static int post_full(struct xhci *xhci, struct xhci_event_ring *ring,
		     const struct xhci_event_place *next)
{
	const struct xhci_trb event = {
		.status = (uint32_t)XHCI_CC_EVENT_RING_FULL << 24,
		.control = xhci_trb_type_bits(XHCI_TRB_TYPE_HOST_CONTROLLER_EVENT),
	};
	int r = event_write(xhci, ring, &event, next);

	if (r < 0)
		return r;
	log_limited(LOG_LEVEL_DEBUG, "xhci: event ring %u is full", ring->number);
	ring->pending = true;
	set_state(ring, XHCI_EVENT_RING_STATE_FULL_REPORTED);
	return -ENOSPC;
}

int xhci_event_ring_post(struct xhci *xhci, struct xhci_event_ring *ring,
			 const struct xhci_trb *event, bool block)
{
	struct xhci_event_place next, second;
	int r;

	if (is_full(ring))
		return -ENOSPC;
	if (ring->state == XHCI_EVENT_RING_STATE_NEW) {
		r = ring_start(xhci, ring);
		if (r < 0)
			return r;
	}

	next = ring->enqueue;
	r = place_next(xhci, ring, &next);
	if (r < 0)
		return r;
	if (xhci_event_place_iova(&next) == ring->erdp) {
		set_state(ring, is_reported(ring) ? XHCI_EVENT_RING_STATE_FULL_REPORTED
						  : XHCI_EVENT_RING_STATE_FULL);
		return -ENOSPC;
	}
	second = next;
	r = place_next(xhci, ring, &second);
	if (r < 0)
		return r;
	if (xhci_event_place_iova(&second) == ring->erdp) {
		if (!is_reported(ring))
			return post_full(xhci, ring, &next);
		set_state(ring, XHCI_EVENT_RING_STATE_FULL_REPORTED);
		return -ENOSPC;
	}

	r = event_write(xhci, ring, event, &next);
	if (r < 0)
		return r;
	set_state(ring, XHCI_EVENT_RING_STATE_OPEN);
	if (!block)
		ring->pending = true;
	return 0;
}
