/* SPDX-License-Identifier: MIT
 * test_keeper_rules.c - tests of src/rules/keeper*.c: rules that come and go, odd owners
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

/* --- rules come and go --- */

static void test_remove(void **state)
{
	struct err err;

	(void)state;
	(void)owner_rule("usb:vid=1050,id=a");
	owner_expect_nothing();
	owner_plug_key("1-2", 3);
	owner_expect("attach 1 1-2#3 0");
	assert_int_equal(keeper_remove(owner.keeper, "b", &err), -ENOENT);
	assert_int_equal(keeper_remove(owner.keeper, "a", &err), 0);
	assert_int_equal(keeper_remove(owner.keeper, "a", &err), -ENOENT);
	assert_int_equal(keeper_rule_count(owner.keeper), 0);
	owner_expect("detach 1");
	owner_expect_list("detaching 1 1-2 1 0");
	/* the name is free, the device not yet */
	(void)owner_rule("usb:vid=1050,id=a");
	keeper_gone(owner.keeper, 1, KEEPER_END_DETACHED);
	owner_expect("attach 2 1-2#3 0");
	owner_expect_nothing();
	owner_expect_list("attached 2 1-2 2 0");
	owner.detach_at_once = true;
	assert_int_equal(keeper_remove(owner.keeper, "a", &err), 0);
	owner_expect("detach 2");
	owner_expect_nothing();
	owner_expect_list("");
	/* without rules the keeper reads nothing */
	owner_plug_key("1-3", 4);
	owner_expect_nothing();
	(void)owner_rule("usb:port=1-3");
	owner_expect("attach 3 1-3#4 0");
}

static void test_remove_while_attaching(void **state)
{
	struct err err = {.code = EIO, .text = "x"};

	(void)state;
	owner.answer = OWNER_LATER;
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3});
	(void)owner_rule("usb:vid=1050,id=a");
	owner_expect("attach 1 1-2#3 0");
	owner_expect_list("attaching 1 1-2 0 0");
	assert_int_equal(keeper_remove(owner.keeper, "a", &err), 0);
	keeper_attached(owner.keeper, 1, 1, NULL);
	owner_expect("detach 1");
	keeper_gone(owner.keeper, 1, KEEPER_END_DETACHED);
	owner_expect_nothing();
	owner_expect_list("");
	(void)owner_rule("usb:vid=1050,id=a");
	owner_expect("attach 2 1-2#3 0");
	assert_int_equal(keeper_remove(owner.keeper, "a", &err), 0);
	keeper_attached(owner.keeper, 2, 0, &err);
	owner_expect_nothing();
	/* while the guard looks at it */
	for (unsigned i = 0; i < 20; i++) {
		(void)owner_rule("usb:vid=1050,id=a");
		for (unsigned k = 0; k < i / 4; k++)
			owner_turn();
		assert_int_equal(keeper_remove(owner.keeper, "a", &err), 0);
		owner.answer = OWNER_OK;
		owner.detach_at_once = true;
		owner_settle();
		owner_expect_list("");
	}
}

static void test_pulled_while_attaching(void **state)
{
	struct err err = {.code = ENODEV, .text = "x"};

	(void)state;
	owner.answer = OWNER_LATER;
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	owner_plug_key("1-2", 3);
	owner_expect("attach 1 1-2#3 0");
	owner_pull("1-2", 3);
	keeper_attached(owner.keeper, 1, 0, &err);
	owner_expect_nothing();
	owner_expect_list("waiting 1 - 0 0");
	owner_plug_key("1-2", 4);
	owner_expect("attach 1 1-2#4 0");
	owner_pull("1-2", 4);
	keeper_attached(owner.keeper, 1, 7, NULL);
	owner_expect("pulled 1");
	owner_gone(1);
	owner_plug_key("1-2", 5);
	owner_expect("attach 1 1-2#5 7");
	/* the one that is there now has not failed */
	owner_plug_key("1-2", 6);
	keeper_attached(owner.keeper, 1, 0, &err);
	owner_expect("attach 1 1-2#6 7");
	keeper_attached(owner.keeper, 1, 7, NULL);
}

static void test_by_hand(void **state)
{
	(void)state;
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	owner_plug_key("1-2", 3);
	owner_expect("attach 1 1-2#3 0");
	keeper_gone(owner.keeper, 1, KEEPER_END_BY_HAND);
	owner_expect_nothing();
	owner_expect_list("refused 1 1-2 1 125");
	assert_int_equal(owner_timer_ns(), 0);
	owner_pull("1-2", 3);
	owner_plug_key("1-2", 4);
	owner_expect("attach 1 1-2#4 1");
}

static void test_names(void **state)
{
	struct rule rule;
	struct err err;

	(void)state;
	assert_string_equal(owner_rule("usb:vid=1,id=rule-1"), "rule-1");
	assert_string_equal(owner_rule("usb:vid=1"), "rule-2");
	assert_int_equal(rule_parse(&rule, "usb:vid=2,id=rule-2", &err), 0);
	assert_int_equal(
		keeper_add(owner.keeper, &rule, KEEPER_ORIGIN_CONTROL, NULL, &err),
		-EEXIST);
	assert_int_equal(err.code, EEXIST);
	rule.id[0] = '\0';
	for (unsigned i = 2; i < KEEPER_RULES_MAX; i++)
		assert_int_equal(keeper_add(owner.keeper, &rule, KEEPER_ORIGIN_CONTROL,
					    NULL, &err),
				 0);
	assert_int_equal(
		keeper_add(owner.keeper, &rule, KEEPER_ORIGIN_CONTROL, NULL, &err),
		-E2BIG);
	/* more rules than fit in a turn: the last one gets its device */
	assert_int_equal(keeper_remove(owner.keeper, "rule-9", &err), 0);
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	owner_plug_key("1-2", 3);
	owner_expect("attach 513 1-2#3 0");
}

static int replace(const char *text)
{
	struct rule_list list;
	struct err err = {0};
	int r;

	if (rules_file_parse("f", text, strlen(text), &list, &err) < 0)
		fail_msg("%s", err.text);
	r = keeper_replace(owner.keeper, &list, KEEPER_ORIGIN_FILE, &err);
	assert_int_equal(r, -err.code);
	rule_list_finish(&list);
	return r;
}

static void test_replace(void **state)
{
	(void)state;
	owner_plug_five();
	(void)owner_rule("usb:port=1-5,id=mine");
	owner_expect("attach 1 1-5#14 0");
	assert_int_equal(replace("port=1-1\nport=1-2,id=two\nport=1-3"), 0);
	owner_expect("attach 2 1-1#10 0");
	owner_expect("attach 3 1-2#11 0");
	owner_expect("attach 4 1-3#12 0");
	owner_expect_nothing();
	/* one goes, one changes, one stays, one is new */
	owner.detach_at_once = true;
	assert_int_equal(replace("port=1-3\nport=1-4\nport=1-2,id=two,reset=never"), 0);
	owner_expect("detach 2");
	owner_expect("detach 3");
	owner_expect("attach 5 1-4#13 0");
	owner_expect("attach 6 1-2#11 0");
	owner_expect_nothing();
	owner_expect_list("attached 1 1-5 1 0\nattached 4 1-3 4 0\nattached 5 1-4 5 0\n"
			  "attached 6 1-2 6 0");
	/* nothing happens if one cannot be */
	assert_int_equal(replace("port=1-1\nport=1-2,id=mine"), -EEXIST);
	owner_expect_nothing();
	assert_int_equal(keeper_rule_count(owner.keeper), 4);
	assert_int_equal(replace(""), 0);
	owner_expect("detach 4");
	owner_expect("detach 5");
	owner_expect("detach 6");
	owner_expect_nothing();
	owner_expect_list("attached 1 1-5 1 0");
}

/* --- odd owners --- */

static void remove_it(void)
{
	struct err err;

	owner.in_attach = NULL;
	assert_int_equal(keeper_remove(owner.keeper, "a", &err), 0);
	(void)owner_rule("usb:port=1-3,id=b");
	keeper_gone(owner.keeper, 1, KEEPER_END_PULLED); /* it is not attached */
	keeper_gone(owner.keeper, 99, KEEPER_END_PULLED);
	keeper_attached(owner.keeper, 99, 1, NULL);
	keeper_recheck(owner.keeper);
}

static void test_calls_in_callbacks(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3});
	fake_plug(&(struct fake_device){.name = "1-3", .number = 4});
	owner.in_attach = remove_it;
	owner.detach_at_once = true;
	(void)owner_rule("usb:port=1-2,id=a");
	owner_expect("attach 1 1-2#3 0");
	owner_expect("detach 1");
	owner_expect("attach 2 1-3#4 0");
	owner_expect_nothing();
	owner_expect_list("attached 2 1-3 2 0");
}

static void test_stop(void **state)
{
	(void)state;
	owner.answer = OWNER_LATER;
	fake_plug(&(struct fake_device){.name = "1-2", .number = 3});
	(void)owner_rule("usb:vid=1050");
	owner_expect("attach 1 1-2#3 0");
	keeper_stop(owner.keeper);
	assert_false(keeper_is_quiet(owner.keeper));
	owner_plug_key("1-3", 4);
	keeper_attached(owner.keeper, 1, 1, NULL);
	owner_expect_nothing();
	assert_int_equal(owner_timer_ns(), 0);
	owner_gone(1);
	owner_expect_nothing();
}

static void test_destroy_at_any_time(void **state)
{
	for (unsigned i = 0; i < 12; i++) {
		assert_int_equal(owner_teardown(state), 0);
		assert_int_equal(owner_setup(state), 0);
		owner_plug_five();
		(void)owner_rule("usb:any,all");
		owner_plug_key("1-7", 30);
		for (unsigned k = 0; k < i / 2; k++)
			owner_turn();
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, owner_setup, owner_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_remove),
		TEST(test_remove_while_attaching),
		TEST(test_pulled_while_attaching),
		TEST(test_by_hand),
		TEST(test_names),
		TEST(test_replace),
		TEST(test_calls_in_callbacks),
		TEST(test_stop),
		TEST(test_destroy_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
