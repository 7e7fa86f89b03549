/* SPDX-License-Identifier: MIT
 * client.h - what fuzzers of sockets share: their input, clients and checks
 */
#ifndef TESTS_FUZZ_CLIENT_H
#define TESTS_FUZZ_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(cond)                                                        \
	do {                                                               \
		if (!(cond)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #cond); \
			abort();                                           \
		}                                                          \
	} while (0)

struct input {
	const uint8_t *at;
	size_t left;
};

/* What each target has: what it makes once, before the first input; and the run of one
 * input, after which as many fds are open as before. */
void fuzz_set_up(void);
void fuzz_one(struct input *in);

/* The loop of all inputs. */
extern struct loop *fuzz_loop;
/* Turns of it that wait for nothing. */
void fuzz_run(unsigned turns);

/* 0 when there is no more. */
uint8_t take_u8(struct input *in);
uint16_t take_u16(struct input *in);
/* Up to @len bytes; returns how many there are. */
size_t take_bytes(struct input *in, size_t len, const uint8_t **ret_bytes);

/* A listening socket that leaves nothing in the file system. Returns owned. */
int fuzz_listen(const char *name);
/* Returns owned, or -1 if the server has no room. */
int fuzz_connect(const char *name);

#endif /* TESTS_FUZZ_CLIENT_H */
