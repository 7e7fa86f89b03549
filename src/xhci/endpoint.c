/* SPDX-License-Identifier: MIT
 * endpoint.c - the life of an endpoint and the way of its TDs
 *
 * TDs are fetched ahead: several are with the device at once, in ring order,
 * and their events are posted in that order when they complete. The dequeue
 * position that the guest sees is that of the first TD not reported.
 *
 *   ring --fetch--> tds --submit--> device --done--> tds --events--> freed
 *
 * Taking back (Stop Endpoint, RS = 0): all that is with the device is
 * cancelled, last one first so that none overtakes; what completed meanwhile
 * is reported as usual; the first one cancelled is where the ring stands. If
 * it had moved bytes it is kept and resumed from there, everything behind it
 * is dropped and fetched again later, as the guest may have rewritten it.
 *
 * A TD that fails halts the endpoint (4.8.3): those behind it become orphans.
 * Dropping an endpoint makes orphans too. An orphan is cancelled, its result
 * is ignored and guest memory is closed to it, so nobody needs to wait.
 */
#include "xhci/endpoint.h"

#include <errno.h>
#include <stdlib.h>

#include "xhci/slot.h"
#include "xhci/td.h"
#include "xhci/xhci_priv.h"

#define CONTEXT_OFF_DEQUEUE 8u

static enum usbdev_type usbdev_type_of(enum xhci_ep_type type)
{
	switch (type) {
	case XHCI_EP_TYPE_ISOCH_OUT:
	case XHCI_EP_TYPE_ISOCH_IN:
		return USBDEV_TYPE_ISOCHRONOUS;
	case XHCI_EP_TYPE_BULK_OUT:
	case XHCI_EP_TYPE_BULK_IN:
		return USBDEV_TYPE_BULK;
	case XHCI_EP_TYPE_INTERRUPT_OUT:
	case XHCI_EP_TYPE_INTERRUPT_IN:
		return USBDEV_TYPE_INTERRUPT;
	case XHCI_EP_TYPE_CONTROL:
	case XHCI_EP_TYPE_INVALID:
		break;
	}
	return USBDEV_TYPE_CONTROL;
}

static bool type_is_in(enum xhci_ep_type type)
{
	return type >= XHCI_EP_TYPE_ISOCH_IN;
}

static struct xhci_td *td_of(struct list *node)
{
	return LIST_ENTRY(node, struct xhci_td, node);
}

static struct xhci_td *first_td(const struct xhci_endpoint *ep)
{
	struct list *node = list_first(&ep->tds);

	return node ? td_of(node) : NULL;
}

bool xhci_endpoint_context_ok(const struct xhci_context *ctx, unsigned dci,
			      enum xhci_cc *ret_cc)
{
	enum xhci_ep_type type = xhci_ep_context_type(ctx);
	bool fits = dci == 1 ? type == XHCI_EP_TYPE_CONTROL
			     : type != XHCI_EP_TYPE_CONTROL &&
				       type != XHCI_EP_TYPE_INVALID &&
				       type_is_in(type) == ((dci & 1) != 0);

	*ret_cc = XHCI_CC_PARAMETER_ERROR;
	if (!fits || xhci_ep_context_max_packet(ctx) == 0)
		return false;
	if (xhci_ep_context_max_pstreams(ctx) != 0) /* MaxPSASize is 0 */
		return false;
	if (usbdev_type_of(type) == USBDEV_TYPE_ISOCHRONOUS) {
		*ret_cc = XHCI_CC_RESOURCE_ERROR;
		return false;
	}
	*ret_cc = XHCI_CC_SUCCESS;
	return true;
}

int xhci_endpoint_enable(struct xhci *xhci, struct xhci_slot *slot, unsigned dci,
			 const struct xhci_context *ctx)
{
	struct xhci_endpoint *ep = calloc(1, sizeof(*ep));
	uint64_t dequeue = xhci_ep_context_dequeue(ctx);

	if (!ep)
		return -ENOMEM;
	xhci_endpoint_drop(slot->endpoints[dci]);
	ep->xhci = xhci;
	ep->slot = slot;
	ep->dci = dci;
	ep->ep_addr =
		dci == 1 ? 0 : (uint8_t)(dci >> 1 | ((dci & 1) ? USBDEV_DIR_IN : 0));
	ep->type = xhci_ep_context_type(ctx);
	ep->state = XHCI_EP_STATE_RUNNING;
	ep->info = ctx->dw[0] & ~7u;
	ep->max_packet_bytes = xhci_ep_context_max_packet(ctx);
	xhci_ring_init(&ep->ring, dequeue, (dequeue & 1) != 0);
	list_init(&ep->tds);
	list_init(&ep->kick_node);
	slot->endpoints[dci] = ep;
	return 0;
}

void xhci_endpoint_drop(struct xhci_endpoint *ep)
{
	if (!ep)
		return;
	xhci_endpoint_forget_tds(ep);
	list_remove(&ep->kick_node);
	ep->slot->endpoints[ep->dci] = NULL;
	free(ep);
}

struct xhci_ring xhci_endpoint_dequeue(const struct xhci_endpoint *ep)
{
	const struct xhci_td *td = first_td(ep);

	return td ? td->start : ep->ring;
}

void xhci_endpoint_write_context(struct xhci_endpoint *ep)
{
	struct xhci_ring dequeue = xhci_endpoint_dequeue(ep);
	uint64_t iova = ep->slot->context_iova + ep->dci * XHCI_CONTEXT_SIZE;
	uint8_t state[4];
	uint8_t pointer[8];

	put_le32(state, ep->info | (uint32_t)ep->state);
	put_le64(pointer, dequeue.dequeue_iova | (dequeue.cycle ? 1 : 0));
	if (guest_mem_write(ep->xhci->mem, iova + CONTEXT_OFF_DEQUEUE, pointer, 8) < 0 ||
	    guest_mem_write(ep->xhci->mem, iova, state, 4) < 0)
		xhci_dma_fault(ep->xhci, "endpoint context", iova);
}

void xhci_endpoint_kick(struct xhci_endpoint *ep)
{
	if (list_empty(&ep->kick_node))
		list_append(&ep->xhci->kicked_endpoints, &ep->kick_node);
	xhci_kick(ep->xhci);
}

/* The device is done with it. Called in the loop, never inside submit or cancel. */
static void td_done(struct usbdev_transfer *transfer)
{
	struct xhci_td *td = transfer->owner;
	struct xhci *xhci = td->xhci;
	uint32_t submitted = transfer->length_bytes;

	td->state = XHCI_TD_STATE_DONE;
	if (transfer->actual_bytes > submitted)
		transfer->actual_bytes = submitted;
	/* cancelled when all had moved: it is complete, and must not move again */
	if (transfer->status == USBDEV_STATUS_CANCELLED && submitted > 0 &&
	    transfer->actual_bytes == submitted && transfer->type != USBDEV_TYPE_CONTROL)
		transfer->status = USBDEV_STATUS_OK;
	if (!td->ep) {
		xhci_td_free(td);
		xhci_kick(xhci);
		return;
	}
	td->ep->in_flight--;
	td->event_left += transfer->actual_bytes;
	xhci_endpoint_kick(td->ep);
}

static void td_submit(struct xhci_endpoint *ep, struct xhci_td *td)
{
	struct usbdev_transfer *transfer = &td->transfer;
	struct usbdev *dev = ep->slot->dev;

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
	transfer->ep_addr = ep->ep_addr;
	transfer->type = usbdev_type_of(ep->type);
	transfer->done = td_done;
	td->dev = dev;
	td->memory_generation = guest_mem_generation(ep->xhci->mem);
	td->state = XHCI_TD_STATE_SUBMITTED;
	ep->in_flight++;
	usbdev_submit(dev, transfer);
}

static void td_forget(struct xhci_endpoint *ep, struct xhci_td *td)
{
	list_remove(&td->node);
	ep->td_count--;
	if (td->state != XHCI_TD_STATE_SUBMITTED) {
		xhci_td_free(td);
		return;
	}
	ep->in_flight--;
	td->ep = NULL;
	list_append(&ep->xhci->orphans, &td->node);
	usbdev_cancel(td->dev, &td->transfer);
}

/* Forgets the TDs behind @keep (all for NULL), last one first. */
static void forget_behind(struct xhci_endpoint *ep, struct xhci_td *keep)
{
	struct list *stop = keep ? &keep->node : &ep->tds;

	while (ep->tds.prev != stop)
		td_forget(ep, td_of(ep->tds.prev));
}

void xhci_endpoint_forget_tds(struct xhci_endpoint *ep)
{
	forget_behind(ep, NULL);
	ep->resume = false;
}

/* The first TD ends here unfinished: the ring stands at it. It is kept if it
 * has moved bytes that must not move again. */
static void rewind_to_first(struct xhci_endpoint *ep)
{
	struct xhci_td *td = first_td(ep);

	forget_behind(ep, td);
	ep->resume = false;
	if (!td)
		return;
	if (td->state == XHCI_TD_STATE_DONE) {
		td->moved_bytes += td->transfer.actual_bytes;
		td->state = XHCI_TD_STATE_FETCHED;
	}
	ep->ring = td->end;
	ep->resume = ep->type != XHCI_EP_TYPE_CONTROL && !td->bad &&
		     td->moved_bytes > 0 && td->moved_bytes < td->length_bytes;
	if (!ep->resume) {
		ep->ring = td->start;
		td_forget(ep, td);
	}
}

static void halt(struct xhci_endpoint *ep, struct xhci_td *td)
{
	bool bad = td->bad;

	log_debug("slot %u ep 0x%02x: TD at 0x%llx failed, status %d, %u of %u bytes",
		  ep->slot->id, ep->ep_addr, (unsigned long long)td->start.dequeue_iova,
		  td->transfer.status, td->event_left, td->length_bytes);
	rewind_to_first(ep);
	ep->state = bad ? XHCI_EP_STATE_ERROR : XHCI_EP_STATE_HALTED;
	xhci_endpoint_write_context(ep);
}

enum xhci_progress xhci_endpoint_report(struct xhci_endpoint *ep)
{
	struct xhci_td *td;

	while ((td = first_td(ep)) && td->state == XHCI_TD_STATE_DONE) {
		bool failed;

		if (ep->quiescing && td->transfer.status == USBDEV_STATUS_CANCELLED &&
		    td->is_transfer && !td->bad)
			break;
		if (td->is_transfer && td->transfer.status == USBDEV_STATUS_MEMORY &&
		    xhci_memory_unsettled(ep->xhci, td->memory_generation)) {
			/* nothing was lost: the device still has what did not move */
			rewind_to_first(ep);
			return ep->xhci->parked ? XHCI_PROGRESS_BLOCKED
						: XHCI_PROGRESS_DONE;
		}
		if (xhci_td_post_events(td, &failed) < 0)
			return XHCI_PROGRESS_BLOCKED;
		if (failed) {
			halt(ep, td);
			break;
		}
		log_trace("slot %u ep 0x%02x: TD at 0x%llx done, %u bytes", ep->slot->id,
			  ep->ep_addr, (unsigned long long)td->start.dequeue_iova,
			  td->moved_bytes + td->transfer.actual_bytes);
		ep->td_count--;
		xhci_td_free(td);
	}
	return XHCI_PROGRESS_DONE;
}

void xhci_endpoint_settle(struct xhci_endpoint *ep)
{
	rewind_to_first(ep);
	ep->quiescing = false;
}

/* The ring cannot be read on: TRB Error where it stands, state Error. */
static enum xhci_progress fail_ring(struct xhci_endpoint *ep)
{
	struct xhci_trb event =
		xhci_transfer_event(ep, ep->ring.dequeue_iova, XHCI_CC_TRB_ERROR, 0);

	if (ep->td_count > 0) /* those before it first */
		return XHCI_PROGRESS_DONE;
	if (xhci_event_post(ep->xhci, 0, &event, false) < 0)
		return XHCI_PROGRESS_BLOCKED;
	log_limited(LOG_LEVEL_WARN, "slot %u ep 0x%02x: endless Link TRBs at 0x%llx",
		    ep->slot->id, ep->ep_addr, (unsigned long long)ep->ring.dequeue_iova);
	ep->state = XHCI_EP_STATE_ERROR;
	xhci_endpoint_write_context(ep);
	return XHCI_PROGRESS_DONE;
}

/* Fetches one TD and hands it down. @ret_started false: none was there. */
static enum xhci_progress start_td(struct xhci_endpoint *ep, bool *ret_started)
{
	struct xhci_td *td;
	int r;

	*ret_started = false;
	if (ep->resume) {
		ep->resume = false;
		*ret_started = true;
		td_submit(ep, first_td(ep));
		return XHCI_PROGRESS_DONE;
	}
	if (ep->td_count >= XHCI_TDS_PER_ENDPOINT ||
	    (ep->td_count > 0 && td_of(ep->tds.prev)->bad))
		return XHCI_PROGRESS_DONE; /* a completion will kick */
	r = xhci_td_fetch(ep->xhci, &ep->ring, ep->type == XHCI_EP_TYPE_CONTROL,
			  type_is_in(ep->type), ep->td_count == 0, &td);
	if (r == -EFAULT) {
		if (ep->td_count == 0)
			xhci_dma_fault(ep->xhci, "transfer ring", ep->ring.dequeue_iova);
		return XHCI_PROGRESS_BLOCKED;
	}
	if (r == -ELOOP)
		return fail_ring(ep);
	if (r < 0)
		return XHCI_PROGRESS_BLOCKED;
	if (r == 0)
		return XHCI_PROGRESS_DONE;
	td->ep = ep;
	list_append(&ep->tds, &td->node);
	ep->td_count++;
	*ret_started = true;
	td_submit(ep, td);
	return XHCI_PROGRESS_DONE;
}

enum xhci_progress xhci_endpoint_run(struct xhci_endpoint *ep)
{
	enum xhci_progress progress;
	bool started = true;

	if (!guest_mem_check(ep->xhci->mem,
			     ep->slot->context_iova + ep->dci * XHCI_CONTEXT_SIZE,
			     XHCI_CONTEXT_SIZE, GUEST_MEM_READ | GUEST_MEM_WRITE)) {
		xhci_dma_fault(ep->xhci, "endpoint context", ep->slot->context_iova);
		return XHCI_PROGRESS_BLOCKED;
	}
	progress = xhci_endpoint_report(ep);
	if (progress != XHCI_PROGRESS_DONE || ep->stopping)
		return progress;
	if (ep->quiescing) {
		if (ep->in_flight > 0)
			return XHCI_PROGRESS_DONE; /* its completion kicks */
		xhci_endpoint_settle(ep);
	}
	if (ep->rung && ep->state == XHCI_EP_STATE_STOPPED) {
		ep->state = XHCI_EP_STATE_RUNNING;
		xhci_endpoint_write_context(ep);
	}
	ep->rung = false;
	if (ep->state != XHCI_EP_STATE_RUNNING)
		return XHCI_PROGRESS_DONE;
	for (unsigned n = 0; started && n < XHCI_TDS_PER_TURN; n++) {
		progress = start_td(ep, &started);
		if (progress != XHCI_PROGRESS_DONE)
			return progress;
	}
	if (started || (ep->td_count > 0 && first_td(ep)->state == XHCI_TD_STATE_DONE))
		return XHCI_PROGRESS_MORE;
	return XHCI_PROGRESS_DONE;
}

/* Last one first, so that none overtakes those before it. */
static void cancel_submitted(struct xhci_endpoint *ep)
{
	struct list *node;

	for (node = ep->tds.prev; node != &ep->tds; node = node->prev)
		if (td_of(node)->state == XHCI_TD_STATE_SUBMITTED)
			usbdev_cancel(td_of(node)->dev, &td_of(node)->transfer);
}

void xhci_endpoint_quiesce(struct xhci_endpoint *ep)
{
	ep->quiescing = true;
	cancel_submitted(ep);
	xhci_endpoint_kick(ep);
}

bool xhci_endpoint_is_quiet(const struct xhci_endpoint *ep)
{
	return ep->in_flight == 0;
}

void xhci_endpoint_device_gone(struct xhci_endpoint *ep)
{
	cancel_submitted(ep);
}

void xhci_doorbell(struct xhci *xhci, unsigned slot_id, uint32_t value)
{
	unsigned dci = value & 0xff;
	struct xhci_endpoint *ep;

	if (slot_id == 0) {
		if (dci == 0 && !xhci->halted) {
			xhci->commands.doorbell = true;
			xhci->commands.running = true;
			xhci_kick(xhci);
		}
		return;
	}
	if (slot_id > XHCI_SLOTS || dci == 0 || dci > XHCI_DCI_MAX)
		return;
	ep = xhci->slots[slot_id].endpoints[dci];
	if (!ep ||
	    (ep->state != XHCI_EP_STATE_RUNNING && ep->state != XHCI_EP_STATE_STOPPED))
		return;
	ep->rung = true;
	xhci_endpoint_kick(ep);
}
