/* SPDX-License-Identifier: MIT
 * agent_daemon.c - the agent and its daemon: jobs, the connection, what is answered and told
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/client.h"
#include "ctl/agent_priv.h"
#include "ctl/text.h"
#include "util/log.h"
#include "util/loop.h"

/* --- jobs --- */

static void on_job_done(struct worker_job *base);

struct agent_job *agent_job_new(struct agent *agent, enum agent_job_kind kind)
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

void agent_submit(struct agent_job *job)
{
	worker_submit(job->agent->worker, &job->job);
}

void agent_on_retry(void *ctx)
{
	agent_submit(agent_job_new(ctx, AGENT_CONNECT));
}

static void read_events(struct agent *agent)
{
	if (!agent->client || agent->reading)
		return;
	agent->reading = true;
	/* it would be told again and again until the worker comes to it */
	if (loop_watch_set(agent->watch, 0) < 0)
		log_limited(LOG_LEVEL_WARN, "the connection cannot be watched");
	agent_submit(agent_job_new(agent, AGENT_EVENTS));
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
	free(agent->found);
	agent->found = NULL;
	log_warn("the daemon at %s has gone; its devices are attached again when it is "
		 "back",
		 agent->options.socket);
	LIST_FOREACH_SAFE(pos, tmp, &agent->holds) {
		struct hold *hold = LIST_ENTRY(pos, struct hold, node);

		if (hold->state == HOLD_HAS)
			agent_hold_end(agent, hold, KEEPER_PULLED);
	}
	agent->retry_ns = 0;
	retry_later(agent);
}

static void handle_connected(struct agent *agent, struct agent_job *job)
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
	agent->found = job->devices;
	job->devices = NULL;
	agent->was_told = false;
	agent->retry_ns = 0;
	log_info("connected to the daemon at %s", agent->options.socket);
	/* it may be long ago that they were asked for: the keeper looks at them anew */
	LIST_FOREACH_SAFE(pos, tmp, &agent->holds) {
		struct hold *hold = LIST_ENTRY(pos, struct hold, node);

		if (hold->state == HOLD_AWAY)
			agent_hold_fail(agent, hold, &again);
	}
	keeper_recheck(agent->keeper);
	/* what came behind the answer is in the client's buffer already */
	read_events(agent);
}

/* --- answers --- */

static void handle_attached(struct agent *agent, const struct agent_job *job)
{
	struct hold *hold = agent_hold_of(agent, job->holder);
	char text[HOSTDEV_TEXT_BYTES * 2];

	if (!hold)
		return;
	hostdev_describe(&job->dev, text, sizeof(text));
	if (job->r < 0) {
		log_limited(LOG_LEVEL_WARN, "%s: %s", text, job->err.text);
		agent_hold_fail(agent, hold, &job->err);
		return;
	}
	log_limited(LOG_LEVEL_INFO, "%s is attached at port %u", text, job->port);
	memcpy(hold->id, job->id, sizeof(hold->id));
	hold->state = HOLD_HAS;
	keeper_attached(agent->keeper, job->holder, job->port, NULL);
}

static void handle_detached(struct agent *agent, const struct agent_job *job)
{
	struct hold *hold = agent_hold_of(agent, job->holder);

	/* a refusal says that it has gone by itself */
	if (hold)
		agent_hold_end(agent, hold, hold->end);
}

static const struct agent_ended *find_ended(const struct agent_job *job, const char *id)
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

	for (unsigned i = 0; agent->found && i < agent->found->count; i++) {
		if (find_ended(job, agent->found->devices[i].id))
			agent->found->devices[i].is_attached = false;
	}
	LIST_FOREACH_SAFE(pos, tmp, &agent->holds) {
		struct hold *hold = LIST_ENTRY(pos, struct hold, node);
		const struct agent_ended *ended =
			hold->state == HOLD_HAS ? find_ended(job, hold->id) : NULL;

		if (ended)
			agent_hold_end(agent, hold,
				       ended->by_hand ? KEEPER_BY_HAND : KEEPER_PULLED);
	}
	if (job->lost)
		agent_submit(agent_job_new(agent, AGENT_LIST));
}

static bool is_listed(const struct agent_job *job, const char *id)
{
	for (unsigned i = 0; i < job->devices->count; i++) {
		if (job->devices->devices[i].is_attached &&
		    strcmp(job->devices->devices[i].id, id) == 0)
			return true;
	}
	return false;
}

/* Events were lost: whatever is not attached any more has gone. */
static void handle_list(struct agent *agent, const struct agent_job *job)
{
	struct list *pos, *tmp;

	if (job->r < 0)
		return;
	for (unsigned i = 0; agent->found && i < agent->found->count; i++) {
		if (!is_listed(job, agent->found->devices[i].id))
			agent->found->devices[i].is_attached = false;
	}
	LIST_FOREACH_SAFE(pos, tmp, &agent->holds) {
		struct hold *hold = LIST_ENTRY(pos, struct hold, node);

		if (hold->state == HOLD_HAS && !is_listed(job, hold->id))
			agent_hold_end(agent, hold, KEEPER_PULLED);
	}
}

static void job_free(struct agent_job *job)
{
	free(job->devices);
	free(job);
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
	job_free(job);
}

void agent_free_jobs(struct agent *agent)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &agent->jobs) {
		struct agent_job *job = LIST_ENTRY(pos, struct agent_job, node);

		/* one that has connected, and could not tell */
		if (job->kind == AGENT_CONNECT)
			control_disconnect(job->client);
		job_free(job);
	}
}
