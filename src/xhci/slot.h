/* SPDX-License-Identifier: MIT
 * slot.h - a device slot: its state, its endpoints, its output device context (4.5)
 *
 * Loop thread only.
 */
#ifndef XHCI_SLOT_H
#define XHCI_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "xhci/context.h"
#include "xhci/spec.h"

struct usbdev;
struct xhci;
struct xhci_endpoint;

/**
 * struct xhci_slot - a device slot
 * @context_iova: output device context; valid from Address Device on
 * @port:	root hub port number, 0 = none yet
 * @dev:	NULL: nothing answers
 * @endpoints:	by DCI; NULL = disabled
 */
struct xhci_slot {
	unsigned id;
	bool enabled;
	enum xhci_slot_state state;
	uint64_t context_iova;
	unsigned port;
	struct usbdev *dev;
	struct xhci_endpoint *endpoints[XHCI_DCI_MAX + 1];
};

/* The slot after power-on and HCRST. Transfers of its endpoints become orphans. */
void xhci_slot_clear(struct xhci_slot *slot, bool enabled);
/* @dev is being pulled: makes all slots forget it, and cancels all its transfers. */
void xhci_slots_device_gone(struct xhci *xhci, struct usbdev *dev);
/* The guest rang the doorbell of slot @slot_id, not 0 (5.6). */
void xhci_slot_doorbell(struct xhci *xhci, unsigned slot_id, uint32_t value);
/* What the guest calls the device at @slot, for captures. */
void xhci_slot_set_address(struct xhci_slot *slot, unsigned address);

/* True if the output device context at @iova is in reach; else parks or fails the controller.
 * All functions below need a slot whose output context is in reach. */
bool xhci_slot_output_ok(struct xhci *xhci, uint64_t iova);
/* One of its contexts: the slot context (@dci 0) or that of an endpoint. */
void xhci_slot_read_context(struct xhci *xhci, const struct xhci_slot *slot, unsigned dci,
			    struct xhci_context *ctx);
void xhci_slot_write_context(struct xhci *xhci, const struct xhci_slot *slot,
			     unsigned dci, const struct xhci_context *ctx);
/* Sets the state, here and in the output slot context. */
void xhci_slot_set_state(struct xhci *xhci, struct xhci_slot *slot,
			 enum xhci_slot_state state);

static inline uint64_t xhci_slot_endpoint_context_iova(uint64_t context_iova,
						       unsigned dci)
{
	return context_iova + dci * XHCI_CONTEXT_SIZE;
}
/* Takes @ep as the endpoint of its DCI, and destroys an earlier one. */
void xhci_slot_put_endpoint(struct xhci_slot *slot, struct xhci_endpoint *ep);
/* Destroys endpoint @dci, if there is one, and shows it as Disabled. */
void xhci_slot_drop_endpoint(struct xhci *xhci, struct xhci_slot *slot, unsigned dci);

#endif /* XHCI_SLOT_H */
