/* SPDX-License-Identifier: MIT
 * test_sockets.c - start and end of the daemon, and its sockets
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/func/func.h"
#include "tests/lib/pass_fds.h"

#define END_MS   20000
#define MANY_FDS 5000u /* more than the daemon may have open */

/* A bound socket at @path, listening if @live. */
static int bind_at(const char *path, bool live)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_ok(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	if (live)
		assert_ok(listen(fd, 5));
	return fd;
}

static void assert_says_something(struct func *f)
{
	_cleanup_free_ char *text = daemon_stderr(&f->daemon);

	assert_non_null(text);
	assert_in_range(strlen(text), 10, 8192);
}

static void ends_by(struct func *f, int signal)
{
	func_start(f, func_stick_spec(f, "high"), NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	assert_ok(daemon_signal(&f->daemon, signal));
	assert_int_equal(daemon_wait(&f->daemon, END_MS), 0);
	assert_int_equal(access(f->daemon.socket, F_OK), -1);
	/* the client's connection is closed too */
	assert_ok(vfu_wait_closed(&f->vmm.client));
}

static void test_sigterm(void **state)
{
	ends_by(*state, SIGTERM);
}

static void test_sigint(void **state)
{
	ends_by(*state, SIGINT);
}

static void test_sigterm_with_no_client(void **state)
{
	struct func *f = *state;
	int fd;

	func_start(f, NULL, NULL);
	fd = daemon_connect(&f->daemon);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(daemon_stop(&f->daemon), 0);
	assert_int_equal(access(f->daemon.socket, F_OK), -1);
}

/* With pending transfers SIGTERM must not wait for a key. */
static void test_sigterm_with_transfers_pending(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;

	func_keyboard(f, &device, &hid);
	hid_queue(&hid, 8);
	assert_commands_work(f);
	assert_int_equal(daemon_stop(&f->daemon), 0);
}

static void test_stale_socket_is_taken_over(void **state)
{
	struct func *f = *state;

	(void)close(bind_at(f->daemon.socket, true));
	assert_ok(access(f->daemon.socket, F_OK));
	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
}

/* SIGKILL leaves the socket; the next daemon must start all the same (original 1.2). */
static void test_start_after_a_kill(void **state)
{
	struct func *f = *state;

	for (unsigned i = 0; i < 3; i++) {
		func_start(f, NULL, NULL);
		func_connect(f, VFU_DIALECT_QEMU);
		assert_alive(f);
		func_disconnect(f);
		assert_ok(daemon_signal(&f->daemon, SIGKILL));
		assert_int_equal(daemon_wait(&f->daemon, END_MS), 256 + SIGKILL);
		assert_ok(access(f->daemon.socket, F_OK));
	}
	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
}

static void test_live_socket_is_refused(void **state)
{
	struct func *f = *state;
	int fd = bind_at(f->daemon.socket, true);

	func_start(f, NULL, NULL);
	assert_int_equal(daemon_wait(&f->daemon, END_MS), 1);
	assert_ok(access(f->daemon.socket, F_OK));
	assert_says_something(f);
	(void)close(fd);
	(void)unlink(f->daemon.socket);
}

static void test_second_daemon_on_the_same_path(void **state)
{
	struct func *f = *state;
	struct daemon second;

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_ok(daemon_init(&second));
	(void)snprintf(second.socket, sizeof(second.socket), "%s", f->daemon.socket);
	assert_ok(daemon_start(&second, NULL));
	assert_int_equal(daemon_wait(&second, END_MS), 1);
	daemon_finish(&second);
	/* the first daemon and its socket still work */
	assert_alive(f);
	func_disconnect(f);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
}

static void test_other_file_at_the_path_is_kept(void **state)
{
	struct func *f = *state;
	int fd = open(f->daemon.socket, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "mine", 4), 4);
	func_start(f, NULL, NULL);
	assert_int_equal(daemon_wait(&f->daemon, END_MS), 1);
	assert_ok(stat(f->daemon.socket, &st));
	assert_int_equal(st.st_size, 4);
	assert_true(S_ISREG(st.st_mode));
	assert_says_something(f);
	(void)close(fd);
	(void)unlink(f->daemon.socket);
}

static void test_socket_is_for_its_owner_only(void **state)
{
	struct func *f = *state;
	struct stat st;

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_ok(stat(f->daemon.socket, &st));
	assert_int_equal(st.st_mode & 077, 0);
}

/* --fd N, a listening socket: the daemon serves one client after the other and leaves the
 * path alone. */
static void test_listening_fd(void **state)
{
	struct func *f = *state;
	const char *const args[] = {"--fd", "3", NULL};
	int fd = bind_at(f->daemon.socket, true);

	assert_ok(daemon_start_fd(&f->daemon, args, fd, false));
	(void)close(fd);
	for (unsigned i = 0; i < 3; i++) {
		func_connect(f, VFU_DIALECT_QEMU);
		assert_alive(f);
		func_disconnect(f);
	}
	assert_int_equal(daemon_stop(&f->daemon), 0);
	/* the creator of the socket removes it */
	(void)unlink(f->daemon.socket);
}

static void connected_pair(struct func *f, int pair[2])
{
	const char *const args[] = {"--fd", "3", NULL};

	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	assert_ok(daemon_start_fd(&f->daemon, args, pair[1], false));
	(void)close(pair[1]);
	vfu_adopt(&f->vmm.client, pair[0], VFU_DIALECT_QEMU);
	for (unsigned i = 0; i < VMM_VECTORS_MAX; i++)
		f->vmm.irq_fds[i] = -1;
	f->connected = true;
}

/* --fd N, a connected socket: the daemon serves one client and ends when it
 * disconnects. */
static void test_connected_fd(void **state)
{
	struct func *f = *state;
	int pair[2];

	connected_pair(f, pair);
	assert_ok(vfu_version(&f->vmm.client));
	assert_alive(f);
	func_disconnect(f);
	assert_int_equal(daemon_wait(&f->daemon, END_MS), 0);
}

static void test_connected_fd_ends_by_signal(void **state)
{
	struct func *f = *state;
	int pair[2];

	connected_pair(f, pair);
	assert_ok(vfu_version(&f->vmm.client));
	assert_int_equal(daemon_stop(&f->daemon), 0);
}

/* LISTEN_FDS and LISTEN_PID, as systemd's socket units set them. */
static void test_socket_activation(void **state)
{
	struct func *f = *state;
	int fd = bind_at(f->daemon.socket, true);

	assert_ok(daemon_start_fd(&f->daemon, NULL, fd, true));
	(void)close(fd);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
	func_disconnect(f);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
	func_disconnect(f);
	assert_int_equal(daemon_stop(&f->daemon), 0);
	(void)unlink(f->daemon.socket);
}

/* Each of these gives exit status 2 and a message. */
static void test_wrong_usage(void **state)
{
	static const char *const cases[][8] = {
		{"--no-such-option"},
		{"--fd", "3", "--socket-path", "/tmp/x"},
		{"--fd", "three"},
		{"--fd", "-1"},
		{"--fd"},
		{"--ports", "0"},
		{"--ports", "99"},
		{"stray"},
		{"--device", "nothing:at=all"},
		{"--device", "stick"},
		{"--device", "stick:file"},
		{"--device", "keyboard:color=red"},
	};
	struct func *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *args[10] = {NULL};
		unsigned n = 0;
		int r;

		if (i >= 5) { /* the cases before are wrong with or without a socket */
			args[n++] = "--socket-path";
			args[n++] = f->daemon.socket;
		}
		for (unsigned j = 0; cases[i][j]; j++)
			args[n++] = cases[i][j];
		assert_ok(daemon_start_fd(&f->daemon, args, -1, false));
		r = daemon_wait(&f->daemon, END_MS);
		if (r != 2)
			fail_msg("%s %s: status %d", cases[i][0],
				 cases[i][1] ? cases[i][1] : "", r);
		assert_says_something(f);
		assert_int_equal(access(f->daemon.socket, F_OK), -1);
		(void)unlink(f->daemon.stderr_path);
	}
	/* without any socket */
	assert_ok(daemon_start_fd(&f->daemon, NULL, -1, false));
	assert_int_equal(daemon_wait(&f->daemon, END_MS), 2);
}

/* --fd of a descriptor that is no socket: a message and status 1 or 2, no crash. */
static void test_fd_that_is_no_socket(void **state)
{
	struct func *f = *state;
	const char *const args[] = {"--fd", "3", NULL};
	const char *const closed[] = {"--fd", "77", NULL};
	int r;

	assert_ok(daemon_start_fd(&f->daemon, args, f->ram.fd, false));
	r = daemon_wait(&f->daemon, END_MS);
	assert_in_range(r, 1, 2);
	assert_says_something(f);
	assert_ok(daemon_start_fd(&f->daemon, closed, -1, false));
	r = daemon_wait(&f->daemon, END_MS);
	assert_in_range(r, 1, 2);
}

static void test_help_and_version(void **state)
{
	static const char *const options[] = {"--help", "-h", "--version", "-V"};
	struct func *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
		const char *const args[] = {options[i], NULL};

		assert_ok(daemon_start_fd(&f->daemon, args, -1, false));
		assert_int_equal(daemon_wait(&f->daemon, END_MS), 0);
		assert_says_something(f);
	}
}

/* An image that cannot be opened: the message names it, and the exit status is 1. */
static void test_image_that_is_not_there(void **state)
{
	struct func *f = *state;
	_cleanup_free_ char *text = NULL;
	int r;

	func_start(f, "stick:file=/nonexistent/image", NULL);
	r = daemon_wait(&f->daemon, END_MS);
	assert_int_equal(r, 1);
	text = daemon_stderr(&f->daemon);
	assert_non_null(strstr(text, "/nonexistent/image"));
	assert_int_equal(access(f->daemon.socket, F_OK), -1);
}

/* NOTIFY_SOCKET: READY=1 once the socket accepts connections. */
static void test_readiness_is_told(void **state)
{
	struct func *f = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = END_MS / 1000};
	char text[256] = "";
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int client;

	daemon_path(&f->daemon, "notify", address.sun_path);
	assert_ok(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	assert_ok(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)));
	assert_ok(setenv("NOTIFY_SOCKET", address.sun_path, 1));
	func_start(f, NULL, NULL);
	assert_ok(unsetenv("NOTIFY_SOCKET"));
	assert_true(recv(fd, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text, "READY=1"));
	assert_ok(vfu_connect(&f->vmm.client, f->daemon.socket, VFU_DIALECT_QEMU));
	client = f->vmm.client.fd;
	assert_true(client >= 0);
	assert_ok(vfu_version(&f->vmm.client));
	vfu_close(&f->vmm.client);
	(void)close(fd);
}

/* The kernel limits a user's descriptors in flight on sockets to what one process may
 * have open, except for root and some capabilities. Other programs of that user may use
 * up the limit. The daemon has descriptors in flight during its start, and its unit drops
 * those capabilities. */
static void test_beside_descriptors_on_their_way(void **state)
{
	struct func *f = *state;
	struct iovec iov = {.iov_base = f->image, .iov_len = 1};
	int fds[PASS_FDS_MAX];
	struct drv_device device;
	struct guest_buf buf;
	struct bot bot;
	int passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int pair[2];

	assert_true(passed >= 0);
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	for (unsigned i = 0; i < PASS_FDS_MAX; i++)
		fds[i] = passed;
	for (unsigned sent = 0; sent < MANY_FDS; sent += PASS_FDS_MAX)
		if (pass_fds(pair[0], &iov, 1, fds, PASS_FDS_MAX) < 0)
			break;
	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, BOT_SECTOR, 64);
	assert_ok(bot_read(&bot, 7, 1, buf.iova, 0, 0));
	assert_int_equal(*(uint8_t *)guest_ptr(&f->ram, buf.iova, 1), 7);
	(void)close(pair[0]);
	(void)close(pair[1]);
	(void)close(passed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_sigterm),
		FUNC_TEST(test_sigint),
		FUNC_TEST(test_sigterm_with_no_client),
		FUNC_TEST(test_sigterm_with_transfers_pending),
		FUNC_TEST(test_stale_socket_is_taken_over),
		FUNC_TEST(test_start_after_a_kill),
		FUNC_TEST(test_live_socket_is_refused),
		FUNC_TEST(test_second_daemon_on_the_same_path),
		FUNC_TEST(test_other_file_at_the_path_is_kept),
		FUNC_TEST(test_socket_is_for_its_owner_only),
		FUNC_TEST(test_listening_fd),
		FUNC_TEST(test_connected_fd),
		FUNC_TEST(test_connected_fd_ends_by_signal),
		FUNC_TEST(test_socket_activation),
		FUNC_TEST(test_wrong_usage),
		FUNC_TEST(test_fd_that_is_no_socket),
		FUNC_TEST(test_help_and_version),
		FUNC_TEST(test_image_that_is_not_there),
		FUNC_TEST(test_readiness_is_told),
		FUNC_TEST(test_beside_descriptors_on_their_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
