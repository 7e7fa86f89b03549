/* SPDX-License-Identifier: MIT
 * test_events.c - event rings, interrupters, moderation
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "tests/func/func.h"
#include "util/bytes.h"

static void run(struct func *f, const struct drv_options *options)
{
	func_start(f, NULL, NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, options);
}

static uint64_t push_noop(struct func *f)
{
	return drv_command_push(
		&f->drv, (struct drv_trb){.control = XTRB_TYPE(XTRB_NOOP_COMMAND)});
}

/* Pushes @count No Ops and rings the doorbell. Does not wait. */
static void issue_noops(struct func *f, unsigned count, uint64_t *ret_trbs)
{
	for (unsigned i = 0; i < count; i++)
		ret_trbs[i] = push_noop(f);
	drv_doorbell(&f->drv, 0, 0, 0);
}

/* Waits until that many more events are in the ring. A read completes after all earlier
 * writes; the controller posts the events soon after. */
static void wait_until_posted(struct func *f, unsigned events)
{
	struct drv_event_ring *ring = &f->drv.events[0];
	unsigned index = ring->index + events - 1;
	unsigned segment = ring->segment;
	bool cycle = ring->cycle;

	while (index >= ring->trbs) {
		index -= ring->trbs;
		if (++segment == ring->segments) {
			segment = 0;
			cycle = !cycle;
		}
	}
	for (unsigned i = 0; i < 1000000; i++) {
		const uint8_t *at = ring->memory[segment].ptr + (size_t)index * 16 + 12;

		if ((at[0] & 1) == cycle)
			return;
		(void)drv_op_read(&f->drv, XOP_USBSTS);
	}
	fail_msg("event %u was not posted", events);
}

static void test_several_segments(void **state)
{
	struct func *f = *state;
	struct drv_options options = {.event_segments = 5, .event_trbs = 16};

	run(f, &options);
	for (unsigned i = 0; i < 500; i++)
		assert_commands_work(f);
}

/* The original compared the raw ERDP and overwrote events, or panicked. */
static void test_full_ring_loses_nothing(void **state)
{
	struct func *f = *state;
	struct drv_options options = {
		.event_trbs = 16, .command_trbs = 256, .keep_pending = true};
	uint64_t trbs[100];
	struct drv_event_ring *ring;
	struct drv_trb event;
	unsigned taken = 0;
	unsigned full = 0;

	run(f, &options);
	/* without a device the start posts no port events */
	ring = &f->drv.events[0];
	issue_noops(f, 100, trbs);
	wait_until_posted(f, 14);
	while (taken < 100) {
		while (drv_event_ring_pop(ring, &event)) {
			unsigned code = event.status >> 24;

			if (drv_trb_type(&event) == XTRB_HOST_CONTROLLER) {
				assert_int_equal(code, XCC_EVENT_RING_FULL);
				full++;
				continue;
			}
			assert_true(event.parameter == trbs[taken]);
			assert_int_equal(code, XCC_SUCCESS);
			taken++;
		}
		if (taken == 100)
			break;
		/* once there is room, the controller continues on its own, with an
		 * interrupt */
		drv_write64(&f->drv, drv_ir(&f->drv, 0, XIR_ERDP),
			    drv_event_ring_erdp(ring) | XERDP_EHB);
		while (!drv_event_ring_ready(ring))
			assert_in_range(vmm_wait_irq(&f->vmm, 0, DRV_TIMEOUT_MS), 1,
					INT32_MAX);
	}
	/* the controller reported the full ring (4.9.4) */
	assert_in_range(full, 1, 20);
	assert_running(f);
}

/* Transfers complete while the ring is full. */
static void test_full_ring_with_transfers(void **state)
{
	struct func *f = *state;
	struct drv_options options = {.event_trbs = 16, .keep_pending = true};
	struct drv_device device;
	struct drv_event_ring *ring;
	struct drv_trb event;
	uint64_t at[60];
	unsigned taken = 0;

	func_start(f, func_stick_spec(f, "high"), NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, &options);
	f->drv.options.keep_pending = false;
	func_find(f, 8, &device);
	ring = &f->drv.events[0];
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
		at[i] = drv_ring_push(
			&device.slot->endpoints[device.bulk_in].ring,
			(struct drv_trb){.control = XTRB_TYPE(XTRB_NOOP) | XTRB_IOC});
	drv_endpoint_doorbell(device.slot, device.bulk_in);
	wait_until_posted(f, 14);
	while (taken < ARRAY_SIZE(at)) {
		while (drv_event_ring_pop(ring, &event)) {
			if (drv_trb_type(&event) == XTRB_HOST_CONTROLLER)
				continue;
			assert_int_equal(drv_trb_type(&event), XTRB_TRANSFER_EVENT);
			assert_true(event.parameter == at[taken]);
			taken++;
		}
		drv_write64(&f->drv, drv_ir(&f->drv, 0, XIR_ERDP),
			    drv_event_ring_erdp(ring) | XERDP_EHB);
		while (taken < ARRAY_SIZE(at) && !drv_event_ring_ready(ring))
			assert_in_range(vmm_wait_irq(&f->vmm, 0, DRV_TIMEOUT_MS), 1,
					INT32_MAX);
	}
	assert_running(f);
}

/* With IE = 0 the controller posts events and sets IP, but does not interrupt; setting IE
 * then delivers the interrupt (4.17.2). */
static void test_interrupt_enable(void **state)
{
	struct func *f = *state;
	struct drv *d = &f->drv;
	uint64_t at;

	run(f, NULL);
	drv_write32(d, drv_ir(d, 0, XIR_IMAN), XIMAN_IP);
	at = push_noop(f);
	drv_doorbell(d, 0, 0, 0);
	wait_until_posted(f, 1);
	assert_int_equal(vmm_wait_irq(&f->vmm, 0, DRV_QUIET_MS), -ETIMEDOUT);
	assert_int_equal(drv_read32(d, drv_ir(d, 0, XIR_IMAN)), XIMAN_IP);
	drv_write32(d, drv_ir(d, 0, XIR_IMAN), XIMAN_IE);
	assert_code(drv_command_wait(d, at, NULL), XCC_SUCCESS);
}

/* INTE = 0 holds back the interrupts of all interrupters. */
static void test_controller_interrupt_enable(void **state)
{
	struct func *f = *state;
	struct drv *d = &f->drv;
	uint64_t at;

	run(f, NULL);
	drv_op_write(d, XOP_USBCMD, XCMD_RS);
	at = push_noop(f);
	drv_doorbell(d, 0, 0, 0);
	wait_until_posted(f, 1);
	assert_int_equal(vmm_wait_irq(&f->vmm, 0, DRV_QUIET_MS), -ETIMEDOUT);
	drv_op_write(d, XOP_USBCMD, XCMD_RS | XCMD_INTE);
	assert_code(drv_command_wait(d, at, NULL), XCC_SUCCESS);
}

/* While EHB is set no further interrupt comes. Clearing it with events left causes
 * one. */
static void test_event_handler_busy(void **state)
{
	struct func *f = *state;
	struct drv *d = &f->drv;
	struct drv_trb event;
	uint64_t trbs[3];

	run(f, NULL);
	issue_noops(f, 1, trbs);
	assert_in_range(vmm_wait_irq(&f->vmm, 0, DRV_TIMEOUT_MS), 1, INT32_MAX);
	assert_true(drv_read64(d, drv_ir(d, 0, XIR_ERDP)) & XERDP_EHB);
	issue_noops(f, 2, trbs + 1);
	wait_until_posted(f, 3);
	assert_int_equal(vmm_wait_irq(&f->vmm, 0, DRV_QUIET_MS), -ETIMEDOUT);
	/* take one, leave two: an interrupt must come for them */
	assert_true(drv_event_ring_pop(&d->events[0], &event));
	drv_write64(d, drv_ir(d, 0, XIR_ERDP),
		    drv_event_ring_erdp(&d->events[0]) | XERDP_EHB);
	assert_in_range(vmm_wait_irq(&f->vmm, 0, DRV_TIMEOUT_MS), 1, INT32_MAX);
	while (drv_event_ring_pop(&d->events[0], &event))
		;
	drv_write64(d, drv_ir(d, 0, XIR_ERDP),
		    drv_event_ring_erdp(&d->events[0]) | XERDP_EHB);
	assert_int_equal(vmm_wait_irq(&f->vmm, 0, DRV_QUIET_MS), -ETIMEDOUT);
	assert_false(drv_read64(d, drv_ir(d, 0, XIR_ERDP)) & XERDP_EHB);
}

/* RW1C bits change only if a write covers their byte: a driver that writes the upper
 * bytes of ERDP one by one must not end the busy state. */
static void test_partial_write_keeps_the_busy_bit(void **state)
{
	struct func *f = *state;
	struct drv *d = &f->drv;
	uint64_t at;
	uint8_t bytes[8];

	run(f, NULL);
	issue_noops(f, 1, &at);
	assert_in_range(vmm_wait_irq(&f->vmm, 0, DRV_TIMEOUT_MS), 1, INT32_MAX);
	put_le64(bytes, drv_read64(d, drv_ir(d, 0, XIR_ERDP)));
	assert_true(bytes[0] & XERDP_EHB);
	for (unsigned i = 1; i < 8; i++)
		assert_ok(drv_write(d, drv_ir(d, 0, XIR_ERDP) + i, bytes + i, 1));
	assert_true(drv_read64(d, drv_ir(d, 0, XIR_ERDP)) & XERDP_EHB);
	assert_ok(drv_write(d, drv_ir(d, 0, XIR_ERDP), bytes, 1));
	assert_false(drv_read64(d, drv_ir(d, 0, XIR_ERDP)) & XERDP_EHB);
}

/* With MSI-X, the controller clears IP when it sends the message (4.17.5). */
static void test_pending_clears_by_itself(void **state)
{
	struct func *f = *state;
	uint64_t at;

	run(f, NULL);
	issue_noops(f, 1, &at);
	assert_in_range(vmm_wait_irq(&f->vmm, 0, DRV_TIMEOUT_MS), 1, INT32_MAX);
	assert_int_equal(drv_read32(&f->drv, drv_ir(&f->drv, 0, XIR_IMAN)), XIMAN_IE);
}

/* Many events, each handled at once: no more interrupts than moderation allows. The
 * original interrupted for each event. */
static void test_moderation(void **state)
{
	struct func *f = *state;
	/* 250 ns units: 4 ms */
	struct drv_options options = {.imod = 16000};
	struct timespec start;
	struct timespec now;
	uint64_t elapsed_ms;

	run(f, &options);
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned i = 0; i < 50; i++)
		assert_commands_work(f);
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	elapsed_ms = (uint64_t)((now.tv_sec - start.tv_sec) * 1000 +
				(now.tv_nsec - start.tv_nsec) / 1000000);
	/* each command waits for its interrupt: at least 49 intervals */
	assert_in_range(elapsed_ms, 49 * 4 - 10, 20000);
	assert_in_range(f->drv.signals[0], 1, elapsed_ms / 4 + 2);
}

static void test_batch_is_one_interrupt(void **state)
{
	struct func *f = *state;
	struct drv_options options = {.command_trbs = 256, .imod = 4000};
	uint64_t trbs[200];

	run(f, &options);
	f->drv.signals[0] = 0;
	issue_noops(f, 200, trbs);
	for (unsigned i = 0; i < 200; i++)
		assert_code(drv_command_wait(&f->drv, trbs[i], NULL), XCC_SUCCESS);
	assert_in_range(f->drv.signals[0], 1, 20);
}

/* BEI: an event without an interrupt. The next event without BEI causes one for both. */
static void test_block_event_interrupt(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct drv_ring *ring;
	uint64_t quiet;
	uint64_t loud;

	func_device(f, func_stick_spec(f, "high"), &device);
	ring = &device.slot->endpoints[device.bulk_in].ring;
	while (vmm_wait_irq(&f->vmm, 0, DRV_QUIET_MS) > 0)
		(void)drv_collect(&f->drv, 0);
	quiet = drv_ring_push(
		ring, (struct drv_trb){
			      .control = XTRB_TYPE(XTRB_NOOP) | XTRB_IOC | XTRB_BEI,
		      });
	drv_endpoint_doorbell(device.slot, device.bulk_in);
	wait_until_posted(f, 1);
	assert_int_equal(vmm_wait_irq(&f->vmm, 0, DRV_QUIET_MS), -ETIMEDOUT);
	loud = drv_ring_push(
		ring, (struct drv_trb){.control = XTRB_TYPE(XTRB_NOOP) | XTRB_IOC});
	drv_endpoint_doorbell(device.slot, device.bulk_in);
	assert_code(
		drv_wait_transfer(&f->drv, device.slot->id, device.bulk_in, quiet, NULL),
		XCC_SUCCESS);
	assert_code(
		drv_wait_transfer(&f->drv, device.slot->id, device.bulk_in, loud, NULL),
		XCC_SUCCESS);
}

/* TRBs name their interrupter; commands and ports use the first (4.17). */
static void test_interrupter_targets(void **state)
{
	struct func *f = *state;
	struct drv_options options = {.interrupters = 8};
	struct drv_device device;
	struct drv_event event;

	func_start(f, func_stick_spec(f, "high"), NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, &options);
	func_find(f, 8, &device);
	for (unsigned i = 0; i < 24; i++) {
		uint64_t at =
			drv_ring_push(&device.slot->endpoints[device.bulk_in].ring,
				      (struct drv_trb){
					      .status = XTRB_INTR(i % 8),
					      .control = XTRB_TYPE(XTRB_NOOP) | XTRB_IOC,
				      });

		drv_endpoint_doorbell(device.slot, device.bulk_in);
		assert_code(drv_wait_transfer(&f->drv, device.slot->id, device.bulk_in,
					      at, &event),
			    XCC_SUCCESS);
		assert_int_equal(event.interrupter, i % 8);
	}
	for (unsigned i = 0; i < 8; i++)
		assert_in_range(f->drv.signals[i], 3, UINT64_MAX);
	/* an interrupter that does not exist must not break the controller */
	(void)drv_ring_push(&device.slot->endpoints[device.bulk_in].ring,
			    (struct drv_trb){
				    .status = XTRB_INTR(1023),
				    .control = XTRB_TYPE(XTRB_NOOP) | XTRB_IOC,
			    });
	drv_endpoint_doorbell(device.slot, device.bulk_in);
	assert_commands_work(f);
	assert_running(f);
}

/* ERSTBA before ERSTSZ, unaligned, ERSTSZ 0, segment of size 0 or outside memory: each
 * was fatal to the original. */
static void test_event_ring_tables_that_lie(void **state)
{
	static const struct {
		uint32_t size;
		uint64_t base; /* of the only segment; 0 = the right one */
		uint32_t trbs;
		uint64_t table_offset;
	} cases[] = {
		{0, 0, 256, 0},
		{1, 0, 0, 0},
		{1, 0, 15, 0},
		{1, 0, 0xffff, 0},
		{1, GUEST_RAM_HOLE_IOVA, 256, 0},
		{1, UINT64_MAX & ~0xfull, 256, 0},
		{1, 0, 256, 0x20},
		{0xffff, 0, 256, 0},
		{1, 0, 256, UINT64_MAX / 2},
	};
	struct func *f = *state;

	run(f, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct drv *d = &f->drv;
		struct drv_event_ring *ring = &d->events[0];

		assert_ok(drv_reset(d));
		drv_setup(d);
		put_le64(ring->table.ptr,
			 cases[i].base ? cases[i].base : ring->memory[0].iova);
		put_le32(ring->table.ptr + 8, cases[i].trbs);
		drv_write64(d, drv_ir(d, 0, XIR_ERSTBA),
			    ring->table.iova + cases[i].table_offset);
		drv_write32(d, drv_ir(d, 0, XIR_ERSTSZ), cases[i].size);
		drv_op_write(d, XOP_USBCMD, XCMD_RS | XCMD_INTE | XCMD_HSEE);
		for (unsigned n = 0; n < 20; n++)
			(void)push_noop(f);
		drv_doorbell(d, 0, 0, 0);
		assert_alive(f);
		put_le64(ring->table.ptr, ring->memory[0].iova);
		put_le32(ring->table.ptr + 8, ring->trbs);
	}
	assert_ok(drv_reset(&f->drv));
	drv_setup(&f->drv);
	assert_ok(drv_run(&f->drv));
	assert_commands_work(f);
	assert_log_bounded(f);
}

/* A second write of ERSTBA without HCRST takes effect (original: only the first). */
static void test_new_event_ring_without_reset(void **state)
{
	struct func *f = *state;

	run(f, NULL);
	for (unsigned i = 0; i < 3; i++) {
		assert_commands_work(f);
		assert_ok(drv_halt(&f->drv));
		drv_event_ring_init(&f->drv.events[0], &f->ram, GUEST_RAM_ZONE_HIGH,
				    1 + i, 32);
		drv_setup(&f->drv);
		assert_ok(drv_run(&f->drv));
		for (unsigned n = 0; n < 100; n++)
			assert_commands_work(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_several_segments),
		FUNC_TEST(test_full_ring_loses_nothing),
		FUNC_TEST(test_full_ring_with_transfers),
		FUNC_TEST(test_interrupt_enable),
		FUNC_TEST(test_controller_interrupt_enable),
		FUNC_TEST(test_event_handler_busy),
		FUNC_TEST(test_partial_write_keeps_the_busy_bit),
		FUNC_TEST(test_pending_clears_by_itself),
		FUNC_TEST(test_moderation),
		FUNC_TEST(test_batch_is_one_interrupt),
		FUNC_TEST(test_block_event_interrupt),
		FUNC_TEST(test_interrupter_targets),
		FUNC_TEST(test_event_ring_tables_that_lie),
		FUNC_TEST(test_new_event_ring_without_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
