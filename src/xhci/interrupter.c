/* SPDX-License-Identifier: MIT
 * interrupter.c - interrupter registers, interrupt moderation (4.17, 5.5.2)
 *
 * An event posted without BEI makes its interrupter `pending`. From there:
 *
 *   pending, and the guest's handler is not at work (EHB = 0), and the moderation
 *   time is over         -> IP = 1, EHB = 1, USBSTS.EINT = 1, no longer pending
 *   IP = 1, IE, INTE     -> an interrupt; the message clears IP (4.17.5); the
 *                           moderation time begins anew
 *
 * The handler ends with a write of ERDP that clears EHB. If events are left
 * behind the new ERDP, and only then, the interrupter fires again when it may.
 */
#include "xhci/xhci_priv.h"

#define IMOD_UNIT_NS       250u
#define ERSTSZ_MASK        0xffffu
#define ERSTBA_LO_RESERVED 0x3fu
#define ERDP_LO_FLAGS      0xfu
#define ERDP_DESI          0x7u

static uint64_t now_ns(const struct xhci *xhci)
{
	return xhci->env.now_ns(xhci->env.ctx);
}

void xhci_interrupter_reset(struct xhci *xhci, unsigned number)
{
	xhci->interrupters[number] = (struct xhci_interrupter){
		.number = number,
		.imod = XHCI_IMOD_DEFAULT,
		.erst_changed = true,
	};
}

/* IMODC counts down to 0 in steps of 250 ns. */
static uint32_t imod_counter(const struct xhci *xhci, const struct xhci_interrupter *intr)
{
	uint64_t now = now_ns(xhci);
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
		return intr->erstsz;
	case XHCI_INTR_ERSTBA_LO:
		return (uint32_t)intr->erstba;
	case XHCI_INTR_ERSTBA_HI:
		return (uint32_t)(intr->erstba >> 32);
	case XHCI_INTR_ERDP_LO:
		return (uint32_t)intr->erdp | intr->desi |
		       (intr->ehb ? XHCI_ERDP_EHB : 0);
	case XHCI_INTR_ERDP_HI:
		return (uint32_t)(intr->erdp >> 32);
	default:
		return 0;
	}
}

static void imod_write(struct xhci *xhci, struct xhci_interrupter *intr, uint32_t value)
{
	uint32_t counter = value >> 16;

	intr->imod = value & 0xffff;
	intr->fire_at_ns = counter ? now_ns(xhci) + (uint64_t)counter * IMOD_UNIT_NS : 0;
}

/* The event ring begins anew (4.9.4: a write of ERSTBA starts it), but not before
 * there is an event: until then the guest writes halves in any order. A new
 * size alone only lengthens or shortens a ring that is in use. */
static void erst_change(struct xhci_interrupter *intr)
{
	intr->erst_changed = true;
	intr->full = false;
}

static void erstsz_write(struct xhci_interrupter *intr, uint32_t value)
{
	uint32_t old = intr->erstsz;

	intr->erstsz = value & ERSTSZ_MASK;
	if (old == 0 || intr->erstsz == 0)
		erst_change(intr);
}

static void erdp_lo_write(struct xhci_interrupter *intr, uint32_t value)
{
	intr->erdp = with_low32(intr->erdp, value & ~ERDP_LO_FLAGS);
	intr->desi = value & ERDP_DESI;
	if (value & XHCI_ERDP_EHB)
		intr->ehb = false;
	intr->full = false;
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
		erstsz_write(intr, value);
		break;
	case XHCI_INTR_ERSTBA_LO:
		intr->erstba = with_low32(intr->erstba, value & ~ERSTBA_LO_RESERVED);
		erst_change(intr);
		break;
	case XHCI_INTR_ERSTBA_HI:
		intr->erstba = with_high32(intr->erstba, value);
		erst_change(intr);
		break;
	case XHCI_INTR_ERDP_LO:
		erdp_lo_write(intr, value);
		xhci_pace_guest_reacted(&xhci->pace);
		break;
	case XHCI_INTR_ERDP_HI:
		intr->erdp = with_high32(intr->erdp, value);
		intr->full = false;
		break;
	default:
		return;
	}
	xhci_kick(xhci);
}

void xhci_interrupters_save(struct xhci *xhci)
{
	for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++) {
		struct xhci_interrupter *intr = &xhci->interrupters[i];

		intr->saved.erstsz = intr->erstsz;
		intr->saved.erstba = intr->erstba;
		intr->saved.erst_changed = intr->erst_changed;
	}
}

void xhci_interrupters_restore(struct xhci *xhci)
{
	for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++) {
		struct xhci_interrupter *intr = &xhci->interrupters[i];

		if (intr->erstsz == intr->saved.erstsz &&
		    intr->erstba == intr->saved.erstba)
			intr->erst_changed = intr->saved.erst_changed;
	}
}

/* Events lie between ERDP and the enqueue position. */
static bool has_events(const struct xhci_interrupter *intr)
{
	return !intr->erst_changed &&
	       intr->erdp != intr->segment_iova + (uint64_t)intr->index * XHCI_TRB_SIZE;
}

/* An interrupt is wanted as soon as moderation allows. */
static bool wants_interrupt(const struct xhci_interrupter *intr)
{
	return intr->pending && !intr->ehb;
}

static void raise_interrupt(struct xhci *xhci, struct xhci_interrupter *intr)
{
	intr->ip = false;
	intr->fire_at_ns = 0;
	if (intr->imod)
		intr->fire_at_ns = now_ns(xhci) + (uint64_t)intr->imod * IMOD_UNIT_NS;
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

		/* the guest found them by itself */
		if (intr->pending && !has_events(intr))
			intr->pending = false;
		if (wants_interrupt(intr) && now_ns(xhci) >= intr->fire_at_ns) {
			intr->ip = true;
			intr->ehb = true;
			intr->pending = false;
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
		return 0; /* getting it back means a run */
	for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++) {
		const struct xhci_interrupter *intr = &xhci->interrupters[i];

		if (!wants_interrupt(intr))
			continue;
		/* one that is due already: 0 would mean never */
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
