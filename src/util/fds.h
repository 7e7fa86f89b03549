/* SPDX-License-Identifier: MIT
 * fds.h - file descriptors: hand-over, non-blocking, listening unix sockets
 */
#ifndef UTIL_FDS_H
#define UTIL_FDS_H

#include <stdbool.h>
#include <sys/stat.h>

#include "util/compiler.h"
#include "util/err.h"

/* Returns *@fd and leaves -1 there: the caller now owns it. */
static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

/* Closes *@fd if it is not -1, leaves -1. Keeps errno. */
void close_fd(int *fd);

/* O_NONBLOCK and FD_CLOEXEC. Return: 0 or -errno. */
MUST_USE int set_nonblock_cloexec(int fd);

/**
 * listen_unix() - a listening SOCK_STREAM socket at @path, mode 0600 & ~umask
 * @path:	at most 107 bytes
 *
 * A socket file nobody listens on any more is taken over; one that a process
 * still listens on, or a file that is no socket, is refused (-EADDRINUSE,
 * -EEXIST) with the reason in @err. The fd is non-blocking, close-on-exec.
 * Two daemons starting at once on one path: exactly one of them wins
 * (a lock file beside the socket, PATH.lock, held for the daemon's life).
 * Return: fd (owned by the caller) or -errno.
 */
MUST_USE int listen_unix(const char *path, struct err *err);

/* Removes the socket file and lock if they are still the ones listen_unix()
 * made for @fd. */
void unlink_unix(const char *path, int fd);

/* True if @fd is a listening stream socket, false if connected; -errno if no
 * unix stream socket at all. */
MUST_USE int socket_is_listening(int fd);

#endif /* UTIL_FDS_H */
