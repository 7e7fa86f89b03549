/* SPDX-License-Identifier: MIT
 * test_keeper.c - tests of src/rules/keeper*.c: which rule gets which device, and when
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
#include "rules/keeper.h"
#include "util/compiler.h"

/* --- news --- */

static void test_there_from_the_start(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "1-1", .number = 2, .vendor = 1});
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3});
	assert_string_equal(owner_rule("usb:vid=1050"), "rule-1");
	owner_expect("attach 1 1-2#3 0");
	owner_expect_nothing();
	owner_expect_list("attached 1 1-2 1 0");
	assert_int_equal(owner.quiet, 1);
	assert_int_equal(owner_timer_ns(), 0); /* nothing to wake up for */
}

/* An owner that answers only when it has been asked for everything is not waited for. */
static void test_all_is_asked_for_before_answers(void **state)
{
	(void)state;
	owner.answer = OWNER_LATER;
	fake_plug(&(struct fake_device){.name = "1-1", .number = 2});
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3});
	(void)owner_rule("usb:vid=1050,all");
	assert_int_equal(owner.asked, 0);
	owner_expect("attach 1 1-1#2 0");
	owner_expect("attach 2 1-2#3 0");
	while (owner.asked == 0)
		owner_turn();
	assert_int_equal(owner.quiet, 0);
	keeper_attached(owner.keeper, 1, 1, NULL);
	keeper_attached(owner.keeper, 2, 2, NULL);
	owner_expect_nothing();
	assert_int_equal(owner.quiet, 1);
}

static void test_comes_later_and_again(void **state)
{
	(void)state;
	(void)owner_rule("usb:vid=1050,id=key");
	owner_expect_nothing();
	owner_expect_list("waiting 1 - 0 0");
	owner_plug(&(struct fake_device){
		.name = "1-2.3", .number = 9, .unconfigured = true});
	owner_expect("attach 1 1-2.3#9 0");
	owner_expect_nothing();
	for (unsigned i = 10; i < 60; i++) {
		char what[32];

		owner_pass_time(10000 * MS);
		owner_lose("1-2.3", i - 1, 1);
		owner_expect_nothing();
		owner_expect_list("waiting 1 - 1 0");
		owner_plug_key("1-2.3", i);
		(void)snprintf(what, sizeof(what), "attach 1 1-2.3#%u 1", i);
		owner_expect(what);
		owner_expect_nothing();
	}
}

/* The owner notices first, or a new device is there before the owner has noticed. */
static void test_news_in_any_order(void **state)
{
	(void)state;
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	owner_plug_key("1-2", 3);
	owner_expect("attach 1 1-2#3 0");
	owner_gone(1);
	owner_expect_nothing();
	owner_expect_list("backing-off 1 1-2 1 16");
	owner_pull("1-2", 3);
	owner_expect_nothing();
	owner_expect_list("waiting 1 - 1 0");
	owner_plug_key("1-2", 4);
	owner_expect("attach 1 1-2#4 1");
	owner_plug_key("1-2", 5);
	owner_expect("pulled 1");
	owner_expect_nothing();
	owner_gone(1);
	owner_expect("attach 1 1-2#5 1");
	/* news about the one before does not count */
	owner_event(false, "1-2", 4);
	owner_event(true, "1-2", 5);
	owner_expect_nothing();
	owner_expect_list("attached 1 1-2 1 0");
}

static void test_messages_lost(void **state)
{
	(void)state;
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3});
	keeper_uevent(owner.keeper, NULL);
	owner_expect("attach 1 1-2#3 0");
	owner_expect_nothing();
	fake_unplug("1-2");
	fake_plug(&(struct fake_device){.name = "1-2", .number = 4});
	keeper_uevent(owner.keeper, NULL);
	keeper_uevent(owner.keeper, NULL);
	owner_expect("pulled 1");
	owner_gone(1);
	owner_expect("attach 1 1-2#4 1");
	owner_expect_nothing();
	fake_unplug("1-2");
	keeper_uevent(owner.keeper, NULL);
	owner_expect("pulled 1");
}

/* The worker has read it before the news came. */
static void test_told_while_reading(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3});
	(void)owner_rule("usb:vid=1050"); /* a scan begins */
	owner_pull("1-2", 3);
	owner_expect_nothing();
	for (unsigned i = 0; i < 20; i++) {
		owner_plug_key("1-3", 10 + i);
		owner_pull("1-3", 10 + i);
	}
	owner_plug_key("1-3", 77);
	owner_expect("attach 1 1-3#77 0");
	owner_expect_nothing();
}

/* The same, with the moment made sure, and without the guard's second look. */
static void test_gone_while_being_read(void **state)
{
	(void)state;
	(void)owner_rule("usb:vid=1050,force");
	owner_expect_nothing();
	owner_hold_reading();
	owner_plug_key("1-2", 3);
	owner_wait_read();
	owner_pull("1-2", 3);
	owner_let_go();
	owner_expect_nothing();
	owner_hold_reading();
	owner_plug_key("1-2", 4);
	owner_wait_read();
	owner_plug_key("1-2", 5);
	owner_let_go();
	owner_expect("attach 1 1-2#5 0");
	owner_expect_nothing();
}

static void test_storm(void **state)
{
	char name[16];

	(void)state;
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	fake_plug(&(struct fake_device){.name = "1-9", .number = 5});
	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof(name), "1-%u.%u", i / 100 + 10, i % 100 + 1);
		owner_event(true, name, 100);
	}
	/* too many to read one by one: a scan read all */
	owner_expect("attach 1 1-9#5 0");
	owner_expect_nothing();
}

/* --- which one --- */

static void test_five_alike_by_serial(void **state)
{
	(void)state;
	owner_plug_five();
	(void)owner_rule("usb:vid=1050,serial=D4");
	(void)owner_rule("usb:vid=1050,serial=X|B*");
	(void)owner_rule("usb:vid=1050,serial=X");
	owner_expect("attach 1 1-4#13 0");
	owner_expect("attach 2 1-2#11 0");
	owner_expect_nothing();
	owner_expect_list("attached 1 1-4 1 0\nattached 2 1-2 2 0\nwaiting 3 - 0 0");
}

static void test_five_alike_by_port(void **state)
{
	(void)state;
	owner_plug_five();
	(void)owner_rule("usb:port=1-5");
	(void)owner_rule("usb:port=1-2,pid=0407");
	(void)owner_rule("usb:port=1-2,pid=9999");
	owner_expect("attach 1 1-5#14 0");
	owner_expect("attach 2 1-2#11 0");
	owner_expect_nothing();
	/* they come back in another order, and keep their ports */
	owner_lose("1-5", 14, 1);
	owner_lose("1-2", 11, 2);
	owner_plug_key("1-2", 20);
	owner_expect("attach 2 1-2#20 2");
	owner_plug_key("1-5", 21);
	owner_expect("attach 1 1-5#21 1");
}

static void test_five_alike_by_nth(void **state)
{
	(void)state;
	owner_plug_five();
	(void)owner_rule("usb:vid=1050,nth=4");
	(void)owner_rule("usb:vid=1050,nth=1");
	(void)owner_rule("usb:vid=1050,nth=6");
	owner_expect("attach 1 1-4#13 0");
	owner_expect("attach 2 1-1#10 0");
	owner_expect_nothing();
	owner_plug_key("1-2.1", 30); /* now there is a sixth */
	owner_expect("attach 3 1-5#14 0");
}

/* A loader that comes back with other ids in the same socket. */
static void test_other_ids(void **state)
{
	(void)state;
	(void)owner_rule("usb:port=1-2");
	(void)owner_rule("usb:vid=1a6e|18d1,serial=S");
	owner_expect_nothing();
	owner_plug(&(struct fake_device){.name = "1-2", .number = 3, .vendor = 0x1a6e});
	owner_expect("attach 1 1-2#3 0");
	owner_plug(&(struct fake_device){
		.name = "1-3", .number = 4, .vendor = 0x1a6e, .serial = "S"});
	owner_expect("attach 2 1-3#4 0");
	owner_lose("1-2", 3, 1);
	owner_lose("1-3", 4, 2);
	owner_plug(&(struct fake_device){
		.name = "1-3", .number = 5, .vendor = 0x18d1, .serial = "S"});
	owner_expect("attach 2 1-3#5 2");
	owner_plug(&(struct fake_device){.name = "1-2", .number = 6, .vendor = 0x18d1});
	owner_expect("attach 1 1-2#6 1");
}

static void test_other_half_of_the_socket(void **state)
{
	(void)state;
	fake_peers("1-2", "2-4");
	(void)owner_rule("usb:port=1-2");
	owner_expect_nothing();
	owner_plug_key("1-2", 3);
	owner_expect("attach 1 1-2#3 0");
	owner_lose("1-2", 3, 1);
	owner_plug(&(struct fake_device){.name = "2-4", .number = 3, .speed = "5000"});
	owner_expect("attach 1 2-4#3 0"); /* a port of its own kind */
	owner_lose("2-4", 3, 1);
	owner_plug_key("1-2", 5);
	owner_expect("attach 1 1-2#5 1");
	owner_lose("1-2", 5, 1);
	owner_plug(&(struct fake_device){.name = "2-4", .number = 6, .speed = "5000"});
	owner_expect("attach 1 2-4#6 2");
}

/* A device that re-enumerates does not lose its place to its like. */
static void test_grace(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "1-1", .number = 2});
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3});
	(void)owner_rule("usb:vid=1050");
	owner_expect("attach 1 1-1#2 0");
	owner_pass_time(10000 * MS);
	owner_lose("1-1", 2, 1);
	owner_expect_nothing();
	owner_pass_time(1900 * MS);
	owner_expect_nothing();
	owner_plug_key("1-1", 4);
	owner_expect("attach 1 1-1#4 1");
	owner_pass_time(10000 * MS);
	/* one that does not come back */
	owner_lose("1-1", 4, 1);
	owner_expect_nothing();
	assert_int_equal(owner_timer_ns(), KEEPER_GRACE_NS);
	owner_pass_time(KEEPER_GRACE_NS);
	owner_expect("attach 1 1-2#3 1");
	owner_pass_time(10000 * MS);
	/* one that comes new may be the same in another socket */
	owner_plug_key("1-4", 5);
	owner_expect_nothing();
	owner_lose("1-2", 3, 1);
	owner_pass_time(1 * MS);
	owner_plug_key("1-5", 6);
	owner_expect("attach 1 1-5#6 1");
}

static void test_last_socket_first(void **state)
{
	(void)state;
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	owner_plug_key("1-2", 3);
	owner_expect("attach 1 1-2#3 0");
	owner_lose("1-2", 3, 1);
	owner_pass_time(10000 * MS);
	owner_expect_nothing();
	fake_plug(&(struct fake_device){.name = "1-1", .number = 4});
	fake_plug(&(struct fake_device){.name = "1-2", .number = 5});
	keeper_uevent(owner.keeper, NULL);
	owner_expect("attach 1 1-2#5 1");
}

static void test_first_rule_wins(void **state)
{
	(void)state;
	(void)owner_rule("usb:vid=1050,pid=0407");
	(void)owner_rule("usb:any");
	owner_expect_nothing();
	owner_plug_key("1-2", 3);
	owner_expect("attach 1 1-2#3 0");
	owner_expect_nothing();
	/* also if it comes back before its owner has noticed */
	owner_plug_key("1-2", 4);
	owner_expect("pulled 1");
	owner_expect_nothing();
	owner_gone(1);
	owner_expect("attach 1 1-2#4 1");
	owner_plug_key("1-3", 5);
	owner_expect("attach 2 1-3#5 0");
	owner_expect_nothing();
}

static void test_failing_first_rule(void **state)
{
	(void)state;
	(void)owner_rule("usb:vid=1050,id=a");
	(void)owner_rule("usb:vid=1050,id=b");
	owner_expect_nothing();
	owner.answer = OWNER_FAIL;
	owner.code = EACCES;
	owner_plug_key("1-2", 3);
	owner_expect("attach 1 1-2#3 0");
	owner_expect_nothing(); /* the second one does not get it meanwhile */
	owner.answer = OWNER_OK;
	owner_pass_time(20 * MS);
	owner_expect("attach 1 1-2#3 0");
}

static void test_taken_without_a_rule(void **state)
{
	(void)state;
	owner.taken = fake_place("1-2");
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3});
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	owner_expect_list("waiting 1 - 0 0");
	owner.taken = NULL;
	keeper_recheck(owner.keeper);
	owner_expect("attach 1 1-2#3 0");
}

static void test_all(void **state)
{
	(void)state;
	owner_plug_five();
	(void)owner_rule("usb:vid=1050,serial=A*|C*|E*,all");
	owner_expect("attach 1 1-1#10 0");
	owner_expect("attach 2 1-3#12 0");
	owner_expect("attach 3 1-5#14 0");
	owner_expect_nothing();
	owner_expect_list("attached 1 1-1 1 0\nattached 2 1-3 2 0\nattached 3 1-5 3 0");
	owner_lose("1-3", 12, 2);
	owner_lose("1-1", 10, 1);
	owner_plug(&(struct fake_device){.name = "1-3", .number = 20, .serial = "C3"});
	owner_expect("attach 2 1-3#20 2");
	owner_plug(&(struct fake_device){.name = "1-1", .number = 21, .serial = "A1"});
	owner_expect("attach 1 1-1#21 1");
	/* the owner hears of refused ones as well */
	owner_plug(&(struct fake_device){
		.name = "1-9", .number = 22, .serial = "A2", .device_class = 9});
	owner_expect_nothing();
	owner_expect_list("attached 1 1-1 1 0\nattached 2 1-3 2 0\nattached 3 1-5 3 0\n"
			  "refused 0 1-9 0 1");
}

static void test_all_has_an_end(void **state)
{
	char name[16];
	char what[32];

	(void)state;
	for (unsigned i = 1; i <= KEEPER_HOLDERS_MAX + 5; i++) {
		(void)snprintf(name, sizeof(name), "1-%u", i);
		fake_plug(&(struct fake_device){.name = name, .number = i});
	}
	(void)owner_rule("usb:any,all");
	for (unsigned i = 1; i <= KEEPER_HOLDERS_MAX; i++) {
		(void)snprintf(what, sizeof(what), "attach %u 1-%u#%u 0", i, i, i);
		owner_expect(what);
	}
	owner_expect_nothing();
	owner_lose("1-7", 7, 7);
	owner_pass_time(KEEPER_GRACE_NS);
	owner_expect("attach 7 1-32#32 7");
	owner_expect_nothing();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, owner_setup, owner_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_there_from_the_start),
		TEST(test_all_is_asked_for_before_answers),
		TEST(test_comes_later_and_again),
		TEST(test_news_in_any_order),
		TEST(test_messages_lost),
		TEST(test_told_while_reading),
		TEST(test_gone_while_being_read),
		TEST(test_storm),
		TEST(test_five_alike_by_serial),
		TEST(test_five_alike_by_port),
		TEST(test_five_alike_by_nth),
		TEST(test_other_ids),
		TEST(test_other_half_of_the_socket),
		TEST(test_grace),
		TEST(test_last_socket_first),
		TEST(test_first_rule_wins),
		TEST(test_failing_first_rule),
		TEST(test_taken_without_a_rule),
		TEST(test_all),
		TEST(test_all_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
