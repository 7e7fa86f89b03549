/* SPDX-License-Identifier: MIT
 * job.h - the agent's calls of the daemon, on its worker's thread
 *
 * One connection carries requests and events, so they stay in order: no event reports the end
 * of a device before the answer that names it.
 */
#ifndef AGENT_JOB_H
#define AGENT_JOB_H

#include <stdbool.h>

#include "rules/hostdev.h"
#include "rules/rule.h"
#include "util/err.h"
#include "util/list.h"
#include "util/worker.h"

struct agent_link;
struct control_client;

#define AGENT_ID_BYTES  64u
#define AGENT_ENDED_MAX 64u
/* As many as a daemon has. */
#define AGENT_DEVICES_MAX 64u

enum agent_job_kind {
	AGENT_JOB_KIND_CONNECT,
	AGENT_JOB_KIND_ATTACH,
	AGENT_JOB_KIND_DETACH,
	AGENT_JOB_KIND_EVENTS,
	AGENT_JOB_KIND_LIST,
};

/* A device is no longer attached. */
struct agent_ended {
	char id[AGENT_ID_BYTES];
	bool by_hand;
};

/* A device of the host that the daemon has. @place: "1-2.3", "" if unknown. */
struct agent_device {
	char id[AGENT_ID_BYTES];
	char rule_id[RULE_ID_BYTES];
	char place[HOSTDEV_NAME_BYTES];
	unsigned bus;
	unsigned number;
	unsigned port;
	bool is_attached;
};

struct agent_devices {
	unsigned count;
	struct agent_device devices[AGENT_DEVICES_MAX];
};

/**
 * struct agent_events - news of the daemon
 * @ended:	devices that are no longer attached, @nended of them
 * @lost:	the daemon had no room for some events
 */
struct agent_events {
	unsigned nended;
	struct agent_ended ended[AGENT_ENDED_MAX];
	bool lost;
};

/**
 * struct agent_job - one call
 * @usable:	of the link, for jobs only: the connection works
 * @client:	connection; result of AGENT_JOB_KIND_CONNECT
 * @id:		of the daemon; AGENT_JOB_KIND_DETACH, and result of AGENT_JOB_KIND_ATTACH
 * @port:	wanted, 0 = any; result
 * @r, @err:	result: 0 or -errno
 * @broken:	result: the connection is unusable
 * @more:	result: there may be more events to read
 * @devices:	result of AGENT_JOB_KIND_CONNECT and AGENT_JOB_KIND_LIST: what the daemon has; owned
 * @events:	result
 */
struct agent_job {
	struct worker_job job;
	struct list node;
	struct agent_link *link;
	enum agent_job_kind kind;
	const char *root;
	const char *socket;
	bool *usable;
	struct control_client *client;
	unsigned holder;
	struct hostdev dev;
	char rule_id[RULE_ID_BYTES];
	enum rule_reset reset;
	unsigned port;
	char id[AGENT_ID_BYTES];

	int r;
	struct err err;
	bool broken;
	bool more;
	struct agent_events events;
	struct agent_devices *devices;
};

/* struct worker_job.run */
void agent_job_run(struct worker_job *base);

#endif /* AGENT_JOB_H */
