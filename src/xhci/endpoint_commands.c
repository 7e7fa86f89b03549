/* SPDX-License-Identifier: MIT
 * endpoint_commands.c - Stop Endpoint, Reset Endpoint, Set TR Dequeue Pointer
 *
 * The command code has checked that the output context can be written, and
 * memory does not change within a run: writes here do not fail.
 */
#include "xhci/endpoint.h"
#include "xhci/slot.h"
#include "xhci/td.h"
#include "xhci/xhci_priv.h"

/* 4.6.9. Waits until nothing is with the device and all events are posted. */
enum xhci_cc xhci_endpoint_stop(struct xhci_endpoint *ep)
{
	struct list *first;

	if (!ep->stopping) {
		if (ep->state != XHCI_EP_STATE_RUNNING)
			return XHCI_CC_CONTEXT_STATE_ERROR;
		ep->stopping = true;
		ep->stopped_posted = false;
		xhci_endpoint_quiesce(ep);
	}
	if (xhci_endpoint_report(ep) != XHCI_PROGRESS_DONE)
		return XHCI_CC_INVALID;
	if (ep->state != XHCI_EP_STATE_RUNNING) { /* halted on the way */
		ep->stopping = false;
		ep->quiescing = false;
		return XHCI_CC_CONTEXT_STATE_ERROR;
	}
	if (!xhci_endpoint_is_quiet(ep))
		return XHCI_CC_INVALID;
	first = list_first(&ep->tds);
	if (first && !ep->stopped_posted) {
		struct xhci_td *td = LIST_ENTRY(first, struct xhci_td, node);

		if (xhci_td_post_partial(td) < 0 || xhci_td_post_stopped(td) < 0)
			return XHCI_CC_INVALID;
		ep->stopped_posted = true;
	}
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
	xhci_endpoint_forget_tds(ep);
	xhci_ring_init(&ep->ring, pointer, (pointer & 1) != 0);
	ep->state = XHCI_EP_STATE_STOPPED;
	xhci_endpoint_write_context(ep);
	return XHCI_CC_SUCCESS;
}
