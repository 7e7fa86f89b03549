/* SPDX-License-Identifier: MIT
 * fuzz.h - what all fuzz targets share: their input, checks and limit of time
 *
 * A target defines fuzz_set_up() and fuzz_one() and includes this file; fuzz.c has the entry
 * that libFuzzer and the replay call. An input is a finding too if it takes long: each time
 * that it runs, it takes over 100 ms of this thread's CPU time; or once over 2 s of it; or it
 * blocks for 20 s. USBVFIOD_FUZZ_SLOW=N in the environment allows N times as much.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(cond)                                                                \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                   \
		}                                                                  \
	} while (0)

struct input {
	const uint8_t *at;
	size_t left;
};

/* What each target has: what it makes once, before the first input (may set the switch
 * below); and the run of one input, which leaves nothing behind: it may run again. */
void fuzz_set_up(void);
void fuzz_one(struct input *in);

/* Each input must leave as many fds open as it found. Off at first: counting costs 20 us. */
extern bool fuzz_counts_fds;

/* Ends, by a thread, what an input may be stuck in. NULL at first. */
extern void (*fuzz_unstick)(void);

/* The loop of all inputs, for targets that need one. */
extern struct loop *fuzz_loop;
/* Turns of it that wait for nothing. */
void fuzz_run(unsigned turns);

/* Little-endian numbers; what is missing at the end is 0. */
uint8_t take_u8(struct input *in);
uint16_t take_u16(struct input *in);
uint32_t take_u32(struct input *in);
/* @bytes 0 to 8 */
uint64_t take_uint(struct input *in, unsigned bytes);
/* Up to @len bytes; returns how many there are. */
size_t take_bytes(struct input *in, size_t len, const uint8_t **ret_bytes);

#endif /* TESTS_FUZZ_FUZZ_H */
