/* SPDX-License-Identifier: MIT
 * limit.h - a rate limit for things a guest or client can cause
 */
#ifndef UTIL_LIMIT_H
#define UTIL_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct limit - at most @burst passes in each window of LIMIT_WINDOW_NS
 * @window_start_ns:	when the current window began
 * @used:		passes in this window
 * @missed:		refusals since the last pass; the caller who reports them resets it
 *
 * All zeros is a valid start. If threads share it, a race lets a few more through at worst.
 */
struct limit {
	uint64_t window_start_ns;
	unsigned used;
	unsigned missed;
};

#define LIMIT_WINDOW_NS 5000000000u
#define LIMIT_BURST     10u

/* True if one more may pass at time @now_ns (monotonic). */
bool limit_pass(struct limit *limit, uint64_t now_ns);

#endif /* UTIL_LIMIT_H */
