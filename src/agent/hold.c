/* SPDX-License-Identifier: MIT
 * hold.c - the devices that the keeper wants, or has
 */
#include "agent/hold.h"

#include <stdlib.h>
#include <string.h>

#include "agent/memory.h"
#include "util/log.h"

#define HOLDS_MAX 1024u

static void enter(struct hold *hold, enum hold_state state)
{
	static const char *const names[] = {
		[HOLD_STATE_AWAY] = "AWAY",
		[HOLD_STATE_ASKED] = "ASKED",
		[HOLD_STATE_HAS] = "HAS",
		[HOLD_STATE_LEAVING] = "LEAVING",
	};

	log_trace("holder %u: %s -> %s", hold->holder, names[hold->state], names[state]);
	hold->state = state;
}

void agent_holds_init(struct agent_holds *holds)
{
	list_init(&holds->list);
}

static void hold_free(struct agent_holds *holds, struct hold *hold)
{
	list_remove(&hold->node);
	holds->count--;
	free(hold);
}

void agent_holds_finish(struct agent_holds *holds)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &holds->list)
		hold_free(holds, hold_of(pos));
}

struct hold *agent_hold_create(struct agent_holds *holds, unsigned holder,
			       enum hold_state state)
{
	struct hold *hold;

	if (holds->count == HOLDS_MAX)
		return NULL;
	hold = agent_alloc(sizeof(*hold));
	hold->holder = holder;
	hold->state = state;
	list_append(&holds->list, &hold->node);
	holds->count++;
	return hold;
}

struct hold *agent_hold_find(const struct agent_holds *holds, unsigned holder)
{
	struct list *pos;

	LIST_FOREACH(pos, &holds->list) {
		if (hold_of(pos)->holder == holder)
			return hold_of(pos);
	}
	return NULL;
}

void agent_hold_attached(struct agent_holds *holds, struct hold *hold, const char *id,
			 unsigned port)
{
	memcpy(hold->id, id, sizeof(hold->id));
	enter(hold, HOLD_STATE_HAS);
	keeper_attached(holds->keeper, hold->holder, port, NULL);
}

void agent_hold_leave(struct hold *hold, enum keeper_end end)
{
	enter(hold, HOLD_STATE_LEAVING);
	hold->end = end;
}

void agent_hold_end(struct agent_holds *holds, struct hold *hold, enum keeper_end end)
{
	unsigned holder = hold->holder;

	hold_free(holds, hold);
	keeper_gone(holds->keeper, holder, end);
}

void agent_hold_fail(struct agent_holds *holds, struct hold *hold, const struct err *err)
{
	unsigned holder = hold->holder;

	hold_free(holds, hold);
	keeper_attached(holds->keeper, holder, 0, err);
}
