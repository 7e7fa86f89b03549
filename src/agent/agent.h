/* SPDX-License-Identifier: MIT
 * agent.h - rules for a daemon that may not open devices: opens them and hands them over
 *
 * Joins rules/keeper.h, which decides what to attach, and a daemon's control socket. A daemon
 * that goes loses its devices: the agent attaches them again when it is back.
 *
 * Loop thread only. A worker makes the calls that may wait.
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
/* Attached devices stay attached. Shuts the connection, and waits for the worker's present
 * call to end. NULL is fine. */
void agent_destroy(struct agent *agent);

/* Adds a rule of the command line. Return: 0, or -errno with the reason in @err. */
MUST_USE int agent_add(struct agent *agent, const char *text, struct err *err);
/* Reads the file of rules, if there is one; an error changes nothing. Waits for the disk.
 * Return: 0, or -errno with the reason in @err. */
MUST_USE int agent_load(struct agent *agent, struct err *err);
/* Borrowed; for tests. */
struct keeper *agent_keeper(struct agent *agent);

#endif /* AGENT_AGENT_H */
