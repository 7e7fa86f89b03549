/* SPDX-License-Identifier: MIT
 * away.c - looks for the device that takes the place of one that has gone
 */
#include "daemon/attach/away.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/attach/node.h"
#include "util/loop.h"

#define RETRY_NS UINT64_C(100000000)

/* @delay_ns from now, or when the time is over. */
static void set_timer(struct away *away, uint64_t delay_ns)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t left_ns = away->until_ns > now_ns ? away->until_ns - now_ns : 0;

	loop_timer_set(away->timer, MIN_OF(left_ns, delay_ns));
}

bool away_is_over(const struct away *away)
{
	return clock_now_ns() >= away->until_ns;
}

static void on_timer(void *ctx)
{
	struct away *away = ctx;

	if (away_is_over(away))
		away->on_over(away);
	else if (away->appeared)
		away->on_found(away);
	else
		set_timer(away, AWAY_MAX_NS);
}

static void appear(struct away *away, unsigned bus, unsigned number)
{
	away->bus = bus;
	away->number = number;
	away->appeared = true;
	away->until_ns = clock_now_ns() + AWAY_MAX_NS;
	loop_timer_stop(away->timer);
	away->on_found(away);
}

/* Did another device appear at the place without a report? */
static void look(struct away *away)
{
	unsigned bus;
	unsigned number;

	if (node_at(away->place, &bus, &number) == 0 &&
	    (bus != away->bus || number != away->number))
		appear(away, bus, number);
}

int away_prepare(struct away *away, struct loop *loop)
{
	if (!away->timer)
		away->timer = loop_timer_create(loop, on_timer, away);
	return away->timer ? 0 : -ENOMEM;
}

void away_finish(struct away *away)
{
	loop_timer_destroy(away->timer);
	away->timer = NULL;
}

void away_begin(struct away *away, const char *place, unsigned bus, unsigned number)
{
	(void)snprintf(away->place, sizeof(away->place), "%s", place);
	away->bus = bus;
	away->number = number;
	away->appeared = false;
	away->until_ns = clock_now_ns() + AWAY_MAX_NS;
	set_timer(away, AWAY_MAX_NS);
	look(away);
}

void away_stop(struct away *away)
{
	if (away->timer)
		loop_timer_stop(away->timer);
}

void away_resume(struct away *away, bool soon)
{
	away->appeared = soon;
	set_timer(away, soon ? RETRY_NS : AWAY_MAX_NS);
	look(away);
}

void away_hear(struct away *away, const struct uevent *event)
{
	if (!event) {
		look(away);
	} else if (strcmp(event->place, away->place) != 0) {
		return;
	} else if (event->added) {
		appear(away, event->bus, event->number);
	} else if (away->appeared && event->bus == away->bus &&
		   event->number == away->number) {
		away->appeared = false;
		set_timer(away, AWAY_MAX_NS);
	}
}
