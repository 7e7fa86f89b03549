/* SPDX-License-Identifier: MIT
 * glob.h - shell patterns over untrusted texts
 *
 * fnmatch() takes exponential time on some patterns and depends on the locale, so we have
 * our own. '*' any bytes, '?' one byte, "[a-z]" "[!a-z]" one of a set, '\' takes the
 * next byte as it is. The time is at most the pattern's length times the text's.
 */
#ifndef RULES_GLOB_H
#define RULES_GLOB_H

#include <stdbool.h>

/* Whether the whole @text matches one of the @patterns, which have '|' between them. A '['
 * without a ']' is an ordinary character. */
bool glob_matches(const char *patterns, const char *text);
/* Where the first of several patterns ends: its '|' or the end of the text. */
const char *glob_end(const char *patterns);

#endif /* RULES_GLOB_H */
