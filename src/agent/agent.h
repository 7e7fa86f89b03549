/* SPDX-License-Identifier: MIT
 * agent.h - rules for a daemon that may not open devices: we open, it is handed them
 *
 * Joins rules/keeper.h, which knows what is wanted, and a daemon's control socket. When
 * the daemon has gone, so have its devices: they are attached again when it is back.
 *
 * Loop thread only. Whatever may wait is done on a worker's thread.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdbool.h>

#include "rules/rule.h"
#include "util/compiler.h"
#include "util/err.h"

struct agent;
struct keeper;
struct loop;

/**
 * struct agent_options - strings are borrowed
 * @socket:	path of the daemon's control socket, there or not yet
 * @rules:	file of rules, or NULL
 * @root:	prefix of /sys, /proc and /dev; "" but for tests
 * @no_uevents:	the owner calls keeper_uevent()
 */
struct agent_options {
	struct loop *loop;
	const char *socket;
	const char *rules;
	const char *root;
	bool no_uevents;
};

/* Returns owned, or NULL with the reason in @err. */
struct agent *agent_create(const struct agent_options *options, struct err *err);
/* What is attached stays so. Waits for the call that is under way, if there is one; its
 * connection is shut first. NULL is fine. */
void agent_destroy(struct agent *agent);

/* A rule of the command line. Return: 0, or -errno with the reason in @err. */
MUST_USE int agent_add(struct agent *agent, const char *text, struct err *err);
/* Reads the file of rules, if there is one; a mistake changes nothing. Waits for the disk.
 * Return: 0, or -errno with the reason in @err. */
MUST_USE int agent_load(struct agent *agent, struct err *err);
/* Borrowed; for tests. */
struct keeper *agent_keeper(struct agent *agent);

#endif /* AGENT_AGENT_H */
