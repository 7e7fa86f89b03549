/* SPDX-License-Identifier: MIT
 * lend.h - for the checking build: the guest memory that we may write to
 *
 * The guest lends the controller memory to write to. Each place where a loan starts or ends
 * calls one of these functions; mem/dma_check.h compares the loans with the writes. It also
 * checks that a loan is over when we tell the guest so. Without -Ddma_check=true they do
 * nothing. Loop thread only.
 */
#ifndef XHCI_LEND_H
#define XHCI_LEND_H

#include <stdbool.h>
#include <stdint.h>

#include "xhci/spec.h"
#include "xhci/trb.h"

struct xhci;
struct xhci_ep_id;

#ifdef DMA_CHECK

/* The controller is made; all writes count from now on. */
void xhci_lend_begin(struct xhci *xhci);
void xhci_lend_end(struct xhci *xhci);
/* The registers that say whether anything may be written at all have changed: HCH, bus master. */
void xhci_lend_gate(struct xhci *xhci);
/* HCRST: ends all loans. */
void xhci_lend_reset(struct xhci *xhci);

/* A buffer of an IN TD goes to the device. @owner: the TD; @td_iova: its first TRB. */
void xhci_lend_data(struct xhci *xhci, const void *owner, const struct xhci_ep_id *id,
		    uint64_t td_iova, uint64_t iova, uint64_t len);
/* The device has returned all buffers of @owner, or @owner is an orphan. */
void xhci_lend_data_end(struct xhci *xhci, const void *owner);
/* Pointers into guest memory that the device has had are stale. */
void xhci_lend_settle(const struct xhci *xhci);

/* An event of event ring @number goes to @place; it has been @written, or not. @erstsz, @erdp:
 * the registers of that ring. */
void xhci_lend_event(struct xhci *xhci, unsigned number,
		     const struct xhci_event_place *place, uint32_t erstsz,
		     uint64_t erdp);
void xhci_lend_event_end(struct xhci *xhci, unsigned number,
			 const struct xhci_event_place *place, bool written);
/* Event ring @number starts again. */
void xhci_lend_event_ring(struct xhci *xhci, unsigned number);

/* State and dequeue pointer in the endpoint context at @iova, as long as @owner, the endpoint,
 * lives. With streams the pointer is not ours. */
void xhci_lend_endpoint(struct xhci *xhci, const void *owner, const struct xhci_ep_id *id,
			uint64_t iova, bool streams);
/* TR Dequeue Pointer of the Stream Context at @iova, as long as @owner, the stream, lives. */
void xhci_lend_stream(struct xhci *xhci, const void *owner, const struct xhci_ep_id *id,
		      uint64_t iova);
/* Ends either of them. */
void xhci_lend_context_end(struct xhci *xhci, const void *owner);

/* Execution of command @trb, found at @trb_iova, starts. By xhci_lend_command() it may write
 * more, until it ends for this run. */
void xhci_lend_command_begin(struct xhci *xhci, const struct xhci_trb *trb,
			     uint64_t trb_iova);
void xhci_lend_command(struct xhci *xhci, uint64_t iova, uint64_t len);
void xhci_lend_command_end(struct xhci *xhci);
/* Its completion event is about to be posted. @disabled_dcis: a bit for each endpoint that its
 * slot does not have. */
void xhci_lend_command_answered(struct xhci *xhci, const struct xhci_trb *trb,
				enum xhci_cc cc, uint32_t disabled_dcis);

#else

static inline void xhci_lend_begin(struct xhci *xhci)
{
	(void)xhci;
}
static inline void xhci_lend_end(struct xhci *xhci)
{
	(void)xhci;
}
static inline void xhci_lend_gate(struct xhci *xhci)
{
	(void)xhci;
}
static inline void xhci_lend_reset(struct xhci *xhci)
{
	(void)xhci;
}
static inline void xhci_lend_data(struct xhci *xhci, const void *owner,
				  const struct xhci_ep_id *id, uint64_t td_iova,
				  uint64_t iova, uint64_t len)
{
	(void)xhci;
	(void)owner;
	(void)id;
	(void)td_iova;
	(void)iova;
	(void)len;
}
static inline void xhci_lend_data_end(struct xhci *xhci, const void *owner)
{
	(void)xhci;
	(void)owner;
}
static inline void xhci_lend_settle(const struct xhci *xhci)
{
	(void)xhci;
}
static inline void xhci_lend_event(struct xhci *xhci, unsigned number,
				   const struct xhci_event_place *place, uint32_t erstsz,
				   uint64_t erdp)
{
	(void)xhci;
	(void)number;
	(void)place;
	(void)erstsz;
	(void)erdp;
}
static inline void xhci_lend_event_end(struct xhci *xhci, unsigned number,
				       const struct xhci_event_place *place, bool written)
{
	(void)xhci;
	(void)number;
	(void)place;
	(void)written;
}
static inline void xhci_lend_event_ring(struct xhci *xhci, unsigned number)
{
	(void)xhci;
	(void)number;
}
static inline void xhci_lend_endpoint(struct xhci *xhci, const void *owner,
				      const struct xhci_ep_id *id, uint64_t iova,
				      bool streams)
{
	(void)xhci;
	(void)owner;
	(void)id;
	(void)iova;
	(void)streams;
}
static inline void xhci_lend_stream(struct xhci *xhci, const void *owner,
				    const struct xhci_ep_id *id, uint64_t iova)
{
	(void)xhci;
	(void)owner;
	(void)id;
	(void)iova;
}
static inline void xhci_lend_context_end(struct xhci *xhci, const void *owner)
{
	(void)xhci;
	(void)owner;
}
static inline void xhci_lend_command_begin(struct xhci *xhci, const struct xhci_trb *trb,
					   uint64_t trb_iova)
{
	(void)xhci;
	(void)trb;
	(void)trb_iova;
}
static inline void xhci_lend_command(struct xhci *xhci, uint64_t iova, uint64_t len)
{
	(void)xhci;
	(void)iova;
	(void)len;
}
static inline void xhci_lend_command_end(struct xhci *xhci)
{
	(void)xhci;
}
static inline void xhci_lend_command_answered(struct xhci *xhci,
					      const struct xhci_trb *trb, enum xhci_cc cc,
					      uint32_t disabled_dcis)
{
	(void)xhci;
	(void)trb;
	(void)cc;
	(void)disabled_dcis;
}

#endif /* DMA_CHECK */

#endif /* XHCI_LEND_H */
