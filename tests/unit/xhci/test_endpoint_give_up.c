/* SPDX-License-Identifier: MIT
 * test_endpoint_give_up.c - devices that do not return cancelled transfers
 */
#include <errno.h>
#include <string.h>

#include "driver.h"
#include "streams.h"
#include "xhci/controller.h"
#include "xhci/endpoint.h"
#include "xhci/slot.h"
#include "xhci/td.h"

#define OUT    DRIVER_BULK_OUT_DCI
#define IN     DRIVER_BULK_IN_DCI
#define INT_IN DRIVER_INTR_IN_DCI
#define DATA   DRIVER_DATA_IOVA

static void stop_put(struct driver *d, unsigned dci)
{
	driver_stop_put(d, dci);
	run_until_idle(d->f);
}

static enum xhci_cc command_cc(struct driver *d)
{
	return (enum xhci_cc)(
		expect_event(d->f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT).status >> 24);
}

/* A device that keeps its transfers. */
static void begin(struct driver *d, void **state)
{
	driver_configure(d, *state, USBDEV_SPEED_SUPER);
	d->fake.hold_cancelled = true;
}

/* A Stop Endpoint that meets a STALL is over: the controller asks for no wake-up. */
static void stop_meets_stall(void **state)
{
	struct driver d;
	uint64_t trb;

	begin(&d, state);
	trb = driver_normal(&d, IN, DATA, 100, XHCI_TRB_IOC);
	driver_ring(&d, IN);
	stop_put(&d, IN);
	assert_true(d.f->wake_at_ns != 0);
	driver_complete(&d, IN, USBDEV_STATUS_STALL, 0);
	driver_expect(&d, IN, trb, XHCI_CC_STALL_ERROR, 100);
	assert_int_equal(command_cc(&d), XHCI_CC_CONTEXT_STATE_ERROR);
	run_until_idle(d.f);
	assert_int_equal(d.f->wake_at_ns, 0);
	driver_end(&d);
}

/* The guest continues after a while. Results that come too late are dropped. */
static void stop_ends(void **state)
{
	struct driver d;
	struct usbdev_transfer *held;
	uint64_t first;
	uint8_t byte = 0xaa;

	begin(&d, state);
	first = driver_normal(&d, IN, DATA, 1000, XHCI_TRB_IOC);
	driver_normal(&d, IN, DATA, 500, XHCI_TRB_IOC);
	driver_ring(&d, IN);
	held = driver_held(&d, IN);
	stop_put(&d, IN);
	advance_ns(d.f, XHCI_GIVE_UP_NS - 1);
	expect_no_event(d.f);
	assert_int_equal(usbdev_transfer_write(held, 0, &byte, 1), 0);
	held->actual_bytes = 512; /* so far */
	advance_ns(d.f, 1);
	driver_expect(&d, IN, first, XHCI_CC_STOPPED, 1000);
	assert_int_equal(command_cc(&d), XHCI_CC_SUCCESS);
	assert_int_equal(driver_context(&d, IN, 2), first | 1);
	assert_int_equal(driver_ep_state(&d, IN), XHCI_EP_STATE_STOPPED);
	assert_int_equal(usbdev_transfer_write(held, 0, &byte, 1), -EFAULT);

	/* both are tried again, behind the transfers that the device still holds */
	driver_ring(&d, IN);
	assert_int_equal(d.fake.submits, 4);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 1000);
	driver_complete(&d, IN, USBDEV_STATUS_CANCELLED, 0);
	expect_no_event(d.f);
	assert_int_equal(driver_held(&d, IN)->length_bytes, 1000);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 1000);
	driver_expect(&d, IN, first, XHCI_CC_SUCCESS, 0);
	expect_no_event(d.f);
	assert_int_equal(d.f->xhci->slots[1].endpoints[IN]->pipe.td_count, 1);
	assert_int_equal(d.f->xhci->slots[1].endpoints[IN]->pipe.in_flight, 1);
	driver_end(&d);
}

static void what_had_moved_stays_moved(void **state)
{
	struct driver d;
	uint64_t trbs[6];

	begin(&d, state);
	for (unsigned i = 0; i < ARRAY_SIZE(trbs); i++)
		trbs[i] = driver_normal(&d, OUT, DATA + i * 100, 100,
					i < 5 ? XHCI_TRB_CH : XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	stop_put(&d, OUT);
	driver_complete(&d, OUT, USBDEV_STATUS_CANCELLED, 250);
	driver_expect(&d, OUT, trbs[2], XHCI_CC_STOPPED, 50);
	assert_int_equal(command_cc(&d), XHCI_CC_SUCCESS);
	driver_ring(&d, OUT);
	stop_put(&d, OUT);
	advance_ns(d.f, XHCI_GIVE_UP_NS);
	driver_expect(&d, OUT, trbs[2], XHCI_CC_STOPPED, 50);
	assert_int_equal(command_cc(&d), XHCI_CC_SUCCESS);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 350);
	driver_ring(&d, OUT);
	assert_int_equal(driver_held(&d, OUT)->length_bytes, 350);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 350);
	driver_expect(&d, OUT, trbs[5], XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

/* The time is that of one stop: the next one has its own. */
static void given_back_in_time(void **state)
{
	static const enum usbdev_status ends[] = {USBDEV_STATUS_CANCELLED,
						  USBDEV_STATUS_STALL};
	struct driver d;

	begin(&d, state);
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
		bool halts = ends[i] == USBDEV_STATUS_STALL;
		uint64_t trb = driver_normal(&d, IN, DATA, 100, XHCI_TRB_IOC);

		driver_ring(&d, IN);
		stop_put(&d, IN);
		advance_ns(d.f, XHCI_GIVE_UP_NS / 2);
		driver_complete(&d, IN, ends[i], 0);
		driver_expect(&d, IN, trb, halts ? XHCI_CC_STALL_ERROR : XHCI_CC_STOPPED,
			      100);
		assert_int_equal(command_cc(&d),
				 halts ? XHCI_CC_CONTEXT_STATE_ERROR : XHCI_CC_SUCCESS);
		if (halts)
			assert_int_equal(driver_reset_endpoint(&d, IN, false),
					 XHCI_CC_SUCCESS);
		driver_ring(&d, IN);
		advance_ns(d.f, XHCI_GIVE_UP_NS);
		assert_false(driver_held(&d, IN)->cancelled);
		driver_complete(&d, IN, USBDEV_STATUS_OK, 100);
		driver_expect(&d, IN, trb, XHCI_CC_SUCCESS, 0);
	}
	driver_end(&d);
}

static void controller_halts(void **state)
{
	struct driver d;
	struct usbdev_transfer *held;
	uint64_t trb;
	uint8_t byte = 0xaa;

	begin(&d, state);
	trb = driver_normal(&d, INT_IN, DATA, 8, XHCI_TRB_IOC);
	driver_ring(&d, INT_IN);
	held = driver_held(&d, INT_IN);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_INTE);
	run_until_idle(d.f);
	advance_ns(d.f, XHCI_GIVE_UP_NS - 1);
	assert_false(read32(d.f, OPER(USBSTS)) & XHCI_USBSTS_HCH);
	advance_ns(d.f, 1);
	assert_true(read32(d.f, OPER(USBSTS)) & XHCI_USBSTS_HCH);
	assert_int_equal(usbdev_transfer_write(held, 0, &byte, 1), -EFAULT);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_RS | XHCI_USBCMD_INTE);
	run_until_idle(d.f);
	assert_int_equal(d.fake.submits, 2);
	driver_complete(&d, INT_IN, USBDEV_STATUS_CANCELLED, 0);
	driver_complete(&d, INT_IN, USBDEV_STATUS_OK, 8);
	driver_expect(&d, INT_IN, trb, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

/* An impatient guest aborts the command: the endpoint continues. */
static void aborted_before(void **state)
{
	struct driver d;
	uint64_t trb;

	begin(&d, state);
	trb = driver_normal(&d, IN, DATA, 100, XHCI_TRB_IOC);
	driver_ring(&d, IN);
	stop_put(&d, IN);
	write64(d.f, OPER(CRCR_LO), XHCI_CRCR_CA);
	run_until_idle(d.f);
	assert_int_equal(command_cc(&d), XHCI_CC_COMMAND_ABORTED);
	assert_int_equal(command_cc(&d), XHCI_CC_COMMAND_RING_STOPPED);
	assert_int_equal(d.fake.submits, 1);
	advance_ns(d.f, XHCI_GIVE_UP_NS);
	assert_int_equal(d.fake.submits, 2);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 100);
	expect_no_event(d.f);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 100);
	driver_expect(&d, IN, trb, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

static void streams_are_given_up(void **state)
{
	struct streams s;
	uint64_t a, b;

	streams_start_linear(&s, *state, 2);
	s.d.fake.hold_cancelled = true;
	a = streams_put_and_ring(&s, 1, 1000);
	b = streams_put_and_ring(&s, 2, 500);
	streams_stop_put(&s);
	streams_complete(&s, 2, USBDEV_STATUS_CANCELLED, 100);
	advance_ns(s.d.f, XHCI_GIVE_UP_NS);
	driver_expect(&s.d, IN, a, XHCI_CC_STOPPED, 1000);
	driver_expect(&s.d, IN, b, XHCI_CC_STOPPED, 400);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_SUCCESS);
	streams_ring(&s, IN, 2);
	assert_int_equal(streams_held(&s, 2)->length_bytes, 400);
	streams_end(&s);
}

/* A device that never gives back gets only so many; others go on; it may come to itself. */
static void stuck_device_keeps_a_bounded_number(void **state)
{
	struct driver d;
	uint64_t trb;
	unsigned tds;

	begin(&d, state);
	trb = driver_normal(&d, IN, DATA, 100, XHCI_TRB_IOC);
	driver_normal(&d, INT_IN, DATA, 8, XHCI_TRB_IOC);
	for (unsigned i = 0; i < 3 * XHCI_ORPHANS_PER_DEVICE; i++) {
		driver_ring(&d, IN);
		if (i < XHCI_ORPHANS_PER_DEVICE) {
			stop_put(&d, IN);
			advance_ns(d.f, XHCI_GIVE_UP_NS);
			driver_expect(&d, IN, trb, XHCI_CC_STOPPED, 100);
			assert_int_equal(command_cc(&d), XHCI_CC_SUCCESS);
		} else { /* the device holds nothing: at once */
			assert_int_equal(driver_stop(&d, IN), XHCI_CC_SUCCESS);
		}
		d.command_index = 0;
		write64(d.f, OPER(CRCR_LO), XHCI_CRCR_CS);
		assert_int_equal(command_cc(&d), XHCI_CC_COMMAND_RING_STOPPED);
		memset(guest(d.f, FIXTURE_COMMAND_IOVA), 0, 0x1000);
		write64(d.f, OPER(CRCR_LO), FIXTURE_COMMAND_IOVA | XHCI_CRCR_RCS);
	}
	assert_int_equal(d.fake.submits, XHCI_ORPHANS_PER_DEVICE);
	assert_int_equal(d.fake.dev.forgotten, XHCI_ORPHANS_PER_DEVICE);
	driver_ring(&d, IN);
	driver_ring(&d, INT_IN);
	tds = d.f->xhci->tds;
	assert_int_equal(tds, XHCI_ORPHANS_PER_DEVICE);
	assert_int_equal(d.f->wake_at_ns, 0); /* no polling */

	driver_complete(&d, IN, USBDEV_STATUS_CANCELLED, 0);
	assert_int_equal(d.fake.submits, XHCI_ORPHANS_PER_DEVICE + 2);
	for (unsigned i = 1; i < XHCI_ORPHANS_PER_DEVICE; i++)
		driver_complete(&d, IN, USBDEV_STATUS_CANCELLED, 0);
	assert_int_equal(d.fake.dev.forgotten, 0);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 100);
	driver_expect(&d, IN, trb, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(stop_meets_stall),           T(stop_ends),
		T(what_had_moved_stays_moved), T(given_back_in_time),
		T(controller_halts),           T(aborted_before),
		T(streams_are_given_up),       T(stuck_device_keeps_a_bounded_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
