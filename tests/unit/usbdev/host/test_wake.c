/* SPDX-License-Identifier: MIT
 * test_wake.c - a real device wakes the guest that has suspended its port
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host_fake.h"

#define SET_FEATURE   3
#define CLEAR_FEATURE 1

/* An interrupt transfer of the guest. */
static void interrupt(struct urb *urb, uint8_t ep_addr)
{
	urb_init(urb, &fake.host, ep_addr, 8);
	urb->transfer.type = USBDEV_TYPE_INTERRUPT;
	urb_submit(urb);
}

/* The guest waits for data on @ep_addr, and cancels the transfer. */
static void listen_and_stop(uint8_t ep_addr, enum usbdev_type type)
{
	struct urb urb;

	urb_init(&urb, &fake.host, ep_addr, type == USBDEV_TYPE_BULK ? 4096 : 8);
	urb.transfer.type = type;
	urb_submit(&urb);
	urb_cancel(&urb);
	urb_wait(&urb);
	urb_finish(&urb);
}

/* A request that the device answers with @status. */
static void request(uint8_t type, uint8_t number, uint16_t value, uint16_t index,
		    enum usbdev_status status)
{
	struct urb urb;

	fake_request(&urb, type, number, value, index, 0);
	fake_answer(&urb, status, 0);
	urb_finish(&urb);
}

static void allow(void)
{
	request(0x00, SET_FEATURE, 1, 0, USBDEV_STATUS_OK);
}

/* A device on whose interrupt endpoint 1 the guest listened. */
static void begin(void)
{
	fake_init();
	fake_open(HOST_RESET_ALWAYS);
	listen_and_stop(0x81, USBDEV_TYPE_INTERRUPT);
}

static void end(void)
{
	usbdev_suspend(fake.host.dev, false);
	host_settle(&fake.host);
	assert_int_equal(fake.with, 0);
	fake_finish();
}

static void test_data_wakes(void **state)
{
	struct usbdev_transfer *ear;
	struct urb urb;

	(void)state;
	begin();
	allow();
	assert_int_equal(fake.with, 0);
	usbdev_suspend(fake.host.dev, true);
	assert_int_equal(fake.with, 1);
	ear = fake_first();
	assert_int_equal(ear->ep_addr, 0x81);
	assert_int_equal(ear->type, USBDEV_TYPE_INTERRUPT);
	assert_int_equal(ear->length_bytes, 8);
	assert_null(ear->iov); /* urbs keeps the data */
	fake_answer_first(USBDEV_STATUS_MEMORY, 0);
	assert_int_equal(fake.wakes, 1);
	/* once is enough */
	host_settle(&fake.host);
	assert_int_equal(fake.with, 0);
	usbdev_suspend(fake.host.dev, false);
	interrupt(&urb, 0x81);
	fake_answer(&urb, USBDEV_STATUS_OK, 8);
	urb_finish(&urb);
	/* the guest does not wait for anything now */
	usbdev_suspend(fake.host.dev, true);
	assert_int_equal(fake.with, 0);
	assert_int_equal(fake.wakes, 1);
	end();
}

/* The guest resumes the port itself: data that comes from then on is for its own transfers. */
static void test_resume_ends_it(void **state)
{
	(void)state;
	begin();
	allow();
	for (unsigned i = 0; i < 3; i++) {
		usbdev_suspend(fake.host.dev, true);
		assert_int_equal(fake.with, 1);
		usbdev_suspend(fake.host.dev, false);
		FAKE_UNTIL(fake.with == 0);
	}
	/* suspended again before the ear has ended */
	usbdev_suspend(fake.host.dev, true);
	usbdev_suspend(fake.host.dev, false);
	usbdev_suspend(fake.host.dev, true);
	host_settle(&fake.host);
	assert_int_equal(fake.with, 1);
	assert_int_equal(fake.wakes, 0);
	fake_answer_first(USBDEV_STATUS_OK, 0);
	assert_int_equal(fake.wakes, 1);
	end();
}

/* A guest that does not wait for its port to resume. */
static void test_transfer_ends_it(void **state)
{
	struct urb urb;

	(void)state;
	begin();
	allow();
	usbdev_suspend(fake.host.dev, true);
	interrupt(&urb, 0x81);
	FAKE_UNTIL(fake.with == 1);
	assert_true(fake_has(&urb));
	fake_answer(&urb, USBDEV_STATUS_OK, 8);
	urb_finish(&urb);
	assert_int_equal(fake.wakes, 0);
	end();
}

static void expect_ears(unsigned count)
{
	usbdev_suspend(fake.host.dev, true);
	assert_int_equal(fake.with, count);
	usbdev_suspend(fake.host.dev, false);
	FAKE_UNTIL(fake.with == 0);
}

static void test_only_if_allowed(void **state)
{
	(void)state;
	begin();
	expect_ears(0);
	request(0x00, SET_FEATURE, 1, 0, USBDEV_STATUS_STALL);
	expect_ears(0);
	request(0x00, SET_FEATURE, 2, 0, USBDEV_STATUS_OK);  /* TEST_MODE */
	request(0x02, SET_FEATURE, 1, 0, USBDEV_STATUS_OK);  /* to an endpoint */
	request(0x20, SET_FEATURE, 1, 0, USBDEV_STATUS_OK);  /* of the class */
	request(0x00, SET_FEATURE, 48, 0, USBDEV_STATUS_OK); /* U1_ENABLE */
	expect_ears(0);
	allow();
	expect_ears(1);
	request(0x00, CLEAR_FEATURE, 1, 0, USBDEV_STATUS_OK);
	expect_ears(0);
	allow();
	usbdev_reset(fake.host.dev);
	FAKE_UNTIL(fake.resets == 1);
	listen_and_stop(0x81, USBDEV_TYPE_INTERRUPT);
	expect_ears(0);
	end();
}

/* After a reset or SET_CONFIGURATION the guest has not listened yet. */
static void test_begins_anew(void **state)
{
	(void)state;
	begin();
	allow();
	usbdev_reset(fake.host.dev);
	FAKE_UNTIL(fake.resets == 1);
	allow();
	expect_ears(0);
	listen_and_stop(0x81, USBDEV_TYPE_INTERRUPT);
	expect_ears(1);
	assert_int_equal(fake_ask(0x00, 9, 1, 0), USBDEV_STATUS_OK);
	expect_ears(0);
	listen_and_stop(0x81, USBDEV_TYPE_INTERRUPT);
	expect_ears(1); /* USB 2: still allowed */
	end();
}

/* USB 3 has it for each function; no function is put to sleep. */
static void test_functions(void **state)
{
	struct urb urb;

	(void)state;
	fake_init();
	fake.info.speed = USBDEV_SPEED_SUPER;
	fake_open(HOST_RESET_ALWAYS);
	listen_and_stop(0x82, USBDEV_TYPE_BULK);
	request(0x01, SET_FEATURE, 0, 0x0101, USBDEV_STATUS_OK);
	expect_ears(0);
	fake_request(&urb, 0x01, SET_FEATURE, 0, 0x0302, 0);
	assert_int_equal(urb.transfer.setup.index, 0x0202);
	fake_answer(&urb, USBDEV_STATUS_OK, 0);
	urb_finish(&urb);
	usbdev_suspend(fake.host.dev, true);
	assert_int_equal(fake.with, 1);
	assert_int_equal(fake_first()->length_bytes, 1024);
	usbdev_suspend(fake.host.dev, false);
	FAKE_UNTIL(fake.with == 0);
	request(0x01, SET_FEATURE, 0, 0x0200, USBDEV_STATUS_OK);
	request(0x01, SET_FEATURE, 0, 0x0002, USBDEV_STATUS_OK);
	expect_ears(1);
	request(0x01, SET_FEATURE, 0, 0x0000, USBDEV_STATUS_OK);
	expect_ears(0);
	end();
}

static void test_which_endpoints(void **state)
{
	struct urb urb;

	(void)state;
	begin();
	allow();
	listen_and_stop(0x02, USBDEV_TYPE_BULK);
	expect_ears(1);
	listen_and_stop(0x83, USBDEV_TYPE_ISOCHRONOUS);
	expect_ears(1);
	listen_and_stop(0x8f, USBDEV_TYPE_BULK);
	expect_ears(2);
	/* a transfer of a stream is cancelled */
	urb_init(&urb, &fake.host, 0x8f, 512);
	urb.transfer.stream_id = 1;
	urb_submit(&urb);
	urb_cancel(&urb);
	urb_wait(&urb);
	urb_finish(&urb);
	expect_ears(1);
	/* no ear where the guest's last transfer completed */
	interrupt(&urb, 0x81);
	fake_answer(&urb, USBDEV_STATUS_OK, 8);
	urb_finish(&urb);
	expect_ears(0);
	end();
}

static void test_failures_wake_nobody(void **state)
{
	static const enum usbdev_status ends[] = {
		USBDEV_STATUS_STALL,
		USBDEV_STATUS_ERROR,
		USBDEV_STATUS_BABBLE,
		USBDEV_STATUS_CANCELLED,
	};

	(void)state;
	begin();
	allow();
	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		usbdev_suspend(fake.host.dev, true);
		fake_answer_first(ends[i], 0);
		host_settle(&fake.host);
		assert_int_equal(fake.with, 0); /* and does not try again */
		usbdev_suspend(fake.host.dev, false);
	}
	assert_int_equal(fake.wakes, 0);
	end();
}

static void test_reset_meanwhile(void **state)
{
	(void)state;
	begin();
	allow();
	usbdev_suspend(fake.host.dev, true);
	usbdev_reset(fake.host.dev);
	FAKE_UNTIL(fake.resets == 1);
	assert_int_equal(fake.with, 0);
	assert_int_equal(fake.wakes, 0);
	end();
}

static void test_end_meanwhile(void **state)
{
	(void)state;
	begin();
	allow();
	usbdev_suspend(fake.host.dev, true);
	fake_destroy();
	FAKE_UNTIL(fake.destroyed);
	assert_int_equal(fake.wakes, 0);
	fake_finish();

	begin();
	allow();
	usbdev_suspend(fake.host.dev, true);
	fake_unplug();
	assert_int_equal(fake.gone, 1);
	assert_int_equal(fake.wakes, 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_wakes),
		cmocka_unit_test(test_resume_ends_it),
		cmocka_unit_test(test_transfer_ends_it),
		cmocka_unit_test(test_only_if_allowed),
		cmocka_unit_test(test_begins_anew),
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_which_endpoints),
		cmocka_unit_test(test_failures_wake_nobody),
		cmocka_unit_test(test_reset_meanwhile),
		cmocka_unit_test(test_end_meanwhile),
	};

	return cmocka_run_group_tests_name("remote wake-up by a real device", tests, NULL,
					   NULL);
}
