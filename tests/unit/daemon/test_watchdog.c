/* SPDX-License-Identifier: MIT
 * test_watchdog.c - tests of src/daemon/watchdog.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/watchdog.h"
#include "util/loop.h"

static struct loop *loop;
static struct watchdog watchdog;
static int manager[2];

static int setup(void **state)
{
	(void)state;
	watchdog = (struct watchdog){0};
	loop = loop_create();
	(void)unsetenv("WATCHDOG_PID");
	return loop && socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, manager) == 0
		       ? 0
		       : -1;
}

static int teardown(void **state)
{
	(void)state;
	watchdog_finish(&watchdog);
	loop_destroy(loop);
	return close(manager[0]) == 0 && close(manager[1]) == 0 ? 0 : -1;
}

static void assert_alive(void)
{
	char text[32] = "";

	assert_int_equal(loop_turn(loop, true), 0);
	assert_true(recv(manager[1], text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	assert_string_equal(text, "WATCHDOG=1");
}

static void test_again_and_again(void **state)
{
	(void)state;
	assert_int_equal(setenv("WATCHDOG_USEC", "2000", 1), 0);
	assert_int_equal(watchdog_start(&watchdog, loop, manager[0]), 0);
	assert_int_equal(watchdog.interval_ns, 1000000);
	for (unsigned i = 0; i < 3; i++)
		assert_alive();
}

/* An idle daemon then does not wake up. */
static void test_not_wanted(void **state)
{
	(void)state;
	assert_int_equal(unsetenv("WATCHDOG_USEC"), 0);
	assert_int_equal(watchdog_start(&watchdog, loop, manager[0]), 0);
	assert_null(watchdog.timer);
	assert_int_equal(setenv("WATCHDOG_USEC", "2000", 1), 0);
	assert_int_equal(watchdog_start(&watchdog, loop, -1), 0);
	assert_null(watchdog.timer);
}

/* The log says so, and the daemon lives on. */
static void test_manager_has_gone(void **state)
{
	char text[32];

	(void)state;
	assert_int_equal(setenv("WATCHDOG_USEC", "2000", 1), 0);
	assert_int_equal(shutdown(manager[1], SHUT_RD), 0);
	assert_int_equal(watchdog_start(&watchdog, loop, manager[0]), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_true(recv(manager[1], text, sizeof(text), MSG_DONTWAIT) <= 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_again_and_again),
		T(test_not_wanted),
		T(test_manager_has_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
