/* SPDX-License-Identifier: MIT
 * context.h - slot, endpoint and input contexts (6.2): copies and their fields
 *
 * Contexts live in guest memory. They are copied in once, parsed from the
 * copy, and written back field by field. Loop thread only.
 */
#ifndef XHCI_CONTEXT_H
#define XHCI_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/usbdev.h"
#include "util/compiler.h"
#include "xhci/spec.h"

#define XHCI_CONTEXT_DWORDS 8u

/* A slot or endpoint context, host byte order. */
struct xhci_context {
	uint32_t dw[XHCI_CONTEXT_DWORDS];
};

/**
 * struct xhci_input - an Input Context (6.2.5), copied whole
 * @drop, @add:	flags; bit n = DCI n (bit 0 of @add = slot context)
 * @contexts:	[0] slot context, [DCI] endpoint contexts
 */
struct xhci_input {
	uint32_t drop;
	uint32_t add;
	struct xhci_context contexts[XHCI_DCI_MAX + 1];
};

/* The number and type of an endpoint, as TDs and Transfer Events need them. */
struct xhci_ep_id {
	unsigned slot_id;
	unsigned dci;
	enum xhci_ep_type type;
};

struct guest_mem;

/* Return: 0 or -EFAULT. */
MUST_USE int xhci_input_read(struct guest_mem *mem, uint64_t iova,
			     struct xhci_input *input);
MUST_USE int xhci_context_read(struct guest_mem *mem, uint64_t iova,
			       struct xhci_context *ctx);
MUST_USE int xhci_context_write(struct guest_mem *mem, uint64_t iova,
				const struct xhci_context *ctx);

/* Slot context (6.2.2) */
static inline uint32_t xhci_slot_context_route(const struct xhci_context *ctx)
{
	return ctx->dw[0] & 0xfffff;
}
static inline unsigned xhci_slot_context_entries(const struct xhci_context *ctx)
{
	return ctx->dw[0] >> 27;
}
static inline void xhci_slot_context_set_entries(struct xhci_context *ctx,
						 unsigned entries)
{
	ctx->dw[0] = (ctx->dw[0] & ~(0x1fu << 27)) | (uint32_t)entries << 27;
}
/* Takes over the fields that Configure Endpoint may change: Context Entries, Hub, MTT, exit latency,
 * Number of Ports, TT, interrupter. Route, speed and root hub port stay. */
static inline void xhci_slot_context_configure(struct xhci_context *ctx,
					       const struct xhci_context *from)
{
	const uint32_t dw0_kept = 0x01ffffffu, dw1_kept = 0x00ff0000u;

	ctx->dw[0] = (ctx->dw[0] & dw0_kept) | (from->dw[0] & ~dw0_kept);
	ctx->dw[1] = (ctx->dw[1] & dw1_kept) | (from->dw[1] & ~dw1_kept);
	ctx->dw[2] = from->dw[2];
}
/* The same for Evaluate Context: Max Exit Latency, Interrupter Target. */
static inline void xhci_slot_context_evaluate(struct xhci_context *ctx,
					      const struct xhci_context *from)
{
	const uint32_t exit_latency = 0x0000ffffu, interrupter = 0xffc00000u;

	ctx->dw[1] = (ctx->dw[1] & ~exit_latency) | (from->dw[1] & exit_latency);
	ctx->dw[2] = (ctx->dw[2] & ~interrupter) | (from->dw[2] & interrupter);
}
static inline unsigned xhci_slot_context_port(const struct xhci_context *ctx)
{
	return (ctx->dw[1] >> 16) & 0xff;
}
static inline void xhci_slot_context_set_state(struct xhci_context *ctx,
					       enum xhci_slot_state state,
					       unsigned address)
{
	ctx->dw[3] = (uint32_t)state << 27 | (address & 0xff);
}

/* Endpoint context (6.2.3) */
static inline enum xhci_ep_type xhci_ep_context_type(const struct xhci_context *ctx)
{
	return (enum xhci_ep_type)((ctx->dw[1] >> 3) & 7);
}
static inline unsigned xhci_ep_context_max_packet(const struct xhci_context *ctx)
{
	return ctx->dw[1] >> 16;
}
static inline void xhci_ep_context_set_max_packet(struct xhci_context *ctx,
						  unsigned bytes)
{
	ctx->dw[1] = (ctx->dw[1] & 0xffffu) | (uint32_t)bytes << 16;
}
static inline void xhci_ep_context_set_state(struct xhci_context *ctx,
					     enum xhci_ep_state state)
{
	ctx->dw[0] = (ctx->dw[0] & ~7u) | (uint32_t)state;
}
/* In microframes, as a power of two. */
static inline unsigned xhci_ep_context_interval(const struct xhci_context *ctx)
{
	return (ctx->dw[0] >> 16) & 0xff;
}
static inline unsigned xhci_ep_context_max_pstreams(const struct xhci_context *ctx)
{
	return (ctx->dw[0] >> 10) & 0x1f;
}
/* Entries of the Primary Stream Context Array; MaxPStreams must not be 0. */
static inline unsigned xhci_ep_context_primary_streams(const struct xhci_context *ctx)
{
	return 2u << xhci_ep_context_max_pstreams(ctx);
}
static inline bool xhci_ep_context_linear(const struct xhci_context *ctx)
{
	return (ctx->dw[0] >> 15) & 1; /* LSA */
}
static inline uint64_t xhci_ep_context_dequeue(const struct xhci_context *ctx)
{
	return (uint64_t)ctx->dw[3] << 32 | ctx->dw[2]; /* bit 0 is DCS */
}

/* What devices call an endpoint of this type. */
enum usbdev_type xhci_ep_type_usbdev(enum xhci_ep_type type);

static inline bool xhci_ep_type_is_isoch(enum xhci_ep_type type)
{
	return type == XHCI_EP_TYPE_ISOCH_OUT || type == XHCI_EP_TYPE_ISOCH_IN;
}
/* Not for control endpoints, which have both directions. */
static inline bool xhci_ep_type_is_in(enum xhci_ep_type type)
{
	return type >= XHCI_EP_TYPE_ISOCH_IN;
}

/* Device Context Index (4.5.1) to endpoint address, 1 being endpoint 0; and back, for all
 * others. */
static inline uint8_t xhci_dci_ep_addr(unsigned dci)
{
	return dci == 1 ? 0 : (uint8_t)(dci >> 1 | ((dci & 1) ? USBDEV_DIR_IN : 0));
}
static inline unsigned xhci_dci_of_ep_addr(uint8_t ep_addr)
{
	return 2u * (ep_addr & 0xf) + ((ep_addr & USBDEV_DIR_IN) ? 1 : 0);
}

#endif /* XHCI_CONTEXT_H */
