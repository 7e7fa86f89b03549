/* SPDX-License-Identifier: MIT
 * line.h - answers, errors and events as JSON, and as lines of text
 *
 * All return owned; NULL without memory.
 */
#ifndef CONTROL_LINE_H
#define CONTROL_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "control/protocol.h"

struct control_device;
struct json_object;

/* {"ok": @ok, "id": @id}, to be filled further. @id: borrowed, NULL = none. */
struct json_object *control_new_answer(struct json_object *id, bool ok);
/* @hint: NULL = none. */
struct json_object *control_new_error(struct json_object *id, enum control_code code,
				      const char *text, const char *hint);
struct json_object *control_new_hello(const char *daemon);
/* @device, @message: NULL = none. */
struct json_object *control_new_event(enum control_event event,
				      const struct control_device *device,
				      const char *message);

/* @json with its newline; NULL also if @json is. */
char *control_to_line(struct json_object *json, size_t *ret_len);
/* Bytes of that line without its newline. */
size_t control_line_bytes(struct json_object *json);
/* An error with no request as a line. */
char *control_error_line(enum control_code code, const char *text);

#endif /* CONTROL_LINE_H */
