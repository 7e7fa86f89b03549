/* SPDX-License-Identifier: MIT
 * test_contexts.c - slot and endpoint states, and input contexts with wrong contents
 */
#include <errno.h>
#include <string.h>

#include "tests/func/func.h"
#include "util/bytes.h"

/* A connected, enabled port; no slot yet. */
static unsigned connected(struct func *f, const char *spec)
{
	int port;

	func_start(f, spec, NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	port = drv_port_connected(&f->drv, 1);
	assert_true(port > 0);
	assert_ok(drv_port_reset(&f->drv, (unsigned)port, false));
	return (unsigned)port;
}

static void test_address_device_states(void **state)
{
	struct func *f = *state;
	unsigned port = connected(f, func_stick_spec(f, "high"));
	struct drv_slot *slot;

	assert_code(drv_slot_enable(&f->drv, port, &slot), XCC_SUCCESS);
	/* Enabled: BSR leads to Default, but not a second time */
	assert_code(drv_address_device(slot, true), XCC_SUCCESS);
	assert_int_equal(drv_slot_state(slot), XSLOT_STATE_DEFAULT);
	assert_int_equal(drv_slot_address(slot), 0);
	assert_int_equal(drv_endpoint_state(slot, 1), XEP_STATE_RUNNING);
	assert_code(drv_address_device(slot, true), XCC_CONTEXT_STATE);
	/* Default: without BSR to Addressed, but not a second time */
	assert_code(drv_address_device(slot, false), XCC_SUCCESS);
	assert_int_equal(drv_slot_state(slot), XSLOT_STATE_ADDRESSED);
	assert_in_range(drv_slot_address(slot), 1, 127);
	assert_code(drv_address_device(slot, false), XCC_CONTEXT_STATE);
	assert_code(drv_address_device(slot, true), XCC_CONTEXT_STATE);
	/* Reset Device leads back to Default */
	assert_code(drv_reset_device(slot), XCC_SUCCESS);
	assert_int_equal(drv_slot_state(slot), XSLOT_STATE_DEFAULT);
	assert_int_equal(drv_slot_address(slot), 0);
	assert_code(drv_reset_device(slot), XCC_CONTEXT_STATE);
	assert_code(drv_address_device(slot, false), XCC_SUCCESS);
	assert_code(drv_slot_disable(slot), XCC_SUCCESS);
	assert_running(f);
}

static void test_commands_need_an_addressed_slot(void **state)
{
	struct func *f = *state;
	unsigned port = connected(f, func_stick_spec(f, "high"));
	struct drv_slot *slot;

	assert_code(drv_slot_enable(&f->drv, port, &slot), XCC_SUCCESS);
	assert_code(drv_configure(slot, 0, 0), XCC_CONTEXT_STATE);
	assert_code(drv_deconfigure(slot), XCC_CONTEXT_STATE);
	assert_code(drv_reset_device(slot), XCC_CONTEXT_STATE);
	drv_input_begin(slot, 2, 0);
	drv_input_endpoint(slot, 1);
	assert_code(drv_command_slot(&f->drv, XTRB_EVALUATE_CONTEXT, slot->id,
				     slot->input.iova, 0),
		    XCC_CONTEXT_STATE);
	assert_code(drv_address_device(slot, true), XCC_SUCCESS);
	assert_code(drv_configure(slot, 0, 0), XCC_CONTEXT_STATE);
	assert_code(drv_command_slot(&f->drv, XTRB_EVALUATE_CONTEXT, slot->id,
				     slot->input.iova, 0),
		    XCC_SUCCESS);
}

static void test_endpoint_commands_in_each_state(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct drv_slot *slot;
	struct guest_buf buf;
	unsigned dci;
	int r;

	func_device(f, func_stick_spec(f, "high"), &device);
	slot = device.slot;
	dci = device.bulk_in;
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 64, 64);
	/* Running */
	assert_code(drv_reset_endpoint(slot, dci, false), XCC_CONTEXT_STATE);
	assert_code(drv_set_dequeue(slot, dci, 0), XCC_CONTEXT_STATE);
	/* Stopped: a second stop must complete with an error (original 7.3) */
	assert_code(drv_stop_endpoint(slot, dci), XCC_SUCCESS);
	assert_int_equal(drv_endpoint_state(slot, dci), XEP_STATE_STOPPED);
	assert_code(drv_stop_endpoint(slot, dci), XCC_CONTEXT_STATE);
	assert_code(drv_reset_endpoint(slot, dci, false), XCC_CONTEXT_STATE);
	assert_code(drv_set_dequeue(slot, dci, 0), XCC_SUCCESS);
	assert_int_equal(drv_endpoint_state(slot, dci), XEP_STATE_STOPPED);
	drv_endpoint_doorbell(slot, dci);
	assert_commands_work(f);
	assert_int_equal(drv_endpoint_state(slot, dci), XEP_STATE_RUNNING);
	assert_code(drv_set_dequeue(slot, dci, 0), XCC_CONTEXT_STATE);
	/* Halted */
	assert_code(drv_get_descriptor(slot, 0x77, 0, buf.iova, 8, NULL), XCC_STALL);
	assert_code(drv_stop_endpoint(slot, 1), XCC_CONTEXT_STATE);
	assert_code(drv_set_dequeue(slot, 1, 0), XCC_CONTEXT_STATE);
	assert_code(drv_reset_endpoint(slot, 1, false), XCC_SUCCESS);
	assert_int_equal(drv_endpoint_state(slot, 1), XEP_STATE_STOPPED);
	assert_code(drv_set_dequeue(slot, 1, 0), XCC_SUCCESS);
	/* Disabled */
	for (dci = 0; dci < 32; dci += 7) {
		if (slot->endpoints[dci].present)
			continue;
		r = drv_stop_endpoint(slot, dci);
		assert_true(r == XCC_CONTEXT_STATE || r == XCC_ENDPOINT_NOT_ENABLED ||
			    r == XCC_TRB);
		r = drv_reset_endpoint(slot, dci, false);
		assert_true(r == XCC_CONTEXT_STATE || r == XCC_ENDPOINT_NOT_ENABLED ||
			    r == XCC_TRB);
		r = drv_set_dequeue(slot, dci, 0x1000);
		assert_true(r == XCC_CONTEXT_STATE || r == XCC_ENDPOINT_NOT_ENABLED ||
			    r == XCC_TRB);
		drv_endpoint_doorbell(slot, dci);
	}
	assert_running(f);
}

/* Linux reconfigures an endpoint by dropping and adding it in one command. */
static void test_drop_and_add(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct drv_slot *slot;
	struct bot bot;
	uint32_t both;

	func_stick(f, "high", &device, &bot);
	slot = device.slot;
	both = (1u << device.bulk_in) | (1u << device.bulk_out);
	for (unsigned i = 0; i < 10; i++) {
		struct guest_buf buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 512, 64);

		assert_code(drv_configure(slot, both, both), XCC_SUCCESS);
		assert_ok(bot_read(&bot, i, 1, buf.iova, 0, 0));
		assert_int_equal(get_le32(buf.ptr), i);
	}
	/* a guest may add an enabled endpoint without dropping it, though Linux never
	 * does: any completion code will do, and the controller keeps running */
	assert_true(drv_configure(slot, both, 0) > 0);
	/* dropping all leads to Addressed */
	assert_code(drv_deconfigure(slot), XCC_SUCCESS);
	assert_int_equal(drv_slot_state(slot), XSLOT_STATE_ADDRESSED);
	assert_int_equal(drv_endpoint_state(slot, device.bulk_in), XEP_STATE_DISABLED);
	assert_int_equal(drv_endpoint_state(slot, 1), XEP_STATE_RUNNING);
	drv_endpoint_doorbell(slot, device.bulk_in);
	assert_no_transfer_event(f);
	assert_code(drv_configure(slot, both, 0), XCC_SUCCESS);
	assert_int_equal(drv_slot_state(slot), XSLOT_STATE_CONFIGURED);
}

/* Evaluate Context really changes the packet size (the original's did nothing). */
static void test_evaluate_context_takes_effect(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct drv_slot *slot;

	func_device(f, func_stick_spec(f, "full"), &device);
	slot = device.slot;
	for (unsigned size = 8; size <= 64; size *= 2) {
		slot->endpoints[1].max_packet = (uint16_t)size;
		drv_input_begin(slot, 2, 0);
		drv_input_endpoint(slot, 1);
		assert_code(drv_command_slot(&f->drv, XTRB_EVALUATE_CONTEXT, slot->id,
					     slot->input.iova, 0),
			    XCC_SUCCESS);
		assert_int_equal(get_le32(drv_output_context(slot, 1) + 4) >> 16, size);
	}
	/* interrupter target and exit latency of the slot */
	drv_input_begin(slot, 1, 0);
	drv_input_slot(slot, 1);
	put_le32(drv_input_context(slot, 1) + 4, (slot->port << 16) | 0x123);
	put_le32(drv_input_context(slot, 1) + 8, 1u << 22);
	assert_code(drv_command_slot(&f->drv, XTRB_EVALUATE_CONTEXT, slot->id,
				     slot->input.iova, 0),
		    XCC_SUCCESS);
	assert_int_equal(get_le32(drv_output_context(slot, 0) + 4) & 0xffff, 0x123);
	assert_int_equal(get_le32(drv_output_context(slot, 0) + 8) >> 22, 1);
}

static void expect_address_error(struct func *f, struct drv_slot *slot, const char *what)
{
	int r = drv_command_slot(&f->drv, XTRB_ADDRESS_DEVICE, slot->id, slot->input.iova,
				 0);

	if (r <= 0 || r == XCC_SUCCESS)
		fail_msg("%s: %d", what, r);
	assert_int_equal(drv_slot_state(slot), XSLOT_STATE_ENABLED);
}

static void valid_input(struct drv_slot *slot)
{
	drv_input_begin(slot, 3, 0);
	drv_input_slot(slot, 1);
	drv_input_endpoint(slot, 1);
}

static void test_address_device_with_lies(void **state)
{
	struct func *f = *state;
	unsigned port = connected(f, func_stick_spec(f, "high"));
	struct drv_slot *slot;
	uint8_t *ctx;

	assert_code(drv_slot_enable(&f->drv, port, &slot), XCC_SUCCESS);
	ctx = drv_input_context(slot, 1);
	valid_input(slot);
	put_le32(drv_input_context(slot, 0) + 4, 1);
	expect_address_error(f, slot, "A1 missing");
	valid_input(slot);
	put_le32(drv_input_context(slot, 0) + 4, 2);
	expect_address_error(f, slot, "A0 missing");
	valid_input(slot);
	put_le32(ctx + 4, 0);
	expect_address_error(f, slot, "port 0");
	put_le32(ctx + 4, 200u << 16);
	expect_address_error(f, slot, "port 200");
	put_le32(ctx + 4, (port == 1 ? 2u : 1u) << 16);
	expect_address_error(f, slot, "an empty port");
	valid_input(slot);
	put_le32(ctx, get_le32(ctx) | 0x12345);
	expect_address_error(f, slot, "a route string");
	valid_input(slot);
	put_le64(drv_input_context(slot, 2) + 8, GUEST_RAM_HOLE_IOVA | 1);
	/* the controller notices a ring outside memory only when it uses the ring */
	assert_true(drv_command_slot(&f->drv, XTRB_ADDRESS_DEVICE, slot->id,
				     slot->input.iova, 0) > 0);
	assert_running(f);
}

static void test_input_context_outside_memory(void **state)
{
	struct func *f = *state;
	unsigned port = connected(f, func_stick_spec(f, "high"));
	static const uint64_t places[] = {0, GUEST_RAM_HOLE_IOVA, UINT64_MAX & ~0xfull,
					  GUEST_RAM_LOW_IOVA + FUNC_ZONE_BYTES - 16};
	struct drv_slot *slot;

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		int r;

		assert_code(drv_slot_enable(&f->drv, port, &slot), XCC_SUCCESS);
		f->drv.timeout_ms = 300; /* no event comes if the controller fails */
		r = drv_command_slot(&f->drv, XTRB_ADDRESS_DEVICE, slot->id, places[i],
				     0);
		f->drv.timeout_ms = DRV_TIMEOUT_MS;
		if (r == -ETIMEDOUT) /* then the controller has failed with HSE */
			assert_true(drv_op_read(&f->drv, XOP_USBSTS) & XSTS_HSE);
		else
			assert_true(r > 0 && r != XCC_SUCCESS);
		if (drv_op_read(&f->drv, XOP_USBSTS) & XSTS_HSE) {
			assert_ok(drv_reset(&f->drv));
			drv_setup(&f->drv);
			assert_ok(drv_run(&f->drv));
		}
	}
	assert_commands_work(f);
}

/* Reserved low bits set in pointers: the controller ignores or refuses them. */
static void test_misaligned_pointers(void **state)
{
	struct func *f = *state;
	unsigned port = connected(f, func_stick_spec(f, "high"));
	struct drv_slot *slot;

	assert_code(drv_slot_enable(&f->drv, port, &slot), XCC_SUCCESS);
	put_le64(f->drv.dcbaa.ptr + 8 * (size_t)slot->id, slot->output.iova + 4);
	for (unsigned low = 1; low < 16; low++) {
		valid_input(slot);
		assert_true(drv_command_slot(&f->drv, XTRB_ADDRESS_DEVICE, slot->id,
					     slot->input.iova + low, 0) > 0);
	}
	for (unsigned shift = 4; shift < 64; shift *= 2)
		assert_true(drv_command_slot(&f->drv, XTRB_EVALUATE_CONTEXT, slot->id,
					     slot->input.iova + shift, 0) > 0);
	assert_running(f);
}

/* A DCBAA entry outside memory: the controller cannot write the output context. */
static void test_device_context_outside_memory(void **state)
{
	struct func *f = *state;
	unsigned port = connected(f, func_stick_spec(f, "high"));
	struct drv_slot *slot;
	int r;

	assert_code(drv_slot_enable(&f->drv, port, &slot), XCC_SUCCESS);
	put_le64(f->drv.dcbaa.ptr + 8 * (size_t)slot->id, GUEST_RAM_HOLE_IOVA);
	f->drv.timeout_ms = 300;
	r = drv_address_device(slot, false);
	assert_true(r != XCC_SUCCESS);
	if (r == -ETIMEDOUT)
		assert_true(drv_op_read(&f->drv, XOP_USBSTS) & XSTS_HSE);
	f->drv.timeout_ms = DRV_TIMEOUT_MS;
	assert_ok(drv_reset(&f->drv));
	drv_setup(&f->drv);
	assert_ok(drv_run(&f->drv));
	assert_commands_work(f);
}

struct endpoint_lie {
	const char *what;
	unsigned offset;
	uint32_t mask;
	uint32_t value;
};

/* Original 5.2: an isochronous endpoint killed the controller, and so did one that is not
 * in the descriptors. Ours refuses each, or accepts it without harm. */
static void test_configure_endpoint_with_lies(void **state)
{
	static const struct endpoint_lie lies[] = {
		{"type 0", 4, 7u << 3, 0},
		{"isochronous out", 4, 7u << 3, 1u << 3},
		{"isochronous in", 4, 7u << 3, 5u << 3},
		{"control in bulk's place", 4, 7u << 3, 4u << 3},
		{"packet size 0", 4, 0xffffu << 16, 0},
		{"packet size 65535", 4, 0xffffu << 16, 0xffffu << 16},
		{"burst 255", 4, 0xff00, 0xff00},
		{"streams", 0, 0x7c00, 0x7c00},
		{"linear stream array", 0, 0xfc00, 0xfc00},
		{"mult 3", 0, 0x300, 0x300},
		{"interval 255", 0, 0xff0000, 0xff0000},
	};
	struct func *f = *state;
	struct drv_device device;
	struct drv_slot *slot;
	unsigned dci;

	func_device(f, func_stick_spec(f, "high"), &device);
	slot = device.slot;
	dci = device.bulk_in;
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		uint8_t *ctx = drv_input_context(slot, 1 + dci) + lies[i].offset;
		int r;

		drv_input_begin(slot, 1 | (1u << dci), 1u << dci);
		drv_input_slot(slot, 31);
		drv_input_endpoint(slot, dci);
		put_le32(ctx, (get_le32(ctx) & ~lies[i].mask) | lies[i].value);
		r = drv_command_slot(&f->drv, XTRB_CONFIGURE_ENDPOINT, slot->id,
				     slot->input.iova, 0);
		if (r <= 0)
			fail_msg("%s: %d", lies[i].what, r);
		(void)drv_push_normal(slot, dci, GUEST_RAM_LOW_IOVA, 64, XTRB_IOC);
		drv_endpoint_doorbell(slot, dci);
		assert_commands_work(f);
	}
	assert_running(f);
	/* a correct context works again */
	drv_ring_clear(&slot->endpoints[dci].ring);
	assert_code(drv_configure(slot, 1u << dci, 1u << dci), XCC_SUCCESS);
}

/* Endpoints that the device does not have: transfers fail, without harm. */
static void test_endpoints_the_device_does_not_have(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct drv_slot *slot;
	uint32_t mask = 0;

	func_device(f, func_stick_spec(f, "high"), &device);
	slot = device.slot;
	for (uint8_t n = 3; n < 16; n++) {
		mask |= 1u << drv_endpoint_add(slot, n, XEP_TYPE_BULK_OUT, 512, 0, 0);
		mask |= 1u << drv_endpoint_add(slot, n | 0x80, XEP_TYPE_BULK_IN, 512, 0,
					       0);
	}
	if (drv_configure(slot, mask, 0) == XCC_SUCCESS) {
		for (unsigned dci = 6; dci < 32; dci++) {
			struct drv_event event;

			(void)drv_push_td(slot, dci, GUEST_RAM_LOW_IOVA, 64, NULL);
			drv_endpoint_doorbell(slot, dci);
			assert_true(drv_wait_transfer(&f->drv, slot->id, dci, 0, &event) >
				    XCC_SUCCESS);
		}
	}
	assert_commands_work(f);
	assert_code(drv_slot_disable(slot), XCC_SUCCESS);
	assert_running(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_address_device_states),
		FUNC_TEST(test_commands_need_an_addressed_slot),
		FUNC_TEST(test_endpoint_commands_in_each_state),
		FUNC_TEST(test_drop_and_add),
		FUNC_TEST(test_evaluate_context_takes_effect),
		FUNC_TEST(test_address_device_with_lies),
		FUNC_TEST(test_input_context_outside_memory),
		FUNC_TEST(test_misaligned_pointers),
		FUNC_TEST(test_device_context_outside_memory),
		FUNC_TEST(test_configure_endpoint_with_lies),
		FUNC_TEST(test_endpoints_the_device_does_not_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
