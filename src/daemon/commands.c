/* SPDX-License-Identifier: MIT
 * commands.c - carries out the requests of the control socket
 */
#include "daemon/commands.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "control/json.h"
#include "control/server.h"
#include "daemon/attach/node.h"
#include "daemon/capture.h"
#include "daemon/client_path.h"
#include "daemon/commands_device.h"
#include "daemon/commands_pending.h"
#include "daemon/device_list.h"
#include "daemon/rulebook.h"
#include "daemon/sandbox/sandbox.h"
#include "daemon/version.h"
#include "util/fds.h"
#include "util/log.h"

/**
 * struct commands
 * @pending:	captures that start or stop
 */
struct commands {
	struct commands_options options;
	struct device_commands devices;
	struct control_server *server;
	struct list pending;
};

/* --- capture, log, rules --- */

/* @result: taken. @ok false: memory was short, so the result is incomplete. */
static void answer_if(struct control_request *req, bool ok, struct json_object *result)
{
	if (ok) {
		control_answer(req, result);
		return;
	}
	json_object_put(result);
	control_refuse(req, CONTROL_CODE_INTERNAL, NULL, "not enough memory");
}

static void answer_capture(struct commands *commands, struct control_request *req)
{
	struct json_object *result = json_object_new_object();
	struct pcap_stats stats = {0};
	const char *path;
	bool running = capture_status(commands->options.capture, &stats, &path);
	bool ok = control_add(result, "running", json_object_new_boolean(running));

	if (ok && running)
		ok = control_add_text(result, "path", path) &&
		     control_add(result, "records",
				 json_object_new_uint64(stats.records)) &&
		     control_add(result, "dropped",
				 json_object_new_uint64(stats.dropped)) &&
		     control_add_text(result, "error",
				      stats.error ? strerror(-stats.error) : NULL);
	answer_if(req, ok, result);
}

static void on_capture_stopped(void *ctx)
{
	struct commands *commands = ((struct pending *)ctx)->ctx;

	answer_capture(commands, command_release(ctx));
}

/* A hint if the sandbox is the reason, else "". */
static void explain_capture(const struct control_request *req, const struct err *err,
			    char hint[NODE_HINT_BYTES])
{
	hint[0] = '\0';
	if (err->code == EACCES && req->capture.path)
		(void)sandbox_explains(req->capture.path, hint, NODE_HINT_BYTES);
	else if (err->code == ENOENT)
		(void)sandbox_explains_folder(hint, NODE_HINT_BYTES);
}

static void refuse_capture(struct control_request *req, const struct err *err)
{
	char hint[NODE_HINT_BYTES];

	explain_capture(req, err, hint);
	if (err->code == EALREADY)
		control_refuse(req, CONTROL_CODE_BUSY, "stop it first", "%s", err->text);
	else if (err->code == EEXIST || err->code == EPERM || err->code == EAGAIN)
		/* CONTROL_CODE_REFUSED would say that force helps */
		control_refuse(req, CONTROL_CODE_CANNOT_OPEN, NULL, "%s", err->text);
	else
		command_refuse(req, err, hint);
}

static void on_capture_started(void *ctx, const struct err *err)
{
	struct commands *commands = ((struct pending *)ctx)->ctx;
	struct control_request *req = command_release(ctx);

	if (err)
		refuse_capture(req, err);
	else
		answer_capture(commands, req);
}

static void start_capture(struct commands *commands, struct control_request *req)
{
	const char *path = req->capture.path ? req->capture.path : "a file handed over";
	struct pending *pending;
	struct err err = {0};

	if (req->fd < 0 && client_path_check(path, &err) < 0) {
		command_refuse(req, &err, NULL);
		return;
	}
	pending = command_keep(&commands->pending, req, commands);
	if (pending && capture_start(commands->options.capture, path, steal_fd(&req->fd),
				     on_capture_started, pending, &err) < 0)
		refuse_capture(command_release(pending), &err);
}

static void stop_capture(struct commands *commands, struct control_request *req)
{
	struct pending *pending = command_keep(&commands->pending, req, commands);
	int r = pending ? capture_stop(commands->options.capture, on_capture_stopped,
				       pending)
			: 0;

	if (r == -EALREADY)
		control_refuse(command_release(pending), CONTROL_CODE_BUSY, NULL,
			       "the capture has not begun yet: its file is being opened");
	else if (r < 0)
		control_refuse(command_release(pending), CONTROL_CODE_BAD_REQUEST, NULL,
			       "no capture is running");
}

static void do_capture(struct commands *commands, struct control_request *req)
{
	switch (req->capture.action) {
	case CONTROL_CAPTURE_ACTION_START:
		start_capture(commands, req);
		break;
	case CONTROL_CAPTURE_ACTION_STOP:
		stop_capture(commands, req);
		break;
	case CONTROL_CAPTURE_ACTION_STATUS:
	default:
		answer_capture(commands, req);
	}
}

static void do_log(struct control_request *req)
{
	int level = log_level_find(req->log.level);
	int subsystem = req->log.subsystem ? log_subsystem_find(req->log.subsystem) : 0;

	if (level < 0)
		control_refuse(req, CONTROL_CODE_BAD_REQUEST, NULL,
			       "\"level\" is \"error\", \"warn\", \"info\", "
			       "\"debug\" or \"trace\"");
	else if (subsystem < 0)
		control_refuse(req, CONTROL_CODE_BAD_REQUEST, NULL,
			       "\"subsystem\" is \"daemon\", \"control\", "
			       "\"rules\", \"usbdev\", \"vuser\" or \"xhci\"");
	else if (req->log.subsystem)
		log_set_subsystem_level((enum log_subsystem)subsystem,
					(enum log_level)level);
	else
		log_set_level((enum log_level)level);
	if (level >= 0 && subsystem >= 0)
		control_answer(req, NULL);
}

static void do_rules(struct commands *commands, struct control_request *req)
{
	struct rulebook *rules = commands->options.rules;
	struct err err = {0};
	const char *id = NULL;
	struct json_object *result;
	int r;

	switch (req->rules.action) {
	case CONTROL_RULES_ACTION_ADD:
		r = rulebook_add(rules, req->rules.rule, req->rules.id, &id, &err);
		if (r < 0) {
			command_refuse(req, &err, NULL);
			return;
		}
		result = json_object_new_object();
		answer_if(req, control_add_text(result, "rule_id", id), result);
		break;
	case CONTROL_RULES_ACTION_REMOVE:
		r = rulebook_remove(rules, req->rules.id, &err);
		if (r < 0)
			control_refuse(req, CONTROL_CODE_NO_SUCH_RULE,
				       "\"rules\" with the action \"list\" shows all",
				       "%s", err.text);
		else
			control_answer(req, NULL);
		break;
	case CONTROL_RULES_ACTION_LIST:
	default:
		result = json_object_new_object();
		answer_if(req, control_add(result, "rules", rulebook_to_json(rules)),
			  result);
	}
}

/* --- the server --- */

static void on_request(void *ctx, struct control_request *req)
{
	struct commands *commands = ctx;

	log_debug("control: %s by process %d of user %u", control_verb_name(req->verb),
		  (int)req->pid, (unsigned)req->uid);
	switch (req->verb) {
	case CONTROL_VERB_ATTACH:
		command_attach(&commands->devices, req);
		break;
	case CONTROL_VERB_DETACH:
	case CONTROL_VERB_RESET:
	case CONTROL_VERB_LIST:
	case CONTROL_VERB_STATS:
		command_with_devices(&commands->devices, req);
		break;
	case CONTROL_VERB_CAPTURE:
		do_capture(commands, req);
		break;
	case CONTROL_VERB_LOG:
		do_log(req);
		break;
	case CONTROL_VERB_RULES:
		do_rules(commands, req);
		break;
	case CONTROL_VERB_HELLO:
	case CONTROL_VERB_WATCH:
	default:
		control_refuse(req, CONTROL_CODE_UNKNOWN_VERB, NULL,
			       "not a verb of ours");
	}
}

struct commands *commands_create(const struct commands_options *options, int fd,
				 struct err *err)
{
	struct commands *commands = calloc(1, sizeof(*commands));
	const struct control_options server = {
		.daemon = "usbvfiod " VERSION,
		.request = on_request,
		.ctx = commands,
		.operators = options->operators,
		.readers = options->readers,
	};

	if (!commands) {
		close_fd(&fd);
		(void)err_set(err, ENOMEM, "not enough memory");
		return NULL;
	}
	commands->options = *options;
	list_init(&commands->pending);
	commands->devices.vm = options->vm;
	commands->devices.attach = options->attach;
	list_init(&commands->devices.pending);
	commands->server = control_server_create(options->loop, fd, &server, err);
	if (!commands->server) {
		free(commands);
		return NULL;
	}
	return commands;
}

void commands_destroy(struct commands *commands)
{
	if (!commands)
		return;
	commands_refuse_all(&commands->devices.pending);
	commands_refuse_all(&commands->pending);
	capture_forget(commands->options.capture);
	control_server_destroy(commands->server);
	free(commands);
}

void commands_notify(struct commands *commands, enum attach_event event,
		     const struct attach_info *info)
{
	static const enum control_event events[] = {
		[ATTACH_EVENT_ATTACHED] = CONTROL_EVENT_ATTACHED,
		[ATTACH_EVENT_RETURNED] = CONTROL_EVENT_RETURNED,
		[ATTACH_EVENT_GONE] = CONTROL_EVENT_GONE,
		[ATTACH_EVENT_DETACHED] = CONTROL_EVENT_DETACHED,
		[ATTACH_EVENT_FAILED] = CONTROL_EVENT_FAILED,
	};
	struct control_device device;
	struct device_text text;

	if (!commands)
		return;
	device_describe(info, &text, &device);
	control_server_event(commands->server, events[event], &device,
			     info->why ? info->why->text : NULL);
}

void commands_rule_held(struct commands *commands, const char *rule_id, const char *why)
{
	struct control_device device = CONTROL_DEVICE_INIT;

	if (!commands)
		return;
	device.rule = rule_id;
	control_server_event(commands->server, CONTROL_EVENT_RULE_HELD, &device, why);
}
