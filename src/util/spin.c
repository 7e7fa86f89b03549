/* SPDX-License-Identifier: MIT
 * spin.c - whether to poll for a moment before sleeping
 */
#include "util/spin.h"

/* A long gap costs as much as this many short ones earn, and polling needs at least that much
 * credit: for each poll in vain, this many have paid. */
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
