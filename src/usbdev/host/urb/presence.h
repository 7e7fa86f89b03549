/* SPDX-License-Identifier: MIT
 * presence.h - is the device still there, and are its interfaces still ours?
 *
 * Presence. Only a reap that finds no URB says whether the device is there: -EAGAIN or
 * -ENODEV. Before that, a submission may fail with -ENODEV, and URBs come back with statuses
 * that have other causes too, such as a change of the interface under them.
 *
 *   PRESENT    -- a submission fails with -ENODEV ------------> CHECKING
 *   PRESENT, CHECKING -- an URB comes back as if gone --------> SUSPECT
 *   CHECKING   -- a reap says -EAGAIN ------------------------> PRESENT
 *   SUSPECT    -- a reap says -EAGAIN; check the claim -------> PRESENT
 *   PRESENT, CHECKING, SUSPECT -- a reap says -ENODEV --------> GONE
 *   GONE       -- all has completed; the owner is notified ---> GONE_NOTIFIED
 *
 * CHECKING and SUSPECT reap soon. In SUSPECT, URBs that came back as if the device were gone
 * do not complete yet: their transfers end as GONE or as CANCELLED.
 *
 * Claim. After a suspend of the host, its drivers may have claimed our interfaces.
 *
 *   OURS       -- a submission fails with -EBUSY -------------> CONTESTED
 *   CONTESTED  -- the owner has checked ----------------------> CHECKED
 *   any        -- a submission succeeds ----------------------> OURS
 *
 * In CONTESTED, a submission that the kernel refused waits. In CHECKED it fails. URBs that the
 * kernel killed also ask the owner for a check, without a change of state: no submission waits
 * then.
 */
#ifndef USBDEV_HOST_URB_PRESENCE_H
#define USBDEV_HOST_URB_PRESENCE_H

#include <stdbool.h>

#include "util/compiler.h"

struct urb_work;

enum urb_presence {
	URB_PRESENCE_PRESENT,
	URB_PRESENCE_CHECKING,
	URB_PRESENCE_SUSPECT,
	URB_PRESENCE_GONE,
	URB_PRESENCE_GONE_NOTIFIED,
};

enum urb_claim {
	URB_CLAIM_OURS,
	URB_CLAIM_CONTESTED,
	URB_CLAIM_CHECKED,
};

/**
 * struct urb_standing - both states of one device, which change by the functions below only
 * @fd:		usbfs, for log lines
 * @check_wanted: the task asks the owner to check the claim
 */
struct urb_standing {
	struct urb_work *work;
	int fd;
	enum urb_presence presence;
	enum urb_claim claim;
	bool check_wanted;
};

void urb_standing_init(struct urb_standing *standing, struct urb_work *work, int fd);

static inline bool urb_is_gone(const struct urb_standing *standing)
{
	return standing->presence >= URB_PRESENCE_GONE;
}

static inline bool urb_is_suspect(const struct urb_standing *standing)
{
	return standing->presence == URB_PRESENCE_SUSPECT;
}

/* True if only a reap can tell whether the device is there. */
static inline bool urb_wants_reap(const struct urb_standing *standing)
{
	return standing->presence == URB_PRESENCE_CHECKING ||
	       standing->presence == URB_PRESENCE_SUSPECT;
}

/* Enters @presence, and runs the task if that state has something to do. Entering a state
 * again runs the task again. */
void urb_set_presence(struct urb_standing *standing, enum urb_presence presence);
/* The kernel refused a submission with -ENODEV. */
void urb_check_presence(struct urb_standing *standing);

void urb_set_claim(struct urb_standing *standing, enum urb_claim claim);
/* Asks the owner, in the task, to check that the interfaces are still ours. */
void urb_suspect_claim(struct urb_standing *standing);
/* The kernel refused a submission with -EBUSY: does the same. Return: true if the submission waits
 * for the check; false if it fails. */
MUST_USE bool urb_contest_claim(struct urb_standing *standing);

#endif /* USBDEV_HOST_URB_PRESENCE_H */
