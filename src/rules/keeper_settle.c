/* SPDX-License-Identifier: MIT
 * keeper_settle.c - which rule gets which device
 *
 * A pass goes through the rules in their order, RULES_PER_TURN in a turn of the loop,
 * and begins anew when something changes meanwhile. What can be done only later arms the
 * timer. At the end of a pass the owner is told what is different.
 */
#include "rules/keeper_priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "rules/guard.h"
#include "util/log.h"

#define RULES_PER_TURN 16u

static struct kept_rule *rule_of(struct list *node)
{
	return LIST_ENTRY(node, struct kept_rule, node_in_keeper);
}

static struct holder *holder_of(struct list *node)
{
	return LIST_ENTRY(node, struct holder, node_in_rule);
}

static struct trouble *trouble_of(struct list *node)
{
	return LIST_ENTRY(node, struct trouble, node_in_rule);
}

static void wake_at(struct keeper *keeper, uint64_t when_ns)
{
	keeper->wake_ns = MIN_OF(keeper->wake_ns, when_ns);
}

void keeper_wake(struct keeper *keeper)
{
	keeper->changed = true;
	keeper->busy_told = true;
	loop_defer(keeper->options.loop, &keeper->pass);
}

/* --- which device --- */

static bool wants_more(const struct kept_rule *rule)
{
	return rule->rule.all || holder_of(rule->holders.next)->state == HOLDER_FREE;
}

/* Whether a rule before @rule has a right to it: it waits until the owner has noticed
 * that its device has gone, or has only just failed. */
static bool is_reserved(const struct kept_rule *rule, const struct known *known)
{
	struct list *pos, *at;

	for (pos = rule->keeper->rules.next; pos != &rule->node_in_keeper;
	     pos = pos->next) {
		const struct kept_rule *other = rule_of(pos);
		const struct trouble *trouble = keeper_trouble(other, known);

		if (other->removed)
			continue;
		if (trouble && !trouble->refused && wants_more(other))
			return true;
		LIST_FOREACH(at, &other->holders) {
			const struct holder *holder = holder_of(at);

			if (holder->state != HOLDER_FREE && holder->pulled &&
			    strcmp(holder->dev.socket, known->dev.socket) == 0 &&
			    rule_matches(&other->rule, &known->dev))
				return true;
		}
	}
	return false;
}

static bool is_held(const struct kept_rule *rule, const struct known *known)
{
	const struct keeper_options *options = &rule->keeper->options;

	return options->is_held &&
	       options->is_held(options->ctx, &rule->rule, &known->dev);
}

/* Whether @rule may have @known now. */
static bool is_free(struct kept_rule *rule, const struct known *known, uint64_t now_ns)
{
	struct keeper *keeper = rule->keeper;
	const struct trouble *trouble = keeper_trouble(rule, known);

	if (known->holder)
		return false;
	if (rule->retry_ns > now_ns) {
		wake_at(keeper, rule->retry_ns);
		return false;
	}
	if (trouble && trouble->retry_ns > now_ns && !is_held(rule, known)) {
		wake_at(keeper, trouble->retry_ns);
		return false;
	}
	if (!trouble && rule->trouble_count == KEEPER_TROUBLES_MAX)
		return false;
	if (keeper->options.is_taken &&
	    keeper->options.is_taken(keeper->options.ctx, known->dev.place))
		return false;
	return !is_reserved(rule, known);
}

static bool in_last_socket(const struct holder *holder, const struct known *known)
{
	return strcmp(holder->socket, known->dev.socket) == 0;
}

/* Whether @holder may take @known, or is to wait. */
static bool may_take(struct keeper *keeper, const struct holder *holder,
		     const struct known *known, uint64_t now_ns)
{
	if (holder->state != HOLDER_FREE)
		return false;
	if (holder->retry_ns > now_ns) {
		wake_at(keeper, holder->retry_ns);
		return false;
	}
	if (holder->lost_ns != 0 && !in_last_socket(holder, known) &&
	    known->appeared_ns <= holder->lost_ns &&
	    now_ns < holder->lost_ns + KEEPER_GRACE_NS) {
		wake_at(keeper, holder->lost_ns + KEEPER_GRACE_NS);
		return false;
	}
	return true;
}

/* The next one behind @known (NULL: the first) that matches. @rank counts them. */
static struct known *next_match(const struct kept_rule *rule, struct known *known,
				unsigned *rank)
{
	const struct keeper *keeper = rule->keeper;
	struct list *pos = known ? known->node_in_known.next : keeper->known.next;

	for (; pos != &keeper->known; pos = pos->next) {
		known = LIST_ENTRY(pos, struct known, node_in_known);
		if (!rule_matches(&rule->rule, &known->dev))
			continue;
		(*rank)++;
		if (rule->rule.nth == 0 || rule->rule.nth == *rank)
			return known;
	}
	return NULL;
}

/* Whether @rule, which was about to have @known, has meanwhile turned out to have another. */
static bool holds_other(struct kept_rule *rule, const struct known *known)
{
	uint64_t now_ns = clock_now_ns();
	struct known *other = NULL;
	unsigned rank = 0;

	while (!rule->rule.all && (other = next_match(rule, other, &rank)) != NULL) {
		if (other != known && is_held(rule, other) &&
		    is_free(rule, other, now_ns))
			return true;
	}
	return false;
}

static struct known *choose(struct kept_rule *rule, const struct holder *holder,
			    uint64_t now_ns)
{
	struct known *best = NULL;
	struct known *known = NULL;
	unsigned rank = 0;

	while ((known = next_match(rule, known, &rank)) != NULL) {
		if (!is_free(rule, known, now_ns) ||
		    !may_take(rule->keeper, holder, known, now_ns))
			continue;
		if (in_last_socket(holder, known) || is_held(rule, known))
			return known;
		if (!best)
			best = known;
	}
	return best;
}

/* For a rule that holds all: the holder that had a device in this socket, else one that
 * never had any, else a new one, else any. */
static struct holder *choose_holder(struct kept_rule *rule, const struct known *known)
{
	struct holder *unused = NULL;
	struct holder *any = NULL;
	struct list *pos;

	LIST_FOREACH(pos, &rule->holders) {
		struct holder *holder = holder_of(pos);

		if (in_last_socket(holder, known))
			return holder->state == HOLDER_FREE ? holder : NULL;
		if (holder->state != HOLDER_FREE)
			continue;
		if (holder->socket[0] == '\0')
			unused = holder;
		any = holder;
	}
	if (!unused && rule->holder_count < KEEPER_HOLDERS_MAX)
		unused = keeper_new_holder(rule);
	return unused ? unused : any;
}

/* --- taking it --- */

void keeper_release(struct holder *holder)
{
	struct keeper *keeper = holder->rule->keeper;
	struct known *known = keeper_find(keeper, holder->dev.place);

	if (known && known->holder == holder)
		known->holder = NULL;
	holder->state = HOLDER_FREE;
	holder->since_ns = clock_now_ns();
	holder->pulled = false;
	keeper_wake(keeper);
}

static void attach(struct holder *holder)
{
	const struct keeper_options *options = &holder->rule->keeper->options;

	holder->state = HOLDER_ATTACHING;
	log_debug("rule %s: to be attached: %s", holder->rule->rule.id, holder->dev.name);
	options->attach(options->ctx, holder->number, &holder->rule->rule, &holder->dev,
			holder->ports[holder->dev.speed_mbit >= SUPER_SPEED_MBIT]);
}

/* @holder->dev is read anew: what has claimed it, and whether it is still the same. */
static void run_check(struct worker_job *job)
{
	struct holder *holder = CONTAINER_OF(job, struct holder, job);
	const char *root = holder->rule->keeper->options.root;
	unsigned bus = holder->dev.bus;
	unsigned number = holder->dev.number;

	holder->err = (struct err){0};
	holder->result = hostdev_read(root, holder->dev.place, &holder->dev);
	if (holder->result == 0 &&
	    (holder->dev.bus != bus || holder->dev.number != number))
		holder->result = -ENOENT;
	else if (holder->result == 0)
		holder->result = guard_check(root, &holder->dev, &holder->err);
}

static void check_done(struct worker_job *job)
{
	struct holder *holder = CONTAINER_OF(job, struct holder, job);
	struct kept_rule *rule = holder->rule;
	struct keeper *keeper = rule->keeper;
	struct known *known = keeper_find(keeper, holder->dev.place);

	/* a device that is forgotten takes its holder's @pulled along */
	assert(known || holder->pulled);
	if (rule->removed || keeper->stopped || holder->pulled ||
	    holds_other(rule, known)) {
		keeper_release(holder);
	} else if (holder->result == 0) {
		attach(holder);
		keeper_wake(keeper);
	} else if (holder->err.code == 0) {
		/* it has changed under our eyes, and there was no news of that yet */
		keeper_release(holder);
		keeper_read(keeper, holder->dev.place);
		err_fill(&holder->err, ENOENT, "it is just going");
		keeper_fail(rule, known, &holder->err, false);
	} else {
		keeper_fail(rule, known, &holder->err, holder->result == -EPERM);
		keeper_release(holder);
	}
}

static void take(struct holder *holder, struct known *known)
{
	struct kept_rule *rule = holder->rule;
	struct err err = {0};

	if (rule_check_denied(&rule->rule, &known->dev, &err) < 0) {
		/* its descriptors stay as they are */
		keeper_postpone(rule, known, &err, true, KEEPER_NEVER);
		if (keeper_trouble(rule, known))
			keeper_tell_person(rule, known, keeper_trouble(rule, known));
		return;
	}
	holder->dev = known->dev;
	holder->pulled = false;
	holder->pulled_told = false;
	holder->since_ns = clock_now_ns();
	known->holder = holder;
	rule->keeper->busy_told = true;
	if (rule->rule.force || is_held(rule, known)) {
		attach(holder);
		return;
	}
	holder->state = HOLDER_CHECKING;
	holder->job = (struct worker_job){.run = run_check, .done = check_done};
	worker_submit(rule->keeper->worker, &holder->job);
}

static void settle_all(struct kept_rule *rule, uint64_t now_ns)
{
	struct known *known = NULL;
	unsigned rank = 0;

	while ((known = next_match(rule, known, &rank)) != NULL) {
		struct holder *holder;

		if (!is_free(rule, known, now_ns))
			continue;
		holder = choose_holder(rule, known);
		if (holder && may_take(rule->keeper, holder, known, now_ns))
			take(holder, known);
	}
}

static void settle(struct kept_rule *rule, uint64_t now_ns)
{
	struct holder *holder = holder_of(rule->holders.next);
	struct known *known;

	if (rule->removed || rule->keeper->stopped || rule->keeper->stale)
		return;
	if (rule->rule.all) {
		settle_all(rule, now_ns);
		return;
	}
	/* one that is refused at once is noted, and the next one chosen */
	for (unsigned i = 0; i <= KEEPER_TROUBLES_MAX; i++) {
		known = holder->state == HOLDER_FREE ? choose(rule, holder, now_ns)
						     : NULL;
		if (!known)
			return;
		take(holder, known);
	}
}

/* --- the pass --- */

/* What the owner is to do about devices that have gone, or shall. */
static void ask_owner(struct keeper *keeper, struct holder *holder)
{
	const struct keeper_options *options = &keeper->options;

	if (holder->state != HOLDER_ATTACHED)
		return;
	if (holder->rule->removed) {
		holder->state = HOLDER_DETACHING;
		holder->since_ns = clock_now_ns();
		options->detach(options->ctx, holder->number);
	} else if (holder->pulled && !holder->pulled_told) {
		holder->pulled_told = true;
		if (options->pulled)
			options->pulled(options->ctx, holder->number);
	}
}

static void tell_changes(struct keeper *keeper, struct kept_rule *rule)
{
	const struct keeper_options *options = &keeper->options;
	struct list *pos;

	LIST_FOREACH(pos, &rule->holders) {
		struct holder *holder = holder_of(pos);
		struct keeper_status status = keeper_status(holder);

		if (status.state == holder->told || rule->removed)
			continue;
		holder->told = status.state;
		if (options->changed)
			options->changed(options->ctx, &status);
	}
	LIST_FOREACH(pos, &rule->troubles) {
		struct trouble *trouble = trouble_of(pos);
		struct keeper_status status = keeper_trouble_status(rule, trouble);

		if (trouble->told || rule->removed || !rule->rule.all)
			continue;
		trouble->told = true;
		if (options->changed)
			options->changed(options->ctx, &status);
	}
}

/* Whether only answers of the owner are awaited, if anything. */
static bool has_asked(const struct keeper *keeper)
{
	struct list *pos, *at;

	if (keeper->scanning || keeper->reading_count > 0)
		return false;
	LIST_FOREACH(pos, &keeper->rules) {
		LIST_FOREACH(at, &rule_of(pos)->holders) {
			if (holder_of(at)->state == HOLDER_CHECKING)
				return false;
		}
	}
	return true;
}

static void finish_pass(struct keeper *keeper)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &keeper->rules) {
		if (rule_of(pos)->removed)
			keeper_reap(rule_of(pos));
	}
	LIST_FOREACH(pos, &keeper->rules)
		tell_changes(keeper, rule_of(pos));
	if (keeper->changed)
		return; /* by the owner, just now: there will be another pass */
	if (keeper->wake_ns != KEEPER_NEVER && !keeper->stopped) {
		uint64_t now_ns = clock_now_ns();

		loop_timer_set(keeper->timer,
			       keeper->wake_ns > now_ns ? keeper->wake_ns - now_ns : 0);
	}
	if (keeper->options.asked && has_asked(keeper))
		keeper->options.asked(keeper->options.ctx);
	if (keeper->busy_told && keeper_is_quiet(keeper)) {
		keeper->busy_told = false;
		if (keeper->options.quiet)
			keeper->options.quiet(keeper->options.ctx);
	}
}

static void begin_pass(struct keeper *keeper, uint64_t now_ns)
{
	struct list *pos, *at;

	keeper->changed = false;
	keeper->next = keeper->rules.next;
	keeper->wake_ns = KEEPER_NEVER;
	loop_timer_stop(keeper->timer);
	if (keeper->scan_at_ns <= now_ns && !keeper->scanning && !keeper->stopped)
		keeper_scan(keeper);
	wake_at(keeper, keeper->scanning ? KEEPER_NEVER : keeper->scan_at_ns);
	LIST_FOREACH(pos, &keeper->rules) {
		LIST_FOREACH(at, &rule_of(pos)->holders)
			ask_owner(keeper, holder_of(at));
	}
}

void keeper_on_pass(void *ctx)
{
	struct keeper *keeper = ctx;
	uint64_t now_ns = clock_now_ns();

	if (keeper->changed || !keeper->next)
		begin_pass(keeper, now_ns);
	for (unsigned i = 0; i < RULES_PER_TURN && keeper->next != &keeper->rules; i++) {
		struct kept_rule *rule = rule_of(keeper->next);

		keeper->next = keeper->next->next;
		settle(rule, now_ns);
	}
	if (keeper->next != &keeper->rules) {
		loop_defer_next_turn(keeper->options.loop, &keeper->pass);
		return;
	}
	keeper->next = NULL;
	finish_pass(keeper);
}
