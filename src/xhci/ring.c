/* SPDX-License-Identifier: MIT
 * ring.c - consumer side of an xHCI TRB ring
 */
#include "xhci/ring.h"

#include <errno.h>

#include "mem/guest_mem.h"
#include "xhci/budget.h"
#include "xhci/trb.h"

#define TRB_OFF_STATUS  8u
#define TRB_OFF_CONTROL 12u
#define POINTER_MASK    (~UINT64_C(0xf))

void xhci_ring_init(struct xhci_ring *ring, uint64_t pointer, bool cycle)
{
	ring->dequeue_iova = pointer & POINTER_MASK;
	ring->cycle = cycle;
}

int xhci_ring_next(struct xhci_ring *ring, struct guest_mem *mem,
		   struct xhci_budget *budget, struct xhci_trb *trb, uint64_t *trb_iova)
{
	uint64_t iova = ring->dequeue_iova;
	uint8_t head[TRB_OFF_CONTROL];
	uint32_t control;

	if (!xhci_budget_take(budget))
		return -ELOOP;
	if (iova > UINT64_MAX - XHCI_TRB_SIZE)
		return -EFAULT;
	/* The guest writes the control word last, so we load it first: else a new
	 * cycle bit could be paired with an old pointer. */
	if (guest_mem_load_le32(mem, iova + TRB_OFF_CONTROL, &control) < 0)
		return -EFAULT;
	if (((control & XHCI_TRB_C) != 0) != ring->cycle)
		return 0;
	if (guest_mem_read(mem, iova, head, sizeof(head)) < 0)
		return -EFAULT;
	trb->parameter = get_le64(head);
	trb->status = get_le32(head + TRB_OFF_STATUS);
	trb->control = control;
	*trb_iova = iova;
	if (xhci_trb_type(trb) == XHCI_TRB_TYPE_LINK)
		xhci_ring_init(ring, trb->parameter,
			       ring->cycle ^ ((control & XHCI_TRB_TC) != 0));
	else
		ring->dequeue_iova = iova + XHCI_TRB_SIZE;
	return 1;
}
