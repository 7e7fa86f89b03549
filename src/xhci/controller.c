/* SPDX-License-Identifier: MIT
 * controller.c - kicks, faults and parking
 */
#include "xhci/controller.h"

/* A VMM re-maps all RAM within about a millisecond; a hole that lasts longer
 * than this after the last unmap is real. */
#define PARK_NS 100000000u
/* How soon to try again after an allocation failed. */
#define MEMORY_WAIT_NS 10000000u

unsigned xhci_port_count(const struct xhci *xhci)
{
	return 2 * xhci->ports_per_kind;
}

void xhci_kick(struct xhci *xhci)
{
	if (xhci->kicked)
		return;
	xhci->kicked = true;
	if (!xhci->in_run)
		xhci->env.kick(xhci->env.ctx);
}

/* Parks the controller if guest memory is away for the moment. */
static bool park_if_away(struct xhci *xhci)
{
	uint64_t now_ns = xhci_now_ns(xhci);
	uint64_t unmap_ns = guest_mem_last_change_ns(xhci->mem);
	bool none = guest_mem_count(xhci->mem) == 0;

	if (!none && (unmap_ns == 0 || now_ns >= unmap_ns + PARK_NS))
		return false;
	xhci->parking = (struct xhci_parking){
		.parked = true,
		.until_ns = none ? 0 : unmap_ns + PARK_NS,
		.generation = guest_mem_generation(xhci->mem),
	};
	return true;
}

void xhci_unpark(struct xhci *xhci)
{
	struct xhci_parking *parking = &xhci->parking;

	if (!parking->parked)
		return;
	if (guest_mem_generation(xhci->mem) != parking->generation ||
	    (parking->until_ns != 0 && xhci_now_ns(xhci) >= parking->until_ns))
		parking->parked = false;
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
	if (xhci->parking.parked || (xhci->usbsts & XHCI_USBSTS_HSE))
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
	xhci_kick(xhci);
}

void xhci_controller_error(struct xhci *xhci, const char *why)
{
	log_limited(LOG_LEVEL_WARN,
		    "%s: Host Controller Error, the guest must reset the controller",
		    why);
	xhci->usbsts |= XHCI_USBSTS_HCE;
	xhci_kick(xhci);
}

void xhci_short_of_memory(struct xhci *xhci)
{
	log_limited(LOG_LEVEL_WARN, "not enough memory for transfers: they wait");
	xhci->memory_wake_ns = xhci_now_ns(xhci) + MEMORY_WAIT_NS;
}
