/* SPDX-License-Identifier: MIT
 * mem_fixture.h - guest memory under test, and known bytes to write there
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
/* Each byte differs from its neighbours, and each block of 256 bytes from the next one. */
extern uint8_t bytes[65536];

/* cmocka set-up and tear-down: @mem becomes empty, @bytes get their values back. */
int mem_setup(void **state);
int mem_teardown(void **state);

/* Makes a file of @size bytes with the content of @bytes. Returns owned. */
int file_of(size_t size);
/* Reads [@iova, +@len), at most 4096 bytes. Return: the result */
int read_at(uint64_t iova, size_t len);
/* Reads [@iova, +@len) and compares with @bytes from @at on. */
void expect_bytes(uint64_t iova, size_t at, size_t len);
/* How many mappings this process has. */
unsigned long lines_of_maps(void);

#endif /* TESTS_UNIT_MEM_MEM_FIXTURE_H */
