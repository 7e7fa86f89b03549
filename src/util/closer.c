/* SPDX-License-Identifier: MIT
 * closer.c - close descriptors that others gave us, without waiting
 *
 * A separate process closes each (apart.h), one at a time. We may exit while it waits.
 */
#include "util/closer.h"

#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "util/apart.h"
#include "util/aside.h"
#include "util/compiler.h"
#include "util/fd_kind.h"
#include "util/fds.h"
#include "util/log.h"

static struct aside closer = ASIDE_INIT("closer");

static void close_one(void *arg)
{
	(void)close(*(int *)arg);
}

static void close_apart(uintptr_t arg, size_t size)
{
	int fd = (int)arg;

	(void)size;
	run_apart(close_one, &fd);
}

/* @fd: not -1. */
static void hand_over(int *fd)
{
	if (closer_waiting() >= CLOSER_WAITING_MAX ||
	    !aside_call(&closer, close_apart, (uintptr_t)*fd, 0))
		log_limited(LOG_LEVEL_ERROR,
			    "fd %d stays open: %u others are waiting to be closed", *fd,
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
	/* so that the peer can add nothing */
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

bool closer_is_far_behind(void)
{
	return closer_waiting() > 2 * CLOSER_BEHIND;
}

bool closer_wait(unsigned max_ms)
{
	return aside_wait(&closer, max_ms);
}
