/* SPDX-License-Identifier: MIT
 * slot_commands.c - device slots: enable, address, configure, evaluate, reset, disable
 *
 * Each command reads and checks all it needs first, then applies.
 */
#include "xhci/slot_commands.h"

#include "xhci/context.h"
#include "xhci/controller.h"
#include "xhci/endpoint.h"
#include "xhci/lend.h"
#include "xhci/port.h"
#include "xhci/slot.h"
#include "xhci/stream_request.h"

#define ADD_SLOT           BIT(0)
#define ADD_EP0            BIT(1)
#define CONTEXT_ALIGN_MASK (~UINT64_C(0x3f))

void xhci_slots_reset(struct xhci *xhci)
{
	for (unsigned id = 1; id <= XHCI_SLOTS; id++) {
		struct xhci_slot *slot = &xhci->slots[id];

		slot->id = id;
		xhci_slot_release_streams(xhci, slot, XHCI_DCIS_ALL);
		xhci_slot_clear(slot, false);
	}
}

/* The output context is in reach, and the command may write there. */
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

enum xhci_cc xhci_slot_enable(struct xhci *xhci, unsigned *ret_slot_id)
{
	unsigned enabled = xhci->config & 0xff;

	for (unsigned id = 1; id <= MIN_OF(enabled, XHCI_SLOTS); id++) {
		if (xhci->slots[id].enabled)
			continue;
		xhci_slot_clear(&xhci->slots[id], true);
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
			return XHCI_CC_PENDING;
		xhci_slot_set_state(xhci, slot, XHCI_SLOT_STATE_DISABLED);
	}
	xhci_slot_release_streams(xhci, slot, XHCI_DCIS_ALL);
	xhci_slot_clear(slot, false);
	return XHCI_CC_SUCCESS;
}

/* The device in the port that a slot context names, if the port is enabled. */
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
	uint64_t context_iova;
	struct usbdev *dev;
	uint8_t raw[8];
	enum xhci_cc cc;

	if (guest_mem_read(xhci->mem, entry_iova, raw, sizeof(raw)) < 0) {
		xhci_dma_fault(xhci, "DCBAA", entry_iova);
		return XHCI_CC_PENDING;
	}
	if (!input_ok(xhci, input_iova, &input))
		return XHCI_CC_PENDING;
	cc = check_address(xhci, slot, &input, block_set_address);
	if (cc != XHCI_CC_SUCCESS)
		return cc;
	context_iova = get_le64(raw) & CONTEXT_ALIGN_MASK;
	if (context_iova == 0)
		return XHCI_CC_PARAMETER_ERROR;
	if (!output_begin(xhci, context_iova))
		return XHCI_CC_PENDING;
	dev = device_at(xhci, &input.contexts[0]);
	ep = xhci_endpoint_create(xhci, slot->id, 1, dev,
				  xhci_slot_endpoint_context_iova(context_iova, 1),
				  &input.contexts[1]);
	if (!ep)
		return XHCI_CC_RESOURCE_ERROR;
	slot->context_iova = context_iova;
	xhci_slot_put_endpoint(slot, ep);
	slot->port = xhci_slot_context_port(&input.contexts[0]);
	slot->dev = dev;
	xhci_slot_set_address(slot, block_set_address ? 0 : slot->id);
	xhci_slot_write_context(xhci, slot, 0, &input.contexts[0]);
	xhci_slot_set_state(xhci, slot, state);
	xhci_slot_write_context(xhci, slot, 1, &input.contexts[1]);
	xhci_endpoint_write_context(slot->endpoints[1]);
	return XHCI_CC_SUCCESS;
}

/* Drops all endpoints but the default one (4.6.6 with DC, 4.6.11). */
static void deconfigure(struct xhci *xhci, struct xhci_slot *slot,
			enum xhci_slot_state state)
{
	struct xhci_context ctx;

	xhci_slot_release_streams(xhci, slot, XHCI_DCIS_ALL);
	for (unsigned dci = 2; dci <= XHCI_DCI_MAX; dci++)
		xhci_slot_drop_endpoint(xhci, slot, dci);
	xhci_slot_read_context(xhci, slot, 0, &ctx);
	xhci_slot_context_set_entries(&ctx, 1);
	xhci_slot_write_context(xhci, slot, 0, &ctx);
	xhci_slot_set_state(xhci, slot, state);
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

static void update_slot_context(struct xhci *xhci, struct xhci_slot *slot,
				const struct xhci_context *from)
{
	struct xhci_context ctx;

	xhci_slot_read_context(xhci, slot, 0, &ctx);
	xhci_slot_context_configure(&ctx, from);
	xhci_slot_write_context(xhci, slot, 0, &ctx);
}

/* The DCIs of @input whose contexts ask for streams. */
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
 * If it asks for streams, this asks the device, and returns XHCI_CC_PENDING until the device
 * has answered. Then it returns the copy made when it asked.
 */
static enum xhci_cc take_input(struct xhci *xhci, struct xhci_slot *slot,
			       uint64_t input_iova, struct xhci_input *input)
{
	enum xhci_cc cc;

	if (xhci->awaited_streams)
		return xhci_stream_request_finish(xhci, input);
	if (!input_ok(xhci, input_iova, input))
		return XHCI_CC_PENDING;
	cc = check_configure(input);
	if (cc != XHCI_CC_SUCCESS || dcis_with_streams(input) == 0)
		return cc;
	return xhci_stream_request_begin(xhci, slot, input, dcis_with_streams(input));
}

/* Creates the endpoints that @input adds. False: no memory, nothing has changed. */
static bool create_endpoints(struct xhci *xhci, struct xhci_slot *slot,
			     const struct xhci_input *input,
			     struct xhci_endpoint *ret_eps[XHCI_DCI_MAX + 1])
{
	for (unsigned dci = 2; dci <= XHCI_DCI_MAX; dci++) {
		ret_eps[dci] = NULL;
		if (!(input->add & BIT(dci)))
			continue;
		ret_eps[dci] = xhci_endpoint_create(
			xhci, slot->id, dci, slot->dev,
			xhci_slot_endpoint_context_iova(slot->context_iova, dci),
			&input->contexts[dci]);
		if (ret_eps[dci])
			continue;
		while (--dci >= 2)
			xhci_endpoint_destroy(ret_eps[dci]);
		return false;
	}
	return true;
}

/* 4.6.6 */
enum xhci_cc xhci_slot_configure(struct xhci *xhci, struct xhci_slot *slot,
				 uint64_t input_iova, bool dc)
{
	struct xhci_endpoint *eps[XHCI_DCI_MAX + 1];
	bool any = false;
	struct xhci_input input;
	enum xhci_cc cc;

	if (slot->state < XHCI_SLOT_STATE_ADDRESSED)
		return XHCI_CC_CONTEXT_STATE_ERROR;
	if (!output_begin(xhci, slot->context_iova))
		return XHCI_CC_PENDING;
	if (dc) {
		deconfigure(xhci, slot, XHCI_SLOT_STATE_ADDRESSED);
		return XHCI_CC_SUCCESS;
	}
	cc = take_input(xhci, slot, input_iova, &input);
	if (cc != XHCI_CC_SUCCESS)
		return cc;
	if (!create_endpoints(xhci, slot, &input, eps))
		return XHCI_CC_RESOURCE_ERROR;
	xhci_slot_release_streams(xhci, slot,
				  (input.drop | input.add) & ~dcis_with_streams(&input));
	for (unsigned dci = 2; dci <= XHCI_DCI_MAX; dci++) {
		if ((input.drop | input.add) & BIT(dci))
			xhci_slot_drop_endpoint(xhci, slot, dci);
		if (input.add & BIT(dci)) {
			xhci_slot_put_endpoint(slot, eps[dci]);
			xhci_slot_write_context(xhci, slot, dci, &input.contexts[dci]);
			xhci_endpoint_write_context(eps[dci]);
		}
		any = any || slot->endpoints[dci];
	}
	update_slot_context(xhci, slot, &input.contexts[0]);
	xhci_slot_set_state(xhci, slot,
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
		return XHCI_CC_PENDING;
	if (input.drop != 0 || (input.add & (ADD_SLOT | ADD_EP0)) == 0)
		return XHCI_CC_PARAMETER_ERROR;
	if ((input.add & ADD_EP0) && xhci_ep_context_max_packet(&input.contexts[1]) == 0)
		return XHCI_CC_PARAMETER_ERROR;
	if (input.add & ADD_SLOT) {
		xhci_slot_read_context(xhci, slot, 0, &ctx);
		xhci_slot_context_evaluate(&ctx, &input.contexts[0]);
		xhci_slot_write_context(xhci, slot, 0, &ctx);
	}
	if (input.add & ADD_EP0) {
		xhci_slot_read_context(xhci, slot, 1, &ctx);
		xhci_ep_context_set_max_packet(
			&ctx, xhci_ep_context_max_packet(&input.contexts[1]));
		xhci_slot_write_context(xhci, slot, 1, &ctx);
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
		return XHCI_CC_PENDING;
	xhci_transfer_ring_drop_tds(&slot->endpoints[1]->ring);
	deconfigure(xhci, slot, XHCI_SLOT_STATE_DEFAULT);
	xhci_slot_set_address(slot, 0);
	return XHCI_CC_SUCCESS;
}
