/* SPDX-License-Identifier: MIT
 * glob.c - shell patterns over untrusted texts
 *
 * When text and pattern disagree, only the last '*' takes one more byte. An earlier one
 * need not: the part between them has already matched as far to the left as it can. So
 * there is no recursion.
 */
#include "rules/glob.h"

#include <stddef.h>
#include <string.h>

/* The end of the set that begins at @at, behind its ']'; NULL if it has none. */
static const char *set_end(const char *at, const char *end)
{
	at++;
	if (at < end && *at == '!')
		at++;
	/* a ']' at the start belongs to the set */
	if (at < end && *at == ']')
		at++;
	while (at < end && *at != ']')
		at++;
	return at < end ? at + 1 : NULL;
}

/* Whether @byte is one of the set from @at to @set_end. */
static bool in_set(const char *at, const char *set_end, unsigned char byte)
{
	bool found = false;
	bool negated;

	at++;
	negated = *at == '!';
	if (negated)
		at++;
	for (; at < set_end - 1; at++) {
		unsigned char from = (unsigned char)*at;
		unsigned char to = from;

		if (at[1] == '-' && at + 2 < set_end - 1) {
			to = (unsigned char)at[2];
			at += 2;
		}
		if (byte >= from && byte <= to)
			found = true;
	}
	return found != negated;
}

/* Whether @byte matches the pattern at @at; then @ret_next is the rest of the pattern. */
static bool one_matches(const char *at, const char *end, char byte, const char **ret_next)
{
	const char *behind;

	if (at == end)
		return false;
	*ret_next = at + 1;
	if (*at == '?')
		return true;
	if (*at == '\\' && at + 1 < end) {
		*ret_next = at + 2;
		return at[1] == byte;
	}
	behind = *at == '[' ? set_end(at, end) : NULL;
	if (!behind)
		return *at == byte;
	*ret_next = behind;
	return in_set(at, behind, (unsigned char)byte);
}

static bool matches(const char *at, const char *end, const char *text)
{
	const char *star = NULL; /* behind the last one */
	const char *star_text = NULL;
	const char *next;

	while (*text != '\0') {
		if (at < end && *at == '*') {
			star = ++at;
			star_text = text;
		} else if (one_matches(at, end, *text, &next)) {
			at = next;
			text++;
		} else if (star) {
			at = star;
			text = ++star_text;
		} else {
			return false;
		}
	}
	while (at < end && *at == '*')
		at++;
	return at == end;
}

const char *glob_end(const char *pattern)
{
	while (*pattern != '\0' && *pattern != '|') {
		if (*pattern == '\\' && pattern[1] != '\0')
			pattern++;
		pattern++;
	}
	return pattern;
}

bool glob_matches(const char *patterns, const char *text)
{
	for (;;) {
		const char *end = glob_end(patterns);

		if (matches(patterns, end, text))
			return true;
		if (*end == '\0')
			return false;
		patterns = end + 1;
	}
}
