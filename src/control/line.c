/* SPDX-License-Identifier: MIT
 * line.c - answers, errors and events as JSON, and as lines of text
 */
#include "control/line.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/device.h"
#include "control/json.h"
#include "util/self.h"

#define PRINTED (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

struct json_object *control_new_answer(struct json_object *id, bool ok)
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

struct json_object *control_new_error(struct json_object *id, enum control_code code,
				      const char *text, const char *hint)
{
	struct json_object *answer = control_new_answer(id, false);
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

struct json_object *control_new_hello(const char *daemon)
{
	struct json_object *json = json_object_new_object();

	if (json && control_add(json, "version", json_object_new_int(CONTROL_VERSION)) &&
	    control_add_text(json, "daemon", daemon) &&
	    control_add(json, "pid", json_object_new_int(self_pid())))
		return json;
	json_object_put(json);
	return NULL;
}

struct json_object *control_new_event(enum control_event event,
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

char *control_to_line(struct json_object *json, size_t *ret_len)
{
	const char *text;
	char *line;
	size_t len;

	if (!json)
		return NULL;
	text = json_object_to_json_string_length(json, PRINTED, &len);
	line = text ? malloc(len + 2) : NULL;
	if (!line)
		return NULL;
	memcpy(line, text, len);
	line[len] = '\n';
	line[len + 1] = '\0';
	*ret_len = len + 1;
	return line;
}

size_t control_line_bytes(struct json_object *json)
{
	size_t len = 0;

	if (json)
		(void)json_object_to_json_string_length(json, PRINTED, &len);
	return len;
}

char *control_error_line(enum control_code code, const char *text)
{
	struct json_object *json = control_new_error(NULL, code, text, NULL);
	size_t len;
	char *line = control_to_line(json, &len);

	json_object_put(json);
	return line;
}
