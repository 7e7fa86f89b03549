/* SPDX-License-Identifier: MIT
 * test_piece_control.c - control transfers as URBs
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

static struct xfer x[1];

static void test_control_in(void **state)
{
	static const uint8_t setup[8] = {0x80, 0x12, 0x56, 0x34, 0x9a, 0x78, 18, 0};

	(void)state;
	xfer_init_control(&x[0], 0x80, 18, 18);
	xfer_submit(&x[0]);
	assert_int_equal(fake_pending(0)->usb->type, USBDEVFS_URB_TYPE_CONTROL);
	assert_int_equal(fake_pending(0)->usb->endpoint, 0);
	assert_memory_equal(fake_pending(0)->data, setup, 8);
	fake_complete(fake_pending(0), 0, 12, 7);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 12);
	xfer_check_bytes(&x[0], 0, 12, 7);
	xfer_check_bytes(&x[0], 12, 18, 0xee);
	xfer_free(&x[0]);
}

static void test_control_in_lengths_differ(void **state)
{
	(void)state;
	/* a Data TD shorter than wLength: what does not fit is babble, what fits is there */
	xfer_init_control(&x[0], 0x80, 64, 10);
	xfer_submit(&x[0]);
	fake_complete(fake_pending(0), 0, 11, 7);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_BABBLE, 10);
	xfer_check_bytes(&x[0], 0, 10, 7);
	xfer_check_bytes(&x[0], 10, 20, 0xee);
	xfer_submit(&x[0]);
	fake_complete(fake_pending(0), 0, 10, 7);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 10);
	xfer_free(&x[0]);
	/* longer */
	xfer_init_control(&x[0], 0x80, 10, 64);
	xfer_submit(&x[0]);
	assert_int_equal(fake_pending(0)->bytes, 10);
	fake_complete(fake_pending(0), 0, 10, 7);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 10);
	xfer_free(&x[0]);
}

static void test_control_longest(void **state)
{
	(void)state;
	xfer_init_control(&x[0], 0xc0, 0xffff, 0xffff);
	xfer_submit(&x[0]);
	fake_complete(fake_pending(0), 0, 0xffff, 7);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 0xffff);
	xfer_check_bytes(&x[0], 0, 0xffff, 7);
	xfer_free(&x[0]);
}

static void test_control_out(void **state)
{
	(void)state;
	xfer_init_control(&x[0], 0x40, 100, 120);
	xfer_submit(&x[0]);
	assert_int_equal(fake_pending(0)->bytes, 108);
	assert_memory_equal(fake_pending(0)->data + 8, x[0].data, 100);
	fake_complete(fake_pending(0), 0, 100, 0);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 100);
	xfer_free(&x[0]);
	/* less data than the SETUP packet announces */
	xfer_init_control(&x[0], 0x40, 100, 99);
	xfer_submit(&x[0]);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_ERROR, 0);
	assert_int_equal(fake.submits, 1);
	xfer_free(&x[0]);
	/* none */
	xfer_init_control(&x[0], 0x00, 0, 0);
	xfer_submit(&x[0]);
	assert_int_equal(fake_pending(0)->bytes, 8);
	fake_complete(fake_pending(0), -EPIPE, 0, 0);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_STALL, 0);
	xfer_free(&x[0]);
}

static void test_control_without_memory(void **state)
{
	(void)state;
	xfer_init_control(&x[0], 0x40, 100, 100);
	x[0].closed = true;
	xfer_submit(&x[0]);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_MEMORY, 0);
	assert_int_equal(fake.submits, 0);
	xfer_free(&x[0]);
	xfer_init_control(&x[0], 0x80, 100, 100);
	x[0].closed_from = 40;
	xfer_submit(&x[0]);
	fake_complete(fake_pending(0), 0, 100, 7);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_MEMORY, 40);
	xfer_free(&x[0]);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(control_in),  TEST(control_in_lengths_differ), TEST(control_longest),
		TEST(control_out), TEST(control_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
