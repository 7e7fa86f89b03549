/* SPDX-License-Identifier: MIT
 * fake_time.h - time that passes only when a fuzz target advances it
 *
 * Replaces clock_now_ns() and the timers of the loop in programs that are linked with --wrap for
 * them (meson.build).
 */
#ifndef TESTS_FUZZ_FAKE_TIME_H
#define TESTS_FUZZ_FAKE_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* Call once. @now_ns (borrowed) is the time; its owner advances it. */
void fake_time_set_up(const uint64_t *now_ns);
/* Calls the timers that are due, each at most once, so that this ends. */
void fake_time_run(void);
/* True if no timer is left. */
bool fake_time_is_idle(void);

#endif /* TESTS_FUZZ_FAKE_TIME_H */
