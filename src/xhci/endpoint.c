/* SPDX-License-Identifier: MIT
 * endpoint.c - the life of an endpoint: states, runs, cancelling, doorbells
 *
 * transfer_ring.c describes the life of its TDs.
 */
#include "xhci/endpoint.h"

#include <errno.h>
#include <stdlib.h>

#include "xhci/interrupter.h"
#include "xhci/lend.h"
#include "xhci/stream.h"
#include "xhci/transfer_events.h"

#define CONTEXT_OFF_DEQUEUE 8u

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

static bool is_isoch(const struct xhci_endpoint *ep)
{
	return xhci_ep_type_is_isoch(ep->pipe.id.type);
}

struct xhci_endpoint *xhci_endpoint_create(struct xhci *xhci, unsigned slot_id,
					   unsigned dci, struct usbdev *dev,
					   uint64_t context_iova,
					   const struct xhci_context *ctx)
{
	struct xhci_ep_id id = {slot_id, dci, xhci_ep_context_type(ctx)};
	struct xhci_endpoint *ep = calloc(1, sizeof(*ep));
	struct xhci_pipe *pipe;

	if (!ep)
		return NULL;
	pipe = &ep->pipe;
	xhci_pipe_init(pipe, xhci, id, dev);
	ep->context_iova = context_iova;
	ep->info = ctx->dw[0] & ~7u;
	ep->max_packet_bytes = xhci_ep_context_max_packet(ctx);
	xhci_isoch_init(&ep->isoch, xhci, id, ctx);
	list_init(&ep->quiescing_node);
	if (xhci_ep_context_max_pstreams(ctx) == 0) {
		xhci_transfer_ring_init(&ep->ring, pipe, is_isoch(ep) ? &ep->isoch : NULL,
					0, xhci_ep_context_dequeue(ctx));
	} else {
		ep->streams = xhci_streams_create(pipe, ctx);
		if (!ep->streams) {
			free(ep);
			return NULL;
		}
	}
	xhci_lend_endpoint(xhci, ep, &pipe->id, context_iova, ep->streams != NULL);
	return ep;
}

void xhci_endpoint_destroy(struct xhci_endpoint *ep)
{
	if (!ep)
		return;
	xhci_lend_context_end(ep->pipe.xhci, ep);
	if (ep->streams)
		xhci_streams_destroy(ep->streams);
	else
		xhci_transfer_ring_finish(&ep->ring);
	xhci_isoch_end(&ep->isoch);
	list_remove(&ep->pipe.kick_node);
	list_remove(&ep->quiescing_node);
	free(ep);
}

bool xhci_endpoint_contexts_ok(struct xhci_endpoint *ep)
{
	if (!guest_mem_check(ep->pipe.xhci->mem, ep->context_iova, XHCI_CONTEXT_SIZE,
			     GUEST_MEM_READ | GUEST_MEM_WRITE)) {
		xhci_dma_fault(ep->pipe.xhci, "endpoint context", ep->context_iova);
		return false;
	}
	return !ep->streams || xhci_streams_contexts_ok(ep->streams);
}

void xhci_endpoint_write_context(struct xhci_endpoint *ep)
{
	struct guest_mem *mem = ep->pipe.xhci->mem;
	uint64_t iova = ep->context_iova;
	uint8_t state[4];
	int r = 0;

	if (ep->streams) {
		xhci_streams_write_contexts(ep->streams);
	} else {
		struct xhci_ring dequeue = xhci_transfer_ring_dequeue(&ep->ring);
		uint8_t pointer[8];

		put_le64(pointer, dequeue.dequeue_iova | (dequeue.cycle ? 1 : 0));
		r = guest_mem_write(mem, iova + CONTEXT_OFF_DEQUEUE, pointer,
				    sizeof(pointer));
	}
	put_le32(state, ep->info | (uint32_t)ep->pipe.state);
	if (r < 0 || guest_mem_write(mem, iova, state, sizeof(state)) < 0)
		xhci_dma_fault(ep->pipe.xhci, "endpoint context", iova);
}

void xhci_endpoint_enter(struct xhci_endpoint *ep, enum xhci_ep_state state)
{
	static const char *const names[] = {[XHCI_EP_STATE_DISABLED] = "Disabled",
					    [XHCI_EP_STATE_RUNNING] = "Running",
					    [XHCI_EP_STATE_HALTED] = "Halted",
					    [XHCI_EP_STATE_STOPPED] = "Stopped",
					    [XHCI_EP_STATE_ERROR] = "Error"};

	log_trace("slot %u ep 0x%02x: %s -> %s", ep->pipe.id.slot_id, ep->pipe.ep_addr,
		  names[ep->pipe.state], names[state]);
	ep->pipe.state = state;
	xhci_endpoint_write_context(ep);
}

static struct xhci_transfer_ring *ring_of(struct list *node)
{
	return LIST_ENTRY(node, struct xhci_transfer_ring, node);
}

void xhci_endpoint_kick(struct xhci_endpoint *ep)
{
	struct list *node;

	LIST_FOREACH(node, &ep->pipe.rings)
		xhci_transfer_ring_kick(ring_of(node));
	xhci_pipe_kick(&ep->pipe);
}

/* A TD has failed, or a stream cannot be served. Cancels the other streams. */
static void halt(struct xhci_endpoint *ep, enum xhci_ep_state state)
{
	xhci_endpoint_clear_doorbells(ep);
	xhci_isoch_end(&ep->isoch);
	xhci_endpoint_enter(ep, state);
	if (ep->streams)
		xhci_endpoint_quiesce(ep);
}

/* Halts the endpoint if a ring has returned that a TD failed. */
static enum xhci_progress halt_if_failed(struct xhci_endpoint *ep,
					 enum xhci_progress progress)
{
	if (progress == XHCI_PROGRESS_HALT)
		halt(ep, XHCI_EP_STATE_HALTED);
	else if (progress == XHCI_PROGRESS_ERROR)
		halt(ep, XHCI_EP_STATE_ERROR);
	else
		return progress;
	return XHCI_PROGRESS_DONE;
}

/* Reports a doorbell that cannot be served. The event names no TRB, and the endpoint halts. */
static enum xhci_progress post_stream_error(struct xhci_endpoint *ep)
{
	struct xhci_trb event = xhci_transfer_event(&ep->pipe.id, 0, ep->stream_error, 0);

	if (xhci_event_post(ep->pipe.xhci, 0, &event, false) < 0)
		return XHCI_PROGRESS_BLOCKED;
	log_limited(LOG_LEVEL_WARN, "slot %u ep 0x%02x: a stream cannot be served (%d)",
		    ep->pipe.id.slot_id, ep->pipe.ep_addr, ep->stream_error);
	ep->stream_error = XHCI_CC_INVALID;
	halt(ep, XHCI_EP_STATE_HALTED);
	return XHCI_PROGRESS_DONE;
}

static enum xhci_progress run_ring(struct xhci_endpoint *ep,
				   struct xhci_transfer_ring *ring)
{
	enum xhci_progress progress = halt_if_failed(ep, xhci_transfer_ring_report(ring));

	if (progress != XHCI_PROGRESS_DONE ||
	    ep->pipe.activity != XHCI_EP_ACTIVITY_ACTIVE || !ring->rung)
		return progress;
	if (ep->pipe.state != XHCI_EP_STATE_RUNNING &&
	    ep->pipe.state != XHCI_EP_STATE_STOPPED)
		return XHCI_PROGRESS_DONE;
	if (ep->streams) {
		enum xhci_cc cc = xhci_stream_prepare(xhci_stream_of(ring));

		if (cc == XHCI_CC_PENDING)
			return XHCI_PROGRESS_BLOCKED;
		if (cc != XHCI_CC_SUCCESS) {
			xhci_stream_drop(xhci_stream_of(ring));
			ep->stream_error = cc;
			return XHCI_PROGRESS_DONE;
		}
	}
	if (ep->pipe.state == XHCI_EP_STATE_STOPPED)
		xhci_endpoint_enter(ep, XHCI_EP_STATE_RUNNING);
	if (!ep->pipe.dev && is_isoch(ep)) {
		/* Nothing would halt it, and nothing would pace the errors: they would come
		 * as fast as the guest's driver queues TDs. */
		xhci_isoch_end(&ep->isoch);
		return XHCI_PROGRESS_DONE;
	}
	return halt_if_failed(ep, xhci_transfer_ring_start_tds(ring));
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
	for (unsigned n = 0; n < XHCI_RINGS_PER_TURN && xhci_can_work(ep->pipe.xhci) &&
			     !xhci_budget_is_spent(&ep->pipe.xhci->budget);
	     n++) {
		struct xhci_transfer_ring *ring;
		enum xhci_progress one;

		node = list_first(&ep->pipe.kicked_rings);
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
	if (!list_empty(&again) || !list_empty(&ep->pipe.kicked_rings))
		progress = XHCI_PROGRESS_MORE;
	while ((node = list_first(&again)) || (node = list_first(&blocked))) {
		list_remove(node);
		list_append(&ep->pipe.kicked_rings, node);
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
	    ep->pipe.activity == XHCI_EP_ACTIVITY_ACTIVE)
		progress = post_stream_error(ep);
	if (progress == XHCI_PROGRESS_DONE &&
	    ep->pipe.activity == XHCI_EP_ACTIVITY_QUIESCING && ep->pipe.in_flight == 0) {
		/* each completion has kicked its ring, and so been reported by now */
		xhci_endpoint_settle(ep);
		if (ep->streams)
			xhci_streams_write_contexts(ep->streams);
		xhci_endpoint_kick(ep);
		progress = XHCI_PROGRESS_MORE;
	}
	if (progress == XHCI_PROGRESS_MORE)
		xhci_pipe_kick(&ep->pipe);
	return progress;
}

enum xhci_progress xhci_endpoint_report(struct xhci_endpoint *ep)
{
	enum xhci_progress worst = XHCI_PROGRESS_DONE;
	struct list *node;

	LIST_FOREACH(node, &ep->pipe.rings)
		if (halt_if_failed(ep, xhci_transfer_ring_report(ring_of(node))) !=
		    XHCI_PROGRESS_DONE)
			worst = XHCI_PROGRESS_BLOCKED;
	return worst;
}

void xhci_endpoint_clear_doorbells(struct xhci_endpoint *ep)
{
	struct list *node;

	LIST_FOREACH(node, &ep->pipe.rings)
		ring_of(node)->rung = false;
	ep->stream_error = XHCI_CC_INVALID;
}

static void await_device(struct xhci_endpoint *ep)
{
	struct xhci *xhci = ep->pipe.xhci;

	list_remove(&ep->quiescing_node);
	list_append(&xhci->quiescing, &ep->quiescing_node);
	ep->give_up_at_ns = xhci_now_ns(xhci) + XHCI_GIVE_UP_NS;
}

static void set_activity(struct xhci_endpoint *ep, enum xhci_ep_activity activity)
{
	static const char *const names[] = {[XHCI_EP_ACTIVITY_ACTIVE] = "ACTIVE",
					    [XHCI_EP_ACTIVITY_QUIESCING] = "QUIESCING",
					    [XHCI_EP_ACTIVITY_STOPPING] = "STOPPING"};

	if (activity == ep->pipe.activity)
		return;
	log_trace("slot %u ep 0x%02x: %s -> %s", ep->pipe.id.slot_id, ep->pipe.ep_addr,
		  names[ep->pipe.activity], names[activity]);
	if (ep->pipe.activity == XHCI_EP_ACTIVITY_ACTIVE)
		await_device(ep);
	if (activity == XHCI_EP_ACTIVITY_ACTIVE)
		list_remove(&ep->quiescing_node);
	ep->pipe.activity = activity;
}

void xhci_endpoint_settle(struct xhci_endpoint *ep)
{
	struct list *node;

	LIST_FOREACH(node, &ep->pipe.rings)
		xhci_transfer_ring_settle(ring_of(node));
	set_activity(ep, XHCI_EP_ACTIVITY_ACTIVE);
}

static void cancel_all(struct xhci_endpoint *ep)
{
	struct list *node;

	LIST_FOREACH(node, &ep->pipe.rings)
		xhci_transfer_ring_cancel(ring_of(node));
}

static void quiesce(struct xhci_endpoint *ep, enum xhci_ep_activity activity)
{
	set_activity(ep, activity);
	xhci_isoch_end(&ep->isoch);
	cancel_all(ep);
	xhci_endpoint_kick(ep);
}

void xhci_endpoint_quiesce(struct xhci_endpoint *ep)
{
	quiesce(ep, ep->pipe.activity == XHCI_EP_ACTIVITY_STOPPING
			    ? XHCI_EP_ACTIVITY_STOPPING
			    : XHCI_EP_ACTIVITY_QUIESCING);
}

void xhci_endpoint_stop_begin(struct xhci_endpoint *ep)
{
	quiesce(ep, XHCI_EP_ACTIVITY_STOPPING);
}

void xhci_endpoint_stop_failed(struct xhci_endpoint *ep)
{
	set_activity(ep,
		     ep->streams ? XHCI_EP_ACTIVITY_QUIESCING : XHCI_EP_ACTIVITY_ACTIVE);
}

void xhci_endpoint_stop_abandoned(struct xhci_endpoint *ep)
{
	if (ep->pipe.activity == XHCI_EP_ACTIVITY_STOPPING)
		set_activity(ep, XHCI_EP_ACTIVITY_QUIESCING);
}

static void give_up(struct xhci_endpoint *ep)
{
	struct list *node;

	list_remove(&ep->quiescing_node);
	if (ep->pipe.activity == XHCI_EP_ACTIVITY_ACTIVE || ep->pipe.in_flight == 0)
		return;
	log_limited(LOG_LEVEL_WARN,
		    "slot %u ep 0x%02x: the device holds %u cancelled transfers, the "
		    "guest no longer waits for them",
		    ep->pipe.id.slot_id, ep->pipe.ep_addr, ep->pipe.in_flight);
	LIST_FOREACH(node, &ep->pipe.rings) {
		if (xhci_transfer_ring_give_up(ring_of(node)) < 0) {
			await_device(ep); /* try again later: there was no memory */
			break;
		}
	}
	xhci_endpoint_kick(ep);
}

/* All wait equally long, so the list is in the order of their deadlines. */
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
	return ep->pipe.in_flight == 0;
}

void xhci_endpoint_device_gone(struct xhci_endpoint *ep)
{
	ep->pipe.dev = NULL;
	cancel_all(ep);
}

void xhci_endpoint_doorbell(struct xhci_endpoint *ep, unsigned stream_id)
{
	enum xhci_cc cc;

	if (ep->pipe.state != XHCI_EP_STATE_RUNNING &&
	    ep->pipe.state != XHCI_EP_STATE_STOPPED)
		return;
	if (ep->streams) {
		cc = xhci_stream_doorbell(ep->streams, stream_id);
		if (cc != XHCI_CC_SUCCESS) {
			ep->stream_error = cc;
			xhci_pipe_kick(&ep->pipe);
		}
		return;
	}
	if (stream_id != 0) /* ignored (5.6) */
		return;
	ep->ring.rung = true;
	xhci_transfer_ring_kick(&ep->ring);
}

void xhci_endpoints_wake(struct xhci *xhci)
{
	struct list *node;

	LIST_FOREACH(node, &xhci->isoch_due) {
		struct xhci_endpoint *ep =
			LIST_ENTRY(node, struct xhci_endpoint, isoch.node);

		if (xhci_now_ns(xhci) < ep->isoch.due_ns)
			continue;
		/* no xhci_kick(): this is a run, and one that is blocked needs no other */
		if (list_empty(&ep->ring.kick_node))
			list_append(&ep->pipe.kicked_rings, &ep->ring.kick_node);
		if (list_empty(&ep->pipe.kick_node))
			list_append(&xhci->kicked_endpoints, &ep->pipe.kick_node);
	}
}
