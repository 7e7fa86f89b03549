/* SPDX-License-Identifier: MIT
 * spin.h - whether to poll for a moment before sleeping
 *
 * A VMM that reads a register waits for us and wakes us each time, and a wake-up costs more than
 * the answer. If messages follow each other quickly, polling for the next one pays; if not, it
 * burns a CPU for nothing. So each gap between messages counts: a short one earns credit; a long
 * one, for which polling would have been in vain, costs several times as much. The loop then polls
 * during a stream of requests, but not for a mouse or a keyboard, whose few messages per event are
 * followed by a long pause, and not for an idle guest.
 */
#ifndef UTIL_SPIN_H
#define UTIL_SPIN_H

#include <stdbool.h>
#include <stdint.h>

/* The longest time to poll after the last message. */
#define SPIN_MAX_NS UINT64_C(200000)

/* All zeros is a valid start: not worth it. */
struct spin {
	unsigned credit;
};

/* True if the next message will probably come within SPIN_MAX_NS. */
bool spin_is_worth(const struct spin *spin);
/* @gap_ns: from the end of the work to the next message. */
void spin_learn(struct spin *spin, uint64_t gap_ns);

#endif /* UTIL_SPIN_H */
