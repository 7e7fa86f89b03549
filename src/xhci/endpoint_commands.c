/* SPDX-License-Identifier: MIT
 * endpoint_commands.c - Stop Endpoint, Reset Endpoint, Set TR Dequeue Pointer
 *
 * command.c has checked that the output context can be written, and memory does not change
 * within a run. So writes here do not fail.
 */
#include "xhci/endpoint_commands.h"

#include "xhci/endpoint.h"
#include "xhci/stream.h"

/* Posts the Stopped events: one for each ring with a TD that has started. */
static int post_stopped(struct xhci_endpoint *ep)
{
	struct list *node;
	int r = 0;

	LIST_FOREACH(node, &ep->pipe.rings) {
		r = xhci_transfer_ring_post_stopped(
			LIST_ENTRY(node, struct xhci_transfer_ring, node));
		if (r < 0)
			break;
	}
	return r;
}

/* 4.6.9. Waits until the device has returned everything and all events are posted. */
enum xhci_cc xhci_endpoint_stop(struct xhci_endpoint *ep)
{
	if (ep->pipe.activity != XHCI_EP_ACTIVITY_STOPPING) {
		if (ep->pipe.state != XHCI_EP_STATE_RUNNING)
			return XHCI_CC_CONTEXT_STATE_ERROR;
		xhci_endpoint_stop_begin(ep);
	}
	if (!xhci_endpoint_contexts_ok(ep))
		return XHCI_CC_PENDING;
	if (xhci_endpoint_report(ep) != XHCI_PROGRESS_DONE)
		return XHCI_CC_PENDING;
	if (ep->pipe.state != XHCI_EP_STATE_RUNNING) { /* a TD has halted it meanwhile */
		xhci_endpoint_stop_failed(ep);
		return XHCI_CC_CONTEXT_STATE_ERROR;
	}
	if (!xhci_endpoint_is_quiet(ep))
		return XHCI_CC_PENDING;
	if (post_stopped(ep) < 0)
		return XHCI_CC_PENDING;
	xhci_endpoint_settle(ep);
	xhci_endpoint_clear_doorbells(ep);
	xhci_endpoint_enter(ep, XHCI_EP_STATE_STOPPED);
	return XHCI_CC_SUCCESS;
}

/* 4.6.8 */
enum xhci_cc xhci_endpoint_reset(struct xhci_endpoint *ep, bool preserve_state)
{
	if (ep->pipe.state != XHCI_EP_STATE_HALTED)
		return XHCI_CC_CONTEXT_STATE_ERROR;
	if (ep->pipe.activity !=
	    XHCI_EP_ACTIVITY_ACTIVE) /* the device still holds TDs of other streams */
		return XHCI_CC_PENDING;
	if (!preserve_state && ep->pipe.dev && ep->pipe.id.dci > 1)
		usbdev_endpoint_reset(ep->pipe.dev, ep->pipe.ep_addr);
	xhci_endpoint_enter(ep, XHCI_EP_STATE_STOPPED);
	return XHCI_CC_SUCCESS;
}

/* 4.6.10 */
enum xhci_cc xhci_endpoint_set_dequeue(struct xhci_endpoint *ep, unsigned stream_id,
				       uint64_t pointer)
{
	if (ep->pipe.state != XHCI_EP_STATE_STOPPED &&
	    ep->pipe.state != XHCI_EP_STATE_ERROR)
		return XHCI_CC_CONTEXT_STATE_ERROR;
	if (!ep->streams && stream_id != 0)
		return XHCI_CC_TRB_ERROR;
	if (ep->pipe.activity != XHCI_EP_ACTIVITY_ACTIVE)
		return XHCI_CC_PENDING;
	if (ep->streams) {
		enum xhci_cc cc =
			xhci_stream_set_dequeue(ep->streams, stream_id, pointer);

		if (cc != XHCI_CC_SUCCESS)
			return cc;
	} else {
		xhci_transfer_ring_set_dequeue(&ep->ring, pointer);
	}
	xhci_endpoint_enter(ep, XHCI_EP_STATE_STOPPED);
	return XHCI_CC_SUCCESS;
}
