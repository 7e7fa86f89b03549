/* SPDX-License-Identifier: MIT
 * test_controller.c - faults and parking: guest memory that is missing, or away for the moment
 */
#include <errno.h>
#include <string.h>

#include "driver.h"
#include "util/bytes.h"
#include "util/loop.h"

#define OUT  DRIVER_BULK_OUT_DCI
#define IN   DRIVER_BULK_IN_DCI
#define DATA DRIVER_DATA_IOVA

static void expect_hse(struct driver *d)
{
	uint32_t sts;

	run_until_idle(d->f);
	sts = read32(d->f, OPER(USBSTS));
	assert_true(sts & XHCI_USBSTS_HSE);
	assert_true(sts & XHCI_USBSTS_HCH);
	/* only a reset helps, and it does */
	write32(d->f, OPER(USBCMD), XHCI_USBCMD_RS);
	run_until_idle(d->f);
	assert_true(read32(d->f, OPER(USBSTS)) & XHCI_USBSTS_HCH);
	write32(d->f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	run_until_idle(d->f);
	assert_int_equal(read32(d->f, OPER(USBSTS)) & XHCI_USBSTS_HSE, 0);
	driver_end(d);
}

static void command_ring_outside_memory(void **state)
{
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	write64(d.f, OPER(CRCR_LO), XHCI_CRCR_CS);
	run_until_idle(d.f);
	write64(d.f, OPER(CRCR_LO), FIXTURE_NO_IOVA | XHCI_CRCR_RCS);
	write32(d.f, DOORBELL(0), 0);
	expect_hse(&d);
}

static void command_ring_at_the_end_of_the_world(void **state)
{
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	write64(d.f, OPER(CRCR_LO), XHCI_CRCR_CS);
	run_until_idle(d.f);
	write64(d.f, OPER(CRCR_LO), UINT64_C(0xffffffffffffffc0) | XHCI_CRCR_RCS);
	write32(d.f, DOORBELL(0), 0);
	expect_hse(&d);
}

static void transfer_ring_outside_memory(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	assert_int_equal(driver_stop(&d, OUT), XHCI_CC_SUCCESS);
	assert_int_equal(driver_set_dequeue(&d, OUT, FIXTURE_NO_IOVA | 1),
			 XHCI_CC_SUCCESS);
	driver_ring(&d, OUT);
	expect_hse(&d);
}

static void dcbaa_outside_memory(void **state)
{
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	write64(d.f, OPER(DCBAAP_LO), FIXTURE_NO_IOVA);
	d.slot_id = driver_command(&d, XHCI_TRB_TYPE_ENABLE_SLOT, 0, 0).slot_id;
	driver_command_put(&d, DRIVER_INPUT_IOVA, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_ADDRESS_DEVICE) | 1u << 24);
	expect_hse(&d);
}

static void event_ring_outside_memory(void **state)
{
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	guest_put_erst(d.f, FIXTURE_ERST_IOVA, 0, FIXTURE_NO_IOVA, 64);
	write64(d.f, INTR(0, ERSTBA_LO), FIXTURE_ERST_IOVA);
	driver_command_put(&d, 0, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP_COMMAND));
	expect_hse(&d);
}

/* Memory comes back within the time that a VMM takes: nothing is lost. */
static void memory_that_comes_back_in_time(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	trb = driver_normal(&d, OUT, DATA, 8, XHCI_TRB_IOC);
	d.f->now_ns = clock_now_ns();
	assert_int_equal(
		guest_mem_unmap(d.f->mem, FIXTURE_LOW_IOVA, FIXTURE_MEM_BYTES, NULL), 0);
	driver_ring(&d, OUT);
	assert_int_equal(d.fake.submits, 0);
	assert_int_equal(read32(d.f, OPER(USBSTS)) & XHCI_USBSTS_HSE, 0);
	assert_int_equal(guest_mem_map_bytes(d.f->mem, FIXTURE_LOW_IOVA, d.f->low,
					     FIXTURE_MEM_BYTES,
					     GUEST_MEM_READ | GUEST_MEM_WRITE),
			 0);
	xhci_memory_changed(d.f->xhci);
	run_until_idle(d.f);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 8);
	driver_expect(&d, OUT, trb, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

/* The data of a transfer is away when the device wants it: tried again, from
 * where it was, when memory is back; those behind it do not overtake. */
static void data_that_comes_back(void **state)
{
	struct driver d;
	uint64_t first, second;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	first = driver_normal(&d, OUT, DATA, 1000, XHCI_TRB_IOC);
	second = driver_normal(&d, OUT, DATA, 500, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	d.f->now_ns = clock_now_ns();
	guest_mem_unmap_all(d.f->mem);
	driver_complete(&d, OUT, USBDEV_STATUS_MEMORY, 300);
	driver_complete(&d, OUT, USBDEV_STATUS_MEMORY, 0);
	assert_null(fake_dev_first(&d.fake, 1));
	assert_int_equal(guest_mem_map_bytes(d.f->mem, FIXTURE_LOW_IOVA, d.f->low,
					     FIXTURE_MEM_BYTES,
					     GUEST_MEM_READ | GUEST_MEM_WRITE),
			 0);
	xhci_memory_changed(d.f->xhci);
	run_until_idle(d.f);
	assert_int_equal(driver_held(&d, OUT)->length_bytes, 700);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 700);
	driver_expect(&d, OUT, first, XHCI_CC_SUCCESS, 0);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 500);
	driver_expect(&d, OUT, second, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

/* A guest that takes bus mastering away, as Linux does before another kernel starts in its place,
 * has its memory for itself: data of devices waits. */
static void data_without_bus_master(void **state)
{
	const uint8_t sent[] = {1, 2, 3, 4};
	struct usbdev_transfer *held;
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	trb = driver_normal(&d, IN, DATA, sizeof(sent), XHCI_TRB_IOC);
	driver_ring(&d, IN);
	held = driver_held(&d, IN);
	xhci_set_bus_master(d.f->xhci, false);
	assert_int_equal(usbdev_transfer_write(held, 0, sent, sizeof(sent)), -EFAULT);
	assert_int_equal(get_le32(guest(d.f, DATA)), 0);
	driver_complete(&d, IN, USBDEV_STATUS_MEMORY, 0);
	expect_no_event(d.f);
	/* the guest is not at fault, even long after */
	advance_ns(d.f, UINT64_C(10000000000));
	xhci_set_bus_master(d.f->xhci, true);
	run_until_idle(d.f);
	held = driver_held(&d, IN);
	assert_int_equal(usbdev_transfer_write(held, 0, sent, sizeof(sent)), 0);
	driver_complete(&d, IN, USBDEV_STATUS_OK, sizeof(sent));
	driver_expect(&d, IN, trb, XHCI_CC_SUCCESS, 0);
	assert_int_equal(get_le32(guest(d.f, DATA)), 0x04030201);
	driver_end(&d);
}

/* A command finds its memory away: until that changes nothing else is done either. */
static void parked_controller_does_nothing(void **state)
{
	struct driver d;
	struct fake_dev second;
	uint64_t command;
	unsigned port;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	assert_int_equal(
		guest_mem_unmap(d.f->mem, FIXTURE_HIGH_IOVA, FIXTURE_MEM_BYTES, NULL), 0);
	d.f->now_ns = guest_mem_last_change_ns(d.f->mem) + 1000;
	command =
		driver_command_put(&d, FIXTURE_HIGH_IOVA, 0,
				   xhci_trb_type_bits(XHCI_TRB_TYPE_GET_PORT_BANDWIDTH));
	expect_no_event(d.f);
	/* a port event is due, and its ring could be reached */
	fake_dev_init(&second, d.f, USBDEV_SPEED_HIGH);
	port = fake_dev_plug(&second, d.f);
	expect_no_event(d.f);
	assert_int_equal(guest_mem_map_bytes(d.f->mem, FIXTURE_HIGH_IOVA, d.f->high,
					     FIXTURE_MEM_BYTES,
					     GUEST_MEM_READ | GUEST_MEM_WRITE),
			 0);
	xhci_memory_changed(d.f->xhci);
	expect_event(d.f, XHCI_TRB_TYPE_PORT_STATUS_CHANGE_EVENT);
	assert_int_equal(
		expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT).parameter,
		command);
	fake_dev_unplug(&second, d.f, port);
	driver_end(&d);
}

static void memory_that_stays_away(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_normal(&d, OUT, DATA, 8, XHCI_TRB_IOC);
	d.f->now_ns = clock_now_ns();
	assert_int_equal(
		guest_mem_unmap(d.f->mem, FIXTURE_LOW_IOVA, FIXTURE_MEM_BYTES, NULL), 0);
	driver_ring(&d, OUT);
	assert_int_equal(read32(d.f, OPER(USBSTS)) & XHCI_USBSTS_HSE, 0);
	advance_ns(d.f, 1000000000);
	expect_hse(&d);
}

/* No memory at all is no client, not a broken guest: wait for ever. */
static void no_memory_at_all(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	guest_mem_unmap_all(d.f->mem);
	driver_ring(&d, OUT);
	advance_ns(d.f, UINT64_C(1000000000000));
	assert_int_equal(read32(d.f, OPER(USBSTS)) & XHCI_USBSTS_HSE, 0);
	driver_end(&d);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(command_ring_outside_memory),
		T(command_ring_at_the_end_of_the_world),
		T(transfer_ring_outside_memory),
		T(dcbaa_outside_memory),
		T(event_ring_outside_memory),
		T(memory_that_comes_back_in_time),
		T(data_that_comes_back),
		T(data_without_bus_master),
		T(parked_controller_does_nothing),
		T(memory_that_stays_away),
		T(no_memory_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
