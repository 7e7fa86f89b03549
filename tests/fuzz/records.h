/* SPDX-License-Identifier: MIT
 * records.h - inputs that are a sequence of small records, and their mutation
 *
 * A target whose input is a program of operations reads one record for each. Every content of a
 * record means something, because targets use numbers modulo the count of what they choose. So
 * records.c can insert, remove, move and change single records, which replaces libFuzzer's own
 * mutations of bytes.
 */
#ifndef TESTS_FUZZ_RECORDS_H
#define TESTS_FUZZ_RECORDS_H

#include "fuzz.h"

#define RECORD_BYTES 8u

/**
 * struct record - one operation
 * @op:		which one, modulo the number of the target's operations
 * @a, @b, @c, @arg: its arguments
 */
struct record {
	uint8_t op;
	uint8_t a;
	uint8_t b;
	uint8_t c;
	uint32_t arg;
};

/* Return: false at the end. Missing bytes of the last record are 0. */
bool take_record(struct input *in, struct record *ret_rec);

/* True in libFuzzer, false in the replay, which must run the same way each time. */
bool records_are_fuzzed(void);

#endif /* TESTS_FUZZ_RECORDS_H */
