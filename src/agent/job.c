/* SPDX-License-Identifier: MIT
 * job.c - the agent's calls of the daemon, on its worker's thread
 */
#include "agent/job.h"
#include "control/json.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "agent/memory.h"
#include "control/client.h"
#include "util/compiler.h"
#include "util/fds.h"

#define CONNECT_TIMEOUT_MS 5000
#define LINE_TIMEOUT_MS    5000
#define PORT_MAX           255
#define ADDRESS_MAX        999

static bool has_failed(int r)
{
	return r < 0 && r != -EREMOTEIO;
}

/* --- requests --- */

/* Without memory for a request the agent ends. */
static void must(bool added)
{
	if (!added)
		agent_out_of_memory();
}

static struct json_object *new_request(const char *verb)
{
	struct json_object *request = json_object_new_object();

	must(control_add_text(request, "verb", verb));
	return request;
}

/* --- lists --- */

/* Return: false if no rule attached it. */
static bool take_listed(struct agent_device *ret_device, struct json_object *listed)
{
	struct agent_device device = {0};
	const char *id = control_get_text(listed, "id");
	const char *rule = control_get_text(listed, "rule");
	const char *place = control_get_text(listed, "place");
	const char *state = control_get_text(listed, "state");
	int64_t bus = 0, number = 0, port = 0;

	if (!id || !rule || strlen(id) >= sizeof(device.id) ||
	    strlen(rule) >= sizeof(device.rule_id) ||
	    (place && strlen(place) >= sizeof(device.place)))
		return false;
	if (!control_get_number(listed, "bus", &bus) || bus < 1 || bus > ADDRESS_MAX ||
	    !control_get_number(listed, "address", &number) || number < 1 ||
	    number > ADDRESS_MAX || !control_get_number(listed, "port", &port) ||
	    port < 1 || port > PORT_MAX)
		return false;
	memcpy(device.id, id, strlen(id) + 1);
	memcpy(device.rule_id, rule, strlen(rule) + 1);
	if (place)
		memcpy(device.place, place, strlen(place) + 1);
	device.bus = (unsigned)bus;
	device.number = (unsigned)number;
	device.port = (unsigned)port;
	device.is_attached = state && strcmp(state, "attached") == 0;
	*ret_device = device;
	return true;
}

static void run_list(struct agent_job *job)
{
	struct json_object *request = new_request("list"), *answer = NULL, *devices;

	job->devices = agent_alloc(sizeof(*job->devices));
	job->r = control_call_ok(job->client, request, -1, &answer, &job->err);
	job->broken = has_failed(job->r);
	devices = control_get_array(answer, "devices");
	for (size_t i = 0; devices && i < json_object_array_length(devices) &&
			   job->devices->count < AGENT_DEVICES_MAX;
	     i++) {
		if (take_listed(&job->devices->devices[job->devices->count],
				json_object_array_get_idx(devices, i)))
			job->devices->count++;
	}
	json_object_put(request);
	json_object_put(answer);
}

/* --- connection --- */

static void run_connect(struct agent_job *job)
{
	static const char *const events[] = {"detached", "gone", "failed"};
	struct control_client *client =
		control_connect(job->socket, CONNECT_TIMEOUT_MS, &job->err);
	struct json_object *request, *names, *answer = NULL;

	*job->usable = false;
	job->r = client ? 0 : -job->err.code;
	if (!client)
		return;
	request = new_request("watch");
	names = json_object_new_array();
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		must(control_append(names, json_object_new_string(events[i])));
	must(control_add(request, "events", names));
	job->r = control_call_ok(client, request, -1, &answer, &job->err);
	json_object_put(request);
	json_object_put(answer);
	job->client = client;
	/* after "watch", so that no event is missed in between */
	if (job->r == 0)
		run_list(job);
	job->broken = false;
	if (job->r < 0) {
		control_disconnect(client);
		job->client = NULL;
		return;
	}
	*job->usable = true;
}

/* --- devices --- */

/* Opens the node, and makes sure that it still is the device's: the kernel reuses numbers.
 * Return: fd, owned by the caller, or -errno with @err filled. */
static int open_node(const struct agent_job *job, struct err *err)
{
	char path[PATH_MAX];
	struct hostdev now;
	_cleanup_close_ int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/dev/bus/usb/%03u/%03u", job->root,
		       job->dev.bus, job->dev.number);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	if (hostdev_read(job->root, job->dev.place, &now) < 0 ||
	    now.bus != job->dev.bus || now.number != job->dev.number ||
	    now.vendor != job->dev.vendor || now.product_id != job->dev.product_id)
		return err_set(err, ENOENT, "it has gone");
	return steal_fd(&fd);
}

/* The keeper retries soon after EBUSY. */
static int code_of(struct json_object *answer)
{
	const char *code = control_get_text(control_get_object(answer, "error"), "code");

	return code && strcmp(code, "busy") == 0 ? EBUSY : EREMOTEIO;
}

static void take_device(struct agent_job *job, struct json_object *answer)
{
	struct json_object *device = control_get_object(answer, "device");
	const char *id = control_get_text(device, "id");
	int64_t port = 0;

	if (!id || strlen(id) >= sizeof(job->id) ||
	    !control_get_number(device, "port", &port) || port < 1 || port > PORT_MAX) {
		job->r =
			err_set(&job->err, EPROTO, "the daemon does not name the device");
		return;
	}
	memcpy(job->id, id, strlen(id) + 1);
	job->port = (unsigned)port;
}

static void run_attach(struct agent_job *job)
{
	static const char *const resets[] = {
		[RULE_RESET_ALWAYS] = "always",
		[RULE_RESET_FIRST] = "first",
		[RULE_RESET_NEVER] = "never",
	};
	struct json_object *request, *answer = NULL;
	_cleanup_close_ int fd = open_node(job, &job->err);

	job->r = fd;
	if (fd < 0)
		return;
	request = new_request("attach");
	must(control_add_text(request, "name",
			      job->dev.product[0] ? job->dev.product : job->dev.name));
	must(control_add_text(request, "rule_id", job->rule_id));
	must(control_add_text(request, "reset", resets[job->reset]));
	must(control_add(request, "bus", json_object_new_int64(job->dev.bus)));
	must(control_add(request, "address", json_object_new_int64(job->dev.number)));
	if (job->port)
		must(control_add(request, "port", json_object_new_int64(job->port)));
	/* the keeper has asked the guard, which the daemon cannot */
	must(control_add(request, "force", json_object_new_boolean(true)));
	job->r = control_call_ok(job->client, request, fd, &answer, &job->err);
	job->broken = has_failed(job->r);
	if (job->r == 0)
		take_device(job, answer);
	else if (!job->broken)
		job->err.code = code_of(answer);
	json_object_put(request);
	json_object_put(answer);
}

static void run_detach(struct agent_job *job)
{
	struct json_object *request = new_request("detach"), *answer = NULL;

	must(control_add_text(request, "device", job->id));
	job->r = control_call_ok(job->client, request, -1, &answer, &job->err);
	job->broken = has_failed(job->r);
	json_object_put(request);
	json_object_put(answer);
}

/* --- events --- */

static bool is_readable(const struct control_client *client)
{
	struct pollfd poller = {.fd = control_client_fd(client), .events = POLLIN};

	return poll(&poller, 1, 0) > 0;
}

static void take_event(struct agent_job *job, struct json_object *event)
{
	const char *name = control_get_text(event, "event");
	const char *id = control_get_text(control_get_object(event, "device"), "id");
	struct agent_ended *ended = &job->events.ended[job->events.nended];

	if (name && strcmp(name, "lost") == 0)
		job->events.lost = true;
	if (!name || !id || strlen(id) >= sizeof(ended->id))
		return;
	if (strcmp(name, "gone") != 0 && strcmp(name, "failed") != 0 &&
	    strcmp(name, "detached") != 0)
		return;
	memcpy(ended->id, id, strlen(id) + 1);
	ended->by_hand = strcmp(name, "detached") == 0;
	job->events.nended++;
}

/* Reads the events that have come. */
static void read_events(struct agent_job *job)
{
	for (unsigned n = 0; n < AGENT_ENDED_MAX; n++) {
		struct json_object *event = NULL;
		int r;

		if (!control_client_has_event(job->client) && !is_readable(job->client))
			return;
		r = control_next_event(job->client, LINE_TIMEOUT_MS, &event, &job->err);
		if (r < 0) {
			job->broken = true;
			return;
		}
		take_event(job, event);
		json_object_put(event);
	}
	job->more = true;
}

void agent_job_run(struct worker_job *base)
{
	struct agent_job *job = (struct agent_job *)base;

	if (job->kind == AGENT_JOB_KIND_CONNECT) {
		run_connect(job);
		return;
	}
	if (!*job->usable) {
		job->r = err_set(&job->err, ECONNRESET, "the daemon has gone");
		job->broken = true;
		return;
	}
	if (job->kind == AGENT_JOB_KIND_ATTACH)
		run_attach(job);
	else if (job->kind == AGENT_JOB_KIND_DETACH)
		run_detach(job);
	else if (job->kind == AGENT_JOB_KIND_LIST)
		run_list(job);
	else
		read_events(job);
	/* events that came before the answer */
	if (!job->broken && control_client_has_event(job->client))
		job->more = true;
	if (job->broken)
		*job->usable = false;
}
