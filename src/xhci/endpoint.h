/* SPDX-License-Identifier: MIT
 * endpoint.h - an endpoint: its state and its transfer ring (4.8)
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
#include "xhci/spec.h"
#include "xhci/transfer_ring.h"

struct xhci;
struct xhci_slot;

/**
 * struct xhci_endpoint - one endpoint of a slot; exists while not Disabled
 * @info:	dword 0 of its context without the EP State
 * @in_flight:	TDs with the device
 * @rung:	the doorbell was rung since it was last run
 * @quiescing:	all that is with the device is being cancelled; nothing new starts
 * @stopping:	that is for a Stop Endpoint command, which posts a Stopped event
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
	unsigned in_flight;
	bool rung;
	bool quiescing;
	bool stopping;
	struct list kick_node;
};

/* What a device calls an endpoint of this type, and its direction (not control). */
enum usbdev_type xhci_ep_type_usbdev(enum xhci_ep_type type);
bool xhci_ep_type_is_in(enum xhci_ep_type type);

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

/* There may be work: on the list for the next run. */
void xhci_endpoint_kick(struct xhci_endpoint *ep);

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

/* For transfer_ring.c: a TD has failed; the state goes to Halted or Error. */
void xhci_endpoint_halt(struct xhci_endpoint *ep, enum xhci_ep_state state);
/* For endpoint_commands.c: nothing is with the device; as xhci_transfer_ring_settle(). */
void xhci_endpoint_settle(struct xhci_endpoint *ep);

/* The device under it has gone: what is in flight is cancelled. */
void xhci_endpoint_device_gone(struct xhci_endpoint *ep);

#endif /* XHCI_ENDPOINT_H */
