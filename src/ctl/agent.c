/* SPDX-License-Identifier: MIT
 * agent.c - rules for a daemon that may not open devices: we open, it is handed them
 */
#include "ctl/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>

#include "control/client.h"
#include "ctl/agent_priv.h"
#include "ctl/text.h"
#include "rules/file.h"
#include "util/log.h"
#include "util/loop.h"

#define HOLDS_MAX 1024u

/* --- holds --- */

struct hold *agent_hold_of(struct agent *agent, unsigned holder)
{
	struct list *pos;

	LIST_FOREACH(pos, &agent->holds) {
		struct hold *hold = LIST_ENTRY(pos, struct hold, node);

		if (hold->holder == holder)
			return hold;
	}
	return NULL;
}

static void hold_free(struct agent *agent, struct hold *hold)
{
	list_remove(&hold->node);
	agent->nholds--;
	free(hold);
}

void agent_hold_end(struct agent *agent, struct hold *hold, enum keeper_end end)
{
	unsigned holder = hold->holder;

	hold_free(agent, hold);
	keeper_gone(agent->keeper, holder, end);
}

void agent_hold_fail(struct agent *agent, struct hold *hold, const struct err *err)
{
	unsigned holder = hold->holder;

	hold_free(agent, hold);
	keeper_attached(agent->keeper, holder, 0, err);
}

/* --- what the keeper wants --- */

/* What is @found for this rule, and is still this very device. A daemon without sysfs
 * does not know its place. */
static struct agent_device *find_found(const struct agent *agent, const struct rule *rule,
				       const struct hostdev *dev)
{
	for (unsigned i = 0; agent->found && i < agent->found->count; i++) {
		struct agent_device *device = &agent->found->devices[i];

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

/* An earlier agent has attached it, or we ourselves before the connection broke. */
static void take_over(struct agent *agent, struct hold *hold, struct agent_device *device,
		      const struct hostdev *dev)
{
	char text[HOSTDEV_TEXT_BYTES * 2];

	hostdev_describe(dev, text, sizeof(text));
	log_limited(LOG_LEVEL_INFO, "%s is attached at port %u already", text,
		    device->port);
	memcpy(hold->id, device->id, sizeof(hold->id));
	hold->state = HOLD_HAS;
	device->is_attached = false;
	keeper_attached(agent->keeper, hold->holder, device->port, NULL);
}

static void on_attach(void *ctx, unsigned holder, const struct rule *rule,
		      const struct hostdev *dev, unsigned port)
{
	const struct err full = {ENOSPC, "too many devices"};
	struct agent *agent = ctx;
	struct agent_device *device = find_found(agent, rule, dev);
	struct agent_job *job;
	struct hold *hold;

	if (agent->nholds == HOLDS_MAX) {
		keeper_attached(agent->keeper, holder, 0, &full);
		return;
	}
	hold = ctl_alloc(sizeof(*hold));
	hold->holder = holder;
	hold->state = agent->client ? HOLD_ASKED : HOLD_AWAY;
	list_append(&agent->holds, &hold->node);
	agent->nholds++;
	if (device)
		take_over(agent, hold, device, dev);
	if (!agent->client || device)
		return;
	job = agent_job_new(agent, AGENT_ATTACH);
	job->holder = holder;
	job->dev = *dev;
	job->port = port;
	job->reset = rule->reset;
	memcpy(job->rule_id, rule->id, sizeof(job->rule_id));
	agent_submit(job);
}

static void leave(struct agent *agent, struct hold *hold, enum keeper_end end)
{
	struct agent_job *job;

	if (!agent->client) {
		agent_hold_end(agent, hold, end);
		return;
	}
	hold->state = HOLD_LEAVING;
	hold->end = end;
	job = agent_job_new(agent, AGENT_DETACH);
	job->holder = hold->holder;
	memcpy(job->id, hold->id, sizeof(job->id));
	agent_submit(job);
}

static void on_detach(void *ctx, unsigned holder)
{
	struct agent *agent = ctx;
	struct hold *hold = agent_hold_of(agent, holder);

	if (!hold)
		keeper_gone(agent->keeper, holder, KEEPER_DETACHED);
	else if (hold->state == HOLD_HAS)
		leave(agent, hold, KEEPER_DETACHED);
	else
		hold->end = KEEPER_DETACHED;
}

/* The daemon has seen it too, most likely: then the answer is that there is no such
 * device. Either way it has gone before another one is attached. */
static void on_pulled(void *ctx, unsigned holder)
{
	struct agent *agent = ctx;
	struct hold *hold = agent_hold_of(agent, holder);

	if (hold && hold->state == HOLD_HAS)
		leave(agent, hold, KEEPER_PULLED);
}

static void on_changed(void *ctx, const struct keeper_status *status)
{
	(void)ctx;
	if (status->why && status->why->code != 0 && status->state == KEEPER_REFUSED)
		log_limited(LOG_LEVEL_WARN, "rule %s: %s", status->rule_id,
			    status->why->text);
}

/* --- rules --- */

int agent_add(struct agent *agent, const char *text, struct err *err)
{
	struct rule rule;
	int r = rule_parse(&rule, text, err);

	return r < 0 ? r
		     : keeper_add(agent->keeper, &rule, KEEPER_FROM_OPTION, NULL, err);
}

int agent_load(struct agent *agent, struct err *err)
{
	struct rule_list list = {0};
	int r;

	if (!agent->options.rules)
		return 0;
	r = rules_file_read(agent->options.rules, &list, err);
	if (r == 0)
		r = keeper_replace(agent->keeper, &list, KEEPER_FROM_FILE, err);
	if (r == 0)
		log_info("%s: %u rules", agent->options.rules, list.count);
	rule_list_finish(&list);
	return r;
}

struct keeper *agent_keeper(struct agent *agent)
{
	return agent->keeper;
}

/* --- life --- */

struct agent *agent_create(const struct agent_options *options, struct err *err)
{
	struct agent *agent = ctl_alloc(sizeof(*agent));
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
	list_init(&agent->jobs);
	list_init(&agent->holds);
	agent->worker = worker_create(options->loop, "agent");
	agent->timer = loop_timer_create(options->loop, agent_on_retry, agent);
	if (!agent->worker || !agent->timer)
		err_fill(err, ENOMEM, "out of memory");
	else
		agent->keeper = keeper_create(&keeper, err);
	if (!agent->keeper) {
		agent_destroy(agent);
		return NULL;
	}
	agent_submit(agent_job_new(agent, AGENT_CONNECT));
	return agent;
}

void agent_destroy(struct agent *agent)
{
	struct list *pos, *tmp;

	if (!agent)
		return;
	if (agent->keeper)
		keeper_stop(agent->keeper);
	/* ends a call that waits */
	if (agent->client)
		(void)shutdown(control_client_fd(agent->client), SHUT_RDWR);
	worker_destroy(agent->worker);
	keeper_destroy(agent->keeper);
	agent_free_jobs(agent);
	LIST_FOREACH_SAFE(pos, tmp, &agent->holds)
		hold_free(agent, LIST_ENTRY(pos, struct hold, node));
	loop_unwatch(agent->watch);
	control_disconnect(agent->client);
	loop_timer_destroy(agent->timer);
	free(agent->found);
	free(agent);
}
