/* SPDX-License-Identifier: MIT
 * hold.h - the devices that the keeper wants, or has
 *
 * Each is a *hold*:
 *
 *	AWAY	the daemon is: when it is back the keeper tries again
 *	ASKED	a job attaches it
 *	HAS	the daemon has it, by the name @id
 *	LEAVING	a job detaches it
 *
 *	AWAY -> freed
 *	ASKED -> HAS -> LEAVING -> freed
 *	AWAY, ASKED -> HAS at once: the daemon has it already
 *	ASKED, HAS -> freed: it failed, or has gone
 */
#ifndef AGENT_HOLD_H
#define AGENT_HOLD_H

#include "agent/job.h"
#include "rules/keeper.h"
#include "util/list.h"

enum hold_state {
	HOLD_STATE_AWAY,
	HOLD_STATE_ASKED,
	HOLD_STATE_HAS,
	HOLD_STATE_LEAVING,
};

/**
 * struct hold
 * @holder:	the keeper's number for it
 * @state:	changed in hold.c only
 * @end:	of LEAVING, for the keeper
 */
struct hold {
	struct list node;
	unsigned holder;
	enum hold_state state;
	enum keeper_end end;
	char id[AGENT_ID_BYTES];
};

/**
 * struct agent_holds - all of them
 * @keeper:	gets to know what becomes of them
 */
struct agent_holds {
	struct keeper *keeper;
	struct list list;
	unsigned count;
};

static inline struct hold *hold_of(struct list *node)
{
	return LIST_ENTRY(node, struct hold, node);
}

void agent_holds_init(struct agent_holds *holds);
/* Frees all; the keeper hears nothing. */
void agent_holds_finish(struct agent_holds *holds);

/* @state: AWAY or ASKED. NULL if there are too many. */
struct hold *agent_hold_create(struct agent_holds *holds, unsigned holder,
			       enum hold_state state);
/* That of @holder, or NULL. */
struct hold *agent_hold_find(const struct agent_holds *holds, unsigned holder);

/* The daemon has it, by the name @id, at @port. */
void agent_hold_attached(struct agent_holds *holds, struct hold *hold, const char *id,
			 unsigned port);
/* It will be detached: @end is what the keeper will hear. */
void agent_hold_leave(struct hold *hold, enum keeper_end end);
/* It is freed: the device has gone, or could not be attached. */
void agent_hold_end(struct agent_holds *holds, struct hold *hold, enum keeper_end end);
void agent_hold_fail(struct agent_holds *holds, struct hold *hold, const struct err *err);

#endif /* AGENT_HOLD_H */
