/* SPDX-License-Identifier: MIT
 * keeper_core.c - a keeper, and what every file of it may do: note a change
 */
#include "rules/keeper_core.h"

#include <string.h>

#include "rules/keeper_rule.h"

void keeper_wake(struct keeper *keeper)
{
	keeper->pass.changed = true;
	keeper->pass.busy_told = true;
	loop_defer(keeper->options.loop, &keeper->pass.task);
}

struct known *keeper_find(const struct keeper *keeper, const char *place)
{
	struct list *pos;

	LIST_FOREACH(pos, &keeper->devices.known) {
		if (strcmp(known_of(pos)->dev.place, place) == 0)
			return known_of(pos);
	}
	return NULL;
}

void keeper_release(struct holder *holder)
{
	struct keeper *keeper = holder->rule->keeper;
	struct known *known = keeper_find(keeper, holder->dev.place);

	if (known && known->holder == holder)
		known->holder = NULL;
	holder_enter(holder, HOLDER_STATE_FREE);
	holder->pulled = false;
	keeper_wake(keeper);
}

bool keeper_is_reading(const struct keeper *keeper)
{
	return keeper->devices.scanning || keeper->devices.reading_count > 0;
}

bool keeper_core_is_quiet(const struct keeper *keeper)
{
	struct list *pos, *at;

	if (keeper_is_reading(keeper))
		return false;
	if ((keeper->pass.changed || keeper->pass.next) && !keeper->stopped)
		return false;
	LIST_FOREACH(pos, &keeper->rules) {
		LIST_FOREACH(at, &rule_of(pos)->holders) {
			enum holder_state state = holder_of(at)->state;

			if (state != HOLDER_STATE_FREE && state != HOLDER_STATE_ATTACHED)
				return false;
		}
	}
	return true;
}
