/* SPDX-License-Identifier: MIT
 * request.h - what a client asks for, parsed, and the answers to it
 *
 * The owner of a control_server gets each request once, in whatever dialect it came,
 * and answers it exactly once, at once or later, by one of the functions below. The
 * request and its strings are good until then, whether or not the client is still there.
 */
#ifndef CONTROL_REQUEST_H
#define CONTROL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "control/device.h"
#include "control/protocol.h"
#include "util/compiler.h"

struct json_object;

/* How a client names a device that is attached. */
enum control_target_kind {
	CONTROL_TARGET_KIND_NONE,    /* not said: all of them (stats only) */
	CONTROL_TARGET_KIND_ID,      /* by control_device.id */
	CONTROL_TARGET_KIND_ADDRESS, /* by the host's bus and address: "003:017" */
	CONTROL_TARGET_KIND_PORT,    /* by the virtual port: "port 2" */
};

/**
 * struct control_target
 * @text:	as the client wrote it, for messages; never NULL
 * @bus, @address: 0 to 255 and 0 to 999: of CONTROL_TARGET_KIND_ADDRESS only
 * @port:	1 to 255: of CONTROL_TARGET_KIND_PORT only
 */
struct control_target {
	enum control_target_kind kind;
	const char *text;
	unsigned bus;
	unsigned address;
	unsigned port;
};

enum control_capture_action {
	CONTROL_CAPTURE_ACTION_START,
	CONTROL_CAPTURE_ACTION_STOP,
	CONTROL_CAPTURE_ACTION_STATUS,
};

enum control_rules_action {
	CONTROL_RULES_ACTION_ADD,
	CONTROL_RULES_ACTION_REMOVE,
	CONTROL_RULES_ACTION_LIST,
};

/**
 * struct control_attach - plug a device in
 * @spec:	which one, as after --device; NULL if the request carries the node. With an
 *		fd beside it that is the file which the spec names
 * @name:	what to call it in messages; NULL = not said
 * @reset:	as reset= of a spec; NULL = not said
 * @port:	preferred virtual port, 1-based; 0 = any
 * @force:	also if it would be refused for the host's safety
 * @rule_id:	the rule (an agent's) in whose name this is; NULL = none
 * @bus, @address: what the client says of its fd; 0 = not said. Not to be trusted
 */
struct control_attach {
	const char *spec;
	const char *name;
	const char *reset;
	unsigned port;
	bool force;
	const char *rule_id;
	unsigned bus;
	unsigned address;
};

/**
 * struct control_request - one request
 *
 * All is validated as far as it can be without knowing devices. Strings are borrowed
 * from the request: UTF-8, not empty, no NUL within, at most CONTROL_STRING_MAX bytes.
 *
 * @verb:	says which of the members below counts
 * @fd:		what came with the request (attach: a usbfs node, or what the spec names;
 *		capture start: a file),
 *		-1 = nothing; never with other verbs. Take it with steal_fd(), or it
 *		is closed with the request. It may be any kind of file: check it
 * @pid, @uid:	the client's; 0 and -1 if the kernel does not tell
 * @target:	of detach and reset, always there; of stats, may be NONE
 * @capture:	start has a path or @fd, or both: then @path is what it is called; @path is
 *		NULL otherwise
 * @log:	@subsystem: NULL = all. @level is a word the owner checks: "error",
 *		"warn", "info", "debug", "trace"
 * @rules:	add has @rule (as after --device) and may have an @id to have; remove has
 *		an @id; both NULL otherwise
 */
struct control_request {
	enum control_verb verb;
	int fd;
	pid_t pid;
	uid_t uid;
	struct control_target target;
	struct control_attach attach;
	struct {
		enum control_capture_action action;
		const char *path;
	} capture;
	struct {
		const char *level;
		const char *subsystem;
	} log;
	struct {
		enum control_rules_action action;
		const char *rule;
		const char *id;
	} rules;
};

/**
 * control_answer() - it is done
 * @result:	object whose members join the answer, none called "ok" or "id"; taken;
 *		NULL = nothing to tell
 *
 * Not for CONTROL_VERB_LIST. @req is freed.
 */
void control_answer(struct control_request *req, struct json_object *result);

/* It is done, and this is the device (attach, detach, reset). @req is freed. */
void control_answer_device(struct control_request *req,
			   const struct control_device *device);

/**
 * struct control_list - what there is; all borrowed for the call
 * @ports:	NULL: they are not told
 * @vmm, @sandbox: likewise
 */
struct control_list {
	const struct control_device *devices;
	size_t ndevices;
	const struct control_port *ports;
	size_t nports;
	const struct control_vmm *vmm;
	const struct control_sandbox *sandbox;
};

/* The answer to CONTROL_VERB_LIST, and to stats without a device. @req is freed. */
void control_answer_list(struct control_request *req, const struct control_list *list);

/**
 * control_refuse() - it is not done
 * @hint:	what the person may do about it, a sentence; NULL = no idea
 * @format:	why, a sentence
 *
 * @req is freed.
 */
PRINTF_LIKE(4, 5)
void control_refuse(struct control_request *req, enum control_code code, const char *hint,
		    const char *format, ...);

#endif /* CONTROL_REQUEST_H */
