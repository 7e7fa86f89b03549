/* SPDX-License-Identifier: MIT
 * test_agent.c - tests of src/agent: devices handed over, their ends, rules read again
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

#include "agented.h"

static void test_hands_over(void **state)
{
	(void)state;
	agented_plug(7);
	agented_hear(true, 7);
	AWAIT(agented_state() == KEEPER_STATE_ATTACHED);
	assert_int_equal(agented.attached, 1);
	assert_true(agented.had_fd);
	assert_true(agented.was_forced);
	assert_string_equal(agented.rule_id, "key");
	assert_int_equal(agented.port_wanted, 0);
}

static void test_comes_back_to_its_port(void **state)
{
	test_hands_over(state);
	fake_unplug("3-2");
	agented_hear(false, 7);
	AWAIT(agented.detached == 1 && agented_state() == KEEPER_STATE_WAITING);
	assert_string_equal(agented.target, "1");
	agented_plug(8);
	agented_hear(true, 8);
	AWAIT(agented_state() == KEEPER_STATE_ATTACHED);
	assert_int_equal(agented.attached, 2);
	assert_int_equal(agented.port_wanted, 5);
}

static void test_ends_that_are_told(void **state)
{
	test_hands_over(state);
	/* another's */
	agented_tell(CONTROL_EVENT_DETACHED, "99");
	/* lost by the daemon: tried again */
	agented_tell(CONTROL_EVENT_GONE, "1");
	AWAIT(agented.attached == 2 && agented_state() == KEEPER_STATE_ATTACHED);
	assert_int_equal(agented.detached, 0);
	/* by hand: not */
	agented_tell(CONTROL_EVENT_DETACHED, "2");
	AWAIT(agented_state() == KEEPER_STATE_REFUSED);
	assert_int_equal(agented.attached, 2);
}

static void test_daemon_starts_anew(void **state)
{
	test_hands_over(state);
	agented_end_server();
	AWAIT(agented_state() != KEEPER_STATE_ATTACHED);
	agented_serve();
	AWAIT(agented.attached == 2 && agented_state() == KEEPER_STATE_ATTACHED);
	assert_int_equal(agented.port_wanted, 5);
}

static void test_refusals_are_tried_again(void **state)
{
	(void)state;
	agented.refuses = true;
	agented.refusal = CONTROL_CODE_BUSY;
	agented_plug(7);
	agented_hear(true, 7);
	AWAIT(agented.attached == 2);
	agented.refuses = false;
	AWAIT(agented_state() == KEEPER_STATE_ATTACHED);
}

static void test_rule_goes(void **state)
{
	struct err err = {0};

	test_hands_over(state);
	assert_int_equal(keeper_remove(agent_keeper(agented.agent), "key", &err), 0);
	AWAIT(agented.detached == 1 &&
	      keeper_rule_count(agent_keeper(agented.agent)) == 0);
	assert_string_equal(agented.target, "1");
}

/* --- events that were lost --- */

/* More events than an unread connection holds. */
static void flood(void)
{
	for (unsigned i = 0; i < 20000; i++)
		agented_tell(CONTROL_EVENT_GONE, "99");
}

static void test_events_lost(void **state)
{
	test_hands_over(state);
	flood();
	/* not heard: another one lies in the way of it */
	agented_tell(CONTROL_EVENT_GONE, "1");
	AWAIT(agented.listed == 2);
	AWAIT(agented.attached == 2 && agented_state() == KEEPER_STATE_ATTACHED);
	assert_int_equal(agented.detached, 0);
}

static void test_events_lost_but_it_is_there(void **state)
{
	test_hands_over(state);
	agented_has("1", 7);
	flood();
	AWAIT(agented.listed == 2);
	/* by then the agent has handled the answer */
	agented_tell(CONTROL_EVENT_DETACHED, "1");
	AWAIT(agented_state() == KEEPER_STATE_REFUSED);
	assert_int_equal(agented.attached, 1);
}

/* The agent reads an event while it waits for the answer to a request. Several rounds: the
 * loop may notice the event before the answer has come. */
static void test_event_before_an_answer(void **state)
{
	test_hands_over(state);
	agented_add("usb:vid=2222,id=other,all");
	for (unsigned i = 1; i <= 16; i++) {
		char id[8], name[8];

		(void)snprintf(id, sizeof(id), "%u", i);
		(void)snprintf(name, sizeof(name), "3-%u", 10 + i);
		agented.ends_first = id;
		agented_plug_other(name, 10 + i);
		AWAIT(agented.attached == 1 + i && agented_count() == 1);
	}
	assert_int_equal(agented.detached, 0);
}

/* --- the file --- */

static void write_rules(const char *text)
{
	static char file[160];

	fake_file("/rules", text);
	(void)snprintf(file, sizeof(file), "%s/rules", fake_root());
	agented.rules = file;
}

static void load(int expected)
{
	struct err err = {0};

	assert_int_equal(agent_load(agented.agent, &err), expected);
}

static void test_file_is_read_again(void **state)
{
	(void)state;
	write_rules("usb:vid=1050,id=key\n");
	agented_plug(7);
	agented_start();
	load(0);
	AWAIT(agented_state() == KEEPER_STATE_ATTACHED);
	/* a mistake changes nothing */
	write_rules("usb:vid=1050,id=key\nusb:vid=zz\n");
	load(-EINVAL);
	assert_int_equal(keeper_rule_count(agent_keeper(agented.agent)), 1);
	/* one more: attached devices stay */
	write_rules("usb:vid=1050,id=key\nusb:vid=2222,id=other\n");
	load(0);
	assert_int_equal(keeper_rule_count(agent_keeper(agented.agent)), 2);
	agented_plug_other("3-1", 3);
	AWAIT(agented.attached == 2);
	assert_string_equal(agented.rule_id, "other");
	assert_int_equal(agented.detached, 0);
	/* the first one goes, with its device */
	write_rules("usb:vid=2222,id=other\n");
	load(0);
	AWAIT(agented.detached == 1 &&
	      keeper_rule_count(agent_keeper(agented.agent)) == 1);
	assert_string_equal(agented.target, "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hands_over, agented_setup,
						agented_teardown),
		cmocka_unit_test_setup_teardown(test_comes_back_to_its_port,
						agented_setup, agented_teardown),
		cmocka_unit_test_setup_teardown(test_ends_that_are_told, agented_setup,
						agented_teardown),
		cmocka_unit_test_setup_teardown(test_daemon_starts_anew, agented_setup,
						agented_teardown),
		cmocka_unit_test_setup_teardown(test_refusals_are_tried_again,
						agented_setup, agented_teardown),
		cmocka_unit_test_setup_teardown(test_rule_goes, agented_setup,
						agented_teardown),
		cmocka_unit_test_setup_teardown(test_events_lost, agented_setup,
						agented_teardown),
		cmocka_unit_test_setup_teardown(test_events_lost_but_it_is_there,
						agented_setup, agented_teardown),
		cmocka_unit_test_setup_teardown(test_event_before_an_answer,
						agented_setup, agented_teardown),
		cmocka_unit_test_setup_teardown(test_file_is_read_again, agented_prepare,
						agented_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
