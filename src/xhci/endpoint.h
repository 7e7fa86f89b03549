/* SPDX-License-Identifier: MIT
 * endpoint.h - an endpoint: its state and its transfer rings (4.8)
 *
 * Loop thread only.
 */
#ifndef XHCI_ENDPOINT_H
#define XHCI_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/list.h"
#include "xhci/context.h"
#include "xhci/controller.h"
#include "xhci/isoch.h"
#include "xhci/pipe.h"
#include "xhci/spec.h"
#include "xhci/transfer_ring.h"

struct usbdev;
struct xhci;
struct xhci_streams;

/* How long a device may take to return cancelled transfers: far longer than it needs, and
 * shorter than guests wait for a Stop Endpoint command (Linux: 5 s). */
#define XHCI_GIVE_UP_NS UINT64_C(3000000000)
/* Transfer rings of one endpoint served in one run, before others get their turn. */
#define XHCI_RINGS_PER_TURN 32u

/**
 * struct xhci_endpoint - one endpoint of a slot; exists while not Disabled
 * @pipe:	its ground
 * @context_iova: of its output endpoint context
 * @info:	dword 0 of that without the EP State
 * @ring:	the transfer ring, if it has no streams
 * @streams:	NULL unless it has streams
 * @isoch:	schedule, isochronous endpoints only
 * @quiescing_node: on xhci->quiescing until the device has returned everything or
 *		@give_up_at_ns passes
 * @stream_error: why a doorbell had a Stream ID that cannot be served, to be reported;
 *		XHCI_CC_INVALID = no such doorbell
 */
struct xhci_endpoint {
	struct xhci_pipe pipe;
	uint64_t context_iova;
	uint32_t info;
	unsigned max_packet_bytes;
	struct xhci_transfer_ring ring;
	struct xhci_streams *streams;
	struct xhci_isoch isoch;
	struct list quiescing_node;
	uint64_t give_up_at_ns;
	enum xhci_cc stream_error;
};

/* True if an endpoint of this kind may be at @dci. @ret_cc: why not. */
bool xhci_endpoint_context_ok(const struct xhci_context *ctx, unsigned dci,
			      enum xhci_cc *ret_cc);

/**
 * xhci_endpoint_create() - make an endpoint, Running, from its context
 * @dev:	the device of its slot, or NULL
 * @context_iova: of its output context, in reach
 * @ctx:	its input context
 *
 * Return: owned, or NULL without memory.
 */
struct xhci_endpoint *xhci_endpoint_create(struct xhci *xhci, unsigned slot_id,
					   unsigned dci, struct usbdev *dev,
					   uint64_t context_iova,
					   const struct xhci_context *ctx);
/* Its TDs become orphans. NULL is fine. */
void xhci_endpoint_destroy(struct xhci_endpoint *ep);

/* Goes to EP State @state, and writes the context. */
void xhci_endpoint_enter(struct xhci_endpoint *ep, enum xhci_ep_state state);
/* Writes EP State and TR Dequeue Pointer to the output context; with streams the pointers
 * of the Stream Contexts, and that of the endpoint stays. Callers have checked that
 * they are in reach. */
void xhci_endpoint_write_context(struct xhci_endpoint *ep);

/* True if the output context, and the Stream Contexts in use, are in reach; else
 * parks or fails the controller. */
bool xhci_endpoint_contexts_ok(struct xhci_endpoint *ep);

/* Its doorbell was rung. */
void xhci_endpoint_doorbell(struct xhci_endpoint *ep, unsigned stream_id);
/* There may be work, on any of its rings: on the list for the next run. */
void xhci_endpoint_kick(struct xhci_endpoint *ep);
/* Puts the isochronous endpoints whose time has come on that list. At the start of a run. */
void xhci_endpoints_wake(struct xhci *xhci);

/* Posts events of completed TDs, fetches and submits new ones. If there is more to do
 * (XHCI_PROGRESS_MORE) it is on the list for the next run again. */
enum xhci_progress xhci_endpoint_run(struct xhci_endpoint *ep);

/* Cancels everything that the device holds, for a halt of the controller. Once settled and
 * run again, the endpoint continues where it was. */
void xhci_endpoint_quiesce(struct xhci_endpoint *ep);
/* A Stop Endpoint command that waited for it has been abandoned, if there was one. */
void xhci_endpoint_stop_abandoned(struct xhci_endpoint *ep);
/* Stops waiting for transfers that a device has not returned within XHCI_GIVE_UP_NS. Call it
 * in each run, it is cheap. */
void xhci_endpoints_give_up(struct xhci *xhci);
/* When to call it; 0 = never. */
uint64_t xhci_endpoints_give_up_ns(const struct xhci *xhci);
/* True once the device holds no transfer, orphans aside. */
bool xhci_endpoint_is_quiet(const struct xhci_endpoint *ep);

/* For endpoint_commands.c: xhci_transfer_ring_report() for all rings. Return: DONE if all
 * are. */
enum xhci_progress xhci_endpoint_report(struct xhci_endpoint *ep);
/* For endpoint_commands.c: xhci_transfer_ring_settle() for all rings. The device must hold
 * nothing. */
void xhci_endpoint_settle(struct xhci_endpoint *ep);
/* For endpoint_commands.c: quiesces it for a Stop Endpoint command. */
void xhci_endpoint_stop_begin(struct xhci_endpoint *ep);
/* For endpoint_commands.c: the Stop Endpoint command found it halted. With streams it is still
 * quiescing. */
void xhci_endpoint_stop_failed(struct xhci_endpoint *ep);
/* For endpoint_commands.c: forgets the doorbells rung so far. */
void xhci_endpoint_clear_doorbells(struct xhci_endpoint *ep);

/* Its device was pulled: all that is in flight is cancelled. */
void xhci_endpoint_device_gone(struct xhci_endpoint *ep);

#endif /* XHCI_ENDPOINT_H */
