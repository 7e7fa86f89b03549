/* SPDX-License-Identifier: MIT
 * test_piece.c - bulk and interrupt transfers as URBs
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
#include "util/compiler.h"
#include "util/loop.h"

#define KIB 1024u
#define MIB (1024u * KIB)

static struct xfer x[200];

static void submit_bulk(unsigned i, uint8_t ep_addr, uint32_t len)
{
	xfer_init(&x[i], USBDEV_TYPE_BULK, ep_addr, len);
	xfer_submit(&x[i]);
}

/* ---- bulk and interrupt ---- */

static void test_bulk_out_from_guest_memory(void **state)
{
	(void)state;
	submit_bulk(0, 0x02, 3000);
	assert_int_equal(fake.submits, 1);
	assert_ptr_equal(fake_pending(0)->buffer, x[0].data);
	assert_int_equal(fake_pending(0)->usb->type, USBDEVFS_URB_TYPE_BULK);
	assert_int_equal(fake_pending(0)->usb->endpoint, 0x02);
	assert_int_equal(fake_pending(0)->usb->flags, 0);
	assert_memory_equal(fake_pending(0)->data, x[0].data, 3000);
	fake_complete(fake_pending(0), 0, 3000, 0);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 3000);
	xfer_free(&x[0]);
}

/* Adjacent pages of host memory are one piece, also beyond one look-up. */
static void test_bulk_out_adjacent_pieces(void **state)
{
	(void)state;
	xfer_init(&x[0], USBDEV_TYPE_BULK, 0x02, 40 * 100);
	x[0].piece_bytes = 100;
	xfer_submit(&x[0]);
	assert_ptr_equal(fake_pending(0)->buffer, x[0].data);
	assert_int_equal(fake_pending(0)->bytes, 4000);
	assert_memory_equal(fake_pending(0)->data, x[0].data, 4000);
	fake_complete(fake_pending(0), 0, 4000, 0);
	xfer_wait(&x[0]);
	xfer_free(&x[0]);
}

static void test_bulk_out_gathered(void **state)
{
	(void)state;
	xfer_init(&x[0], USBDEV_TYPE_BULK, 0x02, 1000);
	x[0].piece_bytes = 600;
	x[0].gap_bytes = 50;
	xfer_submit(&x[0]);
	assert_int_equal(fake_pending(0)->bytes, 1000);
	assert_memory_equal(fake_pending(0)->data, x[0].data, 600);
	assert_memory_equal(fake_pending(0)->data + 600, x[0].data + 650, 400);
	fake_complete(fake_pending(0), 0, 1000, 0);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 1000);
	xfer_free(&x[0]);
}

static void test_bulk_out_memory_refused_by_kernel(void **state)
{
	(void)state;
	fake.submit_error = -EFAULT;
	fake.submit_errors = 1;
	submit_bulk(0, 0x02, 1000);
	assert_int_equal(fake.submits, 1);
	assert_ptr_not_equal(fake_pending(0)->buffer, x[0].data);
	assert_memory_equal(fake_pending(0)->data, x[0].data, 1000);
	fake_complete(fake_pending(0), 0, 1000, 0);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 1000);
	xfer_free(&x[0]);
}

/* A transfer whose data cannot be read ends those behind it, which have not moved. */
static void test_bulk_out_without_memory(void **state)
{
	(void)state;
	urbs_freeze(f.urbs);
	xfer_init(&x[0], USBDEV_TYPE_BULK, 0x02, 1000);
	x[0].closed = true;
	xfer_submit(&x[0]);
	submit_bulk(1, 0x02, 10);
	submit_bulk(2, 0x03, 10);
	urbs_thaw(f.urbs);
	xfer_wait(&x[0]);
	settle();
	xfer_check(&x[0], USBDEV_STATUS_MEMORY, 0);
	xfer_check(&x[1], USBDEV_STATUS_CANCELLED, 0);
	assert_int_equal(x[2].order, 0);
	assert_int_equal(fake.submits, 1);
	fake_complete(fake_pending(0), 0, 10, 0);
	xfer_wait(&x[2]);
	for (unsigned i = 0; i < 3; i++)
		xfer_free(&x[i]);
}

static void test_bulk_in(void **state)
{
	(void)state;
	xfer_init(&x[0], USBDEV_TYPE_BULK, 0x81, 1000);
	x[0].piece_bytes = 300;
	x[0].gap_bytes = 10;
	xfer_submit(&x[0]);
	assert_int_equal(fake_pending(0)->bytes, 1000);
	/* the kernel never holds guest memory */
	assert_true((uint8_t *)fake_pending(0)->buffer < x[0].data ||
		    (uint8_t *)fake_pending(0)->buffer >= x[0].data + 2000);
	fake_complete(fake_pending(0), 0, 700, 0x55);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 700);
	xfer_check_bytes(&x[0], 0, 300, 0x55);
	xfer_check_bytes(&x[0], 300, 310, 0xee);
	xfer_check_bytes(&x[0], 310, 610, 0x55);
	xfer_check_bytes(&x[0], 620, 720, 0x55);
	xfer_check_bytes(&x[0], 720, 1000, 0xee);
	xfer_free(&x[0]);
}

static void test_zero_length(void **state)
{
	(void)state;
	submit_bulk(0, 0x02, 0);
	submit_bulk(1, 0x81, 0);
	assert_int_equal(fake.submits, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fake_pending(0)->bytes, 0);
		fake_complete(fake_pending(0), 0, 0, 0);
		xfer_wait(&x[i]);
		xfer_check(&x[i], USBDEV_STATUS_OK, 0);
		xfer_free(&x[i]);
	}
}

static void test_interrupt(void **state)
{
	(void)state;
	xfer_init(&x[0], USBDEV_TYPE_INTERRUPT, 0x83, 8);
	xfer_submit(&x[0]);
	assert_int_equal(fake_pending(0)->usb->type, USBDEVFS_URB_TYPE_INTERRUPT);
	fake_complete(fake_pending(0), 0, 3, 9);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 3);
	xfer_check_bytes(&x[0], 0, 3, 9);
	xfer_free(&x[0]);
}

static void test_streams_are_independent(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		xfer_init(&x[i], USBDEV_TYPE_BULK, 0x81, 100);
		x[i].transfer.stream_id = (uint16_t)(i < 2 ? 7 : 9);
		xfer_submit(&x[i]);
	}
	assert_int_equal(fake_pending(0)->usb->stream_id, 7);
	assert_int_equal(fake_pending(2)->usb->stream_id, 9);
	fake_complete(fake_pending(2), 0, 100, 1);
	xfer_wait(&x[2]);
	assert_int_equal(f.completed, 1);
	/* on one stream, in the order submitted */
	fake_complete(fake_pending(1), 0, 100, 1);
	settle();
	assert_int_equal(f.completed, 1);
	fake_complete(fake_pending(0), 0, 100, 1);
	xfer_wait(&x[1]);
	assert_int_equal(x[0].order, 2);
	assert_int_equal(x[1].order, 3);
	for (unsigned i = 0; i < 3; i++)
		xfer_free(&x[i]);
}

static const struct {
	int kernel;
	enum usbdev_status status;
} statuses[] = {
	{0, USBDEV_STATUS_OK},
	{-EREMOTEIO, USBDEV_STATUS_OK},
	{-EPIPE, USBDEV_STATUS_STALL},
	{-EOVERFLOW, USBDEV_STATUS_BABBLE},
	{-ENOENT, USBDEV_STATUS_CANCELLED},
	{-ECONNRESET, USBDEV_STATUS_CANCELLED},
	{-ESHUTDOWN, USBDEV_STATUS_CANCELLED},
	{-ENODEV, USBDEV_STATUS_CANCELLED},
	{-EPROTO, USBDEV_STATUS_ERROR},
	{-EILSEQ, USBDEV_STATUS_ERROR},
	{-ETIME, USBDEV_STATUS_ERROR},
	{-ENOSR, USBDEV_STATUS_ERROR},
	{-12345, USBDEV_STATUS_ERROR},
};

static void test_statuses(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(statuses); i++) {
		submit_bulk(0, 0x81, 100);
		fake_complete(fake_pending(0), statuses[i].kernel, 64, 5);
		xfer_wait(&x[0]);
		xfer_check(&x[0], statuses[i].status, 64);
		xfer_check_bytes(&x[0], 0, 64, 5);
		xfer_free(&x[0]);
	}
	assert_int_equal(f.gone, 0);
}

static const struct {
	int kernel;
	enum usbdev_status bulk;
	enum usbdev_status control;
} refusals[] = {
	{-ENOENT, USBDEV_STATUS_ERROR, USBDEV_STATUS_STALL},
	{-EINVAL, USBDEV_STATUS_ERROR, USBDEV_STATUS_STALL},
	{-ESRCH, USBDEV_STATUS_ERROR, USBDEV_STATUS_STALL},
	{-EHOSTUNREACH, USBDEV_STATUS_ERROR, USBDEV_STATUS_STALL},
	{-EPIPE, USBDEV_STATUS_STALL, USBDEV_STATUS_STALL},
	{-ESHUTDOWN, USBDEV_STATUS_CANCELLED, USBDEV_STATUS_CANCELLED},
	{-EBUSY, USBDEV_STATUS_ERROR, USBDEV_STATUS_ERROR},
	{-ENODEV, USBDEV_STATUS_GONE, USBDEV_STATUS_GONE},
};

static void test_refused_submissions(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(refusals); i++) {
		fake.submit_error = refusals[i].kernel;
		/* a busy interface is tried once more */
		fake.submit_errors = refusals[i].kernel == -EBUSY ? 4 : 2;
		submit_bulk(0, 0x81, 100);
		xfer_init_control(&x[1], 0x80, 18, 18);
		xfer_submit(&x[1]);
		xfer_wait(&x[0]);
		xfer_wait(&x[1]);
		xfer_check(&x[0], refusals[i].bulk, 0);
		xfer_check(&x[1], refusals[i].control, 0);
		xfer_free(&x[0]);
		xfer_free(&x[1]);
		/* once for all transfers refused in a turn */
		settle();
		assert_int_equal(f.claim_checks, refusals[i].kernel == -EBUSY ? 2 : 0);
		assert_int_equal(fake.submit_errors, 0);
		f.claim_checks = 0;
	}
	/* a reap says that the device is there */
	assert_int_equal(f.gone, 0);
}

/* Another driver has the interface: the guest notices nothing if we can claim it again. */
static void test_busy(void **state)
{
	(void)state;
	f.checks_later = true;
	for (unsigned i = 0; i < 2; i++) {
		fake.submit_error = -EBUSY;
		fake.submit_errors = 3;
		submit_bulk(0, 0x02, 100);
		submit_bulk(1, 0x02, 100);
		submit_bulk(2, 0x81, 100);
		settle();
		assert_int_equal(f.completed, 3 * i);
		assert_int_equal(f.claim_checks, i + 1);
		fake.submit_errors = 0;
		urbs_claim_checked(f.urbs);
		settle();
		/* in their order; and the next refusal leads to a new check */
		assert_ptr_equal(fake_pending(0)->buffer, x[0].data);
		assert_ptr_equal(fake_pending(1)->buffer, x[1].data);
		for (unsigned j = 0; j < 3; j++)
			fake_complete(fake_pending(0), 0, 100, 0);
		for (unsigned j = 0; j < 3; j++) {
			xfer_wait(&x[j]);
			xfer_check(&x[j], USBDEV_STATUS_OK, 100);
			xfer_free(&x[j]);
		}
	}
}

/* Meanwhile the guest cancels it, or the device goes. */
static void test_busy_and_over(void **state)
{
	(void)state;
	f.checks_later = true;
	fake.submit_error = -EBUSY;
	fake.submit_errors = 1000;
	submit_bulk(0, 0x02, 100);
	submit_bulk(1, 0x81, 100);
	settle();
	urbs_cancel(f.urbs, &x[0].transfer);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_CANCELLED, 0);
	fake_gone();
	xfer_wait(&x[1]);
	xfer_check(&x[1], USBDEV_STATUS_GONE, 0);
	urbs_claim_checked(f.urbs);
	settle();
	assert_int_equal(f.completed, 2);
	xfer_free(&x[0]);
	xfer_free(&x[1]);
}

static void test_absurd_lengths(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 100);
	fake_complete(fake_pending(0), 0, 0x7fffffff, 5);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 100);
	xfer_free(&x[0]);
	submit_bulk(0, 0x02, 100);
	fake_complete(fake_pending(0), 0, 0xffffffff, 5);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 0);
	xfer_free(&x[0]);
}

/* The kernel has one and refuses the next. That one completes in its turn; transfers submitted
 * meanwhile wait for it. */
static void test_refused_behind_one_with_the_kernel(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		submit_bulk(0, 0x01, 100);
		xfer_init(&x[1], USBDEV_TYPE_BULK, 0x01, 100);
		x[1].closed = round == 0;
		fake.submit_error = -EINVAL;
		fake.submit_errors = round;
		xfer_submit(&x[1]);
		submit_bulk(2, 0x01, 100);
		settle();
		/* the third would overtake it */
		assert_int_equal(fake.pending, 1);
		assert_int_equal(x[1].order, 0);
		fake_complete(fake_pending(0), 0, 100, 0);
		xfer_wait(&x[1]);
		settle();
		assert_int_equal(fake.pending, 1);
		fake_complete(fake_pending(0), 0, 100, 0);
		xfer_wait(&x[2]);
		xfer_check(&x[0], USBDEV_STATUS_OK, 100);
		xfer_check(&x[1], round == 0 ? USBDEV_STATUS_MEMORY : USBDEV_STATUS_ERROR,
			   0);
		for (unsigned i = 0; i < 3; i++)
			xfer_free(&x[i]);
	}
}

static void test_foreign_urb(void **state)
{
	struct usbdevfs_urb other = {.usercontext = &other};

	(void)state;
	submit_bulk(0, 0x81, 100);
	fake_complete_foreign(&other);
	fake_complete(fake_pending(0), 0, 100, 5);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 100);
	xfer_free(&x[0]);
}

/* Another program with the same descriptor can make the kernel name any address: of nothing, or of
 * an URB that we have reaped. */
static void test_foreign_urb_with_any_address(void **state)
{
	struct usbdevfs_urb *used;

	(void)state;
	submit_bulk(0, 0x81, 100);
	used = fake_pending(0)->usb;
	submit_bulk(1, 0x82, 100);
	fake_complete_foreign((struct usbdevfs_urb *)(uintptr_t)0xdeadbeef000);
	fake_complete_foreign(NULL);
	fake_complete(fake_pending(0), 0, 100, 1);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 100);
	fake_complete_foreign(used);
	settle();
	assert_int_equal(x[1].order, 0);
	fake_complete(fake_pending(0), 0, 100, 2);
	xfer_wait(&x[1]);
	xfer_check(&x[1], USBDEV_STATUS_OK, 100);
	for (unsigned i = 0; i < 2; i++)
		xfer_free(&x[i]);
}

/* ---- long transfers ---- */

static void test_in_pieces(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 2 * MIB + 500);
	submit_bulk(1, 0x81, 10);
	for (unsigned piece = 0; piece < 3; piece++) {
		/* one after the other, and none of the next transfer before the last */
		assert_int_equal(fake.pending, piece < 2 ? 1 : 2);
		assert_int_equal(fake_pending(0)->bytes, piece < 2 ? MIB : 500);
		fake_complete(fake_pending(0), 0, piece < 2 ? MIB : 500,
			      (uint8_t)(piece + 1));
		settle();
	}
	xfer_check(&x[0], USBDEV_STATUS_OK, 2 * MIB + 500);
	xfer_check_bytes(&x[0], 0, MIB, 1);
	xfer_check_bytes(&x[0], MIB, 2 * MIB, 2);
	xfer_check_bytes(&x[0], 2 * MIB, 2 * MIB + 500, 3);
	fake_complete(fake_pending(0), 0, 10, 4);
	xfer_wait(&x[1]);
	xfer_free(&x[0]);
	xfer_free(&x[1]);
}

static void test_short_piece_ends_it(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 3 * MIB);
	fake_complete(fake_pending(0), 0, MIB, 1);
	settle();
	fake_complete(fake_pending(0), 0, 512, 2);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, MIB + 512);
	assert_int_equal(fake.submits, 2);
	xfer_free(&x[0]);
}

static void test_out_pieces(void **state)
{
	(void)state;
	submit_bulk(0, 0x02, MIB + 100);
	assert_int_equal(fake_pending(0)->bytes, MIB);
	fake_complete(fake_pending(0), 0, MIB, 0);
	settle();
	assert_int_equal(fake_pending(0)->bytes, 100);
	assert_memory_equal(fake_pending(0)->data, x[0].data + MIB, 100);
	fake_complete(fake_pending(0), -EPROTO, 64, 0);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_ERROR, MIB + 64);
	xfer_free(&x[0]);
}

static void test_cancelled_between_pieces(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 2 * MIB);
	fake_complete(fake_pending(0), 0, MIB, 1);
	xfer_cancel(&x[0]); /* too late for this piece */
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_CANCELLED, MIB);
	assert_int_equal(fake.submits, 1);
	xfer_free(&x[0]);
}

static void test_older_kernels(void **state)
{
	static const struct {
		uint32_t caps, bytes;
	} kernels[] = {{0, 16 * KIB}, {USBDEVFS_CAP_NO_PACKET_SIZE_LIM, 64 * KIB}};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fixture_create(kernels[i].caps);
		submit_bulk(0, 0x81, kernels[i].bytes + 1);
		assert_int_equal(fake_pending(0)->bytes, kernels[i].bytes);
		fake_complete(fake_pending(0), 0, kernels[i].bytes, 1);
		settle();
		fake_complete(fake_pending(0), 0, 1, 1);
		xfer_wait(&x[0]);
		xfer_check(&x[0], USBDEV_STATUS_OK, kernels[i].bytes + 1);
		xfer_free(&x[0]);
	}
}

static void test_bytes_with_kernel_are_bounded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++)
		submit_bulk(i, 0x81, MIB);
	submit_bulk(6, 0x82, MIB); /* another endpoint has its own bound */
	assert_int_equal(fake.submits, 5);
	fake_complete(fake_pending(0), 0, MIB, 1);
	xfer_wait(&x[0]);
	settle();
	assert_int_equal(fake.submits, 6);
	for (unsigned i = 1; i < 7; i++) {
		fake_complete(fake_pending(0), 0, MIB, 1);
		settle();
	}
	for (unsigned i = 0; i < 7; i++) {
		xfer_check(&x[i], USBDEV_STATUS_OK, MIB);
		xfer_free(&x[i]);
	}
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bulk_out_from_guest_memory),
		TEST(bulk_out_adjacent_pieces),
		TEST(bulk_out_gathered),
		TEST(bulk_out_memory_refused_by_kernel),
		TEST(bulk_out_without_memory),
		TEST(bulk_in),
		TEST(zero_length),
		TEST(interrupt),
		TEST(streams_are_independent),
		TEST(statuses),
		TEST(refused_submissions),
		TEST(busy),
		TEST(busy_and_over),
		TEST(absurd_lengths),
		TEST(refused_behind_one_with_the_kernel),
		TEST(foreign_urb),
		TEST(foreign_urb_with_any_address),
		TEST(in_pieces),
		TEST(short_piece_ends_it),
		TEST(out_pieces),
		TEST(cancelled_between_pieces),
		TEST(older_kernels),
		TEST(bytes_with_kernel_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
