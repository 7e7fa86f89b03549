/* SPDX-License-Identifier: MIT
 * test_keeper_held.c - tests of src/rules/keeper*.c: what the owner has from before
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "owner.h"
#include "rules/keeper.h"

static void plug_used(const char *name, unsigned number)
{
	fake_plug(
		&(struct fake_device){.name = name, .number = number, .driver = "usbfs"});
}

/* It is claimed: by the owner. */
static void test_is_not_looked_at(void **state)
{
	(void)state;
	owner.held = "1-2";
	plug_used("1-2", 3);
	(void)owner_rule("usb:vid=1050");
	owner_expect("attach 1 1-2#3 0");
	owner_expect_nothing();
	owner_expect_list("attached 1 1-2 1 0");
}

static void test_is_chosen_first(void **state)
{
	(void)state;
	owner.held = "1-3";
	fake_plug(&(struct fake_device){.name = "1-1", .number = 2});
	plug_used("1-3", 4);
	(void)owner_rule("usb:vid=1050");
	owner_expect("attach 1 1-3#4 0");
	owner_expect_nothing();
}

/* Of a rule for all each has its holder anyway. */
static void test_all(void **state)
{
	(void)state;
	owner.held = "1-3";
	fake_plug(&(struct fake_device){.name = "1-1", .number = 2});
	plug_used("1-3", 4);
	(void)owner_rule("usb:vid=1050,all");
	owner_expect("attach 2 1-3#4 0");
	owner_expect("attach 1 1-1#2 0");
	owner_expect_nothing();
}

/* The owner learns late which device it has: no delay is left from before. */
static void test_known_late(void **state)
{
	(void)state;
	plug_used("1-2", 3);
	(void)owner_rule("usb:vid=1050");
	owner_expect_nothing();
	owner_expect_list("backing-off 1 1-2 0 16");
	owner.held = "1-2";
	keeper_recheck(owner.keeper);
	owner_expect("attach 1 1-2#3 0");
	owner_expect_nothing();
	owner_expect_list("attached 1 1-2 1 0");
}

/* ... while the guard already checks another one. */
static void test_known_while_another_is_checked(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "1-1", .number = 2});
	plug_used("1-3", 4);
	(void)owner_rule("usb:vid=9999");
	owner_settle();
	owner_hold_reading();
	(void)owner_rule("usb:vid=1050");
	owner_turn();
	owner_wait_read();
	owner.held = "1-3";
	owner_let_go();
	owner_expect("attach 2 1-3#4 0");
	owner_expect_nothing();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, owner_setup, owner_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_is_not_looked_at),
		TEST(test_is_chosen_first),
		TEST(test_all),
		TEST(test_known_late),
		TEST(test_known_while_another_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
