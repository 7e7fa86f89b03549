/* SPDX-License-Identifier: MIT
 * test_stream_request.c - asking a device for streams, and giving them back
 */
#include <errno.h>
#include <string.h>

#include "streams.h"

static void streams_go_back_when_all_is_dropped(void **state)
{
	static const enum xhci_trb_type types[] = {XHCI_TRB_TYPE_DISABLE_SLOT,
						   XHCI_TRB_TYPE_RESET_DEVICE};
	struct streams s;

	for (size_t i = 0; i <= ARRAY_SIZE(types); i++) {
		streams_start_linear(&s, *state, 2);
		streams_put_and_ring(&s, 1, 100);
		if (i < ARRAY_SIZE(types)) {
			assert_int_equal(driver_command(&s.d, types[i], 0, 0).cc,
					 XHCI_CC_SUCCESS);
		} else {
			write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
			run_until_idle(s.d.f);
		}
		assert_non_null(fake_dev_streams(&s.d.fake));
		assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 0);
		streams_end(&s);
		write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
		run_until_idle(s.d.f);
		memset(guest(s.d.f, RINGS), 0, IDS * RING_BYTES);
		memset(guest(s.d.f, FIXTURE_COMMAND_IOVA), 0, 0x1000);
		memset(guest(s.d.f, FIXTURE_EVENTS_IOVA), 0, 0x1000);
	}
}

static void device_refuses(void **state)
{
	struct streams s;
	uint64_t trb;

	streams_start(&s, *state);
	streams_put_linear(&s, 8);
	trb = driver_normal(&s.d, IN, DATA, 10, XHCI_TRB_IOC);
	driver_ring(&s.d, IN);
	streams_configure_put(&s, 2, true);
	expect_no_event(s.d.f);
	assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 7);
	fake_dev_streams_done(&s.d.fake, -EIO);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_RESOURCE_ERROR);
	/* nothing has changed */
	assert_int_equal(driver_context(&s.d, IN, 0), XHCI_EP_STATE_RUNNING);
	driver_complete(&s.d, IN, USBDEV_STATUS_OK, 10);
	driver_expect(&s.d, IN, trb, XHCI_CC_SUCCESS, 0);
	assert_null(fake_dev_streams(&s.d.fake));
	streams_end(&s);
}

static void device_without_streams(void **state)
{
	struct streams s;

	memset(&s, 0, sizeof(s));
	driver_configure(&s.d, *state, USBDEV_SPEED_SUPER);
	streams_put_linear(&s, 8);
	streams_configure_put(&s, 2, true);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_RESOURCE_ERROR);
	streams_end(&s);
}

static void what_was_checked_counts_when_the_answer_comes(void **state)
{
	struct streams s;

	streams_start(&s, *state);
	streams_put_linear(&s, 8);
	streams_configure_put(&s, 2, true);
	memset(guest(s.d.f, DRIVER_INPUT_IOVA), 0xff, XHCI_INPUT_CONTEXT_SIZE);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_SUCCESS);
	assert_int_equal(driver_context(&s.d, IN, 0),
			 2u << 10 | 1u << 15 | XHCI_EP_STATE_RUNNING);
	streams_end(&s);
}

static void abort_while_the_device_is_asked(void **state)
{
	struct streams s;

	streams_start(&s, *state);
	streams_put_linear(&s, 8);
	streams_configure_put(&s, 2, true);
	write32(s.d.f, OPER(CRCR_LO), XHCI_CRCR_CA);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_COMMAND_ABORTED);
	assert_int_equal(
		expect_event(s.d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT).status >> 24,
		XHCI_CC_COMMAND_RING_STOPPED);
	/* the next one waits for its turn: streams granted now are released first */
	streams_configure_put(&s, 1, true);
	assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 7);
	fake_dev_streams_done(&s.d.fake, 0);
	run_until_idle(s.d.f);
	assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 0);
	fake_dev_streams_done(&s.d.fake, 0);
	run_until_idle(s.d.f);
	assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 3);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_SUCCESS);
	assert_null(fake_dev_streams(&s.d.fake));
	streams_end(&s);
}

static void abort_leaves_earlier_streams_alone(void **state)
{
	struct streams s;
	uint64_t trb;

	streams_start_linear(&s, *state, 2);
	trb = streams_put_and_ring(&s, 1, 100);
	streams_configure_put(&s, 1, true);
	write32(s.d.f, OPER(CRCR_LO), XHCI_CRCR_CA);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_COMMAND_ABORTED);
	fake_dev_streams_done(&s.d.fake, 0);
	run_until_idle(s.d.f);
	assert_null(fake_dev_streams(&s.d.fake));
	events_skip(s.d.f);
	streams_complete(&s, 1, USBDEV_STATUS_OK, 100);
	driver_expect(&s.d, IN, trb, XHCI_CC_SUCCESS, 0);
	streams_end(&s);
}

static void reset_while_the_device_is_asked(void **state)
{
	struct streams s;

	streams_start(&s, *state);
	streams_put_linear(&s, 8);
	streams_configure_put(&s, 2, true);
	write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	run_until_idle(s.d.f);
	assert_false(xhci_idle(s.d.f->xhci));
	fake_dev_streams_done(&s.d.fake, 0);
	run_until_idle(s.d.f);
	assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 0);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_true(xhci_idle(s.d.f->xhci));
	streams_end(&s);
}

static void halt_while_the_device_is_asked(void **state)
{
	struct streams s;

	streams_start(&s, *state);
	streams_put_linear(&s, 8);
	streams_configure_put(&s, 2, true);
	write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_INTE);
	run_until_idle(s.d.f);
	assert_true(read32(s.d.f, OPER(USBSTS)) & XHCI_USBSTS_HCH);
	fake_dev_streams_done(&s.d.fake, -EIO);
	run_until_idle(s.d.f);
	expect_no_event(s.d.f);
	/* the command is taken again */
	write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_INTE | XHCI_USBCMD_RS);
	write32(s.d.f, DOORBELL(0), 0);
	run_until_idle(s.d.f);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_SUCCESS);
	streams_end(&s);
}

static void unplug_while_the_device_is_asked(void **state)
{
	struct streams s;

	streams_start(&s, *state);
	streams_put_linear(&s, 8);
	streams_configure_put(&s, 2, true);
	assert_int_equal(xhci_detach(s.d.f->xhci, s.d.port, fake_dev_released, NULL), 0);
	run_until_idle(s.d.f);
	/* it is not released before it has answered; its answer does not count */
	assert_false(s.d.fake.released);
	fake_dev_streams_done(&s.d.fake, 0);
	run_until_idle(s.d.f);
	assert_true(s.d.fake.released);
	usbdev_destroy(&s.d.fake.dev, NULL, NULL);
	expect_event(s.d.f, XHCI_TRB_TYPE_PORT_STATUS_CHANGE_EVENT);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_RESOURCE_ERROR);
}

/* The command cannot go on, as bus mastering is off. Its device answers and is unplugged, in either
 * order, and another without streams comes, at the same address of ours. A reset then gives
 * nothing back to that one, which could not take it. */
static void another_device_in_its_memory(void *state, bool answers_first)
{
	struct streams s;

	streams_start(&s, state);
	streams_put_linear(&s, 8);
	streams_configure_put(&s, 2, true);
	xhci_set_bus_master(s.d.f->xhci, false);
	if (answers_first)
		fake_dev_streams_done(&s.d.fake, 0);
	run_until_idle(s.d.f);
	assert_int_equal(xhci_detach(s.d.f->xhci, s.d.port, fake_dev_released, NULL), 0);
	if (!answers_first)
		fake_dev_streams_done(&s.d.fake, 0);
	run_until_idle(s.d.f);
	assert_true(s.d.fake.released);
	usbdev_destroy(&s.d.fake.dev, NULL, NULL);

	fake_dev_init(&s.d.fake, s.d.f, USBDEV_SPEED_HIGH);
	s.d.port = fake_dev_plug(&s.d.fake, s.d.f);
	write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	run_until_idle(s.d.f);
	assert_null(fake_dev_streams(&s.d.fake));
	fake_dev_unplug(&s.d.fake, s.d.f, s.d.port);
}

static void another_device_after_the_answer(void **state)
{
	another_device_in_its_memory(*state, true);
}

static void another_device_before_the_answer(void **state)
{
	another_device_in_its_memory(*state, false);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(streams_go_back_when_all_is_dropped),
		TEST(device_refuses),
		TEST(device_without_streams),
		TEST(what_was_checked_counts_when_the_answer_comes),
		TEST(abort_while_the_device_is_asked),
		TEST(abort_leaves_earlier_streams_alone),
		TEST(reset_while_the_device_is_asked),
		TEST(halt_while_the_device_is_asked),
		TEST(unplug_while_the_device_is_asked),
		TEST(another_device_after_the_answer),
		TEST(another_device_before_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
