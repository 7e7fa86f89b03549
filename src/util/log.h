/* SPDX-License-Identifier: MIT
 * log.h - log lines on stderr
 *
 * Each call writes one line: time (UTC, microseconds), level, text. Any thread.
 * Code that a guest, client or device can trigger uses log_limited(): each call site writes at
 * most LIMIT_BURST lines per window, then counts the rest.
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <stdbool.h>

#include "util/compiler.h"
#include "util/limit.h"

enum log_level {
	LOG_LEVEL_ERROR, /* something does not work; a person must act */
	LOG_LEVEL_WARN,  /* something odd that we coped with */
	LOG_LEVEL_INFO,  /* life of the daemon: start, client, device */
	LOG_LEVEL_DEBUG, /* commands, state changes */
	LOG_LEVEL_TRACE, /* every transfer */
};

/* Parts of the daemon with a level of their own. LOG_SUBSYSTEM in a layer's meson.build chooses
 * its part. */
enum log_subsystem {
	LOG_SUBSYSTEM_DAEMON, /* and everything that is none of the others */
	LOG_SUBSYSTEM_CONTROL,
	LOG_SUBSYSTEM_RULES,
	LOG_SUBSYSTEM_USBDEV,
	LOG_SUBSYSTEM_VUSER,
	LOG_SUBSYSTEM_XHCI,
};
#define LOG_SUBSYSTEMS 6u

#ifndef LOG_SUBSYSTEM
#define LOG_SUBSYSTEM LOG_SUBSYSTEM_DAEMON
#endif

/* Sets the highest level shown for all parts (default INFO), and whether to use colours. */
void log_init(enum log_level max_level, bool color);

/* Changes the highest level shown, for all parts or one. Any thread. */
void log_set_level(enum log_level max_level);
void log_set_subsystem_level(enum log_subsystem subsystem, enum log_level max_level);

/* "usbdev"... Return: the value, or -ENOENT if there is none of that name. */
MUST_USE int log_subsystem_find(const char *name);
/* The same for "debug"... */
MUST_USE int log_level_find(const char *name);

/* True if lines of @level are shown. */
bool log_is_enabled(enum log_subsystem subsystem, enum log_level level);
#define log_enabled(level) log_is_enabled(LOG_SUBSYSTEM, (level))

/* Use the macros. @limit: NULL for none. */
PRINTF_LIKE(3, 4)
void log_write(enum log_level level, struct limit *limit, const char *format, ...);

#define log_at(level, ...)                                   \
	do {                                                 \
		if (log_enabled(level))                      \
			log_write(level, NULL, __VA_ARGS__); \
	} while (0)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_trace(...) log_at(LOG_LEVEL_TRACE, __VA_ARGS__)

/* For lines that others can trigger: rate-limited per call site. */
#define log_limited(level, ...)                                         \
	do {                                                            \
		static struct limit log_site_limit;                     \
		if (log_enabled(level))                                 \
			log_write(level, &log_site_limit, __VA_ARGS__); \
	} while (0)

#endif /* UTIL_LOG_H */
