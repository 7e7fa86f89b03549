/* SPDX-License-Identifier: MIT
 * compiler.h - attributes, scope clean-up and small macros
 */
#ifndef UTIL_COMPILER_H
#define UTIL_COMPILER_H

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define MUST_USE                      __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a)             __attribute__((format(printf, f, a)))
#define ARRAY_SIZE(a)                 (sizeof(a) / sizeof((a)[0]))
#define MIN_OF(a, b)                  ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b)                  ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

/* For a large local on the path of every transfer: keeps -ftrivial-auto-var-init from zeroing it.
 * Only for a buffer that a call fills and whose result says how much of it. */
#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define UNINITIALIZED __attribute__((uninitialized))
#endif
#endif
#ifndef UNINITIALIZED
#define UNINITIALIZED
#endif

static inline void cleanup_free_p(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close_p(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* free() the pointer at the end of its scope */
#define _cleanup_free_ __attribute__((cleanup(cleanup_free_p)))
/* close() the fd at the end of its scope, if it is not -1 */
#define _cleanup_close_ __attribute__((cleanup(cleanup_close_p)))

#endif /* UTIL_COMPILER_H */
