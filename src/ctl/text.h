/* SPDX-License-Identifier: MIT
 * text.h - texts from daemons and devices, made safe for people and terminals
 */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

struct json_object;

/* Ends the program without memory. free() it. */
void *ctl_alloc(size_t bytes);
char *ctl_copy(const char *text);
PRINTF_LIKE(1, 2) char *ctl_format(const char *format, ...);

/**
 * ctl_clean() - copy @text without anything that moves the cursor or is not printable
 * @columns_max: cuts a longer text, with a "~" in place of the rest
 * @ret_columns: of the terminal; NULL = not needed
 *
 * Needs setlocale(): in the locale "C" everything but ASCII becomes '?'.
 * Return: owned by the caller, never NULL.
 */
char *ctl_clean(const char *text, unsigned columns_max, unsigned *ret_columns);
#define CTL_COLUMNS_ANY 2000000u

/* Prints one line on stdout. */
void ctl_print_json(struct json_object *object);

/* Bytes as "512" or "1.5 MiB". Return: owned by the caller. */
char *ctl_bytes_text(int64_t bytes);
/* RFC 3339 in UTC as local time, "2026-01-31 12:34"; another text as it is. Owned by the
 * caller. */
char *ctl_time_text(const char *time);

#endif /* CTL_TEXT_H */
