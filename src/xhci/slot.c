/* SPDX-License-Identifier: MIT
 * slot.c - a device slot: its state, its endpoints, its output device context
 *
 * Memory does not change within a run, so once a command has found the output context in
 * reach, writing it cannot fail.
 */
#include "xhci/slot.h"

#include "usbdev/usbdev.h"
#include "xhci/controller.h"
#include "xhci/endpoint.h"

void xhci_slot_set_address(struct xhci_slot *slot, unsigned address)
{
	if (slot->dev)
		slot->dev->address = (uint8_t)address;
}

void xhci_slot_clear(struct xhci_slot *slot, bool enabled)
{
	xhci_slot_set_address(slot, 0);
	for (unsigned dci = 1; dci <= XHCI_DCI_MAX; dci++)
		xhci_endpoint_destroy(slot->endpoints[dci]);
	*slot = (struct xhci_slot){.id = slot->id, .enabled = enabled};
}

void xhci_slots_device_gone(struct xhci *xhci, struct usbdev *dev)
{
	for (unsigned id = 1; id <= XHCI_SLOTS; id++) {
		struct xhci_slot *slot = &xhci->slots[id];

		if (slot->dev != dev)
			continue;
		xhci_slot_set_address(slot, 0);
		slot->dev = NULL;
		for (unsigned dci = 1; dci <= XHCI_DCI_MAX; dci++)
			if (slot->endpoints[dci])
				xhci_endpoint_device_gone(slot->endpoints[dci]);
	}
}

void xhci_slot_doorbell(struct xhci *xhci, unsigned slot_id, uint32_t value)
{
	unsigned dci = value & 0xff;
	struct xhci_endpoint *ep;

	if (slot_id > XHCI_SLOTS || dci == 0 || dci > XHCI_DCI_MAX)
		return;
	ep = xhci->slots[slot_id].endpoints[dci];
	if (ep)
		xhci_endpoint_doorbell(ep, value >> 16);
}

bool xhci_slot_output_ok(struct xhci *xhci, uint64_t iova)
{
	if (guest_mem_check(xhci->mem, iova, XHCI_DEVICE_CONTEXT_SIZE,
			    GUEST_MEM_READ | GUEST_MEM_WRITE))
		return true;
	xhci_dma_fault(xhci, "device context", iova);
	return false;
}

void xhci_slot_write_context(struct xhci *xhci, const struct xhci_slot *slot,
			     unsigned dci, const struct xhci_context *ctx)
{
	uint64_t iova = xhci_slot_endpoint_context_iova(slot->context_iova, dci);

	if (xhci_context_write(xhci->mem, iova, ctx) < 0) /* was checked: a bug of ours */
		log_limited(LOG_LEVEL_ERROR, "slot %u: context write failed", slot->id);
}

void xhci_slot_read_context(struct xhci *xhci, const struct xhci_slot *slot, unsigned dci,
			    struct xhci_context *ctx)
{
	uint64_t iova = xhci_slot_endpoint_context_iova(slot->context_iova, dci);

	if (xhci_context_read(xhci->mem, iova, ctx) < 0) {
		log_limited(LOG_LEVEL_ERROR, "slot %u: context read failed", slot->id);
		*ctx = (struct xhci_context){.dw = {0}};
	}
}

void xhci_slot_set_state(struct xhci *xhci, struct xhci_slot *slot,
			 enum xhci_slot_state state)
{
	static const char *const names[] = {
		[XHCI_SLOT_STATE_DISABLED] = "Disabled",
		[XHCI_SLOT_STATE_DEFAULT] = "Default",
		[XHCI_SLOT_STATE_ADDRESSED] = "Addressed",
		[XHCI_SLOT_STATE_CONFIGURED] = "Configured",
	};
	struct xhci_context ctx;

	log_debug("slot %u: %s -> %s", slot->id, names[slot->state], names[state]);
	slot->state = state;
	xhci_slot_read_context(xhci, slot, 0, &ctx);
	xhci_slot_context_set_state(&ctx, state,
				    state >= XHCI_SLOT_STATE_ADDRESSED ? slot->id : 0);
	xhci_slot_write_context(xhci, slot, 0, &ctx);
}

void xhci_slot_put_endpoint(struct xhci_slot *slot, struct xhci_endpoint *ep)
{
	unsigned dci = ep->pipe.id.dci;

	xhci_endpoint_destroy(slot->endpoints[dci]);
	slot->endpoints[dci] = ep;
}

void xhci_slot_drop_endpoint(struct xhci *xhci, struct xhci_slot *slot, unsigned dci)
{
	struct xhci_context ctx;

	if (!slot->endpoints[dci])
		return;
	xhci_endpoint_destroy(slot->endpoints[dci]);
	slot->endpoints[dci] = NULL;
	xhci_slot_read_context(xhci, slot, dci, &ctx);
	xhci_ep_context_set_state(&ctx, XHCI_EP_STATE_DISABLED);
	xhci_slot_write_context(xhci, slot, dci, &ctx);
}
