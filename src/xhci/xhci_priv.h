/* SPDX-License-Identifier: MIT
 * xhci_priv.h - what the files of the controller model share
 *
 * How it works. Guest registers are recorded by regs.c, port.c, interrupter.c
 * and the doorbells; all work happens in xhci_run() (xhci.c), in this order:
 * port events, endpoints, commands, interrupts. All of it draws on the budget of the run
 * (budget.h); if more is left, there is another run.
 *
 * Nothing reports into the guest without room in the event ring: whoever has
 * an event to post asks first, keeps its state if refused, and tries again in
 * a later run (an ERDP write kicks). So no event is ever lost, and a full
 * ring delays only those who must post to it.
 *
 * Guest memory can be away for a moment (a VMM re-mapping it, no client, bus
 * mastering off). xhci_dma_fault() tells a lasting fault (Host System Error)
 * from such a moment (the controller is parked and tries again).
 */
#ifndef XHCI_XHCI_PRIV_H
#define XHCI_XHCI_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/guest_mem.h"
#include "usbdev/usbdev.h"
#include "util/list.h"
#include "util/log.h"
#include "xhci/budget.h"
#include "xhci/ring.h"
#include "xhci/spec.h"
#include "xhci/trb.h"
#include "xhci/xhci.h"

struct xhci_endpoint;
struct xhci_lend;
struct xhci_stream_request;

/**
 * struct xhci_interrupter - registers of one interrupter and its event ring
 * @imod:	IMODI in the low half (250 ns units); IMODC is derived from @fire_at_ns
 * @erst_changed: ERSTBA or ERSTSZ was written: begin anew at segment 0 before
 *		the next event
 * @segment, @segment_iova, @segment_trbs, @index, @cycle: where the next event goes
 * @pending:	an event without BEI was posted and no interrupt told of it yet
 * @full:	no room, nothing more until ERDP moves
 * @full_told:	Event Ring Full Error was posted, and no other event since
 * @fire_at_ns:	interrupt moderation: not before this time
 * @saved:	what xhci_save_state() found
 */
struct xhci_interrupter {
	unsigned number;
	bool ip;
	bool ie;
	uint32_t imod;
	uint32_t erstsz;
	uint64_t erstba;
	uint64_t erdp; /* low 4 bits clear */
	unsigned desi;
	bool ehb;
	bool erst_changed;
	unsigned segment;
	uint64_t segment_iova;
	uint32_t segment_trbs;
	uint32_t index;
	bool cycle;
	bool pending;
	bool full;
	bool full_told;
	uint64_t fire_at_ns;
	struct {
		uint32_t erstsz;
		uint64_t erstba;
		bool erst_changed;
	} saved;
};

/**
 * struct xhci_port - a root hub port
 * @portsc:	as the guest reads it
 * @resetting:	usbdev_reset() is on its way; PR says whether the guest waits for it
 * @warm:	that reset is a warm one
 * @suspended:	usbdev_suspend(true) was the last
 * @release:	for the time when @dev is pulled; NULL while @dev is
 * @event:	a Port Status Change Event is due
 * @absent_until_ns: since the last device was pulled the guest has not taken note of that;
 *		@dev is not shown before then. 0 = nothing to wait for
 * @absence_read: the guest has read PORTSC without CCS since
 */
struct xhci_port {
	struct xhci *xhci;
	unsigned number; /* 1-based */
	bool usb3;
	uint32_t portsc;
	uint32_t portpmsc;
	uint32_t porthlpmc;
	struct usbdev *dev; /* NULL = empty */
	struct xhci_release *release;
	bool resetting;
	bool warm;
	bool suspended;
	bool event;
	bool absence_read;
	uint64_t absent_until_ns;
	uint64_t given_up_ns; /* of the reset that goes on */
};

/* A device that was pulled, until its last transfer has completed and a reset
 * that was on its way is over (@resetting; the end of it kicks). Whoever frees it takes
 * its events off the device first: usbdev_set_events(dev, NULL, NULL). */
struct xhci_release {
	struct list node;
	struct xhci *xhci;
	struct usbdev *dev;
	bool resetting;
	void (*released)(void *ctx, struct usbdev *dev);
	void *ctx;
};

struct xhci_slot {
	unsigned id;
	bool enabled;
	enum xhci_slot_state state;
	uint64_t context_iova; /* output device context; valid from Address Device on */
	unsigned port;         /* root hub port number, 0 = none yet */
	struct usbdev *dev;    /* NULL: nothing answers */
	struct xhci_endpoint *endpoints[XHCI_DCI_MAX + 1]; /* by DCI; NULL = disabled */
};

/**
 * struct xhci_commands - the command ring
 * @running:	CRR
 * @doorbell:	there may be commands
 * @stop, @abort: CS, CA were written
 * @active:	@trb (found at @trb_iova, ring cursor before it @before) has been taken and
 *		is not answered yet
 * @result:	its completion code once known, else XHCI_CC_INVALID
 * @stream_request: what it waits for, NULL = nothing of that kind
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
	struct xhci_stream_request *stream_request;
	unsigned result_slot;
};

struct xhci {
	struct xhci_env env;
	struct guest_mem *mem;
	struct xhci_lend *lend; /* of a checking build (lend.h), else NULL */
	bool bus_master;
	uint64_t bus_master_losses; /* times it went off */
	bool in_run;
	bool kicked;
	struct xhci_budget budget; /* of this run, or of the last one */
	struct xhci_pace pace;
	uint64_t memory_wake_ns; /* when to try again what found no memory, 0 = never */
	uint64_t wake_ns;        /* what env.wake_at was last asked for, 0 = nothing */
	/* parked: guest memory is away; see xhci_dma_fault() */
	bool parked;
	uint64_t parked_until_ns; /* 0 = until memory changes */
	uint64_t parked_generation;

	uint32_t usbcmd;
	uint32_t
		usbsts; /* the bits that stick: HSE EINT PCD SRE HCE; HCH follows `halted` */
	bool halted;    /* HCH */
	bool saved;     /* by CSS, and nothing has happened since */
	uint32_t dnctrl;
	uint64_t dcbaap;
	uint32_t config;
	uint64_t mfindex_zero_ns; /* when MFINDEX was 0 */
	uint64_t mfindex_wrap_ns; /* when the next wrap event is due, 0 = none */
	bool mfindex_event;       /* an MFINDEX Wrap Event is due */

	struct xhci_commands commands;
	struct xhci_interrupter interrupters[XHCI_INTERRUPTERS];
	unsigned ports_per_kind;
	uint64_t ports_wake_ns; /* when to call xhci_ports_show(), 0 = never */
	struct xhci_port ports[2 * XHCI_PORTS_MAX]; /* USB 2 first */
	struct xhci_slot slots[XHCI_SLOTS + 1];

	struct list kicked_endpoints; /* xhci_endpoint.kick_node */
	struct list isoch_due; /* xhci_isoch.node: endpoints that wait for a time */
	struct list quiescing; /* xhci_endpoint.quiescing_node */
	struct list orphans;   /* TDs nobody waits for, until they complete */
	struct list releases;
	unsigned tds;                /* allocated, for the limit */
	unsigned trbs;               /* likewise */
	unsigned streams;            /* likewise, struct xhci_stream */
	struct list stream_requests; /* with devices; stream_request.h */

	void (*on_gone)(void *ctx, unsigned port);
	void *on_gone_ctx;
};

/* xhci.c */

/* Asks for xhci_run(). Cheap, many times. */
void xhci_kick(struct xhci *xhci);
/* True if guest memory may be touched and events posted: running, no HSE or
 * HCE, bus master, not parked. */
bool xhci_can_work(const struct xhci *xhci);
/**
 * xhci_dma_fault() - guest memory that the controller itself needs (ring,
 * context, ERST, event) could not be reached
 *
 * Call it, keep the state as before the access, and give up for this run: the
 * controller is either parked and will come back, or dead (HSE).
 * @what: for the log
 */
void xhci_dma_fault(struct xhci *xhci, const char *what, uint64_t iova);
/* There was no memory of ours for work that stays due: it is tried again soon. */
void xhci_short_of_memory(struct xhci *xhci);
/* Grows with every change of what the controller can reach: maps, unmaps, bus mastering off. */
uint64_t xhci_memory_generation(const struct xhci *xhci);
/* The data of a transfer that was submitted at @since_generation of guest memory
 * could not be reached: true if that is no fault of the guest, as memory has
 * changed since, or is away for the moment (then the controller is parked). */
bool xhci_memory_unsettled(struct xhci *xhci, uint64_t since_generation);
/* Host Controller Error: the guest broke a rule that leaves no other answer. */
void xhci_controller_error(struct xhci *xhci, const char *why);
/* RS, HCRST, CSS, CRS as written to USBCMD. */
void xhci_set_running(struct xhci *xhci, bool run);
void xhci_hcrst(struct xhci *xhci);
void xhci_save_state(struct xhci *xhci);
void xhci_restore_state(struct xhci *xhci);
/* The doorbell register of slot @slot_id (0 = commands) was written. doorbell is in endpoint.c */
void xhci_doorbell(struct xhci *xhci, unsigned slot_id, uint32_t value);

/* interrupter.c, event_ring.c */

/* Power-on and HCRST state. */
void xhci_interrupter_reset(struct xhci *xhci, unsigned number);
uint32_t xhci_interrupter_read(struct xhci *xhci, unsigned number, uint32_t reg);
void xhci_interrupter_write(struct xhci *xhci, unsigned number, uint32_t reg,
			    uint32_t value);
/**
 * xhci_event_post() - put @event into the event ring of interrupter @number
 * @event:	without cycle bit
 * @number:	one that does not exist or whose ring is disabled (ERSTSZ 0) means 0
 * @block:	BEI: no interrupt for this event
 *
 * Return: 0; -ENOSPC no room now: keep your state, a later run will come;
 * -EFAULT memory: xhci_dma_fault() was called, keep your state.
 */
MUST_USE int xhci_event_post(struct xhci *xhci, unsigned number,
			     const struct xhci_trb *event, bool block);
/* Raises the interrupts that are due, at the end of a run. */
void xhci_interrupters_update(struct xhci *xhci);
/* CSS, CRS: where the event rings stand, which outlives that the guest writes the same
 * ERSTSZ and ERSTBA again. */
void xhci_interrupters_save(struct xhci *xhci);
void xhci_interrupters_restore(struct xhci *xhci);
/* When the next moderated interrupt is due, 0 = none waits. */
uint64_t xhci_interrupters_wake_ns(const struct xhci *xhci);

/* port.c */
void xhci_ports_init(struct xhci *xhci);
/* HCRST: each port as after power-on, devices newly connected. */
void xhci_port_reset_state(struct xhci_port *port);
uint32_t xhci_port_read(struct xhci_port *port, uint32_t reg);
void xhci_port_write(struct xhci_port *port, uint32_t reg, uint32_t value);
/* Posts the Port Status Change Events that are due. Return: 0 or as xhci_event_post(). */
MUST_USE int xhci_ports_run(struct xhci *xhci);
/* @dev, owned by the caller, is in the empty @port now, and in sight, at once or when
 * the guest has taken note that the last one went. Takes its events. */
void xhci_port_plug(struct xhci_port *port, struct usbdev *dev);
/* Out of sight at once. Return: the device, which still has its events here. */
MUST_USE struct usbdev *xhci_port_unplug(struct xhci_port *port);
/* Shows the devices whose time has come. Call it in each run, it is cheap. */
void xhci_ports_show(struct xhci *xhci);
/* Port number 1..count, else NULL. */
struct xhci_port *xhci_port(struct xhci *xhci, unsigned number);

/* plug.c */

/* Gives pulled devices back that nothing holds any more. */
void xhci_releases_run(struct xhci *xhci);

/* slot.c, command.c, endpoint.c have headers of their own. */

#endif /* XHCI_XHCI_PRIV_H */
