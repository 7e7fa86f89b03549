/* SPDX-License-Identifier: MIT
 * transfer_events.c - the Transfer Events of a TD (4.10, 4.11.3, 6.4.2.1)
 *
 * We lay the bytes moved over the TRBs in order. A TRB that is filled posts an event if it
 * asks for one (IOC). The one in which the transfer ends early posts Short Packet (ISP or
 * IOC) or the error. After a short packet we pass over the rest of the TD, but an Event
 * Data TRB, or IOC on a later TRB, still reports, as Short Packet (4.10.1.1.2).
 * An isochronous TD that fails does not stop its endpoint (4.9.1, 4.10.2). The TRB where it
 * failed reports the error, and so does every later TRB of the TD that reports at all.
 * The event ring may refuse every post, so the TD keeps the place reached, and its state
 * changes only after a post has succeeded.
 */
#include "xhci/transfer_events.h"

#include "xhci/interrupter.h"
#include "xhci/td.h"

#define EDTLA_MASK 0xffffffu

/* The one place where a device's status becomes the guest's completion code. */
static enum xhci_cc cc_of_status(enum usbdev_status status)
{
	switch (status) {
	case USBDEV_STATUS_OK:
		return XHCI_CC_SUCCESS;
	case USBDEV_STATUS_STALL:
		return XHCI_CC_STALL_ERROR;
	case USBDEV_STATUS_BABBLE:
		return XHCI_CC_BABBLE_DETECTED;
	case USBDEV_STATUS_MEMORY:
		return XHCI_CC_DATA_BUFFER_ERROR;
	case USBDEV_STATUS_MISSED:
		return XHCI_CC_MISSED_SERVICE_ERROR;
	case USBDEV_STATUS_ERROR:
	case USBDEV_STATUS_CANCELLED: /* by a port reset under the endpoint */
	case USBDEV_STATUS_GONE:
		break;
	}
	return XHCI_CC_USB_TRANSACTION_ERROR;
}

struct xhci_trb xhci_transfer_event(const struct xhci_ep_id *id, uint64_t parameter,
				    enum xhci_cc cc, uint32_t length_bytes)
{
	return (struct xhci_trb){
		.parameter = parameter,
		.status = (uint32_t)cc << 24 | (length_bytes & EDTLA_MASK),
		.control = xhci_trb_type_bits(XHCI_TRB_TYPE_TRANSFER_EVENT) |
			   (uint32_t)id->dci << XHCI_TRB_EP_SHIFT |
			   (uint32_t)id->slot_id << XHCI_TRB_SLOT_SHIFT,
	};
}

/* @residue: bytes of @at not moved. */
static int post(struct xhci_td *td, const struct xhci_td_trb *at, enum xhci_cc cc,
		uint32_t residue)
{
	struct xhci_trb event = xhci_transfer_event(&td->id, at->iova, cc, residue);
	bool block = (at->trb.control & XHCI_TRB_BEI) != 0;

	if (xhci_trb_type(&at->trb) == XHCI_TRB_TYPE_EVENT_DATA) {
		event.parameter = at->trb.parameter;
		event.control |= XHCI_TRB_EVENT_ED;
	}
	return xhci_event_post(td->xhci, xhci_trb_interrupter(&at->trb), &event, block);
}

static bool asks_for_event(const struct xhci_trb *trb)
{
	return (trb->control & XHCI_TRB_IOC) != 0;
}

/* True if no TRB after @index moves data or is a Status TRB. */
static bool is_last_stage(const struct xhci_td *td, unsigned index)
{
	for (unsigned i = index + 1; i < td->trb_count; i++)
		if (xhci_trb_has_data(&td->trbs[i].trb) ||
		    xhci_trb_type(&td->trbs[i].trb) == XHCI_TRB_TYPE_STATUS)
			return false;
	return true;
}

/* A Normal, Data or Isoch TRB. Return: 0 go on, 1 the TD ends here with the error @cc, or
 * -errno. */
static int post_data_trb(struct xhci_td *td, const struct xhci_td_trb *at,
			 enum xhci_cc cc)
{
	uint32_t len = xhci_trb_length(&at->trb);
	uint32_t chunk = MIN_OF(len, td->report.left);
	bool failed = cc != XHCI_CC_SUCCESS &&
		      (chunk < len || is_last_stage(td, td->report.index));
	bool ends = !td->report.is_short && chunk < len;
	int r = 0;

	if (td->report.failed)
		return asks_for_event(&at->trb) ? post(td, at, cc, len) : 0;
	if (failed)
		r = post(td, at, cc, len - chunk);
	else if (ends && (at->trb.control & (XHCI_TRB_ISP | XHCI_TRB_IOC)))
		r = post(td, at, XHCI_CC_SHORT_PACKET, len - chunk);
	else if (!ends && asks_for_event(&at->trb))
		r = post(td, at,
			 td->report.is_short ? XHCI_CC_SHORT_PACKET : XHCI_CC_SUCCESS,
			 len - chunk);
	if (r < 0)
		return r;
	if (failed && !xhci_td_is_isoch(td))
		return 1; /* the TD may yet be resumed in this TRB */
	td->report.failed = failed;
	td->report.left -= chunk;
	td->report.edtla += chunk;
	td->report.is_short = td->report.is_short || ends;
	return 0;
}

/* Return: as post_data_trb(). */
static int post_trb(struct xhci_td *td, const struct xhci_td_trb *at, enum xhci_cc cc)
{
	enum xhci_trb_type type = xhci_trb_type(&at->trb);
	int r = 0;

	if (xhci_trb_has_data(&at->trb))
		return post_data_trb(td, at, cc);
	if (type == XHCI_TRB_TYPE_STATUS) {
		if (cc != XHCI_CC_SUCCESS) {
			r = post(td, at, cc, 0);
			return r < 0 ? r : 1;
		}
		td->report.is_short = false;
		td->report.edtla = 0;
	}
	if (type == XHCI_TRB_TYPE_EVENT_DATA) {
		if (!td->report.failed)
			cc = td->report.is_short ? XHCI_CC_SHORT_PACKET : XHCI_CC_SUCCESS;
		if (asks_for_event(&at->trb))
			r = post(td, at, cc, td->report.edtla);
		if (r == 0)
			td->report.edtla = 0;
		return r;
	}
	return asks_for_event(&at->trb) ? post(td, at, XHCI_CC_SUCCESS, 0) : 0;
}

int xhci_td_post_events(struct xhci_td *td, bool *ret_failed)
{
	enum xhci_cc cc =
		td->is_transfer ? cc_of_status(td->transfer.status) : XHCI_CC_SUCCESS;
	int r;

	*ret_failed = false;
	/* isochronous endpoints have no handshake, and drivers take a stall for a halt */
	if (cc == XHCI_CC_STALL_ERROR && xhci_td_is_isoch(td))
		cc = XHCI_CC_USB_TRANSACTION_ERROR;
	if (td->bad) {
		const struct xhci_td_trb *at = &td->trbs[td->trb_count - 1];

		r = post(td, at, XHCI_CC_TRB_ERROR,
			 xhci_trb_has_data(&at->trb) ? xhci_trb_length(&at->trb) : 0);
		*ret_failed = r == 0;
		return r;
	}
	for (; td->report.index < td->trb_count; td->report.index++) {
		r = post_trb(td, &td->trbs[td->report.index], cc);
		if (r < 0)
			return r;
		if (r > 0) {
			*ret_failed = true;
			return 0;
		}
	}
	return 0;
}

int xhci_td_post_partial(struct xhci_td *td)
{
	for (; td->report.index < td->trb_count; td->report.index++) {
		const struct xhci_td_trb *at = &td->trbs[td->report.index];
		int r;

		if (xhci_trb_type(&at->trb) == XHCI_TRB_TYPE_SETUP ||
		    xhci_trb_type(&at->trb) == XHCI_TRB_TYPE_STATUS)
			break;
		if (xhci_trb_has_data(&at->trb) &&
		    td->report.left < xhci_trb_length(&at->trb))
			break;
		/* a zero-length TRB has not been executed */
		if (xhci_trb_has_data(&at->trb) && xhci_trb_length(&at->trb) == 0)
			break;
		r = post_trb(td, at, XHCI_CC_SUCCESS);
		if (r < 0)
			return r;
	}
	return 0;
}

int xhci_td_post_stopped(struct xhci_td *td)
{
	unsigned index = td->report.index;
	uint32_t residue = 0;
	struct xhci_td_trb at;

	/* a control transfer waits in its data stage, or else in its status stage */
	while (index + 1 < td->trb_count && !xhci_trb_has_data(&td->trbs[index].trb) &&
	       xhci_trb_type(&td->trbs[index].trb) != XHCI_TRB_TYPE_STATUS)
		index++;
	at = td->trbs[index];
	if (xhci_trb_has_data(&at.trb))
		residue = xhci_trb_length(&at.trb) -
			  MIN_OF(td->report.left, xhci_trb_length(&at.trb));
	if (xhci_trb_type(&at.trb) == XHCI_TRB_TYPE_EVENT_DATA)
		residue = td->report.edtla;
	at.trb.control &= ~XHCI_TRB_BEI;
	return post(td, &at, XHCI_CC_STOPPED, residue);
}
