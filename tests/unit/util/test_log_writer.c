/* SPDX-License-Identifier: MIT
 * test_log_writer.c - tests of src/util/log_writer.c
 *
 * The thread lives as long as the process, so each test is a process of its own, whose stderr is
 * a pipe of the smallest size.
 */
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

#include "util/compiler.h"
#include "util/log.h"
#include "util/log_writer.h"

#define SECOND UINT64_C(1000000000)
/* With their heads more than the ring and the pipe have room for. */
#define MANY 10000u

/* Runs @child with the writing end of a pipe as stderr. Return: the reading end. */
static int begin(void (*child)(void), pid_t *ret_pid)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) >= 0);
	(void)fflush(stdout);
	*ret_pid = fork();
	assert_true(*ret_pid >= 0);
	if (*ret_pid == 0) {
		(void)alarm(20);
		close(fds[0]);
		if (dup2(fds[1], STDERR_FILENO) < 0 || log_writer_start() < 0)
			_exit(99);
		log_init(LOG_LEVEL_INFO, false);
		child();
		_exit(0);
	}
	close(fds[1]);
	return fds[0];
}

static void expect_end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static char *read_all(int fd)
{
	size_t room = 8u << 20, len = 0;
	char *text = malloc(room);
	ssize_t n;

	assert_non_null(text);
	while ((n = read(fd, text + len, room - len - 1)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fd);
	return text;
}

/* Lines "line N" from 0 on, in order, until something else comes. Return: how many. */
static unsigned count_lines(char **at)
{
	unsigned count = 0;
	char wanted[32];
	char *end;

	for (; (end = strchr(*at, '\n')) != NULL; *at = end + 1, count++) {
		(void)snprintf(wanted, sizeof(wanted), " INFO line %u\n", count);
		if ((size_t)(end + 1 - *at) < strlen(wanted) ||
		    strncmp(end + 1 - strlen(wanted), wanted, strlen(wanted)) != 0)
			break;
	}
	return count;
}

static void write_lines(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		log_info("line %u", i);
}

static void child_in_order(void)
{
	write_lines(2000);
	if (!log_writer_flush(10 * SECOND))
		_exit(1);
}

/* All that has been read along. */
static void test_in_order(void **state)
{
	pid_t pid;
	int fd = begin(child_in_order, &pid);
	char *text = read_all(fd), *at = text;

	(void)state;
	assert_int_equal(count_lines(&at), 2000);
	assert_string_equal(at, "");
	expect_end(pid);
	free(text);
}

static void child_never_waits(void)
{
	write_lines(MANY);
	if (log_writer_flush(SECOND / 10))
		_exit(1);
}

/* Nobody reads: neither lines nor the end wait for long. */
static void test_never_waits(void **state)
{
	pid_t pid;
	int fd = begin(child_never_waits, &pid);
	char *text, *at;

	(void)state;
	expect_end(pid);
	at = text = read_all(fd);
	assert_in_range(count_lines(&at), 1, MANY - 1);
	free(text);
}

static int go[2], written[2];

static void child_tells(void)
{
	char c;

	write_lines(MANY);
	/* the reader reads from now on */
	if (write(written[1], "", 1) != 1 || read(go[0], &c, 1) != 1 ||
	    !log_writer_flush(10 * SECOND))
		_exit(1);
	log_info("line again");
	if (!log_writer_flush(10 * SECOND))
		_exit(2);
}

/* What is lost is told where it was lost, and what comes later is there. */
static void test_tells_what_is_dropped(void **state)
{
	unsigned long dropped;
	pid_t pid;
	char *text, *at;
	char c;
	int fd;

	(void)state;
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(written, O_CLOEXEC), 0);
	fd = begin(child_tells, &pid);
	assert_int_equal(read(written[0], &c, 1), 1);
	assert_int_equal(write(go[1], "", 1), 1);
	at = text = read_all(fd);
	expect_end(pid);
	dropped = MANY - count_lines(&at);
	assert_in_range(dropped, 1, MANY - 1);
	{
		char wanted[96];

		(void)snprintf(wanted, sizeof(wanted),
			       "usbvfiod: %lu log lines dropped: stderr was not read\n",
			       dropped);
		assert_int_equal(strncmp(at, wanted, strlen(wanted)), 0);
		at += strlen(wanted);
	}
	assert_non_null(strstr(at, " INFO line again\n"));
	free(text);
	close(go[0]);
	close(go[1]);
	close(written[0]);
	close(written[1]);
}

static void child_nonblock(void)
{
	/* as another process that shares it may do */
	(void)fcntl(STDERR_FILENO, F_SETFL, O_WRONLY | O_NONBLOCK);
	child_in_order();
}

static void test_stderr_that_does_not_block(void **state)
{
	pid_t pid;
	int fd = begin(child_nonblock, &pid);
	char *text = read_all(fd), *at = text;

	(void)state;
	assert_int_equal(count_lines(&at), 2000);
	expect_end(pid);
	free(text);
}

static void child_reader_gone(void)
{
	char c;

	if (read(go[0], &c, 1) != 1)
		_exit(1);
	write_lines(MANY);
	if (!log_writer_flush(10 * SECOND))
		_exit(2);
}

static void test_reader_has_gone(void **state)
{
	pid_t pid;
	int fd;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	fd = begin(child_reader_gone, &pid);
	close(fd);
	assert_int_equal(write(go[1], "", 1), 1);
	expect_end(pid);
	close(go[0]);
	close(go[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_never_waits),
		cmocka_unit_test(test_tells_what_is_dropped),
		cmocka_unit_test(test_stderr_that_does_not_block),
		cmocka_unit_test(test_reader_has_gone),
	};

	return cmocka_run_group_tests_name("log_writer", tests, NULL, NULL);
}
