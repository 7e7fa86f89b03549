/* SPDX-License-Identifier: MIT
 * endpoint.c - the life of an endpoint: states, runs, taking back, doorbells
 *
 * What happens to its TDs is told in transfer_ring.c.
 */
#include "xhci/endpoint.h"

#include <errno.h>
#include <stdlib.h>

#include "xhci/slot.h"
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
	if (xhci_ep_context_max_pstreams(ctx) != 0) /* MaxPSASize is 0 */
		return false;
	if (xhci_ep_type_usbdev(type) == USBDEV_TYPE_ISOCHRONOUS) {
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
	xhci_transfer_ring_init(&ep->ring, ep, xhci_ep_context_dequeue(ctx));
	list_init(&ep->kick_node);
	slot->endpoints[dci] = ep;
	return 0;
}

void xhci_endpoint_drop(struct xhci_endpoint *ep)
{
	if (!ep)
		return;
	xhci_transfer_ring_forget_tds(&ep->ring);
	list_remove(&ep->kick_node);
	ep->slot->endpoints[ep->dci] = NULL;
	free(ep);
}

void xhci_endpoint_write_context(struct xhci_endpoint *ep)
{
	struct xhci_ring dequeue = xhci_transfer_ring_dequeue(&ep->ring);
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

enum xhci_progress xhci_endpoint_run(struct xhci_endpoint *ep)
{
	enum xhci_progress progress;

	if (!guest_mem_check(ep->xhci->mem,
			     ep->slot->context_iova + ep->dci * XHCI_CONTEXT_SIZE,
			     XHCI_CONTEXT_SIZE, GUEST_MEM_READ | GUEST_MEM_WRITE)) {
		xhci_dma_fault(ep->xhci, "endpoint context", ep->slot->context_iova);
		return XHCI_PROGRESS_BLOCKED;
	}
	progress = xhci_transfer_ring_report(&ep->ring);
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
	return xhci_transfer_ring_start_tds(&ep->ring);
}

void xhci_endpoint_halt(struct xhci_endpoint *ep, enum xhci_ep_state state)
{
	ep->state = state;
	xhci_endpoint_write_context(ep);
}

void xhci_endpoint_settle(struct xhci_endpoint *ep)
{
	xhci_transfer_ring_settle(&ep->ring);
	ep->quiescing = false;
}

void xhci_endpoint_quiesce(struct xhci_endpoint *ep)
{
	ep->quiescing = true;
	xhci_transfer_ring_cancel(&ep->ring);
	xhci_endpoint_kick(ep);
}

bool xhci_endpoint_is_quiet(const struct xhci_endpoint *ep)
{
	return ep->in_flight == 0;
}

void xhci_endpoint_device_gone(struct xhci_endpoint *ep)
{
	xhci_transfer_ring_cancel(&ep->ring);
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
