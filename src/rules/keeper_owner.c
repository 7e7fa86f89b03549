/* SPDX-License-Identifier: MIT
 * keeper_owner.c - the owner's calls of a keeper: its list, and answers
 */
#include <errno.h>
#include <string.h>

#include "rules/keeper.h"
#include "rules/keeper_core.h"
#include "rules/keeper_failure.h"
#include "rules/keeper_rule.h"
#include "rules/keeper_status.h"
#include "util/clock.h"
#include "util/log.h"

/* A shorter attachment may be a device that comes and goes by itself. Some do so a few times
 * with good reason: firmware loaders. */
#define FLAP_NS       UINT64_C(2000000000)
#define FLAPS_FREE    5u
#define FLAP_FIRST_NS UINT64_C(100000000)
/* A longer attachment was a success. */
#define SUCCESS_NS UINT64_C(10000000000)
/* Time for the kernel to report the end of a device that the owner noticed first. */
#define NEWS_NS UINT64_C(100000000)

/* --- the list --- */

/* Of a rule with "all": devices it has, devices it cannot have; else that it waits. */
static void list_all(const struct kept_rule *rule,
		     void (*on_status)(void *ctx, const struct keeper_status *status),
		     void *ctx)
{
	struct keeper_status status;
	bool any = false;
	struct list *pos;

	LIST_FOREACH(pos, &rule->holders) {
		if (holder_of(pos)->state == HOLDER_STATE_FREE ||
		    holder_of(pos)->state == HOLDER_STATE_CHECKING)
			continue;
		status = keeper_holder_status(holder_of(pos));
		on_status(ctx, &status);
		any = true;
	}
	LIST_FOREACH(pos, &rule->failures) {
		status = keeper_failure_status(rule, failure_of(pos));
		on_status(ctx, &status);
		any = true;
	}
	if (!any && !rule->removed) {
		status = keeper_holder_status(rule_holder(rule));
		on_status(ctx, &status);
	}
}

void keeper_list(const struct keeper *keeper,
		 void (*on_status)(void *ctx, const struct keeper_status *status),
		 void *ctx)
{
	struct keeper_status status;
	struct list *pos;

	LIST_FOREACH(pos, &keeper->rules) {
		const struct kept_rule *rule = rule_of(pos);

		if (rule->removed && rule_holder(rule)->state == HOLDER_STATE_FREE &&
		    !rule->rule.all)
			continue;
		if (rule->rule.all) {
			list_all(rule, on_status, ctx);
			continue;
		}
		status = keeper_holder_status(rule_holder(rule));
		on_status(ctx, &status);
	}
}

/* --- answers --- */

static struct holder *find_holder(const struct keeper *keeper, unsigned number)
{
	struct list *pos, *at;

	LIST_FOREACH(pos, &keeper->rules) {
		LIST_FOREACH(at, &rule_of(pos)->holders) {
			if (holder_of(at)->number == number)
				return holder_of(at);
		}
	}
	return NULL;
}

void keeper_attached(struct keeper *keeper, unsigned number, unsigned port,
		     const struct err *err)
{
	struct holder *holder = find_holder(keeper, number);
	struct known *known;

	if (!holder || holder->state != HOLDER_STATE_ATTACHING)
		return;
	if (!err || err->code == 0) {
		holder_enter(holder, HOLDER_STATE_ATTACHED);
		holder->port = port;
		*holder_port(holder) = port;
		memcpy(holder->socket, holder->dev.socket, sizeof(holder->socket));
		holder->attached_ns = holder->since_ns;
		if (holder->pulled)
			holder->lost_ns = holder->attached_ns;
		keeper_wake(keeper);
		return;
	}
	known = keeper_find(keeper, holder->dev.place);
	/* ignore the error if the device is already gone */
	if (known && !holder->pulled)
		keeper_fail(holder->rule, known, err, false);
	keeper_release(holder);
}

/* The kernel has reported the end of the device. Counts those that come and go by
 * themselves. */
static void count_flap(struct holder *holder, uint64_t lasted_ns)
{
	holder->flaps = lasted_ns < FLAP_NS ? holder->flaps + 1 : 0;
	holder->retry_ns = 0;
	if (holder->flaps <= FLAPS_FREE)
		return;
	holder->retry_ns = holder->lost_ns +
			   keeper_backoff_ns(holder->flaps - FLAPS_FREE, FLAP_FIRST_NS);
	log_limited(LOG_LEVEL_WARN,
		    "rule %s: the device at %s comes and goes; the rule waits before the "
		    "next one",
		    holder->rule->rule.id, holder->dev.name);
}

/* As far as we know the device is still there: the kernel's news of its end may be on the
 * way, or another program has taken it. */
static void expect_news(struct holder *holder, const struct known *known,
			uint64_t lasted_ns)
{
	static const struct err err = {
		.code = EBUSY,
		.text = "was lost without being unplugged: another program or driver of "
			"the host may have taken it",
	};
	struct failure *failure = keeper_failure(holder->rule, known);
	uint64_t delay_ns;

	if (failure && lasted_ns >= SUCCESS_NS)
		failure->count = 0;
	delay_ns = keeper_backoff_ns(failure ? failure->count + 1 : 1, NEWS_NS);
	keeper_postpone(holder->rule, known, &err, false, holder->lost_ns + delay_ns);
}

void keeper_gone(struct keeper *keeper, unsigned number, enum keeper_end end)
{
	static const struct err by_hand = {
		.code = ECANCELED,
		.text = "was detached by hand; plug it in again, or add the rule again",
	};
	struct holder *holder = find_holder(keeper, number);
	struct known *known;
	uint64_t lasted_ns;

	if (!holder || (holder->state != HOLDER_STATE_ATTACHED &&
			holder->state != HOLDER_STATE_DETACHING))
		return;
	if (!holder->pulled)
		holder->lost_ns = clock_now_ns();
	lasted_ns = holder->lost_ns > holder->attached_ns
			    ? holder->lost_ns - holder->attached_ns
			    : 0;
	known = holder->pulled ? NULL : keeper_find(keeper, holder->dev.place);
	if (holder->pulled)
		count_flap(holder, lasted_ns);
	else if (known && end == KEEPER_END_BY_HAND)
		keeper_postpone(holder->rule, known, &by_hand, true, KEEPER_NEVER);
	else if (known && end == KEEPER_END_PULLED)
		expect_news(holder, known, lasted_ns);
	keeper_release(holder);
}

void keeper_recheck(struct keeper *keeper)
{
	keeper_wake(keeper);
}
