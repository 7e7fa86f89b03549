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

/*
 *             doorbell               CS                CA, also after CS
 *   STOPPED ------------> RUNNING --------> STOPPING ------------------> ABORTING
 *      ^                     |                 |                            |
 *      +------ RS = 0 -------+--- Command Ring Stopped, or RS = 0 ----------+
 *
 * Changed by set_ring_state() in command.c only.
 */
enum xhci_command_ring_state {
	XHCI_COMMAND_RING_STATE_STOPPED,  /* CRR is 0 */
	XHCI_COMMAND_RING_STATE_RUNNING,  /* CRR is 1, as in those below */
	XHCI_COMMAND_RING_STATE_STOPPING, /* stops when the command is answered */
	XHCI_COMMAND_RING_STATE_ABORTING, /* the same, and a command that waits is aborted */
};

/*
 *          fetched                 the result is known             event posted
 *   IDLE -----------> EXECUTING -----------------------> ANSWERING ------------> IDLE
 *     ^                   |
 *     +-- RS = 0: back ---+
 *           to the ring
 *
 * Changed by set_phase() in command.c only.
 */
enum xhci_command_phase {
	XHCI_COMMAND_PHASE_IDLE,
	XHCI_COMMAND_PHASE_EXECUTING, /* called again in each run until its result is known */
	XHCI_COMMAND_PHASE_ANSWERING, /* its event waits for room */
};

/**
 * struct xhci_commands - the command ring, and the command that is being executed
 * @doorbell:	there may be commands
 * @trb, @trb_iova: the command and where it was found; unless IDLE, as all that follows
 * @before:	ring cursor before it
 * @result:	its completion code, when ANSWERING
 * @result_slot: Slot ID for the Command Completion Event
 */
struct xhci_commands {
	struct xhci_ring ring;
	enum xhci_command_ring_state ring_state;
	bool doorbell;
	enum xhci_command_phase phase;
	struct xhci_trb trb;
	uint64_t trb_iova;
	struct xhci_ring before;
	enum xhci_cc result;
	unsigned result_slot;
};

/* Power-on and HCRST state. */
void xhci_commands_reset(struct xhci *xhci);
/* RS went to 0: the ring stops. A command that is not finished is fetched again later. */
void xhci_commands_halt(struct xhci *xhci);
/* Executes a bounded number of commands, and CS and CA. */
enum xhci_progress xhci_commands_run(struct xhci *xhci);

/* The doorbell of slot 0 was rung. */
void xhci_commands_doorbell(struct xhci *xhci, uint32_t value);
/* CRCR (5.4.5): its value when read, writes of its halves, and the value that changes nothing
 * when written. */
uint32_t xhci_commands_crcr(const struct xhci *xhci);
void xhci_commands_set_crcr_lo(struct xhci *xhci, uint32_t value);
void xhci_commands_set_crcr_hi(struct xhci *xhci, uint32_t value);
uint64_t xhci_commands_crcr_rest(const struct xhci *xhci);

#endif /* XHCI_COMMAND_H */
