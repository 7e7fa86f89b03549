/* SPDX-License-Identifier: MIT
 * spec.c - the text form of a device: NAME[:KEY[=VALUE][,KEY[=VALUE]]...]
 */
#include "util/spec.h"

#include <errno.h>
#include <string.h>

/* Ends the string at @from at the first of @stops that no backslash quotes, and removes the
 * backslashes. Return: the stop found ('\0' at the end); @ret_rest is the text behind it. */
static char cut(char *from, const char *stops, char **ret_rest)
{
	char *to = from;
	char stop;

	while (*from != '\0' && !strchr(stops, *from)) {
		if (*from == '\\' && from[1] != '\0')
			from++;
		*to++ = *from++;
	}
	stop = *from;
	*ret_rest = stop == '\0' ? from : from + 1;
	*to = '\0';
	return stop;
}

static const struct spec_pair *find(const struct spec *spec, const char *key)
{
	for (unsigned i = 0; i < spec->pair_count; i++) {
		if (strcmp(spec->pairs[i].key, key) == 0)
			return &spec->pairs[i];
	}
	return NULL;
}

static int add_pair(struct spec *spec, const char *key, const char *value,
		    struct err *err)
{
	if (key[0] == '\0')
		return err_set(err, EINVAL,
			       "%s: a name is missing before \"=\" or between commas",
			       spec->name);
	if (find(spec, key))
		return err_set(err, EINVAL, "%s: %s is given twice", spec->name, key);
	if (spec->pair_count == SPEC_KEYS_MAX)
		return err_set(err, E2BIG, "%s: more than %u settings", spec->name,
			       SPEC_KEYS_MAX);
	spec->pairs[spec->pair_count++] = (struct spec_pair){.key = key, .value = value};
	return 0;
}

int spec_parse(struct spec *spec, const char *text, struct err *err)
{
	size_t len = strlen(text);
	char *at = spec->text;
	char stop;

	spec->pair_count = 0;
	if (len >= sizeof(spec->text))
		return err_set(err, E2BIG, "device description of more than %zu bytes",
			       sizeof(spec->text) - 1);
	memcpy(at, text, len + 1);
	if (at[0] == '/') {
		spec->name = "host";
		return add_pair(spec, "path", at, err);
	}
	spec->name = at;
	stop = cut(at, ":", &at);
	if (spec->name[0] == '\0')
		return err_set(err, EINVAL, "empty device description");
	while (stop != '\0') {
		const char *key = at;
		const char *value = NULL;
		int r;

		stop = cut(at, "=,", &at);
		if (stop == '=') {
			value = at;
			stop = cut(at, ",", &at);
		}
		r = add_pair(spec, key, value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int spec_check_keys(const struct spec *spec, const char *const known[], struct err *err)
{
	for (unsigned i = 0; i < spec->pair_count; i++) {
		unsigned k = 0;

		while (known[k] && strcmp(known[k], spec->pairs[i].key) != 0)
			k++;
		if (!known[k])
			return err_set(err, EINVAL, "%s: unknown setting \"%s\"",
				       spec->name, spec->pairs[i].key);
	}
	return 0;
}

int spec_string(const struct spec *spec, const char *key, const char **ret_value,
		struct err *err)
{
	const struct spec_pair *pair = find(spec, key);

	*ret_value = pair ? pair->value : NULL;
	if (pair && (!pair->value || pair->value[0] == '\0'))
		return err_set(err, EINVAL, "%s: %s needs a value: %s=...", spec->name,
			       key, key);
	return 0;
}

int spec_flag(const struct spec *spec, const char *key, bool *ret_value, struct err *err)
{
	const struct spec_pair *pair = find(spec, key);

	*ret_value = pair != NULL;
	if (pair && pair->value)
		return err_set(err, EINVAL, "%s: %s takes no value", spec->name, key);
	return 0;
}
