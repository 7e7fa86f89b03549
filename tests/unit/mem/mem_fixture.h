/* SPDX-License-Identifier: MIT
 * mem_fixture.h - guest memory to test, and known bytes to put there
 *
 * Anything unexpected fails the running cmocka test.
 */
#ifndef TESTS_UNIT_MEM_MEM_FIXTURE_H
#define TESTS_UNIT_MEM_MEM_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "mem/guest_mem.h"

#define RW (GUEST_MEM_READ | GUEST_MEM_WRITE)

extern struct guest_mem *mem;
/* Each differs from its neighbours, and each 256 of them from the next. */
extern uint8_t bytes[65536];

/* cmocka set-up and tear-down: @mem is empty, @bytes are as they were. */
int mem_setup(void **state);
int mem_teardown(void **state);

/* A file of @size bytes with the content of @bytes. Returns owned. */
int file_of(size_t size);
/* The result of reading [@iova, +@len), 4096 bytes at most. */
int read_at(uint64_t iova, size_t len);
/* Reads [@iova, +@len) and compares with @bytes from @at on. */
void expect_bytes(uint64_t iova, size_t at, size_t len);
/* How many mappings this process has. */
unsigned long lines_of_maps(void);

#endif /* TESTS_UNIT_MEM_MEM_FIXTURE_H */
