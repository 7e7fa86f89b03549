/* SPDX-License-Identifier: MIT
 * json.c - building JSON objects without losing sight of memory, and reading them
 */
#include "control/json.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Bytes of a text shown at most; strings of devices are shorter. */
#define TEXT_BYTES_MAX 4096u

/* Bytes of the well-formed UTF-8 sequence at @s, which has @left bytes; 0 if there is
 * none (RFC 3629: no surrogates, nothing longer than need be). */
static size_t utf8_sequence(const unsigned char *s, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (left < len || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

struct json_object *control_text_to_json(const char *text)
{
	size_t len = strnlen(text, TEXT_BYTES_MAX);
	struct json_object *json;
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	for (size_t i = 0; i < len;) {
		size_t step = utf8_sequence((const unsigned char *)copy + i, len - i);

		if (!step)
			copy[i] = '?';
		i += step ? step : 1;
	}
	json = json_object_new_string_len(copy, (int)len);
	free(copy);
	return json;
}

bool control_has_memory(size_t bytes)
{
	/* volatile: or the compiler does away with both calls */
	void *volatile memory = malloc(bytes);

	free(memory);
	return memory;
}

bool control_add(struct json_object *object, const char *key, struct json_object *value)
{
	if (object && value && json_object_object_add(object, key, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

bool control_append(struct json_object *array, struct json_object *value)
{
	if (array && value && json_object_array_add(array, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

bool control_add_text(struct json_object *object, const char *key, const char *text)
{
	return !text || control_add(object, key, control_text_to_json(text));
}

bool control_add_time(struct json_object *object, const char *key, int64_t seconds)
{
	time_t time = (time_t)seconds;
	char text[40];
	struct tm tm;

	if (!gmtime_r(&time, &tm) || !strftime(text, sizeof(text), "%FT%TZ", &tm))
		return true;
	return control_add_text(object, key, text);
}

/* ---- reading ---- */

static struct json_object *member(struct json_object *object, const char *key,
				  enum json_type type)
{
	struct json_object *value;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, type))
		return NULL;
	return value;
}

const char *control_get_text(struct json_object *object, const char *key)
{
	struct json_object *value = member(object, key, json_type_string);

	return value ? json_object_get_string(value) : NULL;
}

bool control_get_number(struct json_object *object, const char *key, int64_t *ret_number)
{
	struct json_object *value = member(object, key, json_type_int);

	if (value)
		*ret_number = json_object_get_int64(value);
	return value;
}

struct json_object *control_get_array(struct json_object *object, const char *key)
{
	return member(object, key, json_type_array);
}

struct json_object *control_get_object(struct json_object *object, const char *key)
{
	return member(object, key, json_type_object);
}
