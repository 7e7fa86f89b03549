/* SPDX-License-Identifier: MIT
 * test_hostile.c - what a broken or hostile guest or VMM can do
 *
 * Each ends with a daemon that still serves: after HCRST a command goes through.
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

/* HCRST mends whatever state the controller is in; the log stays readable. */
static void assert_mended(struct func *f)
{
	f->drv.timeout_ms = DRV_TIMEOUT_MS;
	assert_alive(f);
	assert_ok(drv_reset(&f->drv));
	assert_int_equal(drv_op_read(&f->drv, XOP_USBSTS) & (XSTS_HSE | XSTS_HCE), 0);
	drv_setup(&f->drv);
	assert_ok(drv_run(&f->drv));
	assert_commands_work(f);
	assert_log_bounded(f);
}

static void put_link(struct func *f, uint64_t at, uint64_t to, uint32_t flags)
{
	struct drv_trb *trb = guest_ptr(&f->ram, at, XTRB_BYTES);

	*trb = (struct drv_trb){
		.parameter = to,
		.control = XTRB_TYPE(XTRB_LINK) | flags,
	};
}

/* Waits until the controller shows one of these status bits. */
static void expect_status(struct func *f, uint32_t bits)
{
	for (unsigned i = 0; i < 200000; i++)
		if (drv_op_read(&f->drv, XOP_USBSTS) & bits)
			return;
	fail_msg("USBSTS 0x%x, expected one of 0x%x", drv_op_read(&f->drv, XOP_USBSTS),
		 bits);
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
	/* an error for the endpoint, or for the controller; not silence and spin */
	r = drv_wait_transfer(&f->drv, device.slot->id, device.bulk_in, 0, &event);
	assert_true(r == XCC_TRB ||
		    (drv_op_read(&f->drv, XOP_USBSTS) & (XSTS_HCE | XSTS_HSE)));
	assert_mended(f);
}

/* Normal TRBs chained round and round: one TD without end. */
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

/* Every endpoint of many slots with an endless TD: bounds hold in sum. */
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
		/* address 0 stands for "ours" in the driver's call */
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

/* Data buffers outside memory: Data Buffer Error or Transaction Error, nothing worse. */
static void test_data_outside_memory(void **state)
{
	static const uint64_t places[] = {0, GUEST_RAM_HOLE_IOVA, UINT64_MAX - 100,
					  GUEST_RAM_LOW_IOVA + FUNC_ZONE_BYTES - 100};
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 512, 64);
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		struct bot_command read = {
			.cdb = {0x28, 0, 0, 0, 0, 0, 0, 0, 8},
			.cdb_bytes = 10,
			.in = true,
			.length = 4096,
		};
		uint8_t cbw[BOT_CBW_BYTES];
		struct drv_event event;
		int r;

		bot_make_cbw(&read, 9, cbw);
		assert_code(bot_send_cbw(&bot, cbw, sizeof(cbw)), XCC_SUCCESS);
		(void)drv_push_normal(device.slot, device.bulk_in, places[i], 4096,
				      XTRB_IOC | XTRB_ISP);
		drv_endpoint_doorbell(device.slot, device.bulk_in);
		f->drv.timeout_ms = 1000;
		r = drv_wait_transfer(&f->drv, device.slot->id, device.bulk_in, 0,
				      &event);
		f->drv.timeout_ms = DRV_TIMEOUT_MS;
		if (r != XCC_DATA_BUFFER && r != XCC_TRANSACTION) {
			expect_status(f, XSTS_HSE);
			assert_mended(f);
			assert_int_equal(drv_port_connected(&f->drv, 1),
					 device.slot->port);
			return;
		}
		assert_code(drv_recover(device.slot, device.bulk_in), XCC_SUCCESS);
		assert_ok(bot_recover(&bot));
		assert_ok(bot_read(&bot, 1, 1, buf.iova, 0, 0));
	}
	assert_running(f);
}

/* RAM goes while transfers run, and comes back: as firmware re-maps it. Nothing may be
 * lost that was not touched in between (vfio-user.md 8, item 6). */
static void test_remapping_under_load(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 1 << 20, 4096);
	for (unsigned round = 0; round < 20; round++) {
		struct bot_command read = {
			.cdb = {0x28, 0, 0, 0, 0, 0, 0, 8, 0},
			.cdb_bytes = 10,
			.in = true,
			.length = 1 << 20,
		};
		uint8_t cbw[BOT_CBW_BYTES];
		uint8_t csw[BOT_CSW_BYTES];
		struct drv_event event;
		uint64_t last;

		memset(buf.ptr, 0xee, 1 << 20);
		bot_make_cbw(&read, round, cbw);
		last = drv_push_td(device.slot, device.bulk_in, buf.iova, 1 << 20, NULL);
		drv_endpoint_doorbell(device.slot, device.bulk_in);
		assert_code(bot_send_cbw(&bot, cbw, sizeof(cbw)), XCC_SUCCESS);
		assert_ok(guest_ram_unmap(&f->ram, &f->vmm.client));
		assert_ok(guest_ram_map(&f->ram, &f->vmm.client));
		assert_code(drv_wait_transfer(&f->drv, device.slot->id, device.bulk_in,
					      last, &event),
			    XCC_SUCCESS);
		for (uint32_t i = 0; i < 2048; i++)
			assert_int_equal(get_le32(buf.ptr + (size_t)i * BOT_SECTOR), i);
		assert_code(bot_receive_csw(&bot, csw, NULL), XCC_SUCCESS);
	}
	assert_running(f);
}

/* The same, with an event of the device in between: a key typed while there is no
 * memory waits for it. */
static void test_key_while_memory_is_away(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	uint8_t report[HID_REPORT_BYTES];

	func_keyboard(f, &device, &hid);
	hid_queue(&hid, 4);
	assert_commands_work(f);
	for (unsigned round = 0; round < 3; round++) {
		assert_ok(guest_ram_unmap(&f->ram, &f->vmm.client));
		func_type(f, "a");
		/* answered: the daemon has been through its loop, keys included */
		for (unsigned i = 0; i < 10; i++)
			(void)drv_op_read(&f->drv, XOP_USBSTS);
		assert_ok(guest_ram_map(&f->ram, &f->vmm.client));
		do {
			assert_code(hid_wait(&hid, report, DRV_TIMEOUT_MS), XCC_SUCCESS);
			hid_queue(&hid, 1);
		} while (report[2] == 0);
		assert_int_equal(report[2], 4);
	}
	assert_running(f);
}

/* RAM goes under running transfers and stays away. */
static void test_unmapping_under_load(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;

	func_stick(f, "super", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 1 << 20, 4096);
	for (unsigned round = 0; round < 5; round++) {
		struct bot_command read = {
			.cdb = {0x28, 0, 0, 0, 0, 0, 0, 8, 0},
			.cdb_bytes = 10,
			.in = true,
			.length = 1 << 20,
		};
		uint8_t cbw[BOT_CBW_BYTES];
		int port;

		bot_make_cbw(&read, round, cbw);
		(void)drv_push_td(device.slot, device.bulk_in, buf.iova, 1 << 20, NULL);
		drv_endpoint_doorbell(device.slot, device.bulk_in);
		memcpy(bot.cbw.ptr, cbw, sizeof(cbw));
		(void)drv_push_td(device.slot, device.bulk_out, bot.cbw.iova, sizeof(cbw),
				  NULL);
		drv_endpoint_doorbell(device.slot, device.bulk_out);
		if (round % 2)
			assert_ok(guest_ram_unmap_zone(&f->ram, GUEST_RAM_ZONE_HIGH,
						       &f->vmm.client));
		else
			assert_ok(guest_ram_unmap(&f->ram, &f->vmm.client));
		for (unsigned i = 0; i < 100; i++)
			(void)drv_op_read(&f->drv, XOP_USBSTS);
		assert_ok(drv_reset(&f->drv));
		assert_ok(vfu_dma_unmap_all(&f->vmm.client));
		assert_ok(guest_ram_map(&f->ram, &f->vmm.client));
		assert_mended(f);
		port = drv_port_connected(&f->drv, 1);
		assert_ok(drv_enumerate(&f->drv, (unsigned)port, &device));
		bot_init(&bot, &device);
		assert_ok(bot_open(&bot));
	}
}

/* The VMM truncates the memfd behind a mapping: SIGBUS for whoever touches it. */
static void test_truncated_guest_memory(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	struct drv_event event;

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 1 << 20, 4096);
	/* the rings are in the low zone, which is first in the file */
	assert_ok(ftruncate(f->ram.fd, FUNC_ZONE_BYTES));
	{
		struct bot_command read = {
			.cdb = {0x28, 0, 0, 0, 0, 0, 0, 0, 8},
			.cdb_bytes = 10,
			.in = true,
			.length = 4096,
		};
		uint8_t cbw[BOT_CBW_BYTES];

		bot_make_cbw(&read, 1, cbw);
		assert_code(bot_send_cbw(&bot, cbw, sizeof(cbw)), XCC_SUCCESS);
		(void)drv_push_normal(device.slot, device.bulk_in, buf.iova, 4096,
				      XTRB_IOC);
		drv_endpoint_doorbell(device.slot, device.bulk_in);
		assert_true(drv_wait_transfer(&f->drv, device.slot->id, device.bulk_in, 0,
					      &event) > 0);
	}
	assert_alive(f);
	/* and the rings themselves */
	assert_ok(ftruncate(f->ram.fd, 0));
	drv_doorbell(&f->drv, 0, 0, 0);
	drv_endpoint_doorbell(device.slot, device.bulk_in);
	drv_endpoint_doorbell(device.slot, device.bulk_out);
	assert_alive(f);
	assert_ok(ftruncate(f->ram.fd, 2 * FUNC_ZONE_BYTES));
	assert_ok(vfu_dma_unmap_all(&f->vmm.client));
	assert_ok(guest_ram_map(&f->ram, &f->vmm.client));
	assert_mended(f);
}

/* Ranges the device may only read: writes must not get through (flags 1). */
static void test_read_only_memory_is_not_written(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct guest_buf buf;
	struct drv_event event;
	uint64_t data;

	func_device(f, func_stick_spec(f, "high"), &device);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 4096, 4096);
	assert_ok(guest_ram_unmap_zone(&f->ram, GUEST_RAM_ZONE_HIGH, &f->vmm.client));
	assert_ok(vfu_dma_map(&f->vmm.client, GUEST_RAM_HIGH_IOVA, FUNC_ZONE_BYTES,
			      f->ram.fd, FUNC_ZONE_BYTES, VFU_DMA_READ_FLAG));
	{
		struct drv_setup setup = {
			.request_type = USB_DIR_IN,
			.request = USB_GET_DESCRIPTOR,
			.value = USB_DESC_DEVICE << 8,
			.length = 18,
		};

		(void)drv_push_control(device.slot, &setup, buf.iova, &data);
		drv_endpoint_doorbell(device.slot, 1);
	}
	f->drv.timeout_ms = 1000;
	assert_int_not_equal(drv_wait_transfer(&f->drv, device.slot->id, 1, 0, &event),
			     XCC_SUCCESS);
	for (unsigned i = 0; i < 4096; i++)
		assert_int_equal(buf.ptr[i], 0);
	assert_mended(f);
}

/* Random TRBs on all rings, random contexts, again and again. */
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

/* Random registers with a device behind, its rings live. */
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

/* A storm of doorbells grows nothing. */
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
		FUNC_TEST(test_rings_outside_memory),
		FUNC_TEST(test_transfer_rings_outside_memory),
		FUNC_TEST(test_data_outside_memory),
		FUNC_TEST(test_remapping_under_load),
		FUNC_TEST(test_key_while_memory_is_away),
		FUNC_TEST(test_unmapping_under_load),
		FUNC_TEST(test_truncated_guest_memory),
		FUNC_TEST(test_read_only_memory_is_not_written),
		FUNC_TEST(test_garbage_rings),
		FUNC_TEST(test_garbage_registers),
		FUNC_TEST(test_doorbell_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
