/* SPDX-License-Identifier: MIT
 * test_memory.c - guest memory that is unmapped, mapped again, truncated or read-only
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/func/func.h"
#include "util/bytes.h"

/* Data buffers outside memory cause Data Buffer Error, Transaction Error or HSE, and no
 * more. */
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

/* The VMM unmaps RAM while transfers run and maps it again, as QEMU does for firmware. No
 * data may be lost. */
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

/* A key typed while the memory is unmapped arrives once it is mapped again. */
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
		/* after these reads the daemon has handled the keys too */
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

/* The VMM unmaps RAM under running transfers; HCRST recovers the controller. */
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

/* The VMM truncates the memfd of a mapping: accesses raise SIGBUS. */
static void test_truncated_guest_memory(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	struct drv_event event;

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 1 << 20, 4096);
	/* keep the low zone, which is first in the file and has the rings */
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
	/* now the rings too */
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

/* Writes beyond the end of a file fail the transfer and do not cost the daemon memory.
 * The range works again once the VMM maps it again. */
static void test_truncated_memory_costs_nothing(void **state)
{
	const uint64_t base = UINT64_C(1) << 40;
	const uint32_t bytes = 16u << 20;
	struct func *f = *state;
	struct drv_device device;
	struct daemon_usage before, after;
	int fd = memfd_create("big", MFD_CLOEXEC);

	func_device(f, "zero", &device);
	assert_ok(ftruncate(fd, (off_t)bytes));
	assert_ok(vfu_dma_map(&f->vmm.client, base, bytes, fd, 0, 3));
	assert_code(drv_transfer(device.slot, device.bulk_in, base, bytes, NULL),
		    XCC_SUCCESS);
	assert_ok(ftruncate(fd, 0));
	assert_ok(daemon_usage(&f->daemon, &before));
	for (unsigned i = 0; i < 3; i++) {
		assert_code(drv_transfer(device.slot, device.bulk_in, base, bytes, NULL),
			    XCC_DATA_BUFFER);
		assert_code(drv_recover(device.slot, device.bulk_in), XCC_SUCCESS);
	}
	/* a small transfer too, which the device copies in one go */
	assert_ok(vfu_dma_unmap(&f->vmm.client, base, bytes));
	assert_ok(vfu_dma_map(&f->vmm.client, base, bytes, fd, 0, 3));
	assert_code(drv_transfer(device.slot, device.bulk_in, base, 512, NULL),
		    XCC_DATA_BUFFER);
	assert_code(drv_recover(device.slot, device.bulk_in), XCC_SUCCESS);
	assert_ok(daemon_usage(&f->daemon, &after));
	/* the last access may leave one page, a huge one on some hosts */
	if (!func_is_sanitized())
		assert_in_range(after.rss_anon_kib, 0, before.rss_anon_kib + 512 + 2048);
	assert_ok(
		daemon_await_stderr(&f->daemon, "is lost: the monitor truncated", 5000));
	assert_ok(ftruncate(fd, (off_t)bytes));
	assert_ok(vfu_dma_map(&f->vmm.client, base, bytes, fd, 0, 3));
	assert_code(drv_transfer(device.slot, device.bulk_in, base, bytes, NULL),
		    XCC_SUCCESS);
	assert_running(f);
	(void)close(fd);
}

/* Ranges that the device may only read (flags 1): writes must not reach them. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_data_outside_memory),
		FUNC_TEST(test_remapping_under_load),
		FUNC_TEST(test_key_while_memory_is_away),
		FUNC_TEST(test_unmapping_under_load),
		FUNC_TEST(test_truncated_guest_memory),
		FUNC_TEST(test_truncated_memory_costs_nothing),
		FUNC_TEST(test_read_only_memory_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
