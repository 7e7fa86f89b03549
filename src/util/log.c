/* SPDX-License-Identifier: MIT
 * log.c - log lines on stderr
 *
 * A line is built on the stack and leaves whole, by the writer's thread or, without one, by a
 * single write(), so lines of several threads never mix. Lines contain names of devices and files
 * and text of clients: bytes that could move a terminal's cursor or fake a second line become \n,
 * \x1b and so on; valid UTF-8 stays readable.
 */
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log_writer.h"

/* bytes of one line, its newline included */
#define LOG_LINE_MAX 1024u
/* room for "..." and " (4294967295 more like this suppressed)" */
#define LOG_TAIL_MAX 64u

/* @shown: in lines */
static const struct {
	const char *name;
	const char *shown;
	const char *color;
} log_levels[] = {
	[LOG_LEVEL_ERROR] = {"error", "ERROR", "\x1b[31m"},
	[LOG_LEVEL_WARN] = {"warn", " WARN", "\x1b[33m"},
	[LOG_LEVEL_INFO] = {"info", " INFO", "\x1b[32m"},
	[LOG_LEVEL_DEBUG] = {"debug", "DEBUG", "\x1b[34m"},
	[LOG_LEVEL_TRACE] = {"trace", "TRACE", "\x1b[35m"},
};

static const char *const log_subsystems[LOG_SUBSYSTEMS] = {
	[LOG_SUBSYSTEM_DAEMON] = "daemon", [LOG_SUBSYSTEM_CONTROL] = "control",
	[LOG_SUBSYSTEM_RULES] = "rules",   [LOG_SUBSYSTEM_USBDEV] = "usbdev",
	[LOG_SUBSYSTEM_VUSER] = "vuser",   [LOG_SUBSYSTEM_XHCI] = "xhci",
};

static atomic_int log_max_levels[LOG_SUBSYSTEMS] = {
	LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO,
	LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO,
};
static atomic_bool log_color;

void log_init(enum log_level max_level, bool color)
{
	log_set_level(max_level);
	atomic_store_explicit(&log_color, color, memory_order_relaxed);
}

void log_set_level(enum log_level max_level)
{
	for (unsigned i = 0; i < LOG_SUBSYSTEMS; i++)
		log_set_subsystem_level((enum log_subsystem)i, max_level);
}

void log_set_subsystem_level(enum log_subsystem subsystem, enum log_level max_level)
{
	atomic_store_explicit(&log_max_levels[subsystem], (int)max_level,
			      memory_order_relaxed);
}

int log_subsystem_find(const char *name)
{
	for (unsigned i = 0; i < LOG_SUBSYSTEMS; i++) {
		if (strcmp(log_subsystems[i], name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

int log_level_find(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(log_levels); i++) {
		if (strcmp(log_levels[i].name, name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

bool log_is_enabled(enum log_subsystem subsystem, enum log_level level)
{
	return (int)level <=
	       atomic_load_explicit(&log_max_levels[subsystem], memory_order_relaxed);
}

/*
 * Bytes of the printable UTF-8 sequence beyond ASCII at @s, 0 if it is none.
 * C1 controls (U+0080 to U+009F) are not printable. @s ends with a NUL.
 */
static size_t utf8_printable(const unsigned char *s)
{
	static const uint32_t smallest[] = {0, 0, 0xa0, 0x800, 0x10000};
	uint32_t code;
	size_t len;

	if ((s[0] & 0xe0) == 0xc0)
		len = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3;
	else if ((s[0] & 0xf8) == 0xf0)
		len = 4;
	else
		return 0;

	code = s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < smallest[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return len;
}

/* Writes the next character of *@text to @out (at least 5 bytes), escaped if necessary, and moves
 * *@text past it. Return: bytes written. */
static size_t escape_one(const unsigned char **text, char *out)
{
	static const char controls[] = "\n\r\t", letters[] = "nrt";
	const unsigned char *s = *text;
	const char *short_form;
	size_t len = 1;

	if (s[0] >= 0x80)
		len = utf8_printable(s);
	else if (s[0] < 0x20 || s[0] == 0x7f)
		len = 0;
	if (len) {
		memcpy(out, s, len);
		*text += len;
		return len;
	}

	*text += 1;
	short_form = strchr(controls, s[0]);
	if (short_form) {
		out[0] = '\\';
		out[1] = letters[short_form - controls];
		return 2;
	}
	(void)snprintf(out, 5, "\\x%02x", s[0]);
	return 4;
}

/* "TIME LEVEL " at @line. Return: its length. */
static size_t put_head(char *line, size_t size, enum log_level level)
{
	bool color = atomic_load_explicit(&log_color, memory_order_relaxed);
	struct timespec now = {0};
	char stamp[32];
	struct tm tm;
	int len;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (!gmtime_r(&now.tv_sec, &tm) || !strftime(stamp, sizeof(stamp), "%FT%T", &tm))
		stamp[0] = '\0';
	len = snprintf(line, size, "%s%s.%06ldZ%s %s%s%s ", color ? "\x1b[2m" : "", stamp,
		       now.tv_nsec / 1000, color ? "\x1b[0m" : "",
		       color ? log_levels[level].color : "", log_levels[level].shown,
		       color ? "\x1b[0m" : "");
	return len > 0 ? (size_t)len : 0;
}

/* Writes one line. Without a writer it waits while stderr is full. */
static void emit(const char *line, size_t len)
{
	if (log_writer_put(line, len))
		return;
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
}

void log_write(enum log_level level, struct limit *limit, const char *format, ...)
{
	char text[LOG_LINE_MAX], line[LOG_LINE_MAX];
	const unsigned char *from = (const unsigned char *)text;
	int saved_errno = errno;
	unsigned missed = 0;
	size_t len;
	va_list ap;

	if (limit) {
		if (!limit_pass(limit, clock_now_ns()))
			return;
		missed = limit->missed;
		limit->missed = 0;
	}

	va_start(ap, format);
	if (vsnprintf(text, sizeof(text), format, ap) < 0)
		(void)snprintf(text, sizeof(text), "(log text cannot be formatted)");
	va_end(ap);

	len = put_head(line, sizeof(line), level);
	while (*from && len < sizeof(line) - LOG_TAIL_MAX)
		len += escape_one(&from, line + len);
	if (*from)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "...");
	if (missed)
		len += (size_t)snprintf(line + len, sizeof(line) - len,
					" (%u more like this suppressed)", missed);
	line[len++] = '\n';
	emit(line, len);
	errno = saved_errno;
}
