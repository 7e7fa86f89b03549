/* SPDX-License-Identifier: MIT
 * spec.h - the text form of a device: NAME[:KEY[=VALUE][,KEY[=VALUE]]...]
 *
 * A backslash quotes the next character, so file names may contain commas: "\,". Spaces count. A
 * text that begins with "/" is a path, whatever it contains, and short for host:path=PATH.
 */
#ifndef UTIL_SPEC_H
#define UTIL_SPEC_H

#include <limits.h>
#include <stdbool.h>

#include "util/compiler.h"
#include "util/err.h"

#define SPEC_KEYS_MAX  16u
#define SPEC_BYTES_MAX (2 * PATH_MAX)

/* @value: NULL for a key without "=" */
struct spec_pair {
	const char *key;
	const char *value;
};

/**
 * struct spec - a parsed spec; all strings are in @text
 */
struct spec {
	const char *name;
	struct spec_pair pairs[SPEC_KEYS_MAX];
	unsigned pair_count;
	char text[SPEC_BYTES_MAX];
};

/* Return: 0, or -EINVAL or -E2BIG with the reason in @err. */
MUST_USE int spec_parse(struct spec *spec, const char *text, struct err *err);

/* -EINVAL with the reason in @err if a key of @spec is not among @known (ends
 * with NULL). */
MUST_USE int spec_check_keys(const struct spec *spec, const char *const known[],
			     struct err *err);

/* The value of @key into *@ret_value, NULL if the key is absent.
 * Return: 0; -EINVAL if the key has no value or an empty one. */
MUST_USE int spec_string(const struct spec *spec, const char *key, const char **ret_value,
			 struct err *err);
/* Whether @spec has @key. Return: 0; -EINVAL if it has a value. */
MUST_USE int spec_flag(const struct spec *spec, const char *key, bool *ret_value,
		       struct err *err);

#endif /* UTIL_SPEC_H */
