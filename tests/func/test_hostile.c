/* SPDX-License-Identifier: MIT
 * test_hostile.c - attacks of a broken or hostile guest or VMM
 *
 * After each the daemon still serves: after HCRST a command completes.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tests/func/func.h"
#include "util/bytes.h"
#include "util/loop.h"

#define NOOPS_MS      1000
#define NOOPS_MS_MAX  60000
#define NOOPS_LOOK_MS 50

static void run(struct func *f)
{
	func_start(f, NULL, NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
}

static void put_link(struct func *f, uint64_t at, uint64_t to, uint32_t flags)
{
	struct drv_trb *trb = guest_ptr(&f->ram, at, XTRB_BYTES);

	*trb = (struct drv_trb){
		.parameter = to,
		.control = XTRB_TYPE(XTRB_LINK) | flags,
	};
}

static void test_command_ring_that_links_to_itself(void **state)
{
	struct func *f = *state;

	run(f);
	for (unsigned toggle = 0; toggle < 2; toggle++) {
		uint64_t at = drv_ring_position(&f->drv.command);

		put_link(f, at, at, XTRB_C | (toggle ? XTRB_TC : 0));
		drv_doorbell(&f->drv, 0, 0, 0);
		assert_alive(f);
		if (!toggle)
			expect_status(f, XSTS_HCE | XSTS_HSE);
		assert_mended(f);
	}
}

static void test_transfer_ring_that_links_to_itself(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct drv_ring *ring;
	struct drv_event event;
	uint64_t at;
	int r;

	func_device(f, func_stick_spec(f, "high"), &device);
	ring = &device.slot->endpoints[device.bulk_in].ring;
	at = drv_ring_position(ring);
	put_link(f, at, at, XTRB_C);
	drv_endpoint_doorbell(device.slot, device.bulk_in);
	f->drv.timeout_ms = 500;
	/* an error of the endpoint or the controller, not an endless loop */
	r = drv_wait_transfer(&f->drv, device.slot->id, device.bulk_in, 0, &event);
	assert_true(r == XCC_TRB ||
		    (drv_op_read(&f->drv, XOP_USBSTS) & (XSTS_HCE | XSTS_HSE)));
	assert_mended(f);
}

/* Chained Normal TRBs in a circle: a TD without end. */
static void test_td_without_end(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct drv_ring *ring;
	struct daemon_usage before;
	struct daemon_usage after;
	struct drv_event event;
	uint64_t base;

	func_device(f, func_stick_spec(f, "high"), &device);
	ring = &device.slot->endpoints[device.bulk_in].ring;
	base = ring->memory[0].iova;
	for (unsigned i = 0; i < 255; i++) {
		struct drv_trb *trb = guest_ptr(&f->ram, base + i * 16, 16);

		*trb = (struct drv_trb){
			.parameter = GUEST_RAM_HIGH_IOVA,
			.status = 65536,
			.control = XTRB_TYPE(XTRB_NORMAL) | XTRB_CH | XTRB_C,
		};
	}
	put_link(f, base + 255 * 16, base, XTRB_C | XTRB_CH);
	assert_ok(daemon_usage(&f->daemon, &before));
	drv_endpoint_doorbell(device.slot, device.bulk_in);
	f->drv.timeout_ms = 500;
	(void)!drv_wait_transfer(&f->drv, device.slot->id, device.bulk_in, 0, &event);
	assert_alive(f);
	assert_ok(daemon_usage(&f->daemon, &after));
	assert_in_range(after.rss_anon_kib, 0, before.rss_anon_kib + 4096);
	assert_mended(f);
}

/* A Setup TRB abandons the control TD before it, and a Link leads back to it. */
static void test_setup_that_links_to_itself(void **state)
{
	static const uint8_t get_descriptor[8] = {0x80, 6, 0, 1, 0, 0, 18, 0};
	struct func *f = *state;
	struct drv_device device;
	struct drv_ring *ring;
	struct drv_event event;
	struct drv_trb *trb;
	uint64_t at;

	func_device(f, func_stick_spec(f, "high"), &device);
	ring = &device.slot->endpoints[1].ring;
	at = drv_ring_position(ring);
	trb = guest_ptr(&f->ram, at, XTRB_BYTES);
	*trb = (struct drv_trb){
		.parameter = get_le64(get_descriptor),
		.status = 8,
		.control = XTRB_TYPE(XTRB_SETUP) | XTRB_IDT | XTRB_C,
	};
	put_link(f, at + XTRB_BYTES, at, XTRB_C);
	drv_endpoint_doorbell(device.slot, 1);
	assert_int_equal(drv_wait_transfer(&f->drv, device.slot->id, 1, 0, &event),
			 XCC_TRB);
	assert_mended(f);
}

/* Endless No Ops without events: the daemon serves everyone else and leaves most of the
 * processor to others. */
static void test_noops_without_end(void **state)
{
	struct func *f = *state;
	struct daemon_usage before;
	struct daemon_usage after;
	struct drv_device device;
	struct drv_ring *ring;
	uint64_t begun_ns;
	uint64_t base;
	uint64_t cpu_ms;
	uint64_t ms;
	bool sleeps;

	func_device(f, func_stick_spec(f, "high"), &device);
	ring = &device.slot->endpoints[device.bulk_in].ring;
	base = ring->memory[0].iova;
	for (unsigned i = 0; i < 62; i++) {
		struct drv_trb *trb = guest_ptr(&f->ram, base + i * 16, 16);

		*trb = (struct drv_trb){.control = XTRB_TYPE(XTRB_NOOP) | XTRB_C};
	}
	put_link(f, base + 62 * 16, base, XTRB_C);
	assert_ok(daemon_usage(&f->daemon, &before));
	begun_ns = clock_now_ns();
	drv_endpoint_doorbell(device.slot, device.bulk_in);
	/* the pace makes it sleep in between; on a busy machine it gets little time to
	 * work, so it may sleep later */
	do {
		(void)poll(NULL, 0, NOOPS_LOOK_MS);
		assert_ok(daemon_usage(&f->daemon, &after));
		ms = (clock_now_ns() - begun_ns) / 1000000;
		sleeps = after.wakeups - before.wakeups >= 3;
	} while (ms < NOOPS_MS || (!sleeps && ms < NOOPS_MS_MAX && !func_is_sanitized()));
	cpu_ms = (after.cpu_ticks - before.cpu_ticks) * 1000 /
		 (uint64_t)sysconf(_SC_CLK_TCK);
	/* a build with sanitizers is slower than the pace */
	if (!func_is_sanitized()) {
		assert_true(sleeps);
		/* the pace allows a tenth of a processor; without it, the daemon uses a
		 * whole one */
		assert_in_range(cpu_ms, 0, ms / 4);
	}
	assert_alive(f);
	assert_commands_work(f);
	assert_mended(f);
}

static void test_rings_outside_memory(void **state)
{
	static const uint64_t places[] = {
		0,
		GUEST_RAM_HOLE_IOVA,
		GUEST_RAM_LOW_IOVA + FUNC_ZONE_BYTES - 16, /* one TRB, then the edge */
		UINT64_MAX & ~0xfull,
		UINT64_C(0x8000000000000000),
	};
	struct func *f = *state;

	run(f);
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		/* command ring */
		assert_ok(drv_reset(&f->drv));
		drv_setup(&f->drv);
		drv_write64(&f->drv, f->drv.op + XOP_CRCR, places[i] | 1);
		assert_ok(drv_run(&f->drv));
		drv_doorbell(&f->drv, 0, 0, 0);
		if (i != 2)
			expect_status(f, XSTS_HSE | XSTS_HCE);
		/* device context array */
		assert_ok(drv_reset(&f->drv));
		drv_setup(&f->drv);
		drv_write64(&f->drv, f->drv.op + XOP_DCBAAP, places[i]);
		assert_ok(drv_run(&f->drv));
		for (unsigned n = 0; n < 3; n++)
			(void)drv_command_push(
				&f->drv,
				(struct drv_trb){.control = XTRB_TYPE(XTRB_ENABLE_SLOT)});
		(void)drv_command_push(
			&f->drv,
			(struct drv_trb){
				.parameter = f->drv.dcbaa.iova,
				.control = XTRB_TYPE(XTRB_ADDRESS_DEVICE) | XTRB_SLOT(1),
			});
		drv_doorbell(&f->drv, 0, 0, 0);
		assert_alive(f);
		drv_op_write(&f->drv, XOP_USBCMD, 0);
	}
	assert_mended(f);
}

static void test_transfer_rings_outside_memory(void **state)
{
	static const uint64_t places[] = {0, GUEST_RAM_HOLE_IOVA, UINT64_MAX & ~0xfull};
	struct func *f = *state;
	struct drv_device device;
	int port;

	func_device(f, func_stick_spec(f, "high"), &device);
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		struct drv_slot *slot = device.slot;

		assert_code(drv_stop_endpoint(slot, device.bulk_in), XCC_SUCCESS);
		/* drv_set_dequeue() would take address 0 for the ring's position */
		assert_code(drv_command_slot(&f->drv, XTRB_SET_TR_DEQUEUE, slot->id,
					     places[i] | 1, XTRB_EP(device.bulk_in)),
			    XCC_SUCCESS);
		drv_endpoint_doorbell(slot, device.bulk_in);
		assert_alive(f);
		assert_mended(f);
		port = drv_port_connected(&f->drv, 1);
		assert_true(port > 0);
		assert_ok(drv_enumerate(&f->drv, (unsigned)port, &device));
	}
}

/* Random TRBs on all rings, random contexts, many times. */
static void test_garbage_rings(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	int port;

	func_device(f, func_stick_spec(f, "high"), &device);
	for (uint32_t round = 0; round < 60; round++) {
		struct drv_slot *slot = device.slot;

		for (unsigned dci = 1; dci < 5; dci++) {
			struct drv_ring *ring = &slot->endpoints[dci].ring;

			for (unsigned s = 0; ring->segments && s < ring->segments; s++)
				fill_pattern(ring->memory[s].ptr,
					     ring->memory[s].size_bytes,
					     round * 100 + dci);
			drv_endpoint_doorbell(slot, dci);
		}
		fill_pattern(f->drv.command.memory[0].ptr,
			     f->drv.command.memory[0].size_bytes, round);
		drv_doorbell(&f->drv, 0, 0, 0);
		fill_pattern(slot->input.ptr, slot->input.size_bytes, round);
		if (round % 3 == 0)
			fill_pattern(slot->output.ptr, slot->output.size_bytes, round);
		for (unsigned i = 0; i < 20; i++)
			(void)drv_op_read(&f->drv, XOP_USBSTS);
		assert_mended(f);
		port = drv_port_connected(&f->drv, 1);
		assert_true(port > 0);
		assert_ok(drv_enumerate(&f->drv, (unsigned)port, &device));
	}
}

/* Random register writes with an enumerated device and live rings. */
static void test_garbage_registers(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	uint32_t x = 12345;

	func_device(f, func_stick_spec(f, "super"), &device);
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t value[8];
		uint32_t offset;

		x = x * 1103515245 + 12345;
		offset = (x >> 8) % 0x5000;
		fill_pattern(value, sizeof(value), x);
		assert_ok(vfu_region_post(&f->vmm.client, VFU_REGION_BAR0, offset, value,
					  1u << ((x >> 4) & 3)));
	}
	assert_mended(f);
}

/* A storm of doorbells does not grow the daemon. */
static void test_doorbell_storm(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct daemon_usage before;
	struct daemon_usage after;

	func_device(f, func_stick_spec(f, "high"), &device);
	assert_ok(daemon_usage(&f->daemon, &before));
	for (unsigned i = 0; i < 100000; i++)
		drv_doorbell(&f->drv, i % 3 ? device.slot->id : 0, i % 3 ? i % 32 : 0, i);
	assert_commands_work(f);
	assert_ok(daemon_usage(&f->daemon, &after));
	assert_in_range(after.rss_anon_kib, 0, before.rss_anon_kib + 256);
	assert_log_bounded(f);
	assert_running(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_command_ring_that_links_to_itself),
		FUNC_TEST(test_transfer_ring_that_links_to_itself),
		FUNC_TEST(test_td_without_end),
		FUNC_TEST(test_setup_that_links_to_itself),
		FUNC_TEST(test_noops_without_end),
		FUNC_TEST(test_rings_outside_memory),
		FUNC_TEST(test_transfer_rings_outside_memory),
		FUNC_TEST(test_garbage_rings),
		FUNC_TEST(test_garbage_registers),
		FUNC_TEST(test_doorbell_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
