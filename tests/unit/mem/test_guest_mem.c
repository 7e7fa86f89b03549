/* SPDX-License-Identifier: MIT
 * test_guest_mem.c - the guest's memory: ranges and every access to them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "mem_fixture.h"
#include "util/bytes.h"
#include "util/loop.h"

static int map_at(uint64_t iova, size_t at, uint64_t size, unsigned prot)
{
	return guest_mem_map_bytes(mem, iova, bytes + at, size, prot);
}

/* ---- the table ---- */

static void test_bad_parameters(void **state)
{
	(void)state;
	assert_int_equal(map_at(0, 0, 0, RW), -EINVAL);
	assert_int_equal(map_at(UINT64_MAX, 0, 2, RW), -EINVAL);
	assert_int_equal(map_at(4096, 0, UINT64_MAX - 4094, RW), -EINVAL);
	assert_int_equal(map_at(4096, 0, 16, RW | 4), -EINVAL);
	assert_int_equal(guest_mem_map(mem, 0, 0, -1, 0, RW), -EINVAL);
	assert_int_equal(guest_mem_map(mem, UINT64_MAX - 9, 11, -1, 0, RW), -EINVAL);
	assert_int_equal(guest_mem_map(mem, 0, 16, -1, 0, 8), -EINVAL);
	assert_int_equal(guest_mem_map(mem, 0, GUEST_MEM_SIZE_MAX + 1, -1, 0, RW),
			 -ENOSPC);
	assert_int_equal(guest_mem_map(mem, 1, UINT64_MAX, -1, 0, RW), -ENOSPC);
	assert_int_equal(guest_mem_count(mem), 0);
	assert_int_equal(guest_mem_generation(mem), 0);
	assert_int_equal(guest_mem_map(mem, 0, GUEST_MEM_SIZE_MAX, -1, 0, RW), 0);
	assert_int_equal(guest_mem_count(mem), 1);
}

static void test_overlaps(void **state)
{
	static const struct {
		uint64_t iova, size;
	} over[] = {{0x1000, 0x1000}, {0x0fff, 2},      {0x1fff, 2},
		    {0x1800, 1},      {0x1000, 0xfff},  {0x1001, 0xfff},
		    {0x0800, 0x2000}, {0x1000, 0x1001}, {0x0fff, 0x1001},
		    {0x0800, 0x5000}, {0x3fff, 1}};

	(void)state;
	assert_int_equal(map_at(0x1000, 0, 0x1000, GUEST_MEM_READ), 0);
	assert_int_equal(map_at(0x3000, 0x2000, 0x1000, GUEST_MEM_READ), 0);
	for (size_t i = 0; i < ARRAY_SIZE(over); i++)
		assert_int_equal(map_at(over[i].iova, 0, over[i].size, RW), -EEXIST);
	assert_int_equal(guest_mem_count(mem), 2);
	/* exactly between them, and beside them */
	assert_int_equal(map_at(0x2000, 0x1000, 0x1000, RW), 0);
	assert_int_equal(map_at(0xfff, 0, 1, RW), 0);
	assert_int_equal(map_at(0x4000, 0x3000, 1, RW), 0);
	assert_int_equal(guest_mem_count(mem), 5);
	expect_bytes(0x1000, 0, 0x3000);
}

static void test_same_again(void **state)
{
	int fd = file_of(8192), same = dup(fd), other = file_of(8192);

	(void)state;
	assert_int_equal(guest_mem_map(mem, 0x1000, 4096, fd, 4096, RW), 0);
	assert_int_equal(guest_mem_generation(mem), 1);
	assert_int_equal(guest_mem_map(mem, 0x1000, 4096, fd, 4096, RW), 0);
	assert_int_equal(guest_mem_map(mem, 0x1000, 4096, same, 4096, RW), 0);
	assert_int_equal(guest_mem_generation(mem), 1);
	assert_int_equal(guest_mem_count(mem), 1);
	assert_int_equal(guest_mem_map(mem, 0x1000, 4096, other, 4096, RW), -EEXIST);
	assert_int_equal(guest_mem_map(mem, 0x1000, 4096, fd, 0, RW), -EEXIST);
	assert_int_equal(guest_mem_map(mem, 0x1000, 4096, fd, 4096, GUEST_MEM_READ),
			 -EEXIST);
	assert_int_equal(guest_mem_map(mem, 0x1000, 4096, -1, 4096, RW), -EEXIST);
	expect_bytes(0x1000, 4096, 4096);
	close(fd);
	close(same);
	close(other);

	assert_int_equal(guest_mem_map(mem, 0x9000, 4096, -1, 0, RW), 0);
	assert_int_equal(guest_mem_map(mem, 0x9000, 4096, -1, 0, RW), 0);
	assert_int_equal(map_at(0x20000, 0, 16, RW), 0);
	assert_int_equal(map_at(0x20000, 0, 16, RW), 0);
	assert_int_equal(map_at(0x20000, 16, 16, RW), -EEXIST);
	assert_int_equal(guest_mem_count(mem), 3);
}

static void expect_sizes(uint64_t reachable, uint64_t unreachable)
{
	uint64_t got_reachable = 1, got_unreachable = 1;

	guest_mem_bytes(mem, &got_reachable, &got_unreachable);
	assert_int_equal(got_reachable, reachable);
	assert_int_equal(got_unreachable, unreachable);
}

static void test_bytes(void **state)
{
	int fd = file_of(4096);

	(void)state;
	expect_sizes(0, 0);
	assert_int_equal(guest_mem_map(mem, 0, 4096, fd, 0, RW), 0);
	assert_int_equal(guest_mem_map(mem, 0x10000, 8192, -1, 0, RW), 0);
	/* ROMs */
	assert_int_equal(guest_mem_map(mem, 0x20000, 4096, -1, 0, GUEST_MEM_READ), 0);
	assert_int_equal(guest_mem_map(mem, 0x30000, 4096, fd, 0, GUEST_MEM_READ), 0);
	expect_sizes(4096, 8192);
	assert_int_equal(guest_mem_unmap(mem, 0, 4096, NULL), 0);
	expect_sizes(0, 8192);
	close(fd);
}

static int unmap(uint64_t iova, uint64_t size, uint64_t expected_bytes)
{
	uint64_t unmapped = 77;
	int r = guest_mem_unmap(mem, iova, size, &unmapped);

	assert_int_equal(unmapped, r < 0 ? 77 : expected_bytes);
	return r;
}

static void test_exact_unmap(void **state)
{
	(void)state;
	assert_int_equal(guest_mem_last_change_ns(mem), 0);
	assert_int_equal(map_at(0x1000, 0, 0x1000, RW), 0);
	assert_int_equal(map_at(0x2000, 0x1000, 0x1000, RW), 0);
	assert_int_equal(unmap(0x1000, 0xfff, 0), -EINVAL);
	assert_int_equal(unmap(0x1000, 0x1001, 0), -EINVAL);
	assert_int_equal(unmap(0x1001, 0xfff, 0), -EINVAL);
	assert_int_equal(unmap(0x1800, 0x10, 0), -EINVAL);
	assert_int_equal(unmap(0xfff, 0x1fff, 0), -EINVAL);
	assert_int_equal(unmap(0x1000, 0, 0), -EINVAL);
	assert_int_equal(unmap(UINT64_MAX, 2, 0), -EINVAL);
	assert_int_equal(unmap(0, 0, 0), -EINVAL);
	/* nothing there is fine, and is no change */
	assert_int_equal(unmap(0x3000, 0x1000, 0), 0);
	assert_int_equal(unmap(0, 0x1000, 0), 0);
	assert_int_equal(unmap(UINT64_MAX - 9, 10, 0), 0);
	assert_int_equal(guest_mem_count(mem), 2);
	assert_int_equal(guest_mem_generation(mem), 2);
	assert_int_equal(guest_mem_last_change_ns(mem), 0);

	expect_bytes(0x1000, 0, 0x1000); /* the last range found is remembered */
	assert_int_equal(unmap(0x1000, 0x1000, 0x1000), 0);
	assert_int_equal(guest_mem_generation(mem), 3);
	assert_int_equal(read_at(0x1000, 1), -EFAULT);
	expect_bytes(0x2000, 0x1000, 0x1000);
	assert_int_equal(unmap(0x1000, 0x1000, 0), 0);
	assert_int_equal(unmap(0x2000, 0x1000, 0x1000), 0);
	assert_int_equal(read_at(0x2000, 1), -EFAULT);
	assert_int_equal(guest_mem_count(mem), 0);
	assert_in_range(guest_mem_last_change_ns(mem), 1, clock_now_ns());
}

/* Ten ranges of 16 bytes, 0x1000 apart from 0x10000 on. */
static void map_ten(void)
{
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(map_at(0x10000 + i * 0x1000, i * 16, 16, RW), 0);
}

/* All that lie inside go, whatever is between them; none if one would be cut. */
static void test_unmap_many(void **state)
{
	(void)state;
	map_ten();
	assert_int_equal(unmap(0x12008, 0x4000, 0), -EINVAL);
	assert_int_equal(unmap(0x12000, 0x3008, 0), -EINVAL);
	assert_int_equal(guest_mem_count(mem), 10);
	assert_int_equal(unmap(0x11800, 0x3000, 3 * 16), 0);
	assert_int_equal(guest_mem_count(mem), 7);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(read_at(0x10000 + i * 0x1000, 16),
				 i >= 2 && i <= 4 ? -EFAULT : 0);
	expect_bytes(0x15000, 5 * 16, 16);
	/* from the first byte of one to the last of another */
	assert_int_equal(unmap(0x16000, 0x1010, 2 * 16), 0);
	assert_int_equal(guest_mem_count(mem), 5);
	assert_int_equal(unmap(0, UINT64_MAX, 5 * 16), 0);
	assert_int_equal(guest_mem_count(mem), 0);
	assert_int_equal(map_at(0x12000, 0, 16, RW), 0);
	expect_bytes(0x12000, 0, 16);
}

/* Also at the very end of the address space. */
static void test_unmap_many_at_the_end(void **state)
{
	(void)state;
	assert_int_equal(map_at(UINT64_MAX - 15, 0, 16, RW), 0);
	assert_int_equal(map_at(UINT64_MAX - 0xfff, 16, 16, RW), 0);
	assert_int_equal(unmap(UINT64_MAX - 0x1000, 0x1000, 0), -EINVAL);
	assert_int_equal(unmap(UINT64_MAX - 7, 8, 0), -EINVAL);
	assert_int_equal(unmap(UINT64_MAX - 0xfff, 0x1000, 32), 0);
	assert_int_equal(guest_mem_count(mem), 0);
}

static void test_unmap_all(void **state)
{
	uint64_t before_ns;

	(void)state;
	guest_mem_unmap_all(mem);
	assert_int_equal(guest_mem_generation(mem), 0);
	assert_int_equal(guest_mem_last_change_ns(mem), 0);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(map_at(i * 0x1000, i * 16, 0x10, RW), 0);
	expect_bytes(0x9000, 9 * 16, 16);
	guest_mem_unmap_all(mem);
	assert_int_equal(guest_mem_count(mem), 0);
	assert_true(guest_mem_generation(mem) > 10);
	assert_true(guest_mem_last_change_ns(mem) > 0);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(read_at(i * 0x1000, 1), -EFAULT);
	/* each that comes back is news, while nobody knows whether it is the last */
	before_ns = guest_mem_last_change_ns(mem);
	while (clock_now_ns() == before_ns)
		;
	assert_int_equal(map_at(0x9000, 0, 0x10, RW), 0);
	assert_true(guest_mem_last_change_ns(mem) > before_ns);
	expect_bytes(0x9000, 0, 16);
}

/* As many ranges as there may be, added and removed in a scattered order. */
static void test_many(void **state)
{
	int fd = file_of(65536);

	(void)state;
	for (uint64_t i = 0; i < GUEST_MEM_MAPS_MAX; i++) {
		uint64_t n = i * 5077 % GUEST_MEM_MAPS_MAX;

		assert_int_equal(guest_mem_map(mem, n << 20, 4096, fd, n % 16 * 4096, RW),
				 0);
	}
	assert_int_equal(guest_mem_count(mem), GUEST_MEM_MAPS_MAX);
	assert_int_equal(map_at(0x5000, 0, 16, RW), -ENOSPC);
	assert_int_equal(map_at(0, 0, 16, RW), -EEXIST);
	for (uint64_t n = 0; n < GUEST_MEM_MAPS_MAX; n++) {
		expect_bytes(n << 20, n % 16 * 4096, 64);
		assert_int_equal(read_at((n << 20) + 4095, 2), -EFAULT);
	}
	for (uint64_t i = 0; i < GUEST_MEM_MAPS_MAX; i += 2)
		assert_int_equal(guest_mem_unmap(mem, i * 4099 % GUEST_MEM_MAPS_MAX << 20,
						 4096, NULL),
				 0);
	assert_int_equal(guest_mem_count(mem), GUEST_MEM_MAPS_MAX / 2);
	for (uint64_t n = 0; n < GUEST_MEM_MAPS_MAX; n++)
		assert_int_equal(guest_mem_check(mem, n << 20, 4096, RW), n % 2 == 1);
	assert_int_equal(guest_mem_map(mem, 0, 4096, fd, 0, RW), 0);
	close(fd);
}

/* ---- access ---- */

static void test_bounds(void **state)
{
	(void)state;
	assert_int_equal(map_at(0x1000, 0x100, 0x200, RW), 0);
	expect_bytes(0x1000, 0x100, 0x200);
	expect_bytes(0x11ff, 0x2ff, 1);
	assert_int_equal(read_at(0xfff, 1), -EFAULT);
	assert_int_equal(read_at(0xfff, 2), -EFAULT);
	assert_int_equal(read_at(0x11ff, 2), -EFAULT);
	assert_int_equal(read_at(0x1200, 1), -EFAULT);
	assert_int_equal(guest_mem_write(mem, 0x11f0, "0123456789abcdefg", 17), -EFAULT);
	assert_int_equal(bytes[0x300], (uint8_t)(0x300 * 7 + 3));
	/* nothing is fine anywhere */
	assert_int_equal(read_at(0x5000, 0), 0);
	assert_int_equal(guest_mem_write(mem, UINT64_MAX, "", 0), 0);
	assert_true(guest_mem_check(mem, 0x5000, 0, RW));
}

static void test_write(void **state)
{
	(void)state;
	assert_int_equal(map_at(0x1000, 0x100, 0x200, RW), 0);
	assert_int_equal(guest_mem_write(mem, 0x1010, "hello", 5), 0);
	assert_memory_equal(bytes + 0x110, "hello", 5);
	assert_int_equal(bytes[0x10f], (uint8_t)(0x10f * 7 + 1));
	assert_int_equal(bytes[0x115], (uint8_t)(0x115 * 7 + 1));
}

/* The top of the address space: a range may end there, an access not pass it. */
static void test_end_of_address_space(void **state)
{
	(void)state;
	assert_int_equal(map_at(UINT64_MAX - 0xfff, 0, 0x1000, RW), 0);
	assert_int_equal(map_at(0, 0x1000, 0x1000, RW), 0);
	expect_bytes(UINT64_MAX - 0xfff, 0, 0x1000);
	expect_bytes(UINT64_MAX, 0xfff, 1);
	assert_int_equal(read_at(UINT64_MAX, 2), -EFAULT);
	assert_int_equal(read_at(UINT64_MAX - 0xfff, 0x1001), -EFAULT);
	assert_int_equal(guest_mem_write(mem, UINT64_MAX - 1, "abcd", 4), -EFAULT);
	assert_false(guest_mem_check(mem, UINT64_MAX, 2, RW));
	assert_false(guest_mem_check(mem, 0, UINT64_MAX, RW));
	assert_true(guest_mem_check(mem, UINT64_MAX - 0xfff, 0x1000, RW));
	assert_int_equal(map_at(UINT64_MAX, 0, 1, RW), -EEXIST);
	assert_int_equal(guest_mem_unmap(mem, UINT64_MAX - 0xfff, 0x1000, NULL), 0);
	assert_int_equal(read_at(UINT64_MAX, 1), -EFAULT);
}

static void test_across_ranges(void **state)
{
	uint8_t in[0x300];

	(void)state;
	/* three adjacent pieces whose host memory lies in the other order */
	assert_int_equal(map_at(0x1000, 0x2000, 0x100, RW), 0);
	assert_int_equal(map_at(0x1100, 0x1000, 0x100, RW), 0);
	assert_int_equal(map_at(0x1200, 0x0000, 0x100, RW), 0);
	assert_int_equal(guest_mem_read(mem, 0x10f0, in, 0x120), 0);
	assert_memory_equal(in, bytes + 0x20f0, 0x10);
	assert_memory_equal(in + 0x10, bytes + 0x1000, 0x100);
	assert_memory_equal(in + 0x110, bytes, 0x10);
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)~i;
	assert_int_equal(guest_mem_write(mem, 0x1000, in, 0x300), 0);
	assert_memory_equal(bytes + 0x2000, in, 0x100);
	assert_memory_equal(bytes + 0x1000, in + 0x100, 0x100);
	assert_memory_equal(bytes, in + 0x200, 0x100);
	assert_true(guest_mem_check(mem, 0x1000, 0x300, RW));
	assert_false(guest_mem_check(mem, 0x1000, 0x301, RW));
	assert_int_equal(guest_mem_unmap(mem, 0x1100, 0x100, NULL), 0);
	assert_int_equal(read_at(0x10f0, 0x120), -EFAULT);
	assert_false(guest_mem_check(mem, 0x1000, 0x300, RW));
}

static void test_directions(void **state)
{
	uint32_t value;

	(void)state;
	assert_int_equal(map_at(0x1000, 0, 0x100, GUEST_MEM_READ), 0);
	assert_int_equal(map_at(0x1100, 0x100, 0x100, GUEST_MEM_WRITE), 0);
	assert_int_equal(map_at(0x1200, 0x200, 0x100, 0), 0);
	assert_int_equal(read_at(0x1000, 4), 0);
	assert_int_equal(guest_mem_write(mem, 0x1000, "abcd", 4), -EFAULT);
	assert_int_equal(guest_mem_store_le32(mem, 0x1000, 1), -EFAULT);
	assert_int_equal(guest_mem_load_le32(mem, 0x1000, &value), 0);
	assert_int_equal(guest_mem_write(mem, 0x1100, "abcd", 4), 0);
	assert_int_equal(read_at(0x1100, 4), -EFAULT);
	assert_int_equal(guest_mem_load_le32(mem, 0x1100, &value), -EFAULT);
	assert_int_equal(guest_mem_store_le32(mem, 0x1100, 1), 0);
	assert_int_equal(read_at(0x1200, 1), -EFAULT);
	assert_int_equal(guest_mem_write(mem, 0x1200, "a", 1), -EFAULT);
	assert_int_equal(read_at(0x10ff, 2), -EFAULT);
	assert_true(guest_mem_check(mem, 0x1000, 0x100, GUEST_MEM_READ));
	assert_false(guest_mem_check(mem, 0x1000, 0x100, RW));
	assert_false(guest_mem_check(mem, 0x1000, 0x200, GUEST_MEM_READ));
	assert_int_equal(bytes[0], 0);
}

static void test_words(void **state)
{
	uint32_t value = 0;

	(void)state;
	assert_int_equal(map_at(0x1000, 0, 0x102, RW), 0);
	assert_int_equal(map_at(0x1102, 0x1001, 0xfe, RW),
			 0); /* no aligned host address */
	put_le32(bytes + 0x10, 0x11223344);
	assert_int_equal(guest_mem_load_le32(mem, 0x1010, &value), 0);
	assert_int_equal(value, 0x11223344);
	assert_int_equal(guest_mem_store_le32(mem, 0x1014, 0xa1b2c3d4), 0);
	assert_int_equal(get_le32(bytes + 0x14), 0xa1b2c3d4);

	/* half in one range, half in the next */
	assert_int_equal(guest_mem_store_le32(mem, 0x1100, 0xcafebabe), 0);
	assert_int_equal(get_le16(bytes + 0x100), 0xbabe);
	assert_int_equal(get_le16(bytes + 0x1001), 0xcafe);
	assert_int_equal(guest_mem_load_le32(mem, 0x1100, &value), 0);
	assert_int_equal(value, 0xcafebabe);
	assert_int_equal(guest_mem_store_le32(mem, 0x1104, 0x01020304), 0);
	assert_int_equal(get_le32(bytes + 0x1003), 0x01020304);
	assert_int_equal(guest_mem_load_le32(mem, 0x1104, &value), 0);
	assert_int_equal(value, 0x01020304);

	/* the last three bytes of a range are no word */
	assert_int_equal(guest_mem_unmap(mem, 0x1102, 0xfe, NULL), 0);
	value = 5;
	assert_int_equal(guest_mem_load_le32(mem, 0x1100, &value), -EFAULT);
	assert_int_equal(guest_mem_load_le32(mem, 0x2000, &value), -EFAULT);
	assert_int_equal(guest_mem_load_le32(mem, UINT64_MAX - 3, &value), -EFAULT);
	assert_int_equal(value, 5);
	assert_int_equal(guest_mem_store_le32(mem, 0x1100, 1), -EFAULT);
}

static void test_iov(void **state)
{
	struct iovec iov[5];

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(map_at(0x1000 + i * 0x100, i * 0x1000, 0x100, RW), 0);
	memset(iov, 0xee, sizeof(iov));
	assert_int_equal(guest_mem_iov(mem, 0x1080, 0x200, RW, iov, 4), 3);
	assert_ptr_equal(iov[0].iov_base, bytes + 0x80);
	assert_int_equal(iov[0].iov_len, 0x80);
	assert_ptr_equal(iov[1].iov_base, bytes + 0x1000);
	assert_int_equal(iov[1].iov_len, 0x100);
	assert_ptr_equal(iov[2].iov_base, bytes + 0x2000);
	assert_int_equal(iov[2].iov_len, 0x80);
	/* less room than pieces: the rest is for another call */
	assert_int_equal(guest_mem_iov(mem, 0x1080, 0x400, RW, iov, 2), 2);
	assert_int_equal(iov[0].iov_len + iov[1].iov_len, 0x180);
	assert_int_equal(guest_mem_iov(mem, 0x1080, 0x400, RW, iov, 5), -EFAULT);
	assert_int_equal(guest_mem_iov(mem, 0x1000, 0x400, RW, iov, 4), 4);
	assert_int_equal(guest_mem_iov(mem, 0x1400, 1, RW, iov, 4), -EFAULT);
	assert_int_equal(guest_mem_iov(mem, UINT64_MAX, 2, RW, iov, 4), -EFAULT);
	assert_int_equal(guest_mem_iov(mem, 0x1000, 0, RW, iov, 4), 0);
	assert_int_equal(guest_mem_iov(mem, 0x1000, 16, RW, iov, 0), 0);
	assert_int_equal(map_at(0x1400, 0x4000, 0x100, GUEST_MEM_READ), 0);
	assert_int_equal(guest_mem_iov(mem, 0x1380, 0x100, GUEST_MEM_READ, iov, 4), 2);
	assert_int_equal(guest_mem_iov(mem, 0x1380, 0x100, GUEST_MEM_WRITE, iov, 4),
			 -EFAULT);
}

#define MEM_TEST(f) cmocka_unit_test_setup_teardown(f, mem_setup, mem_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEM_TEST(test_bad_parameters), MEM_TEST(test_overlaps),
		MEM_TEST(test_same_again),     MEM_TEST(test_exact_unmap),
		MEM_TEST(test_unmap_many),     MEM_TEST(test_unmap_many_at_the_end),
		MEM_TEST(test_bytes),          MEM_TEST(test_unmap_all),
		MEM_TEST(test_many),           MEM_TEST(test_bounds),
		MEM_TEST(test_write),          MEM_TEST(test_end_of_address_space),
		MEM_TEST(test_across_ranges),  MEM_TEST(test_directions),
		MEM_TEST(test_words),          MEM_TEST(test_iov),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
