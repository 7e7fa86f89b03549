/* SPDX-License-Identifier: MIT
 * test_endpoint_no_memory.c - every allocation of a transfer's life fails in turn
 */
#include "driver.h"

#include "tests/unit/allocs.h"
#include "xhci/endpoint.h"

#define OUT     DRIVER_BULK_OUT_DCI
#define DATA    DRIVER_DATA_IOVA
#define TDS     3u
#define TD_TRBS 60u /* more than fit inline, and than the first growth */
#define WAIT_NS 20000000u

static void queue_tds(struct driver *d)
{
	for (unsigned i = 0; i < TDS; i++)
		for (unsigned j = 1; j <= TD_TRBS; j++)
			(void)driver_normal(d, OUT, DATA, 10,
					    j < TD_TRBS ? XHCI_TRB_CH : XHCI_TRB_IOC);
}

/* Completes the transfers, and lets time pass, until all TDs are done. Return: events. */
static unsigned complete_all(struct driver *d)
{
	struct usbdev_transfer *transfer;
	struct xhci_trb event;
	unsigned events = 0;

	for (unsigned waits = 0; waits < 5 && events < TDS; waits++) {
		while ((transfer = fake_dev_first(&d->fake, OUT >> 1)) != NULL) {
			fake_dev_complete(&d->fake, transfer, USBDEV_STATUS_OK,
					  transfer->length_bytes);
			run_until_idle(d->f);
		}
		/* ERDP is not written: that would make it look again */
		while (event_next(d->f, &d->f->events, &event))
			events += xhci_trb_type(&event) == XHCI_TRB_TYPE_TRANSFER_EVENT;
		advance_ns(d->f, WAIT_NS);
	}
	return events;
}

/* Return: whether an allocation failed. */
static bool round_with_fault(void **state, unsigned nth, unsigned count)
{
	struct driver d;
	unsigned events, failed;

	assert_int_equal(fixture_setup(state), 0);
	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	queue_tds(&d);
	allocs_fail(nth, count);
	driver_ring(&d, OUT);
	/* some go while there is none, and none is lost for that */
	if (count > 1)
		advance_ns(d.f, WAIT_NS);
	failed = count > 1 ? allocs_work() : 0;
	events = complete_all(&d);
	failed += allocs_work();
	assert_int_equal(events, TDS);
	driver_end(&d);
	assert_int_equal(fixture_teardown(state), 0);
	return failed > 0;
}

static void one_allocation_fails(void **state)
{
	unsigned nth = 0;

	while (round_with_fault(state, nth, 1))
		nth++;
	/* each TD, and each growth of one */
	assert_in_range(nth, TDS * 2, TDS * 10);
}

static void all_allocations_fail_for_a_while(void **state)
{
	unsigned nth = 0;

	while (round_with_fault(state, nth, UINT32_MAX))
		nth++;
	assert_in_range(nth, TDS * 2, TDS * 10);
}

/* The command fails with Resource Error and changes nothing. Again, it works. */
static void endpoints_without_memory(void **state)
{
	struct driver d;
	unsigned nth = 0;
	bool done = false;

	driver_start(&d, *state, USBDEV_SPEED_SUPER);
	driver_address(&d);
	while (!done) {
		driver_input(&d, 0, 1 | 1u << OUT | 1u << DRIVER_BULK_IN_DCI);
		driver_input_endpoint(&d, OUT, XHCI_EP_TYPE_BULK_OUT, 1024);
		driver_input_endpoint(&d, DRIVER_BULK_IN_DCI, XHCI_EP_TYPE_BULK_IN, 1024);
		allocs_fail(nth++, 1);
		done = driver_on_slot(&d, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT, d.slot_id) ==
		       XHCI_CC_SUCCESS;
		assert_int_equal(allocs_work(), !done);
		assert_int_equal(driver_slot_state(&d), done ? XHCI_SLOT_STATE_CONFIGURED
							     : XHCI_SLOT_STATE_ADDRESSED);
	}
	assert_in_range(nth, 3, 10);
	driver_end(&d);
}

/* A device that gives nothing back is given up when there is memory for that: for the TD that
 * takes the place of the one with the device, and for nothing else. */
static void given_up_without_memory(void **state)
{
	for (unsigned nth = 0; nth < 2; nth++) {
		struct driver d;

		assert_int_equal(fixture_setup(state), 0);
		driver_configure(&d, *state, USBDEV_SPEED_SUPER);
		d.fake.hold_cancelled = true;
		queue_tds(&d);
		driver_ring(&d, OUT);
		driver_stop_put(&d, OUT);
		run_until_idle(d.f);
		allocs_fail(nth, 1);
		advance_ns(d.f, XHCI_GIVE_UP_NS);
		assert_int_equal(allocs_work(), nth == 0);
		if (nth == 0) {
			expect_no_event(d.f);
			advance_ns(d.f, XHCI_GIVE_UP_NS);
		}
		assert_int_equal(expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT).status >>
					 24,
				 XHCI_CC_STOPPED);
		expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);
		driver_end(&d);
		assert_int_equal(fixture_teardown(state), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_allocation_fails),
		cmocka_unit_test(all_allocations_fail_for_a_while),
		cmocka_unit_test_setup_teardown(endpoints_without_memory, fixture_setup,
						fixture_teardown),
		cmocka_unit_test(given_up_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
