/* SPDX-License-Identifier: MIT
 * presence.c - is the device still there, and are its interfaces still ours?
 */
#include "usbdev/host/urb/presence.h"

#include "usbdev/host/urb/work.h"
#include "util/log.h"

static const char *const presence_names[] = {
	[URB_PRESENCE_PRESENT] = "PRESENT",
	[URB_PRESENCE_CHECKING] = "CHECKING",
	[URB_PRESENCE_SUSPECT] = "SUSPECT",
	[URB_PRESENCE_GONE] = "GONE",
	[URB_PRESENCE_GONE_NOTIFIED] = "GONE_NOTIFIED",
};

static const char *const claim_names[] = {
	[URB_CLAIM_OURS] = "OURS",
	[URB_CLAIM_CONTESTED] = "CONTESTED",
	[URB_CLAIM_CHECKED] = "CHECKED",
};

void urb_standing_init(struct urb_standing *standing, struct urb_work *work, int fd)
{
	*standing = (struct urb_standing){
		.work = work,
		.fd = fd,
		.presence = URB_PRESENCE_PRESENT,
		.claim = URB_CLAIM_OURS,
	};
}

void urb_set_presence(struct urb_standing *standing, enum urb_presence presence)
{
	if (standing->presence != presence)
		log_trace("usbfs fd %d: %s -> %s", standing->fd,
			  presence_names[standing->presence], presence_names[presence]);
	standing->presence = presence;
	if (urb_wants_reap(standing) || presence == URB_PRESENCE_GONE)
		urb_work_defer(standing->work);
}

void urb_check_presence(struct urb_standing *standing)
{
	if (standing->presence == URB_PRESENCE_PRESENT)
		urb_set_presence(standing, URB_PRESENCE_CHECKING);
}

void urb_set_claim(struct urb_standing *standing, enum urb_claim claim)
{
	if (standing->claim == claim)
		return;
	log_trace("usbfs fd %d: claim %s -> %s", standing->fd,
		  claim_names[standing->claim], claim_names[claim]);
	standing->claim = claim;
}

void urb_suspect_claim(struct urb_standing *standing)
{
	standing->check_wanted = true;
	urb_work_defer(standing->work);
}

bool urb_contest_claim(struct urb_standing *standing)
{
	urb_suspect_claim(standing);
	if (standing->claim == URB_CLAIM_CHECKED)
		return false;
	urb_set_claim(standing, URB_CLAIM_CONTESTED);
	return true;
}
