/* SPDX-License-Identifier: MIT
 * link.h - the connection to the daemon: jobs, answers, events
 *
 *	AWAY --connected--> READING <--> WATCHING
 *	 ^                     |            |
 *	 '--- broken: tried again later ----'
 */
#ifndef AGENT_LINK_H
#define AGENT_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/hold.h"
#include "agent/job.h"
#include "util/compiler.h"
#include "util/list.h"
#include "util/loop.h"
#include "util/worker.h"

struct control_client;

/* Waited before the daemon is looked for again: first, and at most. */
#define AGENT_RETRY_FIRST_NS UINT64_C(100000000)
#define AGENT_RETRY_LAST_NS  UINT64_C(5000000000)

enum agent_link_state {
	AGENT_LINK_STATE_AWAY,     /* no connection: @timer runs, or a job connects */
	AGENT_LINK_STATE_READING,  /* a job reads events, @watch is quiet */
	AGENT_LINK_STATE_WATCHING, /* @watch waits for events */
};

/**
 * struct agent_link
 * @socket, @root: of struct agent_options
 * @state:	changed in link.c only
 * @client, @watch: unless AWAY. The worker's while a job runs
 * @found:	what the daemon had when we connected; owned, may be NULL
 * @was_logged:	that the daemon is not there
 * @retry_ns:	how long the timer ran last
 * @usable:	for jobs only, which run on @worker
 * @jobs:	that are not done
 */
struct agent_link {
	struct loop *loop;
	const char *socket;
	const char *root;
	struct agent_holds *holds;
	enum agent_link_state state;
	struct control_client *client;
	struct loop_watch *watch;
	struct agent_devices *found;
	bool was_logged;
	struct loop_timer *timer;
	uint64_t retry_ns;
	struct worker *worker;
	bool usable;
	struct list jobs;
};

/* @loop, @socket, @root and @holds are set. Return: 0 or -ENOMEM. */
MUST_USE int agent_link_init(struct agent_link *link);
/* Looks for the daemon, now and for ever. */
void agent_link_connect(struct agent_link *link);
/* Ends a job that waits for the daemon, and the worker. */
void agent_link_stop(struct agent_link *link);
/* Stopped, or half-built. */
void agent_link_finish(struct agent_link *link);

/* A job for agent_link_submit(). Never NULL. */
struct agent_job *agent_link_job(struct agent_link *link, enum agent_job_kind kind);
void agent_link_submit(struct agent_link *link, struct agent_job *job);

#endif /* AGENT_LINK_H */
