/* SPDX-License-Identifier: MIT
 * clock.h - the monotonic clock
 */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC in ns. Any thread. */
uint64_t clock_now_ns(void);

#endif /* UTIL_CLOCK_H */
