/* SPDX-License-Identifier: MIT
 * acceptor.c - accept connections of a listening socket in the loop
 */
#include "util/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>

#include "util/closer.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/loop.h"

/* Connections accepted in one go. */
#define ACCEPT_BATCH 8u
/* Interval between looks at whether the closer has caught up. */
#define PAUSE_NS UINT64_C(50000000)

void acceptor_init(struct acceptor *acceptor)
{
	acceptor->fd = -1;
	acceptor->spare_fd = -1;
	acceptor->watch = NULL;
	acceptor->pause = NULL;
}

static bool has_to_wait(const struct acceptor *acceptor)
{
	return acceptor->patient ? closer_is_far_behind() : closer_is_behind();
}

static void on_pause_over(void *ctx)
{
	struct acceptor *acceptor = ctx;

	if (has_to_wait(acceptor) || loop_watch_set(acceptor->watch, LOOP_READ) < 0)
		loop_timer_set(acceptor->pause, PAUSE_NS);
}

static void pause_accepting(struct acceptor *acceptor)
{
	log_limited(
		LOG_LEVEL_ERROR,
		"new connections wait: %u descriptors that others sent wait for being "
		"closed (does their file system answer?)",
		closer_waiting());
	if (loop_watch_set(acceptor->watch, 0) == 0)
		loop_timer_set(acceptor->pause, PAUSE_NS);
}

static void turn_away(struct acceptor *acceptor)
{
	int fd;

	close_fd(&acceptor->spare_fd);
	fd = accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		acceptor->turned_away(acceptor->ctx, fd);
	acceptor->spare_fd = fcntl(acceptor->fd, F_DUPFD_CLOEXEC, 0);
}

static void on_listen(void *ctx, int listen_fd, unsigned events)
{
	struct acceptor *acceptor = ctx;

	(void)events;
	for (unsigned n = 0; n < ACCEPT_BATCH; n++) {
		int fd;

		if (has_to_wait(acceptor)) {
			pause_accepting(acceptor);
			return;
		}
		fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE)
				turn_away(acceptor);
			return;
		}
		acceptor->accepted(acceptor->ctx, fd);
	}
}

int acceptor_start(struct acceptor *acceptor, struct loop *loop, int fd)
{
	acceptor->fd = fd;
	acceptor->spare_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (acceptor->spare_fd < 0)
		return -errno;
	acceptor->pause = loop_timer_create(loop, on_pause_over, acceptor);
	acceptor->watch = loop_watch_fd(loop, fd, LOOP_READ, on_listen, acceptor);
	return acceptor->watch && acceptor->pause ? 0 : -ENOMEM;
}

void acceptor_finish(struct acceptor *acceptor)
{
	loop_timer_destroy(acceptor->pause);
	acceptor->pause = NULL;
	loop_unwatch(acceptor->watch);
	acceptor->watch = NULL;
	close_fd(&acceptor->spare_fd);
	close_fd(&acceptor->fd);
}
