/* SPDX-License-Identifier: MIT
 * slot.c - device slots: enable, address, configure, evaluate, reset, disable
 *
 * Each command reads and checks all it needs first, then applies. Memory does
 * not change within a run, so once the output context was found accessible,
 * writing it cannot fail.
 */
#include "xhci/slot.h"

#include "xhci/context.h"
#include "xhci/endpoint.h"
#include "xhci/lend.h"
#include "xhci/stream_request.h"
#include "xhci/xhci_priv.h"

#define ADD_SLOT           BIT(0)
#define ADD_EP0            BIT(1)
#define ALL_DCIS           UINT32_MAX
#define CONTEXT_ALIGN_MASK (~UINT64_C(0x3f))

/* Tells the device that endpoints of @dcis, a bit per DCI, have no streams any more. */
static void give_back_streams(struct xhci *xhci, const struct xhci_slot *slot,
			      uint32_t dcis)
{
	uint8_t ep_addrs[USBDEV_STREAM_EPS_MAX];
	unsigned count = 0;

	if (!slot->dev)
		return;
	for (unsigned dci = 2; dci <= XHCI_DCI_MAX; dci++)
		if ((dcis & BIT(dci)) && slot->endpoints[dci] &&
		    slot->endpoints[dci]->streams)
			ep_addrs[count++] = slot->endpoints[dci]->ep_addr;
	if (count > 0)
		xhci_streams_give_back(xhci, slot->dev, ep_addrs, count);
}

/* What the guest calls the device at @slot, for captures. */
static void set_address(struct xhci_slot *slot, unsigned address)
{
	if (slot->dev)
		slot->dev->address = (uint8_t)address;
}

void xhci_slots_reset(struct xhci *xhci)
{
	for (unsigned id = 1; id <= XHCI_SLOTS; id++) {
		struct xhci_slot *slot = &xhci->slots[id];

		give_back_streams(xhci, slot, ALL_DCIS);
		set_address(slot, 0);
		for (unsigned dci = 1; dci <= XHCI_DCI_MAX; dci++)
			xhci_endpoint_drop(slot->endpoints[dci]);
		*slot = (struct xhci_slot){.id = id};
	}
}

void xhci_slots_device_gone(struct xhci *xhci, struct usbdev *dev)
{
	for (unsigned id = 1; id <= XHCI_SLOTS; id++) {
		struct xhci_slot *slot = &xhci->slots[id];

		if (slot->dev != dev)
			continue;
		set_address(slot, 0);
		slot->dev = NULL;
		for (unsigned dci = 1; dci <= XHCI_DCI_MAX; dci++)
			if (slot->endpoints[dci])
				xhci_endpoint_device_gone(slot->endpoints[dci]);
	}
}

bool xhci_slot_output_ok(struct xhci *xhci, uint64_t iova)
{
	if (guest_mem_check(xhci->mem, iova, XHCI_DEVICE_CONTEXT_SIZE,
			    GUEST_MEM_READ | GUEST_MEM_WRITE))
		return true;
	xhci_dma_fault(xhci, "device context", iova);
	return false;
}

/* The same for a command that writes there. */
static bool output_begin(struct xhci *xhci, uint64_t iova)
{
	if (!xhci_slot_output_ok(xhci, iova))
		return false;
	xhci_lend_command(xhci, iova, XHCI_DEVICE_CONTEXT_SIZE);
	return true;
}

static bool input_ok(struct xhci *xhci, uint64_t iova, struct xhci_input *input)
{
	if (xhci_input_read(xhci->mem, iova, input) == 0)
		return true;
	xhci_dma_fault(xhci, "input context", iova);
	return false;
}

static void write_context(struct xhci *xhci, struct xhci_slot *slot, unsigned dci,
			  const struct xhci_context *ctx)
{
	uint64_t iova = slot->context_iova + dci * XHCI_CONTEXT_SIZE;

	if (xhci_context_write(xhci->mem, iova, ctx) < 0) /* was checked: a bug of ours */
		log_limited(LOG_LEVEL_ERROR, "slot %u: context write failed", slot->id);
}

static void read_context(struct xhci *xhci, struct xhci_slot *slot, unsigned dci,
			 struct xhci_context *ctx)
{
	uint64_t iova = slot->context_iova + dci * XHCI_CONTEXT_SIZE;

	if (xhci_context_read(xhci->mem, iova, ctx) < 0) {
		log_limited(LOG_LEVEL_ERROR, "slot %u: context read failed", slot->id);
		*ctx = (struct xhci_context){.dw = {0}};
	}
}

/* Sets the state, here and in the output slot context. */
static void set_state(struct xhci *xhci, struct xhci_slot *slot,
		      enum xhci_slot_state state)
{
	struct xhci_context ctx;

	log_debug("slot %u: state %d -> %d", slot->id, slot->state, state);
	slot->state = state;
	read_context(xhci, slot, 0, &ctx);
	xhci_slot_context_set_state(&ctx, state,
				    state >= XHCI_SLOT_STATE_ADDRESSED ? slot->id : 0);
	write_context(xhci, slot, 0, &ctx);
}

/* Frees endpoint @dci and shows it as Disabled. */
static void drop_endpoint(struct xhci *xhci, struct xhci_slot *slot, unsigned dci)
{
	struct xhci_context ctx;

	if (!slot->endpoints[dci])
		return;
	xhci_endpoint_drop(slot->endpoints[dci]);
	read_context(xhci, slot, dci, &ctx);
	ctx.dw[0] &= ~7u;
	write_context(xhci, slot, dci, &ctx);
}

enum xhci_cc xhci_slot_enable(struct xhci *xhci, unsigned *ret_slot_id)
{
	unsigned enabled = xhci->config & 0xff;

	for (unsigned id = 1; id <= MIN_OF(enabled, XHCI_SLOTS); id++) {
		if (xhci->slots[id].enabled)
			continue;
		xhci->slots[id] = (struct xhci_slot){.id = id, .enabled = true};
		*ret_slot_id = id;
		return XHCI_CC_SUCCESS;
	}
	return XHCI_CC_NO_SLOTS_AVAILABLE;
}

/* 4.6.4 */
enum xhci_cc xhci_slot_disable(struct xhci *xhci, struct xhci_slot *slot)
{
	if (slot->context_iova != 0) {
		if (!output_begin(xhci, slot->context_iova))
			return XHCI_CC_INVALID;
		set_state(xhci, slot, XHCI_SLOT_STATE_DISABLED);
	}
	give_back_streams(xhci, slot, ALL_DCIS);
	set_address(slot, 0);
	for (unsigned dci = 1; dci <= XHCI_DCI_MAX; dci++)
		xhci_endpoint_drop(slot->endpoints[dci]);
	*slot = (struct xhci_slot){.id = slot->id};
	return XHCI_CC_SUCCESS;
}

/* The device a slot context points at, if it is there and enabled. */
static struct usbdev *device_at(struct xhci *xhci, const struct xhci_context *ctx)
{
	struct xhci_port *port = xhci_port(xhci, xhci_slot_context_port(ctx));

	if (!port || xhci_slot_context_route(ctx) != 0) /* no hubs on our ports */
		return NULL;
	return (port->portsc & XHCI_PORTSC_PED) ? port->dev : NULL;
}

static enum xhci_cc check_address(struct xhci *xhci, const struct xhci_slot *slot,
				  const struct xhci_input *input, bool block)
{
	const struct xhci_context *ctx = &input->contexts[0];
	enum xhci_cc cc;

	if (slot->state != XHCI_SLOT_STATE_DISABLED &&
	    (block || slot->state != XHCI_SLOT_STATE_DEFAULT))
		return XHCI_CC_CONTEXT_STATE_ERROR;
	if ((input->add & (ADD_SLOT | ADD_EP0)) != (ADD_SLOT | ADD_EP0) ||
	    input->drop != 0)
		return XHCI_CC_PARAMETER_ERROR;
	if (!xhci_port(xhci, xhci_slot_context_port(ctx)) ||
	    xhci_slot_context_entries(ctx) < 1)
		return XHCI_CC_PARAMETER_ERROR;
	if (!xhci_endpoint_context_ok(&input->contexts[1], 1, &cc))
		return cc;
	if (!block && !device_at(xhci, ctx))
		return XHCI_CC_USB_TRANSACTION_ERROR; /* nothing answers */
	return XHCI_CC_SUCCESS;
}

/* 4.6.5 */
enum xhci_cc xhci_slot_address(struct xhci *xhci, struct xhci_slot *slot,
			       uint64_t input_iova, bool block_set_address)
{
	uint64_t entry_iova = xhci->dcbaap + UINT64_C(8) * slot->id;
	enum xhci_slot_state state =
		block_set_address ? XHCI_SLOT_STATE_DEFAULT : XHCI_SLOT_STATE_ADDRESSED;
	struct xhci_endpoint *ep;
	struct xhci_input input;
	uint8_t raw[8];
	enum xhci_cc cc;

	if (guest_mem_read(xhci->mem, entry_iova, raw, sizeof(raw)) < 0) {
		xhci_dma_fault(xhci, "DCBAA", entry_iova);
		return XHCI_CC_INVALID;
	}
	if (!input_ok(xhci, input_iova, &input))
		return XHCI_CC_INVALID;
	cc = check_address(xhci, slot, &input, block_set_address);
	if (cc != XHCI_CC_SUCCESS)
		return cc;
	if ((get_le64(raw) & CONTEXT_ALIGN_MASK) == 0)
		return XHCI_CC_PARAMETER_ERROR;
	if (!output_begin(xhci, get_le64(raw) & CONTEXT_ALIGN_MASK))
		return XHCI_CC_INVALID;
	ep = xhci_endpoint_create(xhci, slot, 1, &input.contexts[1]);
	if (!ep)
		return XHCI_CC_RESOURCE_ERROR;
	slot->context_iova = get_le64(raw) & CONTEXT_ALIGN_MASK;
	xhci_endpoint_enable(ep);
	slot->port = xhci_slot_context_port(&input.contexts[0]);
	slot->dev = device_at(xhci, &input.contexts[0]);
	set_address(slot, block_set_address ? 0 : slot->id);
	write_context(xhci, slot, 0, &input.contexts[0]);
	set_state(xhci, slot, state);
	write_context(xhci, slot, 1, &input.contexts[1]);
	xhci_endpoint_write_context(slot->endpoints[1]);
	return XHCI_CC_SUCCESS;
}

/* All endpoints but the default one go (4.6.6 with DC, 4.6.11). */
static void deconfigure(struct xhci *xhci, struct xhci_slot *slot,
			enum xhci_slot_state state)
{
	struct xhci_context ctx;

	give_back_streams(xhci, slot, ALL_DCIS);
	for (unsigned dci = 2; dci <= XHCI_DCI_MAX; dci++)
		drop_endpoint(xhci, slot, dci);
	read_context(xhci, slot, 0, &ctx);
	xhci_slot_context_set_entries(&ctx, 1);
	write_context(xhci, slot, 0, &ctx);
	set_state(xhci, slot, state);
}

static enum xhci_cc check_configure(const struct xhci_input *input)
{
	unsigned entries = xhci_slot_context_entries(&input->contexts[0]);

	if ((input->drop & (ADD_SLOT | ADD_EP0)) != 0 || !(input->add & ADD_SLOT) ||
	    (input->add & ADD_EP0))
		return XHCI_CC_PARAMETER_ERROR;
	for (unsigned dci = 2; dci <= XHCI_DCI_MAX; dci++) {
		enum xhci_cc cc;

		if (!(input->add & BIT(dci)))
			continue;
		if (dci > entries)
			return XHCI_CC_PARAMETER_ERROR;
		if (!xhci_endpoint_context_ok(&input->contexts[dci], dci, &cc))
			return cc;
	}
	return XHCI_CC_SUCCESS;
}

/* Fields of the slot context that Configure Endpoint may change: Context
 * Entries, Hub, MTT, ports, exit latency, TT, interrupter. */
static void update_slot_context(struct xhci *xhci, struct xhci_slot *slot,
				const struct xhci_context *from)
{
	struct xhci_context ctx;

	read_context(xhci, slot, 0, &ctx);
	ctx.dw[0] = (ctx.dw[0] & 0x01ffffffu) | (from->dw[0] & 0xfe000000u);
	ctx.dw[1] = (ctx.dw[1] & 0x00ff0000u) | (from->dw[1] & 0xff00ffffu);
	ctx.dw[2] = from->dw[2];
	write_context(xhci, slot, 0, &ctx);
}

/* The DCIs of @input that shall have streams. */
static uint32_t dcis_with_streams(const struct xhci_input *input)
{
	uint32_t dcis = 0;

	for (unsigned dci = 2; dci <= XHCI_DCI_MAX; dci++)
		if ((input->add & BIT(dci)) &&
		    xhci_ep_context_max_pstreams(&input->contexts[dci]) > 0)
			dcis |= BIT(dci);
	return dcis;
}

/**
 * take_input() - the checked input context of a Configure Endpoint command
 *
 * If it wants streams, the device is asked, and this returns XHCI_CC_INVALID until the
 * answer is there. What is used then is the copy made when it was asked.
 */
static enum xhci_cc take_input(struct xhci *xhci, struct xhci_slot *slot,
			       uint64_t input_iova, struct xhci_input *input)
{
	enum xhci_cc cc;

	if (xhci->awaited_streams)
		return xhci_stream_request_finish(xhci, input);
	if (!input_ok(xhci, input_iova, input))
		return XHCI_CC_INVALID;
	cc = check_configure(input);
	if (cc != XHCI_CC_SUCCESS || dcis_with_streams(input) == 0)
		return cc;
	return xhci_stream_request_begin(xhci, slot, input, dcis_with_streams(input));
}

/* Makes the endpoints that @input adds. False: no memory, nothing has changed. */
static bool create_endpoints(struct xhci *xhci, struct xhci_slot *slot,
			     const struct xhci_input *input,
			     struct xhci_endpoint *ret_eps[XHCI_DCI_MAX + 1])
{
	for (unsigned dci = 2; dci <= XHCI_DCI_MAX; dci++) {
		ret_eps[dci] = NULL;
		if (!(input->add & BIT(dci)))
			continue;
		ret_eps[dci] =
			xhci_endpoint_create(xhci, slot, dci, &input->contexts[dci]);
		if (ret_eps[dci])
			continue;
		while (--dci >= 2)
			xhci_endpoint_drop(ret_eps[dci]);
		return false;
	}
	return true;
}

/* 4.6.6 */
enum xhci_cc xhci_slot_configure(struct xhci *xhci, struct xhci_slot *slot,
				 uint64_t input_iova, bool with_dc)
{
	struct xhci_endpoint *eps[XHCI_DCI_MAX + 1];
	bool any = false;
	struct xhci_input input;
	enum xhci_cc cc;

	if (slot->state < XHCI_SLOT_STATE_ADDRESSED)
		return XHCI_CC_CONTEXT_STATE_ERROR;
	if (!output_begin(xhci, slot->context_iova))
		return XHCI_CC_INVALID;
	if (with_dc) {
		deconfigure(xhci, slot, XHCI_SLOT_STATE_ADDRESSED);
		return XHCI_CC_SUCCESS;
	}
	cc = take_input(xhci, slot, input_iova, &input);
	if (cc != XHCI_CC_SUCCESS)
		return cc;
	if (!create_endpoints(xhci, slot, &input, eps))
		return XHCI_CC_RESOURCE_ERROR;
	give_back_streams(xhci, slot,
			  (input.drop | input.add) & ~dcis_with_streams(&input));
	for (unsigned dci = 2; dci <= XHCI_DCI_MAX; dci++) {
		if ((input.drop | input.add) & BIT(dci))
			drop_endpoint(xhci, slot, dci);
		if (input.add & BIT(dci)) {
			xhci_endpoint_enable(eps[dci]);
			write_context(xhci, slot, dci, &input.contexts[dci]);
			xhci_endpoint_write_context(eps[dci]);
		}
		any = any || slot->endpoints[dci];
	}
	update_slot_context(xhci, slot, &input.contexts[0]);
	set_state(xhci, slot,
		  any ? XHCI_SLOT_STATE_CONFIGURED : XHCI_SLOT_STATE_ADDRESSED);
	return XHCI_CC_SUCCESS;
}

/* 4.6.7: exit latency and interrupter of the slot, packet size of endpoint 0 */
enum xhci_cc xhci_slot_evaluate(struct xhci *xhci, struct xhci_slot *slot,
				uint64_t input_iova)
{
	struct xhci_input input;
	struct xhci_context ctx;

	if (slot->state < XHCI_SLOT_STATE_DEFAULT)
		return XHCI_CC_CONTEXT_STATE_ERROR;
	if (!output_begin(xhci, slot->context_iova) ||
	    !input_ok(xhci, input_iova, &input))
		return XHCI_CC_INVALID;
	if (input.drop != 0 || (input.add & (ADD_SLOT | ADD_EP0)) == 0)
		return XHCI_CC_PARAMETER_ERROR;
	if ((input.add & ADD_EP0) && xhci_ep_context_max_packet(&input.contexts[1]) == 0)
		return XHCI_CC_PARAMETER_ERROR;
	if (input.add & ADD_SLOT) {
		read_context(xhci, slot, 0, &ctx);
		ctx.dw[1] =
			(ctx.dw[1] & 0xffff0000u) | (input.contexts[0].dw[1] & 0xffffu);
		ctx.dw[2] = (ctx.dw[2] & 0x003fffffu) |
			    (input.contexts[0].dw[2] & 0xffc00000u);
		write_context(xhci, slot, 0, &ctx);
	}
	if (input.add & ADD_EP0) {
		read_context(xhci, slot, 1, &ctx);
		ctx.dw[1] =
			(ctx.dw[1] & 0xffffu) | (input.contexts[1].dw[1] & 0xffff0000u);
		write_context(xhci, slot, 1, &ctx);
		slot->endpoints[1]->max_packet_bytes = xhci_ep_context_max_packet(&ctx);
	}
	return XHCI_CC_SUCCESS;
}

/* 4.6.11 */
enum xhci_cc xhci_slot_reset_device(struct xhci *xhci, struct xhci_slot *slot)
{
	if (slot->state < XHCI_SLOT_STATE_ADDRESSED)
		return XHCI_CC_CONTEXT_STATE_ERROR;
	if (!output_begin(xhci, slot->context_iova))
		return XHCI_CC_INVALID;
	xhci_transfer_ring_forget_tds(&slot->endpoints[1]->ring);
	deconfigure(xhci, slot, XHCI_SLOT_STATE_DEFAULT);
	set_address(slot, 0);
	return XHCI_CC_SUCCESS;
}
