/* SPDX-License-Identifier: MIT
 * kinds.h - what can be done for long
 */
#ifndef ENDURANCE_KINDS_H
#define ENDURANCE_KINDS_H

#include "tests/endurance/endure.h"

/* What is at least to be done. */
struct endure_amount {
	uint64_t bytes;
	uint64_t pulls;
	unsigned rounds;
};

/* A stick written and read: @amount->bytes. The device is @e->spec, or an image. */
void endure_stick(struct endure *e, const struct endure_amount *amount);
/* Bulk endpoints of the emulated test device: @amount->bytes. */
void endure_bulk(struct endure *e, const struct endure_amount *amount);
/* A device of the host, e->spec, whose bulk IN endpoint never answers, and which the process @program plays: endpoints are stopped
 * @amount->rounds times, and then while that process is stopped, too. */
void endure_stuck(struct endure *e, const struct endure_amount *amount, int program);
/* Devices attached and detached: @amount->rounds. */
void endure_plug(struct endure *e, const struct endure_amount *amount);

#endif /* ENDURANCE_KINDS_H */
