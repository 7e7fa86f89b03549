/* SPDX-License-Identifier: MIT
 * test_fds_receive.c - bytes and the file descriptors that come with them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "../sockets.h"
#include "util/fds.h"

static int pair[2];

static int set_up(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int tear_down(void **state)
{
	(void)state;
	close_fd(&pair[0]);
	close_fd(&pair[1]);
	return 0;
}

/* The lowest number that is not in use tells whether fds were leaked. */
static int next_fd(void)
{
	int fd = dup(0);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

/* @text with @nfds copies of an fd. */
static void send_fds(const char *text, unsigned nfds)
{
	int fds[RECEIVE_FDS_MAX] = {0};

	for (unsigned i = 0; i < nfds; i++)
		fds[i] = pair[0];
	send_bytes(pair[0], text, strlen(text), fds, nfds);
}

static void bytes_only(void **state)
{
	char buf[16];
	size_t nfds = 7;
	bool lost = false;

	(void)state;
	assert_int_equal(receive_fds(pair[1], buf, sizeof(buf), NULL, 0, &nfds, &lost),
			 -EAGAIN);
	assert_int_equal(nfds, 0);
	send_fds("hello", 0);
	assert_int_equal(receive_fds(pair[1], buf, 3, NULL, 0, &nfds, &lost), 3);
	assert_int_equal(receive_fds(pair[1], buf, sizeof(buf), NULL, 0, &nfds, &lost),
			 2);
	assert_memory_equal(buf, "lo", 2);
	close_fd(&pair[0]);
	assert_int_equal(receive_fds(pair[1], buf, sizeof(buf), NULL, 0, &nfds, &lost),
			 0);
	assert_false(lost);
}

/* They end a call early, so that they are known by the bytes they came with. */
static void fds_end_a_call(void **state)
{
	char buf[16];
	int fds[4];
	size_t nfds = 0;
	bool lost = false;

	(void)state;
	send_fds("a", 0);
	send_fds("b", 2);
	send_fds("c", 0);
	assert_int_equal(receive_fds(pair[1], buf, sizeof(buf), fds, 4, &nfds, &lost), 2);
	assert_memory_equal(buf, "ab", 2);
	assert_int_equal(nfds, 2);
	assert_false(lost);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		close(fds[i]);
	}
	assert_int_equal(receive_fds(pair[1], buf, sizeof(buf), fds, 4, &nfds, &lost), 1);
	assert_int_equal(nfds, 0);
}

static void no_room(void **state)
{
	static const size_t rooms[] = {0, 1, RECEIVE_FDS_MAX};
	static int fds[RECEIVE_FDS_MAX];
	char buf[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rooms); i++) {
		int before = next_fd();
		size_t nfds = 0;
		bool lost = false;

		send_fds("x", RECEIVE_FDS_MAX);
		assert_int_equal(receive_fds(pair[1], buf, sizeof(buf), fds, rooms[i],
					     &nfds, &lost),
				 1);
		assert_int_equal(nfds, rooms[i]);
		assert_int_equal(lost, rooms[i] < RECEIVE_FDS_MAX);
		while (nfds > 0)
			close(fds[--nfds]);
		assert_int_equal(next_fd(), before);
	}
}

/* The process may have no more: the kernel drops what it cannot give. */
static void limit_of_the_process(void **state)
{
	struct rlimit old, small;
	char buf[16];
	int fds[4];
	size_t nfds = 0;
	bool lost = false;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	small = old;
	small.rlim_cur = (rlim_t)next_fd() + 1;
	send_fds("x", 3);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
	assert_int_equal(receive_fds(pair[1], buf, sizeof(buf), fds, 4, &nfds, &lost), 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(nfds, 1);
	assert_true(lost);
	close(fds[0]);
}

/* The sender's identity may come as well. */
static void credentials_beside(void **state)
{
	char buf[16];
	int on = 1, fd = -1;
	size_t nfds = 0;
	bool lost = false;

	(void)state;
	assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)),
			 0);
	send_fds("x", 1);
	assert_int_equal(receive_fds(pair[1], buf, sizeof(buf), &fd, 1, &nfds, &lost), 1);
	assert_int_equal(nfds, 1);
	assert_false(lost);
	close(fd);
}

/* What send_fd_now() passes is what arrives. */
static void sent_with_a_descriptor(void **state)
{
	char buf[16];
	int fds[2] = {-1, -1}, flags;
	size_t nfds = 0;
	bool lost = false;

	(void)state;
	flags = fcntl(pair[0], F_GETFL);
	assert_int_equal(send_fd_now(pair[0], "with", 4, pair[1]), 4);
	assert_int_equal(send_now(pair[0], "out", 3), 3);
	assert_int_equal(receive_fds(pair[1], buf, sizeof(buf), fds, 2, &nfds, &lost), 4);
	assert_memory_equal(buf, "with", 4);
	assert_int_equal(nfds, 1);
	/* a socket in either direction: its peer says whose end it is */
	assert_int_equal(send_now(fds[0], "back", 4), 4);
	close(fds[0]);
	assert_int_equal(receive_fds(pair[0], buf, sizeof(buf), NULL, 0, &nfds, &lost),
			 4);
	assert_int_equal(receive_fds(pair[1], buf, sizeof(buf), fds, 2, &nfds, &lost), 3);
	assert_int_equal(nfds, 0);
	assert_int_equal(send_fd_now(pair[0], "x", 1, 4000), -EBADF);
	assert_int_equal(fcntl(pair[0], F_GETFL), flags);
}

/* It never waits, and no signal comes of an end that is closed. */
static void sending_never_waits(void **state)
{
	static const char piece[4096];
	unsigned pieces = 0;
	ssize_t n;

	(void)state;
	while ((n = send_now(pair[0], piece, sizeof(piece))) > 0)
		assert_true(++pieces < 10000);
	assert_int_equal(n, -EAGAIN);
	close_fd(&pair[1]);
	assert_int_equal(send_now(pair[0], piece, sizeof(piece)), -EPIPE);
	assert_int_equal(send_fd_now(pair[0], piece, sizeof(piece), pair[0]), -EPIPE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(bytes_only),
		TEST(fds_end_a_call),
		TEST(no_room),
		TEST(limit_of_the_process),
		TEST(credentials_beside),
		TEST(sent_with_a_descriptor),
		TEST(sending_never_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
