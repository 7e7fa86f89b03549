/* SPDX-License-Identifier: MIT
 * endpoint.h - an endpoint: its state, its transfer ring, its TDs in flight (4.8)
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
#include "xhci/ring.h"
#include "xhci/spec.h"

struct xhci;
struct xhci_slot;

/* TDs of one endpoint that are with the device or wait for their events. */
#define XHCI_TDS_PER_ENDPOINT 64u
/* TDs fetched for one endpoint in one run, before others get their turn. */
#define XHCI_TDS_PER_TURN 32u

/**
 * struct xhci_endpoint - one endpoint of a slot; exists while not Disabled
 * @info:	dword 0 of its context without the EP State
 * @ring:	cursor behind the last TD fetched
 * @tds:	fetched, not yet reported, in ring order
 * @td_count, @in_flight: of them; with the device
 * @rung:	the doorbell was rung since it was last run
 * @resume:	the first of @tds was stopped on its way, and goes on from there
 * @quiescing:	all that is with the device is being cancelled; nothing new starts
 * @stopping:	that is for a Stop Endpoint command, which posts a Stopped event
 * @stopped_posted: the Stopped event has been posted
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
	struct xhci_ring ring;
	struct list tds;
	unsigned td_count;
	unsigned in_flight;
	bool rung;
	bool resume;
	bool quiescing;
	bool stopping;
	bool stopped_posted;
	struct list kick_node;
};

/* True if an endpoint of this kind at @dci can be had. @ret_cc: why not. */
bool xhci_endpoint_context_ok(const struct xhci_context *ctx, unsigned dci,
			      enum xhci_cc *ret_cc);

/* Makes slot->endpoints[@dci] from its context, Running; one that is there is
 * dropped first. Return: 0 or -ENOMEM. */
MUST_USE int xhci_endpoint_enable(struct xhci *xhci, struct xhci_slot *slot, unsigned dci,
				  const struct xhci_context *ctx);
/* Frees it; its TDs become orphans. NULL is fine. */
void xhci_endpoint_drop(struct xhci_endpoint *ep);

/* Writes EP State and TR Dequeue Pointer to the output context. Callers have
 * checked that it is in reach. */
void xhci_endpoint_write_context(struct xhci_endpoint *ep);
/* Its current dequeue position: the first TD not completed. */
struct xhci_ring xhci_endpoint_dequeue(const struct xhci_endpoint *ep);

/* There may be work: on the list for the next run. */
void xhci_endpoint_kick(struct xhci_endpoint *ep);

enum xhci_progress {
	XHCI_PROGRESS_DONE,    /* nothing more to do now */
	XHCI_PROGRESS_MORE,    /* used up its turn */
	XHCI_PROGRESS_BLOCKED, /* no room for an event, or no memory: state kept */
};

/* Posts events of completed TDs, fetches and submits new ones. */
enum xhci_progress xhci_endpoint_run(struct xhci_endpoint *ep);

/* Takes everything back from the device, for a halt of the controller. The
 * endpoint goes on where it was when it is run again with @quiescing false. */
void xhci_endpoint_quiesce(struct xhci_endpoint *ep);
/* True once nothing is with the device. */
bool xhci_endpoint_is_quiet(const struct xhci_endpoint *ep);

/* Commands. Each returns the completion code, or XHCI_CC_INVALID while it waits
 * (call again in a later run; Stop only). */
enum xhci_cc xhci_endpoint_stop(struct xhci_endpoint *ep);
enum xhci_cc xhci_endpoint_reset(struct xhci_endpoint *ep, bool preserve_state);
enum xhci_cc xhci_endpoint_set_dequeue(struct xhci_endpoint *ep, uint64_t pointer);

/* For endpoint_commands.c: part of xhci_endpoint_run(). Posts the events of the TDs
 * that are done, in order, up to one that was cancelled. */
enum xhci_progress xhci_endpoint_report(struct xhci_endpoint *ep);
/* Likewise: nothing is with the device; what was taken back goes back to the
 * ring, but for a first TD that has moved bytes: it will be resumed. */
void xhci_endpoint_settle(struct xhci_endpoint *ep);
/* Likewise: forgets all TDs; those with the device become orphans. */
void xhci_endpoint_forget_tds(struct xhci_endpoint *ep);

/* The device under it has gone: what is in flight is cancelled. */
void xhci_endpoint_device_gone(struct xhci_endpoint *ep);

#endif /* XHCI_ENDPOINT_H */
