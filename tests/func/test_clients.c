/* SPDX-License-Identifier: MIT
 * test_clients.c - clients that connect, disconnect and reconnect; the state the device
 * keeps
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "tests/func/func.h"
#include "util/bytes.h"

#define USAGE_A 4
#define FILLER  0x5a

/* The original exited with its client, so at every guest reboot. */
static void test_one_after_the_other(void **state)
{
	struct func *f = *state;
	int fds = 0;

	func_start(f, NULL, NULL);
	for (unsigned i = 0; i < 50; i++) {
		func_connect(f, i % 2 ? VFU_DIALECT_CH : VFU_DIALECT_QEMU);
		assert_alive(f);
		if (i == 1)
			fds = daemon_fd_count(&f->daemon);
		if (i > 1)
			assert_int_equal(daemon_fd_count(&f->daemon), fds);
		func_disconnect(f);
	}
}

/* A new guest finds the controller in its power-on state and its devices newly
 * connected. */
static void test_reboot_is_a_fresh_start(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;

	func_start(f, func_stick_spec(f, "high"), NULL);
	for (unsigned i = 0; i < 5; i++) {
		func_boot(f, i % 2 ? VFU_DIALECT_CH : VFU_DIALECT_QEMU);
		assert_ok(drv_init(&f->drv, &f->vmm, &f->ram, NULL));
		f->driving = true;
		assert_int_equal(drv_op_read(&f->drv, XOP_USBCMD), 0);
		assert_int_equal(drv_op_read(&f->drv, XOP_USBSTS) & ~XSTS_PCD, XSTS_HCH);
		assert_int_equal(drv_op_read(&f->drv, XOP_CONFIG), 0);
		drv_finish(&f->drv);
		f->driving = false;
		func_drive(f, NULL);
		func_find(f, 8, &device);
		bot_init(&bot, &device);
		assert_ok(bot_open(&bot));
		buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 4096, 64);
		assert_ok(bot_read(&bot, i, 1, buf.iova, 0, 0));
		assert_int_equal(get_le32(buf.ptr), i);
		func_disconnect(f);
	}
}

/* The connection closes during a transfer. */
static void test_disconnect_under_load(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;

	func_start(f, func_stick_spec(f, "super"), NULL);
	for (unsigned i = 0; i < 10; i++) {
		struct bot_command read = {
			.cdb = {0x28, 0, 0, 0, 0, 0, 0, 8, 0},
			.cdb_bytes = 10,
			.in = true,
			.length = 1 << 20,
		};
		struct guest_buf buf;

		func_boot(f, VFU_DIALECT_QEMU);
		func_drive(f, NULL);
		func_find(f, 8, &device);
		bot_init(&bot, &device);
		assert_ok(bot_open(&bot));
		buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 1 << 20, 65536);
		bot_make_cbw(&read, 5, bot.cbw.ptr);
		(void)drv_push_td(device.slot, device.bulk_out, bot.cbw.iova,
				  BOT_CBW_BYTES, NULL);
		(void)drv_push_td(device.slot, device.bulk_in, buf.iova, 1 << 20, NULL);
		drv_endpoint_doorbell(device.slot, device.bulk_in);
		drv_endpoint_doorbell(device.slot, device.bulk_out);
		if (i % 2)
			(void)drv_op_read(&f->drv, XOP_USBSTS);
		func_disconnect(f);
		/* the daemon must not write old transfers into the next guest's memory */
		guest_ram_finish(&f->ram);
		assert_ok(guest_ram_init(&f->ram, FUNC_ZONE_BYTES));
	}
}

/* Transfers that were pending at the disconnect never write into the next guest's memory,
 * not even before its driver starts. */
static void test_memory_of_the_next_guest(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	int fd;

	func_start(f, func_keyboard_spec(f, "high"), NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	func_find(f, 3, &device);
	assert_ok(hid_init(&hid, &device));
	hid_queue(&hid, 4);
	assert_commands_work(f);
	func_disconnect(f);

	guest_ram_finish(&f->ram);
	assert_ok(guest_ram_init(&f->ram, FUNC_ZONE_BYTES));
	memset(f->ram.base, FILLER, f->ram.size_bytes);
	fd = daemon_connect(&f->daemon);
	assert_true(fd >= 0);
	assert_ok(vmm_hand_over_memory(&f->vmm, fd, &f->ram));
	func_type(f, "a"); /* transfers of the old guest waited for it */
	(void)poll(NULL, 0, DRV_QUIET_MS);
	for (uint64_t i = 0; i < f->ram.size_bytes; i++)
		if (f->ram.base[i] != FILLER)
			fail_msg("byte %llu of the memory was written",
				 (unsigned long long)i);
	vmm_finish(&f->vmm);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	func_find(f, 3, &device);
}

/* Reconnects as a VMM that restores the same guest: the guest's driver does not
 * notice. */
static void restore(struct func *f)
{
	int fd;

	vfu_close(&f->vmm.client);
	fd = daemon_connect(&f->daemon);
	assert_true(fd >= 0);
	for (unsigned i = 0; i < VMM_VECTORS_MAX; i++)
		if (f->vmm.irq_fds[i] >= 0)
			(void)close(f->vmm.irq_fds[i]);
	assert_ok(vmm_restore(&f->vmm, fd, VFU_DIALECT_CH, &f->ram));
	assert_ok(vmm_enable_msix(&f->vmm, f->drv.options.interrupters));
}

/* The device keeps its state: pending transfers continue. */
static void test_restored_guest_goes_on(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	uint8_t report[HID_REPORT_BYTES];

	func_start(f, func_keyboard_spec(f, "high"), NULL);
	func_boot(f, VFU_DIALECT_CH);
	func_drive(f, NULL);
	func_find(f, 3, &device);
	assert_ok(hid_init(&hid, &device));
	hid_queue(&hid, 4);
	assert_commands_work(f);
	for (unsigned i = 0; i < 3; i++) {
		restore(f);
		assert_running(f);
		assert_int_equal(drv_slot_state(device.slot), XSLOT_STATE_CONFIGURED);
		assert_commands_work(f);
		func_type(f, "a");
		do {
			assert_code(hid_wait(&hid, report, DRV_TIMEOUT_MS), XCC_SUCCESS);
			hid_queue(&hid, 1);
		} while (report[2] == 0);
		assert_int_equal(report[2], USAGE_A);
	}
}

/* A key pressed while no client is connected arrives once the guest is back. */
static void test_event_while_disconnected(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;
	uint8_t report[HID_REPORT_BYTES];

	func_start(f, func_keyboard_spec(f, "high"), NULL);
	func_boot(f, VFU_DIALECT_CH);
	func_drive(f, NULL);
	func_find(f, 3, &device);
	assert_ok(hid_init(&hid, &device));
	hid_queue(&hid, 4);
	assert_commands_work(f);
	vfu_close(&f->vmm.client);
	func_type(f, "a");
	restore(f);
	do {
		assert_code(hid_wait(&hid, report, DRV_TIMEOUT_MS), XCC_SUCCESS);
	} while (report[2] == 0);
	assert_int_equal(report[2], USAGE_A);
}

/* The daemon accepts or refuses a second client at once; the first one keeps working. */
static void test_second_client(void **state)
{
	struct func *f = *state;
	struct vfu_client second;
	struct drv_device device;
	struct hid hid;
	uint8_t report[HID_REPORT_BYTES];
	int r;

	func_keyboard(f, &device, &hid);
	hid_queue(&hid, 4);
	for (unsigned i = 0; i < 10; i++) {
		assert_ok(vfu_connect(&second, f->daemon.socket, VFU_DIALECT_QEMU));
		r = vfu_version(&second);
		assert_true(r != -ETIMEDOUT);
		if (r < 0)
			assert_ok(vfu_wait_closed(&second));
		vfu_close(&second);
		assert_commands_work(f);
	}
	func_type(f, "a");
	do {
		assert_code(hid_wait(&hid, report, DRV_TIMEOUT_MS), XCC_SUCCESS);
	} while (report[2] == 0);
	assert_int_equal(report[2], USAGE_A);
}

/* Any number of silent connections does not delay other clients. */
static void test_silent_connections(void **state)
{
	struct func *f = *state;
	struct vfu_client silent[40];

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	func_disconnect(f);
	for (unsigned i = 0; i < ARRAY_SIZE(silent); i++)
		assert_ok(vfu_connect(&silent[i], f->daemon.socket, VFU_DIALECT_QEMU));
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
	for (unsigned i = 0; i < ARRAY_SIZE(silent); i++)
		vfu_close(&silent[i]);
	assert_alive(f);
}

/* DEVICE_RESET with everything running leads to the power-on state. */
static void test_device_reset_under_load(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;

	func_start(f, func_keyboard_spec(f, "full"), NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	for (unsigned i = 0; i < 5; i++) {
		func_drive(f, NULL);
		func_find(f, 3, &device);
		assert_ok(hid_init(&hid, &device));
		hid_queue(&hid, 4);
		assert_ok(vmm_disable_irqs(&f->vmm));
		assert_ok(vfu_device_reset(&f->vmm.client));
		assert_int_equal(drv_op_read(&f->drv, XOP_USBCMD), 0);
		assert_int_equal(drv_op_read(&f->drv, XOP_DNCTRL), 0);
		drv_finish(&f->drv);
		f->driving = false;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_one_after_the_other),
		FUNC_TEST(test_reboot_is_a_fresh_start),
		FUNC_TEST(test_disconnect_under_load),
		FUNC_TEST(test_memory_of_the_next_guest),
		FUNC_TEST(test_restored_guest_goes_on),
		FUNC_TEST(test_event_while_disconnected),
		FUNC_TEST(test_second_client),
		FUNC_TEST(test_silent_connections),
		FUNC_TEST(test_device_reset_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
