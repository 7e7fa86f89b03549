/* SPDX-License-Identifier: MIT
 * td.h - a Transfer Descriptor: from TRBs to one USB transfer, and back to events
 *
 * A TD is fetched whole (its TRBs copied), becomes one usbdev_transfer, and
 * when that is done its Transfer Events are posted. A control transfer's
 * Setup, Data and Status TDs are one struct xhci_td. Loop thread only.
 */
#ifndef XHCI_TD_H
#define XHCI_TD_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/usbdev.h"
#include "util/compiler.h"
#include "util/list.h"
#include "xhci/context.h"
#include "xhci/ring.h"
#include "xhci/spec.h"
#include "xhci/trb.h"

struct xhci;
struct xhci_transfer_ring;

/* Bounds. A TD of more than XHCI_TD_TRBS_MAX TRBs is refused with TRB Error: with 4 KiB
 * pages it has 64 MiB. So is one that takes more looks: at Link TRBs, and at Setup TRBs
 * that the next one abandons. Beyond the totals an endpoint waits until others'
 * TDs complete, but one small TD per endpoint is always possible. */
#define XHCI_TD_TRBS_MAX    16384u
#define XHCI_TD_LOOKS_MAX   (XHCI_TD_TRBS_MAX + 4096u)
#define XHCI_TDS_TOTAL      4096u
#define XHCI_TRBS_TOTAL     131072u
#define XHCI_TD_TRBS_SMALL  256u
#define XHCI_TD_TRBS_INLINE 4u
/* Orphans of one device, among those totals. A device that keeps this many gets no transfers:
 * else one that never returns a TD (a host that is stuck) would in time hold all TDs of the
 * controller, and more, as each endpoint may always have a small one. */
#define XHCI_ORPHANS_PER_DEVICE 64u

struct xhci_td_trb {
	struct xhci_trb trb; /* of an IDT TRB, parameter is in guest byte order */
	uint64_t iova;
};

/*
 *                   submit                returned             events posted
 *   FETCHED --------------------> SUBMITTED ------------> DONE ----------------> freed
 *     ^                             |                      |
 *     |                             | dropped              | stopped in its middle
 *     |                             v           returned   |
 *     |                           ORPHAN -------> freed    |
 *     +----------------------------------------------------+
 *
 * Changed by transfer_ring.c, and by xhci_td_replace().
 */
enum xhci_td_state {
	XHCI_TD_STATE_FETCHED,   /* to be submitted */
	XHCI_TD_STATE_SUBMITTED, /* the device holds its transfer */
	XHCI_TD_STATE_ORPHAN, /* so too, but no ring has it; guest memory is closed to it */
	XHCI_TD_STATE_DONE,   /* transfer.status counts; events to be posted */
};

/**
 * struct xhci_td_report - how far the Transfer Events of a TD have been posted
 * @index:	the next TRB
 * @left:	bytes moved and not yet attributed to a TRB
 * @edtla:	Event Data Transfer Length Accumulator
 * @is_short:	the packet was short
 * @failed:	isochronous: the error has been reported
 */
struct xhci_td_report {
	unsigned index;
	uint32_t left;
	uint32_t edtla;
	bool is_short;
	bool failed;
};

/**
 * struct xhci_td - one TD
 * @node:	in the transfer ring's list, or among the controller's orphans
 * @ring:	its transfer ring; not of an orphan
 * @id:		the endpoint
 * @dev:	the device it was submitted to
 * @memory:	xhci_memory_generation() and guest_mem_losses() at that time
 * @start:	ring cursor at its first TRB
 * @end:	ring cursor behind its last TRB
 * @is_transfer: moves data or a control request (else only No-Op, Event Data)
 * @bad:	a TRB is invalid: the last one of @trbs. TRB Error
 * @length_bytes: of the whole TD
 * @moved_bytes: by earlier submissions of this TD, which was stopped on the way
 * @iov:	where usbdev_transfer_iov() last was: a TRB, and the bytes before it
 */
struct xhci_td {
	struct list node;
	struct xhci *xhci;
	struct xhci_transfer_ring *ring;
	struct xhci_ep_id id;
	struct usbdev *dev;
	struct {
		uint64_t generation;
		unsigned losses;
	} memory;
	struct usbdev_transfer transfer;
	enum xhci_td_state state;
	bool is_transfer;
	bool bad;
	struct xhci_ring start;
	struct xhci_ring end;
	uint32_t length_bytes;
	uint32_t moved_bytes;
	struct xhci_td_report report;
	struct {
		unsigned index;
		uint32_t offset;
	} iov;
	unsigned trb_count;
	unsigned trb_capacity;
	struct xhci_td_trb *trbs;
	struct xhci_td_trb trbs_inline[XHCI_TD_TRBS_INLINE];
};

/**
 * xhci_td_fetch() - take the next whole TD off @ring
 * @ring:	cursor of the endpoint; moved behind the TD on success only
 * @id:		the endpoint
 * @always:	not refused for the totals if small
 *
 * Return: 1 and an owned TD in @ret_td (perhaps @bad); 0 nothing complete there;
 * -EFAULT outside memory; -ELOOP XHCI_TD_LOOKS_MAX or too many Link TRBs in a row; -EAGAIN over a total or no memory:
 * try again when another TD has been freed.
 */
MUST_USE int xhci_td_fetch(struct xhci *xhci, struct xhci_ring *ring,
			   const struct xhci_ep_id *id, bool always,
			   struct xhci_td **ret_td);
/* True for a TD of an isochronous endpoint. It may end with any error: the endpoint
 * does not halt. */
static inline bool xhci_td_is_isoch(const struct xhci_td *td)
{
	return xhci_ep_type_is_isoch(td->id.type);
}
/**
 * xhci_td_replace() - make the TD that takes the place of @td, whose transfer the device holds
 *
 * The new TD takes over the TRBs, as if they had been cancelled with nothing moved. @td keeps
 * the transfer and nothing else: only an orphan can become of it.
 *
 * Return: owned, on no list; NULL without memory, nothing has changed.
 */
struct xhci_td *xhci_td_replace(struct xhci_td *td);
/* Off its list, freed. NULL is fine. Not while the device holds it. */
void xhci_td_free(struct xhci_td *td);

/* True if all of @td's data can be reached in guest memory. */
bool xhci_td_is_reachable(const struct xhci_td *td);
/* True for TRBs whose length counts as data of the TD. */
bool xhci_trb_has_data(const struct xhci_trb *trb);

#endif /* XHCI_TD_H */
