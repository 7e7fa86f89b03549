/* SPDX-License-Identifier: MIT
 * spin.c - whether to look again for a moment before going to sleep
 */
#include "util/spin.h"

/* A gap that was too long costs what so many short ones earn, and less credit
 * than that is none: for each poll in vain so many have paid. */
#define SPIN_LOSS       8u
#define SPIN_CREDIT_MAX 16u

bool spin_is_worth(const struct spin *spin)
{
	return spin->credit >= SPIN_LOSS;
}

void spin_learn(struct spin *spin, uint64_t gap_ns)
{
	if (gap_ns > SPIN_MAX_NS)
		spin->credit = spin->credit > SPIN_LOSS ? spin->credit - SPIN_LOSS : 0;
	else if (spin->credit < SPIN_CREDIT_MAX)
		spin->credit++;
}
