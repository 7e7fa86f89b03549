/* SPDX-License-Identifier: MIT
 * records.h - inputs that are a sequence of small records, and how they are mutated
 *
 * A target whose input is a program of operations takes one record for each. Whatever is in
 * a record means something: a target takes numbers modulo what there is. So records can be
 * put in, taken out, moved and changed one by one, which records.c does in the place of
 * libFuzzer's own mutations of bytes.
 */
#ifndef TESTS_FUZZ_RECORDS_H
#define TESTS_FUZZ_RECORDS_H

#include "fuzz.h"

#define RECORD_BYTES 8u

/**
 * struct record - one operation
 * @op:		which, modulo what the target has
 * @a, @b, @c, @arg: its arguments
 */
struct record {
	uint8_t op;
	uint8_t a;
	uint8_t b;
	uint8_t c;
	uint32_t arg;
};

/* False at the end. What is missing of the last one is 0. */
bool take_record(struct input *in, struct record *ret_rec);

/* True in libFuzzer, false in the replay, where all must go the same way each time. */
bool records_are_fuzzed(void);

#endif /* TESTS_FUZZ_RECORDS_H */
