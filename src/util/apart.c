/* SPDX-License-Identifier: MIT
 * apart.c - a call that another party can hold for ever, made by a process of its own
 *
 * The kernel suspends the thread while the process runs (CLONE_VFORK), so the two never use the
 * thread's own data, such as errno, at the same time.
 */
#include "util/apart.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct call {
	void (*fn)(void *arg);
	void *arg;
};

static int enter(void *arg)
{
	const struct call *call = arg;

	call->fn(call->arg);
	return 0;
}

static bool is_possible(void)
{
	/* valgrind has its own library loaded before all others */
	const char *preload = getenv("LD_PRELOAD"); // NOLINT(concurrency-mt-unsafe)

	return !preload || !strstr(preload, "vgpreload");
}

void run_apart(void (*fn)(void *arg), void *arg)
{
	struct call call = {.fn = fn, .arg = arg};
	char *stack =
		mmap(NULL, APART_STACK_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	pid_t child = -1;

	if (stack != MAP_FAILED && is_possible())
		child = clone(enter, stack + APART_STACK_BYTES,
			      CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &call);
	if (child < 0)
		fn(arg);
	while (child >= 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	if (stack != MAP_FAILED)
		(void)munmap(stack, APART_STACK_BYTES);
}
