/* SPDX-License-Identifier: MIT
 * stream.c - a blocking unix stream socket with a deadline for each step
 */
#include "control/stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/fds.h"
#include "util/loop.h"

#define NS_PER_MS UINT64_C(1000000)

uint64_t control_deadline(int timeout_ms)
{
	if (timeout_ms < 0)
		return CONTROL_FOREVER;
	return clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
}

int control_stream_timeout(struct err *err)
{
	return err_set(err, ETIMEDOUT, "the daemon does not answer: look at its log");
}

/* Milliseconds to the deadline, for poll(). */
static int left_ms(uint64_t deadline_ns)
{
	uint64_t now = clock_now_ns();
	uint64_t left;

	if (deadline_ns == CONTROL_FOREVER)
		return -1;
	if (now >= deadline_ns)
		return 0;
	left = (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
	return left > INT_MAX ? INT_MAX : (int)left;
}

/* Return: 0, or -errno with @err filled. */
static int await(int fd, short events, uint64_t deadline_ns, struct err *err)
{
	for (;;) {
		struct pollfd poll_fd = {.fd = fd, .events = events};
		int n = poll(&poll_fd, 1, left_ms(deadline_ns));

		if (n > 0)
			return 0;
		if (n == 0)
			return control_stream_timeout(err);
		if (errno != EINTR)
			return err_set(err, errno, "cannot wait for the daemon: %s",
				       strerror(errno));
	}
}

static int refuse_connect(const char *path, int error, struct err *err)
{
	switch (error) {
	case ENOENT:
		return err_set(
			err, error,
			"there is no control socket %s: is the daemon running, with "
			"--hotplug-socket-path?",
			path);
	case ECONNREFUSED:
		return err_set(err, error,
			       "no daemon listens on %s any more: start it again", path);
	case EACCES:
	case EPERM:
		return err_set(err, error,
			       "no permission for %s: run this as root or as the user of "
			       "the daemon, or have it allow you by --control-peers",
			       path);
	default:
		return err_set(err, error, "cannot connect to %s: %s", path,
			       strerror(error));
	}
}

int control_stream_connect(const char *path, uint64_t deadline_ns, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	struct timeval limit = {0};
	int ms = left_ms(deadline_ns);

	if (strlen(path) >= sizeof(addr.sun_path) || !*path)
		return err_set(err, ENAMETOOLONG, "the socket path '%s' cannot be one",
			       path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, errno, "cannot create a socket: %s", strerror(errno));
	/* connect() waits while the daemon's queue is full, as long as a send may */
	if (ms >= 0) {
		limit.tv_sec = ms / 1000;
		limit.tv_usec = (ms % 1000) * 1000 + 1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno == EAGAIN)
			return control_stream_timeout(err);
		if (errno != EINTR)
			return refuse_connect(path, errno, err);
	}
	return steal_fd(&fd);
}

int control_stream_send(int fd, const void *bytes, size_t len, int passed,
			uint64_t deadline_ns, struct err *err)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = send_fd_now(fd, at, len, passed);
		int r;

		if (n >= 0) {
			at += n;
			len -= (size_t)n;
			passed = -1;
			continue;
		}
		if (n != -EAGAIN)
			return err_set(err, (int)-n, "cannot send to the daemon: %s",
				       strerror((int)-n));
		r = await(fd, POLLOUT, deadline_ns, err);
		if (r < 0)
			return r;
	}
	return 0;
}

ssize_t control_stream_receive(int fd, void *buf, size_t len, uint64_t deadline_ns,
			       struct err *err)
{
	for (;;) {
		/* the kernel closes fds, which no daemon sends */
		ssize_t n = recv(fd, buf, len, MSG_DONTWAIT);
		int r;

		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno == ECONNRESET)
			return 0;
		if (errno != EAGAIN)
			return err_set(err, errno, "cannot read from the daemon: %s",
				       strerror(errno));
		r = await(fd, POLLIN, deadline_ns, err);
		if (r < 0)
			return r;
	}
}
