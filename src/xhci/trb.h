/* SPDX-License-Identifier: MIT
 * trb.h - one Transfer Request Block (6.4): our copy of it, and its fields
 */
#ifndef XHCI_TRB_H
#define XHCI_TRB_H

#include <stdbool.h>
#include <stdint.h>

#include "util/bytes.h"
#include "xhci/spec.h"

/* In host byte order; the guest's is little-endian. */
struct xhci_trb {
	uint64_t parameter;
	uint32_t status;
	uint32_t control;
};

static inline enum xhci_trb_type xhci_trb_type(const struct xhci_trb *trb)
{
	return (enum xhci_trb_type)((trb->control >> XHCI_TRB_TYPE_SHIFT) & 0x3f);
}

static inline uint32_t xhci_trb_type_bits(enum xhci_trb_type type)
{
	return (uint32_t)type << XHCI_TRB_TYPE_SHIFT;
}

/* TRB Transfer Length of transfer TRBs, bytes (17 bits). */
static inline uint32_t xhci_trb_length(const struct xhci_trb *trb)
{
	return trb->status & 0x1ffff;
}

/* Interrupter Target of transfer TRBs. */
static inline unsigned xhci_trb_interrupter(const struct xhci_trb *trb)
{
	return trb->status >> 22;
}

/* Frame ID of Isoch TRBs; without SIA. */
static inline unsigned xhci_trb_frame_id(const struct xhci_trb *trb)
{
	return (trb->control >> 20) & 0x7ff;
}

/* Slot ID of commands. */
static inline unsigned xhci_trb_slot_id(const struct xhci_trb *trb)
{
	return trb->control >> XHCI_TRB_SLOT_SHIFT;
}

/* Endpoint ID (DCI) of commands. */
static inline unsigned xhci_trb_dci(const struct xhci_trb *trb)
{
	return (trb->control >> XHCI_TRB_EP_SHIFT) & 0x1f;
}

/**
 * struct xhci_event_place - a TRB of an event ring
 * @segment, @segment_iova, @segment_trbs: its segment, as the guest described it
 * @index:	in that
 * @cycle:	producer cycle state there
 */
struct xhci_event_place {
	unsigned segment;
	uint64_t segment_iova;
	uint32_t segment_trbs;
	uint32_t index;
	bool cycle;
};

static inline uint64_t xhci_event_place_iova(const struct xhci_event_place *place)
{
	return place->segment_iova + (uint64_t)place->index * XHCI_TRB_SIZE;
}

static inline void xhci_trb_put(uint8_t raw[XHCI_TRB_SIZE], const struct xhci_trb *trb)
{
	put_le64(raw, trb->parameter);
	put_le32(raw + 8, trb->status);
	put_le32(raw + 12, trb->control);
}

#endif /* XHCI_TRB_H */
