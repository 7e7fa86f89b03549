/* SPDX-License-Identifier: MIT
 * test_stuck_files.c - images and captures on a file system that stops answering, and a
 * log without a reader
 *
 * Meanwhile the daemon serves everyone else, and it ends on SIGTERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/func/func.h"
#include "tests/lib/pass_fds.h"
#include "tests/lib/stuck_fs.h"
#include "util/fds.h"
#include "util/loop.h"

#define ANSWER_MAX_MS 1000
#define END_MAX_MS    10000
/* Longest time until the daemon gives up a path that does not answer. */
#define LEFT_OUT_MAX_MS 30000

static struct stuck_fs fs;
static char control[DAEMON_PATH_MAX];

static int connect_control(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", control);
	assert_ok(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)));
	return fd;
}

/* Return: false if no answer comes in time. */
static bool ask(const char *request, int passed, char answer[4096])
{
	int fd = connect_control();
	struct iovec iov = {.iov_base = (void *)request, .iov_len = strlen(request)};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n = 0;

	assert_int_equal(pass_fds(fd, &iov, 1, &passed, passed >= 0 ? 1 : 0),
			 strlen(request));
	if (poll(&p, 1, ANSWER_MAX_MS) == 1)
		n = recv(fd, answer, 4095, 0);
	answer[n > 0 ? n : 0] = '\0';
	close(fd);
	return n > 0;
}

static void expect_served(struct func *f)
{
	uint64_t begun_ns = clock_now_ns();
	char answer[4096];

	assert_true(ask("{\"verb\":\"list\"}\n", -1, answer));
	assert_non_null(strstr(answer, "\"ok\":true"));
	assert_commands_work(f);
	assert_true(clock_now_ns() - begun_ns < UINT64_C(1000000000));
}

static bool start(struct func *f, bool by_name)
{
	/* the path leads through another process' folder in /proc, and Landlock hides
	 * processes outside of its domain */
	const char *args[] = {"--hotplug-socket-path",      control, "--device", "zero",
			      by_name ? "--sandbox" : NULL, "off",   NULL};
	int r = stuck_fs_start(&fs);

	if (r == -ENOENT) {
		print_message("# no /dev/fuse here, not tested\n");
		return false;
	}
	assert_ok(r);
	daemon_path(&f->daemon, "control", control);
	func_start_args(f, args);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	return true;
}

/* The daemon leaves a blocked call behind and exits with an error. */
static void expect_end(struct func *f)
{
	func_disconnect(f);
	assert_ok(daemon_signal(&f->daemon, SIGTERM));
	assert_int_equal(daemon_wait(&f->daemon, END_MAX_MS), 1);
	stuck_fs_stop(&fs);
}

static void stuck_request(struct func *f, const char *request, bool passed)
{
	char text[512], path[64], answer[4096];

	/* a path that reaches the file from outside of its mount namespace */
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fs.fd);
	(void)snprintf(text, sizeof(text), request, path);
	stuck_fs_mute(&fs);
	assert_false(ask(text, passed ? fs.fd : -1, answer));
	expect_served(f);
	expect_end(f);
}

static void test_image_by_name(void **state)
{
	if (start(*state, true))
		stuck_request(*state,
			      "{\"verb\":\"attach\",\"spec\":\"stick:file=%s\"}\n",
			      false);
}

static void test_image_handed_over(void **state)
{
	if (start(*state, false))
		stuck_request(*state,
			      "{\"verb\":\"attach\",\"spec\":\"stick:file=%s\"}\n", true);
}

static void test_what_is_no_node(void **state)
{
	if (start(*state, false))
		stuck_request(*state, "{\"verb\":\"attach\",\"name\":\"%s\"}\n", true);
}

static void test_capture_by_name(void **state)
{
	if (start(*state, true))
		stuck_request(
			*state,
			"{\"verb\":\"capture\",\"action\":\"start\",\"path\":\"%s\"}\n",
			false);
}

static void test_capture_handed_over(void **state)
{
	if (start(*state, false))
		stuck_request(
			*state,
			"{\"verb\":\"capture\",\"action\":\"start\",\"path\":\"%s\"}\n",
			true);
}

/* Starts the daemon with an image on a file system that does not answer. Return: false if
 * there is no FUSE. */
static bool start_with_stuck_image(struct func *f)
{
	char stick[96];
	const char *args[] = {"--hotplug-socket-path", control, "--device", stick, NULL};
	int r = stuck_fs_start(&fs);

	/* without root, the kernel refuses before it asks the file system of another user
	 * namespace */
	if (r == -ENOENT || geteuid() != 0)
		return false;
	assert_ok(r);
	daemon_path(&f->daemon, "control", control);
	/* the path goes through the server's mount namespace; a file of ours would block
	 * us */
	(void)snprintf(stick, sizeof(stick), "stick:file=/proc/%d/root%s", (int)fs.server,
		       STUCK_FS_FILE);
	close_fd(&fs.fd);
	stuck_fs_mute(&fs);
	func_start_args(f, args);
	return true;
}

/* The daemon gets as far as its sandbox, says which device it cannot open, and ends. */
static void test_named_at_the_start(void **state)
{
	struct func *f = *state;

	if (!start_with_stuck_image(f))
		return;
	assert_int_equal(daemon_wait(&f->daemon, LEFT_OUT_MAX_MS), 1);
	assert_ok(daemon_await_stderr(&f->daemon, "sandbox leaves it out", 0));
	assert_ok(daemon_await_stderr(&f->daemon, "--device stick:file=", 0));
	stuck_fs_stop(&fs);
}

static void test_ended_at_the_start(void **state)
{
	struct func *f = *state;

	if (!start_with_stuck_image(f))
		return;
	assert_ok(daemon_wait_listening(&f->daemon, control));
	assert_ok(daemon_signal(&f->daemon, SIGHUP));
	assert_ok(daemon_signal(&f->daemon, SIGTERM));
	assert_int_equal(daemon_wait(&f->daemon, ANSWER_MAX_MS), 0);
	assert_int_equal(access(control, F_OK), -1);
	stuck_fs_stop(&fs);
}

/* SIGHUP makes the daemon read its rules again, through a link to the stuck file. */
static void test_rules_read_again(void **state)
{
	struct func *f = *state;
	char rules[DAEMON_PATH_MAX], path[64];
	/* "off": see start() */
	const char *args[] = {"--hotplug-socket-path",
			      control,
			      "--device",
			      "zero",
			      "--rules",
			      rules,
			      "--sandbox",
			      "off",
			      NULL};
	int r = stuck_fs_start(&fs);

	if (r == -ENOENT)
		return;
	assert_ok(r);
	daemon_path(&f->daemon, "control", control);
	daemon_path(&f->daemon, "rules", rules);
	close(open(rules, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	func_start_args(f, args);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fs.fd);
	assert_ok(unlink(rules));
	assert_ok(symlink(path, rules));
	stuck_fs_mute(&fs);
	for (unsigned i = 0; i < 3; i++) {
		assert_ok(daemon_signal(&f->daemon, SIGHUP));
		expect_served(f);
	}
	expect_end(f);
}

/* A second signal does not wait. */
static void test_second_signal(void **state)
{
	struct func *f = *state;
	char answer[4096];

	if (!start(f, false))
		return;
	stuck_fs_mute(&fs);
	assert_false(
		ask("{\"verb\":\"attach\",\"spec\":\"stick:file=x\"}\n", fs.fd, answer));
	func_disconnect(f);
	assert_ok(daemon_signal(&f->daemon, SIGTERM));
	assert_ok(daemon_await_stderr(&f->daemon, "stopping", END_MAX_MS));
	assert_ok(daemon_signal(&f->daemon, SIGTERM));
	assert_int_equal(daemon_wait(&f->daemon, 3000), 1);
	stuck_fs_stop(&fs);
}

/* --- the log --- */

static void test_stderr_is_not_read(void **state)
{
	struct func *f = *state;
	const char *args[] = {"-vv", "--hotplug-socket-path", control, "--device", "zero",
			      NULL};
	char fifo[DAEMON_PATH_MAX];
	struct drv_device device;
	int reader;

	daemon_path(&f->daemon, "control", control);
	daemon_path(&f->daemon, "log", fifo);
	assert_ok(mkfifo(fifo, 0600));
	reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	assert_true(fcntl(reader, F_SETPIPE_SZ, 4096) >= 0);
	f->daemon.wrapper[0] = "sh";
	f->daemon.wrapper[1] = "-c";
	f->daemon.wrapper[2] = "exec \"$@\" 2>\"$0\"";
	f->daemon.wrapper[3] = fifo;
	func_start_args(f, args);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	func_find(f, 0xff, &device);
	/* far more than the pipe holds */
	for (unsigned i = 0; i < 2000; i++)
		assert_commands_work(f);
	expect_served(f);
	func_disconnect(f);
	assert_ok(daemon_signal(&f->daemon, SIGTERM));
	assert_int_equal(daemon_wait(&f->daemon, 5000), 0);
	close(reader);
}

static int setup(void **state)
{
	fs = (struct stuck_fs){.server = -1, .mute_fd = -1, .fd = -1};
	return func_setup(state);
}

static int teardown(void **state)
{
	int r = func_teardown(state);

	stuck_fs_stop(&fs);
	return r;
}

#define STUCK_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STUCK_TEST(test_image_by_name),
		STUCK_TEST(test_image_handed_over),
		STUCK_TEST(test_what_is_no_node),
		STUCK_TEST(test_capture_by_name),
		STUCK_TEST(test_capture_handed_over),
		STUCK_TEST(test_named_at_the_start),
		STUCK_TEST(test_ended_at_the_start),
		STUCK_TEST(test_capture_handed_over),
		STUCK_TEST(test_rules_read_again),
		STUCK_TEST(test_second_signal),
		STUCK_TEST(test_stderr_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
