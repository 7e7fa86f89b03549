/* SPDX-License-Identifier: MIT
 * agent.c - rules for a daemon that may not open devices: opens them and hands them over
 *
 * The agent does not attach devices twice that the daemon had when it connected (link.found):
 * when the keeper wants one of these, for the rule that it was attached for, the hold is HAS
 * at once. So a new agent goes on where the last one ended.
 */
#include "agent/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/hold.h"
#include "agent/link.h"
#include "agent/memory.h"
#include "rules/file.h"
#include "rules/keeper.h"
#include "util/log.h"

struct agent {
	struct agent_options options;
	struct agent_holds holds;
	struct agent_link link;
};

/* --- the keeper's wishes --- */

/* The device in @found for this rule, if it is still @dev. A daemon without sysfs does not
 * know its place. */
static struct agent_device *find_found(const struct agent *agent, const struct rule *rule,
				       const struct hostdev *dev)
{
	for (unsigned i = 0; agent->link.found && i < agent->link.found->count; i++) {
		struct agent_device *device = &agent->link.found->devices[i];

		if (device->is_attached && strcmp(device->rule_id, rule->id) == 0 &&
		    device->bus == dev->bus && device->number == dev->number &&
		    (device->place[0] == '\0' || strcmp(device->place, dev->name) == 0))
			return device;
	}
	return NULL;
}

static bool is_held(void *ctx, const struct rule *rule, const struct hostdev *dev)
{
	return find_found(ctx, rule, dev) != NULL;
}

/* An earlier agent has attached it, or this one before the connection broke. */
static void take_over(struct agent *agent, struct hold *hold, struct agent_device *device,
		      const struct hostdev *dev)
{
	char text[HOSTDEV_TEXT_BYTES * 2];

	hostdev_describe(dev, text, sizeof(text));
	log_limited(LOG_LEVEL_INFO, "%s is attached at port %u already", text,
		    device->port);
	device->is_attached = false;
	agent_hold_attached(&agent->holds, hold, device->id, device->port);
}

static void on_attach(void *ctx, unsigned holder, const struct rule *rule,
		      const struct hostdev *dev, unsigned port)
{
	const struct err full = {ENOSPC, "too many devices"};
	struct agent *agent = ctx;
	struct agent_device *device = find_found(agent, rule, dev);
	struct agent_job *job;
	struct hold *hold;

	hold = agent_hold_create(&agent->holds, holder,
				 agent->link.client ? HOLD_STATE_ASKED : HOLD_STATE_AWAY);
	if (!hold) {
		keeper_attached(agent->holds.keeper, holder, 0, &full);
		return;
	}
	if (device)
		take_over(agent, hold, device, dev);
	if (!agent->link.client || device)
		return;
	job = agent_link_job(&agent->link, AGENT_JOB_KIND_ATTACH);
	job->holder = holder;
	job->dev = *dev;
	job->port = port;
	job->reset = rule->reset;
	memcpy(job->rule_id, rule->id, sizeof(job->rule_id));
	agent_link_submit(&agent->link, job);
}

static void leave(struct agent *agent, struct hold *hold, enum keeper_end end)
{
	struct agent_job *job;

	if (!agent->link.client) {
		agent_hold_end(&agent->holds, hold, end);
		return;
	}
	agent_hold_leave(hold, end);
	job = agent_link_job(&agent->link, AGENT_JOB_KIND_DETACH);
	job->holder = hold->holder;
	memcpy(job->id, hold->id, sizeof(job->id));
	agent_link_submit(&agent->link, job);
}

static void on_detach(void *ctx, unsigned holder)
{
	struct agent *agent = ctx;
	struct hold *hold = agent_hold_find(&agent->holds, holder);

	if (!hold)
		keeper_gone(agent->holds.keeper, holder, KEEPER_END_DETACHED);
	else if (hold->state == HOLD_STATE_HAS)
		leave(agent, hold, KEEPER_END_DETACHED);
	else
		hold->end = KEEPER_END_DETACHED;
}

/* Most likely the daemon has noticed too: then it answers that there is no such device.
 * Either way the device is gone before the keeper attaches another one. */
static void on_pulled(void *ctx, unsigned holder)
{
	struct agent *agent = ctx;
	struct hold *hold = agent_hold_find(&agent->holds, holder);

	if (hold && hold->state == HOLD_STATE_HAS)
		leave(agent, hold, KEEPER_END_PULLED);
}

static void on_changed(void *ctx, const struct keeper_status *status)
{
	(void)ctx;
	if (status->why && status->why->code != 0 &&
	    status->state == KEEPER_STATE_REFUSED)
		log_limited(LOG_LEVEL_WARN, "rule %s: %s", status->rule_id,
			    status->why->text);
}

/* --- rules --- */

int agent_add(struct agent *agent, const char *text, struct err *err)
{
	struct rule rule;
	int r = rule_parse(&rule, text, err);

	return r < 0 ? r
		     : keeper_add(agent->holds.keeper, &rule, KEEPER_ORIGIN_OPTION, NULL,
				  err);
}

int agent_load(struct agent *agent, struct err *err)
{
	struct rule_list list = {0};
	int r;

	if (!agent->options.rules)
		return 0;
	r = rules_file_read(agent->options.rules, &list, err);
	if (r == 0)
		r = keeper_replace(agent->holds.keeper, &list, KEEPER_ORIGIN_FILE, err);
	if (r == 0)
		log_info("%s: %u rules", agent->options.rules, list.count);
	rule_list_finish(&list);
	return r;
}

struct keeper *agent_keeper(struct agent *agent)
{
	return agent->holds.keeper;
}

/* --- life --- */

struct agent *agent_create(const struct agent_options *options, struct err *err)
{
	struct agent *agent = agent_alloc(sizeof(*agent));
	const struct keeper_options keeper = {
		.loop = options->loop,
		.root = options->root,
		.no_uevents = options->no_uevents,
		.attach = on_attach,
		.detach = on_detach,
		.pulled = on_pulled,
		.is_held = is_held,
		.changed = on_changed,
		.ctx = agent,
	};

	agent->options = *options;
	agent_holds_init(&agent->holds);
	agent->link.loop = options->loop;
	agent->link.socket = options->socket;
	agent->link.root = options->root;
	agent->link.holds = &agent->holds;
	if (agent_link_init(&agent->link) < 0)
		err_fill(err, ENOMEM, "out of memory");
	else
		agent->holds.keeper = keeper_create(&keeper, err);
	if (!agent->holds.keeper) {
		agent_destroy(agent);
		return NULL;
	}
	agent_link_connect(&agent->link);
	return agent;
}

void agent_destroy(struct agent *agent)
{
	if (!agent)
		return;
	if (agent->holds.keeper)
		keeper_stop(agent->holds.keeper);
	agent_link_stop(&agent->link);
	keeper_destroy(agent->holds.keeper);
	agent_holds_finish(&agent->holds);
	agent_link_finish(&agent->link);
	free(agent);
}
