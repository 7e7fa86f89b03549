/* SPDX-License-Identifier: MIT
 * test_attach.c - host devices that cannot be opened: the daemon says why and how to fix
 * it, and keeps running
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/func/func.h"

#define END_MS 20000

static void assert_says(struct func *f, const char *what)
{
	if (daemon_await_stderr(&f->daemon, what, END_MS) < 0) {
		_cleanup_free_ char *text = daemon_stderr(&f->daemon);

		fail_msg("\"%s\" is not in:\n%s", what, text);
	}
}

/* The daemon serves, and ends normally. */
static void assert_runs_on(struct func *f)
{
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
	func_disconnect(f);
	assert_ok(daemon_stop(&f->daemon));
	assert_false(daemon_complained(&f->daemon));
}

static void cannot_attach(struct func *f, const char *spec, const char *why,
			  const char *remedy)
{
	func_start(f, spec, NULL);
	assert_runs_on(f);
	assert_says(f, spec);
	assert_says(f, why);
	assert_says(f, remedy);
	(void)unlink(f->daemon.stderr_path);
}

static void test_wrong_paths(void **state)
{
	struct func *f = *state;
	char path[DAEMON_PATH_MAX];
	char spec[DAEMON_PATH_MAX + 32];

	cannot_attach(f, "/nonexistent/device", "there is no /nonexistent/device",
		      "lsusb");
	cannot_attach(f, "/dev/null", "not the node of a USB device",
		      "/dev/bus/usb/BBB/DDD");
	cannot_attach(f, "/", "is a folder", "/dev/bus/usb/BBB/DDD");
	assert_ok(daemon_image(&f->daemon, "image", 4096, path));
	cannot_attach(f, path, "is an ordinary file", "stick:file=");
	(void)snprintf(spec, sizeof(spec), "host:path=%s,reset=never", path);
	cannot_attach(f, spec, "is an ordinary file", "stick:file=");
	daemon_path(&f->daemon, "link:a,b", path);
	assert_ok(symlink("/dev/null", path));
	cannot_attach(f, path, "link:a,b is some other device", "");
	assert_ok(unlink(path));
	assert_ok(mkfifo(path, 0600)); /* open() would block */
	cannot_attach(f, path, "not the node", "");
}

/* A node like those of usbfs, of bus 500. */
static void test_device_that_is_not_there(void **state)
{
	struct func *f = *state;
	char path[DAEMON_PATH_MAX];

	daemon_path(&f->daemon, "node", path);
	if (mknod(path, S_IFCHR | 0600, makedev(189, 499 * 128 + 2)) < 0) {
		print_message("cannot make a node here: %s\n", strerror(errno));
		return;
	}
	cannot_attach(f, path, path, "to fix that: ");
}

static void test_wrong_fds(void **state)
{
	struct func *f = *state;
	const char *args[] = {"--socket-path", f->daemon.socket, "--device", "host:fd=3",
			      NULL};
	_cleanup_close_ int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	cannot_attach(f, "host:fd=200", "fd 200 is not open", "must leave it open");
	cannot_attach(f, "host:fd=2147483647,reset=first", "is not open", "");
	/* the daemon must not mistake one of its own descriptors for fd 3 */
	assert_ok(daemon_start_fd(&f->daemon, args, -1, false));
	assert_runs_on(f);
	assert_says(f, "fd 3 is not open");
	(void)unlink(f->daemon.stderr_path);
	assert_true(fd >= 0);
	assert_ok(daemon_start_fd(&f->daemon, args, fd, false));
	assert_runs_on(f);
	assert_says(f, "fd 3 is some other device, not the node");
}

static void test_the_others_are_there(void **state)
{
	struct func *f = *state;
	struct drv_device device;

	func_start(f, "/nonexistent/a", func_stick_spec(f, "high"), "host:fd=200",
		   "/dev/null", NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	func_find(f, 8, &device); /* mass storage */
	assert_says(f, "devices: 1");
}

static void test_wrong_usage(void **state)
{
	static const struct {
		const char *first, *second, *why;
	} cases[] = {
		{"host", NULL, "host:path=/dev/bus/usb/BBB/DDD"},
		{"host:fd=2", NULL, "at least 3"},
		{"host:fd=", NULL, "needs a value"},
		{"host:fd=3,path=/dev/null", NULL, "Either"},
		{"host:fd=3,reset=maybe", NULL, "possible are always first never"},
		{"host:path=/dev/null,speed=high", NULL, "unknown setting"},
		{"host:fd=8", "host:reset=never,fd=8", "fd 8 is named twice"},
		{"usb:vid=xyz", NULL, "an id is hex digits"},
		{"usb:nth=1", NULL, "usb:"},
	};
	struct func *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *args[] = {"--device", cases[i].first,
				      cases[i].second ? "--device" : NULL,
				      cases[i].second, NULL};

		assert_ok(daemon_start(&f->daemon, args));
		assert_int_equal(daemon_wait(&f->daemon, END_MS), 2);
		assert_says(f, cases[i].why);
		assert_int_equal(access(f->daemon.socket, F_OK), -1);
		(void)unlink(f->daemon.stderr_path);
	}
}

/* One fd cannot be both socket and device. */
static void test_fd_named_as_both(void **state)
{
	static const char *const args[] = {"--fd", "3", "--device", "host:fd=3", NULL};
	struct func *f = *state;

	assert_ok(daemon_start_fd(&f->daemon, args, -1, false));
	assert_int_equal(daemon_wait(&f->daemon, END_MS), 2);
	assert_says(f, "fd 3 is named twice");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_wrong_paths), FUNC_TEST(test_device_that_is_not_there),
		FUNC_TEST(test_wrong_fds),   FUNC_TEST(test_the_others_are_there),
		FUNC_TEST(test_wrong_usage), FUNC_TEST(test_fd_named_as_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
