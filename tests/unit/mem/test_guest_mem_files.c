/* SPDX-License-Identifier: MIT
 * test_guest_mem_files.c - guest memory in files, as a VMM hands it over
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "mem_fixture.h"

static void test_file(void **state)
{
	int fd = file_of(65536), copy = dup(fd);
	uint8_t back[4] = {0};

	(void)state;
	assert_int_equal(guest_mem_map(mem, 0x100000, 8192, fd, 4096, RW), 0);
	close(fd); /* borrowed for the call only */
	expect_bytes(0x100000, 4096, 8192);
	assert_int_equal(guest_mem_write(mem, 0x101ffe, "xy", 2), 0);
	assert_int_equal(pread(copy, back, 2, 12286), 2);
	assert_memory_equal(back, "xy", 2);
	assert_int_equal(pwrite(copy, "zzzz", 4, 5000), 4);
	assert_int_equal(guest_mem_read(mem, 0x100000 + 5000 - 4096, back, 4), 0);
	assert_memory_equal(back, "zzzz", 4);
	close(copy);
}

static void test_file_unaligned(void **state)
{
	static const struct {
		uint64_t iova, size, offset;
	} map[] = {{0x10001, 1, 1},         {0x20000, 3, 4095},  {0x30123, 5000, 123},
		   {0x40000, 8191, 4097},   {0x50fff, 2, 8191},  {0x60000, 4096, 2048},
		   {0x70000, 12288, 12288}, {0x80000, 65535, 0}, {0x90000, 1, 65535}};
	int fd = file_of(65536);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		assert_int_equal(guest_mem_map(mem, map[i].iova, map[i].size, fd,
					       map[i].offset, GUEST_MEM_READ),
				 0);
	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		expect_bytes(map[i].iova, map[i].offset, map[i].size);
		assert_int_equal(read_at(map[i].iova - 1, 1), -EFAULT);
		if (map[i].iova != 0x80000)
			assert_int_equal(read_at(map[i].iova + map[i].size, 1), -EFAULT);
	}
	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		assert_int_equal(guest_mem_unmap(mem, map[i].iova, map[i].size, NULL), 0);
	close(fd);
}

static void test_file_protections(void **state)
{
	int fd = file_of(4096), readonly;
	char name[64];

	(void)state;
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	readonly = open(name, O_RDONLY);
	assert_true(readonly >= 0);
	assert_int_equal(guest_mem_map(mem, 0x1000, 4096, readonly, 0, GUEST_MEM_READ),
			 0);
	expect_bytes(0x1000, 0, 4096);
	assert_int_equal(guest_mem_write(mem, 0x1000, "a", 1), -EFAULT);
	/* may be written, but the file says no: known and unreachable */
	assert_int_equal(guest_mem_map(mem, 0x2000, 4096, readonly, 0, RW), -EACCES);
	assert_int_equal(guest_mem_count(mem), 2);
	assert_int_equal(read_at(0x2000, 1), -EFAULT);
	assert_int_equal(guest_mem_map(mem, 0x2800, 16, fd, 0, RW), -EEXIST);
	/* the same file, opened for writing: now it works */
	assert_int_equal(guest_mem_map(mem, 0x2000, 4096, fd, 0, RW), 0);
	assert_int_equal(guest_mem_count(mem), 2);
	expect_bytes(0x2000, 0, 4096);
	/* a range that is only written must be mapped readable as well */
	assert_int_equal(guest_mem_map(mem, 0x3000, 4096, fd, 0, GUEST_MEM_WRITE), 0);
	assert_int_equal(guest_mem_write(mem, 0x3000, "abc", 3), 0);
	assert_int_equal(guest_mem_store_le32(mem, 0x3010, 1), 0);
	close(readonly);
	close(fd);
}

static void test_unreachable(void **state)
{
	uint32_t value;
	struct iovec iov;
	int sealed = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)state;
	assert_int_equal(guest_mem_map(mem, 0x1000, 0x1000, -1, 0, RW), 0);
	assert_int_equal(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(guest_mem_map(mem, 0x2000, 0x1000, sealed, 0, RW), -EPERM);
	close(sealed);
	assert_int_equal(guest_mem_count(mem), 2);
	for (uint64_t iova = 0x1000; iova < 0x3000; iova += 0x1000) {
		assert_int_equal(read_at(iova, 1), -EFAULT);
		assert_int_equal(guest_mem_write(mem, iova, "a", 1), -EFAULT);
		assert_int_equal(guest_mem_load_le32(mem, iova, &value), -EFAULT);
		assert_int_equal(guest_mem_store_le32(mem, iova, 0), -EFAULT);
		assert_false(guest_mem_check(mem, iova, 1, 0));
		assert_int_equal(guest_mem_iov(mem, iova, 1, 0, &iov, 1), -EFAULT);
		assert_int_equal(guest_mem_unmap(mem, iova, 0x1000, NULL), 0);
	}
}

static void expect_refused(int fd)
{
	assert_int_equal(guest_mem_map(mem, 0x1000, 0x1000, fd, 0, RW), -EPERM);
	assert_int_equal(guest_mem_count(mem), 0);
}

/* What is no file, or of a file system that is not listed. */
static void test_refused_files(void **state)
{
	int self = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
	int event = eventfd(0, EFD_CLOEXEC);
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	expect_refused(pair[0]);
	expect_refused(event);
	expect_refused(self);
	close(pair[0]);
	close(pair[1]);
	expect_refused(pair[0]);
	guest_mem_set_file_systems(mem, "ext4,proc,xfs");
	expect_refused(event);
	assert_int_equal(guest_mem_map(mem, 0x1000, 0x1000, self, 0, GUEST_MEM_READ),
			 -ENODEV);
	assert_int_equal(guest_mem_count(mem), 1); /* taken, but not to be mapped */
	assert_int_equal(guest_mem_unmap(mem, 0x1000, 0x1000, NULL), 0);
	guest_mem_set_file_systems(mem, "any");
	assert_int_equal(guest_mem_map(mem, 0x1000, 0x1000, event, 0, RW), -ENODEV);
	close(self);
	close(event);
}

/* All that is mapped counts, to the page, until it is unmapped. */
static void test_total(void **state)
{
	const uint64_t half = GUEST_MEM_TOTAL_MAX / 2;
	int fd = file_of(4096);

	(void)state;
	assert_true(half <= GUEST_MEM_SIZE_MAX);
	assert_true(guest_mem_wait_unmapped(5000)); /* what others had */
	for (unsigned round = 0; round < 20; round++) {
		assert_int_equal(guest_mem_map(mem, 0, half, fd, 0, RW), 0);
		assert_int_equal(guest_mem_map(mem, half, half - 4096, fd, 0, RW), 0);
		assert_int_equal(guest_mem_map(mem, 2 * half, 4097, fd, 0, RW), -ENOSPC);
		assert_int_equal(guest_mem_count(mem), 2);
		assert_int_equal(read_at(2 * half, 1), -EFAULT);
		assert_int_equal(guest_mem_map(mem, 2 * half, 1, fd, 0, RW), 0);
		/* without a file it takes nothing */
		assert_int_equal(guest_mem_map(mem, 3 * half, half, -1, 0, RW), 0);
		assert_int_equal(guest_mem_unmap(mem, 3 * half, half, NULL), 0);
		assert_int_equal(guest_mem_unmap(mem, 2 * half, 1, NULL), 0);
		assert_true(guest_mem_wait_unmapped(5000));
		assert_int_equal(guest_mem_map(mem, 2 * half, 4097, fd, 0, RW), -ENOSPC);
		assert_int_equal(guest_mem_map(mem, 2 * half, 4096, fd, 0, RW), 0);
		guest_mem_unmap_all(mem);
		assert_true(guest_mem_wait_unmapped(5000));
	}
	close(fd);
}

/* Offsets that leave what a file can be. */
static void test_file_offset_absurd(void **state)
{
	static const uint64_t offsets[] = {UINT64_MAX, UINT64_MAX - 4095, INT64_MAX,
					   INT64_MAX - 4096, UINT64_C(1) << 63};
	int fd = file_of(4096);

	(void)state;
	for (uint64_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		assert_int_equal(guest_mem_map(mem, i << 20, 8192, fd, offsets[i], RW),
				 -EOVERFLOW);
		assert_int_equal(read_at(i << 20, 1), -EFAULT);
	}
	assert_int_equal(guest_mem_count(mem), ARRAY_SIZE(offsets));
	close(fd);
}

/* A file of large pages, mapped at *@ret_map, or -1 where the host has none. */
static int huge_file(uint8_t **ret_map, size_t size)
{
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);

	*ret_map = MAP_FAILED;
	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
		*ret_map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*ret_map != MAP_FAILED)
		return fd;
	print_message("# no large pages on this host, not tested\n");
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Large pages can be mapped from their own beginning only. */
static void test_hugetlb(void **state)
{
	uint8_t *map;
	int fd = huge_file(&map, 4 << 20);

	(void)state;
	if (fd < 0)
		return;
	map[0xc0000] = 0x5a;
	assert_int_equal(guest_mem_map(mem, 0xc0000, 0x300000, fd, 0xc0000, RW), 0);
	assert_int_equal(guest_mem_write(mem, 0xc0001, "b", 1), 0);
	assert_int_equal(map[0xc0001], 'b');
	munmap(map, 4 << 20);
	assert_int_equal(guest_mem_unmap(mem, 0xc0000, 0x300000, NULL), 0);
	close(fd);
}

/* Unmapped means unmapped, soon; a core dump holds no guest memory. */
static void test_mappings_go(void **state)
{
	int fd = file_of(65536);
	unsigned long before;

	(void)state;
	/* the thread that unmaps has memory, too */
	assert_int_equal(guest_mem_map(mem, 0, 100, fd, 100, RW), 0);
	guest_mem_unmap_all(mem);
	assert_true(guest_mem_wait_unmapped(5000));
	before = lines_of_maps();
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(guest_mem_map(mem, i << 20, 100, fd, 100, RW), 0);
	assert_in_range(lines_of_maps(), before + 100, before + 110);
	for (uint64_t i = 0; i < 50; i++)
		assert_int_equal(guest_mem_unmap(mem, i << 20, 100, NULL), 0);
	assert_true(guest_mem_wait_unmapped(5000));
	assert_in_range(lines_of_maps(), before + 50, before + 60);
	guest_mem_unmap_all(mem);
	assert_true(guest_mem_wait_unmapped(5000));
	assert_in_range(lines_of_maps(), before, before + 10);
	close(fd);
}

#define MEM_TEST(f) cmocka_unit_test_setup_teardown(f, mem_setup, mem_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEM_TEST(test_file),
		MEM_TEST(test_file_unaligned),
		MEM_TEST(test_file_protections),
		MEM_TEST(test_unreachable),
		MEM_TEST(test_refused_files),
		MEM_TEST(test_total),
		MEM_TEST(test_file_offset_absurd),
		MEM_TEST(test_hugetlb),
		MEM_TEST(test_mappings_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
