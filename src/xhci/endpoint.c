/* SPDX-License-Identifier: MIT
 * endpoint.c - the life of an endpoint: states, runs, taking back, doorbells
 *
 * What happens to its TDs is told in transfer_ring.c.
 */
#include "xhci/endpoint.h"

#include <errno.h>
#include <stdlib.h>

#include "xhci/lend.h"
#include "xhci/slot.h"
#include "xhci/stream.h"
#include "xhci/td.h"
#include "xhci/xhci_priv.h"

#define CONTEXT_OFF_DEQUEUE 8u

enum usbdev_type xhci_ep_type_usbdev(enum xhci_ep_type type)
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

bool xhci_ep_type_is_in(enum xhci_ep_type type)
{
	return type >= XHCI_EP_TYPE_ISOCH_IN;
}

bool xhci_endpoint_context_ok(const struct xhci_context *ctx, unsigned dci,
			      enum xhci_cc *ret_cc)
{
	enum xhci_ep_type type = xhci_ep_context_type(ctx);
	bool fits = dci == 1 ? type == XHCI_EP_TYPE_CONTROL
			     : type != XHCI_EP_TYPE_CONTROL &&
				       type != XHCI_EP_TYPE_INVALID &&
				       xhci_ep_type_is_in(type) == ((dci & 1) != 0);

	*ret_cc = XHCI_CC_PARAMETER_ERROR;
	if (!fits || xhci_ep_context_max_packet(ctx) == 0)
		return false;
	if (xhci_ep_context_max_pstreams(ctx) > XHCI_MAX_PSA_SIZE)
		return false;
	if (xhci_ep_context_max_pstreams(ctx) > 0 &&
	    xhci_ep_type_usbdev(type) != USBDEV_TYPE_BULK)
		return false;
	*ret_cc = XHCI_CC_SUCCESS;
	return true;
}

struct xhci_endpoint *xhci_endpoint_create(struct xhci *xhci, struct xhci_slot *slot,
					   unsigned dci, const struct xhci_context *ctx)
{
	struct xhci_endpoint *ep = calloc(1, sizeof(*ep));

	if (!ep)
		return NULL;
	ep->xhci = xhci;
	ep->slot = slot;
	ep->dci = dci;
	ep->ep_addr =
		dci == 1 ? 0 : (uint8_t)(dci >> 1 | ((dci & 1) ? USBDEV_DIR_IN : 0));
	ep->type = xhci_ep_context_type(ctx);
	ep->state = XHCI_EP_STATE_RUNNING;
	ep->info = ctx->dw[0] & ~7u;
	ep->max_packet_bytes = xhci_ep_context_max_packet(ctx);
	list_init(&ep->rings);
	list_init(&ep->kicked_rings);
	xhci_isoch_init(ep, ctx);
	list_init(&ep->kick_node);
	list_init(&ep->quiescing_node);
	if (xhci_ep_context_max_pstreams(ctx) == 0) {
		xhci_transfer_ring_init(&ep->ring, ep, 0, xhci_ep_context_dequeue(ctx));
		return ep;
	}
	ep->streams = xhci_streams_create(ctx);
	if (!ep->streams) {
		free(ep);
		return NULL;
	}
	return ep;
}

void xhci_endpoint_enable(struct xhci_endpoint *ep)
{
	xhci_endpoint_drop(ep->slot->endpoints[ep->dci]);
	ep->slot->endpoints[ep->dci] = ep;
	xhci_lend_endpoint(ep);
}

void xhci_endpoint_drop(struct xhci_endpoint *ep)
{
	if (!ep)
		return;
	xhci_lend_endpoint_end(ep);
	if (ep->streams)
		xhci_streams_destroy(ep);
	else
		xhci_transfer_ring_finish(&ep->ring);
	xhci_isoch_end(ep);
	list_remove(&ep->kick_node);
	list_remove(&ep->quiescing_node);
	if (ep->slot->endpoints[ep->dci] == ep)
		ep->slot->endpoints[ep->dci] = NULL;
	free(ep);
}

static uint64_t context_iova(const struct xhci_endpoint *ep)
{
	return ep->slot->context_iova + ep->dci * XHCI_CONTEXT_SIZE;
}

bool xhci_endpoint_contexts_ok(struct xhci_endpoint *ep)
{
	if (!guest_mem_check(ep->xhci->mem, context_iova(ep), XHCI_CONTEXT_SIZE,
			     GUEST_MEM_READ | GUEST_MEM_WRITE)) {
		xhci_dma_fault(ep->xhci, "endpoint context", context_iova(ep));
		return false;
	}
	return !ep->streams || xhci_streams_contexts_ok(ep);
}

void xhci_endpoint_write_context(struct xhci_endpoint *ep)
{
	uint64_t iova = context_iova(ep);
	uint8_t state[4];
	int r = 0;

	if (ep->streams) {
		xhci_streams_write_contexts(ep);
	} else {
		struct xhci_ring dequeue = xhci_transfer_ring_dequeue(&ep->ring);
		uint8_t pointer[8];

		put_le64(pointer, dequeue.dequeue_iova | (dequeue.cycle ? 1 : 0));
		r = guest_mem_write(ep->xhci->mem, iova + CONTEXT_OFF_DEQUEUE, pointer,
				    sizeof(pointer));
	}
	put_le32(state, ep->info | (uint32_t)ep->state);
	if (r < 0 || guest_mem_write(ep->xhci->mem, iova, state, sizeof(state)) < 0)
		xhci_dma_fault(ep->xhci, "endpoint context", iova);
}

void xhci_endpoint_list(struct xhci_endpoint *ep)
{
	if (list_empty(&ep->kick_node))
		list_append(&ep->xhci->kicked_endpoints, &ep->kick_node);
	xhci_kick(ep->xhci);
}

static struct xhci_transfer_ring *ring_of(struct list *node)
{
	return LIST_ENTRY(node, struct xhci_transfer_ring, node);
}

void xhci_endpoint_kick(struct xhci_endpoint *ep)
{
	struct list *node;

	LIST_FOREACH(node, &ep->rings)
		xhci_transfer_ring_kick(ring_of(node));
	xhci_endpoint_list(ep);
}

/* Tells of a doorbell that cannot be served: no TRB is named, and the endpoint halts. */
static enum xhci_progress tell_stream_error(struct xhci_endpoint *ep)
{
	struct xhci_trb event = xhci_transfer_event(ep, 0, ep->stream_error, 0);

	if (xhci_event_post(ep->xhci, 0, &event, false) < 0)
		return XHCI_PROGRESS_BLOCKED;
	log_limited(LOG_LEVEL_WARN, "slot %u ep 0x%02x: a stream cannot be served (%d)",
		    ep->slot->id, ep->ep_addr, ep->stream_error);
	ep->stream_error = XHCI_CC_INVALID;
	xhci_endpoint_halt(ep, XHCI_EP_STATE_HALTED);
	return XHCI_PROGRESS_DONE;
}

static enum xhci_progress run_ring(struct xhci_endpoint *ep,
				   struct xhci_transfer_ring *ring)
{
	enum xhci_progress progress = xhci_transfer_ring_report(ring);

	if (progress != XHCI_PROGRESS_DONE || ep->activity != XHCI_EP_ACTIVE ||
	    !ring->rung)
		return progress;
	if (ep->state != XHCI_EP_STATE_RUNNING && ep->state != XHCI_EP_STATE_STOPPED)
		return XHCI_PROGRESS_DONE;
	if (ep->streams) {
		enum xhci_cc cc = xhci_stream_prepare(xhci_stream_of(ring));

		if (cc == XHCI_CC_INVALID)
			return XHCI_PROGRESS_BLOCKED;
		if (cc != XHCI_CC_SUCCESS) {
			xhci_stream_drop(xhci_stream_of(ring));
			ep->stream_error = cc;
			return XHCI_PROGRESS_DONE;
		}
	}
	if (ep->state == XHCI_EP_STATE_STOPPED) {
		ep->state = XHCI_EP_STATE_RUNNING;
		xhci_endpoint_write_context(ep);
	}
	if (!ep->slot->dev && xhci_ep_type_usbdev(ep->type) == USBDEV_TYPE_ISOCHRONOUS) {
		/* Nothing would halt it, and nothing would pace the errors of a device that
		 * has gone: they would come as fast as the guest's driver queues more. */
		xhci_isoch_end(ep);
		return XHCI_PROGRESS_DONE;
	}
	return xhci_transfer_ring_start_tds(ring);
}

/* Each kicked ring once. */
static enum xhci_progress run_rings(struct xhci_endpoint *ep)
{
	enum xhci_progress progress = XHCI_PROGRESS_DONE;
	struct list blocked;
	struct list again;
	struct list *node;

	list_init(&blocked);
	list_init(&again);
	for (unsigned n = 0; n < XHCI_RINGS_PER_TURN && xhci_can_work(ep->xhci) &&
			     !xhci_budget_is_spent(&ep->xhci->budget);
	     n++) {
		struct xhci_transfer_ring *ring;
		enum xhci_progress one;

		node = list_first(&ep->kicked_rings);
		if (!node)
			break;
		list_remove(node);
		ring = LIST_ENTRY(node, struct xhci_transfer_ring, kick_node);
		one = run_ring(ep, ring);
		if (one == XHCI_PROGRESS_DONE)
			continue;
		list_remove(node);
		list_append(one == XHCI_PROGRESS_MORE ? &again : &blocked, node);
	}
	if (!list_empty(&blocked))
		progress = XHCI_PROGRESS_BLOCKED;
	if (!list_empty(&again) || !list_empty(&ep->kicked_rings))
		progress = XHCI_PROGRESS_MORE;
	while ((node = list_first(&again)) || (node = list_first(&blocked))) {
		list_remove(node);
		list_append(&ep->kicked_rings, node);
	}
	return progress;
}

enum xhci_progress xhci_endpoint_run(struct xhci_endpoint *ep)
{
	enum xhci_progress progress;

	if (!xhci_endpoint_contexts_ok(ep))
		return XHCI_PROGRESS_BLOCKED;
	progress = run_rings(ep);
	if (progress == XHCI_PROGRESS_DONE && ep->stream_error != XHCI_CC_INVALID &&
	    ep->activity == XHCI_EP_ACTIVE)
		progress = tell_stream_error(ep);
	if (progress == XHCI_PROGRESS_DONE && ep->activity == XHCI_EP_QUIESCING &&
	    ep->in_flight == 0) {
		/* what completed has been reported: each completion kicks its ring */
		xhci_endpoint_settle(ep);
		if (ep->streams)
			xhci_streams_write_contexts(ep);
		xhci_endpoint_kick(ep);
		progress = XHCI_PROGRESS_MORE;
	}
	if (progress == XHCI_PROGRESS_MORE)
		xhci_endpoint_list(ep);
	return progress;
}

enum xhci_progress xhci_endpoint_report(struct xhci_endpoint *ep)
{
	enum xhci_progress worst = XHCI_PROGRESS_DONE;
	struct list *node;

	LIST_FOREACH(node, &ep->rings)
		if (xhci_transfer_ring_report(ring_of(node)) != XHCI_PROGRESS_DONE)
			worst = XHCI_PROGRESS_BLOCKED;
	return worst;
}

void xhci_endpoint_unring(struct xhci_endpoint *ep)
{
	struct list *node;

	LIST_FOREACH(node, &ep->rings)
		ring_of(node)->rung = false;
	ep->stream_error = XHCI_CC_INVALID;
}

void xhci_endpoint_halt(struct xhci_endpoint *ep, enum xhci_ep_state state)
{
	ep->state = state;
	xhci_endpoint_unring(ep);
	xhci_isoch_end(ep);
	xhci_endpoint_write_context(ep);
	if (ep->streams)
		xhci_endpoint_quiesce(ep);
}

static void await_device(struct xhci_endpoint *ep)
{
	struct xhci *xhci = ep->xhci;

	list_remove(&ep->quiescing_node);
	list_append(&xhci->quiescing, &ep->quiescing_node);
	ep->give_up_at_ns = xhci_now_ns(xhci) + XHCI_GIVE_UP_NS;
}

static void set_activity(struct xhci_endpoint *ep, enum xhci_ep_activity activity)
{
	static const char *const names[] = {[XHCI_EP_ACTIVE] = "ACTIVE",
					    [XHCI_EP_QUIESCING] = "QUIESCING",
					    [XHCI_EP_STOPPING] = "STOPPING"};

	if (activity == ep->activity)
		return;
	log_trace("slot %u ep 0x%02x: %s -> %s", ep->slot->id, ep->ep_addr,
		  names[ep->activity], names[activity]);
	if (ep->activity == XHCI_EP_ACTIVE)
		await_device(ep);
	if (activity == XHCI_EP_ACTIVE)
		list_remove(&ep->quiescing_node);
	ep->activity = activity;
}

void xhci_endpoint_settle(struct xhci_endpoint *ep)
{
	struct list *node;

	LIST_FOREACH(node, &ep->rings)
		xhci_transfer_ring_settle(ring_of(node));
	set_activity(ep, XHCI_EP_ACTIVE);
}

static void cancel_all(struct xhci_endpoint *ep)
{
	struct list *node;

	LIST_FOREACH(node, &ep->rings)
		xhci_transfer_ring_cancel(ring_of(node));
}

static void quiesce(struct xhci_endpoint *ep, enum xhci_ep_activity activity)
{
	set_activity(ep, activity);
	xhci_isoch_end(ep);
	cancel_all(ep);
	xhci_endpoint_kick(ep);
}

void xhci_endpoint_quiesce(struct xhci_endpoint *ep)
{
	quiesce(ep,
		ep->activity == XHCI_EP_STOPPING ? XHCI_EP_STOPPING : XHCI_EP_QUIESCING);
}

void xhci_endpoint_stop_begin(struct xhci_endpoint *ep)
{
	quiesce(ep, XHCI_EP_STOPPING);
}

void xhci_endpoint_stop_failed(struct xhci_endpoint *ep)
{
	set_activity(ep, ep->streams ? XHCI_EP_QUIESCING : XHCI_EP_ACTIVE);
}

void xhci_endpoint_stop_abandoned(struct xhci_endpoint *ep)
{
	if (ep->activity == XHCI_EP_STOPPING)
		set_activity(ep, XHCI_EP_QUIESCING);
}

static void give_up(struct xhci_endpoint *ep)
{
	struct list *node;

	list_remove(&ep->quiescing_node);
	if (ep->activity == XHCI_EP_ACTIVE || ep->in_flight == 0)
		return;
	log_limited(LOG_LEVEL_WARN,
		    "slot %u ep 0x%02x: the device has not given %u transfers back, the "
		    "guest no longer waits for them",
		    ep->slot->id, ep->ep_addr, ep->in_flight);
	LIST_FOREACH(node, &ep->rings) {
		if (xhci_transfer_ring_give_up(ring_of(node)) < 0) {
			await_device(ep); /* for memory as well */
			break;
		}
	}
	xhci_endpoint_kick(ep);
}

/* All have the same time: those listed first are the first to be given up. */
void xhci_endpoints_give_up(struct xhci *xhci)
{
	uint64_t at_ns;

	while ((at_ns = xhci_endpoints_give_up_ns(xhci)) != 0 &&
	       xhci_now_ns(xhci) >= at_ns)
		give_up(LIST_ENTRY(list_first(&xhci->quiescing), struct xhci_endpoint,
				   quiescing_node));
}

uint64_t xhci_endpoints_give_up_ns(const struct xhci *xhci)
{
	struct list *node = list_first(&xhci->quiescing);

	return node ? LIST_ENTRY(node, struct xhci_endpoint, quiescing_node)
			       ->give_up_at_ns
		    : 0;
}

bool xhci_endpoint_is_quiet(const struct xhci_endpoint *ep)
{
	return ep->in_flight == 0;
}

void xhci_endpoint_device_gone(struct xhci_endpoint *ep)
{
	cancel_all(ep);
}

void xhci_doorbell(struct xhci *xhci, unsigned slot_id, uint32_t value)
{
	unsigned stream_id = value >> 16;
	unsigned dci = value & 0xff;
	struct xhci_endpoint *ep;

	if (slot_id == 0) {
		if (dci == 0 && !xhci->halted) {
			xhci->commands->doorbell = true;
			xhci->commands->running = true;
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
	if (ep->streams) {
		xhci_stream_doorbell(ep, stream_id);
		return;
	}
	if (stream_id != 0) /* ignored (5.6) */
		return;
	ep->ring.rung = true;
	xhci_transfer_ring_kick(&ep->ring);
}
