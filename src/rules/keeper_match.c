/* SPDX-License-Identifier: MIT
 * keeper_match.c - which rule gets which device
 *
 * A pass goes through the rules in their order, RULES_PER_TURN in a turn of the loop, and
 * starts over if something changes meanwhile. If a rule may have a device only later, the
 * pass arms the timer. At its end the pass notifies the owner of changes.
 */
#include "rules/keeper_match.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "rules/guard.h"
#include "rules/keeper_core.h"
#include "rules/keeper_devices.h"
#include "rules/keeper_failure.h"
#include "rules/keeper_rule.h"
#include "rules/keeper_status.h"
#include "util/clock.h"
#include "util/log.h"

#define RULES_PER_TURN 16u

static void wake_at(struct keeper *keeper, uint64_t when_ns)
{
	keeper->pass.wake_ns = MIN_OF(keeper->pass.wake_ns, when_ns);
}

/* --- which device --- */

static bool wants_more(const struct kept_rule *rule)
{
	return rule->rule.all || rule_holder(rule)->state == HOLDER_STATE_FREE;
}

/* Whether a rule before @rule has a better claim: it failed to attach @known and will try again,
 * or waits for the owner to notice that its device has gone. */
static bool is_reserved(const struct kept_rule *rule, const struct known *known)
{
	struct list *pos, *at;

	for (pos = rule->keeper->rules.next; pos != &rule->node_in_keeper;
	     pos = pos->next) {
		const struct kept_rule *other = rule_of(pos);
		const struct failure *failure = keeper_failure(other, known);

		if (other->removed)
			continue;
		if (failure && !failure->refused && wants_more(other))
			return true;
		LIST_FOREACH(at, &other->holders) {
			const struct holder *holder = holder_of(at);

			if (holder->state != HOLDER_STATE_FREE && holder->pulled &&
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

/* When @rule may have @known, as far as the rule decides: 0 = now, KEEPER_NEVER = not before
 * something changes. */
static uint64_t free_at_ns(const struct kept_rule *rule, const struct known *known,
			   uint64_t now_ns)
{
	const struct keeper_options *options = &rule->keeper->options;
	const struct failure *failure = keeper_failure(rule, known);

	if (known->holder)
		return KEEPER_NEVER;
	if (rule->retry_ns > now_ns)
		return rule->retry_ns;
	if (failure && failure->retry_ns > now_ns && !is_held(rule, known))
		return failure->retry_ns;
	if (!failure && rule->failure_count == KEEPER_FAILURES_MAX)
		return KEEPER_NEVER;
	if (options->is_taken && options->is_taken(options->ctx, known->dev.place))
		return KEEPER_NEVER;
	return is_reserved(rule, known) ? KEEPER_NEVER : 0;
}

static bool in_last_socket(const struct holder *holder, const struct known *known)
{
	return strcmp(holder->socket, known->dev.socket) == 0;
}

/* When @holder may take @known, which its rule may have: as free_at_ns(). */
static uint64_t ready_at_ns(const struct holder *holder, const struct known *known,
			    uint64_t now_ns)
{
	if (holder->state != HOLDER_STATE_FREE)
		return KEEPER_NEVER;
	if (holder->retry_ns > now_ns)
		return holder->retry_ns;
	if (holder->lost_ns != 0 && !in_last_socket(holder, known) &&
	    known->appeared_ns <= holder->lost_ns &&
	    now_ns < holder->lost_ns + KEEPER_GRACE_NS)
		return holder->lost_ns + KEEPER_GRACE_NS;
	return 0;
}

/* The next matching device behind @known (NULL: the first). @rank counts them. */
static struct known *next_match(const struct kept_rule *rule, struct known *known,
				unsigned *rank)
{
	const struct keeper *keeper = rule->keeper;
	struct list *pos =
		known ? known->node_in_keeper.next : keeper->devices.known.next;

	for (; pos != &keeper->devices.known; pos = pos->next) {
		known = known_of(pos);
		if (!rule_matches(&rule->rule, &known->dev))
			continue;
		(*rank)++;
		if (rule->rule.nth == 0 || rule->rule.nth == *rank)
			return known;
	}
	return NULL;
}

/* Whether the owner has another free match of @rule plugged in already. */
static bool holds_other(const struct kept_rule *rule, const struct known *known)
{
	uint64_t now_ns = clock_now_ns();
	struct known *other = NULL;
	unsigned rank = 0;

	while (!rule->rule.all && (other = next_match(rule, other, &rank)) != NULL) {
		if (other != known && is_held(rule, other) &&
		    free_at_ns(rule, other, now_ns) == 0)
			return true;
	}
	return false;
}

static struct known *choose(const struct kept_rule *rule, const struct holder *holder,
			    uint64_t now_ns)
{
	struct known *best = NULL;
	struct known *known = NULL;
	unsigned rank = 0;

	while ((known = next_match(rule, known, &rank)) != NULL) {
		uint64_t at_ns = free_at_ns(rule, known, now_ns);

		if (at_ns == 0)
			at_ns = ready_at_ns(holder, known, now_ns);
		if (at_ns > 0) {
			wake_at(rule->keeper, at_ns);
			continue;
		}
		if (in_last_socket(holder, known) || is_held(rule, known))
			return known;
		if (!best)
			best = known;
	}
	return best;
}

/* For a rule with "all": the holder that had a device in this socket, else a holder that
 * never had one, else a new holder, else any. NULL if the holder of this socket is busy. */
static struct holder *choose_holder(struct kept_rule *rule, const struct known *known)
{
	struct holder *unused = NULL;
	struct holder *any = NULL;
	struct list *pos;

	LIST_FOREACH(pos, &rule->holders) {
		struct holder *holder = holder_of(pos);

		if (in_last_socket(holder, known))
			return holder->state == HOLDER_STATE_FREE ? holder : NULL;
		if (holder->state != HOLDER_STATE_FREE)
			continue;
		if (holder->socket[0] == '\0')
			unused = holder;
		any = holder;
	}
	if (!unused && rule->holder_count < KEEPER_HOLDERS_MAX)
		unused = kept_rule_add_holder(rule, ++rule->keeper->holders_made);
	return unused ? unused : any;
}

/* --- taking it --- */

static void attach(struct holder *holder)
{
	const struct keeper_options *options = &holder->rule->keeper->options;

	holder_enter(holder, HOLDER_STATE_ATTACHING);
	log_debug("rule %s: to be attached: %s", holder->rule->rule.id, holder->dev.name);
	options->attach(options->ctx, holder->number, &holder->rule->rule, &holder->dev,
			*holder_port(holder));
}

/* Reads @holder->dev again: a program may have claimed it, or another device took its
 * place. */
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

static void on_check_done(struct worker_job *job)
{
	struct holder *holder = CONTAINER_OF(job, struct holder, job);
	struct kept_rule *rule = holder->rule;
	struct keeper *keeper = rule->keeper;
	struct known *known = keeper_find(keeper, holder->dev.place);

	/* dropping a device sets its holder's @pulled */
	assert(known || holder->pulled);
	if (rule->removed || keeper->stopped || holder->pulled ||
	    holds_other(rule, known)) {
		keeper_release(holder);
	} else if (holder->result == 0) {
		attach(holder);
		keeper_wake(keeper);
	} else if (holder->err.code == 0) {
		/* the device has changed, and the kernel has not reported that yet */
		keeper_release(holder);
		keeper_read(keeper, holder->dev.place);
		err_fill(&holder->err, ENOENT, "it is being unplugged");
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
		/* retrying cannot help: its descriptors do not change */
		keeper_postpone(rule, known, &err, true, KEEPER_NEVER);
		if (keeper_failure(rule, known))
			keeper_log_failure(rule, keeper_failure(rule, known));
		return;
	}
	holder->dev = known->dev;
	holder->pulled = false;
	holder->pulled_told = false;
	known->holder = holder;
	rule->keeper->pass.busy_told = true;
	if (rule->rule.force || is_held(rule, known)) {
		attach(holder);
		return;
	}
	holder_enter(holder, HOLDER_STATE_CHECKING);
	holder->job = (struct worker_job){.run = run_check, .done = on_check_done};
	worker_submit(rule->keeper->worker, &holder->job);
}

static void match_all(struct kept_rule *rule, uint64_t now_ns)
{
	struct known *known = NULL;
	unsigned rank = 0;

	while ((known = next_match(rule, known, &rank)) != NULL) {
		uint64_t at_ns = free_at_ns(rule, known, now_ns);
		struct holder *holder = at_ns == 0 ? choose_holder(rule, known) : NULL;

		if (holder)
			at_ns = ready_at_ns(holder, known, now_ns);
		if (holder && at_ns == 0)
			take(holder, known);
		else if (at_ns > 0)
			wake_at(rule->keeper, at_ns);
	}
}

static void match(struct kept_rule *rule, uint64_t now_ns)
{
	struct holder *holder = rule_holder(rule);
	struct known *known;

	if (rule->removed || rule->keeper->stopped || rule->keeper->devices.stale)
		return;
	if (rule->rule.all) {
		match_all(rule, now_ns);
		return;
	}
	/* take() may refuse a device at once; then choose the next one */
	for (unsigned i = 0; i <= KEEPER_FAILURES_MAX; i++) {
		known = holder->state == HOLDER_STATE_FREE ? choose(rule, holder, now_ns)
							   : NULL;
		if (!known)
			return;
		take(holder, known);
	}
}

/* --- the pass --- */

/* Asks the owner to detach, and notifies it of devices that have gone. */
static void ask_owner(struct keeper *keeper, struct holder *holder)
{
	const struct keeper_options *options = &keeper->options;

	if (holder->state != HOLDER_STATE_ATTACHED)
		return;
	if (holder->rule->removed) {
		holder_enter(holder, HOLDER_STATE_DETACHING);
		options->detach(options->ctx, holder->number);
	} else if (holder->pulled && !holder->pulled_told) {
		holder->pulled_told = true;
		if (options->pulled)
			options->pulled(options->ctx, holder->number);
	}
}

static void notify_changes(struct keeper *keeper, struct kept_rule *rule)
{
	const struct keeper_options *options = &keeper->options;
	struct list *pos;

	LIST_FOREACH(pos, &rule->holders) {
		struct holder *holder = holder_of(pos);
		struct keeper_status status = keeper_holder_status(holder);

		if (status.state == holder->told || rule->removed)
			continue;
		holder->told = status.state;
		if (options->changed)
			options->changed(options->ctx, &status);
	}
	LIST_FOREACH(pos, &rule->failures) {
		struct failure *failure = failure_of(pos);
		struct keeper_status status = keeper_failure_status(rule, failure);

		if (failure->told || rule->removed || !rule->rule.all)
			continue;
		failure->told = true;
		if (options->changed)
			options->changed(options->ctx, &status);
	}
}

/* Whether the keeper awaits only answers of the owner. */
static bool awaits_only_owner(const struct keeper *keeper)
{
	struct list *pos, *at;

	if (keeper_is_reading(keeper))
		return false;
	LIST_FOREACH(pos, &keeper->rules) {
		LIST_FOREACH(at, &rule_of(pos)->holders) {
			if (holder_of(at)->state == HOLDER_STATE_CHECKING)
				return false;
		}
	}
	return true;
}

static void finish_pass(struct keeper *keeper)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &keeper->rules) {
		if (rule_of(pos)->removed && kept_rule_is_idle(rule_of(pos)))
			kept_rule_destroy(rule_of(pos));
	}
	LIST_FOREACH(pos, &keeper->rules)
		notify_changes(keeper, rule_of(pos));
	if (keeper->pass.changed)
		return; /* by the owner, just now: there will be another pass */
	if (keeper->pass.wake_ns != KEEPER_NEVER && !keeper->stopped) {
		uint64_t now_ns = clock_now_ns();

		loop_timer_set(keeper->pass.timer, keeper->pass.wake_ns > now_ns
							   ? keeper->pass.wake_ns - now_ns
							   : 0);
	}
	if (keeper->options.asked && awaits_only_owner(keeper))
		keeper->options.asked(keeper->options.ctx);
	if (keeper->pass.busy_told && keeper_core_is_quiet(keeper)) {
		keeper->pass.busy_told = false;
		if (keeper->options.quiet)
			keeper->options.quiet(keeper->options.ctx);
	}
}

static void begin_pass(struct keeper *keeper, uint64_t now_ns)
{
	struct list *pos, *at;

	keeper->pass.changed = false;
	keeper->pass.next = keeper->rules.next;
	keeper->pass.wake_ns = KEEPER_NEVER;
	loop_timer_stop(keeper->pass.timer);
	if (keeper->devices.scan_at_ns <= now_ns && !keeper->devices.scanning &&
	    !keeper->stopped)
		keeper_scan(keeper);
	wake_at(keeper,
		keeper->devices.scanning ? KEEPER_NEVER : keeper->devices.scan_at_ns);
	LIST_FOREACH(pos, &keeper->rules) {
		LIST_FOREACH(at, &rule_of(pos)->holders)
			ask_owner(keeper, holder_of(at));
	}
}

void keeper_on_pass(void *ctx)
{
	struct keeper *keeper = ctx;
	uint64_t now_ns = clock_now_ns();

	if (keeper->pass.changed || !keeper->pass.next)
		begin_pass(keeper, now_ns);
	for (unsigned i = 0; i < RULES_PER_TURN && keeper->pass.next != &keeper->rules;
	     i++) {
		struct kept_rule *rule = rule_of(keeper->pass.next);

		keeper->pass.next = keeper->pass.next->next;
		match(rule, now_ns);
	}
	if (keeper->pass.next != &keeper->rules) {
		loop_defer_next_turn(keeper->options.loop, &keeper->pass.task);
		return;
	}
	keeper->pass.next = NULL;
	finish_pass(keeper);
}
