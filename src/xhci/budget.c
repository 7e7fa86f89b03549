/* SPDX-License-Identifier: MIT
 * budget.c - the account of a controller, and its rests
 */
#include "xhci/budget.h"

#include "util/compiler.h"

void xhci_pace_guest_reacted(struct xhci_pace *pace)
{
	pace->owed -= MIN_OF(pace->owed, pace->due);
	pace->due = 0;
	if (!xhci_pace_is_ahead(pace))
		pace->rest_until_ns = 0;
}

void xhci_pace_settle(struct xhci_pace *pace, uint64_t now_ns)
{
	uint64_t shrunk = (now_ns - pace->counted_ns) / XHCI_PACE_UNIT_NS;

	pace->owed -= MIN_OF(pace->owed, shrunk);
	pace->counted_ns = now_ns;
	if (xhci_pace_is_ahead(pace))
		pace->rest_until_ns =
			now_ns + (pace->owed - XHCI_PACE_AHEAD + XHCI_PACE_STEP) *
					 XHCI_PACE_UNIT_NS;
}

bool xhci_pace_allows(struct xhci_pace *pace, uint64_t now_ns)
{
	if (now_ns < pace->rest_until_ns)
		return false;
	pace->rest_until_ns = 0;
	return true;
}
