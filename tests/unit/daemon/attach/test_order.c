/* SPDX-License-Identifier: MIT
 * test_order.c - tests of src/daemon/attach/order.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/attach/order.h"
#include "util/closer.h"
#include "util/self.h"

static struct wanted wanted;
static struct err err;

static void by_option(const char *text, enum attach_kind kind, bool careful)
{
	assert_int_equal(wanted_from_option(text, &wanted), 0);
	assert_true(wanted.is_option);
	assert_int_equal(wanted.kind, kind);
	assert_int_equal(wanted.careful, careful);
	assert_string_equal(wanted.text, text);
	assert_string_equal(wanted.rule, "");
}

static void test_options(void **state)
{
	(void)state;
	by_option("/dev/a", ATTACH_KIND_NODE, true);
	assert_true(wanted_is_host(&wanted));
	assert_string_equal(wanted.name, "/dev/a");
	assert_string_equal(wanted.path, "/dev/a");
	assert_int_equal(wanted.fd, -1);
	wanted_finish(&wanted);
	by_option("host:path=/dev/a,reset=first,force", ATTACH_KIND_NODE, false);
	assert_int_equal(wanted.reset, HOST_RESET_FIRST);
	wanted_finish(&wanted);
	by_option("host:fd=7", ATTACH_KIND_FD, true);
	assert_true(wanted_is_host(&wanted));
	assert_int_equal(wanted.fd, 7);
	assert_int_equal(wanted.giver_uid, self_uid());
	assert_string_equal(wanted.name, "fd 7");
	wanted.fd = -1; /* it is none */
	wanted_finish(&wanted);
	by_option("stick:file=image", ATTACH_KIND_FILE, false);
	assert_false(wanted_is_host(&wanted));
	assert_string_equal(wanted.path, "image");
	wanted_finish(&wanted);
	by_option("keyboard", ATTACH_KIND_EMULATED, false);
	wanted_finish(&wanted);
}

static int by_order(const char *text, int fd, bool fd_is_file, const char *name)
{
	const struct attach_order order = {
		.text = text,
		.name = name,
		.fd = fd,
		.fd_is_file = fd_is_file,
		.giver_uid = 4711,
		.reset = HOST_RESET_NEVER,
		.port = 3,
		.rule = "r1",
	};

	return wanted_from_order(&order, &wanted, &err);
}

static void test_orders(void **state)
{
	(void)state;
	assert_int_equal(by_order("/dev/a", -1, false, "my key"), 0);
	assert_int_equal(wanted.kind, ATTACH_KIND_NODE);
	assert_false(wanted.is_option);
	assert_true(wanted.careful);
	assert_string_equal(wanted.name, "my key");
	assert_string_equal(wanted.rule, "r1");
	assert_int_equal(wanted.port, 3);
	wanted_finish(&wanted);
	assert_int_equal(by_order("host:path=/dev/a,force", -1, false, NULL), 0);
	assert_string_equal(wanted.name, "/dev/a");
	assert_false(wanted.careful);
	wanted_finish(&wanted);
	assert_int_equal(by_order("stick:file=/image", -1, false, NULL), 0);
	assert_int_equal(wanted.kind, ATTACH_KIND_FILE);
	assert_string_equal(wanted.name, "");
	wanted_finish(&wanted);
}

/* With its descriptor, which is the caller's until the order is taken. */
static void test_descriptors(void **state)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(by_order("keyboard", fd, true, NULL), -EINVAL);
	assert_int_equal(by_order("/dev/a", fd, true, NULL), -EINVAL);
	assert_int_equal(by_order("nonsense", fd, true, NULL), -EINVAL);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	/* the text is a name only */
	assert_int_equal(by_order("nonsense", fd, false, "unused"), 0);
	assert_int_equal(wanted.kind, ATTACH_KIND_FD);
	assert_int_equal(wanted.giver_uid, 4711);
	assert_int_equal(wanted.reset, HOST_RESET_NEVER);
	assert_string_equal(wanted.name, "nonsense");
	wanted_finish(&wanted);
	assert_true(closer_wait(10000));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* a relative path is fine with a descriptor: the client has opened it */
	assert_int_equal(by_order("stick:file=image", fd, true, NULL), 0);
	assert_int_equal(wanted.kind, ATTACH_KIND_FILE);
	assert_int_equal(wanted.fd, fd);
	wanted_finish(&wanted);
}

static void test_refused(void **state)
{
	(void)state;
	assert_int_equal(by_order("stick:file=image", -1, false, NULL), -EINVAL);
	assert_non_null(strstr(err.text, "relative"));
	assert_int_equal(by_order("host:fd=7", -1, false, NULL), -EINVAL);
	assert_non_null(strstr(err.text, "fd=7"));
	assert_int_equal(by_order("nonsense", -1, false, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
