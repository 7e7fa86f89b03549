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
/* How long a rule waits for a device that it lost before it takes another match. */
#define KEEPER_GRACE_NS UINT64_C(2000000000)

enum keeper_origin {
	KEEPER_ORIGIN_OPTION,
	KEEPER_ORIGIN_FILE,
	KEEPER_ORIGIN_CONTROL,
};

enum keeper_state {
	KEEPER_STATE_WAITING,   /* no matching device is free */
	KEEPER_STATE_ATTACHING, /* a device is being opened */
	KEEPER_STATE_ATTACHED,
	KEEPER_STATE_BACKING_OFF, /* attaching failed; the keeper will retry */
	KEEPER_STATE_REFUSED,     /* the guard refuses it, or a person detached it */
	KEEPER_STATE_DETACHING,   /* the rule has been removed */
};

/* Why a device is no longer attached. */
enum keeper_end {
	KEEPER_END_PULLED,   /* unplugged or taken away: attach it again when possible */
	KEEPER_END_BY_HAND,  /* a person detached it: wait until it is plugged in again */
	KEEPER_END_DETACHED, /* answer to detach() */
};

/**
 * struct keeper_status - one holder
 * @rule_id:	the rule's name, from the user or made up: "rule-3"
 * @dev:	the device that it has, or fails to get; NULL: none
 * @port:	the virtual port, present or last; 0: none yet
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
 * @attach:	open @dev and plug it in, at @port if that is not 0 and is free; answer by
 *		keeper_attached(), now or later. @dev: borrowed for the call
 * @detach:	unplug; answer by keeper_gone(), now or later
 * @pulled:	the kernel says that the device of an ATTACHED holder has gone; call
 *		keeper_gone(), unless the owner notices by itself and calls it anyway. Until
 *		then the holder gets no other device. May be NULL
 * @is_taken:	whether the device at @place is plugged in, or about to be, without a
 *		rule. May be NULL
 * @is_held:	whether the owner has had @dev plugged in for this rule since before there was
 *		a keeper: the keeper prefers it, without asking the guard, and calls attach() as
 *		for any other. May be NULL
 * @changed:	a holder has another state. May be NULL
 * @quiet:	the keeper has tried all devices, and awaits no answer; called each time that
 *		becomes so. May be NULL
 * @asked:	the keeper has tried all devices and awaits only answers to attach() and detach():
 *		an owner that defers its answers can give them now. May be called repeatedly, and be
 *		NULL
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
