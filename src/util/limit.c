/* SPDX-License-Identifier: MIT
 * limit.c - a rate limit for things a guest or client can cause
 */
#include "util/limit.h"

#include <limits.h>

bool limit_pass(struct limit *limit, uint64_t now_ns)
{
	/* Unsigned: a time before the window (another thread's) opens a new one. */
	if (limit->used == 0 || now_ns - limit->window_start_ns >= LIMIT_WINDOW_NS) {
		limit->window_start_ns = now_ns;
		limit->used = 0;
	}
	if (limit->used >= LIMIT_BURST) {
		if (limit->missed < UINT_MAX)
			limit->missed++;
		return false;
	}
	limit->used++;
	return true;
}
