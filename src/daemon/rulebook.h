/* SPDX-License-Identifier: MIT
 * rulebook.h - joins the keeper of rules and attach
 *
 * rules/keeper.h decides which devices to attach; attach opens them and plugs them in. Loop
 * thread only.
 */
#ifndef DAEMON_RULEBOOK_H
#define DAEMON_RULEBOOK_H

#include <stdbool.h>

#include "daemon/attach/attach.h"
#include "util/compiler.h"
#include "util/err.h"

struct json_object;
struct loop;
struct rulebook;

/**
 * struct rulebook_options
 * @path:	file of rules, or NULL; borrowed
 * @held:	a rule matches a device that it cannot attach, now or at all; may be NULL
 */
struct rulebook_options {
	struct loop *loop;
	struct attach *attach;
	const char *path;
	void (*held)(void *ctx, const char *rule_id, const char *why);
	void *ctx;
};

/* Returns owned, or NULL without memory. Until there is a rule it costs nothing. */
struct rulebook *rulebook_create(const struct rulebook_options *options);
/* attach must be idle. NULL is fine. */
void rulebook_destroy(struct rulebook *rulebook);

/* A rule of the command line. Return: 0, or -errno with the reason in @err. */
MUST_USE int rulebook_add_option(struct rulebook *rulebook, const char *text,
				 struct err *err);
/* A rule of a client, with the name @id, NULL = any. @ret_id is borrowed until it is
 * removed. Return: 0, or -errno with the reason in @err; -EEXIST. */
MUST_USE int rulebook_add(struct rulebook *rulebook, const char *text, const char *id,
			  const char **ret_id, struct err *err);
MUST_USE int rulebook_remove(struct rulebook *rulebook, const char *id, struct err *err);
/* All rules and the devices they hold, an array. Returns owned, or NULL without memory. */
struct json_object *rulebook_to_json(const struct rulebook *rulebook);

/* Reads the file of rules: its rules replace those it had before. A file that cannot be
 * read or has a mistake changes nothing. Waits for the file. Return: 0, or -errno, which
 * has been logged. */
MUST_USE int rulebook_load(struct rulebook *rulebook);

/* The same by a worker, since at run time the loop must not wait for the file. Logs the
 * result. */
void rulebook_reload(struct rulebook *rulebook);
/* Whether a worker reads the file: rulebook_destroy() then waits for it. */
bool rulebook_is_reading(const struct rulebook *rulebook);

/* An event of a device (struct attach_options.event). */
void rulebook_event(struct rulebook *rulebook, enum attach_event event,
		    const struct attach_info *info);

/* Attaches nothing more. Before attach_stop(). */
void rulebook_stop(struct rulebook *rulebook);

#endif /* DAEMON_RULEBOOK_H */
