/* SPDX-License-Identifier: MIT
 * test_leftover.c - data that a device has sent for transfers that cannot take it any more
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
#include "usbdev/host/urb/leftover.h"
#include "util/compiler.h"
#include "util/loop.h"

#define KIB 1024u

static struct xfer x[64];

static void submit_bulk(unsigned i, uint8_t ep_addr, uint32_t len)
{
	xfer_init(&x[i], USBDEV_TYPE_BULK, ep_addr, len);
	xfer_submit(&x[i]);
}

static void free_all(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		xfer_free(&x[i]);
}

/* ---- a failure with others behind it ---- */

/* The next transfers get the data that those behind the failure received. */
static void test_failure_keeps_what_those_behind_got(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		submit_bulk(i, 0x81, 100);
	fake_complete(fake_pending(0), -EPROTO, 0, 0);
	fake_complete(fake_pending(0), 0, 100, 1); /* the device goes on: all of it */
	fake_complete(fake_pending(0), 0, 40, 2);  /* ... a short packet */
	fake_pending(0)->partial = 64;             /* ... in the middle */
	memset(fake_pending(0)->data, 3, 100);
	xfer_wait(&x[3]);
	xfer_check(&x[0], USBDEV_STATUS_ERROR, 0);
	for (unsigned i = 1; i < 4; i++) {
		xfer_check(&x[i], USBDEV_STATUS_CANCELLED, 0);
		xfer_check_bytes(&x[i], 0, 100, 0xee);
		xfer_submit(&x[i]);
	}
	xfer_wait(&x[1]);
	xfer_wait(&x[2]);
	xfer_check(&x[1], USBDEV_STATUS_OK, 100);
	xfer_check_bytes(&x[1], 0, 100, 1);
	xfer_check(&x[2], USBDEV_STATUS_OK, 40);
	xfer_check_bytes(&x[2], 0, 40, 2);
	/* the rest of the third comes from the device */
	settle();
	assert_int_equal(x[3].order, 0);
	assert_int_equal(fake_pending(0)->bytes, 36);
	fake_complete(fake_pending(0), 0, 36, 4);
	xfer_wait(&x[3]);
	xfer_check(&x[3], USBDEV_STATUS_OK, 100);
	xfer_check_bytes(&x[3], 0, 64, 3);
	xfer_check_bytes(&x[3], 64, 100, 4);
	free_all(4);
}

/* ---- memory that cannot be written ---- */

/* Bytes that could not be written are not lost, and come before those of the next transfer. */
static void test_in_without_memory(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 100);
	submit_bulk(1, 0x81, 100);
	x[0].closed_from = 60;
	fake_complete(fake_pending(0), 0, 80, 1);
	fake_complete(fake_pending(0), 0, 100, 2);
	xfer_wait(&x[1]);
	xfer_check(&x[0], USBDEV_STATUS_MEMORY, 60);
	xfer_check(&x[1], USBDEV_STATUS_CANCELLED, 0);
	/* the rest, and the second one again */
	submit_bulk(2, 0x81, 40);
	xfer_submit(&x[1]);
	xfer_wait(&x[1]);
	xfer_check(&x[2], USBDEV_STATUS_OK, 20);
	xfer_check_bytes(&x[2], 0, 20, 1);
	xfer_check(&x[1], USBDEV_STATUS_OK, 100);
	xfer_check_bytes(&x[1], 0, 100, 2);
	assert_int_equal(fake.submits, 2);
	free_all(3);
}

static void test_leftover_meets_no_memory(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 100);
	x[0].closed = true;
	fake_complete(fake_pending(0), 0, 100, 1);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_MEMORY, 0);
	xfer_submit(&x[0]);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_MEMORY, 0);
	x[0].closed = false;
	xfer_submit(&x[0]);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 100);
	xfer_check_bytes(&x[0], 0, 100, 1);
	assert_int_equal(fake.submits, 1);
	free_all(1);
}

/* ---- orphans: cancelled, their owner has closed their memory ---- */

static void test_orphans_data_goes_to_the_next(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		submit_bulk(i, 0x81, 100);
	for (unsigned i = 3; i-- > 0;) {
		memset(fake_pending(i)->data, (int)i + 1, 100);
		fake_pending(i)->partial = i < 2 ? 64 : 0;
		x[i].closed = true;
		xfer_cancel(&x[i]);
	}
	for (unsigned i = 0; i < 3; i++) {
		xfer_wait(&x[i]);
		xfer_check(&x[i], USBDEV_STATUS_CANCELLED, 0);
	}
	/* in the order received, though the last was unlinked first */
	submit_bulk(3, 0x81, 100);
	submit_bulk(4, 0x81, 100);
	xfer_wait(&x[3]);
	xfer_check(&x[3], USBDEV_STATUS_OK, 100);
	xfer_check_bytes(&x[3], 0, 64, 1);
	xfer_check_bytes(&x[3], 64, 100, 2);
	settle();
	assert_int_equal(fake_pending(0)->bytes, 72);
	fake_complete(fake_pending(0), 0, 10, 9);
	xfer_wait(&x[4]);
	xfer_check(&x[4], USBDEV_STATUS_OK, 38);
	xfer_check_bytes(&x[4], 0, 28, 2);
	xfer_check_bytes(&x[4], 28, 38, 9);
	free_all(5);
}

/* A packet without data is a packet. */
static void test_orphans_empty_packet(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 100);
	urbs_freeze(f.urbs);
	fake_complete(fake_pending(0), 0, 0, 0);
	x[0].closed = true;
	xfer_cancel(&x[0]);
	urbs_thaw(f.urbs);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_CANCELLED, 0);
	submit_bulk(1, 0x81, 100);
	xfer_wait(&x[1]);
	xfer_check(&x[1], USBDEV_STATUS_OK, 0);
	assert_int_equal(fake.submits, 1);
	free_all(2);
}

/* Of 31 bytes the last packet was short, although 31 were asked for. */
static void test_odd_length_ends_short(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 31);
	urbs_freeze(f.urbs);
	fake_complete(fake_pending(0), 0, 31, 5);
	x[0].closed = true;
	xfer_cancel(&x[0]);
	urbs_thaw(f.urbs);
	xfer_wait(&x[0]);
	submit_bulk(1, 0x81, 100);
	xfer_wait(&x[1]);
	xfer_check(&x[1], USBDEV_STATUS_OK, 31);
	free_all(2);
}

/* A transfer that was not cancelled waits again, and gets the orphan's data. */
static void test_those_behind_an_orphan_wait_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		submit_bulk(i, 0x81, 64);
	memset(fake_pending(0)->data, 1, 64);
	fake_pending(0)->partial = 64;
	x[0].closed = true;
	xfer_cancel(&x[0]);
	xfer_wait(&x[1]);
	xfer_check(&x[0], USBDEV_STATUS_CANCELLED, 0);
	xfer_check(&x[1], USBDEV_STATUS_OK, 64);
	xfer_check_bytes(&x[1], 0, 64, 1);
	assert_int_equal(fake.discards, 3);
	settle();
	assert_int_equal(fake.pending, 1);
	assert_int_equal(x[2].order, 0);
	fake_complete(fake_pending(0), 0, 64, 2);
	xfer_wait(&x[2]);
	xfer_check(&x[2], USBDEV_STATUS_OK, 64);
	xfer_check_bytes(&x[2], 0, 64, 2);
	free_all(3);
}

/* Makes @len bytes of leftover data on 0x81. */
static void make_leftover(unsigned i, uint32_t len, uint8_t byte)
{
	submit_bulk(i, 0x81, len);
	urbs_freeze(f.urbs);
	fake_complete(fake_pending(0), 0, len, byte);
	x[i].closed = true;
	xfer_cancel(&x[i]);
	urbs_thaw(f.urbs);
	xfer_wait(&x[i]);
	xfer_check(&x[i], USBDEV_STATUS_CANCELLED, 0);
}

/* As make_leftover() on stream @stream_id; the transfer is freed. */
static void make_leftover_on(uint16_t stream_id, uint32_t len)
{
	xfer_init(&x[63], USBDEV_TYPE_BULK, 0x81, len);
	x[63].transfer.stream_id = stream_id;
	xfer_submit(&x[63]);
	urbs_freeze(f.urbs);
	fake_complete(fake_pending(0), 0, len, (uint8_t)stream_id);
	x[63].closed = true;
	xfer_cancel(&x[63]);
	urbs_thaw(f.urbs);
	xfer_wait(&x[63]);
	xfer_free(&x[63]);
}

/* Takes @len bytes kept for @stream_id. Return: false if they are lost; then the transfer fails. */
static bool takes_leftover_from(uint16_t stream_id, uint32_t len)
{
	bool kept;

	xfer_init(&x[63], USBDEV_TYPE_BULK, 0x81, len);
	x[63].transfer.stream_id = stream_id;
	xfer_submit(&x[63]);
	settle();
	assert_int_not_equal(x[63].order, 0);
	kept = x[63].status == USBDEV_STATUS_OK;
	if (kept)
		xfer_check_bytes(&x[63], 0, len, (uint8_t)stream_id);
	xfer_check(&x[63], kept ? USBDEV_STATUS_OK : USBDEV_STATUS_ERROR, kept ? len : 0);
	xfer_free(&x[63]);
	return kept;
}

/* Thousands of streams share one bound. */
static void test_leftover_of_a_device_is_bounded(void **state)
{
	uint32_t len = 1023 * KIB;
	uint16_t fit =
		(uint16_t)(URB_LEFTOVER_TOTAL_MAX / (len + URB_LEFTOVER_HEAD_BYTES));
	unsigned kept = 0;

	(void)state;
	for (uint16_t id = 1; id <= fit + 3; id++)
		make_leftover_on(id, len);
	/* the oldest is still there */
	assert_true(takes_leftover_from(1, len));
	/* and there is room again */
	make_leftover_on(1000, len);
	assert_true(takes_leftover_from(1000, len));
	for (uint16_t id = 2; id <= fit + 3; id++)
		kept += takes_leftover_from(id, len);
	assert_int_equal(kept, fit - 1);
	/* also after forgetting all */
	for (unsigned round = 0; round < 3; round++) {
		for (uint16_t id = 1; id <= fit; id++)
			make_leftover_on(id, len);
		urbs_forget_leftovers(f.urbs, 0x81);
	}
	make_leftover_on(1, len);
	assert_true(takes_leftover_from(1, len));
}

/* A packet without data, for which there is no buffer. */
static void test_keep_nothing_of_nowhere(void **state)
{
	struct urb_leftover leftover;
	uint32_t total = 0;

	(void)state;
	urb_leftover_init(&leftover, &total);
	urb_leftover_keep(&leftover, 0x81, NULL, 0, true);
	assert_int_equal(total, URB_LEFTOVER_HEAD_BYTES);
	urb_leftover_forget(&leftover);
	assert_int_equal(total, 0);
}

static void test_forget(void **state)
{
	(void)state;
	make_leftover(0, 64, 1);
	urbs_forget_leftovers(f.urbs, 0x01); /* another one */
	submit_bulk(1, 0x81, 32);
	xfer_wait(&x[1]);
	xfer_check_bytes(&x[1], 0, 32, 1);
	urbs_forget_leftovers(f.urbs, 0x81);
	submit_bulk(2, 0x81, 64);
	settle();
	assert_int_equal(fake_pending(0)->bytes, 64);
	fake_complete(fake_pending(0), 0, 64, 2);
	xfer_wait(&x[2]);
	xfer_check_bytes(&x[2], 0, 64, 2);
	free_all(3);
}

/* Transfers unlinked because of it wait again all the same. */
static void test_forget_while_draining(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 64);
	submit_bulk(1, 0x81, 64);
	urbs_freeze(f.urbs);
	fake_complete(fake_pending(0), 0, 64, 1);
	x[0].closed = true;
	fake_close_gate();
	xfer_cancel(&x[0]);
	urbs_thaw(f.urbs);
	settle();
	assert_int_equal(f.completed, 0);
	urbs_forget_leftovers(f.urbs, 0x81);
	fake_open_gate();
	xfer_wait(&x[0]);
	settle();
	assert_int_equal(x[1].order, 0);
	assert_int_equal(fake.discards, 1);
	fake_complete(fake_pending(0), 0, 64, 2);
	xfer_wait(&x[1]);
	xfer_check(&x[1], USBDEV_STATUS_OK, 64);
	free_all(2);
}

/* As when one VMM replaces another: nothing is lost. */
static void test_all_with_the_kernel_may_be_left_over(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 64; i++)
		submit_bulk(i, 0x81, 64 * KIB);
	assert_int_equal(fake.pending, 64);
	urbs_freeze(f.urbs);
	for (unsigned i = 0; i < 64; i++) {
		fake_complete(fake_pending(0), 0, 64 * KIB, (uint8_t)(i + 1));
		x[i].closed = true;
		xfer_cancel(&x[i]);
	}
	urbs_thaw(f.urbs);
	xfer_wait(&x[63]);
	free_all(64);
	for (unsigned i = 0; i < 64; i++) {
		submit_bulk(i, 0x81, 64 * KIB);
		settle();
		xfer_check(&x[i], USBDEV_STATUS_OK, 64 * KIB);
		xfer_check_bytes(&x[i], 0, 64 * KIB, (uint8_t)(i + 1));
		xfer_free(&x[i]);
	}
}

/* The oldest data goes. One transfer fails for it; the next ones get the rest. */
static void test_leftover_is_bounded(void **state)
{
	static uint8_t data[1024 * KIB];
	struct urb_leftover leftover;
	uint32_t total = 0;

	(void)state;
	urb_leftover_init(&leftover, &total);
	for (unsigned i = 0; i < 5; i++) {
		memset(data, (int)i, sizeof(data));
		urb_leftover_keep(&leftover, 0x81, data, sizeof(data), false);
		assert_in_range(leftover.bytes, sizeof(data), URB_LEFTOVER_BYTES_MAX);
	}
	assert_true(urb_leftover_is_due(&leftover));
	xfer_init(&x[0], USBDEV_TYPE_BULK, 0x81, sizeof(data));
	assert_int_equal(urb_leftover_deliver(&leftover, &x[0].transfer), -EIO);
	assert_int_equal(x[0].transfer.actual_bytes, 0);
	for (unsigned i = 1; i < 5; i++) {
		x[0].transfer.actual_bytes = 0;
		assert_int_equal(urb_leftover_deliver(&leftover, &x[0].transfer), 1);
		xfer_check_bytes(&x[0], 0, sizeof(data), (uint8_t)i);
	}
	assert_false(urb_leftover_is_due(&leftover));
	assert_int_equal(total, 0);
	free_all(1);
}

/* Only the same stream gets it. */
static void test_leftover_of_a_stream(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		xfer_init(&x[i], USBDEV_TYPE_BULK, 0x81, 64);
		x[i].transfer.stream_id = (uint16_t)(i == 1 ? 2 : 1);
	}
	xfer_submit(&x[0]);
	urbs_freeze(f.urbs);
	fake_complete(fake_pending(0), 0, 64, 1);
	x[0].closed = true;
	xfer_cancel(&x[0]);
	urbs_thaw(f.urbs);
	xfer_wait(&x[0]);
	xfer_submit(&x[1]);
	xfer_submit(&x[2]);
	xfer_wait(&x[2]);
	xfer_check(&x[2], USBDEV_STATUS_OK, 64);
	xfer_check_bytes(&x[2], 0, 64, 1);
	assert_int_equal(x[1].order, 0);
	fake_complete(fake_pending(0), 0, 64, 2);
	xfer_wait(&x[1]);
	free_all(3);
}

/* Forgetting for an endpoint covers all its streams. */
static void test_forget_of_streams(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		xfer_init(&x[i], USBDEV_TYPE_BULK, 0x81, 64);
		x[i].transfer.stream_id = 5;
		xfer_submit(&x[i]);
		if (i == 0) {
			urbs_freeze(f.urbs);
			fake_complete(fake_pending(0), 0, 64, 1);
			x[0].closed = true;
			xfer_cancel(&x[0]);
			urbs_thaw(f.urbs);
			xfer_wait(&x[0]);
			urbs_forget_leftovers(f.urbs, 0x81);
		}
	}
	settle();
	assert_int_equal(x[1].order, 0);
	fake_complete(fake_pending(0), 0, 64, 2);
	xfer_wait(&x[1]);
	xfer_check_bytes(&x[1], 0, 64, 2);
	free_all(2);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(failure_keeps_what_those_behind_got),
		TEST(in_without_memory),
		TEST(leftover_meets_no_memory),
		TEST(orphans_data_goes_to_the_next),
		TEST(orphans_empty_packet),
		TEST(odd_length_ends_short),
		TEST(those_behind_an_orphan_wait_again),
		TEST(forget),
		TEST(leftover_of_a_device_is_bounded),
		TEST(keep_nothing_of_nowhere),
		TEST(forget_while_draining),
		TEST(all_with_the_kernel_may_be_left_over),
		TEST(leftover_is_bounded),
		TEST(leftover_of_a_stream),
		TEST(forget_of_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
