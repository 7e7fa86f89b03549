/* SPDX-License-Identifier: MIT
 * test_steps_reset.c - tests of src/daemon/attach/steps.c: devices that are reset
 */
#include "ordered.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

static void test_reset_opens_it_anew(void **state)
{
	struct err err = {0};
	unsigned id;

	(void)state;
	ready();
	id = order("/dev/a");
	opened(1);
	(void)answer(0);
	assert_int_equal(attach_reset(attach, id, on_done, &done_count, &err), 0);
	assert_int_equal(attach_reset(attach, id, on_done, &done_count, &err), -EBUSY);
	opened(2);
	assert_string_equal(nodes.path, "/dev/bus/usb/001/005");
	(void)answer(1);
	assert_int_equal(done_count, 2);
	assert_int_equal(done_id, id);
	assert_int_equal(wanted, 1);
	assert_int_equal(attach_reset(attach, 99, on_done, &done_count, &err), -ENOENT);
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
	assert_int_equal(attach_reset(attach, id, on_done, &done_count, &err), 0);
	detach(id);
	device_finish(destroying);
	turns();
	assert_int_equal(left_count, 1);
	assert_int_equal(done_count, 2);
	assert_int_equal(done_port, 0);
	assert_int_equal(done_error, ECANCELED);
	assert_int_equal(opening_count, 1);
	assert_int_equal(look(0), 0);
	/* watchers saw it come and see it go */
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
	assert_int_equal(attach_reset(attach, id, on_done, &done_count, &err), 0);
	opened(2);
	(void)answer(1);
	assert_int_equal(done_count, 2);
	assert_int_equal(done_id, id);
	assert_int_equal(wanted, 1);
	assert_int_equal(nodes.opens, 0); /* not by a path */
	assert_int_equal(nodes.looks, 1); /* we own it */
	assert_int_equal(attach_reset(attach, id, on_done, &done_count, &err), 0);
	opened(3);
	/* it has another number since */
	refuse(2, ENODEV);
	assert_int_equal(done_count, 3);
	assert_int_equal(done_port, 0);
	assert_int_equal(done_error, ENODEV);
	assert_string_equal(done_hint, "it was handed over open: attach it again");
	assert_int_equal(events[ATTACH_EVENT_FAILED], 1);
	assert_int_equal(look(id), 0);
}

/* The device stays plugged in. */
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
	assert_int_equal(attach_reset(attach, id, on_done, &done_count, &err), -EMFILE);
	turns();
	assert_int_equal(look(id), 1);
	assert_int_equal(found.port, 1);
	assert_int_equal(destroyed, 0);
}

/* A second attach during a reset gets the device, and the reset fails. */
static void test_attached_again_during_a_reset(void **state)
{
	struct err err = {0};
	unsigned first, second;

	(void)state;
	ready();
	first = order_fd(NULL);
	opened(1);
	(void)answer(0);
	destroy_later = true;
	assert_int_equal(attach_reset(attach, first, on_done, &done_count, &err), 0);
	second = order_fd(NULL);
	assert_int_equal(opening_count, 1);
	device_finish(destroying);
	destroy_later = false;
	turns();
	assert_int_equal(done_count, 2);
	assert_int_equal(done_id, first);
	assert_int_equal(done_error, ECANCELED);
	assert_int_equal(look(first), 1);
	assert_int_equal(found.id, 0);
	opened(2);
	(void)answer(1);
	assert_int_equal(done_count, 3);
	assert_int_equal(done_id, second);
	assert_int_equal(done_error, 0);
	assert_int_equal(wanted, 1);
	assert_int_equal(events[ATTACH_EVENT_DETACHED], 1);
}

/* Reads the log from its start. */
static void read_log(FILE *file, char *text, size_t size)
{
	size_t len;

	assert_int_equal(fseek(file, 0, SEEK_SET), 0);
	len = fread(text, 1, size - 1, file);
	text[len] = '\0';
}

static void test_each_step_is_logged(void **state)
{
	static const char *const lines[] = {
		"attach 1: NEW -> NODE",     "attach 1: NODE -> OPENING",
		"attach 1: OPENING -> HELD", "attach 1: HELD -> PLUGGED",
		"attach 1: PLUGGED -> AWAY", "attach 1: AWAY -> NODE",
		"attach 1: NODE -> OPENING", "attach 1: OPENING -> HELD",
		"attach 1: HELD -> PLUGGED", "attach 1: PLUGGED -> LEAVING",
		"attach 1: LEAVING -> NODE", "attach 1: NODE -> OPENING",
		"attach 1: OPENING -> OUT",
	};
	static char text[16384];
	const char *at = text;
	FILE *file = tmpfile();
	int stderr_fd = dup(STDERR_FILENO);
	struct err err = {0};

	(void)state;
	assert_true(file && stderr_fd >= 0);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	log_init(LOG_LEVEL_TRACE, false);
	start_one();
	go(1);
	tell(true, PLACE, 6);
	opened(2);
	(void)answer(1);
	assert_int_equal(attach_reset(attach, 1, on_done, &done_count, &err), 0);
	opened(3);
	refuse(2, EIO);
	log_init(LOG_LEVEL_ERROR, false);
	assert_true(dup2(stderr_fd, STDERR_FILENO) >= 0);
	assert_int_equal(close(stderr_fd), 0);
	read_log(file, text, sizeof(text));
	assert_int_equal(fclose(file), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
		at = strstr(at, lines[i]);
		assert_non_null(at);
		at += strlen(lines[i]);
	}
	assert_null(strstr(at, "attach 1: "));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup_order, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_reset_opens_it_anew),
		T(test_reset_and_detached_meanwhile),
		T(test_reset_of_one_handed_over),
		T(test_reset_without_a_copy),
		T(test_attached_again_during_a_reset),
		T(test_each_step_is_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
