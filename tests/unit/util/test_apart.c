/* SPDX-License-Identifier: MIT
 * test_apart.c - tests of src/util/apart.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/apart.h"

struct seen {
	pid_t pid;
	int fd;
	int error;
	char *text;
};

static void look(void *arg)
{
	struct seen *seen = arg;
	char big[65536];

	big[0] = (char)seen->fd;
	big[sizeof(big) - 1] = big[0];
	seen->pid = getpid();
	seen->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	seen->text = malloc(100);
	(void)close(-1);
	seen->error = errno;
}

/* Another process, but the same memory and descriptors. */
static void test_shares_all(void **state)
{
	struct seen seen = {.fd = -1};

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		run_apart(look, &seen);
		assert_int_not_equal(seen.pid, getpid());
		assert_true(seen.fd >= 0);
		assert_int_equal(fcntl(seen.fd, F_GETFD), FD_CLOEXEC);
		assert_int_equal(close(seen.fd), 0);
		assert_int_equal(seen.error, EBADF);
		free(seen.text);
	}
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none is left */
}

static void wait_for_ever(void *arg)
{
	(void)arg;
	for (;;)
		(void)pause();
}

static void *stuck(void *arg)
{
	run_apart(wait_for_ever, NULL);
	return arg;
}

/* The end of a process does not wait for what it has apart. */
static void test_is_left_behind(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	(void)fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		pthread_t thread;

		(void)alarm(10);
		/* one of a group, to be ended afterwards */
		(void)setpgid(0, 0);
		if (pthread_create(&thread, NULL, stuck, NULL) != 0)
			_exit(1);
		while (waitid(P_ALL, 0, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT) < 0)
			; /* until there is a child */
		_exit(7);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(kill(-pid, SIGKILL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares_all),
		cmocka_unit_test(test_is_left_behind),
	};

	return cmocka_run_group_tests_name("apart", tests, NULL, NULL);
}
