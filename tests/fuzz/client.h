/* SPDX-License-Identifier: MIT
 * client.h - what fuzzers of sockets share: their input, clients and checks
 */
#ifndef TESTS_FUZZ_CLIENT_H
#define TESTS_FUZZ_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

/* 0 when there is no more. */
uint8_t take_u8(struct input *in);
uint16_t take_u16(struct input *in);
/* Up to @len bytes; returns how many there are. */
size_t take_bytes(struct input *in, size_t len, const uint8_t **ret_bytes);

/* A listening socket that leaves nothing in the file system. Returns owned. */
int fuzz_listen(const char *name);
/* Returns owned, or -1 if the server has no room. */
int fuzz_connect(const char *name);
/* The fd that would be opened next: grows when one leaks. */
int fuzz_next_fd(void);

#endif /* TESTS_FUZZ_CLIENT_H */
