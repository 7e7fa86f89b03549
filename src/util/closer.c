/* SPDX-License-Identifier: MIT
 * closer.c - closing descriptors that others gave us, without waiting
 *
 * The process that closes shares our memory and has a stack of its own; the thread that made
 * it is suspended meanwhile (CLONE_VFORK), so what belongs to the thread is not used by two.
 * Every signal is blocked in both. It takes no part in our end: we may exit while it waits.
 */
#include "util/closer.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "util/apart.h"
#include "util/aside.h"
#include "util/compiler.h"
#include "util/fd_kind.h"
#include "util/fds.h"
#include "util/log.h"

#define STACK_BYTES 32768u

static struct aside closer = ASIDE_INIT("closer");

static int close_one(void *arg)
{
	(void)close(*(int *)arg);
	return 0;
}

static void close_apart(uintptr_t arg, size_t size)
{
	/* one at a time */
	static _Alignas(64) char stack[STACK_BYTES];
	int fd = (int)arg;
	pid_t child = -1;

	if (apart_is_possible())
		child = clone(close_one, stack + sizeof(stack),
			      CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &fd);

	(void)size;
	if (child < 0) {
		(void)close(fd);
		return;
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

/* @fd: not -1. */
static void hand_over(int *fd)
{
	if (closer_waiting() >= CLOSER_WAITING_MAX ||
	    !aside_call(&closer, close_apart, (uintptr_t)*fd, 0))
		log_limited(LOG_LEVEL_ERROR,
			    "fd %d stays open: %u others wait for being closed", *fd,
			    closer_waiting());
	*fd = -1;
}

bool closer_start(void)
{
	return aside_start(&closer);
}

void closer_close(int *fd)
{
	int saved_errno = errno;

	if (*fd >= 0 && fd_kind(*fd) == FD_KIND_EVENTFD)
		close_fd(fd);
	else if (*fd >= 0)
		hand_over(fd);
	errno = saved_errno;
}

void closer_close_socket(int *fd)
{
	int saved_errno = errno;
	int unread = 0;

	if (*fd < 0)
		return;
	/* nothing can be added after that */
	(void)shutdown(*fd, SHUT_RDWR);
	if (ioctl(*fd, FIONREAD, &unread) == 0 && unread == 0)
		close_fd(fd);
	else
		hand_over(fd);
	errno = saved_errno;
}

unsigned closer_waiting(void)
{
	return aside_waiting(&closer);
}

bool closer_is_behind(void)
{
	return closer_waiting() > CLOSER_BEHIND;
}

bool closer_wait(unsigned max_ms)
{
	return aside_wait(&closer, max_ms);
}
