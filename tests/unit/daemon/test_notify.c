/* SPDX-License-Identifier: MIT
 * test_notify.c - tests of src/daemon/notify.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>

#include "daemon/notify.h"

/* A manager's socket at @name ('@' first: abstract), put into NOTIFY_SOCKET. */
static int manager(const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0 && len < sizeof(addr.sun_path));
	memcpy(addr.sun_path, name, len);
	if (name[0] == '@')
		addr.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void expect_ready(int fd)
{
	char buf[32] = "";

	assert_int_equal(notify_manager("READY=1"), 0);
	assert_int_equal(recv(fd, buf, sizeof(buf) - 1, 0), 7);
	assert_string_equal(buf, "READY=1");
	assert_int_equal(close(fd), 0);
}

static void test_path(void **state)
{
	char folder[] = "/tmp/test_notify-XXXXXX";
	char name[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(name, sizeof(name), "%s/socket", folder);
	expect_ready(manager(name));
	assert_true(notify_manager("READY=1") < 0); /* nobody there any more */
	assert_int_equal(unlink(name), 0);
	assert_int_equal(notify_manager("READY=1"), -ENOENT);
	assert_int_equal(rmdir(folder), 0);
}

static void test_abstract(void **state)
{
	char name[64];

	(void)state;
	(void)snprintf(name, sizeof(name), "@test_notify-%d", getpid());
	expect_ready(manager(name));
}

static void test_no_socket(void **state)
{
	char name[200];

	(void)state;
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	assert_int_equal(notify_manager("READY=1"), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
	assert_int_equal(notify_manager("READY=1"), -EINVAL);
	assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
	assert_int_equal(notify_manager("READY=1"), -EINVAL);
	memset(name, '/', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	assert_int_equal(notify_manager("READY=1"), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_abstract),
		cmocka_unit_test(test_no_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
