/* SPDX-License-Identifier: MIT
 * commands.h - carries out the requests of the control socket
 *
 * Loop thread only. docs/control-protocol.md describes the requests.
 */
#ifndef DAEMON_COMMANDS_H
#define DAEMON_COMMANDS_H

#include "daemon/attach/attach.h"
#include "util/compiler.h"
#include "util/err.h"

struct capture;
struct commands;
struct loop;
struct peers;
struct rulebook;
struct vm;

/**
 * struct commands_options - the objects that requests act on; borrowed
 * @operators, @readers: see struct control_options
 */
struct commands_options {
	struct loop *loop;
	struct vm *vm;
	struct attach *attach;
	struct capture *capture;
	struct rulebook *rules;
	const struct peers *operators;
	const struct peers *readers;
};

/* Serves @fd, a listening socket; taken, also on failure. Returns owned, or NULL with
 * the reason in @err. attach_start() has been called. */
struct commands *commands_create(const struct commands_options *options, int fd,
				 struct err *err);
/* NULL is fine. Refuses the requests that wait for an answer. */
void commands_destroy(struct commands *commands);

/* Reports @event to the clients that watch. @commands: NULL is fine. */
void commands_notify(struct commands *commands, enum attach_event event,
		     const struct attach_info *info);

/* Reports that a rule matches a device that it cannot attach. @commands: NULL is fine. */
void commands_rule_held(struct commands *commands, const char *rule_id, const char *why);

#endif /* DAEMON_COMMANDS_H */
