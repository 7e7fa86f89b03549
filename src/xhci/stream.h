/* SPDX-License-Identifier: MIT
 * stream.h - the streams of a bulk endpoint: Stream IDs, Stream Contexts, rings (4.12, 6.2.4)
 *
 * The Stream Contexts are the guest's. We keep the state of a stream from its first doorbell
 * on: its transfer ring, which starts where the Stream Context said when we first read
 * it. We write the context when the endpoint stops or halts.
 * Loop thread only.
 */
#ifndef XHCI_STREAM_H
#define XHCI_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/list.h"
#include "xhci/context.h"
#include "xhci/spec.h"
#include "xhci/transfer_ring.h"

struct xhci;
struct xhci_pipe;
struct xhci_streams;

/* States of streams in all endpoints. Linear arrays of four endpoints in each of all slots
 * fit twice; beyond it a doorbell is answered with Resource Error. */
#define XHCI_STREAMS_TOTAL 16384u

/**
 * struct xhci_stream - the state of one stream
 * @ring:	its transfer ring, with its Stream ID
 * @node:	in its bucket
 * @prepared:	we have read the Stream Context, and know the fields below
 * @context_iova: of its Stream Context
 * @context_low: the first dword of that but for TR Dequeue Pointer and DCS
 */
struct xhci_stream {
	struct xhci_transfer_ring ring;
	struct xhci_streams *streams;
	struct list node;
	bool prepared;
	uint64_t context_iova;
	uint32_t context_low;
};

/**
 * struct xhci_streams - the streams of one endpoint
 * @array_iova:	Primary Stream Context Array
 * @entries:	in that: a power of two
 * @linear:	LSA: the Stream ID is the index in it. Else its low bits are, and the rest
 *		is the index in the Secondary Stream Context Array found there
 * @checked:	xhci_streams_contexts_ok() said yes at @checked_generation of guest memory;
 *		streams that are newer were checked when they were prepared
 * @buckets:	one per entry of the primary array: the streams found through it
 */
struct xhci_streams {
	struct xhci_pipe *pipe;
	uint64_t array_iova;
	unsigned entries;
	bool linear;
	bool checked;
	uint64_t checked_generation;
	struct list buckets[1u << (XHCI_MAX_PSA_SIZE + 1)];
};

/* From an endpoint context with MaxPStreams > 0. NULL: no memory. */
struct xhci_streams *xhci_streams_create(struct xhci_pipe *pipe,
					 const struct xhci_context *ctx);
/* Ends all streams and frees the rest. NULL is fine. */
void xhci_streams_destroy(struct xhci_streams *streams);

/* The highest Stream ID that can be used with the arrays of this endpoint context.
 * Return: 0 or -EFAULT. */
MUST_USE int xhci_streams_id_max(struct xhci *xhci, const struct xhci_context *ctx,
				 unsigned *ret_id_max);

/* The guest rang the doorbell for @stream_id. Touches no guest memory. Return: XHCI_CC_SUCCESS,
 * or why that stream cannot be served. */
enum xhci_cc xhci_stream_doorbell(struct xhci_streams *streams, unsigned stream_id);

/**
 * xhci_stream_prepare() - make sure the ring of @stream is known
 *
 * Return: XHCI_CC_SUCCESS; XHCI_CC_PENDING after xhci_dma_fault(); else
 * the fault of the Stream ID or the Stream Context.
 */
enum xhci_cc xhci_stream_prepare(struct xhci_stream *stream);
static inline struct xhci_stream *xhci_stream_of(struct xhci_transfer_ring *ring)
{
	return CONTAINER_OF(ring, struct xhci_stream, ring);
}
/* Frees it. TDs that the device holds become orphans. */
void xhci_stream_drop(struct xhci_stream *stream);

/* True if the Stream Contexts of all streams in use are in reach. Else xhci_dma_fault(). */
bool xhci_streams_contexts_ok(struct xhci_streams *streams);
/* Writes the dequeue pointer of each. Callers have checked that they are in reach. */
void xhci_streams_write_contexts(struct xhci_streams *streams);

/**
 * xhci_stream_set_dequeue() - Set TR Dequeue Pointer with a Stream ID (4.6.10)
 * @pointer:	with DCS and SCT in the low bits, as in the TRB
 *
 * Return: as xhci_stream_prepare().
 */
enum xhci_cc xhci_stream_set_dequeue(struct xhci_streams *streams, unsigned stream_id,
				     uint64_t pointer);

#endif /* XHCI_STREAM_H */
