/* SPDX-License-Identifier: MIT
 * command.h - the command ring (4.6)
 */
#ifndef XHCI_COMMAND_H
#define XHCI_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "xhci/controller.h"
#include "xhci/ring.h"
#include "xhci/spec.h"
#include "xhci/trb.h"

struct xhci;

/**
 * struct xhci_commands - the command ring
 * @running:	CRR
 * @doorbell:	there may be commands
 * @stop, @abort: CS, CA were written
 * @active:	@trb (found at @trb_iova, ring cursor before it @before) has been taken and
 *		is not answered yet
 * @result:	its completion code once known, else XHCI_CC_INVALID
 * @result_slot: Slot ID for the Command Completion Event
 */
struct xhci_commands {
	struct xhci_ring ring;
	bool running;
	bool doorbell;
	bool stop;
	bool abort;
	bool active;
	struct xhci_trb trb;
	uint64_t trb_iova;
	struct xhci_ring before;
	enum xhci_cc result;
	unsigned result_slot;
};

/* Power-on and HCRST state. */
void xhci_commands_reset(struct xhci *xhci);
/* RS went to 0: the ring stops; a command not finished is taken again later. */
void xhci_commands_halt(struct xhci *xhci);
/* Executes commands, a bounded number, and CS/CA. */
enum xhci_progress xhci_commands_run(struct xhci *xhci);

/* The doorbell of slot 0 was rung. */
void xhci_commands_doorbell(struct xhci *xhci, uint32_t value);
/* CRCR (5.4.5): what a read shows, what a write does, and the value that, written, changes
 * nothing. */
uint32_t xhci_commands_crcr(const struct xhci *xhci);
void xhci_commands_set_crcr_lo(struct xhci *xhci, uint32_t value);
void xhci_commands_set_crcr_hi(struct xhci *xhci, uint32_t value);
uint64_t xhci_commands_crcr_rest(const struct xhci *xhci);

#endif /* XHCI_COMMAND_H */
