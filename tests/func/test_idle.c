/* SPDX-License-Identifier: MIT
 * test_idle.c - cost of the idle daemon, and size of its log after a flood
 *
 * These tests let time pass because they measure it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tests/func/func.h"

#define IDLE_MS     2000
#define RSS_KIB_MAX 8192u

static void assert_no_wakeups(struct func *f)
{
	struct daemon_usage before;
	struct daemon_usage after;

	assert_alive(f);
	assert_ok(daemon_await_idle(&f->daemon, IDLE_MS, &before, &after));
}

static void test_no_wakeups_without_a_client(void **state)
{
	struct func *f = *state;

	func_start(f, func_stick_spec(f, "high"), func_keyboard_spec(f, "high"), NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_disconnect(f);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_no_wakeups(f);
}

/* A keyboard with pending transfers, an idle stick, a running controller. */
static void test_no_wakeups_with_a_keyboard_waiting(void **state)
{
	struct func *f = *state;
	struct drv_options options = {.imod = 4000};
	struct drv_device device;
	struct hid hid;

	func_start(f, func_keyboard_spec(f, "high"), func_stick_spec(f, "super"), NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, &options);
	func_find(f, 3, &device);
	assert_ok(hid_init(&hid, &device));
	hid_queue(&hid, 4);
	assert_commands_work(f);
	assert_no_wakeups(f);
}

static void test_no_wakeups_after_work(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 1 << 20, 4096);
	for (unsigned i = 0; i < 10; i++)
		assert_ok(bot_read(&bot, 0, 2048, buf.iova, 65536, 8));
	assert_no_wakeups(f);
}

/* The mapped guest RAM does not count. */
static void test_resident_memory(void **state)
{
	struct func *f = *state;
	struct daemon_usage usage;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;

	if (func_is_sanitized() || getenv("FUNC_WRAPPED")) {
		/* cmocka's skip() is "not ok" in TAP */
		print_message("# not measured: a sanitizer or wrapper has memory too\n");
		return;
	}
	func_stick(f, "super", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 1 << 20, 4096);
	for (unsigned i = 0; i < 10; i++) {
		assert_ok(bot_read(&bot, 0, 2048, buf.iova, 65536, 32));
		assert_ok(bot_write(&bot, 0, 2048, buf.iova, 65536, 32));
	}
	assert_ok(daemon_usage(&f->daemon, &usage));
	print_message("# resident: %lu KiB of its own, %lu KiB of files\n",
		      (unsigned long)usage.rss_anon_kib,
		      (unsigned long)usage.rss_file_kib);
	assert_in_range(usage.rss_anon_kib + usage.rss_file_kib, 1, RSS_KIB_MAX);
}

/* Many wrong requests of guest and VMM: the log stays readable. */
static void test_flood_leaves_a_short_log(void **state)
{
	struct func *f = *state;
	struct vfu_client *c;
	uint8_t junk[64] = {0};

	func_start(f, func_stick_spec(f, "high"), NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	c = &f->vmm.client;
	for (unsigned i = 0; i < 5000; i++) {
		assert_ok(vfu_region_post(c, VFU_REGION_BAR0, UINT64_MAX - i, junk, 4));
		assert_ok(vfu_region_post(c, 77, 0, junk, 4));
		assert_ok(vfu_send(c, (uint16_t)(100 + i), VFU_FLAG_NO_REPLY, junk,
				   i % 64, NULL, 0));
		drv_doorbell(&f->drv, i % 256, i % 50, 0);
		(void)drv_command_push(&f->drv, (struct drv_trb){
							.parameter = i,
							.control = XTRB_TYPE(i % 64),
						});
		if (i % 50 == 49) {
			drv_doorbell(&f->drv, 0, 0, 0);
			drv_op_write(&f->drv, XOP_USBCMD, XCMD_HCRST);
			assert_alive(f);
			drv_setup(&f->drv);
			assert_ok(drv_run(&f->drv));
		}
	}
	assert_alive(f);
	assert_log_bounded(f);
}

static void test_many_bad_connections_leave_a_short_log(void **state)
{
	struct func *f = *state;

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	func_disconnect(f);
	for (unsigned i = 0; i < 1000; i++) {
		struct vfu_client c;

		assert_ok(vfu_connect(&c, f->daemon.socket, VFU_DIALECT_QEMU));
		if (i % 2)
			assert_ok(vfu_send_bytes(&c, "0123456789abcdef", 16, NULL, 0));
		vfu_close(&c);
	}
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
	assert_log_bounded(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_no_wakeups_without_a_client),
		FUNC_TEST(test_no_wakeups_with_a_keyboard_waiting),
		FUNC_TEST(test_no_wakeups_after_work),
		FUNC_TEST(test_resident_memory),
		FUNC_TEST(test_flood_leaves_a_short_log),
		FUNC_TEST(test_many_bad_connections_leave_a_short_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
