/* SPDX-License-Identifier: MIT
 * answer.c - the answers to requests, in the dialect in which they came
 */
#include <assert.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/json.h"
#include "control/server_priv.h"
#include "util/closer.h"
#include "util/log.h"
#include "util/self.h"

struct control_pending *control_pending_create(struct control_conn *conn)
{
	struct control_pending *pending = calloc(1, sizeof(*pending));

	if (!pending)
		return NULL;
	pending->req.fd = -1;
	pending->req.pid = conn->pid;
	pending->req.uid = conn->uid;
	pending->conn = conn;
	assert(!conn->pending);
	conn->pending = pending;
	return pending;
}

static struct control_pending *pending_of(struct control_request *req)
{
	return CONTAINER_OF(req, struct control_pending, req);
}

/* The request has its answer. */
static void finish(struct control_pending *pending)
{
	if (pending->conn)
		control_conn_answered(pending->conn);
	closer_close(&pending->req.fd);
	json_object_put(pending->root);
	free(pending);
}

/* The connection that waits for this answer as JSON, or NULL. */
static struct control_conn *json_conn(struct control_pending *pending)
{
	struct control_conn *conn = pending->conn;

	return conn && conn->dialect == CONTROL_DIALECT_JSON ? conn : NULL;
}

static struct control_conn *legacy_conn(struct control_pending *pending)
{
	struct control_conn *conn = pending->conn;

	return conn && conn->dialect == CONTROL_DIALECT_LEGACY ? conn : NULL;
}

static void put_legacy(struct control_conn *conn, enum control_legacy answer)
{
	uint8_t byte = (uint8_t)answer;

	control_conn_put(conn, &byte, 1);
}

/* ---- JSON ---- */

/* {"ok": @ok, "id": ...}, to be filled further. Owned; NULL without memory. */
static struct json_object *new_answer(struct json_object *id, bool ok)
{
	struct json_object *answer = NULL;

	if (control_has_memory(CONTROL_ANSWER_MEMORY))
		answer = json_object_new_object();
	if (answer && control_add(answer, "ok", json_object_new_boolean(ok)) &&
	    (!id || control_add(answer, "id", json_object_get(id))))
		return answer;
	json_object_put(answer);
	return NULL;
}

/* Owned; NULL without memory. */
static struct json_object *new_refusal(struct json_object *id, enum control_code code,
				       const char *text, const char *hint)
{
	struct json_object *answer = new_answer(id, false);
	struct json_object *error = json_object_new_object();

	if (answer && error && control_add_text(error, "code", control_code_name(code)) &&
	    control_add_text(error, "message", text) &&
	    control_add_text(error, "hint", hint) &&
	    control_add(answer, "error", json_object_get(error))) {
		json_object_put(error);
		return answer;
	}
	json_object_put(error);
	json_object_put(answer);
	return NULL;
}

/* @json with its newline, owned; NULL without memory or if it is NULL. */
static char *to_line(struct json_object *json, size_t *ret_len)
{
	const char *text;
	char *line;
	size_t len;

	if (!json)
		return NULL;
	text = json_object_to_json_string_length(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	line = text ? malloc(len + 2) : NULL;
	if (!line)
		return NULL;
	memcpy(line, text, len);
	line[len] = '\n';
	line[len + 1] = '\0';
	*ret_len = len + 1;
	return line;
}

/* @answer is taken; NULL = there was no memory for it. */
static void put_json(struct control_conn *conn, struct json_object *answer)
{
	size_t len = 0;
	char *line = to_line(answer, &len);

	json_object_put(answer);
	if (!line) {
		/* a client must not wait for what cannot come */
		conn->broken = true;
		return;
	}
	control_conn_put(conn, line, len);
	free(line);
}

/* Takes @answer; one that is larger than clients expect is refused instead. */
static void put_answer(struct control_conn *conn, struct json_object *id,
		       struct json_object *answer)
{
	size_t len = 0;

	if (answer)
		(void)json_object_to_json_string_length(
			answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
			&len);
	if (len >= CONTROL_ANSWER_MAX) {
		json_object_put(answer);
		answer = new_refusal(id, CONTROL_CODE_TOO_LARGE,
				     "the answer is too large", NULL);
	}
	put_json(conn, answer);
}

struct json_object *control_hello(const char *daemon)
{
	struct json_object *json = json_object_new_object();

	if (json && control_add(json, "version", json_object_new_int(CONTROL_VERSION)) &&
	    control_add_text(json, "daemon", daemon) &&
	    control_add(json, "pid", json_object_new_int(self_pid())))
		return json;
	json_object_put(json);
	return NULL;
}

char *control_error_line(enum control_code code, const char *text)
{
	struct json_object *json = new_refusal(NULL, code, text, NULL);
	size_t len;
	char *line = to_line(json, &len);

	json_object_put(json);
	return line;
}

void control_conn_complain(struct control_conn *conn, enum control_code code,
			   const char *text)
{
	if (conn->dialect == CONTROL_DIALECT_LEGACY)
		put_legacy(conn, control_code_legacy(code));
	else
		put_json(conn, new_refusal(NULL, code, text, NULL));
}

/* ---- what owners call ---- */

static bool add_members(struct json_object *answer, struct json_object *result)
{
	if (!result)
		return true;
	json_object_object_foreach(result, key, value)
	{
		assert(strcmp(key, "ok") != 0 && strcmp(key, "id") != 0);
		if (!control_add(answer, key, json_object_get(value)))
			return false;
	}
	return true;
}

void control_answer(struct control_request *req, struct json_object *result)
{
	struct control_pending *pending = pending_of(req);
	struct control_conn *conn = json_conn(pending);
	struct json_object *answer;

	assert(req->verb != CONTROL_VERB_LIST);
	if (legacy_conn(pending))
		put_legacy(legacy_conn(pending), CONTROL_LEGACY_SUCCESS);
	if (conn) {
		answer = new_answer(pending->id, true);
		if (!add_members(answer, result)) {
			json_object_put(answer);
			answer = NULL;
		}
		put_answer(conn, pending->id, answer);
	}
	json_object_put(result);
	finish(pending);
}

void control_answer_device(struct control_request *req,
			   const struct control_device *device)
{
	struct control_pending *pending = pending_of(req);
	struct control_conn *conn = json_conn(pending);
	struct json_object *answer;

	assert(req->verb != CONTROL_VERB_LIST);
	if (legacy_conn(pending))
		put_legacy(legacy_conn(pending), CONTROL_LEGACY_SUCCESS);
	if (conn) {
		answer = new_answer(pending->id, true);
		if (!control_add(answer, "device", control_device_to_json(device))) {
			json_object_put(answer);
			answer = NULL;
		}
		put_answer(conn, pending->id, answer);
	}
	finish(pending);
}

static bool add_devices(struct json_object *answer, const struct control_list *list)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < list->ndevices; i++) {
		if (!control_append(array, control_device_to_json(&list->devices[i])))
			goto fail;
	}
	return control_add(answer, "devices", array);
fail:
	json_object_put(array);
	return false;
}

static bool add_ports(struct json_object *answer, const struct control_list *list)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < list->nports; i++) {
		if (!control_append(array, control_port_to_json(&list->ports[i])))
			goto fail;
	}
	return control_add(answer, "ports", array);
fail:
	json_object_put(array);
	return false;
}

/* 01, how many, then bus and address of each device of the host. */
static void put_legacy_list(struct control_conn *conn,
			    const struct control_device *devices, size_t n)
{
	uint8_t bytes[2 + 2 * CONTROL_LEGACY_LIST_MAX] = {CONTROL_LEGACY_LIST};
	size_t len = 2;

	for (size_t i = 0; i < n && len < sizeof(bytes); i++) {
		if (devices[i].bus == 0 || devices[i].bus > UINT8_MAX ||
		    devices[i].address > UINT8_MAX)
			continue;
		bytes[len++] = (uint8_t)devices[i].bus;
		bytes[len++] = (uint8_t)devices[i].address;
	}
	bytes[1] = (uint8_t)(len / 2 - 1);
	control_conn_put(conn, bytes, len);
}

void control_answer_list(struct control_request *req, const struct control_list *list)
{
	struct control_pending *pending = pending_of(req);
	struct control_conn *conn = json_conn(pending);
	struct json_object *answer;

	if (legacy_conn(pending))
		put_legacy_list(legacy_conn(pending), list->devices, list->ndevices);
	if (conn) {
		answer = new_answer(pending->id, true);
		if (!add_devices(answer, list) ||
		    (list->ports && !add_ports(answer, list)) ||
		    (list->vmm &&
		     !control_add(answer, "vmm", control_vmm_to_json(list->vmm))) ||
		    (list->sandbox &&
		     !control_add(answer, "sandbox",
				  control_sandbox_to_json(list->sandbox)))) {
			json_object_put(answer);
			answer = NULL;
		}
		put_answer(conn, pending->id, answer);
	}
	finish(pending);
}

void control_refuse(struct control_request *req, enum control_code code, const char *hint,
		    const char *format, ...)
{
	struct control_pending *pending = pending_of(req);
	struct control_conn *conn = json_conn(pending);
	char text[512];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (legacy_conn(pending))
		put_legacy(legacy_conn(pending), control_code_legacy(code));
	if (conn)
		put_json(conn, new_refusal(pending->id, code, text, hint));
	finish(pending);
}

/* ---- events ---- */

static struct json_object *new_event(enum control_event event,
				     const struct control_device *device,
				     const char *message)
{
	struct json_object *json = NULL;

	if (control_has_memory(CONTROL_ANSWER_MEMORY))
		json = json_object_new_object();
	if (json && control_add_text(json, "event", control_event_name(event)) &&
	    control_add_time(json, "at", time(NULL)) &&
	    (!device || control_add(json, "device", control_device_to_json(device))) &&
	    control_add_text(json, "message", message))
		return json;
	json_object_put(json);
	return NULL;
}

void control_server_event(struct control_server *server, enum control_event event,
			  const struct control_device *device, const char *message)
{
	struct json_object *json = NULL;
	struct list *pos;
	size_t len = 0;
	char *line = NULL;

	LIST_FOREACH(pos, &server->conns) {
		struct control_conn *conn = LIST_ENTRY(pos, struct control_conn, link);

		if (!(conn->events & (1u << event)) || conn->ending)
			continue;
		if (!json) {
			json = new_event(event, device, message);
			line = to_line(json, &len);
		}
		/* Once one is lost, so are those behind it, until that has been told: a
		 * watcher knows what it has not seen. */
		if (!line || conn->lost ||
		    conn->out_end - conn->out_start + len > CONTROL_OUT_MAX) {
			if (!conn->lost)
				log_limited(LOG_LEVEL_WARN,
					    "control: pid %d does not read its events",
					    (int)conn->pid);
			conn->lost++;
			continue;
		}
		control_conn_put(conn, line, len);
	}
	json_object_put(json);
	free(line);
}
