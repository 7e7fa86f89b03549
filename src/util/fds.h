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

/* How many one sendmsg() can carry (the kernel's SCM_MAX_FD). */
#define RECEIVE_FDS_MAX 253u

/**
 * receive_fds() - receive bytes of a unix stream socket, and the fds that came with them
 * @fds:	room for @fds_max (RECEIVE_FDS_MAX at most); the fds are close-on-exec, and the
 *		caller owns them
 * @ret_nfds:	how many came, set with any result
 * @ret_lost:	set if more fds came than fit, or than the process may have: those are closed;
 *		else left alone
 *
 * Never waits. Stops behind fds: the next call returns the bytes sent after them.
 * Return: bytes, 0 at the stream's end, or -errno.
 */
MUST_USE ssize_t receive_fds(int fd, void *buf, size_t len, int *fds, size_t fds_max,
			     size_t *ret_nfds, bool *ret_lost);

/* Sends as much as the socket takes now; never raises SIGPIPE. Return: bytes, or -errno. */
MUST_USE ssize_t send_now(int fd, const void *buf, size_t len);
/* The same, and passes the borrowed fd @passed with the first byte (SCM_RIGHTS); -1: none. */
MUST_USE ssize_t send_fd_now(int fd, const void *buf, size_t len, int passed);
/* Whether a byte can be received. Return: 1 yes, 0 the stream has ended, -EAGAIN not yet, or
 * -errno. */
MUST_USE int peek_byte(int fd);

/**
 * listen_unix() - a listening SOCK_STREAM socket at @path, mode 0600 & ~umask
 * @path:	at most 107 bytes
 *
 * Replaces a socket file on which no process listens any more. Refuses one on which a
 * process listens (-EADDRINUSE), and a file that is no socket (-EEXIST), with the reason in
 * @err. The fd is non-blocking and close-on-exec. If two daemons start at once on one path,
 * exactly one wins, by the lock file PATH.lock, which it holds for its life.
 * Return: fd (owned by the caller) or -errno.
 */
MUST_USE int listen_unix(const char *path, struct err *err);

/* Lets every user connect to a socket of listen_unix(), whose owner then checks who it is
 * (peers.h). Return: 0 or -errno. */
MUST_USE int open_unix_to_all(const char *path, int fd);
/* Closes all sockets of listen_unix() and their locks, in a child that outlives the parent. */
void close_unix_of_parent(void);
/* Gives the socket's file to @uid and @gid. Return: 0 or -errno; -EEXIST if @path is another file
 * now. */
MUST_USE int give_unix_to(const char *path, int fd, uid_t uid, gid_t gid);

/* Removes the socket file and its lock if they are still those that listen_unix() made for @fd.
 * Return: 0, or -errno: the socket file cannot be removed. */
int unlink_unix(const char *path, int fd);

/* True if @fd is a listening stream socket, false if connected; -errno if no
 * unix stream socket at all. */
MUST_USE int socket_is_listening(int fd);

#endif /* UTIL_FDS_H */
