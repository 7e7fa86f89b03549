/* SPDX-License-Identifier: MIT
 * keeper_options.h - what a keeper asks of its owner, and tells it
 */
#ifndef RULES_KEEPER_OPTIONS_H
#define RULES_KEEPER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/hostdev.h"
#include "rules/rule.h"
#include "util/err.h"

struct loop;

#define KEEPER_RULES_MAX   512u
#define KEEPER_HOLDERS_MAX 31u /* of a rule */
#define KEEPER_GRACE_NS    UINT64_C(2000000000)

enum keeper_origin {
	KEEPER_ORIGIN_OPTION,
	KEEPER_ORIGIN_FILE,
	KEEPER_ORIGIN_CONTROL,
};

enum keeper_state {
	KEEPER_STATE_WAITING,   /* nothing there that matches and is free */
	KEEPER_STATE_ATTACHING, /* a device is being opened */
	KEEPER_STATE_ATTACHED,
	KEEPER_STATE_BACKING_OFF, /* it failed; will be tried again */
	KEEPER_STATE_REFUSED,     /* it must not be had, or was detached by hand */
	KEEPER_STATE_DETACHING,   /* the rule has been removed */
};

/* How an attached device has gone. */
enum keeper_end {
	KEEPER_END_PULLED,  /* unplugged or taken away: wanted again when it can be had */
	KEEPER_END_BY_HAND, /* someone detached it: not until it is plugged in anew */
	KEEPER_END_DETACHED, /* answer to detach() */
};

/**
 * struct keeper_status - one holder
 * @rule_id:	the rule's name, of the user or made up: "rule-3"
 * @dev:	the device it has, or fails to get; NULL: none
 * @port:	the virtual port: now, or the one to come back to; 0: none yet
 * @why:	code 0, or why BACKING_OFF or REFUSED
 * @since_ns:	when the state began (clock_now_ns())
 */
struct keeper_status {
	unsigned holder;
	const char *rule_id;
	enum keeper_origin origin;
	const struct rule *rule;
	enum keeper_state state;
	const struct hostdev *dev;
	unsigned port;
	const struct err *why;
	uint64_t since_ns;
};

/**
 * struct keeper_options
 * @root:	prefix of /sys and /proc; NULL or "": none. Borrowed
 * @no_uevents:	do not listen; the owner calls keeper_uevent()
 * @attach:	open @dev and plug it in, at @port if that is not 0 and is free;
 *		keeper_attached() is the answer, now or later. @dev: borrowed for the call
 * @detach:	unplug; keeper_gone() is the answer, now or later
 * @pulled:	the kernel says that the device of an ATTACHED holder has gone;
 *		keeper_gone() must be called, unless the owner has noticed by itself and
 *		calls it anyway. Nothing else is attached to the holder before. May be NULL
 * @is_taken:	whether the device at @place is plugged in, or about to be, without a
 *		rule. May be NULL
 * @is_held:	whether the owner has @dev plugged in already, for this rule and from before
 *		there was a keeper: it is chosen before others, and not looked at whether it
 *		may be taken; attach() is called as for any other. May be NULL
 * @changed:	a holder's state is another one. May be NULL
 * @quiet:	all devices that are there have been tried, and nothing is being attached;
 *		called each time that becomes so. May be NULL
 * @asked:	the same but for answers to attach() and detach(), which may be awaited: who answers
 *		only when this has come need not wait for more. May be called repeatedly, and be NULL
 */
struct keeper_options {
	struct loop *loop;
	const char *root;
	bool no_uevents;
	void (*attach)(void *ctx, unsigned holder, const struct rule *rule,
		       const struct hostdev *dev, unsigned port);
	void (*detach)(void *ctx, unsigned holder);
	void (*pulled)(void *ctx, unsigned holder);
	bool (*is_taken)(void *ctx, const char *place);
	bool (*is_held)(void *ctx, const struct rule *rule, const struct hostdev *dev);
	void (*changed)(void *ctx, const struct keeper_status *status);
	void (*quiet)(void *ctx);
	void (*asked)(void *ctx);
	void *ctx;
};

#endif /* RULES_KEEPER_OPTIONS_H */
