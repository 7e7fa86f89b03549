/* SPDX-License-Identifier: MIT
 * fds.c - file descriptors: hand-over, non-blocking, listening unix sockets
 *
 * A listening unix socket leaves its file behind when its process dies. To replace such a file
 * safely we first lock PATH.lock (by flock, which ends with the process, whatever kills it) and
 * hold it as long as the socket listens. Only the holder looks at, removes or makes PATH. A lock
 * file that someone removed between our open() and our flock() locks nothing: then we start again
 * with the new one.
 */
#include "util/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "util/fd_kind.h"
#include "util/self.h"

#define LISTENERS_MAX  8 /* listening sockets of one process at one time */
#define LOCK_TRIES_MAX 8
#define LISTEN_BACKLOG 16

/**
 * struct listener - what listen_unix() made
 * @fd:		the socket (the caller's), 0 = unused entry
 * @lock_fd:	the lock file, open and locked
 * @fd_inode:	tells that @fd still is that socket
 * @dev, @inode: the socket file
 */
struct listener {
	int fd;
	int lock_fd;
	ino_t fd_inode;
	dev_t dev;
	ino_t inode;
};

static struct listener listeners[LISTENERS_MAX];

void close_fd(int *fd)
{
	int saved_errno = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved_errno;
}

int set_nonblock_cloexec(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	flags = fcntl(fd, F_GETFD);
	if (flags < 0)
		return -errno;
	if (!(flags & FD_CLOEXEC) && fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* Takes the fds out of @msg and closes those that do not fit. */
static size_t take_fds(struct msghdr *msg, int *fds, size_t fds_max, bool *lost)
{
	size_t nfds = 0;

	if (msg->msg_flags & MSG_CTRUNC)
		*lost = true;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (nfds < fds_max) {
				fds[nfds++] = fd;
			} else {
				*lost = true;
				close_fd(&fd);
			}
		}
	}
	return nfds;
}

ssize_t receive_fds(int fd, void *buf, size_t len, int *fds, size_t fds_max,
		    size_t *ret_nfds, bool *ret_lost)
{
	/* an inherited socket may have SO_PASSCRED set */
	UNINITIALIZED union {
		char bytes[CMSG_SPACE(RECEIVE_FDS_MAX * sizeof(int)) +
			   CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n;

	*ret_nfds = 0;
	do {
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*ret_nfds = take_fds(&msg, fds, fds_max, ret_lost);
	return n;
}

ssize_t send_now(int fd, const void *buf, size_t len)
{
	return send_fd_now(fd, buf, len, -1);
}

ssize_t send_fd_now(int fd, const void *buf, size_t len, int passed)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	/* the kernel only reads it */
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (passed >= 0) {
		memset(&control, 0, sizeof(control));
		control.align = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(passed)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &passed, sizeof(passed));
	}
	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int peek_byte(int fd)
{
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	/* fds that come with it stay there */
	do {
		n = recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

static bool still_open(const struct listener *listener)
{
	struct stat st;

	if (fstat(listener->fd, &st) < 0)
		return errno != EBADF;
	return S_ISSOCK(st.st_mode) && st.st_ino == listener->fd_inode;
}

/* An unused entry, or NULL. Releases the lock of an entry whose socket was closed without
 * unlink_unix(). */
static struct listener *listener_find_unused(void)
{
	struct listener *unused = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(listeners); i++) {
		struct listener *listener = &listeners[i];

		if (listener->fd && !still_open(listener)) {
			close_fd(&listener->lock_fd);
			listener->fd = 0;
		}
		if (!listener->fd)
			unused = listener;
	}
	return unused;
}

static bool same_file(int fd, const char *path)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && lstat(path, &there) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* Says whose file is in the place of the lock, and of what kind. */
static int refuse_lock(const char *lock_path, const struct stat *st, struct err *err)
{
	return err_set(
		err, EPERM,
		"%s is %s of user %u, not a lock file of ours: whoever may write to "
		"that folder can keep the socket from being served; remove it or "
		"choose another folder",
		lock_path, file_kind_name(st->st_mode), (unsigned)st->st_uid);
}

static bool is_our_lock(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink <= 1 &&
	       (st->st_uid == self_uid() || st->st_uid == 0);
}

/* Opens or makes the lock file. Return: fd, or -errno with the reason in @err. */
static int open_lock(const char *lock_path, struct err *err)
{
	_cleanup_close_ int fd = open(
		lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	int code = errno;
	struct stat st;

	if (fd < 0 && lstat(lock_path, &st) == 0 && !is_our_lock(&st))
		return refuse_lock(lock_path, &st, err);
	if (fd < 0)
		return err_set(err, code, "cannot create the lock file %s: %s", lock_path,
			       strerror(code));
	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "cannot look at %s: %s", lock_path,
			       strerror(errno));
	if (!is_our_lock(&st))
		return refuse_lock(lock_path, &st, err);
	return steal_fd(&fd);
}

/* Return: the lock, or -errno with the reason in @err. */
static int take_lock(const char *lock_path, struct err *err)
{
	for (int i = 0; i < LOCK_TRIES_MAX; i++) {
		_cleanup_close_ int fd = open_lock(lock_path, err);

		if (fd < 0)
			return fd;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno == EINTR)
				continue;
			if (errno != EWOULDBLOCK)
				return err_set(err, errno, "cannot lock %s: %s",
					       lock_path, strerror(errno));
			return err_set(err, EADDRINUSE,
				       "another process serves this socket and holds %s: "
				       "stop it or choose another path",
				       lock_path);
		}
		if (same_file(fd, lock_path))
			return steal_fd(&fd);
	}
	return err_set(err, EADDRINUSE, "other processes keep taking %s", lock_path);
}

static int refuse_live(const char *path, struct err *err)
{
	return err_set(err, EADDRINUSE,
		       "a process already listens on %s: stop it or choose another path",
		       path);
}

/* Removes a stale socket at @path. The lock is held. Return: 0 if @path is free now. */
static int remove_stale(const char *path, const struct sockaddr_un *addr, struct err *err)
{
	_cleanup_close_ int probe = -1;
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		return err_set(err, errno, "cannot look at %s: %s", path,
			       strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode))
		return err_set(
			err, EEXIST,
			"%s exists and is no socket: remove it or choose another path",
			path);

	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe < 0)
		return err_set(err, errno, "cannot create a socket: %s", strerror(errno));
	if (connect(probe, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return refuse_live(path, err);
	/* EAGAIN: its backlog is full; EPROTOTYPE: a socket of another type.
	 * Only a refused connection shows that no process listens. */
	if (errno == EAGAIN || errno == EPROTOTYPE)
		return refuse_live(path, err);
	if (errno != ECONNREFUSED && errno != ENOENT)
		return err_set(err, errno, "cannot tell whether %s is in use: %s", path,
			       strerror(errno));
	if (unlinkat(AT_FDCWD, path, 0) < 0 && errno != ENOENT)
		return err_set(err, errno, "cannot remove the stale socket %s: %s", path,
			       strerror(errno));
	return 0;
}

/* Binds, listens, and notes what it made in @listener. Return: fd or -errno. */
static int bind_listen(const char *path, const struct sockaddr_un *addr,
		       struct listener *listener, struct err *err)
{
	_cleanup_close_ int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;
	int r;

	/* bind() gives the file the mode of the socket's inode (less the umask),
	 * so it never has a wider one, not even for a moment. */
	if (fd < 0 || fchmod(fd, 0600) < 0 || fstat(fd, &st) < 0)
		return err_set(err, errno, "cannot create a socket: %s", strerror(errno));
	listener->fd_inode = st.st_ino;
	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		return err_set(err, errno, "cannot create the socket %s: %s", path,
			       strerror(errno));
	if (lstat(path, &st) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
		r = err_set(err, errno, "cannot listen on %s: %s", path, strerror(errno));
		(void)unlinkat(AT_FDCWD, path, 0);
		return r;
	}
	listener->dev = st.st_dev;
	listener->inode = st.st_ino;
	return steal_fd(&fd);
}

int listen_unix(const char *path, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char lock_path[sizeof(addr.sun_path) + sizeof(".lock")];
	_cleanup_close_ int lock_fd = -1;
	struct listener *listener;
	size_t len = strlen(path);
	int fd;

	if (len == 0 || len >= sizeof(addr.sun_path))
		return err_set(
			err, len ? ENAMETOOLONG : EINVAL,
			"socket path '%s' is %zu bytes long: 1 to %zu are possible", path,
			len, sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, len);
	(void)snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	listener = listener_find_unused();
	if (!listener)
		return err_set(err, EMFILE, "too many listening sockets");

	lock_fd = take_lock(lock_path, err);
	if (lock_fd < 0)
		return lock_fd;
	fd = remove_stale(path, &addr, err);
	if (fd == 0)
		fd = bind_listen(path, &addr, listener, err);
	if (fd < 0) {
		(void)unlinkat(AT_FDCWD, lock_path, 0);
		return fd;
	}
	listener->fd = fd;
	listener->lock_fd = steal_fd(&lock_fd);
	return fd;
}

static const struct listener *listener_of(int fd)
{
	for (size_t i = 0; i < ARRAY_SIZE(listeners); i++) {
		if (fd > 0 && listeners[i].fd == fd)
			return &listeners[i];
	}
	return NULL;
}

/* Opens the socket's file (O_PATH) if it is still at @path. Return: fd, owned, or -errno. */
static int find_unix(const char *path, int fd)
{
	const struct listener *listener = listener_of(fd);
	_cleanup_close_ int file = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (!listener)
		return -EBADF;
	if (file < 0 || fstat(file, &st) < 0)
		return -errno;
	if (st.st_dev != listener->dev || st.st_ino != listener->inode)
		return -EEXIST;
	return steal_fd(&file);
}

int give_unix_to(const char *path, int fd, uid_t uid, gid_t gid)
{
	_cleanup_close_ int file = find_unix(path, fd);

	if (file < 0)
		return file;
	return fchownat(file, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int open_unix_to_all(const char *path, int fd)
{
	_cleanup_close_ int file = find_unix(path, fd);
	char name[32];

	if (file < 0)
		return file;
	/* fchmod() refuses O_PATH descriptors */
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	return chmod(name, 0666) < 0 ? -errno : 0;
}

void close_unix_of_parent(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(listeners); i++) {
		if (listeners[i].fd <= 0)
			continue;
		(void)close(listeners[i].fd);
		(void)close(listeners[i].lock_fd);
	}
}

int unlink_unix(const char *path, int fd)
{
	char lock_path[PATH_MAX];
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(listeners); i++) {
		struct listener *listener = &listeners[i];
		struct stat st;

		if (fd <= 0 || listener->fd != fd)
			continue;
		/* @fd may be closed already: the file at PATH tells */
		if (lstat(path, &st) < 0)
			r = errno == ENOENT ? 0 : -errno;
		else if (st.st_dev == listener->dev && st.st_ino == listener->inode &&
			 unlinkat(AT_FDCWD, path, 0) < 0)
			r = -errno;
		/* The lock file last: while it exists, PATH is ours. */
		(void)snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
		if (same_file(listener->lock_fd, lock_path))
			(void)unlinkat(AT_FDCWD, lock_path, 0);
		close_fd(&listener->lock_fd);
		listener->fd = 0;
	}
	return r;
}

int socket_is_listening(int fd)
{
	int domain = 0, type = 0, listening = 0;
	socklen_t len = sizeof(int);
	struct ucred peer;
	socklen_t peer_len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0)
		return -errno;
	if (domain != AF_UNIX || type != SOCK_STREAM)
		return -EPROTOTYPE;
	if (listening)
		return 1;
	/* without a peer the user is -1 */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) < 0)
		return -errno;
	return peer.uid == (uid_t)-1 ? -ENOTCONN : 0;
}
