/* SPDX-License-Identifier: MIT
 * test_pending.c - resets and stops while transfers are pending
 *
 * A keyboard always has a pending transfer, so every firmware hand-over, kexec or driver
 * reload resets the controller with transfers pending. The original's reset then never
 * ended.
 */
#include <errno.h>
#include <string.h>

#include "tests/func/func.h"
#include "util/bytes.h"

#define USAGE_A 4

/* A keyboard with @count pending transfers. */
static void wait_for_keys(struct func *f, struct drv_device *device, struct hid *hid,
			  unsigned count)
{
	func_keyboard(f, device, hid);
	hid_queue(hid, count);
	assert_commands_work(f);
}

static void start_over(struct func *f)
{
	drv_setup(&f->drv);
	assert_ok(drv_run(&f->drv));
}

/* Enumerates the keyboard again and types on it. */
static void keyboard_works(struct func *f)
{
	struct drv_device device;
	struct hid hid;
	uint8_t report[HID_REPORT_BYTES];

	func_find(f, 3, &device);
	assert_ok(hid_init(&hid, &device));
	hid_queue(&hid, 4);
	func_type(f, "a");
	do {
		assert_code(hid_wait(&hid, report, DRV_TIMEOUT_MS), XCC_SUCCESS);
	} while (report[2] == 0);
	assert_int_equal(report[2], USAGE_A);
}

static void test_hcrst_with_transfers_pending(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;

	wait_for_keys(f, &device, &hid, 4);
	for (unsigned i = 0; i < 5; i++) {
		assert_ok(drv_reset(&f->drv));
		assert_int_equal(drv_op_read(&f->drv, XOP_USBSTS) &
					 (XSTS_HCH | XSTS_HSE | XSTS_HCE),
				 XSTS_HCH);
		start_over(f);
		keyboard_works(f);
	}
}

/* HCRST without halting first, and again before the first reset has ended. */
static void test_hcrst_twice(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;

	wait_for_keys(f, &device, &hid, 4);
	for (unsigned i = 0; i < 10; i++)
		drv_op_write(&f->drv, XOP_USBCMD, XCMD_HCRST | XCMD_RS | XCMD_INTE);
	assert_ok(drv_reset(&f->drv));
	start_over(f);
	keyboard_works(f);
}

/* After HCRST the controller does not write to the old driver's memory. */
static void test_hcrst_leaves_memory_alone(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	uint8_t *copy;
	size_t bytes;

	wait_for_keys(f, &device, &hid, 4);
	assert_ok(drv_reset(&f->drv));
	bytes = f->ram.size_bytes;
	copy = malloc(bytes);
	assert_non_null(copy);
	memcpy(copy, f->ram.base, bytes);
	func_type(f, "abc");
	for (unsigned i = 0; i < 100; i++)
		(void)drv_op_read(&f->drv, XOP_USBSTS);
	assert_memory_equal(copy, f->ram.base, bytes);
	free(copy);
}

static void test_disable_slot_with_transfers_pending(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;

	wait_for_keys(f, &device, &hid, 4);
	assert_code(drv_slot_disable(device.slot), XCC_SUCCESS);
	assert_no_transfer_event(f);
	keyboard_works(f);
}

static void test_reset_device_with_transfers_pending(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;

	wait_for_keys(f, &device, &hid, 4);
	assert_code(drv_reset_device(device.slot), XCC_SUCCESS);
	assert_int_equal(drv_slot_state(device.slot), XSLOT_STATE_DEFAULT);
	assert_int_equal(drv_endpoint_state(device.slot, device.interrupt_in),
			 XEP_STATE_DISABLED);
	assert_no_transfer_event(f);
	assert_code(drv_slot_disable(device.slot), XCC_SUCCESS);
	keyboard_works(f);
}

static void test_drop_endpoint_with_transfers_pending(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	uint32_t bit;

	wait_for_keys(f, &device, &hid, 4);
	bit = 1u << device.interrupt_in;
	assert_code(drv_configure(device.slot, 0, bit), XCC_SUCCESS);
	assert_int_equal(drv_endpoint_state(device.slot, device.interrupt_in),
			 XEP_STATE_DISABLED);
	drv_ring_clear(&device.slot->endpoints[device.interrupt_in].ring);
	assert_code(drv_configure(device.slot, bit, 0), XCC_SUCCESS);
	hid.queued = hid.taken = 0;
	hid_queue(&hid, 4);
	assert_commands_work(f);
	/* then drop and add in one command */
	drv_ring_clear(&device.slot->endpoints[device.interrupt_in].ring);
	assert_code(drv_configure(device.slot, bit, bit), XCC_SUCCESS);
	assert_code(drv_deconfigure(device.slot), XCC_SUCCESS);
	assert_code(drv_slot_disable(device.slot), XCC_SUCCESS);
	keyboard_works(f);
}

static void test_port_reset_with_transfers_pending(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;

	wait_for_keys(f, &device, &hid, 4);
	assert_ok(drv_port_reset(&f->drv, device.slot->port, false));
	/* whatever happened to the transfers, a new start works */
	assert_code(drv_slot_disable(device.slot), XCC_SUCCESS);
	drv_forget(&f->drv);
	keyboard_works(f);
}

/* RS = 0 halts the controller; RS = 1 continues with the same slots and rings (5.4.1.1;
 * the original could not). */
static void test_halt_and_run_with_transfers_pending(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	uint8_t report[HID_REPORT_BYTES];

	wait_for_keys(f, &device, &hid, 4);
	for (unsigned i = 0; i < 3; i++) {
		assert_ok(drv_halt(&f->drv));
		assert_true(drv_op_read(&f->drv, XOP_USBSTS) & XSTS_HCH);
		assert_ok(drv_run(&f->drv));
		assert_commands_work(f);
	}
	/* an endpoint may need its doorbell again after a halt */
	drv_endpoint_doorbell(device.slot, device.interrupt_in);
	func_type(f, "a");
	do {
		assert_code(hid_wait(&hid, report, DRV_TIMEOUT_MS), XCC_SUCCESS);
	} while (report[2] == 0);
	assert_int_equal(report[2], USAGE_A);
}

/* Keys do not write to memory while the controller is halted. */
static void test_halted_controller_is_quiet(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;

	wait_for_keys(f, &device, &hid, 4);
	assert_ok(drv_halt(&f->drv));
	func_type(f, "abc");
	for (unsigned i = 0; i < 100; i++)
		(void)drv_op_read(&f->drv, XOP_USBSTS);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(hid.reports[i].ptr[0], 0xee);
	assert_false(drv_event_ring_ready(&f->drv.events[0]));
}

/* Stops a bulk transfer in the middle: an event reports the data so far, the doorbell
 * continues the rest. Each byte arrives once (original 5.2 c). */
static void test_stop_during_bulk(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	struct bot_command read = {
		.cdb = {0x28, 0, 0, 0, 0, 0, 0, 8, 0},
		.cdb_bytes = 10,
		.in = true,
		.length = 2048 * BOT_SECTOR,
	};

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 1 << 20, 65536);
	for (unsigned round = 0; round < 10; round++) {
		uint8_t cbw[BOT_CBW_BYTES];
		uint8_t csw[BOT_CSW_BYTES];
		struct drv_event event;
		uint64_t last;
		int code;

		memset(buf.ptr, 0xee, 1 << 20);
		bot_make_cbw(&read, 1000 + round, cbw);
		last = drv_push_td(device.slot, device.bulk_in, buf.iova, 1 << 20, NULL);
		drv_endpoint_doorbell(device.slot, device.bulk_in);
		assert_code(bot_send_cbw(&bot, cbw, sizeof(cbw)), XCC_SUCCESS);
		for (unsigned stops = 0; stops < 3; stops++) {
			assert_code(drv_stop_endpoint(device.slot, device.bulk_in),
				    XCC_SUCCESS);
			drv_endpoint_doorbell(device.slot, device.bulk_in);
			assert_commands_work(f);
		}
		do {
			code = drv_wait_transfer(&f->drv, device.slot->id, device.bulk_in,
						 0, &event);
			assert_true(code == XCC_SUCCESS || code == XCC_STOPPED ||
				    code == XCC_STOPPED_LENGTH_INVALID);
		} while (code != XCC_SUCCESS);
		assert_true(event.trb.parameter == last);
		for (uint32_t i = 0; i < 2048; i++)
			assert_int_equal(get_le32(buf.ptr + (size_t)i * BOT_SECTOR), i);
		assert_code(bot_receive_csw(&bot, csw, NULL), XCC_SUCCESS);
		assert_int_equal(get_le32(csw + 4), 1000 + round);
	}
}

/* HCRST in the middle of bulk transfers, then a new start. */
static void test_hcrst_during_bulk(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;

	func_stick(f, "super", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 1 << 20, 65536);
	for (unsigned round = 0; round < 10; round++) {
		struct bot_command read = {
			.cdb = {0x28, 0, 0, 0, 0, 0, 0, 8, 0},
			.cdb_bytes = 10,
			.in = true,
			.length = 2048 * BOT_SECTOR,
		};
		uint8_t cbw[BOT_CBW_BYTES];
		int port;

		bot_make_cbw(&read, 5, cbw);
		memcpy(bot.cbw.ptr, cbw, sizeof(cbw));
		(void)drv_push_td(device.slot, device.bulk_out, bot.cbw.iova, sizeof(cbw),
				  NULL);
		(void)drv_push_td(device.slot, device.bulk_in, buf.iova, 1 << 20, NULL);
		drv_endpoint_doorbell(device.slot, device.bulk_out);
		drv_endpoint_doorbell(device.slot, device.bulk_in);
		assert_ok(drv_reset(&f->drv));
		start_over(f);
		port = drv_port_connected(&f->drv, 1);
		assert_true(port > 0);
		assert_ok(drv_enumerate(&f->drv, (unsigned)port, &device));
		bot_init(&bot, &device);
		assert_ok(bot_open(&bot));
		assert_ok(bot_read(&bot, 77, 1, buf.iova, 0, 0));
		assert_int_equal(get_le32(buf.ptr), 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_hcrst_with_transfers_pending),
		FUNC_TEST(test_hcrst_twice),
		FUNC_TEST(test_hcrst_leaves_memory_alone),
		FUNC_TEST(test_disable_slot_with_transfers_pending),
		FUNC_TEST(test_reset_device_with_transfers_pending),
		FUNC_TEST(test_drop_endpoint_with_transfers_pending),
		FUNC_TEST(test_port_reset_with_transfers_pending),
		FUNC_TEST(test_halt_and_run_with_transfers_pending),
		FUNC_TEST(test_halted_controller_is_quiet),
		FUNC_TEST(test_stop_during_bulk),
		FUNC_TEST(test_hcrst_during_bulk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
