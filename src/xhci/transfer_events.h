/* SPDX-License-Identifier: MIT
 * transfer_events.h - Transfer Events: of a TD, and by themselves (4.10, 6.4.2.1)
 *
 * Loop thread only.
 */
#ifndef XHCI_TRANSFER_EVENTS_H
#define XHCI_TRANSFER_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "xhci/context.h"
#include "xhci/spec.h"
#include "xhci/trb.h"

struct xhci_td;

/* A Transfer Event of endpoint @id (6.4.2.1), without ED and cycle bit. */
struct xhci_trb xhci_transfer_event(const struct xhci_ep_id *id, uint64_t parameter,
				    enum xhci_cc cc, uint32_t length_bytes);
/**
 * xhci_td_post_events() - post the Transfer Events of a TD that is done
 * @ret_failed:	set if the TD ended with an error for which its endpoint stops
 *
 * May stop in the middle when the event ring is full. The next call continues
 * there. Return: 0 all posted, or as xhci_event_post().
 */
MUST_USE int xhci_td_post_events(struct xhci_td *td, bool *ret_failed);
/* Posts the events of the TRBs that a cancelled TD completed before it was
 * stopped. Return: as above. */
MUST_USE int xhci_td_post_partial(struct xhci_td *td);
/* Posts the Stopped event of @td for where it stands (4.6.9). Return: as above. */
MUST_USE int xhci_td_post_stopped(struct xhci_td *td);

#endif /* XHCI_TRANSFER_EVENTS_H */
