/* SPDX-License-Identifier: MIT
 * usbcmd.c - the orders of USBCMD: run and halt, reset, save, restore
 */
#include "xhci/usbcmd.h"

#include "xhci/command.h"
#include "xhci/controller.h"
#include "xhci/endpoint.h"
#include "xhci/interrupter.h"
#include "xhci/lend.h"
#include "xhci/port.h"
#include "xhci/slot.h"
#include "xhci/slot_commands.h"

static void for_each_endpoint(struct xhci *xhci, void (*fn)(struct xhci_endpoint *ep))
{
	for (unsigned id = 1; id <= XHCI_SLOTS; id++)
		for (unsigned dci = 1; dci <= XHCI_DCI_MAX && xhci->slots[id].enabled;
		     dci++)
			if (xhci->slots[id].endpoints[dci])
				fn(xhci->slots[id].endpoints[dci]);
}

/* RS goes to 0; HCH follows when no device holds a transfer any more (5.4.1.1). */
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

void xhci_halt_run(struct xhci *xhci)
{
	if (xhci_activity(xhci) == XHCI_ACTIVITY_FAILED)
		begin_halt(xhci);
	if (xhci_activity(xhci) != XHCI_ACTIVITY_HALTING || !all_quiet(xhci))
		return;
	xhci->halted = true;
	xhci_lend_gate(xhci);
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
	xhci->mfindex.zero_ns = xhci_now_ns(xhci);
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
	xhci->parking.parked = false;
	xhci->dnctrl = 0;
	xhci->dcbaap = 0;
	xhci->config = 0;
	xhci->mfindex.zero_ns = 0;
	xhci->mfindex.wrap_ns = 0;
	xhci->mfindex.event = false;
	for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++)
		xhci_interrupter_reset(xhci, i);
	xhci_lend_gate(xhci);
	xhci_lend_reset(xhci);
	for (unsigned i = 0; i < 2 * xhci->ports_per_kind; i++)
		xhci_port_reset_state(&xhci->ports[i]);
	xhci_kick(xhci);
}

/* 4.23.2. A halted controller loses nothing. It saves only the state that the guest changes
 * when it restores the registers. */
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
		xhci->usbsts |= XHCI_USBSTS_SRE; /* it was reset: drivers start again */
	else
		xhci_interrupters_restore(xhci);
}
