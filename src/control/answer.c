/* SPDX-License-Identifier: MIT
 * answer.c - the answers to requests, in the dialect in which they came
 */
#include "control/answer.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/conn.h"
#include "control/json.h"
#include "control/line.h"
#include "control/pending.h"
#include "util/closer.h"

struct control_pending *control_pending_create(struct control_conn *conn)
{
	struct control_pending *pending = calloc(1, sizeof(*pending));

	if (!pending)
		return NULL;
	pending->req.fd = -1;
	pending->req.pid = conn->pid;
	pending->req.uid = conn->uid;
	pending->conn = conn;
	control_conn_begin(conn, pending);
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

/* Takes @answer; NULL: there was no memory for it. */
static void put_json(struct control_conn *conn, struct json_object *answer)
{
	size_t len = 0;
	char *line = control_to_line(answer, &len);

	json_object_put(answer);
	if (!line) {
		/* else the client would wait for ever */
		control_conn_break(conn);
		return;
	}
	control_conn_put(conn, line, len);
	free(line);
}

/* Takes @answer; refuses instead if it is larger than clients expect. */
static void put_answer(struct control_conn *conn, struct json_object *id,
		       struct json_object *answer)
{
	if (control_line_bytes(answer) >= CONTROL_ANSWER_MAX) {
		json_object_put(answer);
		answer = control_new_error(id, CONTROL_CODE_TOO_LARGE,
					   "the answer is too large", NULL);
	}
	put_json(conn, answer);
}

void control_complain(struct control_conn *conn, enum control_code code, const char *text)
{
	if (conn->dialect == CONTROL_DIALECT_LEGACY)
		put_legacy(conn, control_code_legacy(code));
	else
		put_json(conn, control_new_error(NULL, code, text, NULL));
}

/* ---- for owners ---- */

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
		answer = control_new_answer(pending->id, true);
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
		answer = control_new_answer(pending->id, true);
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
		answer = control_new_answer(pending->id, true);
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
		put_json(conn, control_new_error(pending->id, code, text, hint));
	finish(pending);
}

void control_answer_hello(struct control_pending *pending)
{
	struct json_object *result = control_new_hello(pending->conn->options->daemon);

	if (result)
		control_answer(&pending->req, result);
	else
		control_refuse(&pending->req, CONTROL_CODE_INTERNAL, NULL,
			       "out of memory");
}
