/* SPDX-License-Identifier: MIT
 * keeper_status.c - holders and failures as the owner sees them
 */
#include "rules/keeper_status.h"

#include "rules/keeper_core.h"
#include "rules/keeper_rule.h"

struct keeper_status keeper_failure_status(const struct kept_rule *rule,
					   const struct failure *failure)
{
	return (struct keeper_status){
		.rule_id = rule->rule.id,
		.origin = rule->origin,
		.rule = &rule->rule,
		.state = failure->refused ? KEEPER_STATE_REFUSED
					  : KEEPER_STATE_BACKING_OFF,
		.dev = &failure->known->dev,
		.why = &failure->err,
		.since_ns = failure->since_ns,
	};
}

struct keeper_status keeper_holder_status(const struct holder *holder)
{
	static const enum keeper_state states[] = {
		[HOLDER_STATE_FREE] = KEEPER_STATE_WAITING,
		[HOLDER_STATE_CHECKING] = KEEPER_STATE_WAITING,
		[HOLDER_STATE_ATTACHING] = KEEPER_STATE_ATTACHING,
		[HOLDER_STATE_ATTACHED] = KEEPER_STATE_ATTACHED,
		[HOLDER_STATE_DETACHING] = KEEPER_STATE_DETACHING,
	};
	static const struct err none;
	const struct kept_rule *rule = holder->rule;
	bool waits = holder->state == HOLDER_STATE_FREE ||
		     holder->state == HOLDER_STATE_CHECKING;
	struct list *first = list_first(&rule->failures);
	struct keeper_status status;

	/* still so while the guard checks a refused device again */
	if (waits && first && !rule->rule.all)
		status = keeper_failure_status(rule, failure_of(first));
	else
		status = (struct keeper_status){
			.rule_id = rule->rule.id,
			.origin = rule->origin,
			.rule = &rule->rule,
			.state = states[holder->state],
			.dev = waits ? NULL : &holder->dev,
			.why = &none,
			.since_ns = holder->since_ns,
		};
	status.holder = holder->number;
	status.port = holder->port;
	return status;
}
