/* SPDX-License-Identifier: MIT
 * test_keyboard.c - a device whose transfers wait for keys: pending, stopped, completed
 */
#include <errno.h>
#include <string.h>

#include "tests/func/func.h"
#include "util/bytes.h"

#define USAGE_A 4
#define SHIFT   2

static bool all_released(const uint8_t report[HID_REPORT_BYTES])
{
	static const uint8_t none[HID_REPORT_BYTES];

	return memcmp(report, none, sizeof(none)) == 0;
}

/* Waits for a report of key @usage with the modifiers @modifiers; skips reports without a
 * key (releases, Shift alone). */
static void expect_key(struct hid *hid, uint8_t usage, uint8_t modifiers)
{
	uint8_t report[HID_REPORT_BYTES];

	do {
		assert_code(hid_wait(hid, report, DRV_TIMEOUT_MS), XCC_SUCCESS);
		hid_queue(hid, 1);
	} while (report[2] == 0);
	assert_int_equal(report[2], usage);
	assert_int_equal(report[0] & 0x22, modifiers);
}

static void test_keys_arrive(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	uint8_t report[HID_REPORT_BYTES];

	func_keyboard(f, &device, &hid);
	hid_queue(&hid, 4);
	assert_int_equal(hid_wait(&hid, report, DRV_QUIET_MS), -ETIMEDOUT);
	func_type(f, "abC");
	expect_key(&hid, USAGE_A, 0);
	expect_key(&hid, USAGE_A + 1, 0);
	expect_key(&hid, USAGE_A + 2, SHIFT);
	/* the last report releases all keys */
	do {
		assert_code(hid_wait(&hid, report, DRV_TIMEOUT_MS), XCC_SUCCESS);
	} while (!all_released(report));
}

static void test_keys_arrive_at_each_speed(void **state)
{
	static const char *const speeds[] = {"low", "full", "high"};
	static const unsigned values[] = {XSPEED_LOW, XSPEED_FULL, XSPEED_HIGH};

	for (unsigned i = 0; i < ARRAY_SIZE(speeds); i++) {
		struct func *f;
		struct drv_device device;
		struct hid hid;

		if (i > 0) {
			/* a new fixture for each speed */
			assert_ok(func_teardown(state));
			assert_ok(func_setup(state));
		}
		f = *state;
		func_device(f, func_keyboard_spec(f, speeds[i]), &device);
		assert_int_equal(device.slot->speed, values[i]);
		assert_ok(hid_init(&hid, &device));
		hid_queue(&hid, 2);
		func_type(f, "z");
		expect_key(&hid, USAGE_A + 25, 0);
	}
}

/* Stops a pending transfer: a Stopped event with the whole length as residue precedes the
 * command's completion. The doorbell restarts the transfer (4.6.9; original: no
 * event). */
static void test_stop_pending_transfer(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	struct drv_event event;
	unsigned slot;
	unsigned dci;

	func_keyboard(f, &device, &hid);
	slot = device.slot->id;
	dci = device.interrupt_in;
	hid_queue(&hid, 1);
	for (unsigned i = 0; i < 5; i++) {
		/* by then the controller has started the TD */
		assert_commands_work(f);
		assert_code(drv_stop_endpoint(device.slot, dci), XCC_SUCCESS);
		/* the event precedes the completion, so it is in the queue by now */
		assert_code(drv_wait_transfer(&f->drv, slot, dci, hid.trbs[0], &event),
			    XCC_STOPPED);
		assert_int_equal(drv_event_length(&event), HID_REPORT_BYTES);
		assert_int_equal(drv_endpoint_state(device.slot, dci), XEP_STATE_STOPPED);
		assert_int_equal(drv_endpoint_dequeue(device.slot, dci) & ~UINT64_C(0xf),
				 hid.trbs[0]);
		drv_endpoint_doorbell(device.slot, dci);
	}
	/* the transfer restarts: the key arrives in the same TD */
	func_type(f, "q");
	expect_key(&hid, USAGE_A + 16, 0);
}

/* Linux unlinks an URB like this: stop the endpoint, move the dequeue pointer past it,
 * ring the doorbell. The original's assertion failed ("submit_trb called twice"). */
static void test_cancel_pending_transfer(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	struct drv_event event;
	unsigned dci;

	func_keyboard(f, &device, &hid);
	dci = device.interrupt_in;
	for (unsigned i = 0; i < 50; i++) {
		hid_queue(&hid, 1);
		assert_commands_work(f);
		assert_code(drv_stop_endpoint(device.slot, dci), XCC_SUCCESS);
		assert_code(drv_wait_transfer(&f->drv, device.slot->id, dci, 0, &event),
			    XCC_STOPPED);
		assert_code(drv_set_dequeue(device.slot, dci, 0), XCC_SUCCESS);
		assert_int_equal(drv_endpoint_dequeue(device.slot, dci),
				 drv_ring_dequeue(&device.slot->endpoints[dci].ring));
		drv_endpoint_doorbell(device.slot, dci);
		hid.taken++;
	}
	hid_queue(&hid, 2);
	func_type(f, "x");
	expect_key(&hid, USAGE_A + 23, 0);
}

static void put_doorbell(struct drv *drv, struct vfu_multi_write *write, unsigned slot,
			 unsigned target)
{
	*write = (struct vfu_multi_write){
		.offset = drv->db + 4 * slot,
		.region = VFU_REGION_BAR0,
		.count = 4,
	};
	put_le32(write->data, target);
}

/* A driver that stops an endpoint right after its doorbell: both reach the controller
 * together. It may have started the TD or not, but after the command the endpoint is
 * stopped and stays so: the driver owns the memory again. */
static void test_doorbell_and_stop_at_once(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	unsigned dci;

	func_keyboard(f, &device, &hid);
	dci = device.interrupt_in;
	for (unsigned round = 0; round < 10; round++) {
		struct vfu_multi_write writes[2];
		uint64_t td;
		uint64_t stop;

		td = drv_push_normal(device.slot, dci, hid.reports[0].iova, 8, XTRB_IOC);
		stop = drv_command_push(&f->drv,
					(struct drv_trb){
						.control = XTRB_TYPE(XTRB_STOP_ENDPOINT) |
							   XTRB_SLOT(device.slot->id) |
							   XTRB_EP(dci),
					});
		put_doorbell(&f->drv, &writes[0], device.slot->id, dci);
		put_doorbell(&f->drv, &writes[1], 0, 0);
		assert_ok(vfu_write_multi(&f->vmm.client, writes, 2, true));
		assert_code(drv_command_wait(&f->drv, stop, NULL), XCC_SUCCESS);
		assert_int_equal(drv_endpoint_state(device.slot, dci), XEP_STATE_STOPPED);
		assert_int_equal(drv_endpoint_dequeue(device.slot, dci) & ~UINT64_C(0xf),
				 td);
		drv_forget(&f->drv); /* drop a Stopped event, if any */
		assert_commands_work(f);
		assert_int_equal(drv_endpoint_state(device.slot, dci), XEP_STATE_STOPPED);
		assert_code(drv_set_dequeue(device.slot, dci, 0), XCC_SUCCESS);
		/* the next round starts from Stopped */
	}
}

/* Of three TDs in flight, the driver cancels the second only. */
static void test_cancel_one_of_several(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	struct drv_event event;
	uint8_t report[HID_REPORT_BYTES];
	struct drv_trb *second;
	unsigned dci;

	func_keyboard(f, &device, &hid);
	dci = device.interrupt_in;
	hid_queue(&hid, 3);
	assert_commands_work(f);
	assert_code(drv_stop_endpoint(device.slot, dci), XCC_SUCCESS);
	assert_code(drv_wait_transfer(&f->drv, device.slot->id, dci, 0, &event),
		    XCC_STOPPED);
	assert_true(event.trb.parameter == hid.trbs[0]);
	/* Linux turns the TRB in the middle into a No Op */
	second = guest_ptr(&f->ram, hid.trbs[1], XTRB_BYTES);
	second->parameter = 0;
	second->status = 0;
	second->control = (second->control & XTRB_C) | XTRB_TYPE(XTRB_NOOP);
	drv_endpoint_doorbell(device.slot, dci);
	func_type(f, "a");
	assert_code(hid_wait(&hid, report, DRV_TIMEOUT_MS), XCC_SUCCESS);
	assert_int_equal(report[2], USAGE_A);
	hid.taken++; /* the second has no event */
	assert_code(hid_wait(&hid, report, DRV_TIMEOUT_MS), XCC_SUCCESS);
	assert_true(all_released(report));
}

static void test_led_report_by_immediate_data(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	struct drv_ring *ring;
	struct drv_event event;
	uint64_t status;

	func_keyboard(f, &device, &hid);
	ring = &device.slot->endpoints[1].ring;
	/* SET_REPORT(output, 1 byte) with IDT in the Data stage (6.4.1.2.2) */
	(void)drv_ring_push(
		ring, (struct drv_trb){
			      .parameter = 0x0001000002000921,
			      .status = 8,
			      .control = XTRB_TYPE(XTRB_SETUP) | XTRB_IDT | XTRB_TRT_OUT,
		      });
	(void)drv_ring_push(ring, (struct drv_trb){
					  .parameter = 0x02,
					  .status = 1,
					  .control = XTRB_TYPE(XTRB_DATA) | XTRB_IDT,
				  });
	status = drv_ring_push(
		ring, (struct drv_trb){
			      .control = XTRB_TYPE(XTRB_STATUS) | XTRB_IOC | XTRB_DIR_IN,
		      });
	drv_endpoint_doorbell(device.slot, 1);
	assert_code(drv_wait_transfer(&f->drv, device.slot->id, 1, status, &event),
		    XCC_SUCCESS);
}

/* Control requests run while interrupt transfers are pending: endpoints do not block each
 * other. */
static void test_control_while_interrupt_pends(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	struct guest_buf buf;
	uint32_t actual = 0;

	func_keyboard(f, &device, &hid);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 64, 64);
	hid_queue(&hid, 4);
	for (unsigned i = 0; i < 100; i++) {
		assert_code(drv_get_descriptor(device.slot, USB_DESC_DEVICE, 0, buf.iova,
					       18, &actual),
			    XCC_SUCCESS);
		assert_int_equal(actual, 18);
	}
	func_type(f, "k");
	expect_key(&hid, USAGE_A + 10, 0);
}

/* More keys than queued TDs: all arrive, in order. */
static void test_a_long_text(void **state)
{
	static const char text[] = "the quick brown fox jumps over the lazy dog "
				   "again and again and then once more";
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;

	func_keyboard(f, &device, &hid);
	hid_queue(&hid, 8);
	func_type(f, text);
	for (unsigned i = 0; text[i]; i++) {
		uint8_t usage =
			text[i] == ' ' ? 0x2c : (uint8_t)(USAGE_A + text[i] - 'a');

		expect_key(&hid, usage, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_keys_arrive),
		FUNC_TEST(test_keys_arrive_at_each_speed),
		FUNC_TEST(test_stop_pending_transfer),
		FUNC_TEST(test_cancel_pending_transfer),
		FUNC_TEST(test_doorbell_and_stop_at_once),
		FUNC_TEST(test_cancel_one_of_several),
		FUNC_TEST(test_led_report_by_immediate_data),
		FUNC_TEST(test_control_while_interrupt_pends),
		FUNC_TEST(test_a_long_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
