/* SPDX-License-Identifier: MIT
 * request.h - a client's request, parsed, and the answers to it
 *
 * The owner of a control_server gets each request once, whatever its dialect, and answers
 * it exactly once, at once or later, by one of the functions below. The request and its
 * strings are valid until then, even if the client goes.
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
	CONTROL_TARGET_KIND_NONE,    /* all devices (stats only) */
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
 * @spec:	the device, as after --device; NULL if the request's fd is its node. An fd
 *		beside a spec is the file which the spec names
 * @name:	its name in messages; NULL = none given
 * @reset:	as reset= of a spec; NULL = none given
 * @port:	preferred virtual port, 1-based; 0 = any
 * @force:	attach it even if the guard refuses
 * @rule_id:	the agent's rule for which it attaches the device; NULL = none
 * @bus, @address: of the fd, as the client claims; 0 = none given. Do not trust them
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
 * The server has validated everything that it can without knowing devices. Strings are
 * borrowed from the request: UTF-8, not empty, no NUL within, at most CONTROL_STRING_MAX
 * bytes.
 *
 * @verb:	decides which of the members below are valid
 * @fd:		the fd of the request (attach: a usbfs node, or the file of the spec;
 *		capture start: a file), -1 = none; never with other verbs. Take it with
 *		steal_fd(), or it is closed with the request. It may be any kind of file:
 *		check it
 * @pid, @uid:	the client's; 0 and -1 if the kernel does not say
 * @target:	of detach and reset, always there; of stats, may be NONE
 * @capture:	start has a path or @fd, or both: then @path is the name of @fd; @path is
 *		NULL otherwise
 * @log:	@subsystem: NULL = all. @level is a word the owner checks: "error",
 *		"warn", "info", "debug", "trace"
 * @rules:	add has @rule (as after --device) and may have an @id for it; remove has
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
 * control_answer() - answer that the request is done
 * @result:	object whose members join the answer, none called "ok" or "id"; taken;
 *		NULL = none
 *
 * Not for CONTROL_VERB_LIST. Frees @req.
 */
void control_answer(struct control_request *req, struct json_object *result);

/* The same with the device (attach, detach, reset). Frees @req. */
void control_answer_device(struct control_request *req,
			   const struct control_device *device);

/**
 * struct control_list - the parts of an answer to list; all borrowed for the call
 * @ports, @vmm, @sandbox: NULL: the answer has none
 */
struct control_list {
	const struct control_device *devices;
	size_t ndevices;
	const struct control_port *ports;
	size_t nports;
	const struct control_vmm *vmm;
	const struct control_sandbox *sandbox;
};

/* Answers CONTROL_VERB_LIST, and stats without a device. Frees @req. */
void control_answer_list(struct control_request *req, const struct control_list *list);

/**
 * control_refuse() - answer that the request is refused or has failed
 * @hint:	how to fix it, a sentence; NULL = none
 * @format:	why, a sentence
 *
 * Frees @req.
 */
PRINTF_LIKE(4, 5)
void control_refuse(struct control_request *req, enum control_code code, const char *hint,
		    const char *format, ...);

#endif /* CONTROL_REQUEST_H */
