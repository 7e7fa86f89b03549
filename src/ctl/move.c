/* SPDX-License-Identifier: MIT
 * move.c - move a device from one daemon to another
 *
 * Checks everything it can before it detaches the device. If the other daemon refuses the
 * device, it goes back to its old port.
 */
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/client.h"
#include "control/json.h"
#include "ctl/ctl.h"
#include "ctl/node.h"
#include "ctl/text.h"

/**
 * struct move - a device on its way
 * @from, @to:	connections
 * @id:		owned: the device, as its daemon calls it
 * @name:	owned, NULL = has none
 * @bus, @address, @port: where it was
 * @fd:		owned: its node
 */
struct move {
	struct control_client *from;
	struct control_client *to;
	char *id;
	char *name;
	unsigned bus;
	unsigned address;
	int64_t port;
	int fd;
};

/* Whether @target, as for detach, names @device. */
static bool is_named(struct json_object *device, const char *target)
{
	const char *id = control_get_text(device, "id");
	int64_t bus, address, port;
	unsigned a, b;
	int end = 0;

	if (id && strcmp(id, target) == 0)
		return true;
	if (sscanf(target, "port %3u%n", &a, &end) == 1 && !target[end])
		return control_get_number(device, "port", &port) && port == a;
	if (sscanf(target, "%3u:%3u%n", &a, &b, &end) == 2 && !target[end])
		return control_get_number(device, "bus", &bus) && bus == a &&
		       control_get_number(device, "address", &address) && address == b;
	return false;
}

static struct json_object *find_device(struct json_object *answer, const char *target)
{
	struct json_object *devices = control_get_array(answer, "devices");
	size_t count = devices ? json_object_array_length(devices) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);

		if (is_named(device, target))
			return device;
	}
	return NULL;
}

static enum ctl_status take_device(struct move *move, struct json_object *device,
				   const char *target)
{
	const char *id = control_get_text(device, "id"),
		   *name = control_get_text(device, "label");
	int64_t bus, address;

	if (!device || !id) {
		ctl_complain("no device '%s' is attached: usbvfioctl list shows them",
			     target);
		return CTL_STATUS_FAILED;
	}
	if (!control_get_number(device, "bus", &bus) ||
	    !control_get_number(device, "address", &address) || bus < 1 || bus > 999 ||
	    address < 1 || address > 999) {
		ctl_complain("'%s' is no device of the host, or has gone: detach it from "
			     "this daemon, then attach it to the other one",
			     target);
		return CTL_STATUS_FAILED;
	}
	move->id = ctl_copy(id);
	move->name = name ? ctl_copy(name) : NULL;
	move->bus = (unsigned)bus;
	move->address = (unsigned)address;
	(void)control_get_number(device, "port", &move->port);
	return CTL_STATUS_DONE;
}

/* Calls @client; prints nothing but a refusal. */
static enum ctl_status call(const struct ctl *ctl, struct control_client *client,
			    struct json_object *request, int fd)
{
	struct json_object *answer;
	enum ctl_status status = ctl_call(ctl, client, request, fd, &answer);

	json_object_put(answer);
	return status;
}

/* Checks everything before any change. */
static enum ctl_status prepare(const struct ctl *ctl, struct move *move)
{
	_cleanup_free_ char *target = ctl_target(ctl, 0);
	_cleanup_free_ char *path = NULL;
	struct json_object *answer;
	unsigned bus, address;
	enum ctl_status status =
		ctl_call(ctl, move->from, ctl_request("list"), -1, &answer);

	if (status == CTL_STATUS_DONE)
		status = take_device(move, find_device(answer, target), target);
	json_object_put(answer);
	if (status == CTL_STATUS_DONE)
		status = call(ctl, move->to, ctl_request("hello"), -1);
	if (status != CTL_STATUS_DONE)
		return status;
	path = ctl_format("%s/%03u/%03u", ctl->node_folder, move->bus, move->address);
	move->fd = ctl_node_open(path, &bus, &address);
	return move->fd < 0 ? CTL_STATUS_FAILED : CTL_STATUS_DONE;
}

static struct json_object *attach_request(const struct move *move, const char *name)
{
	struct json_object *request = ctl_request("attach");

	ctl_put_text(request, "name", name);
	ctl_put_number(request, "bus", move->bus);
	ctl_put_number(request, "address", move->address);
	return request;
}

static void put_back(const struct ctl *ctl, const struct move *move)
{
	struct json_object *request = attach_request(move, move->name);

	if (move->port >= 1 && move->port <= 255)
		ctl_put_number(request, "port", move->port);
	if (call(ctl, move->from, request, move->fd) == CTL_STATUS_DONE)
		ctl_complain("%s is attached as before", move->id);
	else
		ctl_complain(
			"%s is attached to neither daemon: attach %s/%03u/%03u to the "
			"one you want",
			move->id, ctl->node_folder, move->bus, move->address);
}

static enum ctl_status carry(const struct ctl *ctl, const struct move *move)
{
	struct json_object *request = ctl_request("detach"), *answer;
	enum ctl_status status;

	ctl_put_text(request, "device", move->id);
	status = call(ctl, move->from, request, -1);
	if (status != CTL_STATUS_DONE)
		return status;
	request = attach_request(move, ctl->name ? ctl->name : move->name);
	ctl_put_text(request, "reset", ctl->reset);
	if (ctl->port)
		ctl_put_number(request, "port", ctl->port);
	if (ctl->given & CTL_OPTION_FORCE)
		ctl_put_true(request, "force");
	status = ctl_call(ctl, move->to, request, move->fd, &answer);
	if (status != CTL_STATUS_DONE)
		put_back(ctl, move);
	else if (ctl->json)
		ctl_print_json(answer);
	else
		ctl_say_device(ctl, answer, "moved", move->id);
	json_object_put(answer);
	return status;
}

static bool are_same(const char *a, const char *b)
{
	struct stat at_a, at_b;

	return stat(a, &at_a) == 0 && stat(b, &at_b) == 0 && at_a.st_dev == at_b.st_dev &&
	       at_a.st_ino == at_b.st_ino;
}

enum ctl_status ctl_move(const struct ctl *ctl)
{
	const char *path;
	struct move move = {.fd = -1};
	enum ctl_status status = CTL_STATUS_FAILED;

	if (!ctl->to)
		return ctl_misused("name the other daemon: --to SOCKET");
	path = ctl_socket(ctl);
	if (!path)
		return CTL_STATUS_FAILED;
	if (are_same(path, ctl->to))
		return ctl_misused("%s has the device already", ctl->to);
	move.from = ctl_connect(path);
	move.to = move.from ? ctl_connect(ctl->to) : NULL;
	if (move.to)
		status = prepare(ctl, &move);
	if (status == CTL_STATUS_DONE)
		status = carry(ctl, &move);
	cleanup_close_p(&move.fd);
	control_disconnect(move.from);
	control_disconnect(move.to);
	free(move.id);
	free(move.name);
	return status;
}
