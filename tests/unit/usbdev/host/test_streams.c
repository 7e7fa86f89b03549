/* SPDX-License-Identifier: MIT
 * test_streams.c - requests for streams of a real device
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

static unsigned streams_ended;
static int streams_result;
static bool streams_again;

static void on_streams(struct usbdev_streams *request, int result)
{
	streams_ended++;
	streams_result = result;
	if (streams_again) {
		streams_again = false;
		request->stream_count = 0;
		usbdev_streams(fake.host.dev, request);
	}
}

static struct usbdev_streams a_request(unsigned stream_count)
{
	streams_ended = 0;
	return (struct usbdev_streams){
		.ep_addrs = {0x81, 0x02},
		.ep_count = 2,
		.stream_count = stream_count,
		.done = on_streams,
	};
}

static void test_streams(void **state)
{
	struct usbdev_streams requests[2] = {a_request(16), a_request(8)};

	(void)state;
	fake.info.speed = USBDEV_SPEED_SUPER;
	fake_open(HOST_RESET_ALWAYS);
	assert_true(usbdev_has_streams(fake.host.dev));
	usbdev_streams(fake.host.dev, &requests[0]);
	usbdev_streams(fake.host.dev, &requests[1]);
	streams_again = true; /* from inside done() */
	assert_int_equal(streams_ended, 0);
	FAKE_UNTIL(streams_ended == 3 && fake.frozen == 0);
	assert_int_equal(streams_result, 0);
	assert_string_equal(fake.calls,
			    "streams 16 of 2 from 81; streams 8 of 2 from 81; "
			    "streams 0 of 2 from 81; ");
}

static void test_streams_refused(void **state)
{
	struct usbdev_streams request = a_request(16);

	(void)state;
	fake.info.speed = USBDEV_SPEED_SUPER_PLUS;
	fake_open(HOST_RESET_ALWAYS);
	fake.call_error = -ENOSPC;
	usbdev_streams(fake.host.dev, &request);
	FAKE_UNTIL(streams_ended == 1);
	assert_int_equal(streams_result, -ENOSPC);
	assert_int_equal(fake.gone, 0);
	fake.call_error = -ENODEV;
	request = a_request(16);
	usbdev_streams(fake.host.dev, &request);
	FAKE_UNTIL(streams_ended == 1);
	assert_int_equal(streams_result, -ENODEV);
	assert_int_equal(fake.gone, 1);
}

/* Destroyed meanwhile: the request is answered all the same, then it closes. */
static void test_streams_destroyed(void **state)
{
	struct usbdev_streams request = a_request(16);

	(void)state;
	fake.info.speed = USBDEV_SPEED_SUPER;
	fake_open(HOST_RESET_ALWAYS);
	fake_hold();
	usbdev_streams(fake.host.dev, &request);
	fake_held();
	fake_destroy();
	host_settle(&fake.host);
	fake_release();
	FAKE_UNTIL(fake.destroyed);
	assert_int_equal(streams_ended, 1);
	assert_string_equal(fake.calls, "streams 16 of 2 from 81; close; ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_streams, setup, teardown),
		cmocka_unit_test_setup_teardown(test_streams_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_streams_destroyed, setup, teardown),
	};

	return cmocka_run_group_tests_name("streams of a real device", tests, NULL, NULL);
}
