/* SPDX-License-Identifier: MIT
 * keeper_rule.h - a rule that a keeper keeps, and its places for devices
 *
 * A holder, as the drawing has it:
 *
 *	FREE -> CHECKING -> ATTACHING -> ATTACHED -> DETACHING
 *	 ^  '-----------------^             |            |
 *	 '----- from any, when the device is not or no longer its own
 *
 * CHECKING is left out for a rule with force, and for a device that the owner has already.
 */
#ifndef RULES_KEEPER_RULE_H
#define RULES_KEEPER_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/hostdev.h"
#include "rules/keeper_options.h"
#include "rules/rule.h"
#include "util/compiler.h"
#include "util/err.h"
#include "util/list.h"
#include "util/worker.h"

struct keeper;
struct known;

enum holder_state {
	HOLDER_STATE_FREE,
	HOLDER_STATE_CHECKING, /* the guard looks at the device */
	HOLDER_STATE_ATTACHING,
	HOLDER_STATE_ATTACHED,
	HOLDER_STATE_DETACHING,
};

/**
 * struct holder - a place of a rule for one device
 * @state:	changed by holder_enter() only
 * @since_ns:	when @state began
 * @dev:	unless FREE
 * @job:	while CHECKING: has @dev, @result, @err
 * @pulled:	unless FREE: the kernel says that @dev has gone. @pulled_told: to the owner
 * @socket:	of the last device attached; "": none yet
 * @ports:	where the last one was, of USB 2 and of super speed; 0: none yet. @port: the
 *		last of both
 * @attached_ns, @lost_ns: when the last one came and went
 * @flaps:	how often in a row one has come for a moment only
 * @retry_ns:	not before then, because of @flaps
 * @told:	to the owner
 */
struct holder {
	struct list node_in_rule;
	struct kept_rule *rule;
	unsigned number;
	enum holder_state state;
	uint64_t since_ns;
	struct hostdev dev;
	struct worker_job job;
	int result;
	struct err err;
	bool pulled;
	bool pulled_told;
	char socket[HOSTDEV_NAME_BYTES];
	unsigned ports[2];
	unsigned port;
	uint64_t attached_ns;
	uint64_t lost_ns;
	unsigned flaps;
	uint64_t retry_ns;
	enum keeper_state told;
};

/**
 * struct kept_rule
 * @holders:	at least one
 * @failures:	struct failure: devices that it cannot have
 * @retry_ns:	not before then, for want of memory
 * @removed:	will be freed when all holders are FREE
 * @listed:	within keeper_replace(): is to stay
 * @unnamed:	its id has been made up
 */
struct kept_rule {
	struct list node_in_keeper;
	struct keeper *keeper;
	struct rule rule;
	enum keeper_origin origin;
	struct list holders;
	unsigned holder_count;
	struct list failures;
	unsigned failure_count;
	uint64_t retry_ns;
	bool removed;
	bool listed;
	bool unnamed;
};

/**
 * struct failure - why a rule does not have a device that is there
 * @count:	failures in a row
 * @retry_ns:	when to try again; KEEPER_NEVER
 * @refused:	the rule may not have it; else attaching it failed
 * @told:	to the owner
 */
struct failure {
	struct list node_in_rule;
	const struct known *known;
	unsigned count;
	uint64_t retry_ns;
	uint64_t since_ns;
	struct err err;
	bool refused;
	bool told;
};

static inline struct kept_rule *rule_of(struct list *node)
{
	return LIST_ENTRY(node, struct kept_rule, node_in_keeper);
}

static inline struct holder *holder_of(struct list *node)
{
	return LIST_ENTRY(node, struct holder, node_in_rule);
}

static inline struct failure *failure_of(struct list *node)
{
	return LIST_ENTRY(node, struct failure, node_in_rule);
}

/* The first holder; the only one of a rule without "all". */
static inline struct holder *rule_holder(const struct kept_rule *rule)
{
	return holder_of(rule->holders.next);
}

/* Changes the state, and notes when. */
void holder_enter(struct holder *holder, enum holder_state state);
/* Which of holder->ports is for its device. */
unsigned *holder_port(struct holder *holder);

/* Returns owned, on no list, with one holder of number @holder; NULL without memory. */
struct kept_rule *kept_rule_create(struct keeper *keeper, const struct rule *rule,
				   enum keeper_origin origin, unsigned holder);
/* Frees its holders and failures too. */
void kept_rule_destroy(struct kept_rule *rule);
/* A place for one more device; NULL without memory. */
struct holder *kept_rule_add_holder(struct kept_rule *rule, unsigned number);
/* True if all its holders are FREE. */
bool kept_rule_is_idle(const struct kept_rule *rule);

#endif /* RULES_KEEPER_RULE_H */
