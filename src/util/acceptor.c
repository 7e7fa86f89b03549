/* SPDX-License-Identifier: MIT
 * acceptor.c - a listening socket whose connections are taken in the loop
 */
#include "util/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>

#include "util/fds.h"
#include "util/loop.h"

/* Connections accepted in one go. */
#define ACCEPT_BATCH 8u

void acceptor_init(struct acceptor *acceptor)
{
	acceptor->fd = -1;
	acceptor->spare_fd = -1;
	acceptor->watch = NULL;
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
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

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
	acceptor->watch = loop_watch_fd(loop, fd, LOOP_READ, on_listen, acceptor);
	return acceptor->watch ? 0 : -ENOMEM;
}

void acceptor_finish(struct acceptor *acceptor)
{
	loop_unwatch(acceptor->watch);
	acceptor->watch = NULL;
	close_fd(&acceptor->spare_fd);
	close_fd(&acceptor->fd);
}
