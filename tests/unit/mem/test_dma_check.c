/* SPDX-License-Identifier: MIT
 * test_dma_check.c - each way to write where nothing was asked for ends the process
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "mem/dma_check.h"
#include "mem/guest_mem.h"
#include "tests/lib/death.h"

#define PAGE   4096u
#define BYTES  (16 * PAGE)
#define BASE   UINT64_C(0x100000) /* a file */
#define BASE_2 UINT64_C(0x800000) /* bytes of ours */
#define RW     (GUEST_MEM_READ | GUEST_MEM_WRITE)

#define NOT_ASKED "a write that the guest did not ask for"
#define STALE     "a pointer that was taken back"

static const struct dma_leave data = {DMA_WHAT_DATA, 7, 3, 0xabc0};

struct world {
	int fd;
	uint8_t *seen; /* the file, as the guest sees it */
	uint8_t bytes[BYTES];
	struct guest_mem *mem;
	struct dma_check *check;
	struct iovec iov[4];
	int pieces;
};

static int begin(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->fd = memfd_create("guest", 0);
	assert_int_equal(ftruncate(w->fd, BYTES), 0);
	w->seen = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
	w->mem = guest_mem_create();
	assert_non_null(w->mem);
	w->check = guest_mem_dma_check(w->mem);
	assert_non_null(w->check);
	dma_check_begin(w->check);
	assert_int_equal(guest_mem_map(w->mem, BASE, BYTES, w->fd, 0, RW), 0);
	assert_int_equal(guest_mem_map_bytes(w->mem, BASE_2, w->bytes, BYTES, RW), 0);
	*state = w;
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;

	guest_mem_destroy(w->mem);
	(void)munmap(w->seen, BYTES);
	(void)close(w->fd);
	free(w);
	return 0;
}

static void permit(struct world *w, uint64_t iova, uint64_t len)
{
	dma_check_permit(w->check, w, &data, iova, len);
}

/* Faults come to the check, not to the test program as before. */
static void catch_faults(void)
{
	assert_non_null(guest_mem_create());
}

/* Pointers to write [@iova, @iova + @len). */
static void hand_out(struct world *w, uint64_t iova, uint64_t len)
{
	w->pieces = guest_mem_iov(w->mem, iova, len, RW, w->iov, 4);
	assert_true(w->pieces > 0);
}

static void *first_piece(const struct world *w)
{
	return w->iov[0].iov_base;
}

/* ---- what is asked for is done ---- */

static void permitted_writes_arrive(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t at = i ? BASE_2 + 100 : BASE + 100;
		const uint8_t *seen = i ? w->bytes + 100 : w->seen + 100;

		permit(w, at, 8);
		assert_int_equal(guest_mem_write(w->mem, at, "abcd", 4), 0);
		assert_int_equal(guest_mem_store_le32(w->mem, at + 4, 0x64636261), 0);
		assert_memory_equal(seen, "abcdabcd", 8);
	}
}

static void a_piece_is_taken_over(void **state)
{
	struct world *w = *state;
	char back[9] = {0};

	permit(w, BASE + PAGE - 4, 8);
	memcpy(w->seen + PAGE - 4, "12345678", 8);
	hand_out(w, BASE + PAGE - 4, 8);
	assert_int_equal(w->pieces, 1);
	assert_memory_equal(first_piece(w), "12345678", 8);
	memcpy((char *)first_piece(w) + 2, "cdef", 4);
	/* what the guest writes meanwhile beside what was written stays */
	w->seen[PAGE - 4] = 'x';
	w->seen[PAGE + 3] = 'y';
	assert_int_equal(guest_mem_read(w->mem, BASE + PAGE - 4, back, 8), 0);
	assert_string_equal(back, "x2cdef7y");
}

static void an_end_takes_over_as_well(void **state)
{
	struct world *w = *state;

	permit(w, BASE, 4);
	hand_out(w, BASE, 4);
	memcpy(first_piece(w), "abcd", 4);
	dma_check_revoke(w->check, w);
	assert_memory_equal(w->seen, "abcd", 4);

	permit(w, BASE, 4);
	hand_out(w, BASE, 4);
	memcpy(first_piece(w), "efgh", 4);
	assert_int_equal(guest_mem_unmap(w->mem, BASE, BYTES, NULL), 0);
	assert_memory_equal(w->seen, "efgh", 4);
}

static void many_pieces_at_one_time(void **state)
{
	struct world *w = *state;
	struct iovec iov[300];

	permit(w, BASE, BYTES);
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 300; i++) {
			assert_int_equal(
				guest_mem_iov(w->mem, BASE + i * 16u, 16, RW, iov + i, 1),
				1);
			memset(iov[i].iov_base, (int)(round + i), 16);
		}
		dma_check_settle(w->check);
		for (unsigned i = 0; i < 300; i++)
			assert_int_equal(w->seen[i * 16u], (uint8_t)(round + i));
	}
}

/* Longer than there is room for: the caller gets the rest as another piece. */
static void a_large_piece_is_cut(void **state)
{
	struct world *w = *state;
	uint8_t *large = calloc(1, 0x50000);

	assert_int_equal(guest_mem_map_bytes(w->mem, 1 << 30, large, 0x50000, RW), 0);
	permit(w, 1 << 30, 0x50000);
	hand_out(w, 1 << 30, 0x50000);
	assert_int_equal(w->pieces, 3);
	for (int i = 0; i < w->pieces; i++)
		memset(w->iov[i].iov_base, 1 + i, w->iov[i].iov_len);
	dma_check_settle(w->check);
	assert_int_equal(large[0x1ffff], 1);
	assert_int_equal(large[0x20000], 2);
	assert_int_equal(large[0x4ffff], 3);
	guest_mem_unmap_all(w->mem);
	free(large);
}

static void overlapping_leave_ends_one_by_one(void **state)
{
	struct world *w = *state;

	permit(w, BASE, 8);
	dma_check_permit(w->check, w->seen, &data, BASE + 4, 8);
	dma_check_revoke(w->check, w);
	assert_int_equal(guest_mem_write(w->mem, BASE + 4, "abcd", 4), 0);
	dma_check_none(w->check, DMA_WHAT_DATA, 6, 0, "others");
	dma_check_none(w->check, DMA_WHAT_EVENT, 7, 0, "others");
	dma_check_revoke(w->check, w->seen);
	dma_check_none(w->check, DMA_WHAT_ANY, 0, 0, "none");
}

/* ---- what is not, is found ---- */

static void write_nowhere(void *ctx)
{
	struct world *w = ctx;

	(void)!guest_mem_write(w->mem, BASE, "a", 1);
}

static void write_beyond(void *ctx)
{
	struct world *w = ctx;

	permit(w, BASE, 8);
	(void)!guest_mem_write(w->mem, BASE + 4, "abcde", 5);
}

static void store_beyond(void *ctx)
{
	struct world *w = ctx;

	permit(w, BASE, 7);
	(void)!guest_mem_store_le32(w->mem, BASE + 4, 1);
}

static void hand_out_beyond(void *ctx)
{
	struct world *w = ctx;

	permit(w, BASE_2, 8);
	hand_out(w, BASE_2, 9);
}

static void write_after_the_end(void *ctx)
{
	struct world *w = ctx;

	permit(w, BASE, 8);
	dma_check_revoke(w->check, w);
	(void)!guest_mem_write(w->mem, BASE, "a", 1);
}

static void write_while_shut(void *ctx)
{
	struct world *w = ctx;

	permit(w, BASE, 8);
	dma_check_shut(w->check, "all is shut");
	(void)!guest_mem_write(w->mem, BASE, "a", 1);
}

static void leave_that_should_be_over(void *ctx)
{
	struct world *w = ctx;

	permit(w, BASE, 8);
	dma_check_none(w->check, DMA_WHAT_DATA, 7, 0, "the slot is away");
}

static void through_a_pointer_kept(void *ctx)
{
	struct world *w = ctx;

	catch_faults();
	permit(w, BASE, 8);
	hand_out(w, BASE, 8);
	dma_check_revoke(w->check, w);
	/* what was freed is another's now, who may */
	permit(w, BASE, 8);
	memset(first_piece(w), 1, 1);
}

static void beyond_a_piece(void *ctx)
{
	struct world *w = ctx;

	catch_faults();
	permit(w, BASE_2, 100);
	hand_out(w, BASE_2, 5);
	memset(first_piece(w), 1, 6);
}

static void before_a_piece(void *ctx)
{
	struct world *w = ctx;

	catch_faults();
	permit(w, BASE_2, 100);
	hand_out(w, BASE_2 + 50, 5);
	memset((uint8_t *)first_piece(w) - 1, 1, 1);
	dma_check_settle(w->check);
}

static void through_a_pointer_for_reading(void *ctx)
{
	struct world *w = ctx;

	catch_faults();
	permit(w, BASE, 100);
	if (guest_mem_iov(w->mem, BASE + 5, 5, GUEST_MEM_READ, w->iov, 1) == 1)
		memset(first_piece(w), 1, 5);
}

/* A write that was permitted leaves nothing open. */
static void behind_a_write(void *ctx)
{
	struct world *w = ctx;

	permit(w, BASE, 100);
	(void)!guest_mem_write(w->mem, BASE, "abcd", 4);
	(void)!guest_mem_store_le32(w->mem, BASE + 4, 1);
	hand_out(w, BASE + 8, 8);
	memset(first_piece(w), 1, 8);
	through_a_pointer_for_reading(w);
}

static void each_is_found(void **state)
{
	static const struct {
		void (*last)(void *ctx);
		const char *words;
	} faults[] = {
		{write_nowhere, NOT_ASKED ": 1 bytes at 0x100000\n"},
		{write_beyond, NOT_ASKED ": 1 bytes at 0x100008\n"},
		{store_beyond, NOT_ASKED ": 1 bytes at 0x100007\n"},
		{hand_out_beyond, NOT_ASKED ": 1 bytes at 0x800008\n"},
		{write_after_the_end, NOT_ASKED ": 1 bytes at 0x100000\n"},
		{write_while_shut, "all is shut: 1 bytes at 0x100000\n"},
		{leave_that_should_be_over, "the slot is away: 1 bytes at 0x100000\n"},
		{through_a_pointer_kept, STALE},
		{beyond_a_piece, STALE},
		{before_a_piece, "a write before a piece handed out"},
		{through_a_pointer_for_reading,
		 "a write past the check: 1 bytes at 0x100005\n"},
		{behind_a_write, "a write past the check: 1 bytes at 0x100005\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		assert_true(dies_saying(faults[i].last, *state, faults[i].words));
}

static void both_histories_are_told(void **state)
{
	assert_true(dies_saying(write_after_the_end, *state,
				"data of a TD, slot 7, DCI 3, by 0xabc0"));
	assert_true(dies_saying(write_after_the_end, *state, " permitted 0x100000-0x"));
	assert_true(dies_saying(write_after_the_end, *state, " revoked 0x100000-0x"));
	assert_true(dies_saying(write_after_the_end, *state, "Now at:\n"));
	assert_true(dies_saying(behind_a_write, *state, " written 0x100000-0x100003 by"));
	assert_true(dies_saying(through_a_pointer_kept, *state,
				" pointer handed out 0x100000-0x100007 by"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(permitted_writes_arrive),
		T(a_piece_is_taken_over),
		T(an_end_takes_over_as_well),
		T(many_pieces_at_one_time),
		T(a_large_piece_is_cut),
		T(overlapping_leave_ends_one_by_one),
		T(each_is_found),
		T(both_histories_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
