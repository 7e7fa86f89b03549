/* SPDX-License-Identifier: MIT
 * test_short_of_memory.c - every allocation of a transfer's life fails in turn
 */
#include "driver.h"

#include "tests/unit/allocs.h"

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

/* Completes what is there, and lets time pass, until all TDs have been. Return: events. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_allocation_fails),
		cmocka_unit_test(all_allocations_fail_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
