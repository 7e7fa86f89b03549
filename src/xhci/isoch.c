/* SPDX-License-Identifier: MIT
 * isoch.c - isochronous endpoints in time
 *
 * An isochronous TD is the payload of one service interval, and becomes one transfer of the
 * device. The device chooses the interval: it takes the transfers of an endpoint in order,
 * one in each interval of its own bus. This file decides only when a stream starts and
 * when it has ended:
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
 * The rule for Frame IDs. We compare only the first TD of a stream with MFINDEX. Once the
 * stream runs we ignore Frame IDs and take the TDs one after the other, without gaps. The
 * reason: MFINDEX runs on this machine's clock, and a real device's bus on another one. They
 * drift apart by parts in a million, a frame in some minutes. If we checked each TD, a
 * stream would stumble after minutes, or when the frame counter wraps after two seconds.
 * Taken in order it runs for days. A controller without Contiguous Frame ID Capability
 * (HCCPARAMS1.CFC, 5.3.6) promises no more.
 *
 * By 11 bits, a frame has come, is ahead or has passed: up to 895 ms ahead are ahead
 * (4.11.2.5), all others have passed. A TD that waits stays on the ring.
 *
 * The grace time is how long a guest may take to queue more after the last completion. Real
 * controllers report the last packet when it has crossed the wire, this one a moment later
 * and together with others. It is a service interval, but at least a millisecond. So a ring
 * that stays filled costs no timer at all.
 */
#include "xhci/isoch.h"

#include "xhci/controller.h"
#include "xhci/interrupter.h"
#include "xhci/td.h"
#include "xhci/transfer_events.h"

#define UFRAMES_PER_FRAME 8u
#define FRAME_NS          ((uint64_t)UFRAMES_PER_FRAME * XHCI_UFRAME_NS)
#define FRAME_IDS         (XHCI_MFINDEX_UFRAMES / UFRAMES_PER_FRAME)
#define FRAMES_AHEAD_MAX  895u
#define GRACE_MIN_NS      FRAME_NS
/* 6.2.3.6: the largest Interval that means something; 4 s. */
#define INTERVAL_MAX 15u

/* @due_ns: 0 unless the state has a time */
static void set_state(struct xhci_isoch *isoch, enum xhci_isoch_state state,
		      uint64_t due_ns)
{
	static const char *const names[] = {[XHCI_ISOCH_STATE_IDLE] = "IDLE",
					    [XHCI_ISOCH_STATE_WAITING] = "WAITING",
					    [XHCI_ISOCH_STATE_STREAMING] = "STREAMING",
					    [XHCI_ISOCH_STATE_DRAINED] = "DRAINED"};

	if (state == isoch->state && due_ns == isoch->due_ns)
		return;
	log_trace("slot %u ep 0x%02x: isochronous stream %s -> %s", isoch->id.slot_id,
		  xhci_dci_ep_addr(isoch->id.dci), names[isoch->state], names[state]);
	list_remove(&isoch->node);
	if (due_ns != 0)
		list_append(&isoch->xhci->isoch_due, &isoch->node);
	isoch->state = state;
	isoch->due_ns = due_ns;
}

void xhci_isoch_init(struct xhci_isoch *isoch, struct xhci *xhci, struct xhci_ep_id id,
		     const struct xhci_context *ctx)
{
	unsigned interval = xhci_ep_context_interval(ctx);

	*isoch = (struct xhci_isoch){
		.xhci = xhci,
		.id = id,
		.interval_ns = (uint64_t)XHCI_UFRAME_NS << MIN_OF(interval, INTERVAL_MAX),
		.state = XHCI_ISOCH_STATE_IDLE,
	};
	list_init(&isoch->node);
}

void xhci_isoch_end(struct xhci_isoch *isoch)
{
	set_state(isoch, XHCI_ISOCH_STATE_IDLE, 0);
}

static bool is_streaming(const struct xhci_isoch *isoch)
{
	return isoch->state == XHCI_ISOCH_STATE_STREAMING ||
	       isoch->state == XHCI_ISOCH_STATE_DRAINED;
}

static const struct xhci_trb *isoch_trb(const struct xhci_td *td)
{
	for (unsigned i = 0; i < td->trb_count; i++)
		if (xhci_trb_type(&td->trbs[i].trb) == XHCI_TRB_TYPE_ISOCH)
			return &td->trbs[i].trb;
	return NULL;
}

enum xhci_isoch_turn xhci_isoch_admit(struct xhci_isoch *isoch, const struct xhci_td *td)
{
	const struct xhci_trb *trb = isoch_trb(td);
	uint64_t frame = xhci_uframes(isoch->xhci) / UFRAMES_PER_FRAME;
	/* a stream that waited for its frame is not late because we wake up late */
	bool waited = isoch->due_ns != 0 && xhci_now_ns(isoch->xhci) >= isoch->due_ns;
	unsigned ahead;

	if (td->bad || !trb)
		return XHCI_ISOCH_TURN_NOW;
	if (!is_streaming(isoch) && !waited && !(trb->control & XHCI_TRB_SIA)) {
		ahead = (unsigned)(xhci_trb_frame_id(trb) - frame) % FRAME_IDS;
		if (ahead > FRAMES_AHEAD_MAX)
			return XHCI_ISOCH_TURN_MISSED;
		if (ahead > 0) {
			set_state(isoch, XHCI_ISOCH_STATE_WAITING,
				  isoch->xhci->mfindex.zero_ns +
					  (frame + ahead) * FRAME_NS);
			return XHCI_ISOCH_TURN_LATER;
		}
	}
	set_state(isoch, XHCI_ISOCH_STATE_STREAMING, 0);
	return XHCI_ISOCH_TURN_NOW;
}

int xhci_isoch_empty(struct xhci_isoch *isoch)
{
	uint64_t now_ns;
	struct xhci_trb event;
	int r;

	if (!is_streaming(isoch))
		return 0;
	now_ns = xhci_now_ns(isoch->xhci);
	if (isoch->state == XHCI_ISOCH_STATE_STREAMING) {
		set_state(isoch, XHCI_ISOCH_STATE_DRAINED,
			  now_ns + MAX_OF(isoch->interval_ns, GRACE_MIN_NS));
		return 0;
	}
	if (now_ns < isoch->due_ns)
		return 0;
	/* the TRB Pointer is not valid: there is none */
	event = xhci_transfer_event(&isoch->id, 0,
				    xhci_ep_type_is_in(isoch->id.type)
					    ? XHCI_CC_RING_OVERRUN
					    : XHCI_CC_RING_UNDERRUN,
				    0);
	r = xhci_event_post(isoch->xhci, 0, &event, false);
	if (r == 0)
		xhci_isoch_end(isoch);
	return r;
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
