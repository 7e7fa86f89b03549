/* SPDX-License-Identifier: MIT
 * xhci.c - the controller: life, running and halting, the work of a run
 */
#include "xhci/xhci.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "xhci/command.h"
#include "xhci/endpoint.h"
#include "xhci/lend.h"
#include "xhci/slot.h"
#include "xhci/stream_request.h"
#include "xhci/xhci_priv.h"

/* A VMM re-maps all RAM within about a millisecond; a hole that lasts longer
 * than this after the last unmap is real. */
#define PARK_NS 100000000u
/* How soon what found no memory is tried again. */
#define MEMORY_WAIT_NS 10000000u
/* Endpoints served in one run. */
#define ENDPOINTS_PER_RUN 64u

#define MFINDEX_PERIOD_NS ((uint64_t)XHCI_MFINDEX_UFRAMES * XHCI_UFRAME_NS)

struct xhci *xhci_create(const struct xhci_env *env, struct guest_mem *mem,
			 unsigned ports)
{
	struct xhci *xhci = calloc(1, sizeof(*xhci));

	assert(ports >= 1 && ports <= XHCI_PORTS_MAX);
	if (!xhci)
		return NULL;
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
	/* nobody is left who could wait for an answer of a device */
	for (unsigned i = 0; i < 2 * xhci->ports_per_kind; i++)
		if (xhci->ports[i].dev)
			xhci_slots_device_gone(xhci, xhci->ports[i].dev);
	xhci_commands_reset(xhci);
	xhci_slots_reset(xhci);
	assert(xhci_idle(xhci));
	xhci_lend_end(xhci);
	free(xhci);
}

void xhci_kick(struct xhci *xhci)
{
	if (xhci->kicked)
		return;
	xhci->kicked = true;
	if (!xhci->in_run)
		xhci->env.kick(xhci->env.ctx);
}

bool xhci_can_work(const struct xhci *xhci)
{
	return (xhci->usbcmd & XHCI_USBCMD_RS) && !xhci->halted && xhci->bus_master &&
	       !xhci->parked && !(xhci->usbsts & (XHCI_USBSTS_HSE | XHCI_USBSTS_HCE));
}

static void for_each_endpoint(struct xhci *xhci, void (*fn)(struct xhci_endpoint *ep))
{
	for (unsigned id = 1; id <= XHCI_SLOTS; id++)
		for (unsigned dci = 1; dci <= XHCI_DCI_MAX && xhci->slots[id].enabled;
		     dci++)
			if (xhci->slots[id].endpoints[dci])
				fn(xhci->slots[id].endpoints[dci]);
}

/* RS goes to 0; HCH follows when nothing is with a device any more (5.4.1.1). */
static void begin_halt(struct xhci *xhci)
{
	xhci->usbcmd &= ~XHCI_USBCMD_RS;
	xhci_commands_halt(xhci);
	for_each_endpoint(xhci, xhci_endpoint_quiesce);
	xhci_kick(xhci);
}

static bool all_quiet(const struct xhci *xhci)
{
	for (unsigned id = 1; id <= XHCI_SLOTS; id++)
		for (unsigned dci = 1; dci <= XHCI_DCI_MAX && xhci->slots[id].enabled;
		     dci++)
			if (xhci->slots[id].endpoints[dci] &&
			    !xhci_endpoint_is_quiet(xhci->slots[id].endpoints[dci]))
				return false;
	return true;
}

void xhci_set_running(struct xhci *xhci, bool run)
{
	bool running = (xhci->usbcmd & XHCI_USBCMD_RS) != 0;

	if (run == running ||
	    (run && (xhci->usbsts & (XHCI_USBSTS_HSE | XHCI_USBSTS_HCE))))
		return;
	log_debug("controller %s", run ? "runs" : "halts");
	xhci->saved = false;
	if (!run) {
		begin_halt(xhci);
		return;
	}
	xhci->usbcmd |= XHCI_USBCMD_RS;
	xhci->halted = false;
	xhci_lend_gate(xhci);
	xhci->mfindex_zero_ns = xhci->env.now_ns(xhci->env.ctx);
	for_each_endpoint(xhci, xhci_endpoint_kick);
	xhci_kick(xhci);
}

void xhci_hcrst(struct xhci *xhci)
{
	xhci_commands_reset(xhci);
	xhci_slots_reset(xhci);
	xhci->usbcmd = 0;
	xhci->usbsts = 0;
	xhci->halted = true;
	xhci->saved = false;
	xhci->parked = false;
	xhci->dnctrl = 0;
	xhci->dcbaap = 0;
	xhci->config = 0;
	xhci->mfindex_zero_ns = 0;
	xhci->mfindex_wrap_ns = 0;
	xhci->mfindex_event = false;
	for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++)
		xhci_interrupter_reset(xhci, i);
	xhci_lend_gate(xhci);
	xhci_lend_reset(xhci);
	for (unsigned i = 0; i < 2 * xhci->ports_per_kind; i++)
		xhci_port_reset_state(&xhci->ports[i]);
	xhci_kick(xhci);
}

/* 4.23.2. Nothing is lost while the controller is halted, so there is nothing to write
 * down but what the guest's restoring of registers changes. */
void xhci_save_state(struct xhci *xhci)
{
	if (!xhci->halted)
		return;
	xhci_interrupters_save(xhci);
	xhci->saved = true;
}

void xhci_restore_state(struct xhci *xhci)
{
	if (!xhci->halted)
		return;
	if (!xhci->saved)
		xhci->usbsts |= XHCI_USBSTS_SRE; /* it was reset: drivers begin anew */
	else
		xhci_interrupters_restore(xhci);
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
	if (xhci->parked)
		xhci_kick(xhci);
}

/* Guest memory is away for the moment: the controller waits for it. */
static bool park_if_away(struct xhci *xhci)
{
	uint64_t now_ns = xhci->env.now_ns(xhci->env.ctx);
	uint64_t unmap_ns = guest_mem_last_change_ns(xhci->mem);
	bool none = guest_mem_count(xhci->mem) == 0;

	if (!none && (unmap_ns == 0 || now_ns >= unmap_ns + PARK_NS))
		return false;
	xhci->parked = true;
	xhci->parked_until_ns = none ? 0 : unmap_ns + PARK_NS;
	xhci->parked_generation = guest_mem_generation(xhci->mem);
	return true;
}

uint64_t xhci_memory_generation(const struct xhci *xhci)
{
	return guest_mem_generation(xhci->mem) + xhci->bus_master_losses;
}

bool xhci_memory_unsettled(struct xhci *xhci, uint64_t since_generation)
{
	return xhci_memory_generation(xhci) != since_generation || park_if_away(xhci);
}

void xhci_dma_fault(struct xhci *xhci, const char *what, uint64_t iova)
{
	if (xhci->parked || (xhci->usbsts & XHCI_USBSTS_HSE))
		return;
	if (park_if_away(xhci)) {
		log_limited(LOG_LEVEL_DEBUG, "%s at 0x%llx: memory is away, waiting",
			    what, (unsigned long long)iova);
		return;
	}
	log_limited(LOG_LEVEL_WARN,
		    "%s at 0x%llx is not in guest memory: Host System Error, "
		    "the guest must reset the controller",
		    what, (unsigned long long)iova);
	xhci->usbsts |= XHCI_USBSTS_HSE;
	begin_halt(xhci);
}

void xhci_controller_error(struct xhci *xhci, const char *why)
{
	log_limited(LOG_LEVEL_WARN,
		    "%s: Host Controller Error, the guest must reset the controller",
		    why);
	xhci->usbsts |= XHCI_USBSTS_HCE;
	begin_halt(xhci);
}

static void unpark(struct xhci *xhci)
{
	uint64_t now_ns = xhci->env.now_ns(xhci->env.ctx);

	if (!xhci->parked)
		return;
	if (guest_mem_generation(xhci->mem) != xhci->parked_generation ||
	    (xhci->parked_until_ns != 0 && now_ns >= xhci->parked_until_ns))
		xhci->parked = false;
}

/* MFINDEX Wrap Events, only for who asked for them (4.14.2). Return: as xhci_event_post(). */
static int run_mfindex(struct xhci *xhci)
{
	struct xhci_trb event = {
		.status = (uint32_t)XHCI_CC_SUCCESS << 24,
		.control = xhci_trb_type_bits(XHCI_TRB_TYPE_MFINDEX_WRAP_EVENT),
	};
	uint64_t now_ns = xhci->env.now_ns(xhci->env.ctx);
	uint64_t wraps = (now_ns - xhci->mfindex_zero_ns) / MFINDEX_PERIOD_NS;
	int r = 0;

	if (!(xhci->usbcmd & XHCI_USBCMD_EWE)) {
		xhci->mfindex_wrap_ns = 0;
		xhci->mfindex_event = false;
		return 0;
	}
	if (xhci->mfindex_wrap_ns != 0 && now_ns >= xhci->mfindex_wrap_ns)
		xhci->mfindex_event = true;
	xhci->mfindex_wrap_ns = xhci->mfindex_zero_ns + (wraps + 1) * MFINDEX_PERIOD_NS;
	if (xhci->mfindex_event)
		r = xhci_event_post(xhci, 0, &event, false);
	if (r == 0)
		xhci->mfindex_event = false;
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
		ep = LIST_ENTRY(node, struct xhci_endpoint, kick_node);
		switch (xhci_endpoint_run(ep)) {
		case XHCI_PROGRESS_DONE:
		case XHCI_PROGRESS_MORE: /* is on the list again */
			break;
		case XHCI_PROGRESS_BLOCKED:
			if (list_empty(&ep->kick_node))
				list_append(&blocked, &ep->kick_node);
			break;
		}
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

	/* what finds no room is still due in a later run */
	(void)(xhci_ports_run(xhci) == 0 && run_mfindex(xhci) == 0);
	xhci_isoch_wake(xhci);
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
	       xhci_pace_allows(&xhci->pace, xhci->env.now_ns(xhci->env.ctx));
}

/* The work of a run, within its budget. Return: as work(); false if the controller is to
 * rest first. */
static bool work_within_budget(struct xhci *xhci)
{
	bool more;

	xhci->budget = xhci_budget_of(XHCI_BUDGET_RUN);
	more = work(xhci);
	xhci_pace_spent(&xhci->pace, xhci_budget_spent(&xhci->budget));
	if (!xhci_pace_is_ahead(&xhci->pace))
		return more;
	xhci_pace_settle(&xhci->pace, xhci->env.now_ns(xhci->env.ctx));
	return more && xhci->pace.rest_until_ns == 0;
}

/* The earlier one; 0 = none. */
static uint64_t earlier_ns(uint64_t a_ns, uint64_t b_ns)
{
	if (a_ns == 0 || b_ns == 0)
		return MAX_OF(a_ns, b_ns);
	return MIN_OF(a_ns, b_ns);
}

void xhci_short_of_memory(struct xhci *xhci)
{
	log_limited(LOG_LEVEL_WARN, "not enough memory for transfers: they wait");
	xhci->memory_wake_ns = xhci->env.now_ns(xhci->env.ctx) + MEMORY_WAIT_NS;
}

static void schedule_wake(struct xhci *xhci)
{
	uint64_t at_ns = earlier_ns(xhci_interrupters_wake_ns(xhci), xhci->ports_wake_ns);

	at_ns = earlier_ns(at_ns, xhci_endpoints_give_up_ns(xhci));
	at_ns = earlier_ns(at_ns, xhci->memory_wake_ns);
	if (xhci->parked)
		at_ns = earlier_ns(at_ns, xhci->parked_until_ns);
	/* a wrap that could not be told yet waits for the guest, not for time */
	if (xhci_can_work(xhci) &&
	    xhci->mfindex_wrap_ns > xhci->env.now_ns(xhci->env.ctx))
		at_ns = earlier_ns(at_ns, xhci->mfindex_wrap_ns);
	if (xhci_can_work(xhci))
		at_ns = earlier_ns(at_ns, xhci_isoch_wake_ns(xhci));
	if (xhci_can_work(xhci))
		at_ns = earlier_ns(at_ns, xhci->pace.rest_until_ns);
	if (at_ns != xhci->wake_ns)
		xhci->env.wake_at(xhci->env.ctx, at_ns);
	xhci->wake_ns = at_ns;
}

void xhci_run(struct xhci *xhci)
{
	bool more = false;

	xhci->in_run = true;
	xhci->kicked = false;
	if (xhci->wake_ns != 0 && xhci->env.now_ns(xhci->env.ctx) >= xhci->wake_ns)
		xhci->wake_ns = 0; /* it was this wake-up, or overtaken */
	xhci->memory_wake_ns = 0;  /* this run tries again */
	unpark(xhci);
	xhci_ports_show(xhci);
	xhci_endpoints_give_up(xhci);
	if (xhci_can_work(xhci) && may_go_on(xhci))
		more = work_within_budget(xhci);
	if (!(xhci->usbcmd & XHCI_USBCMD_RS) && !xhci->halted && all_quiet(xhci)) {
		xhci->halted = true;
		xhci_lend_gate(xhci);
	}
	if (xhci->bus_master)
		xhci_interrupters_update(xhci);
	xhci_releases_run(xhci);
	schedule_wake(xhci);
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
