/* SPDX-License-Identifier: MIT
 * test_control_config.c - SET_CONFIGURATION of a real device, and who waits for it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host_fake.h"

static int setup(void **state)
{
	(void)state;
	fake_init();
	fake_open(HOST_RESET_ALWAYS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_finish();
	return 0;
}

/* An untouched device is as SET_CONFIGURATION would leave it. */
static void test_same_configuration_untouched(void **state)
{
	struct urb urb;

	(void)state;
	fake_request(&urb, 0x80, 6, 0x0200, 0, 9);
	fake_answer(&urb, USBDEV_STATUS_OK, 9);
	urb_finish(&urb);
	assert_int_equal(fake_ask(0x00, 5, 7, 0), USBDEV_STATUS_OK);
	fake_request(&urb, 0x00, 0x31, 40, 0, 0); /* SET_ISOCH_DELAY */
	fake_answer(&urb, USBDEV_STATUS_OK, 0);
	urb_finish(&urb);
	assert_int_equal(fake_ask(0x00, 9, 1, 0), USBDEV_STATUS_OK);
	assert_int_equal(fake_ask(0x00, 9, 1, 0), USBDEV_STATUS_OK);
	assert_string_equal(fake.calls, "");
}

static void test_same_configuration_used(void **state)
{
	struct urb urb;

	(void)state;
	fake_bulk(&urb, 0x81);
	fake_answer(&urb, USBDEV_STATUS_OK, 512);
	urb_finish(&urb);
	assert_int_equal(fake_ask(0x00, 9, 1, 0), USBDEV_STATUS_OK);
	assert_string_equal(fake.calls, "config 1; ");
	assert_int_equal(fake.forgotten, UINT32_MAX);
	assert_int_equal(fake_ask(0x00, 9, 1, 0), USBDEV_STATUS_OK); /* not again */
	assert_string_equal(fake.calls, "config 1; ");
	assert_int_equal(fake_ask(0x01, 11, 1, 0), USBDEV_STATUS_OK);
	assert_int_equal(fake_ask(0x00, 9, 1, 0), USBDEV_STATUS_OK);
	assert_string_equal(fake.calls, "config 1; alt 0.1; config 1; ");
	fake_request(&urb, 0x21, 0xff, 0, 0, 0); /* class */
	fake_answer(&urb, USBDEV_STATUS_OK, 0);
	urb_finish(&urb);
	assert_int_equal(fake_ask(0x00, 9, 1, 0), USBDEV_STATUS_OK);
	assert_string_equal(fake.calls, "config 1; alt 0.1; config 1; config 1; ");
}

static void test_other_configurations(void **state)
{
	(void)state;
	assert_int_equal(fake_ask(0x00, 9, 2, 0), USBDEV_STATUS_OK);
	assert_int_equal(fake_ask(0x00, 9, 2, 0), USBDEV_STATUS_OK);
	assert_int_equal(fake_ask(0x00, 9, 0, 0), USBDEV_STATUS_OK);
	assert_int_equal(fake_ask(0x00, 9, 0, 0), USBDEV_STATUS_OK);
	assert_int_equal(fake_ask(0x00, 9, 1, 0), USBDEV_STATUS_OK);
	assert_string_equal(fake.calls, "config 2; config 0; config 1; ");
}

/* All transfers end before; transfers submitted meanwhile wait. */
static void test_configuration_drains(void **state)
{
	struct urb before[2], after, request;

	(void)state;
	fake_bulk(&before[0], 0x81);
	fake_bulk(&before[1], 0x81);
	fake_hold();
	fake_request(&request, 0x00, 9, 2, 0, 0);
	fake_bulk(&after, 0x81);
	assert_false(fake_has(&after));
	urb_wait(&before[1]);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(before[i].transfer.status, USBDEV_STATUS_CANCELLED);
		assert_int_equal(before[i].order, i + 1);
		urb_finish(&before[i]);
	}
	host_settle(&fake.host);
	fake_held();
	assert_false(fake_has(&after));
	fake_release();
	urb_wait(&request);
	urb_finish(&request);
	assert_true(fake_has(&after));
	fake_answer(&after, USBDEV_STATUS_OK, 512);
	assert_int_equal(after.transfer.status, USBDEV_STATUS_OK);
	urb_finish(&after);
}

/* A paused transfer that is cancelled ends in its turn; the device never sees it. */
static void test_cancel_paused(void **state)
{
	struct urb request, bulks[3];

	(void)state;
	fake_hold();
	fake_request(&request, 0x00, 9, 2, 0, 0);
	for (unsigned i = 0; i < 3; i++)
		fake_bulk(&bulks[i], 0x81);
	urb_cancel(&bulks[1]);
	fake_held();
	host_settle(&fake.host);
	assert_int_equal(fake.host.completed, 0);
	fake_release();
	urb_wait(&request);
	fake_answer(&bulks[0], USBDEV_STATUS_OK, 512);
	urb_wait(&bulks[1]);
	assert_int_equal(bulks[1].transfer.status, USBDEV_STATUS_CANCELLED);
	fake_answer(&bulks[2], USBDEV_STATUS_OK, 512);
	for (unsigned i = 0; i < 3; i++)
		urb_finish(&bulks[i]);
	urb_finish(&request);
}

/* SET_CONFIGURATION is cancelled while it waits for the others. */
static void test_cancel_draining(void **state)
{
	struct urb bulk, request, next;

	(void)state;
	fake_bulk(&bulk, 0x81);
	fake_request(&request, 0x00, 9, 2, 0, 0);
	fake_request(&next, 0x80, 0, 0, 0, 2);
	urb_cancel(&request);
	urb_wait(&request);
	assert_int_equal(request.transfer.status, USBDEV_STATUS_CANCELLED);
	urb_wait(&bulk);
	FAKE_UNTIL(fake_has(&next));
	fake_answer(&next, USBDEV_STATUS_OK, 2);
	urb_finish(&bulk);
	fake_bulk(&bulk, 0x81); /* no longer paused */
	assert_true(fake_has(&bulk));
	fake_answer(&bulk, USBDEV_STATUS_OK, 1);
	assert_string_equal(fake.calls, "");
	urb_finish(&bulk);
	urb_finish(&request);
	urb_finish(&next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same_configuration_untouched, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_same_configuration_used, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_other_configurations, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_configuration_drains, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_cancel_paused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_draining, setup, teardown),
	};

	return cmocka_run_group_tests_name("configurations of a real device", tests, NULL,
					   NULL);
}
