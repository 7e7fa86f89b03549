/* SPDX-License-Identifier: MIT
 * command.c - taking commands off the command ring and answering each
 *
 * One command at a time. A command may have to wait: Stop Endpoint, and Configure Endpoint
 * with streams, for the device; any for memory or for room in the event ring. Until then
 * each run calls it again. command.h has the drawings of its states.
 */
#include "xhci/command.h"

#include <errno.h>
#include <string.h>

#include "xhci/endpoint.h"
#include "xhci/endpoint_commands.h"
#include "xhci/interrupter.h"
#include "xhci/lend.h"
#include "xhci/slot.h"
#include "xhci/slot_commands.h"
#include "xhci/stream_request.h"

#define POINTER_LO             (~0x3fu)
#define PORT_BANDWIDTH_PERCENT 80u /* Get Port Bandwidth: nothing is reserved */

static void set_ring_state(struct xhci_commands *commands,
			   enum xhci_command_ring_state state)
{
	static const char *const names[] = {
		[XHCI_COMMAND_RING_STATE_STOPPED] = "STOPPED",
		[XHCI_COMMAND_RING_STATE_RUNNING] = "RUNNING",
		[XHCI_COMMAND_RING_STATE_STOPPING] = "STOPPING",
		[XHCI_COMMAND_RING_STATE_ABORTING] = "ABORTING"};

	if (state == commands->ring_state)
		return;
	log_trace("command ring: %s -> %s", names[commands->ring_state], names[state]);
	commands->ring_state = state;
	if (state == XHCI_COMMAND_RING_STATE_STOPPED)
		commands->doorbell = false;
}

static void set_phase(struct xhci_commands *commands, enum xhci_command_phase phase)
{
	static const char *const names[] = {[XHCI_COMMAND_PHASE_IDLE] = "IDLE",
					    [XHCI_COMMAND_PHASE_EXECUTING] = "EXECUTING",
					    [XHCI_COMMAND_PHASE_ANSWERING] = "ANSWERING"};

	log_trace("command at 0x%llx: %s -> %s", (unsigned long long)commands->trb_iova,
		  names[commands->phase], names[phase]);
	commands->phase = phase;
}

void xhci_commands_reset(struct xhci *xhci)
{
	xhci_stream_request_abandon(xhci);
	*xhci->commands = (struct xhci_commands){.ring = {0, false}};
}

static struct xhci_endpoint *command_endpoint(struct xhci *xhci,
					      const struct xhci_trb *trb)
{
	unsigned slot_id = xhci_trb_slot_id(trb);
	unsigned dci = xhci_trb_dci(trb);

	if (slot_id < 1 || slot_id > XHCI_SLOTS || dci < 1)
		return NULL;
	return xhci->slots[slot_id].endpoints[dci];
}

void xhci_commands_halt(struct xhci *xhci)
{
	struct xhci_commands *commands = xhci->commands;

	if (commands->phase == XHCI_COMMAND_PHASE_EXECUTING) {
		struct xhci_endpoint *ep = command_endpoint(xhci, &commands->trb);

		if (ep)
			xhci_endpoint_stop_abandoned(ep);
		xhci_stream_request_abandon(xhci);
		commands->ring = commands->before;
		set_phase(commands, XHCI_COMMAND_PHASE_IDLE);
	}
	set_ring_state(commands, XHCI_COMMAND_RING_STATE_STOPPED);
}

/* 4.6.15: a byte per port, after one reserved byte */
static enum xhci_cc get_port_bandwidth(struct xhci *xhci, uint64_t iova)
{
	uint8_t raw[1 + 2 * XHCI_PORTS_MAX] = {0};
	size_t bytes = 1 + xhci_port_count(xhci);

	iova &= ~UINT64_C(0xf);
	memset(raw + 1, PORT_BANDWIDTH_PERCENT, bytes - 1);
	xhci_lend_command(xhci, iova, bytes);
	if (guest_mem_write(xhci->mem, iova, raw, bytes) < 0) {
		xhci_dma_fault(xhci, "port bandwidth context", iova);
		return XHCI_CC_PENDING;
	}
	return XHCI_CC_SUCCESS;
}

static enum xhci_cc endpoint_command(struct xhci *xhci, struct xhci_slot *slot,
				     const struct xhci_trb *trb)
{
	struct xhci_endpoint *ep = command_endpoint(xhci, trb);

	if (xhci_trb_dci(trb) == 0)
		return XHCI_CC_TRB_ERROR;
	if (slot->state < XHCI_SLOT_STATE_DEFAULT || !ep)
		return XHCI_CC_CONTEXT_STATE_ERROR;
	if (!xhci_slot_output_ok(xhci, slot->context_iova))
		return XHCI_CC_PENDING;
	switch ((int)xhci_trb_type(trb)) {
	case XHCI_TRB_TYPE_STOP_ENDPOINT:
		return xhci_endpoint_stop(ep);
	case XHCI_TRB_TYPE_RESET_ENDPOINT:
		return xhci_endpoint_reset(ep, (trb->control & XHCI_TRB_TSP) != 0);
	default: /* Set TR Dequeue Pointer */
		return xhci_endpoint_set_dequeue(ep, trb->status >> 16, trb->parameter);
	}
}

static enum xhci_cc slot_command(struct xhci *xhci, const struct xhci_trb *trb)
{
	uint64_t input_iova = trb->parameter & ~UINT64_C(0xf);
	unsigned slot_id = xhci_trb_slot_id(trb);
	struct xhci_slot *slot;

	if (slot_id < 1 || slot_id > XHCI_SLOTS)
		return XHCI_CC_TRB_ERROR;
	slot = &xhci->slots[slot_id];
	if (!slot->enabled)
		return XHCI_CC_SLOT_NOT_ENABLED;
	switch ((int)xhci_trb_type(trb)) {
	case XHCI_TRB_TYPE_DISABLE_SLOT:
		return xhci_slot_disable(xhci, slot);
	case XHCI_TRB_TYPE_ADDRESS_DEVICE:
		return xhci_slot_address(xhci, slot, input_iova,
					 (trb->control & XHCI_TRB_BSR) != 0);
	case XHCI_TRB_TYPE_CONFIGURE_ENDPOINT:
		return xhci_slot_configure(xhci, slot, input_iova,
					   (trb->control & XHCI_TRB_DC) != 0);
	case XHCI_TRB_TYPE_EVALUATE_CONTEXT:
		return xhci_slot_evaluate(xhci, slot, input_iova);
	case XHCI_TRB_TYPE_RESET_DEVICE:
		return xhci_slot_reset_device(xhci, slot);
	default:
		return endpoint_command(xhci, slot, trb);
	}
}

static enum xhci_cc execute(struct xhci *xhci, const struct xhci_trb *trb)
{
	switch ((int)xhci_trb_type(trb)) {
	case XHCI_TRB_TYPE_NOOP_COMMAND:
		return XHCI_CC_SUCCESS;
	case XHCI_TRB_TYPE_ENABLE_SLOT:
		return xhci_slot_enable(xhci, &xhci->commands->result_slot);
	case XHCI_TRB_TYPE_DISABLE_SLOT:
	case XHCI_TRB_TYPE_ADDRESS_DEVICE:
	case XHCI_TRB_TYPE_CONFIGURE_ENDPOINT:
	case XHCI_TRB_TYPE_EVALUATE_CONTEXT:
	case XHCI_TRB_TYPE_RESET_DEVICE:
	case XHCI_TRB_TYPE_STOP_ENDPOINT:
	case XHCI_TRB_TYPE_RESET_ENDPOINT:
	case XHCI_TRB_TYPE_SET_TR_DEQUEUE:
		return slot_command(xhci, trb);
	case XHCI_TRB_TYPE_GET_PORT_BANDWIDTH:
		return get_port_bandwidth(xhci, trb->parameter);
	default: /* unknown, or optional and not announced */
		return XHCI_CC_TRB_ERROR;
	}
}

static int post_completion(struct xhci *xhci, uint64_t trb_iova, enum xhci_cc cc,
			   unsigned slot)
{
	struct xhci_trb event = {
		.parameter = trb_iova,
		.status = (uint32_t)cc << 24,
		.control = xhci_trb_type_bits(XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT) |
			   (uint32_t)slot << XHCI_TRB_SLOT_SHIFT,
	};

	return xhci_event_post(xhci, 0, &event, false);
}

/* The endpoints that the slot of @trb does not have, a bit each. */
static uint32_t disabled_dcis(const struct xhci *xhci, const struct xhci_trb *trb)
{
	unsigned slot_id = xhci_trb_slot_id(trb);
	uint32_t dcis = 0;

	if (slot_id < 1 || slot_id > XHCI_SLOTS)
		return 0;
	for (unsigned dci = 1; dci <= XHCI_DCI_MAX; dci++)
		if (!xhci->slots[slot_id].endpoints[dci])
			dcis |= BIT(dci);
	return dcis;
}

/* CA: the command ends where it is. */
static void abort_command(struct xhci *xhci)
{
	struct xhci_endpoint *ep = command_endpoint(xhci, &xhci->commands->trb);

	if (ep) { /* the transfers that it cancelled start again */
		xhci_endpoint_stop_abandoned(ep);
		xhci_endpoint_kick(ep);
	}
	xhci_stream_request_abandon(xhci);
}

/* Return: the result of the command, or XHCI_CC_PENDING. */
static enum xhci_cc execute_again(struct xhci *xhci)
{
	struct xhci_commands *commands = xhci->commands;
	enum xhci_cc cc;

	commands->result_slot = xhci_trb_slot_id(&commands->trb);
	xhci_lend_command_begin(xhci, &commands->trb, commands->trb_iova);
	cc = execute(xhci, &commands->trb);
	xhci_lend_command_end(xhci);
	xhci_lend_command_answered(xhci, &commands->trb, cc,
				   disabled_dcis(xhci, &commands->trb));
	/* a controller that has failed will fetch the command again: xhci_commands_halt() */
	if (cc != XHCI_CC_PENDING ||
	    commands->ring_state != XHCI_COMMAND_RING_STATE_ABORTING ||
	    xhci_activity(xhci) == XHCI_ACTIVITY_FAILED)
		return cc;
	abort_command(xhci);
	return XHCI_CC_COMMAND_ABORTED;
}

/* Continues the command that has been fetched. Return: true once it is answered. */
static bool finish(struct xhci *xhci)
{
	struct xhci_commands *commands = xhci->commands;

	if (commands->phase == XHCI_COMMAND_PHASE_EXECUTING) {
		commands->result = execute_again(xhci);
		if (commands->result == XHCI_CC_PENDING)
			return false;
		set_phase(commands, XHCI_COMMAND_PHASE_ANSWERING);
	}
	if (post_completion(xhci, commands->trb_iova, commands->result,
			    commands->result_slot) < 0)
		return false;
	log_debug("command %d slot %u ep %u: completion code %d",
		  xhci_trb_type(&commands->trb), commands->result_slot,
		  xhci_trb_dci(&commands->trb), commands->result);
	set_phase(commands, XHCI_COMMAND_PHASE_IDLE);
	return true;
}

/* Takes the next command. Return: 1 taken, 0 none, -errno. */
static int fetch(struct xhci *xhci)
{
	struct xhci_budget looks = xhci_budget_of(XHCI_RING_LINKS_MAX + 1);
	struct xhci_commands *commands = xhci->commands;
	int r;

	do {
		commands->before = commands->ring;
		r = xhci_ring_next(&commands->ring, xhci->mem, &looks, &commands->trb,
				   &commands->trb_iova);
	} while (r == 1 && xhci_trb_type(&commands->trb) == XHCI_TRB_TYPE_LINK);
	xhci_budget_spend(&xhci->budget, xhci_budget_spent(&looks));
	if (r == -ELOOP)
		xhci_controller_error(xhci, "endless Link TRBs in the command ring");
	else if (r < 0)
		xhci_dma_fault(xhci, "command ring", commands->ring.dequeue_iova);
	return r;
}

enum xhci_progress xhci_commands_run(struct xhci *xhci)
{
	struct xhci_commands *commands = xhci->commands;

	/* one in any case: endpoints that spend every budget must not starve commands */
	for (unsigned n = 0; n == 0 || !xhci_budget_is_spent(&xhci->budget); n++) {
		int r;

		if (commands->phase != XHCI_COMMAND_PHASE_IDLE && !finish(xhci))
			return XHCI_PROGRESS_BLOCKED;
		if (commands->ring_state == XHCI_COMMAND_RING_STATE_STOPPING ||
		    commands->ring_state == XHCI_COMMAND_RING_STATE_ABORTING) {
			if (post_completion(xhci, commands->ring.dequeue_iova,
					    XHCI_CC_COMMAND_RING_STOPPED, 0) < 0)
				return XHCI_PROGRESS_BLOCKED;
			set_ring_state(commands, XHCI_COMMAND_RING_STATE_STOPPED);
		}
		if (!commands->doorbell)
			return XHCI_PROGRESS_DONE;
		/* the last command may have met a fault: none is executed behind that */
		if (!xhci_can_work(xhci))
			return XHCI_PROGRESS_BLOCKED;
		r = fetch(xhci);
		if (r < 0)
			return XHCI_PROGRESS_BLOCKED;
		if (r == 0) {
			commands->doorbell = false;
			return XHCI_PROGRESS_DONE;
		}
		set_phase(commands, XHCI_COMMAND_PHASE_EXECUTING);
		xhci_budget_spend(&xhci->budget, XHCI_BUDGET_COMMAND);
	}
	return XHCI_PROGRESS_MORE;
}

void xhci_commands_doorbell(struct xhci *xhci, uint32_t value)
{
	struct xhci_commands *commands = xhci->commands;

	if ((value & 0xff) != 0 || xhci->halted)
		return;
	if (commands->ring_state == XHCI_COMMAND_RING_STATE_STOPPED)
		set_ring_state(commands, XHCI_COMMAND_RING_STATE_RUNNING);
	commands->doorbell = true;
	xhci_kick(xhci);
}

uint32_t xhci_commands_crcr(const struct xhci *xhci)
{
	return xhci->commands->ring_state != XHCI_COMMAND_RING_STATE_STOPPED
		       ? XHCI_CRCR_CRR
		       : 0;
}

/* With the ring running only CS and CA do something. */
void xhci_commands_set_crcr_lo(struct xhci *xhci, uint32_t value)
{
	struct xhci_commands *commands = xhci->commands;

	if (commands->ring_state == XHCI_COMMAND_RING_STATE_STOPPED) {
		commands->ring.dequeue_iova =
			with_low32(commands->ring.dequeue_iova, value & POINTER_LO);
		commands->ring.cycle = (value & XHCI_CRCR_RCS) != 0;
		return;
	}
	if (!(value & (XHCI_CRCR_CS | XHCI_CRCR_CA)))
		return;
	if (value & XHCI_CRCR_CA)
		set_ring_state(commands, XHCI_COMMAND_RING_STATE_ABORTING);
	else if (commands->ring_state == XHCI_COMMAND_RING_STATE_RUNNING)
		set_ring_state(commands, XHCI_COMMAND_RING_STATE_STOPPING);
	xhci_kick(xhci);
}

void xhci_commands_set_crcr_hi(struct xhci *xhci, uint32_t value)
{
	struct xhci_commands *commands = xhci->commands;

	if (commands->ring_state == XHCI_COMMAND_RING_STATE_STOPPED)
		commands->ring.dequeue_iova =
			with_high32(commands->ring.dequeue_iova, value);
}

uint64_t xhci_commands_crcr_rest(const struct xhci *xhci)
{
	const struct xhci_ring *ring = &xhci->commands->ring;

	return (ring->dequeue_iova & ~UINT64_C(0x3f)) | (ring->cycle ? XHCI_CRCR_RCS : 0);
}
