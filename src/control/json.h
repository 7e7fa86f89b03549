/* SPDX-License-Identifier: MIT
 * json.h - building JSON objects without losing sight of memory, and reading them
 *
 * Each that adds returns false without memory, and frees the value. @object:
 * may be NULL, as json_object_new_object() without memory.
 */
#ifndef CONTROL_JSON_H
#define CONTROL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

/* For an answer or event; see control_has_memory(). */
#define CONTROL_ANSWER_MEMORY (256u << 10)

/* Whether there are @bytes of memory. json-c checks its allocations in places only: without
 * memory for a key it crashes. So callers check before, generously. */
bool control_has_memory(size_t bytes);

/* A string of any bytes, as JSON can hold it. Return: owned; NULL without memory. */
struct json_object *control_text_to_json(const char *text);
/* @value is taken; NULL counts as missing memory. */
bool control_add(struct json_object *object, const char *key, struct json_object *value);
/* The same, at the end of an array. */
bool control_append(struct json_object *array, struct json_object *value);
/* Adds nothing for NULL. */
bool control_add_text(struct json_object *object, const char *key, const char *text);
/* RFC 3339, UTC, to the second. Adds nothing for an invalid time. */
bool control_add_time(struct json_object *object, const char *key, int64_t seconds);

/* ---- reading ---- */

/* The member @key of @object, NULL if it is no string. Borrowed. */
const char *control_get_text(struct json_object *object, const char *key);
/* Return: false if it is no number. */
bool control_get_number(struct json_object *object, const char *key, int64_t *ret_number);
/* The member @key of @object, NULL if it is no array or object. Borrowed. */
struct json_object *control_get_array(struct json_object *object, const char *key);
struct json_object *control_get_object(struct json_object *object, const char *key);

#endif /* CONTROL_JSON_H */
