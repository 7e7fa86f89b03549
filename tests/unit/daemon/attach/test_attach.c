/* SPDX-License-Identifier: MIT
 * test_attach.c - tests of src/daemon/attach/attach.c: the start and the end
 */
#include "attach_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* --- tests of the start --- */

static void test_nothing(void **state)
{
	(void)state;
	start(NULL, NULL);
	turn();
	assert_int_equal(settled, 1);
	assert_int_equal(result, 0);
	assert_int_equal(attach_count(attach), 0);
}

static void test_ports_in_order(void **state)
{
	struct usbdev *first, *last;
	unsigned a;

	(void)state;
	start("/dev/a", "keyboard", "host:path=/dev/b,reset=never", NULL);
	opened(2);
	a = strcmp(openings[0].name, "/dev/a") == 0 ? 0 : 1;
	assert_string_equal(openings[!a].name, "/dev/b");
	assert_int_equal(openings[a].reset, HOST_RESET_ALWAYS);
	assert_int_equal(openings[!a].reset, HOST_RESET_NEVER);
	last = answer(!a);
	assert_int_equal(settled, 0);
	assert_int_equal(plugs, 0);
	first = answer(a);
	assert_int_equal(settled, 1);
	assert_int_equal(attach_count(attach), 3);
	assert_ptr_equal(ports[1], first);
	assert_string_equal(ports[2]->label, "keyboard");
	assert_ptr_equal(ports[3], last);
}

static void test_cannot_be_opened(void **state)
{
	(void)state;
	nodes.error = EACCES;
	start("/dev/a", "keyboard", NULL);
	while (settled == 0)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(result, 0);
	assert_int_equal(opening_count, 0);
	assert_int_equal(attach_count(attach), 1);
	advance(60 * SECOND);
	assert_int_equal(nodes.opens, 1);
}

static void test_refused_by_the_back_end(void **state)
{
	(void)state;
	open_error = ENOMEM;
	start("/dev/a", NULL);
	opened(1);
	assert_int_equal(settled, 1);
	assert_int_equal(result, 0);
}

static void test_refused_later(void **state)
{
	(void)state;
	start("/dev/a", NULL);
	opened(1);
	refuse(0, EBUSY);
	assert_int_equal(settled, 1);
	assert_int_equal(result, 0);
	assert_int_equal(attach_count(attach), 0);
}

static void test_emulated_cannot_be_made(void **state)
{
	(void)state;
	assert_int_equal(attach_add(attach, "keyboard"), 0);
	assert_int_equal(attach_add(attach, "/dev/a"), 0);
	assert_int_equal(attach_add(attach, "stick:file=/nonexistent/image"), 0);
	nodes.held = true;
	assert_int_equal(try_start(), 0);
	/* the start does not wait for the other one */
	while (settled == 0)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(result, -ENOENT);
	assert_int_equal(plugs, 0);
	attach_stop(attach);
	assert_int_equal(idle, 0);
	sem_post(&nodes.release);
	while (idle == 0)
		assert_int_equal(loop_turn(loop, true), 0);
}

static void test_no_port(void **state)
{
	(void)state;
	plug_error = ENOSPC;
	start("/dev/a", NULL);
	opened(1);
	(void)answer(0);
	assert_int_equal(settled, 1);
	assert_int_equal(result, 0);
	assert_int_equal(destroyed, 1);
	assert_int_equal(attach_count(attach), 0);
}

static void test_no_port_for_an_emulated_one(void **state)
{
	(void)state;
	plug_error = ENOSPC;
	start("keyboard", NULL);
	turns();
	assert_int_equal(settled, 1);
	assert_int_equal(result, -ENOSPC);
}

static void test_slow_device(void **state)
{
	(void)state;
	start("/dev/a", "keyboard", NULL);
	opened(1);
	advance(4 * SECOND);
	assert_int_equal(settled, 0);
	advance(SECOND);
	assert_int_equal(settled, 1);
	assert_int_equal(attach_count(attach), 1);
	(void)answer(0);
	assert_int_equal(settled, 1);
	assert_int_equal(attach_count(attach), 2);
	assert_int_equal(wanted, 0);
}

static void test_pulled_before_the_start_is_over(void **state)
{
	struct usbdev *dev;

	(void)state;
	start("/dev/a", "/dev/b", NULL);
	opened(2);
	dev = answer(0);
	usbdev_gone(dev);
	assert_int_equal(destroyed, 1);
	(void)answer(1);
	assert_int_equal(settled, 1);
	assert_int_equal(plugs, 1);
}

/* --- tests of the end --- */

static void test_stop_while_opening(void **state)
{
	(void)state;
	start("/dev/a", NULL);
	opened(1);
	attach_stop(attach);
	turns();
	assert_false(attach_is_idle(attach));
	assert_int_equal(idle, 0);
	destroy_later = true;
	(void)answer(0);
	assert_non_null(destroying);
	assert_false(attach_is_idle(attach));
	assert_int_equal(idle, 0);
	device_finish(destroying);
	assert_true(attach_is_idle(attach));
	turns();
	assert_int_equal(idle, 1);
	assert_int_equal(plugs + settled, 0);
}

static void test_stop_while_opening_fails(void **state)
{
	(void)state;
	start("/dev/a", NULL);
	opened(1);
	attach_stop(attach);
	refuse(0, EBUSY);
	assert_int_equal(idle, 1);
}

static void test_stop_while_the_node_is_opened(void **state)
{
	(void)state;
	nodes.held = true;
	start("/dev/a", NULL);
	attach_stop(attach);
	turns();
	assert_int_equal(idle, 0);
	sem_post(&nodes.release);
	while (idle == 0)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(opening_count, 0);
	assert_closed(nodes.fd); /* closed */
}

static void test_stop_with_devices_held(void **state)
{
	(void)state;
	start("/dev/a", "keyboard", "/dev/b", NULL);
	opened(2);
	(void)answer(1);
	attach_stop(attach);
	turns();
	assert_int_equal(destroyed, 1);
	assert_int_equal(idle, 0);
	(void)answer(0);
	assert_int_equal(destroyed, 2);
	assert_int_equal(idle, 1);
	assert_int_equal(plugs, 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* attach leaves out a device that the host needs, and the start goes on. */
static void test_guarded(void **state)
{
	(void)state;
	nodes.sysfs = true;
	nodes.guard = EPERM;
	start("/dev/a", "keyboard", NULL);
	while (settled == 0)
		assert_int_equal(loop_turn(loop, true), 0);
	turns();
	assert_int_equal(nodes.looks, 1);
	assert_int_equal(opening_count, 0);
	assert_int_equal(result, 0);
	assert_int_equal(attach_count(attach), 1);
	assert_closed(nodes.fd); /* closed */
}

static void test_guarded_and_well(void **state)
{
	(void)state;
	nodes.sysfs = true;
	start("host:path=/dev/a,reset=first", NULL);
	opened(1);
	assert_int_equal(nodes.looks, 1);
	(void)answer(0);
	assert_int_equal(attach_count(attach), 1);
}

static void test_forced(void **state)
{
	(void)state;
	nodes.sysfs = true;
	nodes.guard = EPERM;
	start("host:path=/dev/a,force", NULL);
	opened(1);
	(void)answer(0);
	assert_int_equal(nodes.looks, 0);
	assert_int_equal(attach_count(attach), 1);
}

static void test_handed_over_guarded(void **state)
{
	(void)state;
	nodes.sysfs = true;
	nodes.guard = EBUSY;
	start("host:fd=7", NULL);
	while (settled == 0)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(nodes.looks, 1);
	assert_int_equal(nodes.opens, 0);
	assert_int_equal(opening_count, 0);
}

static void test_handed_over_forced(void **state)
{
	(void)state;
	nodes.sysfs = true;
	nodes.guard = EBUSY;
	start("host:fd=7,force", NULL);
	opened(1);
	assert_int_equal(nodes.looks, 0);
	(void)answer(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nothing),
		T(test_ports_in_order),
		T(test_cannot_be_opened),
		T(test_refused_by_the_back_end),
		T(test_refused_later),
		T(test_emulated_cannot_be_made),
		T(test_no_port),
		T(test_no_port_for_an_emulated_one),
		T(test_slow_device),
		T(test_pulled_before_the_start_is_over),
		T(test_stop_while_opening),
		T(test_stop_while_opening_fails),
		T(test_stop_while_the_node_is_opened),
		T(test_stop_with_devices_held),
		T(test_guarded),
		T(test_guarded_and_well),
		T(test_forced),
		T(test_handed_over_guarded),
		T(test_handed_over_forced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
