/* SPDX-License-Identifier: MIT
 * transfer_ring.c - life of the TDs on one transfer ring
 *
 * We fetch TDs ahead: the device holds several at once, in ring order, and we post their
 * events in that order when they complete. The dequeue position that the guest sees is
 * that of the first TD not reported.
 *
 *   ring --fetch--> tds --submit--> device --done--> tds --events--> freed
 *
 * Stop Endpoint and RS = 0 cancel all TDs that the device holds, the last one first so that
 * none overtakes. TDs that complete meanwhile are reported as usual. The ring stands at
 * the first one cancelled. If that has moved bytes we keep it and resume it there. We drop
 * everything behind it and fetch it again later, as the guest may have rewritten it.
 *
 * A TD that fails halts the endpoint (4.8.3): we return that to endpoint.c. The TDs behind
 * it become orphans, and with streams endpoint.c cancels those of the other rings.
 * Destroying an endpoint makes orphans too. We cancel an orphan, ignore its result and
 * close guest memory to it, so no endpoint waits for it.
 *
 * A device that keeps a TD for long (a host that is stuck, a program behind it that does not
 * answer) must not keep the guest from its other devices: drivers take a controller for dead
 * that does not stop an endpoint. So after XHCI_GIVE_UP_NS the TD becomes an orphan as well,
 * and the ring stands at it. A device that holds XHCI_ORPHANS_PER_DEVICE of them gets no
 * more before it returns some.
 *
 * Isochronous TDs go the same way, but none halts the endpoint, none is resumed, and isoch.c
 * says when a stream of them starts.
 */
#include "xhci/transfer_ring.h"

#include <errno.h>

#include "xhci/interrupter.h"
#include "xhci/isoch.h"
#include "xhci/lend.h"
#include "xhci/pipe.h"
#include "xhci/td.h"
#include "xhci/transfer_events.h"

static struct xhci_td *td_of(struct list *node)
{
	return LIST_ENTRY(node, struct xhci_td, node);
}

static bool is_isoch(const struct xhci_transfer_ring *ring)
{
	return ring->isoch != NULL;
}

static struct xhci_td *first_td(const struct xhci_transfer_ring *ring)
{
	struct list *node = list_first(&ring->tds);

	return node ? td_of(node) : NULL;
}

void xhci_transfer_ring_init(struct xhci_transfer_ring *ring, struct xhci_pipe *pipe,
			     struct xhci_isoch *isoch, unsigned stream_id,
			     uint64_t pointer)
{
	*ring = (struct xhci_transfer_ring){
		.pipe = pipe,
		.isoch = isoch,
		.stream_id = (uint16_t)stream_id,
	};
	xhci_ring_init(&ring->cursor, pointer, (pointer & 1) != 0);
	list_init(&ring->kick_node);
	list_init(&ring->tds);
	list_append(&pipe->rings, &ring->node);
}

void xhci_transfer_ring_finish(struct xhci_transfer_ring *ring)
{
	xhci_transfer_ring_drop_tds(ring);
	list_remove(&ring->kick_node);
	list_remove(&ring->node);
}

void xhci_transfer_ring_kick(struct xhci_transfer_ring *ring)
{
	if (list_empty(&ring->kick_node))
		list_append(&ring->pipe->kicked_rings, &ring->kick_node);
	xhci_pipe_kick(ring->pipe);
}

struct xhci_ring xhci_transfer_ring_dequeue(const struct xhci_transfer_ring *ring)
{
	const struct xhci_td *td = first_td(ring);

	return td ? td->start : ring->cursor;
}

/* The device returns a transfer. Called in the loop, never inside submit or cancel. */
static void on_transfer_done(struct usbdev_transfer *transfer)
{
	struct xhci_td *td = transfer->owner;
	struct xhci *xhci = td->xhci;
	uint32_t submitted = transfer->length_bytes;
	bool orphan = td->state == XHCI_TD_STATE_ORPHAN;

	td->state = XHCI_TD_STATE_DONE;
	xhci_lend_data_end(td->xhci, td);
	if (transfer->actual_bytes > submitted)
		transfer->actual_bytes = submitted;
	/* cancelled after all bytes had moved: it is complete, and must not move them again */
	if (transfer->status == USBDEV_STATUS_CANCELLED && submitted > 0 &&
	    transfer->actual_bytes == submitted && transfer->type != USBDEV_TYPE_CONTROL)
		transfer->status = USBDEV_STATUS_OK;
	if (orphan) {
		td->dev->forgotten--;
		xhci_td_free(td);
		xhci_kick(xhci);
		return;
	}
	/* pages went away under it: the bytes moved there are lost */
	if (transfer->status == USBDEV_STATUS_OK &&
	    guest_mem_losses(xhci->mem) != td->memory.losses && !xhci_td_is_reachable(td))
		transfer->status = USBDEV_STATUS_MEMORY;
	/* no device acknowledges an isochronous OUT packet, and not all hosts say what it moved */
	if (is_isoch(td->ring) && transfer->status == USBDEV_STATUS_OK &&
	    !usbdev_transfer_is_in(transfer))
		transfer->actual_bytes = submitted;
	td->ring->pipe->in_flight--;
	td->report.left += transfer->actual_bytes;
	xhci_transfer_ring_kick(td->ring);
}

/* For the checking build: lends the device the buffers of an IN TD. */
static void lend_data(const struct xhci_td *td)
{
	uint32_t skip = td->moved_bytes;

	if (!usbdev_transfer_is_in(&td->transfer))
		return;
	for (unsigned i = 0; i < td->trb_count; i++) {
		const struct xhci_trb *trb = &td->trbs[i].trb;
		uint32_t len = xhci_trb_has_data(trb) ? xhci_trb_length(trb) : 0;
		uint32_t moved = MIN_OF(len, skip);

		skip -= moved;
		if (!(trb->control & XHCI_TRB_IDT))
			xhci_lend_data(td->xhci, td, &td->id, td->start.dequeue_iova,
				       trb->parameter + moved, len - moved);
	}
}

static void td_submit(struct xhci_td *td)
{
	struct xhci_pipe *pipe = td->ring->pipe;
	struct usbdev_transfer *transfer = &td->transfer;
	struct usbdev *dev = pipe->dev;

	transfer->length_bytes = td->length_bytes - td->moved_bytes;
	transfer->actual_bytes = 0;
	transfer->status = USBDEV_STATUS_OK;
	transfer->cancelled = false;
	if (td->bad || !td->is_transfer || !dev) {
		transfer->status =
			td->is_transfer ? USBDEV_STATUS_GONE : USBDEV_STATUS_OK;
		td->state = XHCI_TD_STATE_DONE;
		return;
	}
	transfer->ep_addr = pipe->ep_addr;
	transfer->stream_id = td->ring->stream_id;
	transfer->type = xhci_ep_type_usbdev(pipe->id.type);
	transfer->done = on_transfer_done;
	td->dev = dev;
	td->memory.generation = xhci_memory_generation(pipe->xhci);
	td->memory.losses = guest_mem_losses(pipe->xhci->mem);
	td->state = XHCI_TD_STATE_SUBMITTED;
	pipe->in_flight++;
	xhci_budget_spend(&pipe->xhci->budget, XHCI_BUDGET_TRANSFER);
	lend_data(td);
	usbdev_submit(dev, transfer);
}

static void td_drop(struct xhci_transfer_ring *ring, struct xhci_td *td)
{
	struct xhci_pipe *pipe = ring->pipe;

	list_remove(&td->node);
	ring->td_count--;
	pipe->td_count--;
	if (td->state != XHCI_TD_STATE_SUBMITTED) {
		xhci_td_free(td);
		return;
	}
	pipe->in_flight--;
	xhci_lend_data_end(td->xhci, td);
	td->ring = NULL;
	td->state = XHCI_TD_STATE_ORPHAN;
	td->dev->forgotten++;
	list_append(&pipe->xhci->orphans, &td->node);
	usbdev_cancel(td->dev, &td->transfer);
}

/* Drops the TDs behind @keep (all for NULL), the last one first. */
static void drop_behind(struct xhci_transfer_ring *ring, struct xhci_td *keep)
{
	struct list *stop = keep ? &keep->node : &ring->tds;

	while (ring->tds.prev != stop)
		td_drop(ring, td_of(ring->tds.prev));
}

void xhci_transfer_ring_drop_tds(struct xhci_transfer_ring *ring)
{
	drop_behind(ring, NULL);
	ring->resume = false;
}

void xhci_transfer_ring_set_dequeue(struct xhci_transfer_ring *ring, uint64_t pointer)
{
	xhci_transfer_ring_drop_tds(ring);
	xhci_ring_init(&ring->cursor, pointer, (pointer & 1) != 0);
}

/* The first TD ends here unfinished: the ring stands at it. Keeps it if it has moved bytes
 * that must not move again. */
static void rewind_to_first(struct xhci_transfer_ring *ring)
{
	struct xhci_td *td = first_td(ring);

	drop_behind(ring, td);
	ring->resume = false;
	if (!td)
		return;
	if (td->state == XHCI_TD_STATE_DONE) {
		td->moved_bytes += td->transfer.actual_bytes;
		td->state = XHCI_TD_STATE_FETCHED;
	}
	ring->cursor = td->end;
	ring->resume = ring->pipe->id.type != XHCI_EP_TYPE_CONTROL && !is_isoch(ring) &&
		       !td->bad && td->moved_bytes > 0 &&
		       td->moved_bytes < td->length_bytes;
	if (!ring->resume) {
		ring->cursor = td->start;
		td_drop(ring, td);
	}
}

static enum xhci_progress td_failed(struct xhci_transfer_ring *ring, struct xhci_td *td)
{
	struct xhci_pipe *pipe = ring->pipe;
	bool bad = td->bad;

	log_debug("slot %u ep 0x%02x stream %u: TD at 0x%llx failed, status %d, %u of %u "
		  "bytes",
		  pipe->id.slot_id, pipe->ep_addr, ring->stream_id,
		  (unsigned long long)td->start.dequeue_iova, td->transfer.status,
		  td->report.left, td->length_bytes);
	rewind_to_first(ring);
	return bad ? XHCI_PROGRESS_ERROR : XHCI_PROGRESS_HALT;
}

/* A TD that is done but will be fetched again: it was cancelled, or failed behind a halt. */
static bool was_cancelled(const struct xhci_pipe *pipe, const struct xhci_td *td)
{
	if (pipe->activity == XHCI_EP_ACTIVITY_ACTIVE || !td->is_transfer)
		return false;
	if (pipe->state == XHCI_EP_STATE_HALTED || pipe->state == XHCI_EP_STATE_ERROR)
		return td->bad || td->transfer.status != USBDEV_STATUS_OK;
	return td->transfer.status == USBDEV_STATUS_CANCELLED && !td->bad;
}

enum xhci_progress xhci_transfer_ring_report(struct xhci_transfer_ring *ring)
{
	struct xhci_pipe *pipe = ring->pipe;
	struct xhci_td *td;

	while ((td = first_td(ring)) && td->state == XHCI_TD_STATE_DONE) {
		bool failed;

		if (was_cancelled(pipe, td))
			break;
		if (xhci_budget_is_spent(&pipe->xhci->budget))
			return XHCI_PROGRESS_MORE;
		if (td->is_transfer && !is_isoch(ring) &&
		    td->transfer.status == USBDEV_STATUS_MEMORY &&
		    xhci_memory_unsettled(pipe->xhci, td->memory.generation)) {
			/* nothing is lost: the device still has the bytes that did not move */
			rewind_to_first(ring);
			return pipe->xhci->parking.parked ? XHCI_PROGRESS_BLOCKED
							  : XHCI_PROGRESS_DONE;
		}
		if (xhci_td_post_events(td, &failed) < 0)
			return XHCI_PROGRESS_BLOCKED;
		if (failed)
			return td_failed(ring, td);
		log_trace("slot %u ep 0x%02x stream %u: TD at 0x%llx done, %u bytes",
			  pipe->id.slot_id, pipe->ep_addr, ring->stream_id,
			  (unsigned long long)td->start.dequeue_iova,
			  td->moved_bytes + td->transfer.actual_bytes);
		xhci_pace_moved(&pipe->xhci->pace, td->transfer.actual_bytes);
		ring->td_count--;
		pipe->td_count--;
		xhci_td_free(td);
	}
	return XHCI_PROGRESS_DONE;
}

void xhci_transfer_ring_settle(struct xhci_transfer_ring *ring)
{
	rewind_to_first(ring);
	ring->stopped_posted = false;
}

int xhci_transfer_ring_give_up(struct xhci_transfer_ring *ring)
{
	struct xhci_td *replacement;
	struct list *node;

	LIST_FOREACH(node, &ring->tds)
		if (td_of(node)->state == XHCI_TD_STATE_SUBMITTED)
			break;
	if (node == &ring->tds)
		return 0;
	replacement = xhci_td_replace(td_of(node));
	if (!replacement)
		return -ENOMEM;
	list_append(node, &replacement->node); /* before it */
	ring->td_count++;
	ring->pipe->td_count++;
	drop_behind(ring, replacement);
	return 0;
}

int xhci_transfer_ring_post_stopped(struct xhci_transfer_ring *ring)
{
	struct xhci_td *td = first_td(ring);
	int r;

	if (!td || !ring->rung || ring->stopped_posted)
		return 0;
	r = xhci_td_post_partial(td);
	if (r == 0)
		r = xhci_td_post_stopped(td);
	ring->stopped_posted = r == 0;
	return r;
}

/* We cannot read on: posts TRB Error for where the ring stands. */
static enum xhci_progress fail_ring(struct xhci_transfer_ring *ring)
{
	struct xhci_pipe *pipe = ring->pipe;
	struct xhci_trb event = xhci_transfer_event(&pipe->id, ring->cursor.dequeue_iova,
						    XHCI_CC_TRB_ERROR, 0);

	if (ring->td_count > 0) /* those before it first */
		return XHCI_PROGRESS_DONE;
	if (xhci_event_post(pipe->xhci, 0, &event, false) < 0)
		return XHCI_PROGRESS_BLOCKED;
	log_limited(LOG_LEVEL_WARN,
		    "slot %u ep 0x%02x: endless Link or Setup TRBs at 0x%llx",
		    pipe->id.slot_id, pipe->ep_addr,
		    (unsigned long long)ring->cursor.dequeue_iova);
	return XHCI_PROGRESS_ERROR;
}

/* Reports the Underrun or Overrun of an isochronous ring that ran dry. */
static enum xhci_progress on_empty(struct xhci_transfer_ring *ring)
{
	if (is_isoch(ring) && ring->td_count == 0 && xhci_isoch_empty(ring->isoch) < 0)
		return XHCI_PROGRESS_BLOCKED;
	return XHCI_PROGRESS_DONE;
}

/* Whether an isochronous TD that has been fetched may start. False: its frame is ahead, and it
 * stays on the ring. */
static bool admit_isoch(struct xhci_transfer_ring *ring, struct xhci_td *td,
			struct xhci_ring before)
{
	switch (xhci_isoch_admit(ring->isoch, td)) {
	case XHCI_ISOCH_TURN_LATER:
		ring->cursor = before;
		xhci_td_free(td);
		return false;
	case XHCI_ISOCH_TURN_MISSED:
		td->transfer.status = USBDEV_STATUS_MISSED;
		td->state = XHCI_TD_STATE_DONE;
		break;
	case XHCI_ISOCH_TURN_NOW:
		break;
	}
	return true;
}

/* True if the device holds too many orphans. Each that it returns asks for a run. */
static bool keeps_too_many(const struct xhci_pipe *pipe)
{
	const struct usbdev *dev = pipe->dev;

	if (!dev || dev->forgotten < XHCI_ORPHANS_PER_DEVICE)
		return false;
	log_limited(
		LOG_LEVEL_WARN,
		"slot %u ep 0x%02x: %s holds %u cancelled transfers, and gets no more "
		"until it returns some",
		pipe->id.slot_id, pipe->ep_addr, dev->label, dev->forgotten);
	return true;
}

/* Fetches one TD and submits it. @ret_started false: there was none. */
static enum xhci_progress start_td(struct xhci_transfer_ring *ring, bool *ret_started)
{
	unsigned tds_max = is_isoch(ring) ? XHCI_ISOCH_TDS_PER_RING : XHCI_TDS_PER_RING;
	struct xhci_pipe *pipe = ring->pipe;
	struct xhci_ring before = ring->cursor;
	struct xhci_td *td;
	int r;

	*ret_started = false;
	if (keeps_too_many(pipe))
		return XHCI_PROGRESS_BLOCKED;
	if (ring->resume) {
		ring->resume = false;
		*ret_started = true;
		td_submit(first_td(ring));
		return XHCI_PROGRESS_DONE;
	}
	if (ring->td_count >= tds_max ||
	    (ring->td_count > 0 && td_of(ring->tds.prev)->bad))
		return XHCI_PROGRESS_DONE; /* a completion will kick */
	r = xhci_td_fetch(pipe->xhci, &ring->cursor, &pipe->id, pipe->td_count == 0, &td);
	if (r == -EFAULT) {
		if (ring->td_count == 0)
			xhci_dma_fault(pipe->xhci, "transfer ring",
				       ring->cursor.dequeue_iova);
		return XHCI_PROGRESS_BLOCKED;
	}
	if (r == -ELOOP)
		return fail_ring(ring);
	if (r < 0)
		return XHCI_PROGRESS_BLOCKED;
	if (r == 0)
		return on_empty(ring);
	if (is_isoch(ring) && !admit_isoch(ring, td, before))
		return XHCI_PROGRESS_DONE;
	td->ring = ring;
	list_append(&ring->tds, &td->node);
	ring->td_count++;
	pipe->td_count++;
	*ret_started = true;
	if (td->state == XHCI_TD_STATE_FETCHED)
		td_submit(td);
	return XHCI_PROGRESS_DONE;
}

enum xhci_progress xhci_transfer_ring_start_tds(struct xhci_transfer_ring *ring)
{
	bool started = true;

	for (unsigned n = 0; started && n < XHCI_TDS_PER_TURN &&
			     !xhci_budget_is_spent(&ring->pipe->xhci->budget);
	     n++) {
		enum xhci_progress progress = start_td(ring, &started);

		if (progress != XHCI_PROGRESS_DONE)
			return progress;
	}
	if (started ||
	    (ring->td_count > 0 && first_td(ring)->state == XHCI_TD_STATE_DONE))
		return XHCI_PROGRESS_MORE;
	return XHCI_PROGRESS_DONE;
}

void xhci_transfer_ring_cancel(struct xhci_transfer_ring *ring)
{
	struct list *node;

	for (node = ring->tds.prev; node != &ring->tds; node = node->prev)
		if (td_of(node)->state == XHCI_TD_STATE_SUBMITTED)
			usbdev_cancel(td_of(node)->dev, &td_of(node)->transfer);
}
