/* SPDX-License-Identifier: MIT
 * endpoint.h - an endpoint: its state and its transfer rings (4.8)
 *
 * Loop thread only.
 */
#ifndef XHCI_ENDPOINT_H
#define XHCI_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/usbdev.h"
#include "util/compiler.h"
#include "util/list.h"
#include "xhci/context.h"
#include "xhci/isoch.h"
#include "xhci/spec.h"
#include "xhci/transfer_ring.h"

struct xhci;
struct xhci_slot;
struct xhci_streams;

/* How long we wait for the device to give back cancelled transfers: far longer than it takes,
 * and shorter than guests wait for a Stop Endpoint command (Linux: 5 s). */
#define XHCI_GIVE_UP_NS UINT64_C(3000000000)
/* Transfer rings of one endpoint served in one run, before others get their turn. */
#define XHCI_RINGS_PER_TURN 32u

/*
 *              quiesce                Stop Endpoint
 *   ACTIVE ------------> QUIESCING <-----------------> STOPPING
 *     ^                      |      command abandoned,     |
 *     |                      |      halted with streams    |
 *     +------- settled ------+------ done, or halted ------+
 *
 * Changed by set_activity() in endpoint.c only.
 */
enum xhci_ep_activity {
	XHCI_EP_ACTIVE, /* transfers start */
	XHCI_EP_QUIESCING, /* what is with the device is being cancelled; nothing new starts */
	XHCI_EP_STOPPING, /* the same for a Stop Endpoint command, which posts Stopped events */
};

/**
 * struct xhci_endpoint - one endpoint of a slot; exists while not Disabled
 * @info:	dword 0 of its context without the EP State
 * @ring:	the transfer ring, if it has no streams
 * @streams:	else they, see stream.h; NULL = none
 * @rings:	all transfer rings, xhci_transfer_ring.node
 * @kicked_rings: those that may have work, xhci_transfer_ring.kick_node
 * @td_count, @in_flight: TDs of all rings; of them with the device
 * @isoch:	schedule, isochronous endpoints only
 * @quiescing_node: in the controller's list while it is not active; at @give_up_at_ns it
 *		leaves the list and what the device has not given back is given up
 * @stream_error: a doorbell had a Stream ID that cannot be served: why, to be told.
 *		XHCI_CC_INVALID = none
 */
struct xhci_endpoint {
	struct xhci *xhci;
	struct xhci_slot *slot;
	unsigned dci;
	uint8_t ep_addr;
	enum xhci_ep_type type;
	enum xhci_ep_state state;
	uint32_t info;
	unsigned max_packet_bytes;
	struct xhci_transfer_ring ring;
	struct xhci_streams *streams;
	struct list rings;
	struct list kicked_rings;
	unsigned td_count;
	unsigned in_flight;
	struct xhci_isoch isoch;
	enum xhci_ep_activity activity;
	struct list quiescing_node;
	uint64_t give_up_at_ns;
	enum xhci_cc stream_error;
	struct list kick_node;
};

/* What a device calls an endpoint of this type, and its direction (not control). */
enum usbdev_type xhci_ep_type_usbdev(enum xhci_ep_type type);
bool xhci_ep_type_is_in(enum xhci_ep_type type);

/* True if an endpoint of this kind at @dci can be had. @ret_cc: why not. */
bool xhci_endpoint_context_ok(const struct xhci_context *ctx, unsigned dci,
			      enum xhci_cc *ret_cc);

/* Makes an endpoint from its context, Running, not yet in @slot. NULL: no memory. */
struct xhci_endpoint *xhci_endpoint_create(struct xhci *xhci, struct xhci_slot *slot,
					   unsigned dci, const struct xhci_context *ctx);
/* Makes it slot->endpoints[] of its DCI; one that is there is dropped first. The slot must
 * have its output context. */
void xhci_endpoint_enable(struct xhci_endpoint *ep);
/* Frees it; its TDs become orphans. NULL is fine. */
void xhci_endpoint_drop(struct xhci_endpoint *ep);

/* Writes EP State and TR Dequeue Pointer to the output context; with streams the pointers
 * of the Stream Contexts, and that of the endpoint stays. Callers have checked that
 * they are in reach. */
void xhci_endpoint_write_context(struct xhci_endpoint *ep);

/* True if the output context, and the Stream Contexts in use, are in reach; else
 * parks or fails the controller. */
bool xhci_endpoint_contexts_ok(struct xhci_endpoint *ep);

/* There may be work, on any of its rings: on the list for the next run. */
void xhci_endpoint_kick(struct xhci_endpoint *ep);
/* The same, but on none of its rings. */
void xhci_endpoint_list(struct xhci_endpoint *ep);

/* Posts events of completed TDs, fetches and submits new ones. If there is more to do
 * (XHCI_PROGRESS_MORE) it is on the list for the next run again. */
enum xhci_progress xhci_endpoint_run(struct xhci_endpoint *ep);

/* Takes everything back from the device, for a halt of the controller. The
 * endpoint goes on where it was when it is run again and settled. */
void xhci_endpoint_quiesce(struct xhci_endpoint *ep);
/* The Stop Endpoint command that waited for it, if there was one, has been abandoned. */
void xhci_endpoint_stop_abandoned(struct xhci_endpoint *ep);
/* Stops waiting for what devices have not given back within XHCI_GIVE_UP_NS. Call it in each
 * run, it is cheap. */
void xhci_endpoints_give_up(struct xhci *xhci);
/* When to call it, 0 = never. */
uint64_t xhci_endpoints_give_up_ns(const struct xhci *xhci);
/* True once nothing is with the device, or not waited for. */
bool xhci_endpoint_is_quiet(const struct xhci_endpoint *ep);

/* Commands. Each returns the completion code, or XHCI_CC_INVALID while it waits
 * (call again in a later run). */
enum xhci_cc xhci_endpoint_stop(struct xhci_endpoint *ep);
enum xhci_cc xhci_endpoint_reset(struct xhci_endpoint *ep, bool preserve_state);
enum xhci_cc xhci_endpoint_set_dequeue(struct xhci_endpoint *ep, unsigned stream_id,
				       uint64_t pointer);

/* For transfer_ring.c: a TD has failed; the state goes to Halted or Error, other
 * streams are taken back. */
void xhci_endpoint_halt(struct xhci_endpoint *ep, enum xhci_ep_state state);
/* For endpoint_commands.c: xhci_transfer_ring_report() for all rings; not DONE if one
 * is not. */
enum xhci_progress xhci_endpoint_report(struct xhci_endpoint *ep);
/* Likewise: nothing is with the device; xhci_transfer_ring_settle() for all rings. */
void xhci_endpoint_settle(struct xhci_endpoint *ep);
/* Likewise: quiesces it for a Stop Endpoint command. */
void xhci_endpoint_stop_begin(struct xhci_endpoint *ep);
/* Likewise: that found it halted. Other streams are still taken back. */
void xhci_endpoint_stop_failed(struct xhci_endpoint *ep);
/* Likewise: the doorbells rung up to now are forgotten. */
void xhci_endpoint_unring(struct xhci_endpoint *ep);

/* The device under it has gone: what is in flight is cancelled. */
void xhci_endpoint_device_gone(struct xhci_endpoint *ep);

#endif /* XHCI_ENDPOINT_H */
