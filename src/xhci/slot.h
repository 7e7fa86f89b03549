/* SPDX-License-Identifier: MIT
 * slot.h - device slots and the commands that change them (4.5, 4.6)
 *
 * The command functions return the completion code. They change nothing unless
 * it is XHCI_CC_SUCCESS. An access to guest memory that fails returns
 * XHCI_CC_INVALID after xhci_dma_fault(): try again later. Loop thread only.
 */
#ifndef XHCI_SLOT_H
#define XHCI_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "xhci/spec.h"

struct usbdev;
struct xhci;
struct xhci_slot;

/* All slots disabled, as after HCRST. Transfers become orphans. */
void xhci_slots_reset(struct xhci *xhci);
/* @dev is being pulled: no slot refers to it any more, what is in flight is cancelled. */
void xhci_slots_device_gone(struct xhci *xhci, struct usbdev *dev);

/* Output device context at @iova in reach? Else parks or fails the controller. */
bool xhci_slot_output_ok(struct xhci *xhci, uint64_t iova);

enum xhci_cc xhci_slot_enable(struct xhci *xhci, unsigned *ret_slot_id);
enum xhci_cc xhci_slot_disable(struct xhci *xhci, struct xhci_slot *slot);
enum xhci_cc xhci_slot_address(struct xhci *xhci, struct xhci_slot *slot,
			       uint64_t input_iova, bool block_set_address);
enum xhci_cc xhci_slot_configure(struct xhci *xhci, struct xhci_slot *slot,
				 uint64_t input_iova, bool deconfigure);
enum xhci_cc xhci_slot_evaluate(struct xhci *xhci, struct xhci_slot *slot,
				uint64_t input_iova);
enum xhci_cc xhci_slot_reset_device(struct xhci *xhci, struct xhci_slot *slot);

#endif /* XHCI_SLOT_H */
