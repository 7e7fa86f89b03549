/* SPDX-License-Identifier: MIT
 * log.h - log lines on stderr
 *
 * One line per call: time (UTC, microseconds), level, text. Any thread.
 * Whatever a guest, client or device can cause uses the _limited forms: per
 * call site at most LIMIT_BURST lines per window, then a count of the rest.
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

/* Parts of the daemon that have a level each. A layer's meson.build says which is its own
 * by LOG_SUBSYSTEM. */
enum log_subsystem {
	LOG_SUBSYSTEM_DAEMON, /* and all that is none of the others */
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

/* Sets the highest level shown (default INFO) of all, and whether to colour. */
void log_init(enum log_level max_level, bool color);

/* Another highest level, of all or one. Any thread. */
void log_set_level(enum log_level max_level);
void log_set_subsystem_level(enum log_subsystem subsystem, enum log_level max_level);

/* "usbdev"... Return: the value, or -ENOENT if there is none of that name. */
MUST_USE int log_subsystem_find(const char *name);
/* "debug"..., likewise. */
MUST_USE int log_level_find(const char *name);

/* True if lines of @level are shown. */
bool log_is_enabled(enum log_subsystem subsystem, enum log_level level);
#define log_enabled(level) log_is_enabled(LOG_SUBSYSTEM, (level))

/* Use the macros. A NULL @limit means none. */
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

/* For what others can cause: rate-limited per call site. */
#define log_limited(level, ...)                                         \
	do {                                                            \
		static struct limit log_site_limit;                     \
		if (log_enabled(level))                                 \
			log_write(level, &log_site_limit, __VA_ARGS__); \
	} while (0)

#endif /* UTIL_LOG_H */
