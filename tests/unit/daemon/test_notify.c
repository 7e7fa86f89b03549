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
	int ours;

	assert_int_equal(notify_open(&ours), 0);
	assert_true(ours >= 0);
	assert_int_equal(notify_manager(ours, "READY=1"), 0);
	assert_int_equal(recv(fd, buf, sizeof(buf) - 1, 0), 7);
	assert_string_equal(buf, "READY=1");
	assert_int_equal(close(fd), 0);
	assert_true(notify_manager(ours, "READY=1") < 0); /* no receiver any more */
	assert_int_equal(close(ours), 0);
}

static void test_path(void **state)
{
	char folder[] = "/tmp/test_notify-XXXXXX";
	char name[64];
	int ours;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(name, sizeof(name), "%s/socket", folder);
	expect_ready(manager(name));
	assert_int_equal(notify_open(&ours), -ECONNREFUSED);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(notify_open(&ours), -ENOENT);
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
	int ours = 0;

	(void)state;
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	assert_int_equal(notify_open(&ours), 0);
	assert_int_equal(ours, -1);
	assert_int_equal(notify_manager(ours, "READY=1"), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
	assert_int_equal(notify_open(&ours), -EINVAL);
	assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
	assert_int_equal(notify_open(&ours), -EINVAL);
	memset(name, '/', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	assert_int_equal(notify_open(&ours), -ENAMETOOLONG);
}

static void expect_watchdog(const char *usec, const char *pid, uint64_t ns)
{
	assert_int_equal(setenv("WATCHDOG_USEC", usec, 1), 0);
	assert_int_equal(pid ? setenv("WATCHDOG_PID", pid, 1) : unsetenv("WATCHDOG_PID"),
			 0);
	assert_int_equal(notify_watchdog_ns(), ns);
}

static void test_watchdog(void **state)
{
	char pid[16];

	(void)state;
	(void)unsetenv("WATCHDOG_USEC");
	assert_int_equal(notify_watchdog_ns(), 0);
	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	expect_watchdog("30000000", NULL, UINT64_C(15000000000));
	expect_watchdog("30000000", pid, UINT64_C(15000000000));
	expect_watchdog("30000000", "1", 0);
	expect_watchdog("30000000", "nonsense", 0);
	expect_watchdog("-5", pid, 0);
	expect_watchdog("5 s", pid, 0);
	expect_watchdog("18446744073709551615", pid, 0);
	expect_watchdog("", pid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_abstract),
		cmocka_unit_test(test_no_socket),
		cmocka_unit_test(test_watchdog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
