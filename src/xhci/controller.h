/* SPDX-License-Identifier: MIT
 * controller.h - the state that all files of the controller share, and the marks they set
 *
 * How it works. A register write only records. All work happens in xhci_run() (xhci.c),
 * in this order: port events, endpoints, commands, interrupts. All of it draws on the
 * budget of the run (budget.h); if work is left, there is another run.
 *
 * A file that has an event to post keeps its state if the event ring has no room, and
 * tries again in a later run (an ERDP write kicks). So no event is ever lost, and a full
 * ring delays only those who must post to it.
 *
 * Guest memory can be away for a moment (the VMM maps it again, there is no client, bus
 * mastering is off). xhci_dma_fault() tells a lasting fault (Host System Error) from such
 * a moment (the controller is parked and tries again).
 *
 * Errors are marks as well: a file that meets one sets a bit of USBSTS and gives up. The end
 * of the run halts the controller. So this file calls no other file of the controller.
 */
#ifndef XHCI_CONTROLLER_H
#define XHCI_CONTROLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/guest_mem.h"
#include "util/list.h"
#include "util/log.h"
#include "xhci/budget.h"
#include "xhci/spec.h"
#include "xhci/xhci.h"

struct xhci_commands;
struct xhci_interrupter;
struct xhci_lend;
struct xhci_port;
struct xhci_slot;
struct xhci_stream_request;

/*
 *             RS = 1                 memory or bus mastering is away
 *   HALTED ------------> RUNNING <------------------------------------> WAITING
 *      ^                  |   |                                           |
 *      |           RS = 0 |   | HSE, HCE                                  |
 *      |                  v   v                                           |
 *      +------------ HALTING <--- FAILED (until the end of the run)       |
 *        all quiet        ^-------- RS = 0 -------------------------------+
 */
enum xhci_activity {
	XHCI_ACTIVITY_HALTED,  /* HCH */
	XHCI_ACTIVITY_HALTING, /* devices still have transfers to give back */
	XHCI_ACTIVITY_FAILED,  /* a fault in this run: its end sets RS to 0 */
	XHCI_ACTIVITY_WAITING, /* guest memory or bus mastering is away */
	XHCI_ACTIVITY_RUNNING, /* guest memory may be touched and events posted */
};

/* How far a piece of work has come in a run. */
enum xhci_progress {
	XHCI_PROGRESS_DONE,    /* nothing more to do now */
	XHCI_PROGRESS_MORE,    /* used up its turn */
	XHCI_PROGRESS_BLOCKED, /* no room for an event, or no memory: state kept */
	/* a transfer ring has failed: the state that its endpoint must enter */
	XHCI_PROGRESS_HALT,  /* Halted */
	XHCI_PROGRESS_ERROR, /* Error */
};

/**
 * struct xhci_parking - the controller waits for guest memory, see xhci_dma_fault()
 * @until_ns:	0 = until memory changes
 * @generation:	of guest memory when it was parked
 */
struct xhci_parking {
	bool parked;
	uint64_t until_ns;
	uint64_t generation;
};

/**
 * struct xhci_mfindex - the microframe counter
 * @zero_ns:	when it was 0
 * @wrap_ns:	when the next MFINDEX Wrap Event is due, 0 = none
 * @event:	an MFINDEX Wrap Event is due
 */
struct xhci_mfindex {
	uint64_t zero_ns;
	uint64_t wrap_ns;
	bool event;
};

/**
 * struct xhci - the controller
 * @lend:	of a checking build (lend.h), else NULL
 * @bus_master_losses: how often bus mastering was switched off
 * @activity_logged: xhci_activity() at the end of the last run
 * @budget:	of this run, or of the last one
 * @memory_wake_ns: when to try again after an allocation failed, 0 = never
 * @wake_ns:	the time last given to env.wake_at, 0 = none
 * @usbsts:	the bits that stick: HSE EINT PCD SRE HCE; HCH follows @halted
 * @halted:	HCH
 * @saved:	CSS has been written, and nothing has happened since
 * @ports:	xhci_port_count() of them, USB 2 first
 * @ports_wake_ns: when to call xhci_ports_show(), 0 = never
 * @slots:	by Slot ID; [0] is unused
 * @kicked_endpoints: endpoints that may have work, xhci_pipe.kick_node
 * @isoch_due:	endpoints that wait for a time, xhci_isoch.node
 * @quiescing:	endpoints that wait for their device, xhci_endpoint.quiescing_node
 * @orphans:	TDs that devices still hold though no endpoint waits for them
 * @releases:	struct xhci_release (plug.c)
 * @tds, @trbs, @streams: numbers allocated, for the limits
 * @stream_requests: requests that devices have not answered (stream_request.h)
 * @awaited_streams: the request that the command waits for, or NULL
 */
struct xhci {
	struct xhci_env env;
	struct guest_mem *mem;
	struct xhci_lend *lend;
	bool bus_master;
	uint64_t bus_master_losses;
	bool in_run;
	bool kicked;
	enum xhci_activity activity_logged;
	struct xhci_budget budget;
	struct xhci_pace pace;
	uint64_t memory_wake_ns;
	uint64_t wake_ns;
	struct xhci_parking parking;

	uint32_t usbcmd;
	uint32_t usbsts;
	bool halted;
	bool saved;
	uint32_t dnctrl;
	uint64_t dcbaap;
	uint32_t config;
	struct xhci_mfindex mfindex;

	struct xhci_commands *commands;
	struct xhci_interrupter *interrupters; /* XHCI_INTERRUPTERS of them */
	struct xhci_port *ports;
	unsigned ports_per_kind;
	uint64_t ports_wake_ns;
	struct xhci_slot *slots; /* XHCI_SLOTS + 1 */

	struct list kicked_endpoints;
	struct list isoch_due;
	struct list quiescing;
	struct list orphans;
	struct list releases;
	unsigned tds;
	unsigned trbs;
	unsigned streams;
	struct list stream_requests;
	struct xhci_stream_request *awaited_streams;

	void (*on_gone)(void *ctx, unsigned port);
	void *on_gone_ctx;
};

static inline uint64_t xhci_now_ns(const struct xhci *xhci)
{
	return xhci->env.now_ns(xhci->env.ctx);
}

/* Microframes since the controller runs; MFINDEX are the low 14 bits. */
static inline uint64_t xhci_uframes(const struct xhci *xhci)
{
	return (xhci_now_ns(xhci) - xhci->mfindex.zero_ns) / XHCI_UFRAME_NS;
}

static inline enum xhci_activity xhci_activity(const struct xhci *xhci)
{
	if (xhci->halted)
		return XHCI_ACTIVITY_HALTED;
	if (!(xhci->usbcmd & XHCI_USBCMD_RS))
		return XHCI_ACTIVITY_HALTING;
	if (xhci->usbsts & (XHCI_USBSTS_HSE | XHCI_USBSTS_HCE))
		return XHCI_ACTIVITY_FAILED;
	if (!xhci->bus_master || xhci->parking.parked)
		return XHCI_ACTIVITY_WAITING;
	return XHCI_ACTIVITY_RUNNING;
}

/* True if guest memory may be touched and events posted. */
static inline bool xhci_can_work(const struct xhci *xhci)
{
	return xhci_activity(xhci) == XHCI_ACTIVITY_RUNNING;
}

/* Asks for xhci_run(). Cheap, many times. */
void xhci_kick(struct xhci *xhci);
/**
 * xhci_dma_fault() - guest memory that the controller itself needs (ring,
 * context, ERST, event) could not be reached
 *
 * Call it, keep the state as before the access, and give up for this run: the
 * controller is either parked and will come back, or dead (HSE).
 * @what: for the log
 */
void xhci_dma_fault(struct xhci *xhci, const char *what, uint64_t iova);
/* Host Controller Error: the guest broke a rule that leaves no other answer. As above, it
 * takes effect at the end of the run. */
void xhci_controller_error(struct xhci *xhci, const char *why);
/* An allocation failed. The work stays due and is tried again soon. */
void xhci_short_of_memory(struct xhci *xhci);

/* Grows with every map and unmap, and whenever bus mastering goes off. */
uint64_t xhci_memory_generation(const struct xhci *xhci);
/* A device could not reach the data of a transfer that was submitted at @since_generation of
 * guest memory. True if the guest is not at fault: memory has changed since, or is away
 * for the moment (then this parks the controller). */
bool xhci_memory_unsettled(struct xhci *xhci, uint64_t since_generation);
/* Ends parking if memory has changed, or has not changed in time. */
void xhci_unpark(struct xhci *xhci);

#endif /* XHCI_CONTROLLER_H */
