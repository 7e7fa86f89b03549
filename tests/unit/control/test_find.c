/* SPDX-License-Identifier: MIT
 * test_find.c - finding the control sockets of running daemons
 */
#include "controlled.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/find.h"

static char dir[] = "/tmp/control-find-XXXXXX";

static int setup(void **state)
{
	(void)state;
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	return 0;
}

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* Returned owned: a socket of that name somebody listens on, or not. */
static int make_socket(const char *name, bool listening)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(addr.sun_path, in_dir(name));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (listening)
		assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static int teardown(void **state)
{
	static const char *const names[] = {"a.sock",    "b.sock",      "dead.sock",
					    "file.sock", "c.vfio.sock", "d",
					    ".sock",     "link.sock"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink(in_dir(names[i]));
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

static void find(struct control_sockets *sockets)
{
	const char *const folders[] = {NULL, "/nonexistent/folder", dir};

	control_find_all(folders, ARRAY_SIZE(folders), sockets);
}

static void none(void **state)
{
	static struct control_sockets sockets;
	const char *path = NULL;
	struct err err = {0};

	(void)state;
	find(&sockets);
	assert_int_equal(sockets.count, 0);
	assert_int_equal(control_find_one(&sockets, &path, &err), -ENOENT);
	assert_non_null(strstr(err.text, "--socket"));
	assert_null(path);
}

/* Of all that lies there one is a control socket that is served. */
static void the_only_one(void **state)
{
	static struct control_sockets sockets;
	int served = make_socket("b.sock", true), dead = make_socket("dead.sock", false);
	int vfio = make_socket("c.vfio.sock", true), other = make_socket("d", true);
	int hidden = make_socket(".sock", true);
	FILE *file = fopen(in_dir("file.sock"), "w");
	const char *path = NULL;
	struct err err = {0};

	(void)state;
	assert_non_null(file);
	fclose(file);
	/* another name for it is not another daemon */
	assert_int_equal(symlink("b.sock", in_dir("link.sock")), 0);
	find(&sockets);
	assert_int_equal(control_find_one(&sockets, &path, &err), 0);
	assert_string_equal(path, in_dir("b.sock"));
	close(served);
	close(dead);
	close(vfio);
	close(other);
	close(hidden);
}

static void several(void **state)
{
	static struct control_sockets sockets;
	int b = make_socket("b.sock", true), a = make_socket("a.sock", true);
	const char *path = NULL;
	struct err err = {0};

	(void)state;
	find(&sockets);
	assert_int_equal(sockets.count, 2);
	assert_string_equal(sockets.paths[0], in_dir("a.sock"));
	assert_string_equal(sockets.paths[1], in_dir("b.sock"));
	assert_int_equal(control_find_one(&sockets, &path, &err), -ENOTUNIQ);
	assert_non_null(strstr(err.text, "a.sock, "));
	assert_non_null(strstr(err.text, "/b.sock"));
	assert_null(path);
	close(a);
	close(b);
}

/* More than fit into a message are cut. */
static void many_are_told(void **state)
{
	static struct control_sockets sockets;
	const char *path = NULL;
	struct err err = {0};

	(void)state;
	sockets.count = CONTROL_FIND_MAX;
	for (size_t i = 0; i < CONTROL_FIND_MAX; i++)
		snprintf(sockets.paths[i], sizeof(sockets.paths[i]), "/run/x/%080zu", i);
	assert_int_equal(control_find_one(&sockets, &path, &err), -ENOTUNIQ);
	assert_non_null(strstr(err.text, "64 daemons"));
	assert_non_null(strstr(err.text, " ..."));
}

static void folders(void **state)
{
	const char *found[CONTROL_FIND_FOLDERS];
	char long_path[300];

	(void)state;
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	control_find_folders(found);
	assert_string_equal(found[0], "/run/usbvfiod");
	assert_string_equal(found[1], "/run/user/7/usbvfiod");
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	control_find_folders(found);
	assert_null(found[1]);
	memset(long_path, '/', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	setenv("XDG_RUNTIME_DIR", long_path, 1);
	control_find_folders(found);
	assert_null(found[1]);
	unsetenv("XDG_RUNTIME_DIR");
	control_find_folders(found);
	assert_null(found[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(none),          TEST(the_only_one), TEST(several),
		TEST(many_are_told), TEST(folders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
