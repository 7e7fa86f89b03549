/* SPDX-License-Identifier: MIT
 * test_open.c - a real device's life here, being pulled, and its streams
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

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

static void test_open(void **state)
{
	(void)state;
	fake_open(HOST_RESET_ALWAYS);
	assert_non_null(fake.host.dev);
	assert_int_equal(fake.host.dev->speed, USBDEV_SPEED_HIGH);
	assert_string_equal(fake.host.dev->label, "1-2.3 046d:c31c Fake");
	assert_string_equal(fake.host.dev->ops->name, "host");
	assert_false(usbdev_has_streams(fake.host.dev));
}

static void test_refused(void **state)
{
	(void)state;
	fake.open_error = -EBUSY;
	fake_open(HOST_RESET_ALWAYS);
	assert_null(fake.host.dev);
	assert_int_equal(fake.open_err.code, EBUSY);
	assert_string_equal(fake.open_err.text, "fake: refused");
}

static void never(void *ctx, struct usbdev *dev, const struct err *err)
{
	(void)ctx;
	(void)dev;
	(void)err;
	fail_msg("opened");
}

static void test_no_node(void **state)
{
	struct host_options options = {.fd = -1, .name = "nothing"};
	struct err err = {0};

	(void)state;
	assert_int_equal(host_open(fake.host.loop, &options, never, NULL, &err), -EBADF);
	assert_string_equal(err.text, "nothing: bad");
}

/* The drivers of the host get back what was taken, though the guest never had it. */
static void test_no_memory(void **state)
{
	(void)state;
	fake.urbs_fail = true;
	fake_open(HOST_RESET_ALWAYS);
	assert_null(fake.host.dev);
	assert_int_equal(fake.open_err.code, ENOMEM);
	assert_true(fake.closed_fd >= 0);
	assert_int_equal(fcntl(fake.closed_fd, F_GETFD), -1);
}

static bool destroyed;

static void on_destroyed(void *ctx)
{
	(void)ctx;
	destroyed = true;
}

static void destroy_at_once(void *ctx, struct usbdev *dev, const struct err *err)
{
	(void)ctx;
	(void)err;
	assert_non_null(dev);
	usbdev_destroy(dev, on_destroyed, NULL);
	assert_false(destroyed);
}

static void test_destroy_right_after(void **state)
{
	struct host_options options = {.name = "fake"};
	struct err err = {0};

	(void)state;
	options.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	destroyed = false;
	assert_int_equal(host_open(fake.host.loop, &options, destroy_at_once, NULL, &err),
			 0);
	FAKE_UNTIL(destroyed);
	assert_string_equal(fake.calls, "open; close; ");
	assert_int_equal(fcntl(options.fd, F_GETFD), -1);
}

/* Closing takes its time on the worker; the loop goes on. */
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

/* The worker still discards for urbs, which cannot go before. */
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

/* Found by the worker first. */
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
	fake_unplug(); /* and then by urbs */
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

/* Before anybody listens: who plugs it in hears of it when he uses it. */
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
		cmocka_unit_test_setup_teardown(test_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_node, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_destroy_right_after, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_close_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_waits_for_urbs, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_data, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_idle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_in_worker, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_in_drain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_unheard, setup, teardown),
		cmocka_unit_test_setup_teardown(test_streams, setup, teardown),
		cmocka_unit_test_setup_teardown(test_streams_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_streams_destroyed, setup, teardown),
	};

	return cmocka_run_group_tests_name("life of a real device", tests, NULL, NULL);
}
