/* SPDX-License-Identifier: MIT
 * drv_ring.c - rings in guest memory: the driver's side of them
 */
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "tests/lib/drv_ring.h"
#include "util/bytes.h"

_Static_assert(sizeof(struct drv_trb) == XTRB_BYTES, "a TRB is 16 bytes");

static struct drv_trb *trb_at(const struct guest_buf *segment, unsigned index)
{
	return (struct drv_trb *)(void *)segment->ptr + index;
}

/* The controller reads the control word first, so we write it last. */
static void publish(struct drv_trb *at, uint32_t control)
{
	__atomic_store_n(&at->control, control, __ATOMIC_RELEASE);
}

void drv_ring_init(struct drv_ring *ring, struct guest_ram *ram, enum guest_ram_zone zone,
		   unsigned segments, unsigned trbs)
{
	*ring = (struct drv_ring){.segments = segments, .trbs = trbs};
	/* a segment must not cross 64 KiB (6.1 table 6-1) */
	for (unsigned i = 0; i < segments; i++)
		ring->memory[i] = guest_alloc(ram, zone, trbs * XTRB_BYTES,
					      trbs * XTRB_BYTES > 4096 ? 65536 : 4096);
	drv_ring_clear(ring);
}

void drv_ring_clear(struct drv_ring *ring)
{
	for (unsigned i = 0; i < ring->segments; i++)
		memset(ring->memory[i].ptr, 0, ring->memory[i].size_bytes);
	ring->segment = 0;
	ring->index = 0;
	ring->cycle = true;
	ring->open = false;
	ring->held = NULL;
	ring->chained = false;
}

static void put_trb(struct drv_ring *ring, struct drv_trb *at, struct drv_trb trb)
{
	uint32_t control = (trb.control & ~XTRB_C) | (ring->cycle ? XTRB_C : 0);

	at->parameter = trb.parameter;
	at->status = trb.status;
	if (ring->open && !ring->held) {
		ring->held = at;
		ring->held_control = control;
		publish(at, control ^ XTRB_C);
	} else {
		publish(at, control);
	}
}

static uint64_t put_link(struct drv_ring *ring, uint32_t flags)
{
	unsigned next = (ring->segment + 1) % ring->segments;
	uint64_t iova =
		ring->memory[ring->segment].iova + (uint64_t)ring->index * XTRB_BYTES;
	struct drv_trb link = {
		.parameter = ring->memory[next].iova,
		.control = XTRB_TYPE(XTRB_LINK) | (next == 0 ? XTRB_TC : 0) | flags |
			   (ring->chained ? XTRB_CH : 0),
	};

	put_trb(ring, trb_at(&ring->memory[ring->segment], ring->index), link);
	if (next == 0)
		ring->cycle = !ring->cycle;
	ring->segment = next;
	ring->index = 0;
	return iova;
}

uint64_t drv_ring_link(struct drv_ring *ring, uint32_t flags)
{
	/* Skipped TRBs need this round's cycle bit, so that they look old in the next
	 * round. */
	for (unsigned i = ring->index + 1; i < ring->trbs; i++)
		*trb_at(&ring->memory[ring->segment], i) = (struct drv_trb){
			.control = ring->cycle ? XTRB_C : 0,
		};
	return put_link(ring, flags);
}

uint64_t drv_ring_push(struct drv_ring *ring, struct drv_trb trb)
{
	uint64_t iova;

	if (ring->index == ring->trbs - 1)
		(void)put_link(ring, 0);
	iova = ring->memory[ring->segment].iova + (uint64_t)ring->index * XTRB_BYTES;
	put_trb(ring, trb_at(&ring->memory[ring->segment], ring->index), trb);
	ring->index++;
	ring->chained = (trb.control & XTRB_CH) != 0;
	return iova;
}

void drv_ring_begin(struct drv_ring *ring)
{
	ring->open = true;
	ring->held = NULL;
}

void drv_ring_end(struct drv_ring *ring)
{
	ring->open = false;
	if (ring->held)
		publish(ring->held, ring->held_control);
	ring->held = NULL;
}

uint64_t drv_ring_position(const struct drv_ring *ring)
{
	return ring->memory[ring->segment].iova + (uint64_t)ring->index * XTRB_BYTES;
}

uint64_t drv_ring_dequeue(const struct drv_ring *ring)
{
	return drv_ring_position(ring) | (ring->cycle ? 1 : 0);
}

void drv_event_ring_init(struct drv_event_ring *ring, struct guest_ram *ram,
			 enum guest_ram_zone zone, unsigned segments, unsigned trbs)
{
	*ring = (struct drv_event_ring){.segments = segments, .trbs = trbs};
	ring->table = guest_alloc(ram, zone, (size_t)segments * 16, 64);
	for (unsigned i = 0; i < segments; i++)
		ring->memory[i] = guest_alloc(ram, zone, trbs * XTRB_BYTES,
					      trbs * XTRB_BYTES > 4096 ? 65536 : 4096);
	drv_event_ring_clear(ring);
}

void drv_event_ring_clear(struct drv_event_ring *ring)
{
	for (unsigned i = 0; i < ring->segments; i++) {
		memset(ring->memory[i].ptr, 0, ring->memory[i].size_bytes);
		put_le64(ring->table.ptr + (size_t)i * 16, ring->memory[i].iova);
		put_le64(ring->table.ptr + (size_t)i * 16 + 8, ring->trbs);
	}
	ring->segment = 0;
	ring->index = 0;
	ring->cycle = true;
}

bool drv_event_ring_ready(const struct drv_event_ring *ring)
{
	const struct drv_trb *at = trb_at(&ring->memory[ring->segment], ring->index);

	return ((__atomic_load_n(&at->control, __ATOMIC_ACQUIRE) & XTRB_C) != 0) ==
	       ring->cycle;
}

bool drv_event_ring_pop(struct drv_event_ring *ring, struct drv_trb *ret_event)
{
	const struct drv_trb *at = trb_at(&ring->memory[ring->segment], ring->index);

	if (!drv_event_ring_ready(ring))
		return false;
	*ret_event = *at;
	if (++ring->index < ring->trbs)
		return true;
	ring->index = 0;
	if (++ring->segment == ring->segments) {
		ring->segment = 0;
		ring->cycle = !ring->cycle;
	}
	return true;
}

uint64_t drv_event_ring_erdp(const struct drv_event_ring *ring)
{
	return (ring->memory[ring->segment].iova + (uint64_t)ring->index * XTRB_BYTES) |
	       (ring->segment & 7);
}
