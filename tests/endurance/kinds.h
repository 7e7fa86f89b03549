/* SPDX-License-Identifier: MIT
 * kinds.h - the kinds of endurance runs
 */
#ifndef ENDURANCE_KINDS_H
#define ENDURANCE_KINDS_H

#include "tests/endurance/endure.h"

/* Minimum amount of work. */
struct endure_amount {
	uint64_t bytes;
	uint64_t pulls;
	unsigned rounds;
};

/* Writes and reads @amount->bytes on a stick: @e->spec, or an image. */
void endure_stick(struct endure *e, const struct endure_amount *amount);
/* Moves @amount->bytes through the bulk endpoints of the emulated test device. */
void endure_bulk(struct endure *e, const struct endure_amount *amount);
/* A host device, @e->spec, whose bulk IN endpoint never answers; the process @program (0:
 * none) plays it. Stops the endpoint @amount->rounds times, then again while that process
 * is stopped. */
void endure_stuck(struct endure *e, const struct endure_amount *amount, int program);
/* Attaches and detaches devices, @amount->rounds times. */
void endure_plug(struct endure *e, const struct endure_amount *amount);

#endif /* ENDURANCE_KINDS_H */
