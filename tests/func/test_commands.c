/* SPDX-License-Identifier: MIT
 * test_commands.c - the command ring, and every command with its errors
 */
#include <errno.h>
#include <string.h>

#include "tests/func/func.h"
#include "util/bytes.h"

static void run(struct func *f)
{
	func_start(f, NULL, NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
}

static void assert_one_of(int code, int a, int b)
{
	if (code != a && code != b)
		fail_msg("completion code %d, expected %d or %d", code, a, b);
}

static int command(struct func *f, enum xtrb type, unsigned slot)
{
	return drv_command_slot(&f->drv, type, slot, 0, 0);
}

/* Goes around the ring of 64 TRBs several times. */
static void test_command_ring_wraps(void **state)
{
	struct func *f = *state;

	run(f);
	for (unsigned i = 0; i < 300; i++)
		assert_commands_work(f);
}

static void test_many_commands_on_one_doorbell(void **state)
{
	struct func *f = *state;
	uint64_t at[60];

	run(f);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
			at[i] = drv_command_push(
				&f->drv, (struct drv_trb){.control = XTRB_TYPE(
								  XTRB_NOOP_COMMAND)});
		drv_doorbell(&f->drv, 0, 0, 0);
		for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
			assert_code(drv_command_wait(&f->drv, at[i], NULL), XCC_SUCCESS);
	}
}

static void test_every_slot_and_one_more(void **state)
{
	struct func *f = *state;
	struct drv_event event;
	bool seen[256] = {false};

	run(f);
	for (unsigned i = 0; i < f->drv.max_slots; i++) {
		struct drv_trb trb = {.control = XTRB_TYPE(XTRB_ENABLE_SLOT)};

		assert_code(drv_command(&f->drv, trb, &event), XCC_SUCCESS);
		assert_in_range(drv_event_slot(&event), 1, f->drv.max_slots);
		assert_false(seen[drv_event_slot(&event)]);
		seen[drv_event_slot(&event)] = true;
	}
	assert_code(command(f, XTRB_ENABLE_SLOT, 0), XCC_NO_SLOTS);
	assert_code(command(f, XTRB_DISABLE_SLOT, 5), XCC_SUCCESS);
	assert_code(drv_command(&f->drv,
				(struct drv_trb){.control = XTRB_TYPE(XTRB_ENABLE_SLOT)},
				&event),
		    XCC_SUCCESS);
	assert_int_equal(drv_event_slot(&event), 5);
}

/* CONFIG.MaxSlotsEn limits the slots that Enable Slot returns (the original panicked
 * above 8). */
static void test_max_slots_enabled(void **state)
{
	struct func *f = *state;

	func_start(f, NULL, NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	assert_ok(drv_halt(&f->drv));
	drv_op_write(&f->drv, XOP_CONFIG, 2);
	assert_ok(drv_run(&f->drv));
	assert_code(command(f, XTRB_ENABLE_SLOT, 0), XCC_SUCCESS);
	assert_code(command(f, XTRB_ENABLE_SLOT, 0), XCC_SUCCESS);
	assert_code(command(f, XTRB_ENABLE_SLOT, 0), XCC_NO_SLOTS);
	assert_one_of(command(f, XTRB_DISABLE_SLOT, 3), XCC_SLOT_NOT_ENABLED, XCC_TRB);
}

/* The original's assertion failed at Disable Slot of slot 0 or beyond the last. */
static void test_commands_for_slots_that_are_not(void **state)
{
	static const enum xtrb types[] = {
		XTRB_DISABLE_SLOT,     XTRB_ADDRESS_DEVICE, XTRB_CONFIGURE_ENDPOINT,
		XTRB_EVALUATE_CONTEXT, XTRB_RESET_ENDPOINT, XTRB_STOP_ENDPOINT,
		XTRB_SET_TR_DEQUEUE,   XTRB_RESET_DEVICE,
	};
	static const unsigned slots[] = {0, 1, 64, 65, 200, 255};
	struct func *f = *state;

	run(f);
	for (unsigned t = 0; t < ARRAY_SIZE(types); t++)
		for (unsigned s = 0; s < ARRAY_SIZE(slots); s++)
			assert_one_of(drv_command_slot(&f->drv, types[t], slots[s],
						       f->drv.dcbaa.iova, XTRB_EP(3)),
				      XCC_SLOT_NOT_ENABLED, XCC_TRB);
	assert_running(f);
}

/* Unsupported commands complete with TRB Error (4.6.14 - 4.6.18, 6.4.6), never without an
 * event. */
static void test_commands_not_offered(void **state)
{
	struct func *f = *state;
	struct guest_buf context;

	run(f);
	for (unsigned type = 0; type < 64; type++) {
		bool known = type == XTRB_LINK ||
			     (type >= XTRB_ENABLE_SLOT && type <= XTRB_RESET_DEVICE) ||
			     type == XTRB_NOOP_COMMAND ||
			     type == XTRB_GET_PORT_BANDWIDTH || type == XTRB_FORCE_HEADER;

		if (!known)
			assert_code(command(f, (enum xtrb)type, 1), XCC_TRB);
	}
	/* optional commands, or for physical links: any completion code will do */
	context = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 64, 64);
	assert_true(drv_command_slot(&f->drv, XTRB_GET_PORT_BANDWIDTH, 0, context.iova,
				     XSPEED_HIGH << 16) > 0);
	assert_true(command(f, XTRB_FORCE_HEADER, 0) > 0);
	assert_commands_work(f);
}

static void write_crcr(struct func *f, uint64_t value)
{
	drv_write64(&f->drv, f->drv.op + XOP_CRCR, value);
}

static bool is_ring_stopped(const struct drv_event *event, const void *ctx)
{
	(void)ctx;
	return drv_trb_type(&event->trb) == XTRB_COMMAND_COMPLETION &&
	       drv_event_code(event) == XCC_COMMAND_RING_STOPPED;
}

/* CS and CA end with a Command Ring Stopped event and CRR=0; a doorbell restarts the ring
 * (4.6.1.1). */
static void stop_ring(struct func *f, uint64_t bit)
{
	struct drv_event event;
	uint64_t next;

	run(f);
	assert_commands_work(f);
	assert_true(drv_read64(&f->drv, f->drv.op + XOP_CRCR) & XCRCR_CRR);
	next = drv_ring_position(&f->drv.command);
	write_crcr(f, bit);
	assert_ok(drv_wait(&f->drv, is_ring_stopped, NULL, &event, DRV_TIMEOUT_MS));
	assert_true(event.trb.parameter == next);
	assert_true(drv_read64(&f->drv, f->drv.op + XOP_CRCR) == 0);
	assert_commands_work(f);
	assert_true(drv_read64(&f->drv, f->drv.op + XOP_CRCR) & XCRCR_CRR);
}

static void test_command_stop(void **state)
{
	stop_ring(*state, XCRCR_CS);
}

static void test_command_abort(void **state)
{
	stop_ring(*state, XCRCR_CA);
}

/* A stopped ring takes a new pointer; a running one ignores it (5.4.5). */
static void test_new_command_ring(void **state)
{
	struct func *f = *state;
	struct drv_event event;
	struct drv_ring other;

	run(f);
	assert_commands_work(f);
	drv_ring_init(&other, &f->ram, GUEST_RAM_ZONE_HIGH, 2, 16);
	write_crcr(f, other.memory[0].iova | 1);
	assert_commands_work(f);
	write_crcr(f, XCRCR_CS);
	assert_ok(drv_wait(&f->drv, is_ring_stopped, NULL, &event, DRV_TIMEOUT_MS));
	write_crcr(f, other.memory[0].iova | 1);
	f->drv.command = other;
	for (unsigned i = 0; i < 50; i++)
		assert_commands_work(f);
}

/* RS=0 stops the ring too, and the ring restarts without a reset (original: CRR stayed
 * 1). */
static void test_halt_stops_the_command_ring(void **state)
{
	struct func *f = *state;

	run(f);
	for (unsigned i = 0; i < 5; i++) {
		assert_commands_work(f);
		assert_ok(drv_halt(&f->drv));
		assert_int_equal(drv_read64(&f->drv, f->drv.op + XOP_CRCR) & XCRCR_CRR,
				 0);
		drv_setup(&f->drv);
		assert_ok(drv_run(&f->drv));
	}
	assert_commands_work(f);
}

static void test_doorbell_while_halted(void **state)
{
	struct func *f = *state;
	uint64_t at;

	run(f);
	assert_ok(drv_halt(&f->drv));
	at = drv_command_push(&f->drv,
			      (struct drv_trb){.control = XTRB_TYPE(XTRB_NOOP_COMMAND)});
	drv_doorbell(&f->drv, 0, 0, 0);
	(void)drv_op_read(&f->drv, XOP_USBSTS);
	assert_false(drv_event_ring_ready(&f->drv.events[0]));
	assert_ok(drv_run(&f->drv));
	drv_doorbell(&f->drv, 0, 0, 0);
	assert_code(drv_command_wait(&f->drv, at, NULL), XCC_SUCCESS);
}

/* Targets and slots that do not exist. */
static void test_doorbells_for_nothing(void **state)
{
	struct func *f = *state;

	run(f);
	for (unsigned slot = 0; slot < 256; slot++)
		for (unsigned target = 0; target < 256; target += slot == 0 ? 1 : 17)
			drv_doorbell(&f->drv, slot, target, slot * 3);
	assert_commands_work(f);
	assert_running(f);
	assert_log_bounded(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_command_ring_wraps),
		FUNC_TEST(test_many_commands_on_one_doorbell),
		FUNC_TEST(test_every_slot_and_one_more),
		FUNC_TEST(test_max_slots_enabled),
		FUNC_TEST(test_commands_for_slots_that_are_not),
		FUNC_TEST(test_commands_not_offered),
		FUNC_TEST(test_command_stop),
		FUNC_TEST(test_command_abort),
		FUNC_TEST(test_new_command_ring),
		FUNC_TEST(test_halt_stops_the_command_ring),
		FUNC_TEST(test_doorbell_while_halted),
		FUNC_TEST(test_doorbells_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
