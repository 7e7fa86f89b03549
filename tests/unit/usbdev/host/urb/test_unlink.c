/* SPDX-License-Identifier: MIT
 * test_unlink.c - cancelled transfers, failures with others behind
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

/* ---- cancelling ---- */

static void test_waiting_one_never_goes(void **state)
{
	(void)state;
	urbs_freeze(f.urbs);
	submit_bulk(0, 0x02, 10);
	submit_bulk(1, 0x02, 10);
	xfer_cancel(&x[0]);
	settle();
	xfer_check(&x[0], USBDEV_STATUS_CANCELLED, 0);
	urbs_thaw(f.urbs);
	settle();
	assert_int_equal(fake.submits, 1);
	assert_int_equal(fake.discards, 0);
	fake_complete(fake_pending(0), 0, 10, 0);
	xfer_wait(&x[1]);
	free_all(2);
}

/* One job unlinks all, from the last to the first; they complete from the first to the last. */
static void test_last_goes_first(void **state)
{
	struct usbdevfs_urb *urbs[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		submit_bulk(i, 0x81, 100);
		urbs[i] = fake_pending(i)->usb;
		fake_pending(i)->partial = i == 0 ? 64 : 0;
	}
	xfer_cancel(&x[1]);
	xfer_cancel(&x[0]);
	xfer_cancel(&x[3]);
	xfer_cancel(&x[2]);
	xfer_cancel(&x[2]);
	for (unsigned i = 0; i < 4; i++)
		xfer_wait(&x[i]);
	assert_int_equal(fake.discards, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_ptr_equal(fake.discarded[i], urbs[3 - i]);
		assert_int_equal(x[i].order, i + 1);
		xfer_check(&x[i], USBDEV_STATUS_CANCELLED, i == 0 ? 64 : 0);
	}
	free_all(4);
}

static void test_cancelled_data_is_delivered(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 100);
	memset(fake_pending(0)->data, 0x42, 100);
	fake_pending(0)->partial = 64;
	xfer_cancel(&x[0]);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_CANCELLED, 64);
	xfer_check_bytes(&x[0], 0, 64, 0x42);
	xfer_check_bytes(&x[0], 64, 100, 0xee);
	free_all(1);
}

/* While the worker unlinks, the loop makes no call; the next job takes transfers cancelled then. */
static void test_unlinking_is_a_freeze(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 100);
	submit_bulk(1, 0x82, 100);
	submit_bulk(2, 0x83, 100);
	fake_close_gate();
	xfer_cancel(&x[0]);
	settle();
	fake_complete(fake_pending(2), 0, 100, 1);
	submit_bulk(3, 0x02, 100);
	xfer_cancel(&x[1]);
	settle();
	assert_int_equal(f.completed, 0);
	assert_int_equal(fake.submits, 3);
	assert_false(urbs_quiet(f.urbs));
	fake_open_gate();
	for (unsigned i = 0; i < 3; i++)
		xfer_wait(&x[i]);
	xfer_check(&x[0], USBDEV_STATUS_CANCELLED, 0);
	xfer_check(&x[1], USBDEV_STATUS_CANCELLED, 0);
	xfer_check(&x[2], USBDEV_STATUS_OK, 100);
	assert_int_equal(fake.discards, 2);
	settle();
	assert_int_equal(fake.submits, 4);
	fake_complete(fake_pending(0), 0, 100, 1);
	xfer_wait(&x[3]);
	free_all(4);
}

static void test_already_complete(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 100);
	submit_bulk(1, 0x81, 100);
	fake_close_gate();
	xfer_cancel(&x[0]);
	xfer_cancel(&x[1]);
	settle();
	fake_complete(fake_pending(0), 0, 100,
		      3); /* while the worker unlinks the second */
	fake_open_gate();
	xfer_wait(&x[1]);
	assert_int_equal(fake.discards, 2);
	xfer_check(&x[0], USBDEV_STATUS_OK, 100);
	xfer_check(&x[1], USBDEV_STATUS_CANCELLED, 0);
	free_all(2);
}

static void test_no_unlink_while_frozen(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 100);
	urbs_freeze(f.urbs);
	fake.closed = true;
	xfer_cancel(&x[0]);
	settle();
	assert_false(f.urbs->unlinks.running);
	fake.closed = false;
	urbs_thaw(f.urbs);
	xfer_wait(&x[0]);
	assert_int_equal(fake.discards, 1);
	free_all(1);
}

static void test_cancel_all(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		xfer_init(&x[i], USBDEV_TYPE_BULK, (uint8_t)(0x81 + i), 10);
		x[i].transfer.stream_id = (uint16_t)(i > 1 ? i : 0);
		xfer_submit(&x[i]);
	}
	xfer_init_control(&x[4], 0x80, 8, 8);
	xfer_submit(&x[4]);
	submit_bulk(5, 0x02, 5 * MIB);
	urbs_cancel_all(f.urbs);
	for (unsigned i = 0; i < 6; i++) {
		xfer_wait(&x[i]);
		xfer_check(&x[i], USBDEV_STATUS_CANCELLED, 0);
	}
	free_all(6);
}

/* Somebody changed the interface under it. */
static void test_unsolicited_kill(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 100);
	submit_bulk(1, 0x81, 100);
	fake_complete(fake_pending(1), -ENOENT, 0, 0);
	fake_complete(fake_pending(0), -ESHUTDOWN, 64, 0);
	xfer_wait(&x[1]);
	xfer_check(&x[0], USBDEV_STATUS_CANCELLED, 64);
	xfer_check(&x[1], USBDEV_STATUS_CANCELLED, 0);
	assert_int_equal(f.gone, 0);
	settle();
	assert_int_equal(f.claim_checks, 1);
	free_all(2);
}

/* ---- a failure with others behind it ---- */

static void test_failure_unlinks_those_behind(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		submit_bulk(i, 0x02, 100);
	urbs_freeze(f.urbs);
	submit_bulk(4, 0x02, 100); /* waits */
	urbs_thaw(f.urbs);
	submit_bulk(5, 0x03, 100); /* another endpoint goes on */
	fake_pending(3)->partial = 30;
	fake_complete(fake_pending(0), 0, 100, 0);
	fake_complete(fake_pending(0), -EPROTO, 10, 0);
	fake_close_gate();
	settle();
	/* does not complete before they are back */
	assert_int_equal(f.completed, 1);
	fake_open_gate();
	xfer_wait(&x[4]);
	xfer_check(&x[1], USBDEV_STATUS_ERROR, 10);
	xfer_check(&x[2], USBDEV_STATUS_CANCELLED, 0);
	xfer_check(&x[3], USBDEV_STATUS_CANCELLED, 30);
	xfer_check(&x[4], USBDEV_STATUS_CANCELLED, 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(x[i].order, i + 1);
	/* and afterwards the endpoint works */
	assert_int_equal(x[5].order, 0);
	submit_bulk(6, 0x02, 100);
	assert_int_equal(fake.pending, 2);
	fake_complete(fake_pending(1), 0, 100, 0);
	xfer_wait(&x[6]);
	fake_complete(fake_pending(0), 0, 100, 0);
	xfer_wait(&x[5]);
	free_all(7);
}

static void test_stall_leaves_those_behind(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 100);
	submit_bulk(1, 0x81, 100);
	fake_complete(fake_pending(0), -EPIPE, 0, 0);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_STALL, 0);
	settle();
	assert_int_equal(fake.discards, 0);
	fake_complete(fake_pending(0), -EPIPE, 0, 0);
	xfer_wait(&x[1]);
	xfer_check(&x[1], USBDEV_STATUS_STALL, 0);
	free_all(2);
}

static void test_control_failure_stands_alone(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		xfer_init_control(&x[i], 0x80, 8, 8);
		xfer_submit(&x[i]);
	}
	fake_complete(fake_pending(0), -EPROTO, 0, 0);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_ERROR, 0);
	fake_complete(fake_pending(0), 0, 8, 0);
	xfer_wait(&x[1]);
	xfer_check(&x[1], USBDEV_STATUS_OK, 8);
	assert_int_equal(fake.discards, 0);
	free_all(2);
}

static void test_gone_while_draining(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		submit_bulk(i, 0x81, 100);
	fake_complete(fake_pending(0), -EPROTO, 0, 0);
	fake_close_gate();
	settle();
	fake_gone();
	fake.discard_status = -ESHUTDOWN;
	fake_open_gate();
	xfer_wait(&x[2]);
	settle();
	xfer_check(&x[0], USBDEV_STATUS_ERROR, 0);
	assert_int_equal(f.gone, 1);
	assert_int_equal(f.completed_when_gone, 3);
	free_all(3);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(waiting_one_never_goes),
		TEST(last_goes_first),
		TEST(cancelled_data_is_delivered),
		TEST(unlinking_is_a_freeze),
		TEST(already_complete),
		TEST(no_unlink_while_frozen),
		TEST(cancel_all),
		TEST(unsolicited_kill),
		TEST(failure_unlinks_those_behind),
		TEST(stall_leaves_those_behind),
		TEST(control_failure_stands_alone),
		TEST(gone_while_draining),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
