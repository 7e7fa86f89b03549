/* SPDX-License-Identifier: MIT
 * xhci.c - the controller: life, and the work of a run
 */
#include "xhci/xhci.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "usbdev/usbdev.h"
#include "xhci/command.h"
#include "xhci/controller.h"
#include "xhci/endpoint.h"
#include "xhci/interrupter.h"
#include "xhci/isoch.h"
#include "xhci/lend.h"
#include "xhci/plug.h"
#include "xhci/port.h"
#include "xhci/slot.h"
#include "xhci/slot_commands.h"
#include "xhci/usbcmd.h"

/* Endpoints served in one run. */
#define ENDPOINTS_PER_RUN 64u

#define MFINDEX_PERIOD_NS ((uint64_t)XHCI_MFINDEX_UFRAMES * XHCI_UFRAME_NS)

/* A controller and its parts, to which struct xhci points. */
struct whole {
	struct xhci xhci;
	struct xhci_commands commands;
	struct xhci_interrupter interrupters[XHCI_INTERRUPTERS];
	struct xhci_port ports[2 * XHCI_PORTS_MAX];
	struct xhci_slot slots[XHCI_SLOTS + 1];
};

struct xhci *xhci_create(const struct xhci_env *env, struct guest_mem *mem,
			 unsigned ports)
{
	struct whole *whole = calloc(1, sizeof(*whole));
	struct xhci *xhci;

	assert(ports >= 1 && ports <= XHCI_PORTS_MAX);
	if (!whole)
		return NULL;
	xhci = &whole->xhci;
	xhci->commands = &whole->commands;
	xhci->interrupters = whole->interrupters;
	xhci->ports = whole->ports;
	xhci->slots = whole->slots;
	xhci->env = *env;
	xhci->mem = mem;
	xhci->ports_per_kind = ports;
	list_init(&xhci->kicked_endpoints);
	list_init(&xhci->isoch_due);
	list_init(&xhci->quiescing);
	list_init(&xhci->orphans);
	list_init(&xhci->stream_requests);
	list_init(&xhci->releases);
	xhci_ports_init(xhci);
	xhci_lend_begin(xhci);
	xhci_hcrst(xhci);
	return xhci;
}

void xhci_destroy(struct xhci *xhci)
{
	if (!xhci)
		return;
	/* no command is left to wait for an answer of a device */
	for (unsigned i = 0; i < 2 * xhci->ports_per_kind; i++)
		if (xhci->ports[i].dev)
			xhci_slots_device_gone(xhci, xhci->ports[i].dev);
	xhci_commands_reset(xhci);
	xhci_slots_reset(xhci);
	assert(xhci_idle(xhci));
	xhci_lend_end(xhci);
	free(CONTAINER_OF(xhci, struct whole, xhci));
}

void xhci_reset(struct xhci *xhci)
{
	xhci_hcrst(xhci);
}

void xhci_set_bus_master(struct xhci *xhci, bool enabled)
{
	if (xhci->bus_master && !enabled)
		xhci->bus_master_losses++;
	xhci->bus_master = enabled;
	xhci_lend_gate(xhci);
	xhci_kick(xhci);
}

void xhci_memory_changed(struct xhci *xhci)
{
	if (xhci->parking.parked)
		xhci_kick(xhci);
}

/* MFINDEX Wrap Events, if the guest asked for them (4.14.2). Return: as xhci_event_post(). */
static int run_mfindex(struct xhci *xhci)
{
	struct xhci_trb event = {
		.status = (uint32_t)XHCI_CC_SUCCESS << 24,
		.control = xhci_trb_type_bits(XHCI_TRB_TYPE_MFINDEX_WRAP_EVENT),
	};
	uint64_t now_ns = xhci_now_ns(xhci);
	uint64_t wraps = (now_ns - xhci->mfindex.zero_ns) / MFINDEX_PERIOD_NS;
	int r = 0;

	if (!(xhci->usbcmd & XHCI_USBCMD_EWE)) {
		xhci->mfindex.wrap_ns = 0;
		xhci->mfindex.event = false;
		return 0;
	}
	if (xhci->mfindex.wrap_ns != 0 && now_ns >= xhci->mfindex.wrap_ns)
		xhci->mfindex.event = true;
	xhci->mfindex.wrap_ns = xhci->mfindex.zero_ns + (wraps + 1) * MFINDEX_PERIOD_NS;
	if (xhci->mfindex.event)
		r = xhci_event_post(xhci, 0, &event, false);
	if (r == 0)
		xhci->mfindex.event = false;
	return r;
}

/* Each kicked endpoint once. Return: true if one has more to do at once. */
static bool run_endpoints(struct xhci *xhci)
{
	bool more = false;
	struct list blocked;
	struct list *node;

	list_init(&blocked);
	for (unsigned n = 0; n < ENDPOINTS_PER_RUN && xhci_can_work(xhci) &&
			     !xhci_budget_is_spent(&xhci->budget);
	     n++) {
		struct xhci_endpoint *ep;

		node = list_first(&xhci->kicked_endpoints);
		if (!node)
			break;
		list_remove(node);
		ep = LIST_ENTRY(node, struct xhci_endpoint, pipe.kick_node);
		/* one with more to do is on the list again */
		if (xhci_endpoint_run(ep) == XHCI_PROGRESS_BLOCKED &&
		    list_empty(&ep->pipe.kick_node))
			list_append(&blocked, &ep->pipe.kick_node);
	}
	more = !list_empty(&xhci->kicked_endpoints);
	while ((node = list_first(&blocked))) {
		list_remove(node);
		list_append(&xhci->kicked_endpoints, node);
	}
	return more;
}

/* Work that touches the guest. Return: true if more is left to do at once. */
static bool work(struct xhci *xhci)
{
	bool more;

	/* an event that finds no room is still due in a later run */
	if (xhci_ports_run(xhci) == 0)
		(void)run_mfindex(xhci);
	xhci_endpoints_wake(xhci);
	/* endpoints first: a doorbell counts before a Stop Endpoint written after it */
	more = run_endpoints(xhci);
	if (!xhci_can_work(xhci))
		return false;
	return xhci_commands_run(xhci) == XHCI_PROGRESS_MORE || more;
}

/* True unless the controller rests, to let its guest catch up. */
static bool may_go_on(struct xhci *xhci)
{
	return xhci->pace.rest_until_ns == 0 ||
	       xhci_pace_allows(&xhci->pace, xhci_now_ns(xhci));
}

/* The work of a run, within its budget. Return: as work(), but false if the controller must
 * rest first. */
static bool work_within_budget(struct xhci *xhci)
{
	bool more;

	xhci->budget = xhci_budget_of(XHCI_BUDGET_RUN);
	more = work(xhci);
	xhci_pace_spent(&xhci->pace, xhci_budget_spent(&xhci->budget));
	if (!xhci_pace_is_ahead(&xhci->pace))
		return more;
	xhci_pace_settle(&xhci->pace, xhci_now_ns(xhci));
	return more && xhci->pace.rest_until_ns == 0;
}

/* The earlier one; 0 = none. */
static uint64_t earlier_ns(uint64_t a_ns, uint64_t b_ns)
{
	if (a_ns == 0 || b_ns == 0)
		return MAX_OF(a_ns, b_ns);
	return MIN_OF(a_ns, b_ns);
}

static void schedule_wake(struct xhci *xhci)
{
	uint64_t at_ns = earlier_ns(xhci_interrupters_wake_ns(xhci), xhci->ports_wake_ns);

	at_ns = earlier_ns(at_ns, xhci_endpoints_give_up_ns(xhci));
	at_ns = earlier_ns(at_ns, xhci->memory_wake_ns);
	if (xhci->parking.parked)
		at_ns = earlier_ns(at_ns, xhci->parking.until_ns);
	/* a wrap event that found no room waits for the guest, not for time */
	if (xhci_can_work(xhci) && xhci->mfindex.wrap_ns > xhci_now_ns(xhci))
		at_ns = earlier_ns(at_ns, xhci->mfindex.wrap_ns);
	if (xhci_can_work(xhci))
		at_ns = earlier_ns(at_ns, xhci_isoch_wake_ns(xhci));
	if (xhci_can_work(xhci))
		at_ns = earlier_ns(at_ns, xhci->pace.rest_until_ns);
	if (at_ns != xhci->wake_ns)
		xhci->env.wake_at(xhci->env.ctx, at_ns);
	xhci->wake_ns = at_ns;
}

static void log_activity(struct xhci *xhci)
{
	static const char *const names[] = {[XHCI_ACTIVITY_HALTED] = "HALTED",
					    [XHCI_ACTIVITY_HALTING] = "HALTING",
					    [XHCI_ACTIVITY_FAILED] = "FAILED",
					    [XHCI_ACTIVITY_WAITING] = "WAITING",
					    [XHCI_ACTIVITY_RUNNING] = "RUNNING"};
	enum xhci_activity now = xhci_activity(xhci);

	if (now == xhci->activity_logged)
		return;
	log_trace("controller: %s -> %s", names[xhci->activity_logged], names[now]);
	xhci->activity_logged = now;
}

void xhci_run(struct xhci *xhci)
{
	bool more = false;

	xhci->in_run = true;
	xhci->kicked = false;
	if (xhci->wake_ns != 0 && xhci_now_ns(xhci) >= xhci->wake_ns)
		xhci->wake_ns = 0; /* this is that wake-up, or it is overtaken */
	xhci->memory_wake_ns = 0;  /* this run tries again */
	xhci_unpark(xhci);
	xhci_ports_show(xhci);
	xhci_endpoints_give_up(xhci);
	if (xhci_can_work(xhci) && may_go_on(xhci))
		more = work_within_budget(xhci);
	xhci_halt_run(xhci);
	if (xhci->bus_master)
		xhci_interrupters_update(xhci);
	xhci_releases_run(xhci);
	schedule_wake(xhci);
	log_activity(xhci);
	xhci->in_run = false;
	if (more || xhci->kicked) {
		xhci->kicked = true;
		xhci->env.kick(xhci->env.ctx);
	}
}

bool xhci_idle(const struct xhci *xhci)
{
	for (unsigned i = 0; i < 2 * xhci->ports_per_kind; i++)
		if (xhci->ports[i].dev && xhci->ports[i].dev->in_flight > 0)
			return false;
	return list_empty(&xhci->orphans) && list_empty(&xhci->releases) &&
	       list_empty(&xhci->stream_requests);
}
