/* SPDX-License-Identifier: MIT
 * mem_fixture.c - guest memory under test, and known bytes to write there
 */
#include "mem_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guest_mem *mem;
uint8_t bytes[65536];

int mem_setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	mem = guest_mem_create();
	return mem ? 0 : -1;
}

int mem_teardown(void **state)
{
	(void)state;
	guest_mem_destroy(mem);
	return 0;
}

int file_of(size_t size)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	return fd;
}

int read_at(uint64_t iova, size_t len)
{
	uint8_t buf[4096];

	return guest_mem_read(mem, iova, buf, len);
}

void expect_bytes(uint64_t iova, size_t at, size_t len)
{
	uint8_t buf[65536];

	memset(buf, 0xee, sizeof(buf));
	assert_int_equal(guest_mem_read(mem, iova, buf, len), 0);
	assert_memory_equal(buf, bytes + at, len);
	if (len < sizeof(buf))
		assert_int_equal(buf[len], 0xee);
}

unsigned long lines_of_maps(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long lines = 0;
	int c;

	assert_non_null(maps);
	while ((c = fgetc(maps)) != EOF)
		lines += c == '\n';
	fclose(maps);
	return lines;
}
