/* SPDX-License-Identifier: MIT
 * test_closer.c - descriptors told apart, closed elsewhere; calls set aside
 *
 * A close() that not even SIGKILL ends needs a file system that does not answer: tests/func.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../sockets.h"
#include "tests/lib/lingering.h"
#include "util/aside.h"
#include "util/closer.h"
#include "util/fd_kind.h"
#include "util/fds.h"
#include "util/log.h"

#define WAIT_MS 30000u

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void kinds(void **state)
{
	char name[] = "/dev/shm/usbvfiod-kind-XXXXXX";
	int pipe_fds[2];
	struct {
		int fd;
		enum fd_kind kind;
	} fds[] = {
		{memfd_create("anon_inode:[eventfd]", MFD_CLOEXEC), FD_KIND_MEMORY},
		{memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING), FD_KIND_MEMORY},
		{mkstemp(name), FD_KIND_MEMORY},
		{eventfd(0, EFD_CLOEXEC), FD_KIND_EVENTFD},
		{open("/proc/self/environ", O_RDONLY | O_CLOEXEC), FD_KIND_FILE},
		{open("/dev/null", O_RDONLY | O_CLOEXEC), FD_KIND_FILE},
		{open("/tmp", O_PATH | O_CLOEXEC), FD_KIND_FILE},
		{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), FD_KIND_OTHER},
		{-1, FD_KIND_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_int_equal(fd_kind(fds[i].fd), fds[i].kind);
		close_fd(&fds[i].fd);
	}
	assert_int_equal(unlink(name), 0);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(fd_kind(pipe_fds[0]), FD_KIND_OTHER);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* A name that looks like an eventfd's is the name of a file. */
static void name_of_a_file(void **state)
{
	char folder[] = "/tmp/usbvfiod-kind-XXXXXX";
	char path[128];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/anon_inode:[eventfd]", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_true(fd_kind(fd) == FD_KIND_FILE || fd_kind(fd) == FD_KIND_MEMORY);
	close(fd);
	unlink(path);
	rmdir(folder);
}

static void closes_all(void **state)
{
	enum { MANY = 300 };
	int before = count_open_fds();
	int fds[MANY];
	int none = -1;

	(void)state;
	errno = ENOTTY;
	closer_close(&none);
	for (int i = 0; i < MANY; i++) {
		int fd = i % 3 == 0 ? eventfd(0, EFD_CLOEXEC)
				    : open("/dev/null", O_RDONLY | O_CLOEXEC);

		assert_true(fd >= 0);
		fds[i] = fd;
	}
	errno = ENOTTY;
	for (int i = 0; i < MANY; i++) {
		closer_close(&fds[i]);
		assert_int_equal(fds[i], -1);
	}
	assert_int_equal(errno, ENOTTY);
	assert_true(closer_wait(WAIT_MS));
	assert_int_equal(closer_waiting(), 0);
	assert_int_equal(count_open_fds(), before);
}

static void make_pair(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

/* With nothing unread it is closed at once; the peer sees the end either way. */
static void sockets_close(void **state)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int pair[2], ours;

	(void)state;
	make_pair(pair);
	ours = pair[0];
	closer_close_socket(&pair[0]);
	assert_false(is_open(ours));
	expect_closed(pair[1]);
	close(pair[1]);

	make_pair(pair);
	send_bytes(pair[1], "x", 1, &null, 1);
	closer_close_socket(&pair[0]);
	assert_int_equal(pair[0], -1);
	expect_closed(pair[1]);
	close(pair[1]);
	close(null);
	assert_true(closer_wait(WAIT_MS));
}

static sem_t go;

static void wait_for_go(uintptr_t arg, size_t size)
{
	(void)arg;
	(void)size;
	while (sem_wait(&go) < 0)
		;
}

static struct aside aside = ASIDE_INIT("test");
static unsigned sum;

static void add(uintptr_t arg, size_t size)
{
	sum += (unsigned)(arg * size);
}

static void aside_is_bounded(void **state)
{
	unsigned taken = 0;

	(void)state;
	assert_int_equal(sem_init(&go, 0, 0), 0);
	assert_true(aside_wait(&aside, 0));
	assert_true(aside_call(&aside, wait_for_go, 0, 0));
	while (aside_call(&aside, add, 2, 3))
		taken++;
	assert_int_equal(taken, ASIDE_CALLS_MAX - 1);
	assert_int_equal(aside_waiting(&aside), ASIDE_CALLS_MAX);
	assert_false(aside_wait(&aside, 20));
	assert_int_equal(sum, 0);
	sem_post(&go);
	assert_true(aside_wait(&aside, WAIT_MS));
	assert_int_equal(sum, 6 * taken);
	/* and on */
	assert_true(aside_call(&aside, add, 1, 1));
	assert_true(aside_wait(&aside, WAIT_MS));
	assert_int_equal(sum, 6 * taken + 1);
}

/* One whose close() waits until @peer is closed. False: it cannot be made here. */
static bool keep_closer_busy(int *peer)
{
	int fd = lingering_open(60, peer);

	if (fd < 0) {
		print_message("# no loopback network, not tested\n");
		return false;
	}
	closer_close(&fd);
	assert_int_equal(fd, -1);
	return true;
}

static void slow_close_waits_aside(void **state)
{
	int before = count_open_fds(), peer, fds[8];

	(void)state;
	if (!keep_closer_busy(&peer))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		closer_close(&fds[i]);
	}
	assert_false(closer_wait(50));
	assert_int_equal(closer_waiting(), 1 + ARRAY_SIZE(fds));
	assert_false(closer_is_behind());
	close(peer);
	assert_true(closer_wait(WAIT_MS));
	assert_int_equal(count_open_fds(), before);
}

/* More than can be kept: they stay open, and are not closed by the caller. */
static void bounded(void **state)
{
	static int fds[CLOSER_WAITING_MAX + 10];
	int before = count_open_fds(), peer;
	struct rlimit limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_max < 2 * ARRAY_SIZE(fds) || !keep_closer_busy(&peer))
		return;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	log_init(LOG_LEVEL_ERROR, false);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		assert_true(fd >= 0);
		fds[i] = fd;
		closer_close(&fd);
		assert_int_equal(closer_is_behind(), i + 2 > CLOSER_BEHIND);
	}
	assert_int_equal(closer_waiting(), CLOSER_WAITING_MAX);
	close(peer);
	assert_true(closer_wait(WAIT_MS));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_int_equal(is_open(fds[i]), i >= CLOSER_WAITING_MAX - 1);
		if (is_open(fds[i]))
			close(fds[i]);
	}
	assert_int_equal(count_open_fds(), before);
}

/* What was not received lets its descriptors go where the socket is closed: elsewhere. */
static void unread_descriptors(int flags)
{
	int pair[2], pipe_fds[2], peer, ours;
	char byte = 'x';
	struct iovec iov = {&byte, 1};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (!keep_closer_busy(&peer))
		return;
	make_pair(pair);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &pipe_fds[1], sizeof(int));
	if (sendmsg(pair[1], &msg, flags) < 0) {
		assert_int_equal(errno, EOPNOTSUPP);
		/* before Linux 5.15; with a byte in its place the rest still holds */
		print_message("# the kernel has no out-of-band data here\n");
		assert_int_equal(sendmsg(pair[1], &msg, flags & ~MSG_OOB), 1);
	}
	close(pipe_fds[1]);
	ours = pair[0];
	closer_close_socket(&pair[0]);
	assert_true(is_open(ours)); /* the closer is busy */
	assert_int_equal(read(pipe_fds[0], &byte, 1), -1);
	close(peer);
	assert_true(closer_wait(WAIT_MS));
	assert_false(is_open(ours));
	/* the pipe's other end has gone with it */
	assert_int_equal(read(pipe_fds[0], &byte, 1), 0);
	close(pipe_fds[0]);
	close(pair[1]);
}

static void unread_in_order(void **state)
{
	(void)state;
	unread_descriptors(0);
}

static void unread_out_of_band(void **state)
{
	(void)state;
	unread_descriptors(MSG_OOB);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(name_of_a_file),
		cmocka_unit_test(closes_all),
		cmocka_unit_test(sockets_close),
		cmocka_unit_test(slow_close_waits_aside),
		cmocka_unit_test(bounded),
		cmocka_unit_test(unread_in_order),
		cmocka_unit_test(unread_out_of_band),
		cmocka_unit_test(aside_is_bounded),
	};

	log_init(LOG_LEVEL_ERROR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
