/* SPDX-License-Identifier: MIT
 * test_device.c - a real device at work, being pulled, and closed
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host_fake.h"

static int setup(void **state)
{
	(void)state;
	fake_init();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_finish();
	return 0;
}

/* The worker may take long to close; the loop goes on. */
static void test_close_blocks(void **state)
{
	(void)state;
	fake_open(HOST_RESET_ALWAYS);
	fake_hold();
	fake_destroy();
	host_settle(&fake.host);
	fake_held();
	host_settle(&fake.host);
	assert_false(fake.destroyed);
	fake_release();
	FAKE_UNTIL(fake.destroyed);
}

/* The worker still unlinks URBs: these must not go before. */
static void test_close_waits_for_urbs(void **state)
{
	(void)state;
	fake_open(HOST_RESET_ALWAYS);
	fake.restless = 3;
	fake_destroy();
	FAKE_UNTIL(fake.destroyed);
	assert_int_equal(fake.restless, 0);
}

static void test_data(void **state)
{
	struct urb urb;

	(void)state;
	fake_open(HOST_RESET_ALWAYS);
	fake_bulk(&urb, 0x81);
	assert_true(fake_has(&urb));
	fake_answer(&urb, USBDEV_STATUS_BABBLE, 512);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_BABBLE);
	assert_int_equal(urb.transfer.actual_bytes, 512);
	urb_finish(&urb);
	fake_bulk(&urb, 0x02);
	urb_cancel(&urb);
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_CANCELLED);
	urb_finish(&urb);
	assert_string_equal(fake.calls, "");
}

static void expect_gone(uint8_t ep_addr)
{
	struct urb urb;

	if (ep_addr == 0)
		fake_request(&urb, 0x80, 6, 0x0100, 0, 18);
	else
		fake_bulk(&urb, ep_addr);
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_GONE);
	urb_finish(&urb);
}

static void test_gone_idle(void **state)
{
	(void)state;
	fake_open(HOST_RESET_ALWAYS);
	fake_unplug();
	assert_int_equal(fake.gone, 1);
	expect_gone(0x81);
	expect_gone(0);
	assert_int_equal(fake_ask(0x00, 9, 2, 0), USBDEV_STATUS_GONE);
	assert_int_equal(fake.gone, 1);
	assert_string_equal(fake.calls, "");
}

static void test_gone_busy(void **state)
{
	struct urb bulk, requests[2];

	(void)state;
	fake_open(HOST_RESET_ALWAYS);
	fake_bulk(&bulk, 0x81);
	fake_request(&requests[0], 0x80, 6, 0x0100, 0, 18);
	fake_request(&requests[1], 0x80, 6, 0x0100, 0, 18);
	fake_unplug();
	urb_wait(&requests[1]);
	assert_int_equal(bulk.transfer.status, USBDEV_STATUS_GONE);
	assert_int_equal(requests[0].transfer.status, USBDEV_STATUS_GONE);
	assert_int_equal(requests[1].transfer.status, USBDEV_STATUS_GONE);
	assert_int_equal(fake.gone, 1);
	urb_finish(&bulk);
	urb_finish(&requests[0]);
	urb_finish(&requests[1]);
}

/* The worker finds out first. */
static void test_gone_in_worker(void **state)
{
	struct urb next;

	(void)state;
	fake_open(HOST_RESET_ALWAYS);
	fake_hold();
	fake.call_error = -ENODEV;
	fake_request(&next, 0x01, 11, 1, 0, 0);
	fake_held();
	host_settle(&fake.host);
	assert_int_equal(fake.gone, 0);
	fake_release();
	urb_wait(&next);
	assert_int_equal(next.transfer.status, USBDEV_STATUS_GONE);
	assert_int_equal(fake.gone, 1);
	fake_unplug(); /* and then urbs does */
	assert_int_equal(fake.gone, 1);
	expect_gone(0x81);
	urb_finish(&next);
}

/* While SET_CONFIGURATION waits for the others. */
static void test_gone_in_drain(void **state)
{
	struct urb bulks[2], request;

	(void)state;
	fake_open(HOST_RESET_ALWAYS);
	fake.call_error = -ENODEV;
	fake_bulk(&bulks[0], 0x81);
	fake_request(&request, 0x00, 9, 2, 0, 0);
	fake_bulk(&bulks[1], 0x81);
	fake_unplug();
	urb_wait(&request);
	assert_int_equal(request.transfer.status, USBDEV_STATUS_GONE);
	fake_answer(&bulks[1], USBDEV_STATUS_GONE, 0);
	assert_int_equal(fake.gone, 1);
	urb_finish(&bulks[0]);
	urb_finish(&bulks[1]);
	urb_finish(&request);
}

/* Before anybody listens: whoever plugs it in hears of it at the first use. */
static void test_gone_unheard(void **state)
{
	const struct usbdev_events *events;

	(void)state;
	fake_open(HOST_RESET_ALWAYS);
	events = fake.host.dev->events;
	usbdev_set_events(fake.host.dev, NULL, NULL);
	fake_unplug();
	host_settle(&fake.host);
	assert_int_equal(fake.gone, 0);
	usbdev_set_events(fake.host.dev, events, NULL);
	expect_gone(0);
	host_settle(&fake.host);
	assert_int_equal(fake.gone, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_close_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_waits_for_urbs, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_data, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_idle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_in_worker, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_in_drain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_unheard, setup, teardown),
	};

	return cmocka_run_group_tests_name("a real device", tests, NULL, NULL);
}
