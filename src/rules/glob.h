/* SPDX-License-Identifier: MIT
 * glob.h - shell patterns over texts that nobody vouches for
 *
 * Own, because fnmatch() takes exponential time on some patterns and depends on the
 * locale. '*' any bytes, '?' one byte, "[a-z]" "[!a-z]" one of a set, '\' takes the
 * next as it is. A pattern's time is at most its length times the text's.
 */
#ifndef RULES_GLOB_H
#define RULES_GLOB_H

#include <stdbool.h>

/* Whether @text as a whole is one of the @patterns, which are divided by '|'. An
 * unfinished set is an ordinary '['. */
bool glob_matches(const char *patterns, const char *text);
/* Where the first of several patterns ends: its '|' or the end of the text. */
const char *glob_end(const char *patterns);

#endif /* RULES_GLOB_H */
