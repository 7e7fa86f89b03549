/* SPDX-License-Identifier: MIT
 * spin.h - whether to look again for a moment before going to sleep
 *
 * A VMM that reads a register waits for us, and wakes us for every one: a
 * wake-up costs more than the answer. When messages come in quick succession it
 * pays to poll for the next one; when they do not, polling burns a CPU for
 * nothing. So each gap between messages is judged: a short one earns credit, a
 * long one, which polling would have waited out in vain, costs several times
 * as much. A stream of requests is polled for; a mouse or a keyboard, whose few
 * messages per event are followed by a long pause, is not; nor is an idle guest.
 */
#ifndef UTIL_SPIN_H
#define UTIL_SPIN_H

#include <stdbool.h>
#include <stdint.h>

/* How long polling goes on at most after the last message. */
#define SPIN_MAX_NS UINT64_C(200000)

/* All zeros is a valid start: not worth it. */
struct spin {
	unsigned credit;
};

/* True if polling is likely to be over within SPIN_MAX_NS. */
bool spin_is_worth(const struct spin *spin);
/* @gap_ns lay between the end of the work and the next message. */
void spin_learn(struct spin *spin, uint64_t gap_ns);

#endif /* UTIL_SPIN_H */
