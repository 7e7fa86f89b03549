/* SPDX-License-Identifier: MIT
 * test_command.c - the command ring: taking, answering, stopping, aborting
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver.h"
#include "mem/sigbus.h"
#include "util/bytes.h"

#define OUT DRIVER_BULK_OUT_DCI

static void several_commands_on_one_doorbell(void **state)
{
	struct driver d;
	uint64_t iova[4];

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	for (int i = 0; i < 4; i++)
		iova[i] = driver_command_put(
			&d, 0, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP_COMMAND));
	for (int i = 0; i < 4; i++) {
		struct xhci_trb event =
			expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);

		assert_int_equal(event.parameter, iova[i]);
		assert_int_equal(event.status >> 24, XHCI_CC_SUCCESS);
	}
	assert_true(read32(d.f, OPER(CRCR_LO)) & XHCI_CRCR_CRR);
	driver_end(&d);
}

static void stop_and_new_pointer(void **state)
{
	struct driver d;
	struct xhci_trb event;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_NOOP_COMMAND, 0),
			 XHCI_CC_SUCCESS);
	write64(d.f, OPER(CRCR_LO), XHCI_CRCR_CS);
	event = expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);
	assert_int_equal(event.status >> 24, XHCI_CC_COMMAND_RING_STOPPED);
	assert_int_equal(event.parameter, FIXTURE_COMMAND_IOVA + 16);
	assert_int_equal(read32(d.f, OPER(CRCR_LO)) & XHCI_CRCR_CRR, 0);
	write64(d.f, OPER(CRCR_LO), (FIXTURE_COMMAND_IOVA + 0x800) | XHCI_CRCR_RCS);
	d.command_index = 0x80;
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_NOOP_COMMAND, 0),
			 XHCI_CC_SUCCESS);
	driver_end(&d);
}

static void abort_ends_a_waiting_command(void **state)
{
	struct driver d;
	struct xhci_trb event;
	uint64_t stop;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	d.fake.hold_cancelled = true;
	driver_normal(&d, OUT, DRIVER_DATA_IOVA, 8, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	stop = driver_stop_put(&d, OUT);
	expect_no_event(d.f);
	write64(d.f, OPER(CRCR_LO), XHCI_CRCR_CA);
	event = expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);
	assert_int_equal(event.status >> 24, XHCI_CC_COMMAND_ABORTED);
	assert_int_equal(event.parameter, stop);
	event = expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);
	assert_int_equal(event.status >> 24, XHCI_CC_COMMAND_RING_STOPPED);
	driver_end(&d);
}

/* A controller that has failed answers no command, also if the guest wants it aborted. */
static void abort_of_a_command_that_fails(void **state)
{
	struct driver d;
	uint32_t sts;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	/* memory is away for the moment: the command waits */
	assert_int_equal(
		guest_mem_unmap(d.f->mem, FIXTURE_HIGH_IOVA, FIXTURE_MEM_BYTES, NULL), 0);
	d.f->now_ns = guest_mem_last_change_ns(d.f->mem) + 1000;
	driver_command_put(&d, FIXTURE_HIGH_IOVA, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_GET_PORT_BANDWIDTH));
	expect_no_event(d.f);
	assert_int_equal(read32(d.f, OPER(USBSTS)) & XHCI_USBSTS_HSE, 0);
	write64(d.f, OPER(CRCR_LO), XHCI_CRCR_CA);
	advance_ns(d.f, UINT64_C(1000000000));
	expect_no_event(d.f);
	sts = read32(d.f, OPER(USBSTS));
	assert_true((sts & XHCI_USBSTS_HSE) && (sts & XHCI_USBSTS_HCH));
	assert_int_equal(read32(d.f, OPER(CRCR_LO)) & XHCI_CRCR_CRR, 0);
	driver_end(&d);
}

static void link_toggles_the_cycle(void **state)
{
	struct driver d;
	struct xhci_trb link = {FIXTURE_COMMAND_IOVA, 0,
				xhci_trb_type_bits(XHCI_TRB_TYPE_LINK) | XHCI_TRB_TC |
					XHCI_TRB_C};
	struct xhci_trb noop = {0, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP_COMMAND)};

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_NOOP_COMMAND, 0),
			 XHCI_CC_SUCCESS);
	guest_put_trb(d.f, FIXTURE_COMMAND_IOVA + 16, &link);
	guest_put_trb(d.f, FIXTURE_COMMAND_IOVA, &noop); /* cycle 0: the second round */
	write32(d.f, DOORBELL(0), 0);
	assert_int_equal(
		expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT).parameter,
		FIXTURE_COMMAND_IOVA);
	expect_no_event(d.f);
	driver_end(&d);
}

static void every_other_type_is_answered(void **state)
{
	static const unsigned types[] = {0,  1,  6 + 0, 18, 19, 20, 22,
					 24, 31, 32,    47, 48, 63};
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i] == XHCI_TRB_TYPE_LINK)
			continue;
		assert_int_equal(driver_on_slot(&d, (enum xhci_trb_type)types[i], 0),
				 XHCI_CC_TRB_ERROR);
	}
	driver_end(&d);
}

static void port_bandwidth(void **state)
{
	struct driver d;
	uint8_t *raw = guest(*state, DRIVER_INPUT_IOVA);

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_GET_PORT_BANDWIDTH, 0),
			 XHCI_CC_SUCCESS);
	assert_int_equal(raw[0], 0);
	for (unsigned i = 1; i <= 2 * FIXTURE_PORTS; i++)
		assert_int_equal(raw[i], 80);
	assert_int_equal(raw[1 + 2 * FIXTURE_PORTS], 0);
	driver_end(&d);
}

static void command_links_without_end(void **state)
{
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	driver_command_put(&d, FIXTURE_COMMAND_IOVA, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_LINK));
	run_until_idle(d.f);
	assert_true(read32(d.f, OPER(USBSTS)) & XHCI_USBSTS_HCE);
	assert_true(read32(d.f, OPER(USBSTS)) & XHCI_USBSTS_HCH);
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	run_until_idle(d.f);
	assert_int_equal(read32(d.f, OPER(USBSTS)) & XHCI_USBSTS_HCE, 0);
	driver_end(&d);
}

/* The VMM truncates the file behind an output context. The Stop Endpoint that meets that is
 * answered, as its endpoint has stopped; the commands behind it are not executed any more. */
static void no_command_behind_a_host_system_error(void **state)
{
	const uint64_t output_iova = FIXTURE_NO_IOVA;
	const size_t bytes = 0x10000;
	struct fixture *f = *state;
	struct driver d;
	struct xhci_trb event;
	unsigned events = 0;
	int fd = memfd_create("output context", MFD_CLOEXEC);

	/* cmocka has put its own handler in the place of the guard */
	assert_int_equal(sigbus_guard_install(), 0);

	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	assert_int_equal(guest_mem_map(f->mem, output_iova, bytes, fd, 0,
				       GUEST_MEM_READ | GUEST_MEM_WRITE),
			 0);
	driver_start(&d, f, USBDEV_SPEED_HIGH);
	put_le64((uint8_t *)guest(f, FIXTURE_DCBAA_IOVA) + 8, output_iova);
	driver_address(&d);
	driver_input(&d, 0, 1 | BIT(OUT));
	driver_input_endpoint(&d, OUT, XHCI_EP_TYPE_BULK_OUT, 512);
	assert_int_equal(
		driver_command(&d, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT, DRIVER_INPUT_IOVA, 0)
			.cc,
		XHCI_CC_SUCCESS);
	assert_int_equal(ftruncate(fd, 0), 0);
	driver_stop_put(&d, OUT);
	for (unsigned i = 0; i < 2; i++)
		driver_command_put(&d, 0, 0,
				   xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP_COMMAND));
	run_until_idle(f);
	while (event_next(f, &f->events, &event))
		events++;
	assert_true(read32(f, OPER(USBSTS)) & XHCI_USBSTS_HSE);
	assert_in_range(events, 0, 1);
	driver_end(&d);
	(void)close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(several_commands_on_one_doorbell),
		T(stop_and_new_pointer),
		T(abort_ends_a_waiting_command),
		T(abort_of_a_command_that_fails),
		T(no_command_behind_a_host_system_error),
		T(link_toggles_the_cycle),
		T(every_other_type_is_answered),
		T(port_bandwidth),
		T(command_links_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
