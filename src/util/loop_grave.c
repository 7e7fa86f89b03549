/* SPDX-License-Identifier: MIT
 * loop_grave.c - frees what callbacks removed, when the turn ends
 */
#include <assert.h>
#include <event2/event.h>

#include "util/loop_priv.h"

void loop_bury_all(struct loop *loop)
{
	struct list *node, *tmp;

	LIST_FOREACH_SAFE(node, tmp, &loop->dead) {
		struct grave *grave = LIST_ENTRY(node, struct grave, node);

		if (grave->event)
			event_free(grave->event);
		free(grave);
	}
	list_init(&loop->dead);
}

void loop_bury(struct loop *loop, struct grave *grave, struct event *event)
{
	grave->event = event;
	list_append(&loop->dead, &grave->node);
	assert(loop->live > 0);
	loop->live--;
	if (!loop->in_turn)
		loop_bury_all(loop);
}
