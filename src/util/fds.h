/* SPDX-License-Identifier: MIT
 * fds.h - file descriptors: hand-over, non-blocking, listening unix sockets
 */
#ifndef UTIL_FDS_H
#define UTIL_FDS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

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

/* What one sendmsg() can carry (the kernel's SCM_MAX_FD). */
#define RECEIVE_FDS_MAX 253u

/**
 * receive_fds() - bytes of a unix stream socket, and the fds that came with them
 * @fds:	room for @fds_max (RECEIVE_FDS_MAX at most); the fds are close-on-exec and
 *		become the caller's
 * @ret_nfds:	how many came, set with any result
 * @ret_lost:	set if there were more fds than room, or than the process may have: they
 *		are closed; otherwise left alone
 *
 * Never waits. Fds end it early: what was sent behind them comes with the next call.
 * Return: bytes, 0 at the stream's end, or -errno.
 */
MUST_USE ssize_t receive_fds(int fd, void *buf, size_t len, int *fds, size_t fds_max,
			     size_t *ret_nfds, bool *ret_lost);

/* Sends what goes at once on a socket; never SIGPIPE. Return: bytes, or -errno. */
MUST_USE ssize_t send_now(int fd, const void *buf, size_t len);
/* The same, @passed going with the first byte by SCM_RIGHTS; borrowed, -1: none. */
MUST_USE ssize_t send_fd_now(int fd, const void *buf, size_t len, int passed);
/* Whether there is something to be received: 1, 0: the stream has ended, or -errno; -EAGAIN:
 * neither. */
MUST_USE int peek_byte(int fd);

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

/* Lets every user connect to the socket that listen_unix() has made: the owner looks at who it
 * is (peers.h). Return: 0 or -errno. */
MUST_USE int open_unix_to_all(const char *path, int fd);
/* In a child that lives on without them: closes all sockets of listen_unix() and their locks. */
void close_unix_of_parent(void);
/* Its file belongs to @uid and @gid from now on, as seen by those who connect. Return: 0 or
 * -errno: -EEXIST something else is at @path. */
MUST_USE int give_unix_to(const char *path, int fd, uid_t uid, gid_t gid);

/* Removes the socket file and lock if they are still the ones listen_unix()
 * made for @fd. */
void unlink_unix(const char *path, int fd);

/* True if @fd is a listening stream socket, false if connected; -errno if no
 * unix stream socket at all. */
MUST_USE int socket_is_listening(int fd);

#endif /* UTIL_FDS_H */
