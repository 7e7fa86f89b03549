/* SPDX-License-Identifier: MIT
 * test_keeper_life.c - tests of src/rules/keeper*.c: failures
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "owner.h"
#include "rules/file.h"
#include "rules/keeper_core.h"
#include "util/compiler.h"

/* --- failures --- */

static void expect_retry(uint64_t after_ns)
{
	assert_int_equal(owner_timer_ns(), after_ns);
	owner_pass_time(after_ns - 1);
	owner_expect_nothing();
	owner_pass_time(1);
	owner_expect("attach 1 1-2#3 0");
	owner_expect_nothing();
}

static void test_backing_off(void **state)
{
	uint64_t delay_ns = 20 * MS;

	(void)state;
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	owner.answer = OWNER_FAIL;
	owner.code = EACCES;
	owner_plug_key("1-2", 3);
	owner_expect("attach 1 1-2#3 0");
	owner_expect_nothing();
	owner_expect_list("backing-off 1 1-2 0 13");
	for (unsigned i = 0; i < 14; i++) {
		expect_retry(delay_ns);
		delay_ns = MIN_OF(delay_ns * 2, 30000 * MS);
	}
	assert_int_equal(owner_timer_ns(), 30000 * MS);
	/* plugging it in again resets the delay; and other errors begin slower */
	owner.code = EIO;
	owner_pull("1-2", 3);
	owner_expect_nothing();
	assert_int_equal(owner_timer_ns(), 0);
	owner_plug_key("1-2", 3);
	owner_expect("attach 1 1-2#3 0");
	owner_expect_nothing();
	expect_retry(100 * MS);
	expect_retry(200 * MS);
	owner.answer = OWNER_OK;
	owner_pass_time(400 * MS);
	owner_expect("attach 1 1-2#3 0");
	owner_expect_nothing();
	owner_expect_list("attached 1 1-2 1 0");
	assert_int_equal(owner_timer_ns(), 0);
}

/* One that fails does not keep a rule from another that matches. */
static void test_the_next_one(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "1-1", .number = 2, .device_class = 9});
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3});
	(void)owner_rule("usb:vid=1050");
	owner_expect("attach 1 1-2#3 0");
	owner_expect_nothing();
	owner_expect_list("attached 1 1-2 1 0");
}

/* Someone takes the device from us, again and again. */
static void test_taken_away(void **state)
{
	static const unsigned delays_ms[] = {100, 200, 400, 800};

	(void)state;
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	owner_plug_key("1-2", 3);
	owner_expect("attach 1 1-2#3 0");
	for (unsigned i = 0; i < ARRAY_SIZE(delays_ms); i++) {
		owner_pass_time(1 * MS);
		owner_gone(1);
		owner_expect_nothing();
		assert_int_equal(owner_timer_ns(), delays_ms[i] * MS);
		owner_pass_time(delays_ms[i] * MS);
		owner_expect("attach 1 1-2#3 1");
	}
	owner_pass_time(60000 * MS);
	owner_gone(1);
	owner_expect_nothing();
	assert_int_equal(owner_timer_ns(), 100 * MS);
}

/* A device that plugs itself in and out. */
static void test_flapping(void **state)
{
	unsigned number = 3;
	uint64_t delay_ns = 100 * MS;
	char what[32];

	(void)state;
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	for (unsigned i = 0; i < 15; i++, number++) {
		owner_plug_key("1-2", number);
		(void)snprintf(what, sizeof(what), "attach 1 1-2#%u %u", number, i > 0);
		if (i > 5) { /* the first ones had good reasons */
			owner_expect_nothing();
			assert_int_equal(owner_timer_ns(), delay_ns);
			owner_pass_time(delay_ns);
			delay_ns = MIN_OF(delay_ns * 2, 30000 * MS);
		}
		owner_expect(what);
		owner_lose("1-2", number, 1);
	}
	owner_pass_time(30000 * MS);
	owner_plug_key("1-2", number);
	(void)snprintf(what, sizeof(what), "attach 1 1-2#%u 1", number);
	owner_expect(what);
	owner_pass_time(5000 * MS);
	owner_lose("1-2", number, 1);
	owner_plug_key("1-2", ++number);
	(void)snprintf(what, sizeof(what), "attach 1 1-2#%u 1", number);
	owner_expect(what);
}

static void test_refused_until_it_is_free(void **state)
{
	char path[512];

	(void)state;
	(void)snprintf(path, sizeof(path), "/sys%s/1-2:1.0/block/sdb/dev",
		       fake_place("1-2"));
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3});
	fake_file(path, "8:16\n");
	fake_file("/proc/self/mountinfo", "1 2 8:16 / /mnt rw - vfat x rw\n");
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	owner_expect_list("refused 1 1-2 0 1");
	assert_int_equal(owner.changes, 1);
	owner_pass_time(100 * MS);
	owner_expect_nothing();
	owner_pass_time(30000 * MS);
	owner_expect_nothing();
	assert_int_equal(owner.changes, 1);
	fake_file("/proc/self/mountinfo", "");
	owner_pass_time(30000 * MS);
	owner_expect("attach 1 1-2#3 0");
	owner_expect_nothing();
	assert_int_equal(owner.changes, 2);
}

static void test_force(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3, .device_class = 9});
	(void)owner_rule("usb:vid=1050");
	(void)owner_rule("usb:vid=1050,force");
	owner_expect("attach 2 1-2#3 0");
	owner_expect_nothing();
	owner_expect_list("refused 1 1-2 0 1\nattached 2 1-2 1 0");
}

static void test_claimed_by_a_program(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3, .driver = "usbfs"});
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	owner_expect_list("backing-off 1 1-2 0 16");
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3});
	owner_pass_time(20 * MS);
	owner_expect("attach 1 1-2#3 0");
}

static void test_denied_class(void **state)
{
	(void)state;
	(void)owner_rule("usb:port=1-2,deny-class=hid");
	owner_expect_nothing();
	owner_plug(&(struct fake_device){.name = "1-2",
					 .number = 3,
					 .interfaces = {{8, 6, 80}, {3, 0, 0}},
					 .unconfigured = true});
	owner_expect_nothing();
	owner_expect_list("refused 1 1-2 0 1");
	assert_int_equal(owner_timer_ns(), 0); /* it will not change */
	owner_pull("1-2", 3);
	owner_plug(&(struct fake_device){
		.name = "1-2", .number = 4, .interfaces = {{8, 6, 80}}});
	owner_expect("attach 1 1-2#4 0");
	/* it grows a keyboard */
	owner_lose("1-2", 4, 1);
	owner_plug(&(struct fake_device){
		.name = "1-2", .number = 5, .interfaces = {{8, 6, 80}, {3, 1, 1}}});
	owner_expect_nothing();
	owner_expect_list("refused 1 1-2 1 1");
}

/* The device has been exchanged between the news and the look at it. */
static void test_exchanged(void **state)
{
	(void)state;
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	owner.answer = OWNER_FAIL;
	owner.code = EACCES;
	owner_plug_key("1-2", 3);
	owner_expect("attach 1 1-2#3 0");
	owner_expect_nothing();
	owner.answer = OWNER_OK;
	fake_plug(&(struct fake_device){.name = "1-2", .number = 4});
	owner_pass_time(20 * MS);
	owner_expect("attach 1 1-2#4 0"); /* seen without any news */
}

static bool known_is(const char *name, unsigned number)
{
	const struct known *known = keeper_find(owner.keeper, fake_place(name));

	return known && known->dev.number == number;
}

/* What an owner says of a device that has been exchanged meanwhile is not about the new one. */
static void test_exchanged_while_attaching(void **state)
{
	const struct err err = {.code = EIO, .text = "the old one"};

	(void)state;
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	owner.answer = OWNER_LATER;
	owner_plug_key("1-2", 3);
	owner_expect("attach 1 1-2#3 0");
	owner_plug_key("1-2", 4);
	while (!known_is("1-2", 4))
		owner_turn();
	owner.answer = OWNER_OK;
	keeper_attached(owner.keeper, 1, 0, &err);
	owner_expect("attach 1 1-2#4 0");
	owner_expect_nothing();
	owner_expect_list("attached 1 1-2 1 0");
}

/* ... and neither is knowledge of the old one. */
static void test_exchanged_while_checked(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3});
	(void)owner_rule("usb:vid=9999");
	owner_settle();
	owner_hold_reading();
	(void)owner_rule("usb:vid=1050");
	owner_turn();
	owner_wait_read();
	owner_plug_key("1-2", 4);
	owner_let_go();
	owner_expect("attach 2 1-2#4 0");
	owner_expect_nothing();
	owner_expect_list("waiting 1 - 0 0\nattached 2 1-2 1 0");
}

static void test_more_troubles_than_noted(void **state)
{
	char name[16];

	(void)state;
	for (unsigned i = 1; i <= 100; i++) {
		(void)snprintf(name, sizeof(name), "1-%u", i);
		fake_plug(&(struct fake_device){
			.name = name, .number = i, .device_class = 9});
	}
	fake_plug(&(struct fake_device){.name = "2-1", .number = 1});
	(void)owner_rule("usb:vid=1050");
	(void)owner_rule("usb:vid=1050,all");
	owner_expect_nothing();
	owner_pass_time(30000 * MS);
	owner_expect_nothing();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, owner_setup, owner_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_backing_off),
		TEST(test_the_next_one),
		TEST(test_taken_away),
		TEST(test_flapping),
		TEST(test_refused_until_it_is_free),
		TEST(test_force),
		TEST(test_claimed_by_a_program),
		TEST(test_denied_class),
		TEST(test_exchanged),
		TEST(test_exchanged_while_attaching),
		TEST(test_exchanged_while_checked),
		TEST(test_more_troubles_than_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
