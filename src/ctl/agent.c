/* SPDX-License-Identifier: MIT
 * agent.c - rules for a daemon that may not open devices: we open, it is handed them
 *
 * Each device that the keeper wants, or has, is a *hold*:
 *
 *	AWAY	the daemon is: when it is back the keeper tries again
 *	ASKED	a job attaches it
 *	HAS	the daemon has it, by the name @id
 *	LEAVING	a job detaches it
 */
#include "ctl/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>

#include "control/client.h"
#include "ctl/agent_job.h"
#include "ctl/ctl.h"
#include "ctl/text.h"
#include "rules/file.h"
#include "rules/keeper.h"
#include "util/list.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/worker.h"

#define HOLDS_MAX 1024u

enum hold_state {
	HOLD_AWAY,
	HOLD_ASKED,
	HOLD_HAS,
	HOLD_LEAVING,
};

/* @end: of LEAVING, what the keeper will be told. */
struct hold {
	struct list node;
	unsigned holder;
	enum hold_state state;
	enum keeper_end end;
	char id[AGENT_ID_BYTES];
};

/**
 * struct agent
 * @client:	NULL: no connection. The worker's while a job runs
 * @usable:	the worker's
 * @jobs:	that are not done
 * @reading:	a job reads events; @watch is quiet meanwhile
 * @retry_ns:	how long was waited last
 */
struct agent {
	struct agent_options options;
	struct keeper *keeper;
	struct worker *worker;
	struct loop_timer *timer;
	struct control_client *client;
	struct loop_watch *watch;
	bool usable;
	bool reading;
	bool was_told;
	uint64_t retry_ns;
	struct list jobs;
	struct list holds;
	unsigned nholds;
};

/* --- holds --- */

static struct hold *hold_of(struct agent *agent, unsigned holder)
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

static void hold_end(struct agent *agent, struct hold *hold, enum keeper_end end)
{
	unsigned holder = hold->holder;

	hold_free(agent, hold);
	keeper_gone(agent->keeper, holder, end);
}

static void hold_fail(struct agent *agent, struct hold *hold, const struct err *err)
{
	unsigned holder = hold->holder;

	hold_free(agent, hold);
	keeper_attached(agent->keeper, holder, 0, err);
}

/* --- jobs --- */

static void on_job_done(struct worker_job *base);

static struct agent_job *job_new(struct agent *agent, enum agent_job_kind kind)
{
	struct agent_job *job = ctl_alloc(sizeof(*job));

	job->job = (struct worker_job){.run = agent_job_run, .done = on_job_done};
	job->agent = agent;
	job->kind = kind;
	job->root = agent->options.root;
	job->socket = agent->options.socket;
	job->usable = &agent->usable;
	job->client = agent->client;
	list_append(&agent->jobs, &job->node);
	return job;
}

static void submit(struct agent_job *job)
{
	worker_submit(job->agent->worker, &job->job);
}

static void on_retry(void *ctx)
{
	submit(job_new(ctx, AGENT_CONNECT));
}

static void read_events(struct agent *agent)
{
	if (!agent->client || agent->reading)
		return;
	agent->reading = true;
	/* it would be told again and again until the worker comes to it */
	if (loop_watch_set(agent->watch, 0) < 0)
		log_limited(LOG_LEVEL_WARN, "the connection cannot be watched");
	submit(job_new(agent, AGENT_EVENTS));
}

static void on_readable(void *ctx, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	read_events(ctx);
}

/* --- connection --- */

static void retry_later(struct agent *agent)
{
	agent->retry_ns = agent->retry_ns == 0
				  ? AGENT_RETRY_FIRST_NS
				  : MIN_OF(agent->retry_ns * 2, AGENT_RETRY_LAST_NS);
	loop_timer_set(agent->timer, agent->retry_ns);
}

/* All its devices have gone with the daemon. Those that are ASKED or LEAVING have a job
 * that will say so. */
static void lose_daemon(struct agent *agent)
{
	struct list *pos, *tmp;

	if (!agent->client)
		return;
	loop_unwatch(agent->watch);
	agent->watch = NULL;
	control_disconnect(agent->client);
	agent->client = NULL;
	agent->reading = false;
	log_warn("the daemon at %s has gone; its devices are attached again when it is "
		 "back",
		 agent->options.socket);
	LIST_FOREACH_SAFE(pos, tmp, &agent->holds) {
		struct hold *hold = LIST_ENTRY(pos, struct hold, node);

		if (hold->state == HOLD_HAS)
			hold_end(agent, hold, KEEPER_PULLED);
	}
	agent->retry_ns = 0;
	retry_later(agent);
}

static void handle_connected(struct agent *agent, const struct agent_job *job)
{
	const struct err again = {ENOENT, "the daemon was not there"};
	struct list *pos, *tmp;

	if (job->r < 0) {
		if (!agent->was_told)
			log_warn("%s; it is tried again", job->err.text);
		agent->was_told = true;
		retry_later(agent);
		return;
	}
	agent->watch = loop_watch_fd(agent->options.loop, control_client_fd(job->client),
				     LOOP_READ, on_readable, agent);
	if (!agent->watch) {
		control_disconnect(job->client);
		retry_later(agent);
		return;
	}
	agent->client = job->client;
	agent->was_told = false;
	agent->retry_ns = 0;
	log_info("connected to the daemon at %s", agent->options.socket);
	/* it may be long ago that they were asked for: the keeper looks at them anew */
	LIST_FOREACH_SAFE(pos, tmp, &agent->holds) {
		struct hold *hold = LIST_ENTRY(pos, struct hold, node);

		if (hold->state == HOLD_AWAY)
			hold_fail(agent, hold, &again);
	}
	keeper_look(agent->keeper);
	/* what came behind the answer is in the client's buffer already */
	read_events(agent);
}

/* --- answers --- */

static void handle_attached(struct agent *agent, const struct agent_job *job)
{
	struct hold *hold = hold_of(agent, job->holder);
	char text[HOSTDEV_TEXT_BYTES * 2];

	if (!hold)
		return;
	hostdev_describe(&job->dev, text, sizeof(text));
	if (job->r < 0) {
		log_limited(LOG_LEVEL_WARN, "%s: %s", text, job->err.text);
		hold_fail(agent, hold, &job->err);
		return;
	}
	log_limited(LOG_LEVEL_INFO, "%s is attached at port %u", text, job->port);
	memcpy(hold->id, job->id, sizeof(hold->id));
	hold->state = HOLD_HAS;
	keeper_attached(agent->keeper, job->holder, job->port, NULL);
}

static void handle_detached(struct agent *agent, const struct agent_job *job)
{
	struct hold *hold = hold_of(agent, job->holder);

	/* a refusal says that it has gone by itself */
	if (hold)
		hold_end(agent, hold, hold->end);
}

static const struct agent_ended *find_id(const struct agent_job *job, const char *id)
{
	for (unsigned i = 0; i < job->nended; i++) {
		if (strcmp(job->ended[i].id, id) == 0)
			return &job->ended[i];
	}
	return NULL;
}

static void handle_events(struct agent *agent, const struct agent_job *job)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &agent->holds) {
		struct hold *hold = LIST_ENTRY(pos, struct hold, node);
		const struct agent_ended *ended =
			hold->state == HOLD_HAS ? find_id(job, hold->id) : NULL;

		if (ended)
			hold_end(agent, hold,
				 ended->by_hand ? KEEPER_BY_HAND : KEEPER_PULLED);
	}
	if (job->lost)
		submit(job_new(agent, AGENT_LIST));
}

static void handle_list(struct agent *agent, const struct agent_job *job)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &agent->holds) {
		struct hold *hold = LIST_ENTRY(pos, struct hold, node);

		if (job->r == 0 && hold->state == HOLD_HAS && !find_id(job, hold->id))
			hold_end(agent, hold, KEEPER_PULLED);
	}
}

static void on_job_done(struct worker_job *base)
{
	struct agent_job *job = (struct agent_job *)base;
	struct agent *agent = job->agent;
	bool is_current = job->client && job->client == agent->client;

	list_remove(&job->node);
	switch (job->kind) {
	case AGENT_CONNECT:
		handle_connected(agent, job);
		break;
	case AGENT_ATTACH:
		handle_attached(agent, job);
		break;
	case AGENT_DETACH:
		handle_detached(agent, job);
		break;
	case AGENT_EVENTS:
		if (is_current)
			agent->reading = false;
		handle_events(agent, job);
		break;
	case AGENT_LIST:
		handle_list(agent, job);
		break;
	}
	if (is_current && job->broken) {
		lose_daemon(agent);
	} else if (is_current && job->more) {
		read_events(agent);
	} else if (is_current && !agent->reading) {
		if (loop_watch_set(agent->watch, LOOP_READ) < 0)
			lose_daemon(agent);
	}
	free(job);
}

/* --- what the keeper wants --- */

static void on_attach(void *ctx, unsigned holder, const struct rule *rule,
		      const struct hostdev *dev, unsigned port)
{
	const struct err full = {ENOSPC, "too many devices"};
	struct agent *agent = ctx;
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
	if (!agent->client)
		return;
	job = job_new(agent, AGENT_ATTACH);
	job->holder = holder;
	job->dev = *dev;
	job->port = port;
	job->reset = rule->reset;
	memcpy(job->rule_id, rule->id, sizeof(job->rule_id));
	submit(job);
}

static void leave(struct agent *agent, struct hold *hold, enum keeper_end end)
{
	struct agent_job *job;

	if (!agent->client) {
		hold_end(agent, hold, end);
		return;
	}
	hold->state = HOLD_LEAVING;
	hold->end = end;
	job = job_new(agent, AGENT_DETACH);
	job->holder = hold->holder;
	memcpy(job->id, hold->id, sizeof(job->id));
	submit(job);
}

static void on_detach(void *ctx, unsigned holder)
{
	struct agent *agent = ctx;
	struct hold *hold = hold_of(agent, holder);

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
	struct hold *hold = hold_of(agent, holder);

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
		.changed = on_changed,
		.ctx = agent,
	};

	agent->options = *options;
	list_init(&agent->jobs);
	list_init(&agent->holds);
	agent->worker = worker_create(options->loop, "agent");
	agent->timer = loop_timer_create(options->loop, on_retry, agent);
	if (!agent->worker || !agent->timer)
		err_fill(err, ENOMEM, "out of memory");
	else
		agent->keeper = keeper_create(&keeper, err);
	if (!agent->keeper) {
		agent_destroy(agent);
		return NULL;
	}
	submit(job_new(agent, AGENT_CONNECT));
	return agent;
}

static void free_jobs(struct agent *agent)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &agent->jobs) {
		struct agent_job *job = LIST_ENTRY(pos, struct agent_job, node);

		/* one that has connected, and could not tell */
		if (job->kind == AGENT_CONNECT)
			control_disconnect(job->client);
		free(job);
	}
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
	free_jobs(agent);
	LIST_FOREACH_SAFE(pos, tmp, &agent->holds)
		hold_free(agent, LIST_ENTRY(pos, struct hold, node));
	loop_unwatch(agent->watch);
	control_disconnect(agent->client);
	loop_timer_destroy(agent->timer);
	free(agent);
}
