/* SPDX-License-Identifier: MIT
 * lend.c - for the checking build: the guest memory that we may write to
 *
 * This file counts events once more, without the state of the producer: nothing may overwrite
 * those that the guest, by its ERDP, has not taken yet. A guest with an impossible ERDP or
 * segment table has no events to lose: we forget all it had.
 */
#include "xhci/lend.h"

#include <stdlib.h>

#include "mem/dma_check.h"
#include "xhci/context.h"
#include "xhci/controller.h"

#define CONTEXT_OFF_DEQUEUE 8u
#define SEGMENTS            BIT(XHCI_ERST_MAX_LOG2)
#define UNREAD_MAX          (SEGMENTS * 4096u) /* a power of two */

/* The events of one interrupter that the guest has not taken: a queue. */
struct unread {
	struct xhci_event_place segments[SEGMENTS]; /* as last seen; index unused */
	uint32_t erstsz;
	unsigned first;
	unsigned count;
	struct xhci_event_place places[UNREAD_MAX];
};

struct xhci_lend {
	struct unread unread[XHCI_INTERRUPTERS];
	struct dma_leave command; /* of the command that is being executed */
};

static struct dma_check *check_of(const struct xhci *xhci)
{
	return guest_mem_dma_check(xhci->mem);
}

void xhci_lend_begin(struct xhci *xhci)
{
	xhci->lend = calloc(1, sizeof(*xhci->lend));
	dma_check_begin(check_of(xhci));
}

void xhci_lend_end(struct xhci *xhci)
{
	dma_check_none(check_of(xhci), DMA_WHAT_ANY, 0, 0, "the controller has ended");
	free(xhci->lend);
}

void xhci_lend_gate(struct xhci *xhci)
{
	const char *shut = NULL;

	if (!xhci->bus_master)
		shut = "a write while the guest does not let the controller be bus "
		       "master";
	if (xhci->halted)
		shut = "a write while the controller is halted";
	if (xhci->halted)
		dma_check_none(check_of(xhci), DMA_WHAT_DATA, 0, 0,
			       "the guest sees the controller halted");
	dma_check_shut(check_of(xhci), shut);
}

void xhci_lend_reset(struct xhci *xhci)
{
	dma_check_none(check_of(xhci), DMA_WHAT_ANY, 0, 0,
		       "the guest has reset the controller");
	for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++)
		xhci_lend_event_ring(xhci, i);
}

/* ---- data ---- */

void xhci_lend_data(struct xhci *xhci, const void *owner, const struct xhci_ep_id *id,
		    uint64_t td_iova, uint64_t iova, uint64_t len)
{
	const struct dma_leave leave = {
		.what = DMA_WHAT_DATA,
		.slot = id->slot_id,
		.dci = id->dci,
		.by_iova = td_iova,
	};

	dma_check_permit(check_of(xhci), owner, &leave, iova, len);
}

void xhci_lend_data_end(struct xhci *xhci, const void *owner)
{
	dma_check_revoke(check_of(xhci), owner);
}

void xhci_lend_settle(const struct xhci *xhci)
{
	dma_check_settle(check_of(xhci));
}

/* ---- events ---- */

static struct unread *unread_of(const struct xhci *xhci, unsigned number)
{
	return xhci->lend ? &xhci->lend->unread[number] : NULL;
}

static const struct xhci_event_place *unread_at(const struct unread *unread, unsigned i)
{
	return &unread->places[(unread->first + i) % UNREAD_MAX];
}

static void forget(struct unread *unread)
{
	unread->first = 0;
	unread->count = 0;
}

void xhci_lend_event_ring(struct xhci *xhci, unsigned number)
{
	struct unread *unread = unread_of(xhci, number);

	if (!unread)
		return;
	forget(unread);
	for (unsigned i = 0; i < SEGMENTS; i++)
		unread->segments[i].segment_trbs = 0;
}

/* The guest has taken all before ERDP. */
static void take_read(struct unread *unread, uint64_t erdp)
{
	for (unsigned i = 0; i < unread->count; i++) {
		if (xhci_event_place_iova(unread_at(unread, i)) != erdp)
			continue;
		unread->first = (unread->first + i) % UNREAD_MAX;
		unread->count -= i;
		return;
	}
	forget(unread);
}

/* A guest that changes a ring in use loses events by its own fault. */
static void take_shape(struct unread *unread, uint32_t erstsz,
		       const struct xhci_event_place *place)
{
	struct xhci_event_place *known = &unread->segments[place->segment];

	if (erstsz < unread->erstsz ||
	    (known->segment_trbs != 0 && (known->segment_iova != place->segment_iova ||
					  known->segment_trbs != place->segment_trbs)))
		forget(unread);
	unread->erstsz = erstsz;
	*known = *place;
}

void xhci_lend_event(struct xhci *xhci, unsigned number,
		     const struct xhci_event_place *place, uint32_t erstsz, uint64_t erdp)
{
	const struct dma_leave leave = {
		.what = DMA_WHAT_EVENT,
		.by_iova = place->segment_iova,
	};
	struct unread *unread = unread_of(xhci, number);

	if (unread) {
		take_shape(unread, erstsz, place);
		take_read(unread, erdp);
		for (unsigned i = 0; i < unread->count; i++) {
			const struct xhci_event_place *other = unread_at(unread, i);

			if (other->segment == place->segment &&
			    other->index == place->index)
				dma_check_fail(check_of(xhci),
					       xhci_event_place_iova(place),
					       XHCI_TRB_SIZE,
					       "an event over one that the guest has not "
					       "taken");
		}
	}
	if (place->index < place->segment_trbs)
		dma_check_permit(check_of(xhci), place, &leave,
				 xhci_event_place_iova(place), XHCI_TRB_SIZE);
}

void xhci_lend_event_end(struct xhci *xhci, unsigned number,
			 const struct xhci_event_place *place, bool written)
{
	struct unread *unread = unread_of(xhci, number);

	dma_check_revoke(check_of(xhci), place);
	if (unread && written && unread->count < UNREAD_MAX)
		unread->places[(unread->first + unread->count++) % UNREAD_MAX] = *place;
}

/* ---- contexts ---- */

void xhci_lend_endpoint(struct xhci *xhci, const void *owner, const struct xhci_ep_id *id,
			uint64_t iova, bool streams)
{
	const struct dma_leave leave = {
		.what = DMA_WHAT_ENDPOINT,
		.slot = id->slot_id,
		.dci = id->dci,
		.by_iova = iova,
	};

	dma_check_permit(check_of(xhci), owner, &leave, iova, sizeof(uint32_t));
	if (!streams)
		dma_check_permit(check_of(xhci), owner, &leave,
				 iova + CONTEXT_OFF_DEQUEUE, sizeof(uint64_t));
}

void xhci_lend_stream(struct xhci *xhci, const void *owner, const struct xhci_ep_id *id,
		      uint64_t iova)
{
	const struct dma_leave leave = {
		.what = DMA_WHAT_ENDPOINT,
		.slot = id->slot_id,
		.dci = id->dci,
		.by_iova = iova,
	};

	dma_check_permit(check_of(xhci), owner, &leave, iova, sizeof(uint64_t));
}

void xhci_lend_context_end(struct xhci *xhci, const void *owner)
{
	dma_check_revoke(check_of(xhci), owner);
}

void xhci_lend_command_begin(struct xhci *xhci, const struct xhci_trb *trb,
			     uint64_t trb_iova)
{
	if (xhci->lend)
		xhci->lend->command = (struct dma_leave){
			.what = DMA_WHAT_COMMAND,
			.slot = xhci_trb_slot_id(trb),
			.by_iova = trb_iova,
		};
}

void xhci_lend_command(struct xhci *xhci, uint64_t iova, uint64_t len)
{
	const struct dma_leave none = {.what = DMA_WHAT_COMMAND};

	dma_check_permit(check_of(xhci), xhci->commands,
			 xhci->lend ? &xhci->lend->command : &none, iova, len);
}

void xhci_lend_command_end(struct xhci *xhci)
{
	dma_check_revoke(check_of(xhci), xhci->commands);
}

static void none_of_disabled(struct xhci *xhci, unsigned slot_id, uint32_t dcis)
{
	if (dcis != 0)
		dma_check_none(check_of(xhci), DMA_WHAT_ANY, slot_id, dcis,
			       "the guest learns that the endpoint is disabled");
}

void xhci_lend_command_answered(struct xhci *xhci, const struct xhci_trb *trb,
				enum xhci_cc cc, uint32_t disabled_dcis)
{
	unsigned slot_id = xhci_trb_slot_id(trb);

	if (cc != XHCI_CC_SUCCESS)
		return;
	switch ((int)xhci_trb_type(trb)) {
	case XHCI_TRB_TYPE_DISABLE_SLOT:
		dma_check_none(check_of(xhci), DMA_WHAT_ANY, slot_id, 0,
			       "the guest learns that the slot is disabled");
		break;
	case XHCI_TRB_TYPE_RESET_DEVICE:
		dma_check_none(check_of(xhci), DMA_WHAT_DATA, slot_id, 0,
			       "the guest learns that the device is reset");
		none_of_disabled(xhci, slot_id, disabled_dcis);
		break;
	case XHCI_TRB_TYPE_CONFIGURE_ENDPOINT:
		none_of_disabled(xhci, slot_id, disabled_dcis);
		break;
	case XHCI_TRB_TYPE_STOP_ENDPOINT:
	case XHCI_TRB_TYPE_RESET_ENDPOINT:
	case XHCI_TRB_TYPE_SET_TR_DEQUEUE:
		dma_check_none(check_of(xhci), DMA_WHAT_DATA, slot_id,
			       UINT32_C(1) << xhci_trb_dci(trb),
			       "the guest learns that the endpoint has stopped");
		break;
	default:
		break;
	}
}
