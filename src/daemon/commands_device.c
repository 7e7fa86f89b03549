/* SPDX-License-Identifier: MIT
 * commands_device.c - requests about devices: attach, detach, reset, list, stats
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/commands_device.h"

#include "daemon/attach/attach.h"
#include "daemon/attach/devices.h"
#include "daemon/commands_pending.h"
#include "daemon/device_list.h"
#include "daemon/sandbox/sandbox.h"
#include "daemon/vm.h"
#include "rules/rule.h"
#include "util/fds.h"

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

/* --- attach, detach, reset --- */

static void answer_device(struct device_commands *commands, struct control_request *req,
			  unsigned id)
{
	struct device_list *list = malloc(sizeof(*list));
	int i = -1;

	if (list) {
		device_list_read(list, commands->attach);
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
	struct device_commands *commands = pending->ctx;
	struct control_request *req = command_release(pending);

	if (port > 0)
		answer_device(commands, req, id);
	else
		command_refuse(req, err, hint);
}

void command_attach(struct device_commands *commands, struct control_request *req)
{
	const struct control_attach *wanted = &req->attach;
	struct attach_order order = {
		.text = wanted->spec,
		.name = wanted->spec ? wanted->name : NULL,
		.port = wanted->port,
		.rule = wanted->rule_id,
		.force = wanted->force,
		.reset = HOST_RESET_ALWAYS,
		.done = on_attached,
	};
	struct pending *pending;
	struct err err = {0};
	char name[ATTACH_NAME_BYTES];

	if (wanted->reset && device_reset_find(wanted->reset, &order.reset) < 0) {
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
	pending = command_keep(&commands->pending, req, commands);
	if (!pending)
		return;
	order.fd = steal_fd(&req->fd);
	order.giver_uid = req->uid;
	order.fd_is_file = wanted->spec != NULL;
	order.ctx = pending;
	if (attach_order(commands->attach, &order, &err) < 0)
		command_refuse(command_release(pending), &err, NULL);
}

static void on_detached(void *ctx)
{
	control_answer(command_release(ctx), NULL);
}

static void do_detach(struct device_commands *commands, struct control_request *req,
		      const struct device_list *list)
{
	struct pending *pending;
	int i = find_target(req, list);
	int r;

	if (i < 0)
		return;
	pending = command_keep(&commands->pending, req, commands);
	if (!pending)
		return;
	r = attach_detach(commands->attach, list->ids[i], on_detached, pending);
	if (r == -ESHUTDOWN)
		control_refuse(command_release(pending), CONTROL_CODE_STOPPING, NULL,
			       "usbvfiod is stopping");
	else if (r < 0)
		control_refuse(command_release(pending), CONTROL_CODE_BUSY, NULL,
			       "it is being detached already");
}

static void do_reset(struct device_commands *commands, struct control_request *req,
		     const struct device_list *list)
{
	struct pending *pending;
	struct err err = {0};
	int i = find_target(req, list);

	if (i < 0)
		return;
	pending = command_keep(&commands->pending, req, commands);
	if (!pending)
		return;
	if (attach_reset(commands->attach, list->ids[i], on_attached, pending, &err) <
	    0) {
		req = command_release(pending);
		command_refuse(req, &err, NULL);
	}
}

/* --- list and stats --- */

/* Fills @state and @last, and borrows from them. */
static struct control_sandbox describe_sandbox(struct sandbox_state *state,
					       const char *last[SANDBOX_LAST])
{
	sandbox_state(state);
	for (unsigned i = 0; i < state->refused.last_count; i++)
		last[i] = state->refused.last[i];
	return (struct control_sandbox){
		.mode = sandbox_mode_name(state->mode),
		.dac_override = state->of_others,
		.user = state->uid,
		.landlock = state->landlock,
		.no_landlock = state->no_landlock,
		.system_calls = state->calls,
		.no_system_calls = state->no_calls,
		.refused = state->refused.count,
		.last = last,
		.nlast = state->refused.last_count,
	};
}

static void do_list(struct device_commands *commands, struct control_request *req,
		    const struct device_list *list)
{
	struct vm_client client = vm_client(commands->vm);
	const struct control_vmm vmm = {
		.connected = client.connected,
		.memory_shared = client.shared_bytes,
		.memory_unshared = client.unshared_bytes,
	};
	struct control_port ports[VM_PORT_MAX];
	struct sandbox_state state;
	const char *last[SANDBOX_LAST];
	const struct control_sandbox sandbox = describe_sandbox(&state, last);
	unsigned count = MIN_OF(vm_port_count(commands->vm), VM_PORT_MAX);

	for (unsigned i = 0; i < count; i++) {
		ports[i] = (struct control_port){
			.port = i + 1,
			.kind = vm_port_kind(commands->vm, i + 1) == VM_PORT_KIND_USB3
					? "usb3"
					: "usb2",
		};
		for (size_t d = 0; d < list->count; d++) {
			if (list->devices[d].port == i + 1 && list->devices[d].since != 0)
				ports[i].device = list->devices[d].id;
		}
	}
	control_answer_list(req, &(struct control_list){
					 .devices = list->devices,
					 .ndevices = list->count,
					 .ports = ports,
					 .nports = count,
					 .vmm = &vmm,
					 .sandbox = &sandbox,
				 });
}

static void do_stats(struct control_request *req, const struct device_list *list)
{
	int i;

	if (req->target.kind == CONTROL_TARGET_KIND_NONE) {
		control_answer_list(req, &(struct control_list){
						 .devices = list->devices,
						 .ndevices = list->count,
					 });
		return;
	}
	i = find_target(req, list);
	if (i >= 0)
		control_answer_device(req, &list->devices[i]);
}

void command_with_devices(struct device_commands *commands, struct control_request *req)
{
	struct device_list *list = malloc(sizeof(*list));

	if (!list) {
		control_refuse(req, CONTROL_CODE_INTERNAL, NULL, "not enough memory");
		return;
	}
	device_list_read(list, commands->attach);
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
