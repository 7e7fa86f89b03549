/* SPDX-License-Identifier: MIT
 * test_transfer_ring.c - rings that break the rules: without end, with data that is nowhere
 */
#include <errno.h>

#include "driver.h"

#define OUT  DRIVER_BULK_OUT_DCI
#define DATA DRIVER_DATA_IOVA

static void links_without_end(void **state)
{
	struct driver d;
	uint64_t ring;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	ring = d.rings[OUT].iova;
	driver_put(&d, OUT, ring, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_LINK));
	driver_ring(&d, OUT);
	driver_expect(&d, OUT, ring, XHCI_CC_TRB_ERROR, 0);
	assert_int_equal(driver_ep_state(&d, OUT), XHCI_EP_STATE_ERROR);
	assert_int_equal(driver_stop(&d, OUT), XHCI_CC_CONTEXT_STATE_ERROR);
	driver_end(&d);
}

/* A ring of chained TRBs that never ends: refused at the bound, memory freed. */
static void td_without_end(void **state)
{
	struct driver d;
	struct xhci_trb event;
	uint64_t ring;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	ring = d.rings[OUT].iova;
	for (int i = 0; i < 255; i++)
		driver_normal(&d, OUT, DATA, 1, XHCI_TRB_CH);
	driver_put(&d, OUT, ring, 0,
		   xhci_trb_type_bits(XHCI_TRB_TYPE_LINK) | XHCI_TRB_CH);
	driver_ring(&d, OUT);
	event = expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT);
	assert_int_equal(event.status >> 24, XHCI_CC_TRB_ERROR);
	assert_int_equal(d.fake.submits, 0);
	assert_int_equal(driver_set_dequeue(&d, OUT, ring), XHCI_CC_SUCCESS);
	driver_end(&d);
}

/* A ring that is always full of TDs: bounded work in each run, others go on. */
static void ring_without_end(void **state)
{
	struct driver d;
	uint64_t ring;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	ring = d.rings[OUT].iova;
	for (int i = 0; i < 10; i++)
		driver_put(&d, OUT, 0, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP));
	driver_put(&d, OUT, ring, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_LINK));
	write32(d.f, DOORBELL(1), OUT);
	for (int i = 0; i < 10; i++) {
		assert_true(d.f->kicked);
		d.f->kicked = false;
		xhci_run(d.f->xhci);
	}
	driver_command_put(&d, 0, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP_COMMAND));
	xhci_run(d.f->xhci);
	{
		struct xhci_trb event;

		assert_true(event_next(d.f, &d.f->events, &event));
		assert_int_equal(xhci_trb_type(&event),
				 XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);
	}
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	driver_end(&d);
}

static void data_outside_memory(void **state)
{
	struct driver d;
	uint8_t byte = 0;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	trb = driver_normal(&d, OUT, FIXTURE_NO_IOVA, 16, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	assert_int_equal(usbdev_transfer_read(driver_held(&d, OUT), 0, &byte, 1),
			 -EFAULT);
	driver_complete(&d, OUT, USBDEV_STATUS_MEMORY, 0);
	driver_expect(&d, OUT, trb, XHCI_CC_DATA_BUFFER_ERROR, 16);
	assert_int_equal(driver_ep_state(&d, OUT), XHCI_EP_STATE_HALTED);
	driver_end(&d);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(links_without_end),
		T(td_without_end),
		T(ring_without_end),
		T(data_outside_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
