/* SPDX-License-Identifier: MIT
 * test_endpoint.c - endpoint states; TDs in flight; Stop, Reset, Set TR Dequeue; drops
 */
#include <string.h>

#include "driver.h"
#include "util/bytes.h"
#include "xhci/endpoint.h"

#define IN     DRIVER_BULK_IN_DCI
#define OUT    DRIVER_BULK_OUT_DCI
#define INT_IN DRIVER_INTR_IN_DCI
#define DATA   DRIVER_DATA_IOVA

static uint64_t context_dequeue(struct driver *d, unsigned dci)
{
	return driver_context(d, dci, 2) | (uint64_t)driver_context(d, dci, 3) << 32;
}

static void many_tds_are_in_flight(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	for (int i = 0; i < 100; i++)
		driver_normal(&d, OUT, DATA, 10, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	assert_int_equal(fake_dev_count(&d.fake, OUT >> 1), XHCI_TDS_PER_RING);
	for (int i = 0; i < 100; i++) {
		driver_complete(&d, OUT, USBDEV_STATUS_OK, 10);
		driver_expect(&d, OUT, d.rings[OUT].iova + 16u * i, XHCI_CC_SUCCESS, 0);
	}
	expect_no_event(d.f);
	driver_end(&d);
}

static void td_is_taken_only_when_complete(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_normal(&d, OUT, DATA, 10, XHCI_TRB_CH);
	driver_ring(&d, OUT);
	assert_int_equal(d.fake.submits, 0);
	driver_normal(&d, OUT, DATA, 10, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	assert_int_equal(d.fake.submits, 1);
	driver_end(&d);
}

static void stop_idle_then_again(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	assert_int_equal(driver_stop(&d, OUT), XHCI_CC_SUCCESS);
	assert_int_equal(driver_ep_state(&d, OUT), XHCI_EP_STATE_STOPPED);
	assert_int_equal(driver_stop(&d, OUT), XHCI_CC_CONTEXT_STATE_ERROR);
	driver_end(&d);
}

static void stop_reports_the_td_and_restarts_it(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	trb = driver_normal(&d, INT_IN, DATA, 8, XHCI_TRB_IOC);
	driver_ring(&d, INT_IN);
	driver_stop_put(&d, INT_IN);
	driver_expect(&d, INT_IN, trb, XHCI_CC_STOPPED, 8);
	expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);
	assert_int_equal(driver_ep_state(&d, INT_IN), XHCI_EP_STATE_STOPPED);
	assert_int_equal(context_dequeue(&d, INT_IN), trb | 1);
	assert_int_equal(fake_dev_count(&d.fake, 0x82), 0);
	driver_ring(&d, INT_IN);
	assert_int_equal(driver_ep_state(&d, INT_IN), XHCI_EP_STATE_RUNNING);
	driver_complete(&d, INT_IN, USBDEV_STATUS_OK, 8);
	driver_expect(&d, INT_IN, trb, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

static void doorbell_counts_before_a_later_stop(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	assert_int_equal(driver_stop(&d, OUT), XHCI_CC_SUCCESS);
	trb = driver_normal(&d, OUT, DATA, 8, XHCI_TRB_IOC);
	write32(d.f, DOORBELL(d.slot_id), OUT);
	driver_stop_put(&d, OUT);
	driver_expect(&d, OUT, trb, XHCI_CC_STOPPED, 8);
	assert_int_equal(
		expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT).status >> 24,
		XHCI_CC_SUCCESS);
	driver_end(&d);
}

static void stop_waits_for_the_device(void **state)
{
	struct driver d;
	uint64_t first, second;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	d.fake.hold_cancelled = true;
	first = driver_normal(&d, OUT, DATA, 1000, XHCI_TRB_IOC);
	second = driver_normal(&d, OUT, DATA, 1000, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	driver_stop_put(&d, OUT);
	expect_no_event(d.f);
	assert_int_equal(d.fake.cancels, 2);
	/* the first was done all the same, the second half way */
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 1000);
	driver_expect(&d, OUT, first, XHCI_CC_SUCCESS, 0);
	driver_complete(&d, OUT, USBDEV_STATUS_CANCELLED, 400);
	driver_expect(&d, OUT, second, XHCI_CC_STOPPED, 600);
	expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);
	assert_int_equal(context_dequeue(&d, OUT), second | 1);
	driver_end(&d);
}

static void stopped_td_goes_on_where_it_was(void **state)
{
	struct driver d;
	uint64_t first, second;
	uint8_t got[2];

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	d.fake.hold_cancelled = true;
	memcpy((uint8_t *)guest(d.f, DATA) + 700, "xy", 2);
	first = driver_normal(&d, OUT, DATA, 600, XHCI_TRB_CH | XHCI_TRB_IOC);
	second = driver_normal(&d, OUT, DATA + 600, 424, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	driver_stop_put(&d, OUT);
	run_until_idle(d.f);
	driver_complete(&d, OUT, USBDEV_STATUS_CANCELLED, 700);
	driver_expect(&d, OUT, first, XHCI_CC_SUCCESS, 0);
	driver_expect(&d, OUT, second, XHCI_CC_STOPPED, 324);
	expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);

	driver_ring(&d, OUT);
	assert_int_equal(driver_held(&d, OUT)->length_bytes, 324);
	assert_int_equal(usbdev_transfer_read(driver_held(&d, OUT), 0, got, 2), 0);
	assert_memory_equal(got, "xy", 2);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 324);
	driver_expect(&d, OUT, second, XHCI_CC_SUCCESS, 0);
	expect_no_event(d.f);
	driver_end(&d);
}

static void cancelled_when_all_had_moved_is_complete(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	d.fake.hold_cancelled = true;
	trb = driver_normal(&d, OUT, DATA, 512, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	driver_stop_put(&d, OUT);
	run_until_idle(d.f);
	driver_complete(&d, OUT, USBDEV_STATUS_CANCELLED, 512);
	driver_expect(&d, OUT, trb, XHCI_CC_SUCCESS, 0);
	expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);
	driver_ring(&d, OUT);
	assert_int_equal(d.fake.submits, 1);
	driver_end(&d);
}

/* Unlink of an URB: Stop, Set TR Dequeue behind it, doorbell. */
static void cancel_and_go_on(void **state)
{
	struct driver d;
	uint64_t first, second;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	first = driver_normal(&d, IN, DATA, 100, XHCI_TRB_IOC);
	second = driver_normal(&d, IN, DATA, 200, XHCI_TRB_IOC);
	driver_ring(&d, IN);
	driver_stop_put(&d, IN);
	driver_expect(&d, IN, first, XHCI_CC_STOPPED, 100);
	expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);
	assert_int_equal(driver_set_dequeue(&d, IN, second | 1), XHCI_CC_SUCCESS);
	assert_int_equal(context_dequeue(&d, IN), second | 1);
	driver_ring(&d, IN);
	assert_int_equal(driver_held(&d, IN)->length_bytes, 200);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 200);
	driver_expect(&d, IN, second, XHCI_CC_SUCCESS, 0);
	expect_no_event(d.f);
	driver_end(&d);
}

/* A TD behind the stopped one, rewritten to No-Op by the driver while stopped. */
static void stop_aborted_for_want_of_room(void **state)
{
	struct driver d;
	struct xhci_trb event;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	event_handled(d.f, &d.f->events);
	driver_normal(&d, OUT, DATA, 8, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	/* more events than there is room for */
	for (unsigned i = 0; i < FIXTURE_EVENTS_TRBS; i++)
		driver_put(&d, IN, 0, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP) | XHCI_TRB_IOC);
	driver_ring(&d, IN);
	driver_stop_put(&d, OUT);
	run_until_idle(d.f);
	assert_int_equal(fake_dev_count(&d.fake, OUT >> 1), 0);
	write32(d.f, OPER(CRCR_LO), XHCI_CRCR_CA);
	run_until_idle(d.f);
	for (unsigned round = 0; round < 3; round++) {
		while (event_next(d.f, &d.f->events, &event))
			;
		event_handled(d.f, &d.f->events);
	}
	assert_int_equal(driver_ep_state(&d, OUT), XHCI_EP_STATE_RUNNING);
	assert_int_equal(fake_dev_count(&d.fake, OUT >> 1), 1);
	driver_end(&d);
}

static void later_tds_are_fetched_anew_after_stop(void **state)
{
	struct driver d;
	uint64_t first, second;
	struct xhci_trb noop = {0, 0,
				xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP) | XHCI_TRB_C};

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	first = driver_normal(&d, OUT, DATA, 100, XHCI_TRB_IOC);
	second = driver_normal(&d, OUT, DATA, 200, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	driver_stop_put(&d, OUT);
	driver_expect(&d, OUT, first, XHCI_CC_STOPPED, 100);
	expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);
	guest_put_trb(d.f, second, &noop);
	driver_ring(&d, OUT);
	assert_int_equal(fake_dev_count(&d.fake, OUT >> 1), 1);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 100);
	driver_expect(&d, OUT, first, XHCI_CC_SUCCESS, 0);
	expect_no_event(d.f);
	driver_end(&d);
}

static void halt_takes_later_tds_along(void **state)
{
	struct driver d;
	uint64_t first;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	first = driver_normal(&d, IN, DATA, 100, XHCI_TRB_IOC);
	driver_normal(&d, IN, DATA, 100, XHCI_TRB_IOC);
	driver_ring(&d, IN);
	driver_complete(&d, IN, USBDEV_STATUS_STALL, 0);
	driver_expect(&d, IN, first, XHCI_CC_STALL_ERROR, 100);
	expect_no_event(d.f);
	assert_int_equal(d.fake.cancels, 1);
	assert_int_equal(context_dequeue(&d, IN), first | 1);
	driver_ring(&d, IN); /* a halted endpoint does not listen */
	assert_int_equal(fake_dev_count(&d.fake, 0x81), 0);
	assert_int_equal(driver_stop(&d, IN), XHCI_CC_CONTEXT_STATE_ERROR);
	assert_int_equal(driver_set_dequeue(&d, IN, 0), XHCI_CC_CONTEXT_STATE_ERROR);
	assert_int_equal(driver_reset_endpoint(&d, IN, false), XHCI_CC_SUCCESS);
	assert_int_equal(d.fake.last_endpoint_reset, 0x81);
	assert_int_equal(driver_reset_endpoint(&d, IN, false),
			 XHCI_CC_CONTEXT_STATE_ERROR);
	driver_end(&d);
}

/* Soft retry: Reset Endpoint with TSP, doorbell. Bytes that moved stay moved. */
static void retry_continues_after_what_moved(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	trb = driver_normal(&d, IN, DATA, 4096, XHCI_TRB_IOC);
	driver_ring(&d, IN);
	driver_complete(&d, IN, USBDEV_STATUS_ERROR, 1024);
	driver_expect(&d, IN, trb, XHCI_CC_USB_TRANSACTION_ERROR, 3072);
	assert_int_equal(driver_reset_endpoint(&d, IN, true), XHCI_CC_SUCCESS);
	assert_int_equal(d.fake.endpoint_resets, 0);
	driver_ring(&d, IN);
	assert_int_equal(driver_held(&d, IN)->length_bytes, 3072);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 3072);
	driver_expect(&d, IN, trb, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

/* A result for an endpoint that was dropped: no event, no memory access. */
static void orphan_result_is_dropped(void **state)
{
	struct driver d;
	struct usbdev_transfer *held;
	uint8_t byte = 0xaa;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	d.fake.hold_cancelled = true;
	driver_normal(&d, IN, DATA, 100, XHCI_TRB_IOC);
	driver_ring(&d, IN);
	held = driver_held(&d, IN);
	assert_int_equal(driver_command(&d, XHCI_TRB_TYPE_RESET_DEVICE, 0, 0).cc,
			 XHCI_CC_SUCCESS);
	assert_int_equal(driver_slot_state(&d), XHCI_SLOT_STATE_DEFAULT);
	assert_int_equal(driver_ep_state(&d, IN), XHCI_EP_STATE_DISABLED);
	assert_int_equal(usbdev_transfer_write(held, 0, &byte, 1), -14 /* EFAULT */);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 100);
	expect_no_event(d.f);
	driver_end(&d);
}

static void hcrst_with_transfers_pending(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	d.fake.hold_cancelled = true;
	driver_normal(&d, INT_IN, DATA, 8, XHCI_TRB_IOC);
	driver_ring(&d, INT_IN);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	run_until_idle(d.f);
	assert_int_equal(read32(d.f, OPER(USBCMD)), 0);
	assert_int_equal(read32(d.f, OPER(USBSTS)) & XHCI_USBSTS_HCH, XHCI_USBSTS_HCH);
	assert_false(xhci_idle(d.f->xhci));
	fake_dev_complete(&d.fake, fake_dev_first(&d.fake, 0x82), USBDEV_STATUS_CANCELLED,
			  0);
	run_until_idle(d.f);
	assert_true(xhci_idle(d.f->xhci));
	driver_end(&d);
}

static void halt_and_run_again_without_reset(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	d.fake.hold_cancelled = true;
	trb = driver_normal(&d, INT_IN, DATA, 8, XHCI_TRB_IOC);
	driver_ring(&d, INT_IN);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_INTE);
	run_until_idle(d.f);
	assert_false(read32(d.f, OPER(USBSTS)) & XHCI_USBSTS_HCH);
	assert_int_equal(read32(d.f, OPER(CRCR_LO)) & XHCI_CRCR_CRR, 0);
	driver_complete(&d, INT_IN, USBDEV_STATUS_CANCELLED, 0);
	assert_true(read32(d.f, OPER(USBSTS)) & XHCI_USBSTS_HCH);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_RS | XHCI_USBCMD_INTE);
	run_until_idle(d.f);
	d.fake.hold_cancelled = false;
	driver_complete(&d, INT_IN, USBDEV_STATUS_OK, 8);
	driver_expect(&d, INT_IN, trb, XHCI_CC_SUCCESS, 0);
	assert_int_equal(driver_stop(&d, INT_IN), XHCI_CC_SUCCESS);
	driver_end(&d);
}

static void unplugged_device_answers_with_transaction_errors(void **state)
{
	struct driver d;
	struct xhci_trb event;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	trb = driver_normal(&d, INT_IN, DATA, 8, XHCI_TRB_IOC);
	driver_ring(&d, INT_IN);
	driver_end(&d);
	event = expect_event(d.f, XHCI_TRB_TYPE_PORT_STATUS_CHANGE_EVENT);
	assert_int_equal(event.parameter >> 24, d.port);
	driver_expect(&d, INT_IN, trb, XHCI_CC_USB_TRANSACTION_ERROR, 8);
	driver_normal(&d, OUT, DATA, 8, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	driver_expect(&d, OUT, d.rings[OUT].iova, XHCI_CC_USB_TRANSACTION_ERROR, 8);
	assert_int_equal(driver_command(&d, XHCI_TRB_TYPE_DISABLE_SLOT, 0, 0).cc,
			 XHCI_CC_SUCCESS);
}

static void bus_master_off_holds_everything(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	trb = driver_normal(&d, OUT, DATA, 8, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	xhci_set_bus_master(d.f->xhci, false);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 8);
	expect_no_event(d.f);
	xhci_set_bus_master(d.f->xhci, true);
	driver_expect(&d, OUT, trb, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(many_tds_are_in_flight),
		T(td_is_taken_only_when_complete),
		T(stop_idle_then_again),
		T(stop_reports_the_td_and_restarts_it),
		T(doorbell_counts_before_a_later_stop),
		T(stop_waits_for_the_device),
		T(stopped_td_goes_on_where_it_was),
		T(cancelled_when_all_had_moved_is_complete),
		T(cancel_and_go_on),
		T(stop_aborted_for_want_of_room),
		T(later_tds_are_fetched_anew_after_stop),
		T(halt_takes_later_tds_along),
		T(retry_continues_after_what_moved),
		T(orphan_result_is_dropped),
		T(hcrst_with_transfers_pending),
		T(halt_and_run_again_without_reset),
		T(unplugged_device_answers_with_transaction_errors),
		T(bus_master_off_holds_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
