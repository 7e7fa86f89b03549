/* SPDX-License-Identifier: MIT
 * agent_priv.h - shared by the files of the agent
 *
 * Each device that the keeper wants, or has, is a *hold*:
 *
 *	AWAY	the daemon is: when it is back the keeper tries again
 *	ASKED	a job attaches it
 *	HAS	the daemon has it, by the name @id
 *	LEAVING	a job detaches it
 *
 * What the daemon had when we connected, @found, is not attached a second time: when the
 * keeper wants one of these for the rule that it was attached for, that is a hold at once.
 * So an agent that is started anew goes on where the last one ended.
 */
#ifndef CTL_AGENT_PRIV_H
#define CTL_AGENT_PRIV_H

#include "ctl/agent.h"
#include "ctl/agent_job.h"
#include "rules/keeper.h"
#include "util/list.h"
#include "util/worker.h"

struct loop_timer;
struct loop_watch;

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
 * @found:	see above; owned, may be NULL
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
	struct agent_devices *found;
	bool usable;
	bool reading;
	bool was_told;
	uint64_t retry_ns;
	struct list jobs;
	struct list holds;
	unsigned nholds;
};

/* agent.c */
struct hold *agent_hold_of(struct agent *agent, unsigned holder);
/* It is no more, and the keeper is told: the device has gone, or could not be had. */
void agent_hold_end(struct agent *agent, struct hold *hold, enum keeper_end end);
void agent_hold_fail(struct agent *agent, struct hold *hold, const struct err *err);

/* agent_daemon.c: a job for agent_submit(). Never NULL. */
struct agent_job *agent_job_new(struct agent *agent, enum agent_job_kind kind);
void agent_submit(struct agent_job *job);
/* struct loop_timer's: connects. @ctx: struct agent */
void agent_on_retry(void *ctx);
/* At the end: the worker has gone. */
void agent_free_jobs(struct agent *agent);

#endif /* CTL_AGENT_PRIV_H */
