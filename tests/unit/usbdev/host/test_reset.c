/* SPDX-License-Identifier: MIT
 * test_reset.c - what a guest's reset does to a real device, by policy
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "host_fake.h"

static void begin(enum host_reset policy)
{
	fake_init();
	fake_open(policy);
}

/* Resets and waits for the answer. */
static void reset(void)
{
	unsigned before = fake.resets;

	usbdev_reset(fake.host.dev);
	assert_int_equal(fake.resets, before); /* never inside the op */
	FAKE_UNTIL(fake.resets == before + 1);
	host_settle(&fake.host);
	assert_int_equal(fake.resets, before + 1);
}

static void use(void)
{
	struct urb urb;

	fake_bulk(&urb, 0x81);
	fake_answer(&urb, USBDEV_STATUS_OK, 512);
	urb_finish(&urb);
}

static void expect_resets(unsigned n)
{
	unsigned found = 0;

	for (const char *at = fake.calls; (at = strstr(at, "reset; ")); at++)
		found++;
	assert_int_equal(found, n);
	assert_int_equal(fake.reset_result, 0);
}

static void test_always(void **state)
{
	(void)state;
	begin(HOST_RESET_ALWAYS);
	for (unsigned i = 1; i < 4; i++) {
		use();
		reset();
		expect_resets(i);
		reset(); /* nothing happened in between */
		expect_resets(i);
	}
	assert_int_equal(fake.forgotten, UINT32_MAX);
	fake_finish();
}

static void test_first(void **state)
{
	(void)state;
	begin(HOST_RESET_FIRST);
	reset(); /* the host had it before */
	expect_resets(1);
	use();
	reset();
	expect_resets(1);
	fake_finish();
}

/* The host's drivers had the device meanwhile. */
static void test_first_again(void **state)
{
	(void)state;
	begin(HOST_RESET_FIRST);
	reset();
	use();
	fake.retaken = 1;
	fake_suspect_claim();
	FAKE_UNTIL(fake.claims_checked == 1);
	reset();
	expect_resets(2);
	use();
	reset();
	expect_resets(2);
	fake_finish();
}

static void test_never(void **state)
{
	(void)state;
	begin(HOST_RESET_NEVER);
	use();
	reset();
	expect_resets(0);
	fake_finish();
}

/* Requests that a guest makes before it knows the device. */
static void test_enumeration_is_no_use(void **state)
{
	struct urb urb;

	(void)state;
	begin(HOST_RESET_ALWAYS);
	reset();
	expect_resets(1);
	fake_request(&urb, 0x80, 6, 0x0100, 0, 64);
	fake_answer(&urb, USBDEV_STATUS_OK, 18);
	urb_finish(&urb);
	reset();
	assert_int_equal(fake_ask(0x00, 5, 3, 0), USBDEV_STATUS_OK);
	reset();
	expect_resets(1);
	assert_int_equal(fake_ask(0x00, 9, 1, 0), USBDEV_STATUS_OK);
	reset();
	expect_resets(2);
	fake_finish();
}

/* After a real reset all is at its start; after one that was left out SET_CONFIGURATION brings it
 * there. */
static void test_configuration_after(void **state)
{
	(void)state;
	begin(HOST_RESET_ALWAYS);
	use();
	reset();
	assert_int_equal(fake_ask(0x00, 9, 1, 0), USBDEV_STATUS_OK);
	assert_string_equal(fake.calls, "reset; ");
	fake_finish();

	begin(HOST_RESET_NEVER);
	use();
	reset();
	assert_int_equal(fake_ask(0x00, 9, 1, 0), USBDEV_STATUS_OK);
	assert_string_equal(fake.calls, "config 1; ");
	fake_finish();
}

/* All transfers end, in order, before the device is touched; transfers submitted meanwhile wait.
 * @policy: with and without a real reset. */
static void cancels(enum host_reset policy)
{
	struct urb bulks[2], requests[3], later_bulk, later_request;

	begin(policy);
	for (unsigned i = 0; i < 2; i++)
		fake_bulk(&bulks[i], 0x81);
	for (unsigned i = 0; i < 3; i++)
		fake_request(&requests[i], 0x80, 6, 0x0100, 0, 18);
	usbdev_reset(fake.host.dev);
	fake_bulk(&later_bulk, 0x81);
	fake_request(&later_request, 0x80, 0, 0, 0, 2);
	assert_int_equal(fake.host.completed, 0);
	FAKE_UNTIL(fake.resets == 1);
	assert_int_equal(fake.host.completed, 5);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(bulks[i].transfer.status, USBDEV_STATUS_CANCELLED);
		urb_finish(&bulks[i]);
	}
	assert_true(bulks[0].order < bulks[1].order);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(requests[i].transfer.status, USBDEV_STATUS_CANCELLED);
		urb_finish(&requests[i]);
	}
	assert_true(requests[0].order < requests[1].order);
	assert_true(requests[1].order < requests[2].order);
	assert_int_equal(fake.submitted, 5);
	host_settle(&fake.host);
	fake_answer(&later_bulk, USBDEV_STATUS_OK, 1);
	fake_answer(&later_request, USBDEV_STATUS_OK, 2);
	urb_finish(&later_bulk);
	urb_finish(&later_request);
	expect_resets(policy == HOST_RESET_ALWAYS);
	fake_finish();
}

static void test_cancels(void **state)
{
	(void)state;
	cancels(HOST_RESET_ALWAYS);
	cancels(HOST_RESET_NEVER);
}

/* With nothing on the default pipe. */
static void test_cancels_data_first(void **state)
{
	struct urb bulk;

	(void)state;
	begin(HOST_RESET_ALWAYS);
	fake_bulk(&bulk, 0x81);
	usbdev_reset(fake.host.dev);
	FAKE_UNTIL(fake.resets == 1);
	assert_int_equal(bulk.order, 1);
	expect_resets(1);
	urb_finish(&bulk);
	fake_finish();
}

/* The worker is setting an alternate setting: that ends first, then comes the reset. */
static void during_request(enum host_reset policy)
{
	struct urb urbs[2];

	begin(policy);
	fake_hold();
	fake_request(&urbs[0], 0x01, 11, 1, 0, 0);
	fake_request(&urbs[1], 0x01, 11, 0, 0, 0);
	fake_held();
	usbdev_reset(fake.host.dev);
	host_settle(&fake.host);
	assert_int_equal(fake.host.completed, 0);
	assert_int_equal(fake.resets, 0);
	fake_release();
	FAKE_UNTIL(fake.resets == 1);
	assert_int_equal(urbs[0].transfer.status, USBDEV_STATUS_OK);
	assert_int_equal(urbs[1].transfer.status, USBDEV_STATUS_CANCELLED);
	expect_resets(policy == HOST_RESET_ALWAYS);
	urb_finish(&urbs[0]);
	urb_finish(&urbs[1]);
	fake_finish();
}

static void test_during_request(void **state)
{
	(void)state;
	during_request(HOST_RESET_ALWAYS);
	during_request(HOST_RESET_NEVER);
}

/* SET_CONFIGURATION waits for others: it never happens, and the transfers that it paused are
 * cancelled too. */
static void test_during_drain(void **state)
{
	struct urb bulks[2], request;

	(void)state;
	begin(HOST_RESET_ALWAYS);
	fake_bulk(&bulks[0], 0x81);
	fake_request(&request, 0x00, 9, 2, 0, 0);
	fake_bulk(&bulks[1], 0x81);
	usbdev_reset(fake.host.dev);
	FAKE_UNTIL(fake.resets == 1);
	urb_wait(&bulks[1]);
	assert_int_equal(request.transfer.status, USBDEV_STATUS_CANCELLED);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(bulks[i].transfer.status, USBDEV_STATUS_CANCELLED);
		urb_finish(&bulks[i]);
	}
	assert_true(bulks[0].order < bulks[1].order);
	assert_string_equal(fake.calls, "reset; ");
	urb_finish(&request);
	fake_finish();
}

/* Two requests, one reset, two answers. */
static void test_twice(void **state)
{
	struct urb bulk;

	(void)state;
	begin(HOST_RESET_ALWAYS);
	use();
	fake_hold();
	usbdev_reset(fake.host.dev);
	host_settle(&fake.host);
	fake_held();
	fake_bulk(&bulk, 0x81);
	usbdev_reset(fake.host.dev);
	host_settle(&fake.host);
	assert_int_equal(fake.resets, 0);
	fake_release();
	FAKE_UNTIL(fake.resets == 2);
	urb_wait(&bulk);
	assert_int_equal(bulk.transfer.status, USBDEV_STATUS_CANCELLED);
	expect_resets(1);
	urb_finish(&bulk);
	fake_finish();
}

/* Gone, or back as another device. */
static void test_gone(void **state)
{
	(void)state;
	begin(HOST_RESET_ALWAYS);
	use();
	fake.call_error = -ENODEV;
	reset();
	assert_int_equal(fake.reset_result, -ENODEV);
	assert_int_equal(fake.gone, 1);
	reset(); /* known by now: no call */
	assert_int_equal(fake.reset_result, -ENODEV);
	assert_int_equal(fake.gone, 1);
	assert_string_equal(fake.calls, "reset; ");
	fake_finish();
}

/* The device still answers: the guest goes on, the next reset tries again. */
static void test_fails(void **state)
{
	(void)state;
	begin(HOST_RESET_ALWAYS);
	assert_int_equal(fake_ask(0x00, 9, 1, 0), USBDEV_STATUS_OK);
	fake.call_error = -EIO;
	reset();
	assert_int_equal(fake.reset_result, 0);
	assert_int_equal(fake.gone, 0);
	fake.call_error = 0;
	assert_int_equal(fake_ask(0x00, 9, 1, 0), USBDEV_STATUS_OK);
	reset();
	assert_string_equal(fake.calls, "reset; config 1; reset; ");
	fake_finish();
}

/* A reset is not answered once the device is destroyed. */
static void test_destroyed(void **state)
{
	(void)state;
	begin(HOST_RESET_ALWAYS);
	use();
	fake_hold();
	usbdev_reset(fake.host.dev);
	host_settle(&fake.host);
	fake_held();
	fake_destroy();
	host_settle(&fake.host);
	assert_false(fake.destroyed);
	fake_release();
	FAKE_UNTIL(fake.destroyed);
	assert_int_equal(fake.resets, 0);
	assert_string_equal(fake.calls, "reset; close; ");
	fake_finish();

	begin(HOST_RESET_ALWAYS);
	use();
	usbdev_reset(fake.host.dev); /* not started */
	fake_destroy();
	FAKE_UNTIL(fake.destroyed);
	assert_int_equal(fake.resets, 0);
	assert_string_equal(fake.calls, "close; ");
	fake_finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_always),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_first_again),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_enumeration_is_no_use),
		cmocka_unit_test(test_configuration_after),
		cmocka_unit_test(test_cancels),
		cmocka_unit_test(test_cancels_data_first),
		cmocka_unit_test(test_during_request),
		cmocka_unit_test(test_during_drain),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_fails),
		cmocka_unit_test(test_destroyed),
	};

	return cmocka_run_group_tests_name("reset of a real device", tests, NULL, NULL);
}
