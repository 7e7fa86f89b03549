/* SPDX-License-Identifier: MIT
 * test_ending.c - tests of src/daemon/ending.c
 *
 * Each is a process of its own, which is told to end.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/ending.h"
#include "util/compiler.h"
#include "util/log.h"
#include "util/log_writer.h"
#include "util/loop.h"

#define SECOND UINT64_C(1000000000)

/* What a process of these tests ends with, beside EXIT_FAILURE of ending.c. */
#define ENDED_BY_ITSELF 7

static struct loop *loop;
static unsigned stops;
static int ready[2];

static void say_ready(void)
{
	if (write(ready[1], "", 1) != 1)
		_exit(98);
}

static pid_t begin(void (*stop)(void *ctx), void (*child)(void))
{
	pid_t pid;
	char c;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	(void)fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)alarm(30);
		loop = loop_create();
		log_init(LOG_LEVEL_ERROR, false);
		if (!loop || ending_start(loop, stop, NULL) < 0 || log_writer_start() < 0)
			_exit(99);
		child();
		_exit(ENDED_BY_ITSELF);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* Return: how long it took. */
static uint64_t expect_end(pid_t pid, int wanted)
{
	uint64_t from_ns = clock_now_ns();
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), wanted);
	return clock_now_ns() - from_ns;
}

static void stop_second(void *ctx)
{
	(void)ctx;
	if (++stops == 2)
		loop_stop(loop);
}

static void run_loop(void)
{
	say_ready();
	if (loop_run(loop) < 0)
		_exit(1);
	ending_unwatch();
	loop_destroy(loop);
}

/* As long as the loop lives it hears of each. */
static void test_loop_is_told(void **state)
{
	pid_t pid = begin(stop_second, run_loop);

	(void)state;
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(kill(pid, SIGINT), 0);
	(void)expect_end(pid, ENDED_BY_ITSELF);
}

static void stop_nothing(void *ctx)
{
	(void)ctx;
}

static void stuck(void)
{
	say_ready();
	for (;;)
		(void)pause();
}

/* A loop that is stuck in a call: the second signal ends it soon, the first in time. */
static void test_stuck(void **state)
{
	pid_t pid = begin(stop_nothing, stuck);
	uint64_t took_ns;

	(void)state;
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(kill(pid, SIGINT), 0);
	took_ns = expect_end(pid, EXIT_FAILURE);
	assert_in_range(took_ns, ENDING_AGAIN_NS / 2, 5 * SECOND);

	pid = begin(stop_nothing, stuck);
	assert_int_equal(kill(pid, SIGTERM), 0);
	took_ns = expect_end(pid, EXIT_FAILURE);
	assert_in_range(took_ns, ENDING_MAX_NS / 2, 10 * SECOND);
}

static void stuck_by_itself(void)
{
	ending_begin();
	ending_begin();
	stuck();
}

/* The end that no signal has begun. */
static void test_begun(void **state)
{
	pid_t pid = begin(stop_nothing, stuck_by_itself);
	uint64_t took_ns;

	(void)state;
	assert_int_equal(kill(pid, SIGTERM), 0);
	took_ns = expect_end(pid, EXIT_FAILURE);
	assert_in_range(took_ns, ENDING_MAX_NS / 2, 10 * SECOND);
}

static void fail_assertion(void)
{
	log_error("before it");
	say_ready();
	__assert_fail("1 == 2", "file.c", 3, "function");
}

/* Our own bugs are told in the log, behind what was there before. */
static void test_assertion(void **state)
{
	int real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	char text[1024] = "";
	int fds[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	pid = begin(stop_nothing, fail_assertion);
	assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
	close(real_stderr);
	close(fds[1]);
	while ((n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(text, "before it\n"));
	assert_non_null(strstr(strstr(text, "before it\n"),
			       "file.c:3: function: Assertion `1 == 2' failed.\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop_is_told),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_begun),
		cmocka_unit_test(test_assertion),
	};

	return cmocka_run_group_tests_name("ending", tests, NULL, NULL);
}
