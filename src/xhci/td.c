/* SPDX-License-Identifier: MIT
 * td.c - fetching TDs from a transfer ring
 *
 * A TD ends at the first TRB without Chain bit (4.11.2.1); a Link TRB never ends one. On a
 * control endpoint we take a Setup TD, an optional Data TD and a Status TD together: the
 * device sees one control transfer. A new Setup TRB before the Status TRB abandons the
 * transfer before it. We take nothing until the whole TD is there; the next doorbell looks
 * again.
 */
#include "xhci/td.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xhci/controller.h"
#include "xhci/lend.h"

#define IDT_BYTES_MAX 8u
#define SETUP_BYTES   8u
#define TD_BYTES_MAX  0x7fffffffu

/* What a control TD expects next. */
enum control_stage {
	CONTROL_STAGE_SETUP,
	CONTROL_STAGE_DATA_OR_STATUS,
	CONTROL_STAGE_DATA, /* in the chain of the data stage */
	CONTROL_STAGE_STATUS,
	CONTROL_STAGE_STATUS_CHAIN,
};

bool xhci_trb_has_data(const struct xhci_trb *trb)
{
	enum xhci_trb_type type = xhci_trb_type(trb);

	return type == XHCI_TRB_TYPE_NORMAL || type == XHCI_TRB_TYPE_DATA ||
	       type == XHCI_TRB_TYPE_ISOCH;
}

/* Looks up the host memory of the data, in each loop turn. */
static int td_iov(struct usbdev_transfer *transfer, uint32_t offset, uint32_t len,
		  struct iovec *iov, int iov_max)
{
	struct xhci_td *td = transfer->owner;
	unsigned prot =
		usbdev_transfer_is_in(transfer) ? GUEST_MEM_WRITE : GUEST_MEM_READ;
	int used = 0;

	xhci_lend_settle(td->xhci);
	if (td->state == XHCI_TD_STATE_ORPHAN || !td->xhci->bus_master)
		return -EFAULT;
	offset += td->moved_bytes;
	if (offset < td->iov.offset) {
		td->iov.index = 0;
		td->iov.offset = 0;
	}
	while (len > 0 && used < iov_max && td->iov.index < td->trb_count) {
		struct xhci_trb *trb = &td->trbs[td->iov.index].trb;
		uint32_t trb_bytes = xhci_trb_has_data(trb) ? xhci_trb_length(trb) : 0;
		uint32_t skip = offset - td->iov.offset;
		uint32_t piece;
		int r = 1;

		if (skip >= trb_bytes) {
			td->iov.index++;
			td->iov.offset += trb_bytes;
			continue;
		}
		piece = MIN_OF(len, trb_bytes - skip);
		if (trb->control & XHCI_TRB_IDT) {
			iov[used].iov_base = (uint8_t *)&trb->parameter + skip;
			iov[used].iov_len = piece;
		} else {
			r = guest_mem_iov(td->xhci->mem, trb->parameter + skip, piece,
					  prot, iov + used, iov_max - used);
			if (r < 0)
				return r;
			piece = 0;
			for (int i = used; i < used + r; i++)
				piece += (uint32_t)iov[i].iov_len;
		}
		used += r;
		offset += piece;
		len -= piece;
	}
	return used;
}

bool xhci_td_is_reachable(const struct xhci_td *td)
{
	unsigned prot =
		usbdev_transfer_is_in(&td->transfer) ? GUEST_MEM_WRITE : GUEST_MEM_READ;

	for (unsigned i = 0; i < td->trb_count; i++) {
		const struct xhci_trb *trb = &td->trbs[i].trb;

		if (xhci_trb_has_data(trb) && !(trb->control & XHCI_TRB_IDT) &&
		    !guest_mem_check(td->xhci->mem, trb->parameter, xhci_trb_length(trb),
				     prot))
			return false;
	}
	return true;
}

static struct xhci_td *td_alloc(struct xhci *xhci, const struct xhci_ep_id *id,
				bool always)
{
	struct xhci_td *td;

	if (xhci->tds >= XHCI_TDS_TOTAL && !always)
		return NULL;
	td = calloc(1, sizeof(*td));
	if (!td) {
		xhci_short_of_memory(xhci);
		return NULL;
	}
	td->xhci = xhci;
	td->id = *id;
	td->trbs = td->trbs_inline;
	td->trb_capacity = XHCI_TD_TRBS_INLINE;
	td->transfer.owner = td;
	td->transfer.iov = td_iov;
	list_init(&td->node);
	list_init(&td->transfer.node);
	xhci->tds++;
	return td;
}

struct xhci_td *xhci_td_replace(struct xhci_td *td)
{
	struct xhci_td *replacement = td_alloc(td->xhci, &td->id, true);

	if (!replacement)
		return NULL;
	replacement->ring = td->ring;
	replacement->transfer.setup = td->transfer.setup;
	replacement->transfer.status = USBDEV_STATUS_CANCELLED;
	replacement->state = XHCI_TD_STATE_DONE;
	replacement->is_transfer = td->is_transfer;
	replacement->bad = td->bad;
	replacement->start = td->start;
	replacement->end = td->end;
	replacement->length_bytes = td->length_bytes;
	replacement->moved_bytes = td->moved_bytes;
	replacement->report = td->report;

	replacement->trb_count = td->trb_count;
	replacement->trb_capacity = td->trb_capacity;
	if (td->trbs == td->trbs_inline)
		memcpy(replacement->trbs_inline, td->trbs_inline,
		       sizeof(td->trbs_inline));
	else
		replacement->trbs = td->trbs;
	td->trbs = td->trbs_inline;
	td->trb_count = 0;
	td->trb_capacity = XHCI_TD_TRBS_INLINE;
	return replacement;
}

void xhci_td_free(struct xhci_td *td)
{
	if (!td)
		return;
	assert(td->state != XHCI_TD_STATE_SUBMITTED && td->state != XHCI_TD_STATE_ORPHAN);
	list_remove(&td->node);
	td->xhci->tds--;
	if (td->trbs != td->trbs_inline) {
		td->xhci->trbs -= td->trb_capacity;
		free(td->trbs);
	}
	free(td);
}

/* Return: 0, -EAGAIN over the totals, -E2BIG over the bound of one TD. */
static int td_append(struct xhci_td *td, const struct xhci_trb *trb, uint64_t iova,
		     bool always)
{
	if (td->trb_count == td->trb_capacity) {
		unsigned capacity = td->trb_capacity * 4;
		bool inline_now = td->trbs == td->trbs_inline;
		unsigned grow = inline_now ? capacity : capacity - td->trb_capacity;
		struct xhci_td_trb *trbs;

		if (capacity > XHCI_TD_TRBS_MAX)
			return -E2BIG;
		if (td->xhci->trbs + grow > XHCI_TRBS_TOTAL &&
		    !(always && capacity <= XHCI_TD_TRBS_SMALL))
			return -EAGAIN;
		trbs = realloc(inline_now ? NULL : td->trbs, capacity * sizeof(*trbs));
		if (!trbs) {
			xhci_short_of_memory(td->xhci);
			return -EAGAIN;
		}
		if (inline_now)
			memcpy(trbs, td->trbs_inline, sizeof(td->trbs_inline));
		td->xhci->trbs += grow;
		td->trbs = trbs;
		td->trb_capacity = capacity;
	}
	td->trbs[td->trb_count].trb = *trb;
	td->trbs[td->trb_count].iova = iova;
	td->trb_count++;
	return 0;
}

/* Counts the data of the TRB just appended. False: its fields are invalid. */
static bool td_take_data(struct xhci_td *td, bool in)
{
	struct xhci_trb *trb = &td->trbs[td->trb_count - 1].trb;
	uint32_t len = xhci_trb_length(trb);

	if (trb->control & XHCI_TRB_IDT) {
		if (in || len > IDT_BYTES_MAX)
			return false;
		trb->parameter = htole64(trb->parameter);
	}
	if (len > TD_BYTES_MAX - td->length_bytes)
		return false;
	td->length_bytes += len;
	td->is_transfer = true;
	return true;
}

/* Takes a TRB of a ring that is not a control endpoint's; the first with data of an
 * isochronous TD, and that one only, is an Isoch TRB (4.11.2.3). False: invalid there. */
static bool td_take_normal(struct xhci_td *td, enum xhci_ep_type type)
{
	bool isoch = xhci_ep_type_is_isoch(type);
	bool first = !td->is_transfer;

	switch ((int)xhci_trb_type(&td->trbs[td->trb_count - 1].trb)) {
	case XHCI_TRB_TYPE_ISOCH:
		return isoch && first && td_take_data(td, xhci_ep_type_is_in(type));
	case XHCI_TRB_TYPE_NORMAL:
		return !(isoch && first) && td_take_data(td, xhci_ep_type_is_in(type));
	case XHCI_TRB_TYPE_EVENT_DATA:
	case XHCI_TRB_TYPE_NOOP:
		return true;
	default:
		return false;
	}
}

static bool take_setup(struct xhci_td *td)
{
	struct xhci_trb *trb = &td->trbs[td->trb_count - 1].trb;
	uint8_t raw[SETUP_BYTES];

	if (!(trb->control & XHCI_TRB_IDT) || xhci_trb_length(trb) != SETUP_BYTES)
		return false;
	put_le64(raw, trb->parameter);
	td->transfer.setup = (struct usbdev_setup){
		.request_type = raw[0],
		.request = raw[1],
		.value = get_le16(raw + 2),
		.index = get_le16(raw + 4),
		.length = get_le16(raw + 6),
	};
	td->is_transfer = true;
	return true;
}

/* Takes a TRB of a control ring (4.11.2.2). False: invalid there. @ret_last: it
 * ends the control transfer. */
static bool td_take_control(struct xhci_td *td, enum control_stage *stage, bool *ret_last)
{
	const struct xhci_trb *trb = &td->trbs[td->trb_count - 1].trb;
	bool chained = (trb->control & XHCI_TRB_CH) != 0;
	/* the direction comes from the request: old drivers leave TRT at 0 */
	bool in = (td->transfer.setup.request_type & USBDEV_DIR_IN) != 0;
	enum xhci_trb_type type = xhci_trb_type(trb);

	*ret_last = false;
	if (*stage == CONTROL_STAGE_SETUP) {
		if (type == XHCI_TRB_TYPE_NOOP) {
			*ret_last = true;
			return true;
		}
		*stage = CONTROL_STAGE_DATA_OR_STATUS;
		return type == XHCI_TRB_TYPE_SETUP && take_setup(td);
	}
	if (*stage == CONTROL_STAGE_DATA ||
	    (*stage == CONTROL_STAGE_DATA_OR_STATUS && type == XHCI_TRB_TYPE_DATA)) {
		bool first = *stage == CONTROL_STAGE_DATA_OR_STATUS;

		*stage = chained ? CONTROL_STAGE_DATA : CONTROL_STAGE_STATUS;
		if (type == XHCI_TRB_TYPE_EVENT_DATA)
			return !first;
		return type == (first ? XHCI_TRB_TYPE_DATA : XHCI_TRB_TYPE_NORMAL) &&
		       td_take_data(td, in);
	}
	*ret_last = !chained;
	if (*stage == CONTROL_STAGE_STATUS_CHAIN)
		return type == XHCI_TRB_TYPE_EVENT_DATA;
	*stage = CONTROL_STAGE_STATUS_CHAIN;
	return type == XHCI_TRB_TYPE_STATUS;
}

/* Drops the TRBs of an abandoned control transfer, but for the last one. */
static void td_restart(struct xhci_td *td)
{
	td->trbs[0] = td->trbs[td->trb_count - 1];
	td->trb_count = 1;
	td->length_bytes = 0;
}

/* Adds one TRB. Return: 1 the TD is complete, 0 it needs more TRBs, -errno as td_append(). */
static int td_add(struct xhci_td *td, const struct xhci_trb *trb, uint64_t iova,
		  enum xhci_ep_type type, bool always, enum control_stage *stage)
{
	bool control = type == XHCI_EP_TYPE_CONTROL;
	bool last = !(trb->control & XHCI_TRB_CH);
	int r = td_append(td, trb, iova, always);

	if (r == -E2BIG) {
		td->bad = true;
		return 1;
	}
	if (r < 0)
		return r;
	if (xhci_trb_type(trb) == XHCI_TRB_TYPE_LINK)
		return 0;
	if (control && xhci_trb_type(trb) == XHCI_TRB_TYPE_SETUP &&
	    *stage != CONTROL_STAGE_SETUP) {
		td_restart(td);
		*stage = CONTROL_STAGE_SETUP;
	}
	if (control ? !td_take_control(td, stage, &last) : !td_take_normal(td, type)) {
		td->bad = true;
		return 1;
	}
	return last;
}

/* xhci_td_fetch(), with the looks that it may take. */
static int fetch(struct xhci *xhci, struct xhci_budget *looks, struct xhci_ring *ring,
		 const struct xhci_ep_id *id, bool always, struct xhci_td **ret_td)
{
	struct xhci_ring next = *ring;
	enum control_stage stage = CONTROL_STAGE_SETUP;
	struct xhci_td *td = NULL;
	bool started = false;
	unsigned links = 0;
	struct xhci_trb trb;
	int r;

	do {
		bool cycle = next.cycle;
		bool link;
		uint64_t iova;

		r = xhci_ring_next(&next, xhci->mem, looks, &trb, &iova);
		if (r <= 0)
			break;
		link = xhci_trb_type(&trb) == XHCI_TRB_TYPE_LINK;
		links = link ? links + 1 : 0;
		if (links > XHCI_RING_LINKS_MAX) {
			r = -ELOOP;
			break;
		}
		if (link && !(trb.control & XHCI_TRB_IOC)) {
			r = 0;
			continue;
		}
		if (!td) {
			td = td_alloc(xhci, id, always);
			if (!td)
				return -EAGAIN;
		}
		/* it starts behind the Link TRBs before it */
		r = td_add(td, &trb, iova, id->type, always, &stage);
		if (!link && (!started || td->trb_count == 1))
			td->start = (struct xhci_ring){iova, cycle};
		started = started || !link;
	} while (r == 0);
	if (r != 1 || !td) {
		xhci_td_free(td);
		return r;
	}
	td->end = next;
	*ring = next;
	*ret_td = td;
	return 1;
}

int xhci_td_fetch(struct xhci *xhci, struct xhci_ring *ring, const struct xhci_ep_id *id,
		  bool always, struct xhci_td **ret_td)
{
	struct xhci_budget looks = xhci_budget_of(XHCI_TD_LOOKS_MAX);
	int r = fetch(xhci, &looks, ring, id, always, ret_td);

	xhci_budget_spend(&xhci->budget, xhci_budget_spent(&looks));
	return r;
}
