/* SPDX-License-Identifier: MIT
 * test_enumerate.c - finding and configuring devices, at every speed
 */
#include <string.h>

#include "tests/func/func.h"
#include "util/bytes.h"

static void enumerate_stick(struct func *f, const char *name, enum xspeed speed,
			    unsigned bulk_packet, bool usb3)
{
	struct drv_device device;
	struct drv_slot *slot;

	func_device(f, func_stick_spec(f, name), &device);
	slot = device.slot;
	assert_int_equal(slot->speed, speed);
	assert_int_equal(f->drv.ports[slot->port].usb3, usb3);
	assert_int_equal(XPORT_SPEED(drv_portsc(&f->drv, slot->port)), speed);
	assert_int_equal(XPORT_PLS(drv_portsc(&f->drv, slot->port)), XPORT_LINK_U0);
	assert_int_equal(device.interface_class, 8);
	assert_int_equal(device.interface_subclass, 6);
	assert_int_equal(device.interface_protocol, 0x50);
	assert_int_not_equal(device.bulk_in, 0);
	assert_int_not_equal(device.bulk_out, 0);
	assert_int_equal(slot->endpoints[device.bulk_in].max_packet, bulk_packet);
	assert_int_equal(drv_slot_state(slot), XSLOT_STATE_CONFIGURED);
	assert_in_range(drv_slot_address(slot), 1, 127);
	assert_int_equal(drv_endpoint_state(slot, 1), XEP_STATE_RUNNING);
	assert_int_equal(drv_endpoint_state(slot, device.bulk_in), XEP_STATE_RUNNING);
	assert_running(f);
}

static void test_stick_full_speed(void **state)
{
	enumerate_stick(*state, "full", XSPEED_FULL, 64, false);
}

static void test_stick_high_speed(void **state)
{
	enumerate_stick(*state, "high", XSPEED_HIGH, 512, false);
}

static void test_stick_super_speed(void **state)
{
	enumerate_stick(*state, "super", XSPEED_SUPER, 1024, true);
}

/* The original always reported the whole wLength. */
static void test_short_control_in_is_reported(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct guest_buf buf;
	uint32_t actual = 0;

	func_device(f, func_stick_spec(f, "high"), &device);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 4096, 64);
	memset(buf.ptr, 0xee, 4096);
	assert_code(drv_get_descriptor(device.slot, USB_DESC_DEVICE, 0, buf.iova, 255,
				       &actual),
		    XCC_SUCCESS);
	assert_int_equal(actual, 18);
	assert_memory_equal(buf.ptr, device.descriptor, 18);
	/* the original copied more bytes than the device had sent */
	for (unsigned i = 18; i < 4096; i++)
		assert_int_equal(buf.ptr[i], 0xee);
	assert_code(drv_get_descriptor(device.slot, USB_DESC_STRING, 0, buf.iova, 4096,
				       &actual),
		    XCC_SUCCESS);
	assert_int_equal(actual, 4);
}

/* Both events: Short Packet for the Data TRB, Success for the Status TRB (4.11.2.2). */
static void test_short_control_in_has_two_events(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct drv_setup setup = {
		.request_type = USB_DIR_IN,
		.request = USB_GET_DESCRIPTOR,
		.value = USB_DESC_DEVICE << 8,
		.length = 64,
	};
	struct drv_event event;
	struct guest_buf buf;
	uint64_t data;
	uint64_t status;

	func_device(f, func_stick_spec(f, "high"), &device);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 64, 64);
	status = drv_push_control(device.slot, &setup, buf.iova, &data);
	drv_endpoint_doorbell(device.slot, 1);
	assert_code(drv_wait_transfer(&f->drv, device.slot->id, 1, 0, &event),
		    XCC_SHORT_PACKET);
	assert_true(event.trb.parameter == data);
	assert_int_equal(drv_event_length(&event), 64 - 18);
	assert_code(drv_wait_transfer(&f->drv, device.slot->id, 1, 0, &event),
		    XCC_SUCCESS);
	assert_true(event.trb.parameter == status);
	assert_int_equal(drv_event_length(&event), 0);
	assert_no_transfer_event(f);
}

static void test_strings(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct guest_buf buf;
	uint32_t actual = 0;

	func_device(f, func_stick_spec(f, "high"), &device);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 256, 64);
	for (unsigned i = 14; i <= 16; i++) {
		assert_int_not_equal(device.descriptor[i], 0);
		assert_code(drv_get_descriptor(device.slot, USB_DESC_STRING,
					       device.descriptor[i], buf.iova, 255,
					       &actual),
			    XCC_SUCCESS);
		assert_in_range(actual, 4, 254);
		assert_int_equal(buf.ptr[0], actual);
		assert_int_equal(buf.ptr[1], USB_DESC_STRING);
	}
}

/* The device stalls a request: Stall Error, endpoint 0 halts; then recovery. */
static void test_stalled_request_and_recovery(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct guest_buf buf;
	uint32_t actual = 0;

	func_device(f, func_stick_spec(f, "high"), &device);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 256, 64);
	for (unsigned i = 0; i < 5; i++) {
		assert_code(
			drv_get_descriptor(device.slot, 0x77, 0, buf.iova, 64, &actual),
			XCC_STALL);
		assert_int_equal(drv_endpoint_state(device.slot, 1), XEP_STATE_HALTED);
		assert_code(drv_recover(device.slot, 1), XCC_SUCCESS);
		assert_code(drv_get_descriptor(device.slot, USB_DESC_DEVICE, 0, buf.iova,
					       18, &actual),
			    XCC_SUCCESS);
		assert_int_equal(actual, 18);
	}
}

/* TDs behind a stalled one wait, and run after the reset (original 3.4: the parser stayed
 * in the middle of the TD, so the next request failed too). */
static void test_control_requests_behind_a_stall(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct drv_setup bad = {
		.request_type = USB_DIR_IN,
		.request = USB_GET_DESCRIPTOR,
		.value = 0x7700,
		.length = 64,
	};
	struct drv_setup good = bad;
	struct drv_event event;
	struct guest_buf buf;
	uint64_t position;
	uint64_t status;

	func_device(f, func_stick_spec(f, "high"), &device);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 256, 64);
	good.value = USB_DESC_DEVICE << 8;
	good.length = 18;
	(void)drv_push_control(device.slot, &bad, buf.iova, NULL);
	position = drv_ring_dequeue(&device.slot->endpoints[1].ring);
	status = drv_push_control(device.slot, &good, buf.iova, NULL);
	drv_endpoint_doorbell(device.slot, 1);
	assert_code(drv_wait_transfer(&f->drv, device.slot->id, 1, 0, &event), XCC_STALL);
	assert_no_transfer_event(f);
	assert_code(drv_reset_endpoint(device.slot, 1, false), XCC_SUCCESS);
	assert_code(drv_set_dequeue(device.slot, 1, position), XCC_SUCCESS);
	drv_endpoint_doorbell(device.slot, 1);
	assert_code(drv_wait_transfer(&f->drv, device.slot->id, 1, status, &event),
		    XCC_SUCCESS);
	assert_memory_equal(buf.ptr, device.descriptor, 18);
}

/* Every type and recipient, also reserved ones, on which the original panicked: success,
 * or a stall with recovery. */
static void test_requests_of_every_type(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct guest_buf buf;
	uint32_t actual = 0;

	func_device(f, func_stick_spec(f, "high"), &device);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 256, 64);
	for (unsigned type = 0; type < 256; type++) {
		struct drv_setup setup = {
			.request_type = (uint8_t)type,
			.request = (uint8_t)(200 + type % 50),
			.value = 0x1234,
			.index = 0x5678,
			.length = (uint16_t)(type % 64),
		};
		int r = drv_control(device.slot, &setup, buf.iova, NULL);

		assert_true(r == XCC_STALL || r == XCC_SUCCESS);
		if (r == XCC_STALL)
			assert_code(drv_recover(device.slot, 1), XCC_SUCCESS);
	}
	assert_code(drv_get_descriptor(device.slot, USB_DESC_DEVICE, 0, buf.iova, 18,
				       &actual),
		    XCC_SUCCESS);
	assert_int_equal(actual, 18);
}

/* Several devices on both kinds of ports. */
static void test_many_devices(void **state)
{
	struct func *f = *state;
	const char *specs[4];
	struct drv_device device;
	unsigned seen = 0;

	specs[0] = func_stick_spec(f, "super");
	specs[1] = func_stick_spec(f, "high");
	specs[2] = func_keyboard_spec(f, "full");
	specs[3] = func_stick_spec(f, "full");
	func_start(f, specs[0], specs[1], specs[2], specs[3], NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	for (int port = 1; seen < 4; port++) {
		port = drv_port_connected(&f->drv, (unsigned)port);
		assert_true(port > 0);
		assert_ok(drv_enumerate(&f->drv, (unsigned)port, &device));
		seen++;
	}
	assert_running(f);
}

/* The controller gives each device its own address and writes it to the slot context. */
static void test_address_is_unique_and_written(void **state)
{
	struct func *f = *state;
	struct drv_device one;
	struct drv_device two;
	const char *specs[2];
	int port;

	specs[0] = func_stick_spec(f, "high");
	specs[1] = func_stick_spec(f, "high");
	func_start(f, specs[0], specs[1], NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	port = drv_port_connected(&f->drv, 1);
	assert_ok(drv_enumerate(&f->drv, (unsigned)port, &one));
	port = drv_port_connected(&f->drv, (unsigned)port + 1);
	assert_ok(drv_enumerate(&f->drv, (unsigned)port, &two));
	assert_int_not_equal(drv_slot_address(one.slot), 0);
	assert_int_not_equal(drv_slot_address(two.slot), 0);
	assert_int_not_equal(drv_slot_address(one.slot), drv_slot_address(two.slot));
}

/* Like SeaBIOS: no interrupts, rings of 16 TRBs. */
static void test_polled_with_tiny_rings(void **state)
{
	struct func *f = *state;
	struct drv_options options = {
		.irq = DRV_IRQ_POLLED,
		.event_trbs = 16,
		.command_trbs = 16,
		.transfer_trbs = 16,
		.transfer_segments = 1,
	};
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;

	func_start(f, func_stick_spec(f, "high"), NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, &options);
	func_find(f, 8, &device);
	bot_init(&bot, &device);
	assert_ok(bot_open(&bot));
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 4096, 4096);
	for (uint32_t lba = 0; lba < 64; lba += 8) {
		assert_ok(bot_read(&bot, lba, 8, buf.iova, 0, 0));
		assert_int_equal(get_le32(buf.ptr), lba);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_stick_full_speed),
		FUNC_TEST(test_stick_high_speed),
		FUNC_TEST(test_stick_super_speed),
		FUNC_TEST(test_short_control_in_is_reported),
		FUNC_TEST(test_short_control_in_has_two_events),
		FUNC_TEST(test_strings),
		FUNC_TEST(test_stalled_request_and_recovery),
		FUNC_TEST(test_control_requests_behind_a_stall),
		FUNC_TEST(test_requests_of_every_type),
		FUNC_TEST(test_many_devices),
		FUNC_TEST(test_address_is_unique_and_written),
		FUNC_TEST(test_polled_with_tiny_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
