/* SPDX-License-Identifier: MIT
 * interrupter.c - interrupter registers, interrupt moderation (4.17, 5.5.2)
 *
 * An event posted without BEI makes its interrupter `pending`. From there:
 *
 *   pending, and the guest's handler is not at work (EHB = 0), and the moderation
 *   time is over         -> IP = 1, EHB = 1, USBSTS.EINT = 1, no longer pending
 *   IP = 1, IE, INTE     -> an interrupt; the message clears IP (4.17.5); the
 *                           moderation time starts again
 *
 * The handler ends with a write of ERDP that clears EHB. If events are left
 * behind the new ERDP, and only then, the interrupter fires again when it may.
 */
#include "xhci/interrupter.h"

#include <errno.h>

#include "xhci/controller.h"

#define IMOD_UNIT_NS       250u
#define ERSTSZ_MASK        0xffffu
#define ERSTBA_LO_RESERVED 0x3fu
#define ERDP_LO_FLAGS      0xfu
#define ERDP_DESI          0x7u

void xhci_interrupter_reset(struct xhci *xhci, unsigned number)
{
	xhci->interrupters[number] = (struct xhci_interrupter){
		.number = number,
		.imod = XHCI_IMOD_DEFAULT,
	};
	xhci_event_ring_reset(&xhci->interrupters[number].ring, number);
}

/* IMODC counts down to 0 in steps of 250 ns. */
static uint32_t imod_counter(const struct xhci *xhci, const struct xhci_interrupter *intr)
{
	uint64_t now = xhci_now_ns(xhci);
	uint64_t left;

	if (intr->fire_at_ns <= now)
		return 0;
	left = (intr->fire_at_ns - now + IMOD_UNIT_NS - 1) / IMOD_UNIT_NS;
	return left > 0xffff ? 0xffff : (uint32_t)left;
}

uint32_t xhci_interrupter_read(struct xhci *xhci, unsigned number, uint32_t reg)
{
	const struct xhci_interrupter *intr = &xhci->interrupters[number];

	switch (reg) {
	case XHCI_INTR_IMAN:
		return (intr->ip ? XHCI_IMAN_IP : 0) | (intr->ie ? XHCI_IMAN_IE : 0);
	case XHCI_INTR_IMOD:
		return intr->imod | imod_counter(xhci, intr) << 16;
	case XHCI_INTR_ERSTSZ:
		return intr->ring.erstsz;
	case XHCI_INTR_ERSTBA_LO:
		return (uint32_t)intr->ring.erstba;
	case XHCI_INTR_ERSTBA_HI:
		return (uint32_t)(intr->ring.erstba >> 32);
	case XHCI_INTR_ERDP_LO:
		return (uint32_t)intr->ring.erdp | intr->desi |
		       (intr->ehb ? XHCI_ERDP_EHB : 0);
	case XHCI_INTR_ERDP_HI:
		return (uint32_t)(intr->ring.erdp >> 32);
	default:
		return 0;
	}
}

static void imod_write(struct xhci *xhci, struct xhci_interrupter *intr, uint32_t value)
{
	uint32_t counter = value >> 16;

	intr->imod = value & 0xffff;
	intr->fire_at_ns =
		counter ? xhci_now_ns(xhci) + (uint64_t)counter * IMOD_UNIT_NS : 0;
}

static void erdp_lo_write(struct xhci_interrupter *intr, uint32_t value)
{
	xhci_event_ring_set_erdp(&intr->ring,
				 with_low32(intr->ring.erdp, value & ~ERDP_LO_FLAGS));
	intr->desi = value & ERDP_DESI;
	if (value & XHCI_ERDP_EHB)
		intr->ehb = false;
}

void xhci_interrupter_write(struct xhci *xhci, unsigned number, uint32_t reg,
			    uint32_t value)
{
	struct xhci_interrupter *intr = &xhci->interrupters[number];

	switch (reg) {
	case XHCI_INTR_IMAN:
		if (value & XHCI_IMAN_IP)
			intr->ip = false;
		intr->ie = (value & XHCI_IMAN_IE) != 0;
		break;
	case XHCI_INTR_IMOD:
		imod_write(xhci, intr, value);
		break;
	case XHCI_INTR_ERSTSZ:
		xhci_event_ring_set_erstsz(&intr->ring, value & ERSTSZ_MASK);
		break;
	case XHCI_INTR_ERSTBA_LO:
		xhci_event_ring_set_erstba(
			&intr->ring,
			with_low32(intr->ring.erstba, value & ~ERSTBA_LO_RESERVED));
		break;
	case XHCI_INTR_ERSTBA_HI:
		xhci_event_ring_set_erstba(&intr->ring,
					   with_high32(intr->ring.erstba, value));
		break;
	case XHCI_INTR_ERDP_LO:
		erdp_lo_write(intr, value);
		xhci_pace_guest_reacted(&xhci->pace);
		break;
	case XHCI_INTR_ERDP_HI:
		xhci_event_ring_set_erdp(&intr->ring,
					 with_high32(intr->ring.erdp, value));
		break;
	default:
		return;
	}
	xhci_kick(xhci);
}

void xhci_interrupters_save(struct xhci *xhci)
{
	for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++)
		xhci_event_ring_save(&xhci->interrupters[i].ring);
}

void xhci_interrupters_restore(struct xhci *xhci)
{
	for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++)
		xhci_event_ring_restore(&xhci->interrupters[i].ring);
}

/* Where an event for interrupter @number goes, NULL = nowhere yet. */
static struct xhci_event_ring *event_target(struct xhci *xhci, unsigned number)
{
	struct xhci_event_ring *ring = &xhci->interrupters[0].ring;

	if (number < XHCI_INTERRUPTERS && xhci->interrupters[number].ring.erstsz > 0)
		ring = &xhci->interrupters[number].ring;
	return ring->erstsz > 0 ? ring : NULL;
}

int xhci_event_post(struct xhci *xhci, unsigned number, const struct xhci_trb *event,
		    bool block)
{
	struct xhci_event_ring *ring = event_target(xhci, number);

	return ring ? xhci_event_ring_post(xhci, ring, event, block) : -ENOSPC;
}

/* An interrupt is wanted as soon as moderation allows. */
static bool wants_interrupt(const struct xhci_interrupter *intr)
{
	return intr->ring.pending && !intr->ehb;
}

static void raise_interrupt(struct xhci *xhci, struct xhci_interrupter *intr)
{
	intr->ip = false;
	intr->fire_at_ns = 0;
	if (intr->imod)
		intr->fire_at_ns =
			xhci_now_ns(xhci) + (uint64_t)intr->imod * IMOD_UNIT_NS;
	xhci->env.interrupt(xhci->env.ctx, intr->number);
}

static bool can_raise(const struct xhci *xhci, const struct xhci_interrupter *intr)
{
	/* a message is a memory write, which needs bus mastering */
	return intr->ie && (xhci->usbcmd & XHCI_USBCMD_INTE) && xhci->bus_master;
}

void xhci_interrupters_update(struct xhci *xhci)
{
	for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++) {
		struct xhci_interrupter *intr = &xhci->interrupters[i];

		/* the guest has taken them without an interrupt */
		if (intr->ring.pending && !xhci_event_ring_has_events(&intr->ring))
			intr->ring.pending = false;
		if (wants_interrupt(intr) && xhci_now_ns(xhci) >= intr->fire_at_ns) {
			intr->ip = true;
			intr->ehb = true;
			intr->ring.pending = false;
			xhci->usbsts |= XHCI_USBSTS_EINT;
		}
		if (intr->ip && can_raise(xhci, intr))
			raise_interrupt(xhci, intr);
	}
}

uint64_t xhci_interrupters_wake_ns(const struct xhci *xhci)
{
	uint64_t wake_ns = 0;

	if (!xhci->bus_master)
		return 0; /* switching it on kicks */
	for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++) {
		const struct xhci_interrupter *intr = &xhci->interrupters[i];

		if (!wants_interrupt(intr))
			continue;
		/* not 0 for one that is due already: that would mean never */
		if (wake_ns == 0 || intr->fire_at_ns < wake_ns)
			wake_ns = MAX_OF(intr->fire_at_ns, 1);
	}
	return wake_ns;
}

void xhci_replay_interrupts(struct xhci *xhci)
{
	for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++) {
		struct xhci_interrupter *intr = &xhci->interrupters[i];

		if (!(intr->ip || intr->ehb) || !can_raise(xhci, intr))
			continue;
		/* a handler that finds EINT clear takes the interrupt for another's */
		xhci->usbsts |= XHCI_USBSTS_EINT;
		raise_interrupt(xhci, intr);
	}
}
