/* SPDX-License-Identifier: MIT
 * commands.c - what clients of the control socket ask for, done
 *
 * A request that takes time (attach, detach, the end of a capture) is kept in a struct
 * pending until its answer. attach calls back exactly once, or never after attach_stop();
 * a capture always.
 */
#include "daemon/commands.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/request.h"
#include "control/server.h"
#include "daemon/capture.h"
#include "daemon/device_list.h"
#include "daemon/rulebook.h"
#include "daemon/version.h"
#include "rules/rule.h"
#include "util/fds.h"
#include "util/list.h"
#include "util/log.h"

#define PORTS_MAX 30u

/**
 * struct pending - a request that is answered later
 * @request:	NULL: there is nobody any more, but a capture will still call
 */
struct pending {
	struct list node;
	struct commands *commands;
	struct control_request *request;
	bool of_capture;
};

struct commands {
	struct commands_options options;
	struct control_server *server;
	struct list pending;
};

/* Index of the target in @list; refuses the request if it is not there. */
static int find_target(struct control_request *req, const struct device_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (device_is_target(&list->devices[i], &req->target) &&
		    strcmp(list->devices[i].state, "leaving") != 0)
			return (int)i;
	}
	control_refuse(req, CONTROL_CODE_NO_SUCH_DEVICE,
		       "\"list\" shows what is attached", "there is no device %s",
		       req->target.text);
	return -ENOENT;
}

/* --- requests that take time --- */

static struct pending *keep(struct commands *commands, struct control_request *req)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (!pending) {
		control_refuse(req, CONTROL_CODE_INTERNAL, NULL, "not enough memory");
		return NULL;
	}
	pending->commands = commands;
	pending->request = req;
	list_append(&commands->pending, &pending->node);
	return pending;
}

static struct control_request *release(struct pending *pending)
{
	struct control_request *req = pending->request;

	list_remove(&pending->node);
	free(pending);
	return req;
}

static void refuse_err(struct control_request *req, const struct err *err,
		       const char *hint)
{
	/* with a hint it is the node that cannot be opened */
	bool is_guard = err->code == EPERM && (!hint || hint[0] == '\0');
	enum control_code code =
		is_guard ? CONTROL_CODE_REFUSED : control_code_of_errno(-err->code);

	control_refuse(req, code, hint && hint[0] != '\0' ? hint : NULL, "%s", err->text);
}

/* --- attach, detach, reset --- */

static void answer_device(struct commands *commands, struct control_request *req,
			  unsigned id)
{
	struct device_list *list = malloc(sizeof(*list));
	int i = -1;

	if (list) {
		device_list_read(list, commands->options.attach);
		i = device_list_find(list, id);
	}
	if (i >= 0)
		control_answer_device(req, &list->devices[i]);
	else
		control_answer(req, NULL);
	free(list);
}

static void on_attached(void *ctx, unsigned id, unsigned port, const struct err *err,
			const char *hint)
{
	struct pending *pending = ctx;
	struct commands *commands = pending->commands;
	struct control_request *req = release(pending);

	if (port > 0)
		answer_device(commands, req, id);
	else
		refuse_err(req, err, hint);
}

static int take_reset(const char *text, enum host_reset *ret_reset)
{
	*ret_reset = HOST_RESET_ALWAYS;
	if (!text || strcmp(text, "always") == 0)
		return 0;
	*ret_reset = HOST_RESET_FIRST;
	if (strcmp(text, "first") == 0)
		return 0;
	*ret_reset = HOST_RESET_NEVER;
	return strcmp(text, "never") == 0 ? 0 : -EINVAL;
}

static void do_attach(struct commands *commands, struct control_request *req)
{
	const struct control_attach *wanted = &req->attach;
	struct attach_order order = {
		.text = wanted->spec,
		.port = wanted->port,
		.rule = wanted->rule_id,
		.force = wanted->force,
		.done = on_attached,
	};
	struct pending *pending;
	struct err err = {0};
	char name[ATTACH_NAME_BYTES];

	if (take_reset(wanted->reset, &order.reset) < 0) {
		control_refuse(req, CONTROL_CODE_BAD_REQUEST, NULL,
			       "\"reset\" is \"always\", \"first\" or \"never\"");
		return;
	}
	if (wanted->spec && rule_is_rule(wanted->spec)) {
		control_refuse(req, CONTROL_CODE_BAD_REQUEST,
			       "\"rules\" with the action \"add\" takes it",
			       "%s is a rule, not a device", wanted->spec);
		return;
	}
	if (!wanted->spec) {
		(void)snprintf(name, sizeof(name), "%s",
			       wanted->name ? wanted->name : "a device handed over");
		order.text = name;
	}
	pending = keep(commands, req);
	if (!pending)
		return;
	order.fd = steal_fd(&req->fd);
	order.ctx = pending;
	if (attach_order(commands->options.attach, &order, &err) < 0)
		refuse_err(release(pending), &err, NULL);
}

static void on_detached(void *ctx)
{
	control_answer(release(ctx), NULL);
}

static void do_detach(struct commands *commands, struct control_request *req,
		      const struct device_list *list)
{
	struct pending *pending;
	int i = find_target(req, list);

	if (i < 0)
		return;
	pending = keep(commands, req);
	if (pending && attach_detach(commands->options.attach, list->ids[i], on_detached,
				     pending) < 0)
		control_refuse(release(pending), CONTROL_CODE_BUSY, NULL,
			       "it is being detached already");
}

static void do_reset(struct commands *commands, struct control_request *req,
		     const struct device_list *list)
{
	struct pending *pending;
	struct err err = {0};
	int i = find_target(req, list);

	if (i < 0)
		return;
	pending = keep(commands, req);
	if (!pending)
		return;
	if (attach_again(commands->options.attach, list->ids[i], on_attached, pending,
			 &err) < 0) {
		req = release(pending);
		if (err.code == ENOTSUP)
			control_refuse(req, CONTROL_CODE_NOT_SUPPORTED,
				       "detach it and attach it again", "%s", err.text);
		else
			refuse_err(req, &err, NULL);
	}
}

/* --- what is there --- */

static void do_list(struct commands *commands, struct control_request *req,
		    const struct device_list *list)
{
	struct control_port ports[PORTS_MAX];
	unsigned count = MIN_OF(2 * commands->options.ports, PORTS_MAX);

	/* xhci: the USB 2 ports come first */
	for (unsigned i = 0; i < count; i++) {
		ports[i] = (struct control_port){
			.port = i + 1,
			.kind = i < commands->options.ports ? "usb2" : "usb3",
		};
		for (size_t d = 0; d < list->count; d++) {
			if (list->devices[d].port == i + 1 && list->devices[d].since != 0)
				ports[i].device = list->devices[d].id;
		}
	}
	control_answer_list(req, list->devices, list->count, ports, count);
}

static void do_stats(struct control_request *req, const struct device_list *list)
{
	int i;

	if (req->target.kind == CONTROL_TARGET_NONE) {
		control_answer_list(req, list->devices, list->count, NULL, 0);
		return;
	}
	i = find_target(req, list);
	if (i >= 0)
		control_answer_device(req, &list->devices[i]);
}

/* --- capture, log, rules --- */

static void answer_capture(struct commands *commands, struct control_request *req)
{
	struct json_object *result = json_object_new_object();
	struct pcap_stats stats;
	const char *path;
	bool running = capture_status(commands->options.capture, &stats, &path);

	json_object_object_add(result, "running", json_object_new_boolean(running));
	if (running) {
		json_object_object_add(result, "path", control_text_to_json(path));
		json_object_object_add(result, "records",
				       json_object_new_uint64(stats.records));
		json_object_object_add(result, "dropped",
				       json_object_new_uint64(stats.dropped));
		if (stats.error)
			json_object_object_add(
				result, "error",
				json_object_new_string(strerror(-stats.error)));
	}
	control_answer(req, result);
}

static void on_capture_stopped(void *ctx)
{
	struct pending *pending = ctx;
	struct commands *commands = pending->commands;

	if (pending->request)
		answer_capture(commands, release(pending));
	else
		free(pending);
}

static void start_capture(struct commands *commands, struct control_request *req)
{
	char path[32];
	struct err err = {0};
	int r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", req->fd);
	r = capture_start(commands->options.capture,
			  req->capture.path ? req->capture.path : path, &err);
	if (r == -EALREADY)
		control_refuse(req, CONTROL_CODE_BUSY, "stop it first", "%s", err.text);
	else if (r < 0)
		refuse_err(req, &err, NULL);
	else
		answer_capture(commands, req);
}

static void stop_capture(struct commands *commands, struct control_request *req)
{
	struct pending *pending = keep(commands, req);

	if (!pending)
		return;
	pending->of_capture = true;
	if (capture_stop(commands->options.capture, on_capture_stopped, pending) < 0)
		control_refuse(release(pending), CONTROL_CODE_BAD_REQUEST, NULL,
			       "no capture is running");
}

static void do_capture(struct commands *commands, struct control_request *req)
{
	switch (req->capture.action) {
	case CONTROL_CAPTURE_START:
		start_capture(commands, req);
		break;
	case CONTROL_CAPTURE_STOP:
		stop_capture(commands, req);
		break;
	case CONTROL_CAPTURE_STATUS:
	default:
		answer_capture(commands, req);
	}
}

static void do_log(struct control_request *req)
{
	static const char *const levels[] = {
		[LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARN] = "warn",
		[LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
		[LOG_LEVEL_TRACE] = "trace",
	};

	if (req->log.subsystem) {
		control_refuse(req, CONTROL_CODE_NOT_SUPPORTED,
			       "leave \"subsystem\" out: the level is that of all",
			       "log levels of single subsystems are not available");
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(levels); i++) {
		if (strcmp(levels[i], req->log.level) != 0)
			continue;
		log_set_level((enum log_level)i);
		control_answer(req, NULL);
		return;
	}
	control_refuse(req, CONTROL_CODE_BAD_REQUEST, NULL,
		       "\"level\" is \"error\", \"warn\", \"info\", \"debug\" or "
		       "\"trace\"");
}

static void do_rules(struct commands *commands, struct control_request *req)
{
	struct rulebook *rules = commands->options.rules;
	struct err err = {0};
	const char *id = NULL;
	struct json_object *result;
	int r;

	switch (req->rules.action) {
	case CONTROL_RULES_ADD:
		r = rulebook_add(rules, req->rules.rule, req->rules.id, &id, &err);
		if (r < 0) {
			refuse_err(req, &err, NULL);
			return;
		}
		result = json_object_new_object();
		json_object_object_add(result, "rule_id", json_object_new_string(id));
		control_answer(req, result);
		break;
	case CONTROL_RULES_REMOVE:
		r = rulebook_remove(rules, req->rules.id, &err);
		if (r < 0)
			control_refuse(req, CONTROL_CODE_NO_SUCH_RULE,
				       "\"rules\" with the action \"list\" shows all",
				       "%s", err.text);
		else
			control_answer(req, NULL);
		break;
	case CONTROL_RULES_LIST:
	default:
		result = json_object_new_object();
		json_object_object_add(result, "rules", rulebook_to_json(rules));
		control_answer(req, result);
	}
}

/* --- the server --- */

static void with_devices(struct commands *commands, struct control_request *req)
{
	struct device_list *list = malloc(sizeof(*list));

	if (!list) {
		control_refuse(req, CONTROL_CODE_INTERNAL, NULL, "not enough memory");
		return;
	}
	device_list_read(list, commands->options.attach);
	if (req->verb == CONTROL_VERB_DETACH)
		do_detach(commands, req, list);
	else if (req->verb == CONTROL_VERB_RESET)
		do_reset(commands, req, list);
	else if (req->verb == CONTROL_VERB_LIST)
		do_list(commands, req, list);
	else
		do_stats(req, list);
	free(list);
}

static void on_request(void *ctx, struct control_request *req)
{
	struct commands *commands = ctx;

	log_debug("control: %s by process %d of user %u", control_verb_name(req->verb),
		  (int)req->pid, (unsigned)req->uid);
	switch (req->verb) {
	case CONTROL_VERB_ATTACH:
		do_attach(commands, req);
		break;
	case CONTROL_VERB_DETACH:
	case CONTROL_VERB_RESET:
	case CONTROL_VERB_LIST:
	case CONTROL_VERB_STATS:
		with_devices(commands, req);
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
	};

	if (!commands) {
		close_fd(&fd);
		(void)err_set(err, ENOMEM, "not enough memory");
		return NULL;
	}
	commands->options = *options;
	list_init(&commands->pending);
	commands->server = control_server_create(options->loop, fd, &server, err);
	if (!commands->server) {
		free(commands);
		return NULL;
	}
	return commands;
}

void commands_destroy(struct commands *commands)
{
	struct list *pos, *tmp;

	if (!commands)
		return;
	LIST_FOREACH_SAFE(pos, tmp, &commands->pending) {
		struct pending *pending = LIST_ENTRY(pos, struct pending, node);

		control_refuse(pending->request, CONTROL_CODE_STOPPING, NULL,
			       "usbvfiod is stopping");
		list_remove(&pending->node);
		pending->request = NULL;
		if (!pending->of_capture)
			free(pending);
	}
	control_server_destroy(commands->server);
	free(commands);
}

void commands_tell(struct commands *commands, enum attach_event event,
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
	device_tell(info, &text, &device);
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
