/* SPDX-License-Identifier: MIT
 * death.c - runs a call that must abort the process
 */
#include "tests/lib/death.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAID_BYTES 0x10000u

/* Reads @fd to its end; @said gets as much as fits. */
static void read_all(int fd, char said[SAID_BYTES])
{
	size_t len = 0;
	ssize_t r;

	do {
		char more[4096];

		r = read(fd, more, sizeof(more));
		if (r > 0 && len + (size_t)r < SAID_BYTES) {
			memcpy(said + len, more, (size_t)r);
			len += (size_t)r;
		}
	} while (r > 0 || (r < 0 && errno == EINTR));
	said[len] = '\0';
}

static void child_run(void (*last)(void *ctx), void *ctx, int to)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)dup2(to, STDERR_FILENO);
	/* cmocka's handler must not report a failed test */
	(void)signal(SIGABRT, SIG_DFL);
	last(ctx);
	_exit(0);
}

bool dies_saying(void (*last)(void *ctx), void *ctx, const char *words)
{
	static char said[SAID_BYTES];
	int status = 0;
	int ends[2];
	pid_t child;
	bool as_asked;

	if (pipe(ends) < 0)
		return false;
	child = fork();
	if (child == 0)
		child_run(last, ctx, ends[1]);
	(void)close(ends[1]);
	read_all(ends[0], said);
	(void)close(ends[0]);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return false;
	as_asked =
		WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(said, words);
	if (!as_asked)
		(void)fprintf(stderr, "status 0x%x, stderr:\n%s\n", (unsigned)status,
			      said);
	return as_asked;
}
