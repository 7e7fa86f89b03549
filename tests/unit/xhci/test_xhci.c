/* SPDX-License-Identifier: MIT
 * test_xhci.c - running and halting, MFINDEX wrap events, wake-ups asked for
 */
#include "driver.h"

#define WRAP_NS (UINT64_C(16384) * 125000)

static void wrap_events_only_when_asked_for(void **state)
{
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	advance_ns(d.f, 3 * WRAP_NS);
	expect_no_event(d.f);
	assert_int_equal(d.f->wake_at_ns, 0);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_RS | XHCI_USBCMD_INTE | XHCI_USBCMD_EWE);
	run_until_idle(d.f);
	expect_no_event(d.f);
	assert_true(d.f->wake_at_ns > d.f->now_ns);
	advance_ns(d.f, WRAP_NS);
	expect_event(d.f, XHCI_TRB_TYPE_MFINDEX_WRAP_EVENT);
	expect_no_event(d.f);
	driver_end(&d);
}

/* EWE left set: neither a halted controller nor a full ring may ask for a time
 * that is over, which would be a wake-up without end. */
static void no_wake_in_the_past(void **state)
{
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_RS | XHCI_USBCMD_EWE);
	run_until_idle(d.f);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_EWE);
	run_until_idle(d.f);
	advance_ns(d.f, 2 * WRAP_NS);
	assert_true(d.f->wake_at_ns == 0 || d.f->wake_at_ns > d.f->now_ns);

	/* running again, the guest takes no events until the ring is full */
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_RS | XHCI_USBCMD_EWE);
	for (unsigned i = 0; i < FIXTURE_EVENTS_TRBS + 10; i++)
		advance_ns(d.f, WRAP_NS + 1);
	assert_true(d.f->wake_at_ns == 0 || d.f->wake_at_ns > d.f->now_ns);
	driver_end(&d);
}

static void all_slots_work(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_start(&d, *state, USBDEV_SPEED_SUPER);
	for (unsigned id = 1; id <= XHCI_SLOTS; id++)
		assert_int_equal(
			driver_command(&d, XHCI_TRB_TYPE_ENABLE_SLOT, 0, 0).slot_id, id);
	assert_int_equal(driver_command(&d, XHCI_TRB_TYPE_ENABLE_SLOT, 0, 0).cc,
			 XHCI_CC_NO_SLOTS_AVAILABLE);
	/* the last one, whose doorbell is the last one */
	d.slot_id = XHCI_SLOTS;
	*(uint64_t *)guest(d.f, FIXTURE_DCBAA_IOVA + 8 * XHCI_SLOTS) = DRIVER_OUTPUT_IOVA;
	driver_input(&d, 0, 3);
	driver_input_endpoint(&d, 1, XHCI_EP_TYPE_CONTROL, 512);
	assert_int_equal(
		driver_command(&d, XHCI_TRB_TYPE_ADDRESS_DEVICE, DRIVER_INPUT_IOVA, 0).cc,
		XHCI_CC_SUCCESS);
	trb = d.rings[1].iova + 0x10;
	driver_control_in(&d, 0, 0);
	driver_ring(&d, 1);
	driver_complete(&d, 1, USBDEV_STATUS_OK, 0);
	driver_expect(&d, 1, trb, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

static void idle_asks_for_nothing(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_normal(&d, DRIVER_INTR_IN_DCI, DRIVER_DATA_IOVA, 8, XHCI_TRB_IOC);
	driver_ring(&d, DRIVER_INTR_IN_DCI);
	advance_ns(d.f, 1000000000);
	assert_int_equal(d.f->wake_at_ns, 0);
	assert_false(d.f->kicked);
	driver_end(&d);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(wrap_events_only_when_asked_for),
		T(no_wake_in_the_past),
		T(all_slots_work),
		T(idle_asks_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
