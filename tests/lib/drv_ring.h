/* SPDX-License-Identifier: MIT
 * drv_ring.h - rings in guest memory: the driver's side of them
 *
 * A producer ring (command or transfer ring) of one or more segments that end in Link
 * TRBs, and a consumer ring for events. Touches memory only, no registers. TRBs are not
 * checked, so a test can write nonsense.
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
 * struct drv_ring - a ring we write
 * @segments, @trbs: segments, and TRBs in each; the last TRB is the Link TRB
 * @segment, @index, @cycle: position and cycle bit of the next TRB
 * @held, @held_control: first TRB of an open TD; a wrong cycle bit hides it from the
 *		controller until drv_ring_end()
 * @chained:	the last TRB pushed had CH, so a Link TRB needs it too
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

/* An event ring we read: @table is the ERST in guest memory. */
struct drv_event_ring {
	struct guest_buf memory[DRV_SEGMENTS_MAX];
	struct guest_buf table;
	unsigned segments;
	unsigned trbs;
	unsigned segment;
	unsigned index;
	bool cycle;
};

/* Allocates @segments of @trbs TRBs; Link TRBs make them a circle, the last one toggles
 * the cycle bit. */
void drv_ring_init(struct drv_ring *ring, struct guest_ram *ram, enum guest_ram_zone zone,
		   unsigned segments, unsigned trbs);
/* Empties it: all zeros, cycle 1, next TRB at the first segment's start. */
void drv_ring_clear(struct drv_ring *ring);
/* Appends @trb with the ring's cycle bit, otherwise unchanged; writes a Link TRB first at
 * the end of a segment. Return: address of the TRB. */
uint64_t drv_ring_push(struct drv_ring *ring, struct drv_trb trb);
/* The controller sees the TRBs pushed between the two all at once, at drv_ring_end(). */
void drv_ring_begin(struct drv_ring *ring);
void drv_ring_end(struct drv_ring *ring);
/* Writes a Link TRB at the current position and continues in the next segment; the rest
 * of this one stays unused. @flags: XTRB_IOC, XTRB_CH... */
uint64_t drv_ring_link(struct drv_ring *ring, uint32_t flags);
/* Address of the next TRB: without the cycle bit, and with it, as in Set TR Dequeue and
 * endpoint contexts. */
uint64_t drv_ring_position(const struct drv_ring *ring);
uint64_t drv_ring_dequeue(const struct drv_ring *ring);

/* Allocates segments and ERST; the ring is empty. */
void drv_event_ring_init(struct drv_event_ring *ring, struct guest_ram *ram,
			 enum guest_ram_zone zone, unsigned segments, unsigned trbs);
void drv_event_ring_clear(struct drv_event_ring *ring);
/* Takes the next event. Return: false if there is none. */
bool drv_event_ring_pop(struct drv_event_ring *ring, struct drv_trb *ret_event);
/* True if an event is pending; does not take it. */
bool drv_event_ring_ready(const struct drv_event_ring *ring);
/* ERDP value: address of the next event and DESI, without EHB. */
uint64_t drv_event_ring_erdp(const struct drv_event_ring *ring);

static inline unsigned drv_trb_type(const struct drv_trb *trb)
{
	return (trb->control >> 10) & 0x3f;
}

#endif /* TESTS_LIB_DRV_RING_H */
