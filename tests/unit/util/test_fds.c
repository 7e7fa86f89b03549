/* SPDX-License-Identifier: MIT
 * test_fds.c - hand-over of file descriptors, listening unix sockets
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "socket_dir.h"
#include "util/fds.h"

static bool exists(const char *file)
{
	struct stat st;

	return lstat(file, &st) == 0;
}

static void expect_refusal(int code, const char *words)
{
	struct err err = {0};

	assert_int_equal(listen_unix(path, &err), -code);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.text, words));
}

static void expect_service(void)
{
	struct err err = {0};
	int fd = listen_unix(path, &err), client;

	assert_string_equal(err.text, "");
	assert_true(fd >= 0);
	client = connect_path();
	assert_true(client >= 0);
	close(client);
	unlink_unix(path, fd);
	close(fd);
	assert_false(exists(path));
	assert_false(exists(lock_path));
}

static void test_steal_close(void **state)
{
	int fd = open("/dev/null", O_RDONLY), copy = fd;

	(void)state;
	assert_int_equal(steal_fd(&fd), copy);
	assert_int_equal(fd, -1);
	errno = EPIPE;
	close_fd(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(fcntl(copy, F_GETFD), 0);
	fd = copy;
	close_fd(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	fd = copy;
	errno = EPIPE;
	close_fd(&fd); /* close() fails */
	assert_int_equal(errno, EPIPE);
}

static void test_nonblock_cloexec(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(pipe(pair), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(set_nonblock_cloexec(pair[0]), 0);
		assert_true(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(pair[0], F_GETFD) & FD_CLOEXEC);
	}
	assert_false(fcntl(pair[1], F_GETFL) & O_NONBLOCK);
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(set_nonblock_cloexec(pair[0]), -EBADF);
	assert_int_equal(set_nonblock_cloexec(-1), -EBADF);
}

static void test_listen(void **state)
{
	mode_t mask = umask(0);
	int fd = listen_unix(path, NULL), client, served;
	struct stat st;

	(void)state;
	(void)umask(mask);
	assert_true(fd >= 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(lstat(lock_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	client = connect_path();
	assert_true(client >= 0);
	served = accept(fd, NULL, NULL);
	assert_true(served >= 0);
	close(client);
	close(served);
	unlink_unix(path, fd);
	close(fd);
	assert_false(exists(path));
	assert_false(exists(lock_path));

	(void)umask(0277);
	fd = listen_unix(path, NULL);
	(void)umask(mask);
	assert_true(fd >= 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	unlink_unix(path, fd);
	close(fd);
}

static void test_paths(void **state)
{
	char name[200] = "/tmp/";
	struct err err;
	int fd;

	(void)state;
	assert_int_equal(listen_unix("", &err), -EINVAL);
	memset(name + 5, 'a', 103);
	assert_int_equal(listen_unix(name, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.text, "108 bytes"));
	name[107] = '\0';
	fd = listen_unix(name, &err);
	assert_true(fd >= 0);
	assert_true(exists(name));
	unlink_unix(name, fd);
	close(fd);
	assert_false(exists(name));
	assert_int_equal(listen_unix("/nonexistent/socket", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/socket"));
}

/* A daemon that was killed leaves socket and lock file behind. */
static void test_stale_is_taken_over(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(listen_unix(path, NULL) < 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(exists(path));
	assert_true(exists(lock_path));
	assert_int_equal(connect_path(), -ECONNREFUSED);
	expect_service();

	/* one of another program, without a lock file; bound but never listening */
	close(foreign_socket(SOCK_STREAM, 1));
	assert_true(exists(path));
	expect_service();
}

/* Closed without unlink_unix(), in the same process. */
static void test_own_stale_is_taken_over(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		int fd = listen_unix(path, NULL);

		assert_true(fd >= 0);
		close(fd);
	}
	expect_service();
}

/* Who was to serve it has closed it: the file goes all the same. */
static void test_closed_socket_is_unlinked(void **state)
{
	int fd = listen_unix(path, NULL);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	unlink_unix(path, fd);
	assert_false(exists(path));
	assert_false(exists(lock_path));
}

static void test_live_is_refused(void **state)
{
	int fd = listen_unix(path, NULL), client;

	(void)state;
	assert_true(fd >= 0);
	expect_refusal(EADDRINUSE, path);
	/* by the lock: the one who listens was not disturbed */
	assert_int_equal(accept(fd, NULL, NULL), -1);
	client = connect_path();
	assert_true(client >= 0);
	close(client);
	unlink_unix(path, fd);
	close(fd);
}

static void test_live_foreign_is_refused(void **state)
{
	int fd = foreign_socket(SOCK_STREAM, 0), clients[8];

	(void)state;
	expect_refusal(EADDRINUSE, "already listens");
	assert_true(exists(path));
	assert_false(exists(lock_path));
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		clients[i] = connect_path();
	assert_int_equal(clients[7], -EAGAIN);
	expect_refusal(EADDRINUSE, "already listens"); /* its backlog is full */
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		if (clients[i] >= 0)
			close(clients[i]);
	close(fd);
	unlink(path);

	fd = foreign_socket(SOCK_DGRAM, -1);
	expect_refusal(EADDRINUSE, "already listens");
	close(fd);
}

static void test_other_files_are_refused(void **state)
{
	char content[8] = "";
	int fd = open(path, O_CREAT | O_RDWR, 0600);

	(void)state;
	assert_int_equal(write(fd, "precious", 8), 8);
	expect_refusal(EEXIST, "no socket");
	assert_int_equal(pread(fd, content, 8, 0), 8);
	assert_memory_equal(content, "precious", 8);
	assert_true(exists(path));
	assert_false(exists(lock_path));
	close(fd);
	unlink(path);

	assert_int_equal(mkdir(path, 0700), 0);
	expect_refusal(EEXIST, "no socket");
	assert_int_equal(rmdir(path), 0);

	assert_int_equal(symlink("/dev/null", path), 0);
	expect_refusal(EEXIST, "no socket");
	unlink(path);

	/* the lock file must not lead elsewhere */
	assert_int_equal(symlink(path, lock_path), 0);
	expect_refusal(EPERM, "is a link of user");
	unlink(lock_path);
	/* nor be anything but a file of its own */
	assert_int_equal(mkfifo(lock_path, 0600), 0);
	expect_refusal(EPERM, "is a FIFO of user");
	unlink(lock_path);
	/* of which the lock may be held for another reason */
	close(open(lock_path, O_CREAT | O_RDWR, 0600));
	assert_int_equal(link(lock_path, path), 0);
	expect_refusal(EPERM, "is a file of user");
	unlink(path);
	unlink(lock_path);
	if (geteuid() == 0) {
		/* locked by another user it would say that somebody serves */
		int held = open(lock_path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

		assert_int_equal(flock(held, LOCK_EX), 0);
		assert_int_equal(fchown(held, 65534, 65534), 0);
		expect_refusal(EPERM, "is a file of user 65534");
		close(held);
		unlink(lock_path);
	}
	expect_service();
}

/* Somebody has replaced the files while we listened: they are not ours. */
static void test_unlink_spares_others(void **state)
{
	int fd = listen_unix(path, NULL), other;

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	unlink(lock_path);
	other = foreign_socket(SOCK_STREAM, 1);
	close(open(lock_path, O_CREAT | O_RDWR, 0600));
	unlink_unix(path, fd);
	assert_true(exists(path));
	assert_true(exists(lock_path));
	close(fd);

	/* a socket that listen_unix() did not make */
	unlink_unix(path, other);
	unlink_unix(path, -1);
	assert_true(exists(path));
	close(other);
}

static void test_table_full(void **state)
{
	char name[128];
	struct err err;
	int fds[9];

	(void)state;
	for (int i = 0; i < 9; i++) {
		(void)snprintf(name, sizeof(name), "%s%d", path, i);
		fds[i] = listen_unix(name, &err);
	}
	assert_int_equal(fds[8], -EMFILE);
	for (int i = 0; i < 8; i++) {
		assert_true(fds[i] >= 0);
		(void)snprintf(name, sizeof(name), "%s%d", path, i);
		unlink_unix(name, fds[i]);
		close(fds[i]);
		assert_false(exists(name));
	}
	expect_service();
}

static void test_socket_is_listening(void **state)
{
	int fd = listen_unix(path, NULL), pair[2], client;

	(void)state;
	assert_int_equal(socket_is_listening(fd), 1);
	client = connect_path();
	assert_int_equal(socket_is_listening(client), 0);
	close(client);
	unlink_unix(path, fd);
	close(fd);
	assert_int_equal(socket_is_listening(fd), -EBADF);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(socket_is_listening(pair[0]), 0);
	close(pair[1]); /* gone, but it was connected */
	assert_int_equal(socket_is_listening(pair[0]), 0);
	close(pair[0]);

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(socket_is_listening(pair[0]), -EPROTOTYPE);
	close(pair[0]);
	close(pair[1]);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(socket_is_listening(fd), -ENOTCONN);
	close(fd);
	fd = open("/dev/null", O_RDONLY);
	assert_int_equal(socket_is_listening(fd), -ENOTSOCK);
	close(fd);
}

#define FDS_TEST(f) cmocka_unit_test_teardown(f, remove_files)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FDS_TEST(test_steal_close),
		FDS_TEST(test_nonblock_cloexec),
		FDS_TEST(test_listen),
		FDS_TEST(test_paths),
		FDS_TEST(test_stale_is_taken_over),
		FDS_TEST(test_own_stale_is_taken_over),
		FDS_TEST(test_closed_socket_is_unlinked),
		FDS_TEST(test_live_is_refused),
		FDS_TEST(test_live_foreign_is_refused),
		FDS_TEST(test_other_files_are_refused),
		FDS_TEST(test_unlink_spares_others),
		FDS_TEST(test_table_full),
		FDS_TEST(test_socket_is_listening),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
