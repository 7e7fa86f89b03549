/* SPDX-License-Identifier: MIT
 * lend.h - what the guest has lent us to write to, told to the checking build
 *
 * Each place where the controller gets the guest's leave to write, or where that ends, calls
 * one of these; mem/dma_check.h compares with what is written. Besides, it is demanded that
 * nothing is lent any more when the guest is told so. Without -Ddma_check=true they do
 * nothing. Loop thread only.
 */
#ifndef XHCI_LEND_H
#define XHCI_LEND_H

#include <stdbool.h>
#include <stdint.h>

#include "xhci/spec.h"
#include "xhci/trb.h"

struct xhci;
struct xhci_endpoint;
struct xhci_stream;
struct xhci_td;

#ifdef DMA_CHECK

/* The controller is made; all writes count from now on. */
void xhci_lend_begin(struct xhci *xhci);
void xhci_lend_end(struct xhci *xhci);
/* The registers that say whether anything may be written at all have changed: HCH, bus master. */
void xhci_lend_gate(struct xhci *xhci);
/* HCRST: there is nothing. */
void xhci_lend_reset(struct xhci *xhci);

/* The buffers of @td, IN, go to the device: what has not moved yet. */
void xhci_lend_td(const struct xhci_td *td);
/* The device is done with it, or it is an orphan. */
void xhci_lend_td_end(const struct xhci_td *td);
/* Pointers into guest memory handed out before are stale. */
void xhci_lend_settle(const struct xhci *xhci);

/* An event of event ring @number goes to @place; it has been written, or not. @erstsz, @erdp:
 * the registers of that ring. */
void xhci_lend_event(struct xhci *xhci, unsigned number,
		     const struct xhci_event_place *place, uint32_t erstsz,
		     uint64_t erdp);
void xhci_lend_event_end(struct xhci *xhci, unsigned number,
			 const struct xhci_event_place *place, bool written);
/* Event ring @number starts again. */
void xhci_lend_event_ring(struct xhci *xhci, unsigned number);

/* State and dequeue pointer in the output context, while @ep is there. */
void xhci_lend_endpoint(const struct xhci_endpoint *ep);
void xhci_lend_endpoint_end(const struct xhci_endpoint *ep);
/* TR Dequeue Pointer of the Stream Context, while @stream is there. */
void xhci_lend_stream(const struct xhci_stream *stream);
void xhci_lend_stream_end(const struct xhci_stream *stream);

/* The command that is being done may write there, too. */
void xhci_lend_command(struct xhci *xhci, uint64_t iova, uint64_t len);
void xhci_lend_command_end(struct xhci *xhci);
/* Its completion event is about to be posted. */
void xhci_lend_command_told(struct xhci *xhci, const struct xhci_trb *trb,
			    enum xhci_cc cc);

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
static inline void xhci_lend_td(const struct xhci_td *td)
{
	(void)td;
}
static inline void xhci_lend_td_end(const struct xhci_td *td)
{
	(void)td;
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
static inline void xhci_lend_endpoint(const struct xhci_endpoint *ep)
{
	(void)ep;
}
static inline void xhci_lend_endpoint_end(const struct xhci_endpoint *ep)
{
	(void)ep;
}
static inline void xhci_lend_stream(const struct xhci_stream *stream)
{
	(void)stream;
}
static inline void xhci_lend_stream_end(const struct xhci_stream *stream)
{
	(void)stream;
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
static inline void xhci_lend_command_told(struct xhci *xhci, const struct xhci_trb *trb,
					  enum xhci_cc cc)
{
	(void)xhci;
	(void)trb;
	(void)cc;
}

#endif /* DMA_CHECK */

#endif /* XHCI_LEND_H */
