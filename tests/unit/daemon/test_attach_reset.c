/* SPDX-License-Identifier: MIT
 * test_attach_reset.c - tests of src/daemon/attach_order.c: devices opened anew
 */
#include "ordered.h"

#include <errno.h>

static void test_reset_opens_it_anew(void **state)
{
	struct err err = {0};
	unsigned id;

	(void)state;
	ready();
	id = order("/dev/a");
	opened(1);
	(void)answer(0);
	assert_int_equal(attach_again(attach, id, on_done, &done_count, &err), 0);
	assert_int_equal(attach_again(attach, id, on_done, &done_count, &err), -EBUSY);
	opened(2);
	assert_string_equal(nodes.path, "/dev/bus/usb/001/005");
	(void)answer(1);
	assert_int_equal(done_count, 2);
	assert_int_equal(done_id, id);
	assert_int_equal(wanted, 1);
	assert_int_equal(attach_again(attach, 99, on_done, &done_count, &err), -ENOENT);
}

static void test_reset_and_detached_meanwhile(void **state)
{
	struct err err = {0};
	unsigned id;

	(void)state;
	ready();
	id = order("/dev/a");
	opened(1);
	(void)answer(0);
	destroy_later = true;
	assert_int_equal(attach_again(attach, id, on_done, &done_count, &err), 0);
	detach(id);
	device_finish(destroying);
	turns();
	assert_int_equal(left_count, 1);
	assert_int_equal(done_count, 2);
	assert_int_equal(done_port, 0);
	assert_int_equal(done_error, ECANCELED);
	assert_int_equal(opening_count, 1);
	assert_int_equal(look(0), 0);
	/* who heard that it came hears that it has gone */
	assert_int_equal(events[ATTACH_EVENT_ATTACHED], 1);
	assert_int_equal(events[ATTACH_EVENT_DETACHED], 1);
}

static void test_reset_of_one_handed_over(void **state)
{
	struct attach_order careful = {
		.text = "from afar", .fd = 7, .done = on_done, .ctx = &done_count};
	struct err err = {0};
	unsigned id;

	(void)state;
	nodes.sysfs = true;
	ready();
	id = (unsigned)attach_order(attach, &careful, &err);
	opened(1);
	(void)answer(0);
	assert_int_equal(attach_again(attach, id, on_done, &done_count, &err), 0);
	opened(2);
	(void)answer(1);
	assert_int_equal(done_count, 2);
	assert_int_equal(done_id, id);
	assert_int_equal(wanted, 1);
	assert_int_equal(nodes.opens, 0); /* by nobody's path */
	assert_int_equal(nodes.looks, 1); /* it is ours */
	assert_int_equal(attach_again(attach, id, on_done, &done_count, &err), 0);
	opened(3);
	/* it has another number since */
	refuse(2, ENODEV);
	assert_int_equal(done_count, 3);
	assert_int_equal(done_port, 0);
	assert_int_equal(done_error, ENODEV);
	assert_string_equal(done_hint, "it was handed over open: have it attached anew");
	assert_int_equal(events[ATTACH_EVENT_FAILED], 1);
	assert_int_equal(look(id), 0);
}

/* Nothing has happened then. */
static void test_reset_without_a_copy(void **state)
{
	struct err err = {0};
	unsigned id;

	(void)state;
	ready();
	id = order_fd(NULL);
	opened(1);
	(void)answer(0);
	nodes.error = EMFILE;
	assert_int_equal(attach_again(attach, id, on_done, &done_count, &err), -EMFILE);
	turns();
	assert_int_equal(look(id), 1);
	assert_int_equal(found.port, 1);
	assert_int_equal(destroyed, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup_order, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_reset_opens_it_anew),
		T(test_reset_and_detached_meanwhile),
		T(test_reset_of_one_handed_over),
		T(test_reset_without_a_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
