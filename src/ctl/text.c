/* SPDX-License-Identifier: MIT
 * text.c - texts from daemons and devices, made safe for people and terminals
 */
#include "ctl/text.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

#include "ctl/ctl.h"

void *ctl_alloc(size_t bytes)
{
	void *memory = calloc(1, bytes);

	if (!memory) {
		(void)fputs("usbvfioctl: out of memory\n", stderr);
		exit(CTL_STATUS_FAILED);
	}
	return memory;
}

char *ctl_copy(const char *text)
{
	size_t len = strlen(text);

	return memcpy(ctl_alloc(len + 1), text, len);
}

char *ctl_format(const char *format, ...)
{
	char *text = NULL;
	va_list ap;
	int len;

	va_start(ap, format);
	len = vasprintf(&text, format, ap);
	va_end(ap);
	return len < 0 ? ctl_alloc(1) : text;
}

/* ---- clean ---- */

/* The character at @text, which has @len bytes. Return: how many bytes the character has;
 * *@ret_width is 0 if it is not printable. That includes characters that combine with the
 * one before, change the direction of writing or take no room: with them one text can look
 * like another. */
static size_t next_char(const char *text, size_t len, unsigned *ret_width)
{
	mbstate_t state = {0};
	wchar_t wide;
	size_t n = mbrtowc(&wide, text, len, &state);
	int width;

	*ret_width = 0;
	if (n == 0 || n > len)
		return 1;
	width = iswprint((wint_t)wide) ? wcwidth(wide) : 0;
	if (width > 0)
		*ret_width = (unsigned)width;
	return n;
}

char *ctl_clean(const char *text, unsigned columns_max, unsigned *ret_columns)
{
	size_t len = strlen(text), at = 0, out = 0;
	char *clean = ctl_alloc(len + 2);
	unsigned columns = 0;

	while (at < len) {
		unsigned width;
		size_t n = next_char(text + at, len - at, &width);

		if (columns + MAX_OF(width, 1u) > columns_max) {
			clean[out] = '~';
			columns++;
			break;
		}
		if (width) {
			memcpy(clean + out, text + at, n);
			out += n;
			columns += width;
		} else {
			clean[out++] = '?';
			columns++;
		}
		at += n;
	}
	if (ret_columns)
		*ret_columns = columns;
	return clean;
}

/* ---- output ---- */

void ctl_print_json(struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	(void)puts(text ? text : "{}");
}

/* ---- numbers and times ---- */

char *ctl_bytes_text(int64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double amount = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024)
		return ctl_format("%lld", (long long)bytes);
	for (amount /= 1024; amount >= 1024 && unit < ARRAY_SIZE(units) - 1; unit++)
		amount /= 1024;
	return ctl_format("%.1f %s", amount, units[unit]);
}

char *ctl_time_text(const char *time)
{
	struct tm utc = {0}, here;
	const char *end = strptime(time, "%Y-%m-%dT%H:%M:%SZ", &utc);
	time_t seconds = end && *end == '\0' ? timegm(&utc) : -1;
	char text[64];

	if (seconds < 0 || !localtime_r(&seconds, &here) ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &here) == 0)
		return ctl_copy(time);
	return ctl_copy(text);
}
