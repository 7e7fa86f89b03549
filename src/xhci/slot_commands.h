/* SPDX-License-Identifier: MIT
 * slot_commands.h - the commands that change device slots (4.6)
 *
 * They return the completion code, and change nothing unless it is XHCI_CC_SUCCESS. One whose
 * access to guest memory fails calls xhci_dma_fault() and stays XHCI_CC_PENDING. Loop thread only.
 */
#ifndef XHCI_SLOT_COMMANDS_H
#define XHCI_SLOT_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "xhci/spec.h"

struct xhci;
struct xhci_slot;

enum xhci_cc xhci_slot_enable(struct xhci *xhci, unsigned *ret_slot_id);
enum xhci_cc xhci_slot_disable(struct xhci *xhci, struct xhci_slot *slot);
enum xhci_cc xhci_slot_address(struct xhci *xhci, struct xhci_slot *slot,
			       uint64_t input_iova, bool block_set_address);
enum xhci_cc xhci_slot_configure(struct xhci *xhci, struct xhci_slot *slot,
				 uint64_t input_iova, bool dc);
enum xhci_cc xhci_slot_evaluate(struct xhci *xhci, struct xhci_slot *slot,
				uint64_t input_iova);
enum xhci_cc xhci_slot_reset_device(struct xhci *xhci, struct xhci_slot *slot);

/* HCRST: disables all slots. Transfers become orphans, devices get their streams back. */
void xhci_slots_reset(struct xhci *xhci);

#endif /* XHCI_SLOT_COMMANDS_H */
