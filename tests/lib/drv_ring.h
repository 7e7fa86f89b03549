/* SPDX-License-Identifier: MIT
 * drv_ring.h - rings in guest memory: the driver's side of them
 *
 * A producer ring (command or transfer ring) of one or more segments that end
 * in Link TRBs, and a consumer ring for events. Pure memory: no register is
 * touched here. Nothing stops a test from writing nonsense: TRBs go out as given.
 */
#ifndef TESTS_LIB_DRV_RING_H
#define TESTS_LIB_DRV_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/guest_ram.h"
#include "tests/lib/xhci_regs.h"

#define DRV_SEGMENTS_MAX 16u

/* A TRB in host byte order = guest order (little-endian hosts only). */
struct drv_trb {
	uint64_t parameter;
	uint32_t status;
	uint32_t control;
};

/**
 * struct drv_ring - a ring we produce
 * @segments, @trbs: segments and TRBs in each, the last one being the Link TRB
 * @segment, @index, @cycle: where the next TRB goes
 * @held, @held_control: first TRB of an open TD, kept from the controller by a
 *		wrong cycle bit until the TD is complete
 * @chained:	the last TRB pushed had CH: a Link TRB must carry it on
 */
struct drv_ring {
	struct guest_buf memory[DRV_SEGMENTS_MAX];
	unsigned segments;
	unsigned trbs;
	unsigned segment;
	unsigned index;
	bool cycle;
	bool open;
	bool chained;
	struct drv_trb *held;
	uint32_t held_control;
};

/* An event ring we consume: @table is the ERST in guest memory. */
struct drv_event_ring {
	struct guest_buf memory[DRV_SEGMENTS_MAX];
	struct guest_buf table;
	unsigned segments;
	unsigned trbs;
	unsigned segment;
	unsigned index;
	bool cycle;
};

/* Allocates @segments x @trbs, links them in a circle (toggling in the last). */
void drv_ring_init(struct drv_ring *ring, struct guest_ram *ram, enum guest_ram_zone zone,
		   unsigned segments, unsigned trbs);
/* Empties it: all zeros, cycle 1, from the first segment's start. */
void drv_ring_clear(struct drv_ring *ring);
/* Appends @trb; the cycle bit is put in, the rest is as given. Passes Link TRBs
 * on the way. Return: where the TRB is. */
uint64_t drv_ring_push(struct drv_ring *ring, struct drv_trb trb);
/* Between the two, what is pushed becomes visible at once at the end only. */
void drv_ring_begin(struct drv_ring *ring);
void drv_ring_end(struct drv_ring *ring);
/* Puts a Link TRB here and goes on in the next segment; what is left of this
 * one stays unused. @flags: XTRB_IOC, XTRB_CH... */
uint64_t drv_ring_link(struct drv_ring *ring, uint32_t flags);
/* Where the next TRB will go: without and with the cycle bit, as Set TR Dequeue
 * and endpoint contexts want it. */
uint64_t drv_ring_position(const struct drv_ring *ring);
uint64_t drv_ring_dequeue(const struct drv_ring *ring);

/* Allocates segments and ERST; empty. */
void drv_event_ring_init(struct drv_event_ring *ring, struct guest_ram *ram,
			 enum guest_ram_zone zone, unsigned segments, unsigned trbs);
void drv_event_ring_clear(struct drv_event_ring *ring);
/* Takes the next event; false if there is none. */
bool drv_event_ring_pop(struct drv_event_ring *ring, struct drv_trb *ret_event);
/* True if an event is there; takes nothing. */
bool drv_event_ring_ready(const struct drv_event_ring *ring);
/* ERDP value: address of the next event and DESI, without EHB. */
uint64_t drv_event_ring_erdp(const struct drv_event_ring *ring);

static inline unsigned drv_trb_type(const struct drv_trb *trb)
{
	return (trb->control >> 10) & 0x3f;
}

#endif /* TESTS_LIB_DRV_RING_H */
