/* SPDX-License-Identifier: MIT
 * test_control.c - the default control pipe of a real device
 */
#include <errno.h>
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
	fake_open(HOST_RESET_ALWAYS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_finish();
	return 0;
}

/* Requests for the device, with any type and recipient. */
static void test_passes(void **state)
{
	static const uint8_t requests[][2] = {
		{0x80, 0},    /* GET_STATUS */
		{0x81, 10},   /* GET_INTERFACE */
		{0x80, 8},    /* GET_CONFIGURATION */
		{0x00, 3},    /* SET_FEATURE */
		{0x02, 3},    /* SET_FEATURE(ENDPOINT_HALT) */
		{0x00, 1},    /* CLEAR_FEATURE to the device */
		{0x21, 9},    /* SET_REPORT */
		{0x21, 11},   /* SET_PROTOCOL */
		{0xc0, 5},    /* vendor */
		{0x43, 9},    /* vendor, other */
		{0x20, 9},    /* class, device */
		{0x22, 1},    /* class, endpoint */
		{0x7f, 0xff}, /* reserved */
	};
	struct urb urb;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		fake_request(&urb, requests[i][0], requests[i][1], 0, 1, 3);
		assert_true(fake_has(&urb));
		fake_answer(&urb, USBDEV_STATUS_OK, 2);
		urb_wait(&urb);
		assert_int_equal(urb.transfer.actual_bytes, 2);
		urb_finish(&urb);
	}
	assert_string_equal(fake.calls, "");
}

static void test_answers_pass(void **state)
{
	static const enum usbdev_status statuses[] = {
		USBDEV_STATUS_STALL,
		USBDEV_STATUS_ERROR,
		USBDEV_STATUS_BABBLE,
		USBDEV_STATUS_OK,
	};
	struct urb urb;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(statuses); i++) {
		fake_request(&urb, 0x80, 6, 0x0100, 0, 18);
		fake_answer(&urb, statuses[i], 0);
		urb_wait(&urb);
		assert_int_equal(urb.transfer.status, statuses[i]);
		urb_finish(&urb);
	}
}

static void test_set_address(void **state)
{
	(void)state;
	assert_int_equal(fake_ask(0x00, 5, 7, 0), USBDEV_STATUS_OK);
	assert_int_equal(fake.submitted, 0);
	assert_string_equal(fake.calls, "");
}

/* One at a time, in order, whether the worker or the device does them. */
static void test_order(void **state)
{
	struct urb urbs[6];

	(void)state;
	fake_request(&urbs[0], 0x80, 6, 0x0100, 0, 18);
	fake_request(&urbs[1], 0x00, 5, 7, 0, 0);
	fake_request(&urbs[2], 0x01, 11, 1, 2, 0);
	fake_request(&urbs[3], 0x80, 0, 0, 0, 2);
	fake_request(&urbs[4], 0x02, 1, 0, 0x81, 0);
	fake_request(&urbs[5], 0xa1, 1, 0, 0, 8);
	host_settle(&fake.host);
	assert_int_equal(fake.submitted, 1);
	assert_string_equal(fake.calls, "");
	fake_answer(&urbs[0], USBDEV_STATUS_OK, 18);
	urb_wait(&urbs[2]);
	assert_string_equal(fake.calls, "alt 2.1; ");
	host_settle(&fake.host);
	assert_int_equal(fake.submitted, 2);
	fake_answer(&urbs[3], USBDEV_STATUS_OK, 2);
	urb_wait(&urbs[4]);
	assert_string_equal(fake.calls, "alt 2.1; halt 81; ");
	fake_answer(&urbs[5], USBDEV_STATUS_OK, 8);
	for (unsigned i = 0; i < ARRAY_SIZE(urbs); i++) {
		assert_int_equal(urbs[i].order, i + 1);
		assert_int_equal(urbs[i].transfer.status, USBDEV_STATUS_OK);
		urb_finish(&urbs[i]);
	}
}

/* Transfers of other interfaces stay, and wait while the worker calls. */
static void test_set_interface(void **state)
{
	struct urb bulk, request;

	(void)state;
	fake.endpoints = descr_ep_bit(0x81) | descr_ep_bit(0x02);
	fake_bulk(&bulk, 0x83);
	fake_hold();
	fake_request(&request, 0x01, 11, 1, 2, 0);
	fake_held();
	assert_int_equal(fake.frozen, 1);
	assert_true(fake_has(&bulk));
	fake_release();
	urb_wait(&request);
	assert_int_equal(request.transfer.status, USBDEV_STATUS_OK);
	assert_string_equal(fake.calls, "alt 2.1; ");
	assert_int_equal(fake.forgotten, fake.endpoints);
	assert_int_equal(fake.frozen, 0);
	fake_answer(&bulk, USBDEV_STATUS_OK, 512);
	urb_finish(&bulk);
	urb_finish(&request);
}

static void test_clear_halt(void **state)
{
	(void)state;
	assert_int_equal(fake_ask(0x02, 1, 0, 0x82), USBDEV_STATUS_OK);
	assert_string_equal(fake.calls, "halt 82; ");
	assert_int_equal(fake.forgotten, descr_ep_bit(0x82));
	assert_int_equal(fake.frozen, 0);
}

/* The default pipe has no halt that the kernel keeps. */
static void test_clear_halt_of_ep0(void **state)
{
	struct urb urb;

	(void)state;
	fake_request(&urb, 0x02, 1, 0, 0x80, 0);
	fake_answer(&urb, USBDEV_STATUS_OK, 0);
	urb_wait(&urb);
	assert_string_equal(fake.calls, "");
	urb_finish(&urb);
}

static void test_failures(void **state)
{
	static const struct {
		int error;
		enum usbdev_status status;
	} cases[] = {
		{-ENOENT, USBDEV_STATUS_STALL}, {-EINVAL, USBDEV_STATUS_STALL},
		{-EIO, USBDEV_STATUS_STALL},    {-EBUSY, USBDEV_STATUS_STALL},
		{-ENOSPC, USBDEV_STATUS_STALL},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		fake.call_error = cases[i].error;
		assert_int_equal(fake_ask(0x01, 11, 1, 0), cases[i].status);
		assert_int_equal(fake_ask(0x02, 1, 0, 0x81), cases[i].status);
		assert_int_equal(fake_ask(0x00, 9, 2, 0), cases[i].status);
	}
	assert_int_equal(fake.gone, 0);
	/* configuration 1 is still active, but not untouched */
	fake.call_error = 0;
	fake.calls[0] = '\0';
	assert_int_equal(fake_ask(0x00, 9, 1, 0), USBDEV_STATUS_OK);
	assert_string_equal(fake.calls, "config 1; ");
}

/* With values in fields that these requests do not have. */
static void test_malformed(void **state)
{
	struct urb urb;

	(void)state;
	assert_int_equal(fake_ask(0x00, 9, 0x0102, 0), USBDEV_STATUS_STALL);
	assert_int_equal(fake_ask(0x01, 11, 0x100, 0), USBDEV_STATUS_STALL);
	assert_int_equal(fake_ask(0x01, 11, 1, 0x100), USBDEV_STATUS_STALL);
	assert_int_equal(fake_ask(0x02, 1, 0, 0x0181), USBDEV_STATUS_STALL);
	fake_request(&urb, 0x00, 9, 1, 0, 4);
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_STALL);
	urb_finish(&urb);
	assert_string_equal(fake.calls, "");
	assert_int_equal(fake.submitted, 0);
}

static void test_cancel_waiting(void **state)
{
	struct urb urbs[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		fake_request(&urbs[i], 0x80, 6, 0x0100, 0, 18);
	urb_cancel(&urbs[1]);
	host_settle(&fake.host);
	assert_int_equal(fake.host.completed, 0);
	fake_answer(&urbs[0], USBDEV_STATUS_OK, 18);
	urb_wait(&urbs[1]);
	assert_int_equal(urbs[1].transfer.status, USBDEV_STATUS_CANCELLED);
	assert_int_equal(urbs[1].order, 2);
	fake_answer(&urbs[2], USBDEV_STATUS_OK, 18);
	assert_int_equal(urbs[2].order, 3);
	for (unsigned i = 0; i < 3; i++)
		urb_finish(&urbs[i]);
}

static void test_cancel_with_kernel(void **state)
{
	struct urb urb;

	(void)state;
	fake_request(&urb, 0x80, 6, 0x0100, 0, 18);
	urb_cancel(&urb);
	urb_cancel(&urb);
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_CANCELLED);
	urb_finish(&urb);
}

/* Too late: it ends as it really ended. */
static void test_cancel_in_worker(void **state)
{
	struct urb urb;

	(void)state;
	fake_hold();
	fake_request(&urb, 0x01, 11, 1, 0, 0);
	fake_held();
	urb_cancel(&urb);
	host_settle(&fake.host);
	assert_int_equal(urb.order, 0);
	fake_release();
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_OK);
	urb_finish(&urb);
}

static unsigned streams_ended;

static void on_streams(struct usbdev_streams *request, int result)
{
	(void)request;
	assert_int_equal(result, 0);
	streams_ended++;
}

/* Behind another job: it never runs, and the URBs are thawed as often as frozen. */
static void test_cancel_before_worker(void **state)
{
	struct usbdev_streams request = {
		.ep_addrs = {0x81},
		.ep_count = 1,
		.stream_count = 4,
		.done = on_streams,
	};
	struct handle_info info = fake.info;
	struct urb urb;

	(void)state;
	teardown(NULL);
	fake_init();
	fake.info = info;
	fake.info.speed = USBDEV_SPEED_SUPER;
	fake_open(HOST_RESET_ALWAYS);
	streams_ended = 0;
	fake_hold();
	usbdev_streams(fake.host.dev, &request);
	fake_held();
	fake_request(&urb, 0x01, 11, 1, 0, 0);
	urb_cancel(&urb);
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_CANCELLED);
	assert_int_equal(fake.frozen, 1);
	fake_release();
	FAKE_UNTIL(streams_ended == 1 && fake.frozen == 0);
	assert_string_equal(fake.calls, "streams 4 of 1 from 81; ");
	urb_finish(&urb);
}

/* Hides the alternate setting at offset 20 of configuration 0. */
static void hide(void)
{
	struct handle_info info = fake.info;

	teardown(NULL);
	fake_init();
	fake.info = info;
	fake.info.speed = USBDEV_SPEED_SUPER;
	fake.info.uas_works = false;
	fake.info.uas_count = 1;
	fake.info.uas[0] = (struct descr_uas){.offset = 20, .config = 1, .alt = 1};
	fake_open(HOST_RESET_ALWAYS);
}

static void answer_with_uas(struct urb *urb, uint16_t value, uint16_t len,
			    uint32_t actual)
{
	fake_request(urb, 0x80, 6, value, 0, len);
	for (uint16_t i = 0; i < len; i++)
		urb->data[i] = i == 25 ? 8 : i == 26 ? 6 : i == 27 ? 0x62 : (uint8_t)i;
	fake_answer(urb, USBDEV_STATUS_OK, actual);
	assert_int_equal(urb->transfer.actual_bytes, actual);
}

static void test_uas_hidden(void **state)
{
	struct urb urb;

	(void)state;
	hide();
	answer_with_uas(&urb, 0x0200, 64, 64);
	assert_memory_equal(urb.data + 24, "\x18\xff\xff\xff\x1c", 5);
	urb_finish(&urb);
	/* cut off in all places */
	for (uint16_t len = 1; len < 30; len++) {
		answer_with_uas(&urb, 0x0200, 30, len);
		for (uint16_t i = 25; i < 28; i++)
			assert_int_equal(urb.data[i] == 0xff, i < len);
		urb_finish(&urb);
	}
}

static void test_uas_elsewhere(void **state)
{
	struct urb urb;

	(void)state;
	hide();
	answer_with_uas(&urb, 0x0201, 64, 64); /* another configuration */
	assert_int_equal(urb.data[25], 8);
	urb_finish(&urb);
	answer_with_uas(&urb, 0x0100, 64, 64); /* no configuration */
	assert_int_equal(urb.data[25], 8);
	urb_finish(&urb);
	fake_request(&urb, 0x80, 6, 0x0200, 0, 64); /* not the bytes of before */
	memset(urb.data, 8, 64);
	fake_answer(&urb, USBDEV_STATUS_OK, 64);
	assert_int_equal(urb.data[25], 8);
	urb_finish(&urb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_passes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers_pass, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_interface, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clear_halt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clear_halt_of_ep0, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_with_kernel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_in_worker, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_before_worker, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_uas_hidden, setup, teardown),
		cmocka_unit_test_setup_teardown(test_uas_elsewhere, setup, teardown),
	};

	return cmocka_run_group_tests_name("control pipe of a real device", tests, NULL,
					   NULL);
}
