/* SPDX-License-Identifier: MIT
 * err.h - an error with its reason in words, for people
 *
 * Code whose failure a person reads fills one: daemon, rules, control, back ends while they open,
 * and set-up in util, vuser and xhci. All else returns -errno.
 */
#ifndef UTIL_ERR_H
#define UTIL_ERR_H

#include <stdarg.h>
#include <stdio.h>

#include "util/compiler.h"

struct err {
	int code; /* errno, 0 = none */
	char text[256];
};

/* Fills @err (may be NULL) like err_set(), without its result. */
PRINTF_LIKE(3, 4)
static inline void err_fill(struct err *err, int code, const char *format, ...)
{
	va_list ap;

	if (err) {
		err->code = code;
		va_start(ap, format);
		(void)vsnprintf(err->text, sizeof(err->text), format, ap);
		va_end(ap);
	}
}

/* Fills @err (may be NULL) and returns -@code. A macro, because compilers do not look into variadic
 * functions and must see that the result is not 0. */
#define err_set(err, code, ...)                        \
	({                                             \
		int err_code_ = (code);                \
		err_fill(err, err_code_, __VA_ARGS__); \
		-err_code_;                            \
	})

#endif /* UTIL_ERR_H */
