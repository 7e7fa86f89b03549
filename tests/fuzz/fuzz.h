/* SPDX-License-Identifier: MIT
 * fuzz.h - the common part of all fuzz targets: input, checks and time limit
 *
 * A target defines fuzz_set_up() and fuzz_one() and includes this file; fuzz.c has the entry
 * point that libFuzzer and the replay call. A slow input is a finding too: it takes over 100 ms of
 * this thread's CPU time in every run, or over 2 s in one run, or it blocks for 20 s.
 * USBVFIOD_FUZZ_SLOW=N in the environment multiplies these limits by N.
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

/* Each target defines these. fuzz_set_up() runs once, before the first input, and may set
 * fuzz_counts_fds. fuzz_one() runs one input and leaves nothing behind: the input may run again. */
void fuzz_set_up(void);
void fuzz_one(struct input *in);

/* Demand that each input leaves as many fds open as it found. Off at first: counting costs 20
 * us. */
extern bool fuzz_counts_fds;

/* Called on another thread to end a system call that an input is stuck in. NULL at first. */
extern void (*fuzz_unstick)(void);

/* The loop of all inputs, for targets that need one. */
extern struct loop *fuzz_loop;
/* Runs this many turns of the loop, without waiting. */
void fuzz_run(unsigned turns);

/* Little-endian numbers; bytes missing at the end of the input are 0. */
uint8_t take_u8(struct input *in);
uint16_t take_u16(struct input *in);
uint32_t take_u32(struct input *in);
/* @bytes 0 to 8 */
uint64_t take_uint(struct input *in, unsigned bytes);
/* Takes up to @len bytes. Return: how many */
size_t take_bytes(struct input *in, size_t len, const uint8_t **ret_bytes);

#endif /* TESTS_FUZZ_FUZZ_H */
