/* SPDX-License-Identifier: MIT
 * stream.c - from Stream IDs to transfer rings
 *
 * Linear array (LSA = 1): entry n of the primary array is the Stream Context of
 * Stream ID n, and has SCT 1. Otherwise the low MaxPStreams + 1 bits of the ID are
 * the index in the primary array. An entry there is either a stream itself (SCT 1),
 * and the higher bits of the ID must be 0, or points at a secondary array (SCT 2 to 7:
 * 8 to 256 entries), and the higher bits are the index there. The entries of a secondary
 * array have SCT 0. Entry 0 of the primary array is reserved.
 *
 * We check nothing of this before the guest uses a stream: it may write the arrays as it
 * likes, so their content at that time counts.
 */
#include "xhci/stream.h"

#include <errno.h>
#include <stdlib.h>

#include "xhci/controller.h"
#include "xhci/lend.h"
#include "xhci/pipe.h"

#define STREAM_CONTEXT_BYTES UINT64_C(16)
#define POINTER_MASK         (~UINT64_C(0xf))
#define LOW_BITS             0xfu
#define SSA_ENTRIES(sct)     (4u << ((sct)-1u)) /* 2: 8 ... 7: 256 */

static unsigned sct_of(uint64_t low)
{
	return (unsigned)(low >> 1) & 7;
}

static bool sct_is_array(unsigned sct)
{
	return sct > XHCI_SCT_PRIMARY_RING;
}

struct xhci_streams *xhci_streams_create(struct xhci_pipe *pipe,
					 const struct xhci_context *ctx)
{
	struct xhci_streams *streams = calloc(1, sizeof(*streams));

	if (!streams)
		return NULL;
	streams->pipe = pipe;
	streams->array_iova = xhci_ep_context_dequeue(ctx) & POINTER_MASK;
	streams->entries = xhci_ep_context_primary_streams(ctx);
	streams->linear = xhci_ep_context_linear(ctx);
	for (unsigned i = 0; i < ARRAY_SIZE(streams->buckets); i++)
		list_init(&streams->buckets[i]);
	return streams;
}

static struct xhci_stream *stream_of(struct list *node)
{
	return xhci_stream_of(LIST_ENTRY(node, struct xhci_transfer_ring, node));
}

void xhci_stream_drop(struct xhci_stream *stream)
{
	struct xhci *xhci = stream->ring.pipe->xhci;

	xhci_lend_context_end(xhci, stream);
	xhci->streams--;
	xhci_transfer_ring_finish(&stream->ring);
	list_remove(&stream->node);
	free(stream);
}

void xhci_streams_destroy(struct xhci_streams *streams)
{
	struct list *node;
	struct list *tmp;

	if (!streams)
		return;
	LIST_FOREACH_SAFE(node, tmp, &streams->pipe->rings)
		xhci_stream_drop(stream_of(node));
	free(streams);
}

/* Reads the TR Dequeue Pointer dwords of a Stream Context; 0 if that fails. */
static int read_pointer(struct xhci *xhci, uint64_t iova, uint64_t *ret_pointer)
{
	uint8_t raw[8];
	int r;

	xhci_budget_spend(&xhci->budget, 1);
	r = guest_mem_read(xhci->mem, iova, raw, sizeof(raw));
	*ret_pointer = r == 0 ? get_le64(raw) : 0;
	return r;
}

int xhci_streams_id_max(struct xhci *xhci, const struct xhci_context *ctx,
			unsigned *ret_id_max)
{
	uint64_t array_iova = xhci_ep_context_dequeue(ctx) & POINTER_MASK;
	unsigned entries = xhci_ep_context_primary_streams(ctx);
	unsigned id_max = entries - 1;

	for (unsigned i = 1; i < entries && !xhci_ep_context_linear(ctx); i++) {
		uint64_t pointer;
		unsigned last;

		if (read_pointer(xhci, array_iova + i * STREAM_CONTEXT_BYTES, &pointer) <
		    0)
			return -EFAULT;
		if (!sct_is_array(sct_of(pointer)))
			continue;
		last = (SSA_ENTRIES(sct_of(pointer)) - 1) * entries + i;
		if (last > id_max)
			id_max = last;
	}
	*ret_id_max = MIN_OF(id_max, XHCI_STREAM_ID_MAX);
	return 0;
}

/* False: arrays of this shape have no such Stream ID. */
static bool id_ok(const struct xhci_streams *streams, unsigned stream_id)
{
	if (stream_id == 0 || stream_id > XHCI_STREAM_ID_MAX)
		return false;
	if (streams->linear)
		return stream_id < streams->entries;
	return stream_id % streams->entries != 0 &&
	       stream_id / streams->entries < SSA_ENTRIES(XHCI_SCT_SSA_256);
}

static struct xhci_stream *find(struct xhci_streams *streams, unsigned stream_id)
{
	struct list *bucket = &streams->buckets[stream_id % streams->entries];
	struct list *node;

	LIST_FOREACH(node, bucket) {
		struct xhci_stream *stream = LIST_ENTRY(node, struct xhci_stream, node);

		if (stream->ring.stream_id == stream_id)
			return stream;
	}
	return NULL;
}

static struct xhci_stream *create(struct xhci_streams *streams, unsigned stream_id)
{
	struct xhci *xhci = streams->pipe->xhci;
	struct xhci_stream *stream;

	if (xhci->streams >= XHCI_STREAMS_TOTAL)
		return NULL;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return NULL;
	xhci->streams++;
	stream->streams = streams;
	xhci_transfer_ring_init(&stream->ring, streams->pipe, NULL, stream_id, 0);
	list_append(&streams->buckets[stream_id % streams->entries], &stream->node);
	return stream;
}

enum xhci_cc xhci_stream_doorbell(struct xhci_streams *streams, unsigned stream_id)
{
	struct xhci_stream *stream;

	/* reserved values: ignored (5.6) */
	if (stream_id == 0 || stream_id > XHCI_STREAM_ID_MAX)
		return XHCI_CC_SUCCESS;
	if (!id_ok(streams, stream_id))
		return XHCI_CC_INVALID_STREAM_ID;
	stream = find(streams, stream_id);
	if (!stream)
		stream = create(streams, stream_id);
	if (!stream)
		return XHCI_CC_RESOURCE_ERROR;
	stream->ring.rung = true;
	xhci_transfer_ring_kick(&stream->ring);
	return XHCI_CC_SUCCESS;
}

/* Finds the Stream Context of @stream_id, which is id_ok(): its address, the SCT that it must
 * have, its content. Return: as xhci_stream_prepare(). */
static enum xhci_cc locate(const struct xhci_streams *streams, unsigned stream_id,
			   uint64_t *ret_iova, unsigned *ret_sct, uint64_t *ret_pointer)
{
	struct xhci *xhci = streams->pipe->xhci;
	unsigned secondary = stream_id / streams->entries;
	unsigned sct;

	*ret_sct = XHCI_SCT_PRIMARY_RING;
	*ret_iova =
		streams->array_iova + stream_id % streams->entries * STREAM_CONTEXT_BYTES;
	if (read_pointer(xhci, *ret_iova, ret_pointer) < 0)
		goto fault;
	sct = sct_of(*ret_pointer);
	if (streams->linear || !sct_is_array(sct))
		return secondary == 0 ? XHCI_CC_SUCCESS : XHCI_CC_INVALID_STREAM_ID;
	if (secondary >= SSA_ENTRIES(sct))
		return XHCI_CC_INVALID_STREAM_ID;
	*ret_sct = XHCI_SCT_SECONDARY_RING;
	*ret_iova = (*ret_pointer & POINTER_MASK) + secondary * STREAM_CONTEXT_BYTES;
	if (read_pointer(xhci, *ret_iova, ret_pointer) < 0)
		goto fault;
	return XHCI_CC_SUCCESS;
fault:
	xhci_dma_fault(xhci, "stream context", *ret_iova);
	return XHCI_CC_PENDING;
}

/* True if the context is in reach, for reading and writing. Else xhci_dma_fault(). */
static bool context_ok(const struct xhci_stream *stream)
{
	struct xhci *xhci = stream->ring.pipe->xhci;

	xhci_budget_spend(&xhci->budget, 1);
	if (guest_mem_check(xhci->mem, stream->context_iova, STREAM_CONTEXT_BYTES,
			    GUEST_MEM_READ | GUEST_MEM_WRITE))
		return true;
	xhci_dma_fault(xhci, "stream context", stream->context_iova);
	return false;
}

enum xhci_cc xhci_stream_prepare(struct xhci_stream *stream)
{
	const struct xhci_pipe *pipe = stream->ring.pipe;
	uint64_t pointer;
	unsigned sct;
	enum xhci_cc cc;

	if (stream->prepared)
		return XHCI_CC_SUCCESS;
	cc = locate(stream->streams, stream->ring.stream_id, &stream->context_iova, &sct,
		    &pointer);
	if (cc != XHCI_CC_SUCCESS)
		return cc;
	if (sct_of(pointer) != sct)
		return XHCI_CC_INVALID_STREAM_TYPE;
	if (!context_ok(stream))
		return XHCI_CC_PENDING;
	xhci_ring_init(&stream->ring.cursor, pointer, (pointer & 1) != 0);
	stream->context_low = (uint32_t)pointer & LOW_BITS & ~1u;
	stream->prepared = true;
	xhci_lend_stream(pipe->xhci, stream, &pipe->id, stream->context_iova);
	return XHCI_CC_SUCCESS;
}

bool xhci_streams_contexts_ok(struct xhci_streams *streams)
{
	uint64_t generation = guest_mem_generation(streams->pipe->xhci->mem);
	struct list *node;

	if (streams->checked && streams->checked_generation == generation)
		return true;
	LIST_FOREACH(node, &streams->pipe->rings) {
		const struct xhci_stream *stream = stream_of(node);

		if (stream->prepared && !context_ok(stream))
			return false;
	}
	streams->checked = true;
	streams->checked_generation = generation;
	return true;
}

void xhci_streams_write_contexts(struct xhci_streams *streams)
{
	struct xhci *xhci = streams->pipe->xhci;
	struct list *node;

	LIST_FOREACH(node, &streams->pipe->rings) {
		struct xhci_stream *stream = stream_of(node);
		struct xhci_ring dequeue = xhci_transfer_ring_dequeue(&stream->ring);
		uint8_t raw[8];

		if (!stream->prepared)
			continue;
		xhci_budget_spend(&xhci->budget, 1);
		put_le64(raw, dequeue.dequeue_iova | stream->context_low |
				      (dequeue.cycle ? 1 : 0));
		if (guest_mem_write(xhci->mem, stream->context_iova, raw, sizeof(raw)) <
		    0)
			xhci_dma_fault(xhci, "stream context", stream->context_iova);
	}
}

enum xhci_cc xhci_stream_set_dequeue(struct xhci_streams *streams, unsigned stream_id,
				     uint64_t pointer)
{
	struct xhci *xhci = streams->pipe->xhci;
	struct xhci_stream *stream;
	uint8_t raw[8];
	uint64_t old;
	uint64_t iova;
	unsigned sct;
	enum xhci_cc cc;

	if (!id_ok(streams, stream_id))
		return XHCI_CC_INVALID_STREAM_ID;
	cc = locate(streams, stream_id, &iova, &sct, &old);
	if (cc != XHCI_CC_SUCCESS)
		return cc;
	if (sct_of(pointer) != sct)
		return XHCI_CC_INVALID_STREAM_TYPE;
	put_le64(raw, pointer);
	xhci_lend_command(xhci, iova, sizeof(raw));
	if (guest_mem_write(xhci->mem, iova, raw, sizeof(raw)) < 0) {
		xhci_dma_fault(xhci, "stream context", iova);
		return XHCI_CC_PENDING;
	}
	/* the next doorbell reads it from the context */
	stream = find(streams, stream_id);
	if (stream)
		xhci_stream_drop(stream);
	return XHCI_CC_SUCCESS;
}
