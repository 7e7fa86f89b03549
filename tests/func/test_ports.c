/* SPDX-License-Identifier: MIT
 * test_ports.c - root hub ports: connect, reset, link states, change bits
 */
#include <errno.h>
#include <string.h>

#include "tests/func/func.h"

#define USAGE_A              4
#define DEVICE_REMOTE_WAKEUP 1
#define USB_SET_FEATURE      3

static unsigned run(struct func *f, const char *spec)
{
	int port;

	func_start(f, spec, NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	port = drv_port_connected(&f->drv, 1);
	assert_true(port > 0);
	return (unsigned)port;
}

static uint32_t portsc(struct func *f, unsigned port)
{
	return drv_portsc(&f->drv, port);
}

static void test_usb2_port_needs_a_reset(void **state)
{
	struct func *f = *state;
	unsigned port = run(f, func_stick_spec(f, "high"));
	uint32_t sc = portsc(f, port);

	assert_true(sc & XPORT_CCS);
	assert_true(sc & XPORT_CSC);
	assert_true(sc & XPORT_PP);
	assert_false(sc & XPORT_PED);
	assert_int_equal(XPORT_PLS(sc), XPORT_LINK_POLLING);
	assert_ok(drv_port_reset(&f->drv, port, false));
	sc = portsc(f, port);
	assert_true(sc & XPORT_PED);
	assert_false(sc & (XPORT_PR | XPORT_CHANGES));
	assert_int_equal(XPORT_PLS(sc), XPORT_LINK_U0);
	assert_int_equal(XPORT_SPEED(sc), XSPEED_HIGH);
}

static void test_usb3_port_comes_up_by_itself(void **state)
{
	struct func *f = *state;
	unsigned port = run(f, func_stick_spec(f, "super"));
	uint32_t sc = portsc(f, port);

	assert_true(sc & XPORT_CCS);
	assert_true(sc & XPORT_PED);
	assert_true(sc & XPORT_CSC);
	assert_int_equal(XPORT_PLS(sc), XPORT_LINK_U0);
	assert_int_equal(XPORT_SPEED(sc), XSPEED_SUPER);
}

/* Each change bit clears alone and leaves the others (the original had three of them). */
static void test_change_bits_one_by_one(void **state)
{
	struct func *f = *state;
	unsigned port = run(f, func_stick_spec(f, "super"));
	uint32_t bits;

	/* a warm reset sets two at once */
	drv_port_set(&f->drv, port, XPORT_WPR);
	assert_ok(drv_port_wait(&f->drv, port, XPORT_WRC | XPORT_PR, XPORT_WRC));
	bits = portsc(f, port) & XPORT_CHANGES;
	assert_true(bits & XPORT_CSC);
	assert_true(bits & XPORT_PRC);
	assert_true(bits & XPORT_WRC);
	/* writing zeros clears nothing */
	drv_port_set(&f->drv, port, 0);
	assert_int_equal(portsc(f, port) & XPORT_CHANGES, bits);
	for (uint32_t bit = 1u << 17; bit <= 1u << 23; bit <<= 1) {
		drv_port_clear(&f->drv, port, bit);
		bits &= ~bit;
		assert_int_equal(portsc(f, port) & XPORT_CHANGES, bits);
	}
	assert_true(portsc(f, port) & XPORT_PED);
}

static void test_warm_reset(void **state)
{
	struct func *f = *state;
	unsigned port = run(f, func_stick_spec(f, "super"));

	for (unsigned i = 0; i < 5; i++) {
		assert_ok(drv_port_reset(&f->drv, port, true));
		assert_int_equal(XPORT_PLS(portsc(f, port)), XPORT_LINK_U0);
		assert_int_equal(XPORT_SPEED(portsc(f, port)), XSPEED_SUPER);
	}
	assert_ok(drv_port_reset(&f->drv, port, false));
}

static bool is_port_event(const struct drv_event *event, const void *ctx)
{
	(void)ctx;
	return drv_trb_type(&event->trb) == XTRB_PORT_STATUS_CHANGE;
}

/* Devices connect before the guest's driver starts: their events wait until the
 * controller runs (the original dropped events before ERSTBA was set). */
static void test_connect_event_waits_for_the_driver(void **state)
{
	struct func *f = *state;
	struct drv_event event;
	unsigned port;

	func_start(f, func_stick_spec(f, "high"), NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	assert_ok(drv_wait(&f->drv, is_port_event, NULL, &event, DRV_TIMEOUT_MS));
	port = (event.trb.parameter >> 24) & 0xff;
	assert_in_range(port, 1, f->drv.max_ports);
	assert_true(portsc(f, port) & XPORT_CCS);
	assert_true(portsc(f, port) & XPORT_CSC);
}

/* A reset sets PRC and PCD and posts an event with the port's number (4.19.2). */
static void test_port_status_change_event(void **state)
{
	struct func *f = *state;
	unsigned port = run(f, func_stick_spec(f, "high"));
	struct drv_event event;

	drv_port_clear(&f->drv, port, XPORT_CHANGES);
	assert_commands_work(f);
	(void)drv_pending(&f->drv, 0);
	drv_forget(&f->drv);
	drv_op_write(&f->drv, XOP_USBSTS, XSTS_PCD);
	assert_false(drv_op_read(&f->drv, XOP_USBSTS) & XSTS_PCD);
	drv_port_set(&f->drv, port, XPORT_PR);
	assert_ok(drv_wait(&f->drv, is_port_event, NULL, &event, DRV_TIMEOUT_MS));
	assert_int_equal((event.trb.parameter >> 24) & 0xff, port);
	assert_int_equal(drv_event_code(&event), XCC_SUCCESS);
	assert_true(portsc(f, port) & XPORT_PRC);
	assert_true(drv_op_read(&f->drv, XOP_USBSTS) & XSTS_PCD);
}

/* The original "reset" an empty port and enabled it. Ours ignores the reset. */
static void test_empty_ports_ignore_resets(void **state)
{
	struct func *f = *state;
	unsigned used = run(f, func_stick_spec(f, "high"));

	for (unsigned port = 1; port <= f->drv.max_ports; port++) {
		uint32_t sc;

		if (port == used)
			continue;
		sc = portsc(f, port);
		assert_int_equal(sc & (XPORT_CCS | XPORT_PED | XPORT_CHANGES), 0);
		assert_int_equal(XPORT_PLS(sc), XPORT_LINK_RXDETECT);
		assert_int_equal(XPORT_SPEED(sc), 0);
		drv_port_set(&f->drv, port, XPORT_PR);
		drv_port_set(&f->drv, port, XPORT_WPR);
		drv_port_link(&f->drv, port, XPORT_LINK_U3);
		assert_commands_work(f);
		sc = portsc(f, port);
		assert_int_equal(sc & (XPORT_CCS | XPORT_PED), 0);
	}
}

/* Writing 1 clears PED; then only a reset enables the port again. */
static void test_disable_port(void **state)
{
	struct func *f = *state;
	unsigned port = run(f, func_stick_spec(f, "high"));

	assert_ok(drv_port_reset(&f->drv, port, false));
	drv_port_set(&f->drv, port, XPORT_PED);
	assert_false(portsc(f, port) & XPORT_PED);
	assert_true(portsc(f, port) & XPORT_CCS);
	/* no PEC when software disables the port (5.4.8) */
	assert_false(portsc(f, port) & XPORT_PEC);
	assert_ok(drv_port_reset(&f->drv, port, false));
}

static void test_port_power(void **state)
{
	struct func *f = *state;
	unsigned port = run(f, func_stick_spec(f, "super"));
	uint32_t sc;

	drv_port_clear(&f->drv, port, XPORT_CHANGES);
	drv_write32(&f->drv, drv_portsc_offset(&f->drv, port), 0);
	sc = portsc(f, port);
	/* without port power control PP may stay 1; otherwise it must work */
	if (!(sc & XPORT_PP)) {
		assert_int_equal(sc & (XPORT_CCS | XPORT_PED), 0);
		drv_write32(&f->drv, drv_portsc_offset(&f->drv, port), XPORT_PP);
		assert_ok(drv_port_wait(&f->drv, port, XPORT_CCS, XPORT_CCS));
	}
	assert_ok(drv_port_reset(&f->drv, port, false));
}

static void test_link_state_needs_the_strobe(void **state)
{
	struct func *f = *state;
	unsigned port = run(f, func_stick_spec(f, "super"));

	drv_port_set(&f->drv, port, XPORT_LINK_U3 << XPORT_PLS_SHIFT);
	assert_int_equal(XPORT_PLS(portsc(f, port)), XPORT_LINK_U0);
	drv_port_link(&f->drv, port, XPORT_LINK_U3);
	assert_int_equal(XPORT_PLS(portsc(f, port)), XPORT_LINK_U3);
	/* LWS reads as zero */
	assert_false(portsc(f, port) & XPORT_LWS);
}

/* USB 3: the port returns to U0 with PLC and an event, for which Linux waits. */
static void test_suspend_and_resume_usb3(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	unsigned port;

	func_stick(f, "super", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 512, 64);
	port = device.slot->port;
	for (unsigned i = 0; i < 5; i++) {
		assert_code(drv_stop_endpoint(device.slot, device.bulk_in), XCC_SUCCESS);
		drv_port_clear(&f->drv, port, XPORT_CHANGES);
		drv_port_link(&f->drv, port, XPORT_LINK_U3);
		assert_int_equal(XPORT_PLS(portsc(f, port)), XPORT_LINK_U3);
		drv_port_link(&f->drv, port, XPORT_LINK_U0);
		assert_ok(drv_port_wait(&f->drv, port, XPORT_PLS_MASK | XPORT_PLC,
					XPORT_PLC));
		assert_ok(bot_read(&bot, i, 1, buf.iova, 0, 0));
	}
}

/* USB 2: software drives resume, then U0. */
static void test_suspend_and_resume_usb2(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	unsigned port;

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 512, 64);
	port = device.slot->port;
	for (unsigned i = 0; i < 5; i++) {
		drv_port_clear(&f->drv, port, XPORT_CHANGES);
		drv_port_link(&f->drv, port, XPORT_LINK_U3);
		assert_int_equal(XPORT_PLS(portsc(f, port)), XPORT_LINK_U3);
		drv_port_link(&f->drv, port, XPORT_LINK_RESUME);
		assert_int_equal(XPORT_PLS(portsc(f, port)), XPORT_LINK_RESUME);
		drv_port_link(&f->drv, port, XPORT_LINK_U0);
		assert_ok(drv_port_wait(&f->drv, port, XPORT_PLS_MASK, 0));
		assert_ok(bot_read(&bot, i, 1, buf.iova, 0, 0));
	}
}

/* A key wakes the bus: the port enters Resume with PLC, the driver completes the resume,
 * the key arrives. */
static void test_remote_wakeup(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	struct drv_setup feature = {
		.request = USB_SET_FEATURE,
		.value = DEVICE_REMOTE_WAKEUP,
	};
	uint8_t report[HID_REPORT_BYTES];
	unsigned port;

	func_keyboard(f, &device, &hid);
	port = device.slot->port;
	assert_code(drv_control(device.slot, &feature, 0, NULL), XCC_SUCCESS);
	hid_queue(&hid, 2);
	assert_commands_work(f);
	assert_code(drv_stop_endpoint(device.slot, device.interrupt_in), XCC_SUCCESS);
	drv_port_clear(&f->drv, port, XPORT_CHANGES);
	drv_port_link(&f->drv, port, XPORT_LINK_U3);
	assert_int_equal(XPORT_PLS(portsc(f, port)), XPORT_LINK_U3);
	(void)drv_pending(&f->drv, 0);
	drv_forget(&f->drv);
	func_type(f, "a");
	assert_ok(drv_port_wait(&f->drv, port, XPORT_PLS_MASK | XPORT_PLC,
				((uint32_t)XPORT_LINK_RESUME << XPORT_PLS_SHIFT) |
					XPORT_PLC));
	drv_port_clear(&f->drv, port, XPORT_PLC);
	drv_port_link(&f->drv, port, XPORT_LINK_U0);
	assert_ok(drv_port_wait(&f->drv, port, XPORT_PLS_MASK, 0));
	drv_endpoint_doorbell(device.slot, device.interrupt_in);
	assert_code(hid_wait(&hid, report, DRV_TIMEOUT_MS), XCC_SUCCESS);
	assert_int_equal(report[2], USAGE_A);
}

/* Resets the port of a configured device: the device is unconfigured again. */
static void test_reset_of_a_configured_device(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 512, 64);
	for (unsigned i = 0; i < 3; i++) {
		struct drv_setup config = {
			.request = USB_SET_CONFIGURATION,
			.value = device.config[5],
		};
		uint32_t both = (1u << device.bulk_in) | (1u << device.bulk_out);

		/* as Linux does after the port reset of a known device */
		assert_ok(drv_port_reset(&f->drv, device.slot->port, false));
		assert_code(drv_reset_device(device.slot), XCC_SUCCESS);
		assert_int_equal(drv_slot_state(device.slot), XSLOT_STATE_DEFAULT);
		assert_int_equal(drv_endpoint_state(device.slot, device.bulk_in),
				 XEP_STATE_DISABLED);
		assert_code(drv_address_device(device.slot, false), XCC_SUCCESS);
		drv_ring_clear(&device.slot->endpoints[device.bulk_in].ring);
		drv_ring_clear(&device.slot->endpoints[device.bulk_out].ring);
		assert_code(drv_configure(device.slot, both, 0), XCC_SUCCESS);
		assert_code(drv_control(device.slot, &config, 0, NULL), XCC_SUCCESS);
		assert_ok(bot_open(&bot));
		assert_ok(bot_read(&bot, i, 1, buf.iova, 0, 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_usb2_port_needs_a_reset),
		FUNC_TEST(test_usb3_port_comes_up_by_itself),
		FUNC_TEST(test_change_bits_one_by_one),
		FUNC_TEST(test_warm_reset),
		FUNC_TEST(test_connect_event_waits_for_the_driver),
		FUNC_TEST(test_port_status_change_event),
		FUNC_TEST(test_empty_ports_ignore_resets),
		FUNC_TEST(test_disable_port),
		FUNC_TEST(test_port_power),
		FUNC_TEST(test_link_state_needs_the_strobe),
		FUNC_TEST(test_suspend_and_resume_usb3),
		FUNC_TEST(test_suspend_and_resume_usb2),
		FUNC_TEST(test_remote_wakeup),
		FUNC_TEST(test_reset_of_a_configured_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
