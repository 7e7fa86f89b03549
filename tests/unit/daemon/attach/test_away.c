/* SPDX-License-Identifier: MIT
 * test_away.c - tests of src/daemon/attach/away.c
 */
#include "attach_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* --- tests of coming back --- */

static void test_comes_back(void **state)
{
	(void)state;
	start("keyboard", "host:path=/dev/bus/usb/001/005,reset=first", NULL);
	opened(1);
	(void)answer(0);
	go(2);
	assert_int_equal(attach_count(attach), 1);
	tell(false, PLACE, 5);
	advance(9 * SECOND);
	tell(true, PLACE, 6);
	opened(2);
	assert_string_equal(nodes.path, "/dev/bus/usb/001/006");
	assert_string_equal(openings[1].name, "/dev/bus/usb/001/006");
	assert_int_equal(openings[1].reset, HOST_RESET_FIRST);
	(void)answer(1);
	assert_int_equal(wanted, 2);
	assert_int_equal(attach_count(attach), 2);
	go(3); /* and once more */
	tell(true, PLACE, 7);
	opened(3);
	(void)answer(2);
	assert_int_equal(attach_count(attach), 2);
	assert_int_equal(settled, 1);
}

static void test_keeps_the_name_given(void **state)
{
	(void)state;
	start("/dev/my-stick", NULL);
	opened(1);
	(void)answer(0);
	go(1);
	tell(true, PLACE, 6);
	opened(2);
	assert_string_equal(nodes.path, "/dev/bus/usb/001/006");
	assert_string_equal(openings[1].name, "/dev/my-stick");
}

/* The kernel reported it before we noticed that the old one had gone. */
static void test_back_before_it_was_missed(void **state)
{
	(void)state;
	start_one();
	tell(true, PLACE, 6);
	turns();
	assert_int_equal(opening_count, 1);
	nodes.at_place = true;
	go(1);
	opened(2);
	assert_string_equal(nodes.path, "/dev/bus/usb/001/006");
}

static void test_sysfs_still_shows_the_old_one(void **state)
{
	(void)state;
	start_one();
	nodes.at_place = true;
	go(1);
	advance(SECOND);
	assert_int_equal(nodes.opens, 1);
	kernel.event(kernel.ctx, NULL); /* news were lost */
	turns();
	assert_int_equal(nodes.opens, 1);
	nodes.number = 6;
	kernel.event(kernel.ctx, NULL);
	opened(2);
}

static void test_other_places_and_late(void **state)
{
	(void)state;
	start_one();
	go(1);
	tell(true, PLACE ".4", 6);
	tell(true, "/devices/platform/vhci_hcd.0/usb1/1-2", 7);
	turns();
	assert_int_equal(nodes.opens, 1);
	advance(10 * SECOND);
	tell(true, PLACE, 8);
	turns();
	assert_int_equal(nodes.opens, 1);
}

static void test_permission_comes_later(void **state)
{
	unsigned before;

	(void)state;
	start_one();
	go(1);
	nodes.error = EACCES;
	before = timers_set;
	tell(true, PLACE, 6);
	refused(2, before);
	nodes.error = ENOENT;
	before = timers_set;
	advance(SECOND / 10);
	refused(3, before);
	nodes.error = 0;
	advance(SECOND / 10);
	opened(2);
	(void)answer(1);
	assert_int_equal(attach_count(attach), 1);
}

static void test_permission_never_comes(void **state)
{
	unsigned before;
	unsigned opens = 2;

	(void)state;
	start_one();
	go(1);
	nodes.error = EACCES;
	before = timers_set;
	tell(true, PLACE, 6);
	for (unsigned i = 0; i < 10; i++) {
		refused(opens++, before);
		before = timers_set;
		advance(SECOND);
	}
	assert_int_equal(nodes.opens, opens - 1); /* given up */
	tell(true, PLACE, 7);
	turns();
	assert_int_equal(nodes.opens, opens - 1);
}

static void test_gone_again_before_it_could_be_opened(void **state)
{
	unsigned before;

	(void)state;
	start_one();
	go(1);
	nodes.error = EACCES;
	before = timers_set;
	tell(true, PLACE, 6);
	refused(2, before);
	tell(false, PLACE, 6);
	advance(SECOND);
	assert_int_equal(nodes.opens, 2);
	nodes.error = 0;
	tell(true, PLACE, 7);
	opened(2);
	assert_string_equal(nodes.path, "/dev/bus/usb/001/007");
}

/* attach leaves a device alone that the host has taken meanwhile, and checks the next one. */
static void test_guarded_when_it_is_back(void **state)
{
	(void)state;
	nodes.sysfs = true;
	start_one();
	go(1);
	nodes.guard = EPERM;
	tell(true, PLACE, 6);
	while (nodes.looks < 2)
		assert_int_equal(loop_turn(loop, true), 0);
	turns();
	assert_int_equal(opening_count, 1);
	nodes.guard = 0;
	tell(false, PLACE, 6);
	tell(true, PLACE, 7);
	opened(2);
	assert_int_equal(nodes.opens, 3);
	assert_string_equal(nodes.path, "/dev/bus/usb/001/007");
}

/* A device that re-enumerates while it is being taken. */
static void test_another_one_meanwhile(void **state)
{
	(void)state;
	start_one();
	go(1);
	tell(true, PLACE, 6);
	opened(2);
	tell(false, PLACE, 6);
	tell(true, PLACE, 7);
	turns();
	assert_int_equal(nodes.opens, 2); /* one after the other */
	nodes.at_place = true;
	refuse(1, ENODEV);
	opened(3);
	assert_string_equal(nodes.path, "/dev/bus/usb/001/007");
	refuse(2, EBUSY); /* the same number: nothing new to try */
	assert_int_equal(nodes.opens, 3);
}

static void test_stop_while_away(void **state)
{
	(void)state;
	start_one();
	go(1);
	attach_stop(attach);
	turns();
	assert_int_equal(idle, 1);
	assert_null(kernel.event);
	advance(60 * SECOND);
	assert_int_equal(nodes.opens, 1);
}

static void test_stop_while_coming_back(void **state)
{
	(void)state;
	start_one();
	go(1);
	tell(true, PLACE, 6);
	opened(2);
	attach_stop(attach);
	(void)answer(1);
	assert_int_equal(idle, 1);
	assert_int_equal(plugs, 1);
	assert_int_equal(destroyed, 2);
}

static void test_no_news_no_return(void **state)
{
	(void)state;
	kernel.none = true;
	start_one();
	nodes.at_place = true;
	nodes.number = 6;
	go(1);
	assert_int_equal(nodes.opens, 1);
}

/* --- inherited fds --- */

static void test_fd(void **state)
{
	(void)state;
	start("host:fd=9", "host:fd=7,reset=never", NULL);
	opened(1);
	assert_string_equal(openings[0].name, "fd 7");
	assert_int_equal(openings[0].reset, HOST_RESET_NEVER);
	(void)answer(0);
	assert_int_equal(settled, 1);
	assert_int_equal(result, 0);
	assert_null(kernel.event); /* no listener */
	nodes.at_place = true;
	nodes.number = 6;
	go(1);
	assert_string_equal(event_why, "it was handed over open, and would have to be so "
				       "again");
	advance(SECOND);
	assert_int_equal(nodes.opens, 0);
	assert_int_equal(opening_count, 1);
}

static void test_fd_not_used(void **state)
{
	(void)state;
	assert_int_equal(attach_add(attach, "host:fd=7"), 0);
	attach_stop(attach); /* never started */
	turns();
	assert_true(attach_is_idle(attach));
	idle = 1;
	attach_destroy(attach);
	assert_closed(nodes.fd);
	attach = NULL;
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_comes_back),
		T(test_keeps_the_name_given),
		T(test_back_before_it_was_missed),
		T(test_sysfs_still_shows_the_old_one),
		T(test_other_places_and_late),
		T(test_permission_comes_later),
		T(test_permission_never_comes),
		T(test_gone_again_before_it_could_be_opened),
		T(test_guarded_when_it_is_back),
		T(test_another_one_meanwhile),
		T(test_stop_while_away),
		T(test_stop_while_coming_back),
		T(test_no_news_no_return),
		T(test_fd),
		T(test_fd_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
