/* SPDX-License-Identifier: MIT
 * fake_time.h - time that passes when a fuzz target says so
 *
 * Stands in for clock_now_ns() and the timers of the loop, in all that is linked with
 * --wrap of them (meson.build).
 */
#ifndef TESTS_FUZZ_FAKE_TIME_H
#define TESTS_FUZZ_FAKE_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* Once. @now_ns (borrowed) is the time; only who owns it changes it. */
void fake_time_set_up(const uint64_t *now_ns);
/* Calls the timers that are due, each once at most, so that this ends. */
void fake_time_run(void);
/* True if no timer is left. */
bool fake_time_is_idle(void);

#endif /* TESTS_FUZZ_FAKE_TIME_H */
