/* SPDX-License-Identifier: MIT
 * endpoint_commands.c - Stop Endpoint, Reset Endpoint, Set TR Dequeue Pointer
 *
 * The command code has checked that the output context can be written, and
 * memory does not change within a run: writes here do not fail.
 */
#include "xhci/endpoint.h"
#include "xhci/slot.h"
#include "xhci/xhci_priv.h"

/* 4.6.9. Waits until nothing is with the device and all events are posted. */
enum xhci_cc xhci_endpoint_stop(struct xhci_endpoint *ep)
{
	if (!ep->stopping) {
		if (ep->state != XHCI_EP_STATE_RUNNING)
			return XHCI_CC_CONTEXT_STATE_ERROR;
		ep->stopping = true;
		xhci_endpoint_quiesce(ep);
	}
	if (xhci_transfer_ring_report(&ep->ring) != XHCI_PROGRESS_DONE)
		return XHCI_CC_INVALID;
	if (ep->state != XHCI_EP_STATE_RUNNING) { /* halted on the way */
		ep->stopping = false;
		ep->quiescing = false;
		return XHCI_CC_CONTEXT_STATE_ERROR;
	}
	if (!xhci_endpoint_is_quiet(ep))
		return XHCI_CC_INVALID;
	if (xhci_transfer_ring_post_stopped(&ep->ring) < 0)
		return XHCI_CC_INVALID;
	xhci_endpoint_settle(ep);
	ep->stopping = false;
	ep->rung = false;
	ep->state = XHCI_EP_STATE_STOPPED;
	xhci_endpoint_write_context(ep);
	return XHCI_CC_SUCCESS;
}

/* 4.6.8 */
enum xhci_cc xhci_endpoint_reset(struct xhci_endpoint *ep, bool preserve_state)
{
	if (ep->state != XHCI_EP_STATE_HALTED)
		return XHCI_CC_CONTEXT_STATE_ERROR;
	if (!preserve_state && ep->slot->dev && ep->dci > 1)
		usbdev_endpoint_reset(ep->slot->dev, ep->ep_addr);
	ep->rung = false;
	ep->state = XHCI_EP_STATE_STOPPED;
	xhci_endpoint_write_context(ep);
	return XHCI_CC_SUCCESS;
}

/* 4.6.10 */
enum xhci_cc xhci_endpoint_set_dequeue(struct xhci_endpoint *ep, uint64_t pointer)
{
	if (ep->state != XHCI_EP_STATE_STOPPED && ep->state != XHCI_EP_STATE_ERROR)
		return XHCI_CC_CONTEXT_STATE_ERROR;
	xhci_transfer_ring_set_dequeue(&ep->ring, pointer);
	ep->state = XHCI_EP_STATE_STOPPED;
	xhci_endpoint_write_context(ep);
	return XHCI_CC_SUCCESS;
}
