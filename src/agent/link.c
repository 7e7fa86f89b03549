/* SPDX-License-Identifier: MIT
 * link.c - the connection to the daemon: jobs, answers, events
 */
#include "agent/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/memory.h"
#include "control/client.h"
#include "rules/hostdev.h"
#include "util/log.h"

/* --- jobs --- */

static void on_job_done(struct worker_job *base);

struct agent_job *agent_link_job(struct agent_link *link, enum agent_job_kind kind)
{
	struct agent_job *job = agent_alloc(sizeof(*job));

	job->job = (struct worker_job){.run = agent_job_run, .done = on_job_done};
	job->link = link;
	job->kind = kind;
	job->root = link->root;
	job->socket = link->socket;
	job->usable = &link->usable;
	job->client = link->client;
	list_append(&link->jobs, &job->node);
	return job;
}

void agent_link_submit(struct agent_link *link, struct agent_job *job)
{
	worker_submit(link->worker, &job->job);
}

static void submit(struct agent_link *link, enum agent_job_kind kind)
{
	agent_link_submit(link, agent_link_job(link, kind));
}

/* --- the state --- */

static void enter(struct agent_link *link, enum agent_link_state state)
{
	static const char *const names[] = {
		[AGENT_LINK_STATE_AWAY] = "AWAY",
		[AGENT_LINK_STATE_READING] = "READING",
		[AGENT_LINK_STATE_WATCHING] = "WATCHING",
	};

	log_trace("daemon: %s -> %s", names[link->state], names[state]);
	link->state = state;
}

static void start_reading(struct agent_link *link)
{
	enter(link, AGENT_LINK_STATE_READING);
	/* the loop would report it again and again until the worker comes to it */
	if (loop_watch_set(link->watch, 0) < 0)
		log_limited(LOG_LEVEL_WARN, "the connection cannot be watched");
	submit(link, AGENT_JOB_KIND_EVENTS);
}

static void on_readable(void *ctx, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	start_reading(ctx);
}

static void on_retry(void *ctx)
{
	submit(ctx, AGENT_JOB_KIND_CONNECT);
}

static void retry_later(struct agent_link *link)
{
	link->retry_ns = link->retry_ns == 0
				 ? AGENT_RETRY_FIRST_NS
				 : MIN_OF(link->retry_ns * 2, AGENT_RETRY_LAST_NS);
	loop_timer_set(link->timer, link->retry_ns);
}

/* The daemon's devices have gone with it. Holds that are ASKED or LEAVING have a job, which
 * will fail. */
static void lose_daemon(struct agent_link *link)
{
	struct list *pos, *tmp;

	enter(link, AGENT_LINK_STATE_AWAY);
	loop_unwatch(link->watch);
	link->watch = NULL;
	control_disconnect(link->client);
	link->client = NULL;
	free(link->found);
	link->found = NULL;
	log_warn("the daemon at %s has gone; the agent attaches its devices again when "
		 "it is back",
		 link->socket);
	LIST_FOREACH_SAFE(pos, tmp, &link->holds->list) {
		if (hold_of(pos)->state == HOLD_STATE_HAS)
			agent_hold_end(link->holds, hold_of(pos), KEEPER_END_PULLED);
	}
	link->retry_ns = 0;
	retry_later(link);
}

static void handle_connected(struct agent_link *link, struct agent_job *job)
{
	const struct err again = {ENOENT, "the daemon was not there"};
	struct list *pos, *tmp;

	if (job->r < 0) {
		if (!link->was_logged)
			log_warn("%s; the agent keeps trying", job->err.text);
		link->was_logged = true;
		retry_later(link);
		return;
	}
	link->watch = loop_watch_fd(link->loop, control_client_fd(job->client), 0,
				    on_readable, link);
	if (!link->watch) {
		control_disconnect(job->client);
		retry_later(link);
		return;
	}
	link->client = job->client;
	link->found = job->devices;
	job->devices = NULL;
	link->was_logged = false;
	link->retry_ns = 0;
	log_info("connected to the daemon at %s", link->socket);
	/* the keeper may have asked for them long ago: it decides again */
	LIST_FOREACH_SAFE(pos, tmp, &link->holds->list) {
		if (hold_of(pos)->state == HOLD_STATE_AWAY)
			agent_hold_fail(link->holds, hold_of(pos), &again);
	}
	keeper_recheck(link->holds->keeper);
	/* events that came behind the answer are in the client's buffer already */
	start_reading(link);
}

/* --- answers --- */

static void handle_attached(struct agent_link *link, const struct agent_job *job)
{
	struct hold *hold = agent_hold_find(link->holds, job->holder);
	char text[HOSTDEV_TEXT_BYTES * 2];

	if (!hold)
		return;
	hostdev_describe(&job->dev, text, sizeof(text));
	if (job->r < 0) {
		log_limited(LOG_LEVEL_WARN, "%s: %s", text, job->err.text);
		agent_hold_fail(link->holds, hold, &job->err);
		return;
	}
	log_limited(LOG_LEVEL_INFO, "%s is attached at port %u", text, job->port);
	agent_hold_attached(link->holds, hold, job->id, job->port);
}

static void handle_detached(struct agent_link *link, const struct agent_job *job)
{
	struct hold *hold = agent_hold_find(link->holds, job->holder);

	/* if the daemon refused, the device has gone by itself */
	if (hold)
		agent_hold_end(link->holds, hold, hold->end);
}

static const struct agent_ended *find_ended(const struct agent_job *job, const char *id)
{
	for (unsigned i = 0; i < job->events.nended; i++) {
		if (strcmp(job->events.ended[i].id, id) == 0)
			return &job->events.ended[i];
	}
	return NULL;
}

static void handle_events(struct agent_link *link, const struct agent_job *job)
{
	struct list *pos, *tmp;

	for (unsigned i = 0; link->found && i < link->found->count; i++) {
		if (find_ended(job, link->found->devices[i].id))
			link->found->devices[i].is_attached = false;
	}
	LIST_FOREACH_SAFE(pos, tmp, &link->holds->list) {
		struct hold *hold = hold_of(pos);
		const struct agent_ended *ended =
			hold->state == HOLD_STATE_HAS ? find_ended(job, hold->id) : NULL;

		if (ended)
			agent_hold_end(link->holds, hold,
				       ended->by_hand ? KEEPER_END_BY_HAND
						      : KEEPER_END_PULLED);
	}
	if (job->events.lost)
		submit(link, AGENT_JOB_KIND_LIST);
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

/* Events were lost: devices that the list does not have are gone. */
static void handle_list(struct agent_link *link, const struct agent_job *job)
{
	struct list *pos, *tmp;

	if (job->r < 0)
		return;
	for (unsigned i = 0; link->found && i < link->found->count; i++) {
		if (!is_listed(job, link->found->devices[i].id))
			link->found->devices[i].is_attached = false;
	}
	LIST_FOREACH_SAFE(pos, tmp, &link->holds->list) {
		struct hold *hold = hold_of(pos);

		if (hold->state == HOLD_STATE_HAS && !is_listed(job, hold->id))
			agent_hold_end(link->holds, hold, KEEPER_END_PULLED);
	}
}

static void job_free(struct agent_job *job)
{
	free(job->devices);
	free(job);
}

/* @job, of the present connection, is done: goes on with the events. */
static void go_on(struct agent_link *link, const struct agent_job *job)
{
	bool was_reading = job->kind == AGENT_JOB_KIND_EVENTS;

	if (job->broken) {
		lose_daemon(link);
	} else if (job->more &&
		   (was_reading || link->state == AGENT_LINK_STATE_WATCHING)) {
		start_reading(link);
	} else if (was_reading) {
		enter(link, AGENT_LINK_STATE_WATCHING);
		if (loop_watch_set(link->watch, LOOP_READ) < 0)
			lose_daemon(link);
	}
}

static void on_job_done(struct worker_job *base)
{
	struct agent_job *job = (struct agent_job *)base;
	struct agent_link *link = job->link;
	bool is_current = job->client && job->client == link->client;

	list_remove(&job->node);
	switch (job->kind) {
	case AGENT_JOB_KIND_CONNECT:
		handle_connected(link, job);
		break;
	case AGENT_JOB_KIND_ATTACH:
		handle_attached(link, job);
		break;
	case AGENT_JOB_KIND_DETACH:
		handle_detached(link, job);
		break;
	case AGENT_JOB_KIND_EVENTS:
		handle_events(link, job);
		break;
	case AGENT_JOB_KIND_LIST:
		handle_list(link, job);
		break;
	}
	if (is_current)
		go_on(link, job);
	job_free(job);
}

/* --- life --- */

int agent_link_init(struct agent_link *link)
{
	list_init(&link->jobs);
	link->worker = worker_create(link->loop, "agent");
	link->timer = loop_timer_create(link->loop, on_retry, link);
	return link->worker && link->timer ? 0 : -ENOMEM;
}

void agent_link_connect(struct agent_link *link)
{
	submit(link, AGENT_JOB_KIND_CONNECT);
}

void agent_link_stop(struct agent_link *link)
{
	/* ends a call that waits */
	if (link->client)
		(void)shutdown(control_client_fd(link->client), SHUT_RDWR);
	worker_destroy(link->worker);
	link->worker = NULL;
}

void agent_link_finish(struct agent_link *link)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &link->jobs) {
		struct agent_job *job = LIST_ENTRY(pos, struct agent_job, node);

		/* one that has connected, and could not say so */
		if (job->kind == AGENT_JOB_KIND_CONNECT)
			control_disconnect(job->client);
		job_free(job);
	}
	loop_unwatch(link->watch);
	control_disconnect(link->client);
	loop_timer_destroy(link->timer);
	free(link->found);
}
