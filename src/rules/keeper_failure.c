/* SPDX-License-Identifier: MIT
 * keeper_failure.c - devices that a rule cannot have, and when it tries them again
 */
#include "rules/keeper_failure.h"

#include <errno.h>
#include <stdlib.h>

#include "rules/keeper_core.h"
#include "rules/keeper_rule.h"
#include "util/clock.h"
#include "util/log.h"

#define BACKOFF_MAX_NS UINT64_C(30000000000)
#define SOON_NS        UINT64_C(20000000)
#define LATER_NS       UINT64_C(100000000)
/* Failures that udev or a program about to end may explain; the next one is logged. */
#define SOON_TRIES 6u

uint64_t keeper_backoff_ns(unsigned count, uint64_t first_ns)
{
	uint64_t ns = first_ns;

	while (count-- > 1 && ns < BACKOFF_MAX_NS)
		ns *= 2;
	return MIN_OF(ns, BACKOFF_MAX_NS);
}

struct failure *keeper_failure(const struct kept_rule *rule, const struct known *known)
{
	struct list *pos;

	LIST_FOREACH(pos, &rule->failures) {
		if (failure_of(pos)->known == known)
			return failure_of(pos);
	}
	return NULL;
}

void keeper_drop_failure(struct kept_rule *rule, struct failure *failure)
{
	list_remove(&failure->node_in_rule);
	rule->failure_count--;
	free(failure);
}

static bool passes_soon(int code)
{
	return code == EACCES || code == ENOENT || code == EBUSY;
}

void keeper_log_failure(const struct kept_rule *rule, const struct failure *failure)
{
	char name[256];

	hostdev_describe(&failure->known->dev, name, sizeof(name));
	log_limited(LOG_LEVEL_WARN, "rule %s: %s: %s%s", rule->rule.id, name,
		    failure->err.text,
		    failure->refused ? "" : "; it will be tried again");
}

/* The record of @rule and @known, new or old. NULL if there are too many: the rule does not
 * retry @known as long as that is so. */
static struct failure *note(struct kept_rule *rule, const struct known *known)
{
	struct failure *failure = keeper_failure(rule, known);

	if (failure || rule->failure_count == KEEPER_FAILURES_MAX)
		return failure;
	failure = calloc(1, sizeof(*failure));
	if (!failure) {
		rule->retry_ns = clock_now_ns() + BACKOFF_MAX_NS;
		return NULL;
	}
	failure->known = known;
	failure->since_ns = clock_now_ns();
	list_append(&rule->failures, &failure->node_in_rule);
	rule->failure_count++;
	return failure;
}

void keeper_postpone(struct kept_rule *rule, const struct known *known,
		     const struct err *err, bool refused, uint64_t retry_ns)
{
	struct failure *failure = note(rule, known);

	if (!failure)
		return;
	if (failure->count < UINT32_MAX)
		failure->count++;
	failure->told = failure->told && failure->refused == refused;
	failure->err = *err;
	failure->refused = refused;
	failure->retry_ns = retry_ns;
}

void keeper_fail(struct kept_rule *rule, const struct known *known, const struct err *err,
		 bool refused)
{
	const struct failure *old = keeper_failure(rule, known);
	bool soon = passes_soon(err->code);
	bool news = !old || old->err.code != err->code;
	unsigned count = old ? old->count + 1 : 1;
	const struct failure *failure;

	keeper_postpone(rule, known, err, refused,
			clock_now_ns() +
				keeper_backoff_ns(count, soon ? SOON_NS : LATER_NS));
	failure = keeper_failure(rule, known);
	if (!failure)
		log_limited(LOG_LEVEL_WARN,
			    "rule %s: too many devices fail; the rule gives up on one",
			    rule->rule.id);
	else if (soon ? count == SOON_TRIES : news)
		keeper_log_failure(rule, failure);
}
