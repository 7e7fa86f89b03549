/* SPDX-License-Identifier: MIT
 * isoch.c - isochronous endpoints in time
 *
 * An isochronous TD is the payload of one service interval, and becomes one
 * transfer of the device. Which interval that is, is the device's business: it takes
 * the transfers of an endpoint in order, one in each interval of its own bus. Here
 * is decided only when a stream starts and when it has ended:
 *
 *            first TD: SIA, or its frame has come
 *   IDLE ------------------------------------------> STREAMING
 *    ^  \__ its frame is ahead: wait for it            |   TDs go to the device as
 *    |  \__ its frame has passed: Missed Service       |   they come, 512 ahead
 *    |                                                 |
 *    +--- Stop Endpoint, RS = 0 <----------------------+
 *    +--- nothing queued and nothing with the device, <+
 *         for a grace time: Ring Underrun or Overrun
 *
 * The rule for Frame IDs. Only the first TD of a stream is held against MFINDEX. In a
 * stream that runs a Frame ID is not looked at: the TDs are taken one after the other,
 * without gaps. For MFINDEX runs on this machine's clock, and a real device's bus on
 * another one; they drift apart by parts in a million, a frame in some minutes. Were
 * each TD checked, then a stream would stumble after minutes, or when the frame counter
 * wraps after two seconds; taken in order it runs for days. This is what a controller
 * without Contiguous Frame ID Capability (HCCPARAMS1.CFC, 5.3.6) promises.
 *
 * A frame has come, is ahead or has passed, by 11 bits: up to 895 ms ahead are ahead
 * (4.11.2.5), all others have passed. A TD that waits is left on the ring.
 *
 * The grace time is what a guest has to queue more when it hears of the last
 * completion: real controllers hear of the last packet when it has gone over the wire,
 * this one a moment later and with others together. A service interval, but at least a
 * millisecond. So a ring that stays filled costs no timer at all.
 */
#include "xhci/isoch.h"

#include "xhci/endpoint.h"
#include "xhci/td.h"
#include "xhci/xhci_priv.h"

#define UFRAMES_PER_FRAME 8u
#define FRAME_NS          ((uint64_t)UFRAMES_PER_FRAME * XHCI_UFRAME_NS)
#define FRAME_IDS         (XHCI_MFINDEX_UFRAMES / UFRAMES_PER_FRAME)
#define FRAMES_AHEAD_MAX  895u
#define GRACE_MIN_NS      FRAME_NS
/* 6.2.3.6: the largest Interval that means something; 4 s. */
#define INTERVAL_MAX 15u

void xhci_isoch_init(struct xhci_endpoint *ep, const struct xhci_context *ctx)
{
	unsigned interval = xhci_ep_context_interval(ctx);

	ep->isoch = (struct xhci_isoch){
		.interval_ns = (uint64_t)XHCI_UFRAME_NS << MIN_OF(interval, INTERVAL_MAX),
	};
	list_init(&ep->isoch.node);
}

static void set_due(struct xhci_endpoint *ep, uint64_t due_ns)
{
	ep->isoch.due_ns = due_ns;
	list_remove(&ep->isoch.node);
	if (due_ns != 0)
		list_append(&ep->xhci->isoch_due, &ep->isoch.node);
}

void xhci_isoch_end(struct xhci_endpoint *ep)
{
	ep->isoch.streaming = false;
	set_due(ep, 0);
}

static const struct xhci_trb *isoch_trb(const struct xhci_td *td)
{
	for (unsigned i = 0; i < td->trb_count; i++)
		if (xhci_trb_type(&td->trbs[i].trb) == XHCI_TRB_TYPE_ISOCH)
			return &td->trbs[i].trb;
	return NULL;
}

enum xhci_isoch_turn xhci_isoch_admit(struct xhci_endpoint *ep, const struct xhci_td *td)
{
	const struct xhci_trb *trb = isoch_trb(td);
	uint64_t frame = xhci_uframes(ep->xhci) / UFRAMES_PER_FRAME;
	/* it has been waited for, and is not late for our waking up late */
	bool waited = ep->isoch.due_ns != 0 && xhci_now_ns(ep->xhci) >= ep->isoch.due_ns;
	unsigned ahead;

	if (td->bad || !trb)
		return XHCI_ISOCH_TURN_NOW;
	if (!ep->isoch.streaming && !waited && !(trb->control & XHCI_TRB_SIA)) {
		ahead = (unsigned)(xhci_trb_frame_id(trb) - frame) % FRAME_IDS;
		if (ahead > FRAMES_AHEAD_MAX)
			return XHCI_ISOCH_TURN_MISSED;
		if (ahead > 0) {
			set_due(ep,
				ep->xhci->mfindex.zero_ns + (frame + ahead) * FRAME_NS);
			return XHCI_ISOCH_TURN_LATER;
		}
	}
	ep->isoch.streaming = true;
	set_due(ep, 0);
	return XHCI_ISOCH_TURN_NOW;
}

int xhci_isoch_empty(struct xhci_endpoint *ep)
{
	struct xhci_trb event;
	int r;

	if (!ep->isoch.streaming)
		return 0;
	if (ep->isoch.due_ns == 0) {
		set_due(ep, xhci_now_ns(ep->xhci) +
				    MAX_OF(ep->isoch.interval_ns, GRACE_MIN_NS));
		return 0;
	}
	if (xhci_now_ns(ep->xhci) < ep->isoch.due_ns)
		return 0;
	/* the TRB Pointer is not valid: there is none */
	event = xhci_transfer_event(ep, 0,
				    xhci_ep_type_is_in(ep->type) ? XHCI_CC_RING_OVERRUN
								 : XHCI_CC_RING_UNDERRUN,
				    0);
	r = xhci_event_post(ep->xhci, 0, &event, false);
	if (r == 0)
		xhci_isoch_end(ep);
	return r;
}

void xhci_isoch_wake(struct xhci *xhci)
{
	struct list *node;

	LIST_FOREACH(node, &xhci->isoch_due) {
		struct xhci_endpoint *ep =
			LIST_ENTRY(node, struct xhci_endpoint, isoch.node);

		if (xhci_now_ns(xhci) < ep->isoch.due_ns)
			continue;
		/* no xhci_kick(): this is a run, and one that is blocked needs no other */
		if (list_empty(&ep->ring.kick_node))
			list_append(&ep->kicked_rings, &ep->ring.kick_node);
		if (list_empty(&ep->kick_node))
			list_append(&xhci->kicked_endpoints, &ep->kick_node);
	}
}

uint64_t xhci_isoch_wake_ns(const struct xhci *xhci)
{
	uint64_t at_ns = 0;
	struct list *node;

	LIST_FOREACH(node, &xhci->isoch_due) {
		uint64_t due_ns = LIST_ENTRY(node, struct xhci_isoch, node)->due_ns;

		/* one that is due and cannot go on waits for something else */
		if (due_ns > xhci_now_ns(xhci) && (at_ns == 0 || due_ns < at_ns))
			at_ns = due_ns;
	}
	return at_ns;
}
