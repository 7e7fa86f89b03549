/* SPDX-License-Identifier: MIT
 * keeper_rule.c - a rule that a keeper keeps, and its places for devices
 */
#include "rules/keeper_rule.h"

#include <stdlib.h>

#include "util/clock.h"
#include "util/log.h"

#define SUPER_SPEED_MBIT 5000u

void holder_enter(struct holder *holder, enum holder_state state)
{
	static const char *const names[] = {
		[HOLDER_STATE_FREE] = "FREE",
		[HOLDER_STATE_CHECKING] = "CHECKING",
		[HOLDER_STATE_ATTACHING] = "ATTACHING",
		[HOLDER_STATE_ATTACHED] = "ATTACHED",
		[HOLDER_STATE_DETACHING] = "DETACHING",
	};

	log_trace("rule %s: %s: %s -> %s", holder->rule->rule.id, holder->dev.name,
		  names[holder->state], names[state]);
	holder->state = state;
	holder->since_ns = clock_now_ns();
}

unsigned *holder_port(struct holder *holder)
{
	return &holder->ports[holder->dev.speed_mbit >= SUPER_SPEED_MBIT];
}

struct holder *kept_rule_add_holder(struct kept_rule *rule, unsigned number)
{
	struct holder *holder = calloc(1, sizeof(*holder));

	if (!holder)
		return NULL;
	holder->rule = rule;
	holder->number = number;
	holder->since_ns = clock_now_ns();
	list_append(&rule->holders, &holder->node_in_rule);
	rule->holder_count++;
	return holder;
}

struct kept_rule *kept_rule_create(struct keeper *keeper, const struct rule *rule,
				   enum keeper_origin origin, unsigned holder)
{
	struct kept_rule *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return NULL;
	kept->keeper = keeper;
	kept->rule = *rule;
	kept->origin = origin;
	kept->unnamed = rule->id[0] == '\0';
	list_init(&kept->node_in_keeper);
	list_init(&kept->holders);
	list_init(&kept->failures);
	if (!kept_rule_add_holder(kept, holder)) {
		free(kept);
		return NULL;
	}
	return kept;
}

void kept_rule_destroy(struct kept_rule *rule)
{
	struct list *pos, *tmp;

	list_remove(&rule->node_in_keeper);
	LIST_FOREACH_SAFE(pos, tmp, &rule->holders)
		free(holder_of(pos));
	LIST_FOREACH_SAFE(pos, tmp, &rule->failures)
		free(failure_of(pos));
	free(rule);
}

bool kept_rule_is_idle(const struct kept_rule *rule)
{
	struct list *pos;

	LIST_FOREACH(pos, &rule->holders) {
		if (holder_of(pos)->state != HOLDER_STATE_FREE)
			return false;
	}
	return true;
}
