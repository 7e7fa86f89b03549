/* SPDX-License-Identifier: MIT
 * commands_pending.h - requests of the control socket that take time, and how they are refused
 *
 * A request that takes time (attach, detach, start and stop of a capture) is kept in a struct
 * pending until its answer. attach calls back exactly once, or never after attach_stop(); a
 * capture never after capture_forget().
 */
#ifndef DAEMON_COMMANDS_PENDING_H
#define DAEMON_COMMANDS_PENDING_H

#include "control/request.h"
#include "util/err.h"
#include "util/list.h"

/**
 * struct pending - a request that is answered later
 * @ctx:	of the file that keeps it
 */
struct pending {
	struct list node;
	void *ctx;
	struct control_request *request;
};

/* Adds @req to @list. NULL without memory: then @req has been refused. */
struct pending *command_keep(struct list *list, struct control_request *req, void *ctx);
/* Frees @pending. Return: its request, which the caller answers. */
struct control_request *command_release(struct pending *pending);
/* Refuses @req for the reason in @err. @hint: how to fix it, NULL or "" if there is none. */
void command_refuse(struct control_request *req, const struct err *err, const char *hint);
/* Refuses all that are in @list, since usbvfiod stops. */
void commands_refuse_all(struct list *list);

#endif /* DAEMON_COMMANDS_PENDING_H */
