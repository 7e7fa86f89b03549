/* SPDX-License-Identifier: MIT
 * test_urbs.c - URBs reaped, frozen, short of memory; the end of the device
 */
#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "fake_usbfs.h"
#include "urbs_fixture.h"
#include "usbdev/host/urb/engine.h"
#include "util/compiler.h"
#include "util/loop.h"

#define MIB (1024u * 1024u)

static struct xfer x[300];

static void submit_bulk(unsigned i, uint8_t ep_addr, uint32_t len)
{
	xfer_init(&x[i], USBDEV_TYPE_BULK, ep_addr, len);
	xfer_submit(&x[i]);
}

/* ---- the kernel is short of memory ---- */

/* Transfers keep their order. An URB that comes back leads to another try. */
static void test_memory_comes_back_with_others(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 100);
	fake.submit_error = -ENOMEM;
	fake.submit_errors = 1000000;
	submit_bulk(1, 0x02, 100);
	submit_bulk(2, 0x02, 100);
	settle();
	assert_int_equal(f.completed, 0);
	fake.submit_errors = 0;
	fake_complete(fake_pending(0), 0, 100, 1);
	xfer_wait(&x[0]);
	settle();
	assert_int_equal(fake.submits, 3);
	assert_ptr_equal(fake_pending(0)->buffer, x[1].data);
	assert_true(x[1].lookups >= 2); /* guest memory is looked up again */
	fake_complete(fake_pending(0), 0, 100, 1);
	fake_complete(fake_pending(0), 0, 100, 1);
	xfer_wait(&x[2]);
	xfer_check(&x[1], USBDEV_STATUS_OK, 100);
	for (unsigned i = 0; i < 3; i++)
		xfer_free(&x[i]);
}

static bool x0_is_submitted(void)
{
	return fake.submits > 0;
}

static void test_memory_is_retried(void **state)
{
	(void)state;
	fake.submit_error = -ENOMEM;
	fake.submit_errors = 3;
	submit_bulk(0, 0x02, 100);
	turn_until(x0_is_submitted);
	assert_int_equal(fake.refused, 3);
	fake_complete(fake_pending(0), 0, 100, 1);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 100);
	xfer_free(&x[0]);
}

static void test_smaller_pieces(void **state)
{
	uint32_t done = 0;

	(void)state;
	fake.bytes_max = 9000;
	submit_bulk(0, 0x81, 100000);
	while (x[0].order == 0) {
		uint32_t bytes = fake_pending(0)->bytes;

		assert_true(bytes == 4096 || bytes == 8192 || done + bytes == 100000);
		fake_complete(fake_pending(0), 0, bytes, 6);
		done += bytes;
		settle();
	}
	xfer_check(&x[0], USBDEV_STATUS_OK, 100000);
	xfer_check_bytes(&x[0], 0, 100000, 6);
	xfer_free(&x[0]);
	/* and back to large ones */
	fake.bytes_max = 0;
	for (unsigned i = 0; i < 12; i++) {
		submit_bulk(0, 0x02, 10);
		fake_complete(fake_pending(0), 0, 10, 0);
		xfer_wait(&x[0]);
		xfer_free(&x[0]);
	}
	submit_bulk(0, 0x02, MIB);
	assert_int_equal(fake_pending(0)->bytes, MIB);
	fake_complete(fake_pending(0), 0, MIB, 0);
	xfer_wait(&x[0]);
	xfer_free(&x[0]);
}

/* URBs with the kernel will give memory back: no smaller pieces. */
static void test_no_smaller_pieces_beside_others(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 100);
	fake.bytes_max = 9000;
	submit_bulk(1, 0x02, 20000);
	settle();
	assert_int_equal(fake.submits, 1);
	fake.bytes_max = 0;
	fake_complete(fake_pending(0), 0, 100, 0);
	settle();
	assert_int_equal(fake_pending(0)->bytes, 20000);
	fake_complete(fake_pending(0), 0, 20000, 0);
	xfer_wait(&x[1]);
	xfer_free(&x[0]);
	xfer_free(&x[1]);
}

/* ---- reaping ---- */

static void test_reaps_are_bounded(void **state)
{
	unsigned first;

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		submit_bulk(i, (uint8_t)(0x81 + i % 10), 10);
	for (unsigned i = 0; i < 200; i++)
		fake_complete(fake_pending(0), 0, 10, 0);
	assert_int_equal(loop_turn(f.loop, true), 0);
	first = f.completed;
	assert_true(first > 0 && first <= 64);
	settle();
	assert_int_equal(f.completed, 200);
	for (unsigned i = 0; i < 200; i++)
		xfer_free(&x[i]);
}

/* One SUBMITURB and one REAPURBNDELAY for each transfer; one more REAPURBNDELAY for each wake-up
 * that leaves URBs with the kernel. */
static void test_calls_in_steady_state(void **state)
{
	(void)state;
	submit_bulk(16, 0x82, 4096);
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 16; i++)
			submit_bulk(i, 0x81, 4096);
		for (unsigned i = 0; i < 16; i++)
			fake_complete(fake_pending(1), 0, 4096, 0);
		assert_int_equal(loop_turn(f.loop, true), 0);
		assert_int_equal(f.completed, 16 * (round + 1));
		for (unsigned i = 0; i < 16; i++)
			xfer_free(&x[i]);
	}
	assert_int_equal(fake.submits, 161);
	assert_int_equal(fake.reaps, 160);
	assert_int_equal(fake.eagains, 10);
	fake_complete(fake_pending(0), 0, 4096, 0);
	settle();
	assert_int_equal(fake.reaps, 161);
	assert_int_equal(fake.eagains, 10);
	xfer_free(&x[16]);
}

static void submit_next(struct xfer *done)
{
	if (done + 1 < x + 5)
		xfer_submit(done + 1);
}

static void test_submitting_in_a_completion(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		xfer_init(&x[i], USBDEV_TYPE_BULK, 0x02, 10);
		x[i].on_completed = submit_next;
	}
	xfer_submit(&x[0]);
	for (unsigned i = 0; i < 5; i++) {
		fake_complete(fake_pending(0), 0, 10, 0);
		xfer_wait(&x[i]);
	}
	for (unsigned i = 0; i < 5; i++)
		xfer_free(&x[i]);
}

static void destroy(struct xfer *done)
{
	(void)done;
	if (!urbs_quiet(f.urbs))
		return;
	urbs_destroy(f.urbs);
	f.urbs = NULL;
}

static void test_destroying_in_a_completion(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		xfer_init(&x[i], USBDEV_TYPE_BULK, 0x02, 10);
		x[i].transfer.stream_id = (uint16_t)i;
		x[i].on_completed = destroy;
		xfer_submit(&x[i]);
	}
	for (unsigned i = 0; i < 3; i++)
		fake_complete(fake_pending(0), 0, 10, 0);
	settle();
	assert_null(f.urbs);
	assert_int_equal(f.completed, 3);
	for (unsigned i = 0; i < 3; i++)
		xfer_free(&x[i]);
}

/* ---- frozen ---- */

static void test_frozen(void **state)
{
	(void)state;
	submit_bulk(0, 0x02, 10);
	urbs_freeze(f.urbs);
	urbs_freeze(f.urbs);
	fake.closed = true;
	fake_complete(fake_pending(0), 0, 10, 0);
	submit_bulk(1, 0x02, 10);
	submit_bulk(2, 0x81, 10);
	settle();
	urbs_thaw(f.urbs);
	settle();
	assert_int_equal(f.completed, 0);
	assert_int_equal(fake.submits, 1);
	assert_int_equal(fake.violations, 0);
	fake.closed = false;
	urbs_thaw(f.urbs);
	xfer_wait(&x[0]);
	settle();
	assert_int_equal(fake.submits, 3);
	fake_complete(fake_pending(0), 0, 10, 0);
	fake_complete(fake_pending(0), 0, 10, 0);
	xfer_wait(&x[1]);
	xfer_wait(&x[2]);
	for (unsigned i = 0; i < 3; i++)
		xfer_free(&x[i]);
}

static bool time_is_up;

static void on_timer(void *ctx)
{
	(void)ctx;
	time_is_up = true;
}

/* Nothing wakes the loop for a while. */
static void check_quiet(void)
{
	struct loop_timer *timer = loop_timer_create(f.loop, on_timer, NULL);
	unsigned turns = 0;

	assert_non_null(timer);
	settle();
	time_is_up = false;
	loop_timer_set(timer, 20000000);
	while (!time_is_up) {
		assert_int_equal(loop_turn(f.loop, true), 0);
		turns++;
	}
	loop_timer_destroy(timer);
	assert_true(turns <= 2);
}

/* URBs to reap do not wake the loop meanwhile. */
static void test_frozen_is_quiet(void **state)
{
	(void)state;
	submit_bulk(0, 0x02, 10);
	urbs_freeze(f.urbs);
	fake_complete(fake_pending(0), 0, 10, 0);
	check_quiet();
	urbs_thaw(f.urbs);
	xfer_wait(&x[0]);
	xfer_free(&x[0]);
}

static void freeze(struct xfer *done)
{
	(void)done;
	urbs_freeze(f.urbs);
	fake.closed = true;
}

static void test_freezing_in_a_completion(void **state)
{
	(void)state;
	submit_bulk(0, 0x02, 10);
	submit_bulk(1, 0x02, 10);
	x[0].on_completed = freeze;
	fake_complete(fake_pending(0), 0, 10, 0);
	fake_complete(fake_pending(0), 0, 10, 0);
	settle();
	assert_int_equal(f.completed, 1);
	fake.closed = false;
	urbs_thaw(f.urbs);
	xfer_wait(&x[1]);
	xfer_free(&x[0]);
	xfer_free(&x[1]);
}

/* The kernel wakes us for URBs to reap only, and none is left. */
static void test_freezing_a_suspect(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 10);
	submit_bulk(1, 0x02, 10);
	x[1].on_completed = freeze;
	fake_complete(fake_pending(0), -ENOENT, 0, 0);
	fake_complete(fake_pending(0), 0, 10, 0);
	settle();
	assert_int_equal(f.completed, 1);
	fake.closed = false;
	urbs_thaw(f.urbs);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_CANCELLED, 0);
	settle();
	assert_int_equal(f.claim_checks, 1);
	xfer_free(&x[0]);
	xfer_free(&x[1]);
}

/* As many URBs as a turn reaps, and none behind them. */
static void test_a_turn_ends_with_a_suspect(void **state)
{
	(void)state;
	for (unsigned i = 0; i < URB_REAPS_MAX; i++)
		submit_bulk(i, i == 0 ? 0x81 : 0x02, 10);
	fake_complete(fake_pending(0), -ENOENT, 0, 0);
	for (unsigned i = 1; i < URB_REAPS_MAX; i++)
		fake_complete(fake_pending(0), 0, 10, 0);
	xfer_wait(&x[0]);
	for (unsigned i = 0; i < URB_REAPS_MAX; i++)
		xfer_free(&x[i]);
}

/* ---- gone ---- */

static void test_gone_idle(void **state)
{
	(void)state;
	fake_gone();
	settle();
	assert_int_equal(f.gone, 1);
	check_quiet(); /* not watched any more */
	submit_bulk(0, 0x02, 10);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_GONE, 0);
	settle();
	assert_int_equal(f.gone, 1);
	xfer_free(&x[0]);
}

/* Transfers that had ended before complete as they ended; those that the kernel killed as GONE. */
static void test_gone(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 10);
	submit_bulk(1, 0x81, 10);
	submit_bulk(2, 0x81, 10);
	submit_bulk(3, 0x81, 10);
	submit_bulk(4, 0x82, 2 * MIB);
	urbs_freeze(f.urbs);
	submit_bulk(5, 0x03, 10);
	fake_complete(fake_pending(0), 0, 10, 1);
	fake_complete(fake_pending(0), -ESHUTDOWN, 0, 1);
	fake_complete(fake_pending(0), -ENOENT, 0, 1);
	fake_gone();
	urbs_thaw(f.urbs);
	settle();
	assert_int_equal(f.completed, 6);
	assert_int_equal(f.gone, 1);
	assert_int_equal(f.completed_when_gone, 6);
	xfer_check(&x[0], USBDEV_STATUS_OK, 10);
	for (unsigned i = 1; i < 6; i++)
		xfer_check(&x[i], USBDEV_STATUS_GONE, 0);
	assert_true(x[1].order < x[2].order && x[2].order < x[3].order);
	for (unsigned i = 0; i < 6; i++)
		xfer_free(&x[i]);
}

/* The kernel kills transfers unasked before it says that the device is gone. */
static void test_killed_and_gone(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 10);
	fake_complete(fake_pending(0), -ENOENT, 0, 1);
	fake_gone();
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_GONE, 0);
	xfer_free(&x[0]);
}

/* The device is a suspect when a piece comes back that another should follow. */
static void test_gone_between_pieces(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 10);
	submit_bulk(1, 0x81, 3 * MIB);
	fake_complete(fake_pending(0), -ESHUTDOWN, 0, 1);
	fake_complete(fake_pending(0), 0, MIB, 1);
	fake_gone();
	settle();
	xfer_check(&x[0], USBDEV_STATUS_GONE, 0);
	xfer_check(&x[1], USBDEV_STATUS_GONE, MIB);
	assert_int_equal(f.completed_when_gone, 2);
	xfer_free(&x[0]);
	xfer_free(&x[1]);
}

/* A submission fails before anything can be reaped. */
static void test_gone_on_submit(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 10);
	fake_gone_silently();
	submit_bulk(1, 0x02, 10);
	settle();
	assert_int_equal(f.gone, 1);
	xfer_check(&x[0], USBDEV_STATUS_GONE, 0);
	xfer_check(&x[1], USBDEV_STATUS_GONE, 0);
	xfer_free(&x[0]);
	xfer_free(&x[1]);
}

/* More than complete at a time; all of them do before the owner hears of the end. */
static void test_gone_with_many(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300; i++)
		submit_bulk(i, 0x81, 10);
	fake_gone();
	settle();
	assert_int_equal(f.gone, 1);
	assert_int_equal(f.completed_when_gone, 300);
	for (unsigned i = 0; i < 300; i++)
		xfer_free(&x[i]);
}

static void test_gone_while_cancelling(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 10);
	submit_bulk(1, 0x81, 10);
	xfer_cancel(&x[0]);
	fake_close_gate();
	settle();
	fake_gone();
	settle();
	assert_int_equal(f.gone, 0);
	fake_open_gate();
	xfer_wait(&x[1]);
	settle();
	assert_int_equal(f.gone, 1);
	assert_int_equal(f.completed_when_gone, 2);
	xfer_check(&x[1], USBDEV_STATUS_GONE, 0);
	xfer_free(&x[0]);
	xfer_free(&x[1]);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(memory_comes_back_with_others),
		TEST(memory_is_retried),
		TEST(smaller_pieces),
		TEST(no_smaller_pieces_beside_others),
		TEST(reaps_are_bounded),
		TEST(calls_in_steady_state),
		TEST(submitting_in_a_completion),
		TEST(destroying_in_a_completion),
		TEST(frozen),
		TEST(frozen_is_quiet),
		TEST(freezing_a_suspect),
		TEST(a_turn_ends_with_a_suspect),
		TEST(freezing_in_a_completion),
		TEST(gone_idle),
		TEST(gone),
		TEST(killed_and_gone),
		TEST(gone_between_pieces),
		TEST(gone_on_submit),
		TEST(gone_with_many),
		TEST(gone_while_cancelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
