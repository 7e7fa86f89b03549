/* SPDX-License-Identifier: MIT
 * test_sigbus.c - files that shrink behind guest memory
 *
 * cmocka puts its own SIGBUS handler in place before each test function, so
 * the guest memory is created inside of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "mem_fixture.h"

#define PAGES 16u
#define PAGE  4096u

static int fd;

/* @PAGES pages of 0x55 in a file, seen at IOVA 0x10000. */
static void begin(void)
{
	uint8_t page[PAGE];

	assert_true(guest_mem_wait_unmapped(5000));
	mem = guest_mem_create();
	assert_non_null(mem);
	fd = memfd_create("guest", MFD_CLOEXEC);
	memset(page, 0x55, sizeof(page));
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	assert_int_equal(guest_mem_map(mem, 0x10000, PAGES * PAGE, fd, 0, RW), 0);
}

static int end(void **state)
{
	close(fd);
	return mem_teardown(state);
}

static void expect_all(uint64_t iova, size_t len, uint8_t value)
{
	uint8_t buf[PAGES * PAGE];

	memset(buf, 0xee, sizeof(buf));
	assert_int_equal(guest_mem_read(mem, iova, buf, len), 0);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(buf[i], value);
}

static void expect_lost(uint64_t iova, size_t len)
{
	uint8_t byte = 1;
	uint32_t word;

	assert_int_equal(read_at(iova, 1), -EFAULT);
	assert_int_equal(read_at(iova + len - 1, 1), -EFAULT);
	assert_int_equal(guest_mem_write(mem, iova, &byte, 1), -EFAULT);
	assert_int_equal(guest_mem_load_le32(mem, iova, &word), -EFAULT);
	assert_int_equal(guest_mem_store_le32(mem, iova, 1), -EFAULT);
	assert_false(guest_mem_check(mem, iova, 1, GUEST_MEM_READ));
}

static void test_truncated_to_nothing(void **state)
{
	uint64_t reachable, unreachable;
	uint8_t buf[PAGES * PAGE];

	(void)state;
	begin();
	expect_all(0x10000, PAGES * PAGE, 0x55);
	assert_int_equal(ftruncate(fd, 0), 0);
	errno = EPIPE;
	assert_int_equal(guest_mem_losses(mem), 0);
	assert_int_equal(guest_mem_read(mem, 0x10000, buf, sizeof(buf)), -EFAULT);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(guest_mem_losses(mem), 1);
	expect_lost(0x10000, PAGES * PAGE);
	assert_int_equal(guest_mem_losses(mem), 1);
	/* the range is known, as one without a file */
	guest_mem_bytes(mem, &reachable, &unreachable);
	assert_int_equal(reachable, 0);
	assert_int_equal(unreachable, PAGES * PAGE);
	assert_int_equal(guest_mem_map(mem, 0x10000, PAGE, -1, 0, RW), -EEXIST);
}

/* The first access that meets a fault fails, of whatever kind it is. */
static void test_first_touch_by_load(void **state)
{
	uint32_t word = 1;

	(void)state;
	begin();
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(guest_mem_load_le32(mem, 0x13000, &word), -EFAULT);
	assert_int_equal(word, 1);
	expect_lost(0x10000, PAGES * PAGE);
}

static void test_first_touch_by_store(void **state)
{
	(void)state;
	begin();
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(guest_mem_store_le32(mem, 0x11000, 7), -EFAULT);
	expect_lost(0x10000, PAGES * PAGE);
}

static void test_first_touch_by_write(void **state)
{
	(void)state;
	begin();
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(guest_mem_write(mem, 0x10ffe, "abcd", 4), -EFAULT);
	expect_lost(0x10000, PAGES * PAGE);
}

/* Pointers of this turn lead to memory, though not to the guest's, until it is over. */
static void test_first_touch_by_pointer(void **state)
{
	struct iovec iov;

	(void)state;
	begin();
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(guest_mem_iov(mem, 0x10000, PAGES * PAGE, RW, &iov, 1), 1);
	memset(iov.iov_base, 7, iov.iov_len);
	assert_int_equal(guest_mem_losses(mem), 1);
	assert_int_equal(guest_mem_iov(mem, 0x10000, 1, RW, &(struct iovec){0}, 1),
			 -EFAULT);
	memset(iov.iov_base, 8, iov.iov_len);
	assert_int_equal(guest_mem_losses(mem), 1);
	expect_lost(0x10000, PAGES * PAGE);
}

static size_t resident_pages(const struct iovec *iov)
{
	static unsigned char in_core[1024];
	size_t pages = iov->iov_len / PAGE, count = 0;

	assert_true(pages <= sizeof(in_core));
	assert_int_equal(mincore(iov->iov_base, iov->iov_len, in_core), 0);
	for (size_t i = 0; i < pages; i++)
		count += in_core[i] & 1;
	return count;
}

/* What was written behind the end of the file does not stay with us. */
static void test_pages_are_given_back(void **state)
{
	struct iovec iov;

	(void)state;
	begin();
	assert_int_equal(ftruncate(fd, 1024 * PAGE), 0);
	assert_int_equal(guest_mem_map(mem, 1 << 30, 1024 * PAGE, fd, 0, RW), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(guest_mem_iov(mem, 1 << 30, 1024 * PAGE, RW, &iov, 1), 1);
	memset(iov.iov_base, 7, iov.iov_len);
	assert_int_equal(resident_pages(&iov), 1024);
	/* any look-up */
	expect_lost(0x10000, PAGES * PAGE);
	assert_int_equal(resident_pages(&iov), 0);
}

/* What lies before the file's end is lost with the rest of its range, others are not. */
static void test_truncated_in_part(void **state)
{
	int other = file_of(PAGE);

	(void)state;
	begin();
	assert_int_equal(guest_mem_map(mem, 0x80000, PAGE, other, 0, RW), 0);
	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	expect_all(0x10000, 4 * PAGE, 0x55);
	assert_int_equal(guest_mem_write(mem, 0x10000 + 4 * PAGE - 2, "abcd", 4),
			 -EFAULT);
	expect_lost(0x10000, PAGES * PAGE);
	expect_bytes(0x80000, 0, PAGE);
	close(other);
}

/* The monitor mends it: it maps the same once more, or unmaps it. */
static void test_lost_is_mapped_again(void **state)
{
	(void)state;
	begin();
	assert_int_equal(ftruncate(fd, 0), 0);
	expect_lost(0x10000, PAGES * PAGE);
	assert_int_equal(guest_mem_map(mem, 0x10000, PAGES * PAGE, fd, 0, RW), 0);
	expect_lost(0x10000, PAGES * PAGE);
	assert_int_equal(guest_mem_losses(mem), 2);
	assert_int_equal(ftruncate(fd, PAGES * PAGE), 0);
	assert_int_equal(guest_mem_map(mem, 0x10000, PAGES * PAGE, fd, 0, RW), 0);
	expect_all(0x10000, PAGES * PAGE, 0);
	assert_int_equal(guest_mem_write(mem, 0x10000, "abc", 3), 0);
	assert_int_equal(guest_mem_losses(mem), 2);
	assert_int_equal(guest_mem_count(mem), 1);
}

/* The kernel's limit on mappings is out of reach: pages touched backwards, one
 * by one, in every other place, make two mappings of one. */
static void test_mappings_stay_few(void **state)
{
	struct iovec iov;
	unsigned long before;

	(void)state;
	begin();
	assert_int_equal(ftruncate(fd, (off_t)PAGE << 10), 0);
	assert_int_equal(guest_mem_map(mem, 1 << 30, PAGE << 10, fd, 0, RW), 0);
	assert_int_equal(guest_mem_iov(mem, 1 << 30, PAGE << 10, RW, &iov, 1), 1);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	before = lines_of_maps();
	for (uint64_t i = 1023; i > 1; i -= 2)
		((volatile char *)iov.iov_base)[i * PAGE] = 1;
	assert_in_range(lines_of_maps(), before, before + 10);
}

/* Large pages can be replaced as a whole only. */
static void test_hugetlb(void **state)
{
	int huge = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);

	(void)state;
	begin();
	if (huge < 0 || ftruncate(huge, 4 << 20) < 0 ||
	    guest_mem_map(mem, 1 << 30, 4 << 20, huge, 0, RW) < 0 ||
	    guest_mem_write(mem, 1 << 30, "abc", 3) < 0) {
		print_message("# no large pages on this host, not tested\n");
	} else {
		assert_int_equal(ftruncate(huge, 2 << 20), 0);
		expect_all(1 << 30, 1, 'a');
		assert_int_equal(read_at((1 << 30) + (3 << 20), PAGE), -EFAULT);
		expect_lost(1 << 30, 4 << 20);
		assert_int_equal(guest_mem_unmap(mem, 1 << 30, 4 << 20, NULL), 0);
	}
	if (huge >= 0)
		close(huge);
}

/* A slot of the guard's table is not left behind by a range that went. */
static void test_map_again(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 2 * GUEST_MEM_MAPS_MAX; i++) {
		assert_int_equal(guest_mem_map(mem, 1 << 30, PAGE, fd, 0, RW), 0);
		assert_int_equal(guest_mem_unmap(mem, 1 << 30, PAGE, NULL), 0);
	}
	assert_int_equal(guest_mem_map(mem, 1 << 30, PAGE, fd, PAGE, RW), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	expect_lost(1 << 30, PAGE);
	expect_lost(0x10000, PAGES * PAGE);
}

/* ---- not ours ---- */

static void on_old_sigbus(int signal)
{
	(void)signal;
	_exit(77);
}

static void touch_foreign(void)
{
	volatile char *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	/* one range of ours lies above it in memory, one below */
	(void)!guest_mem_map(mem, 1 << 30, PAGE, fd, 0, RW);
	(void)!ftruncate(fd, 0);
	(void)*map;
}

static void touch_borrowed(void)
{
	void *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	char byte;

	(void)!ftruncate(fd, 0);
	(void)!guest_mem_map_bytes(mem, 1 << 30, map, PAGE, RW);
	(void)!guest_mem_read(mem, 1 << 30, &byte, 1);
}

/* By an address that a range of ours had once. */
static void touch_removed(void)
{
	struct iovec iov;
	volatile char *map;

	if (guest_mem_iov(mem, 0x10000, 16, RW, &iov, 1) != 1)
		_exit(1);
	map = iov.iov_base;
	(void)!guest_mem_unmap(mem, 0x10000, PAGES * PAGE, NULL);
	if (!guest_mem_wait_unmapped(5000))
		_exit(1);
	(void)!ftruncate(fd, 0);
	if (mmap(iov.iov_base, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != map)
		_exit(1);
	(void)*map;
}

static void send_signal(void)
{
	(void)raise(SIGBUS);
}

/* Any other SIGBUS meets the handler that was there before ours. */
static void test_other_faults(void **state)
{
	static void (*const faults[])(void) = {touch_foreign, touch_borrowed,
					       touch_removed, send_signal};

	(void)state;
	fd = -1;
	mem = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			(void)signal(SIGBUS, on_old_sigbus);
			begin();
			faults[i]();
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 77);
	}
}

#define MEM_TEST(f) cmocka_unit_test_teardown(f, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEM_TEST(test_other_faults),
		MEM_TEST(test_truncated_to_nothing),
		MEM_TEST(test_first_touch_by_load),
		MEM_TEST(test_first_touch_by_store),
		MEM_TEST(test_first_touch_by_write),
		MEM_TEST(test_first_touch_by_pointer),
		MEM_TEST(test_pages_are_given_back),
		MEM_TEST(test_truncated_in_part),
		MEM_TEST(test_lost_is_mapped_again),
		MEM_TEST(test_mappings_stay_few),
		MEM_TEST(test_map_again),
		MEM_TEST(test_hugetlb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
