/* SPDX-License-Identifier: MIT
 * err.h - an error with its reason in words, for people
 *
 * Only code that faces a user (options, attach, control) fills one; inner
 * layers return -errno.
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

/* Fills @err (may be NULL) and returns -@code. */
PRINTF_LIKE(3, 4)
static inline int err_set(struct err *err, int code, const char *format, ...)
{
	va_list ap;

	if (err) {
		err->code = code;
		va_start(ap, format);
		(void)vsnprintf(err->text, sizeof(err->text), format, ap);
		va_end(ap);
	}
	return -code;
}

#endif /* UTIL_ERR_H */
