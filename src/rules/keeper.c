/* SPDX-License-Identifier: MIT
 * keeper.c - rules that hold devices
 */
#include "rules/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/file.h"
#include "rules/keeper_core.h"
#include "rules/keeper_devices.h"
#include "rules/keeper_match.h"
#include "rules/keeper_rule.h"
#include "rules/uevent.h"

/* --- life --- */

static void on_timer(void *ctx)
{
	struct keeper *keeper = ctx;
	bool was = keeper->pass.busy_told;

	keeper_wake(keeper);
	/* a pass that finds nothing to do is no news for the owner */
	keeper->pass.busy_told = was;
}

static void on_uevent(void *ctx, const struct uevent *event)
{
	keeper_hear(ctx, event);
}

struct keeper *keeper_create(const struct keeper_options *options, struct err *err)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));

	if (!keeper) {
		err_fill(err, ENOMEM, "not enough memory for rules");
		return NULL;
	}
	keeper->options = *options;
	if (!options->root)
		keeper->options.root = "";
	list_init(&keeper->rules);
	list_init(&keeper->devices.known);
	list_init(&keeper->devices.readings);
	keeper->devices.stale = true;
	keeper->devices.scan_at_ns = KEEPER_NEVER;
	keeper->pass.wake_ns = KEEPER_NEVER;
	keeper->pass.task = (struct loop_task){.cb = keeper_on_pass, .ctx = keeper};
	keeper->pass.timer = loop_timer_create(options->loop, on_timer, keeper);
	keeper->worker = worker_create(options->loop, "rules");
	if (!options->no_uevents)
		keeper->uevents = uevents_create(options->loop, on_uevent, keeper);
	if (!keeper->pass.timer || !keeper->worker)
		err_fill(err, ENOMEM, "no memory or thread for rules");
	else if (!options->no_uevents && !keeper->uevents)
		err_fill(err, ENOTSUP,
			 "rules cannot work here: there is no netlink socket for the "
			 "kernel's "
			 "news of USB devices; attach devices by their path");
	else
		return keeper;
	keeper_destroy(keeper);
	return NULL;
}

void keeper_stop(struct keeper *keeper)
{
	keeper->stopped = true;
	uevents_destroy(keeper->uevents);
	keeper->uevents = NULL;
	loop_timer_stop(keeper->pass.timer);
	keeper_wake(keeper);
}

void keeper_destroy(struct keeper *keeper)
{
	struct list *pos, *tmp;

	if (!keeper)
		return;
	uevents_destroy(keeper->uevents);
	worker_destroy(keeper->worker);
	loop_timer_destroy(keeper->pass.timer);
	loop_undefer(keeper->options.loop, &keeper->pass.task);
	LIST_FOREACH_SAFE(pos, tmp, &keeper->rules)
		kept_rule_destroy(rule_of(pos));
	keeper_forget_devices(keeper);
	free(keeper);
}

bool keeper_is_quiet(const struct keeper *keeper)
{
	return keeper_core_is_quiet(keeper);
}

void keeper_uevent(struct keeper *keeper, const struct uevent *event)
{
	keeper_hear(keeper, event);
}

/* --- rules --- */

static struct kept_rule *find_rule(const struct keeper *keeper, const char *id)
{
	struct list *pos;

	LIST_FOREACH(pos, &keeper->rules) {
		if (!rule_of(pos)->removed && strcmp(rule_of(pos)->rule.id, id) == 0)
			return rule_of(pos);
	}
	return NULL;
}

static struct kept_rule *new_rule(struct keeper *keeper, const struct rule *rule,
				  enum keeper_origin origin, struct err *err)
{
	struct kept_rule *kept =
		kept_rule_create(keeper, rule, origin, ++keeper->holders_made);

	if (!kept)
		err_fill(err, ENOMEM, "not enough memory for another rule");
	return kept;
}

/* Makes up an id if @rule has none. */
static void make_id(struct keeper *keeper, struct rule *rule)
{
	while (rule->id[0] == '\0' || find_rule(keeper, rule->id))
		(void)snprintf(rule->id, sizeof(rule->id), "rule-%u",
			       ++keeper->rules_made);
}

static void append(struct keeper *keeper, struct kept_rule *rule)
{
	if (rule->rule.id[0] == '\0')
		make_id(keeper, &rule->rule);
	list_append(&keeper->rules, &rule->node_in_keeper);
	/* without rules we ignored the news */
	if (keeper->rule_count++ == 0)
		keeper_scan(keeper);
	keeper_wake(keeper);
}

int keeper_add(struct keeper *keeper, const struct rule *rule, enum keeper_origin origin,
	       const char **ret_id, struct err *err)
{
	struct kept_rule *kept;

	if (rule->id[0] != '\0' && find_rule(keeper, rule->id))
		return err_set(err, EEXIST,
			       "there is a rule %s already; remove it, or choose another "
			       "name: id=NAME",
			       rule->id);
	if (keeper->rule_count == KEEPER_RULES_MAX)
		return err_set(err, E2BIG,
			       "there are %u rules already, the most possible",
			       KEEPER_RULES_MAX);
	kept = new_rule(keeper, rule, origin, err);
	if (!kept)
		return -ENOMEM;
	append(keeper, kept);
	if (ret_id)
		*ret_id = kept->rule.id;
	return 0;
}

static void remove_rule(struct kept_rule *rule)
{
	rule->removed = true;
	if (--rule->keeper->rule_count == 0)
		rule->keeper->devices.stale = true;
	keeper_wake(rule->keeper);
}

int keeper_remove(struct keeper *keeper, const char *id, struct err *err)
{
	struct kept_rule *rule = find_rule(keeper, id);

	if (!rule)
		return err_set(err, ENOENT, "there is no rule %.64s", id);
	remove_rule(rule);
	return 0;
}

/* The rule of @origin with the same meaning as @rule; NULL if @rule is new. */
static struct kept_rule *find_same(const struct keeper *keeper, const struct rule *rule,
				   enum keeper_origin origin)
{
	struct list *pos;

	LIST_FOREACH(pos, &keeper->rules) {
		struct kept_rule *kept = rule_of(pos);

		if (kept->removed || kept->listed || kept->origin != origin ||
		    !rule_is_same(&kept->rule, rule))
			continue;
		if (rule->id[0] == '\0' ? kept->unnamed
					: strcmp(kept->rule.id, rule->id) == 0)
			return kept;
	}
	return NULL;
}

/* Marks the rules of @origin that stay; puts the others of @list on @fresh. */
static int prepare(struct keeper *keeper, const struct rule_list *list,
		   enum keeper_origin origin, struct list *fresh, struct err *err)
{
	for (unsigned i = 0; i < list->count; i++) {
		struct kept_rule *kept = find_same(keeper, &list->rules[i], origin);

		if (kept) {
			kept->listed = true;
			continue;
		}
		kept = new_rule(keeper, &list->rules[i], origin, err);
		if (!kept)
			return -ENOMEM;
		list_append(fresh, &kept->node_in_keeper);
	}
	return 0;
}

/* Whether the fresh rules fit in once the unlisted rules of @origin are gone. */
static int check_fresh(const struct keeper *keeper, enum keeper_origin origin,
		       const struct list *fresh, struct err *err)
{
	unsigned count = 0;
	struct list *pos, *at;

	LIST_FOREACH(pos, &keeper->rules) {
		const struct kept_rule *kept = rule_of(pos);

		if (!kept->removed && (kept->origin != origin || kept->listed))
			count++;
	}
	LIST_FOREACH(pos, fresh) {
		const char *id = rule_of(pos)->rule.id;
		const struct kept_rule *named = find_rule(keeper, id);
		bool taken = named && (named->origin != origin || named->listed);

		for (at = fresh->next; at != pos; at = at->next)
			taken = taken || strcmp(rule_of(at)->rule.id, id) == 0;
		if (taken && id[0] != '\0')
			return err_set(err, EEXIST,
				       "there is another rule %s; choose another name",
				       id);
		count++;
	}
	if (count > KEEPER_RULES_MAX)
		return err_set(err, E2BIG, "that would be %u rules, %u are possible",
			       count, KEEPER_RULES_MAX);
	return 0;
}

int keeper_replace(struct keeper *keeper, const struct rule_list *list,
		   enum keeper_origin origin, struct err *err)
{
	struct list fresh;
	struct list *pos, *tmp;
	int r;

	list_init(&fresh);
	LIST_FOREACH(pos, &keeper->rules)
		rule_of(pos)->listed = false;
	r = prepare(keeper, list, origin, &fresh, err);
	if (r == 0)
		r = check_fresh(keeper, origin, &fresh, err);
	if (r < 0) {
		LIST_FOREACH_SAFE(pos, tmp, &fresh)
			kept_rule_destroy(rule_of(pos));
		return r;
	}
	LIST_FOREACH(pos, &keeper->rules) {
		struct kept_rule *rule = rule_of(pos);

		if (!rule->removed && rule->origin == origin && !rule->listed)
			remove_rule(rule);
	}
	LIST_FOREACH_SAFE(pos, tmp, &fresh) {
		list_remove(pos);
		append(keeper, rule_of(pos));
	}
	return 0;
}

unsigned keeper_rule_count(const struct keeper *keeper)
{
	return keeper->rule_count;
}
