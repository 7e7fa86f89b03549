/* SPDX-License-Identifier: MIT
 * test_agent_found.c - tests of src/agent: devices that the daemon has already
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agented.h"
#include "util/compiler.h"

/* --- devices that are attached already --- */

/* In use by a program, which is the daemon. */
static void plug_used(unsigned number)
{
	agented_plug(number);
	fake_plug(&(struct fake_device){
		.name = "3-2", .number = number, .driver = "usbfs"});
}

static void test_takes_over(void **state)
{
	(void)state;
	agented_has("17", 7);
	plug_used(7);
	agented_start();
	agented_add("usb:vid=1050,id=key");
	AWAIT(agented_state() == KEEPER_STATE_ATTACHED);
	agented_expect_port(4);
	assert_int_equal(agented.attached, 0);
	/* from then on it is as any other */
	fake_unplug("3-2");
	agented_hear(false, 7);
	AWAIT(agented.detached == 1 && agented_state() == KEEPER_STATE_WAITING);
	assert_string_equal(agented.target, "17");
	agented.devices = 0;
	agented_plug(8);
	agented_hear(true, 8);
	AWAIT(agented.attached == 1 && agented_state() == KEEPER_STATE_ATTACHED);
	assert_int_equal(agented.port_wanted, 4);
}

/* It was there before the daemon answered, and was refused. */
static void test_takes_over_what_seemed_in_use(void **state)
{
	(void)state;
	agented_end_server();
	plug_used(7);
	agented_start();
	agented_add("usb:vid=1050,id=key");
	AWAIT(agented_state() == KEEPER_STATE_BACKING_OFF);
	agented_has("17", 7);
	agented_serve();
	AWAIT(agented_state() == KEEPER_STATE_ATTACHED);
	assert_int_equal(agented.attached, 0);
}

/* A rule for one device has that, not the first that matches. */
static void test_takes_over_the_right_one(void **state)
{
	(void)state;
	agented_has("17", 7);
	fake_plug(&(struct fake_device){.name = "3-1", .number = 3});
	fake_file("/dev/bus/usb/003/003", "");
	plug_used(7);
	agented_start();
	agented_add("usb:vid=1050,id=key");
	AWAIT(agented_state() == KEEPER_STATE_ATTACHED);
	agented_expect_port(4);
	assert_int_equal(agented.attached, 0);
}

/* The connection broke, the daemon is the same. */
static void test_takes_over_its_own(void **state)
{
	(void)state;
	agented_plug(7);
	agented_hear(true, 7);
	AWAIT(agented_state() == KEEPER_STATE_ATTACHED);
	agented_has("1", 7);
	agented.device.port = 5;
	fake_plug(&(struct fake_device){.name = "3-2", .number = 7, .driver = "usbfs"});
	agented_end_server();
	AWAIT(agented_state() != KEEPER_STATE_ATTACHED);
	agented_serve();
	AWAIT(agented_state() == KEEPER_STATE_ATTACHED);
	assert_int_equal(agented.attached, 1);
	assert_int_equal(agented.listed, 2);
	agented_expect_port(5);
}

static void other_rule(void)
{
	agented.device.rule = "key2";
}

static void no_rule(void)
{
	agented.device.rule = NULL;
}

static void other_place(void)
{
	agented.device.place = "3-2.1";
}

static void other_number(void)
{
	agented.device.address = 6;
}

static void leaving(void)
{
	agented.device.state = "leaving";
}

static void no_port(void)
{
	agented.device.port = 0;
}

/* More than the agent has room for. */
static const char lengthy[] =
	"keykeykeykeykeykeykeykeykeykeykeykeykeykeykeykeykeykeykeykey"
	"keykeykeykeykeykeykeykeykeykeykeykeykeykeykeykeykeykeykeykey";

static void long_id(void)
{
	agented.device.id = lengthy;
}

static void long_rule(void)
{
	agented.device.rule = lengthy;
}

/* Each is another device, or another's. */
static void test_takes_over_nothing_else(void **state)
{
	void (*const changes[])(void) = {other_rule, no_rule, other_place, other_number,
					 leaving,    no_port, long_id,     long_rule};

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		if (i > 0)
			(void)agented_prepare(state);
		agented_has("17", 7);
		changes[i]();
		agented_plug(7);
		agented_start();
		agented_add("usb:vid=1050,id=key");
		AWAIT(agented_state() == KEEPER_STATE_ATTACHED);
		assert_int_equal(agented.attached, 1);
		if (i + 1 < ARRAY_SIZE(changes))
			(void)agented_teardown(state);
	}
}

/* A daemon in a sandbox, without sysfs. */
static void test_takes_over_without_place(void **state)
{
	(void)state;
	agented_has("17", 7);
	agented.device.place = NULL;
	plug_used(7);
	agented_start();
	agented_add("usb:vid=1050,id=key");
	AWAIT(agented_state() == KEEPER_STATE_ATTACHED);
	assert_int_equal(agented.attached, 0);
}

/* A found device goes before a rule wants it. */
static void test_found_goes(void **state)
{
	(void)state;
	agented_has("17", 7);
	agented_start();
	agented_add("usb:vid=2222,id=other,all");
	AWAIT(agented.listed == 1);
	agented_tell(CONTROL_EVENT_GONE, "17");
	/* with the first answer the agent has the event, before the second it looks */
	agented_plug_other("3-3", 3);
	AWAIT(agented_count() == 1);
	agented_plug_other("3-4", 4);
	AWAIT(agented_count() == 2);
	agented_plug(7);
	agented_hear(true, 7);
	agented_add("usb:vid=1050,id=key");
	AWAIT(agented_count() == 3);
	assert_int_equal(agented.attached, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_takes_over, agented_prepare,
						agented_teardown),
		cmocka_unit_test_setup_teardown(test_takes_over_what_seemed_in_use,
						agented_prepare, agented_teardown),
		cmocka_unit_test_setup_teardown(test_takes_over_the_right_one,
						agented_prepare, agented_teardown),
		cmocka_unit_test_setup_teardown(test_takes_over_its_own, agented_setup,
						agented_teardown),
		cmocka_unit_test_setup_teardown(test_takes_over_nothing_else,
						agented_prepare, agented_teardown),
		cmocka_unit_test_setup_teardown(test_takes_over_without_place,
						agented_prepare, agented_teardown),
		cmocka_unit_test_setup_teardown(test_found_goes, agented_prepare,
						agented_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
