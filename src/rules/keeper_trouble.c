/* SPDX-License-Identifier: MIT
 * keeper_trouble.c - devices that a rule cannot have, and when they are tried again
 */
#include "rules/keeper_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "util/log.h"

#define BACKOFF_MAX_NS UINT64_C(30000000000)
#define SOON_NS        UINT64_C(20000000)
#define LATER_NS       UINT64_C(100000000)
/* Failures that udev or a program that ends explains, before a person is told. */
#define SOON_TRIES 6u

static struct trouble *trouble_of(struct list *node)
{
	return LIST_ENTRY(node, struct trouble, node_in_rule);
}

uint64_t keeper_backoff_ns(unsigned count, uint64_t first_ns)
{
	uint64_t ns = first_ns;

	while (count-- > 1 && ns < BACKOFF_MAX_NS)
		ns *= 2;
	return MIN_OF(ns, BACKOFF_MAX_NS);
}

struct trouble *keeper_trouble(const struct kept_rule *rule, const struct known *known)
{
	struct list *pos;

	LIST_FOREACH(pos, &rule->troubles) {
		if (trouble_of(pos)->known == known)
			return trouble_of(pos);
	}
	return NULL;
}

void keeper_drop_trouble(struct kept_rule *rule, struct trouble *trouble)
{
	list_remove(&trouble->node_in_rule);
	rule->trouble_count--;
	free(trouble);
}

static bool passes_soon(int code)
{
	return code == EACCES || code == ENOENT || code == EBUSY;
}

void keeper_tell_person(const struct kept_rule *rule, const struct known *known,
			const struct trouble *trouble)
{
	char name[256];

	hostdev_describe(&known->dev, name, sizeof(name));
	log_limited(LOG_LEVEL_WARN, "rule %s: %s: %s%s", rule->rule.id, name,
		    trouble->err.text,
		    trouble->refused ? "" : "; it will be tried again");
}

/* The record of @rule and @known, new or old; NULL: too many, then it is not tried
 * again as long as that is so. */
static struct trouble *note(struct kept_rule *rule, const struct known *known)
{
	struct trouble *trouble = keeper_trouble(rule, known);

	if (trouble || rule->trouble_count == KEEPER_TROUBLES_MAX)
		return trouble;
	trouble = calloc(1, sizeof(*trouble));
	if (!trouble) {
		rule->retry_ns = clock_now_ns() + BACKOFF_MAX_NS;
		return NULL;
	}
	trouble->known = known;
	trouble->since_ns = clock_now_ns();
	list_append(&rule->troubles, &trouble->node_in_rule);
	rule->trouble_count++;
	return trouble;
}

void keeper_postpone(struct kept_rule *rule, const struct known *known,
		     const struct err *err, bool refused, uint64_t retry_ns)
{
	struct trouble *trouble = note(rule, known);

	if (!trouble)
		return;
	if (trouble->count < UINT32_MAX)
		trouble->count++;
	trouble->told = trouble->told && trouble->refused == refused;
	trouble->err = *err;
	trouble->refused = refused;
	trouble->retry_ns = retry_ns;
}

void keeper_fail(struct kept_rule *rule, const struct known *known, const struct err *err,
		 bool refused)
{
	const struct trouble *old = keeper_trouble(rule, known);
	bool soon = passes_soon(err->code);
	bool news = !old || old->err.code != err->code;
	unsigned count = old ? old->count + 1 : 1;
	const struct trouble *trouble;

	keeper_postpone(rule, known, err, refused,
			clock_now_ns() +
				keeper_backoff_ns(count, soon ? SOON_NS : LATER_NS));
	trouble = keeper_trouble(rule, known);
	if (!trouble)
		log_limited(LOG_LEVEL_WARN,
			    "rule %s: too many devices that fail; one is not tried again",
			    rule->rule.id);
	else if (soon ? count == SOON_TRIES : news)
		keeper_tell_person(rule, known, trouble);
}
