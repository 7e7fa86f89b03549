/* SPDX-License-Identifier: MIT
 * commands_priv.h - shared by the files of commands
 *
 * A request that takes time (attach, detach, begin and end of a capture) is kept in a struct
 * pending until its answer. attach calls back exactly once, or never after attach_stop(), a
 * capture not after capture_forget().
 */
#ifndef DAEMON_COMMANDS_PRIV_H
#define DAEMON_COMMANDS_PRIV_H

#include "control/request.h"
#include "daemon/commands.h"
#include "util/list.h"

struct control_server;

/* A request that is answered later. */
struct pending {
	struct list node;
	struct commands *commands;
	struct control_request *request;
};

struct commands {
	struct commands_options options;
	struct control_server *server;
	struct list pending;
};

/* commands.c: NULL without memory, then @req has been refused. */
struct pending *command_keep(struct commands *commands, struct control_request *req);
/* The request that is to be answered; @pending is no more. */
struct control_request *command_release(struct pending *pending);
/* For the reason in @err, @hint how to mend it, NULL or "" if there is nothing to say. */
void command_refuse(struct control_request *req, const struct err *err, const char *hint);

/* commands_device.c: attach, detach, reset, list, stats */
void command_attach(struct commands *commands, struct control_request *req);
void command_with_devices(struct commands *commands, struct control_request *req);

#endif /* DAEMON_COMMANDS_PRIV_H */
