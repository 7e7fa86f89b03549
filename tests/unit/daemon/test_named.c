/* SPDX-License-Identifier: MIT
 * test_named.c - tests of src/daemon/named.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "daemon/named.h"
#include "daemon/options.h"

static struct options options;
static struct named named;
static struct err err;

static int setup(void **state)
{
	(void)state;
	options = (struct options){.fd = -1, .control_fd = -1};
	return 0;
}

static int name(const char *first, ...) __attribute__((sentinel));
static int name(const char *first, ...)
{
	va_list ap;

	options.device_count = 0;
	va_start(ap, first);
	for (const char *text = first; text; text = va_arg(ap, const char *))
		options.devices[options.device_count++] = text;
	va_end(ap);
	return named_parse(&named, &options, &err);
}

static void test_kinds(void **state)
{
	(void)state;
	assert_int_equal(name(NULL, NULL), 0);
	assert_int_equal(named.device_count + named.rule_count, 0);
	assert_int_equal(
		name("usb:vid=1234", "keyboard", "usb:pid=1,vid=2", "zero", NULL), 0);
	assert_int_equal(named.device_count, 2);
	assert_string_equal(named.devices[0], "keyboard");
	assert_string_equal(named.devices[1], "zero");
	assert_int_equal(named.rule_count, 2);
	assert_string_equal(named.rules[0], "usb:vid=1234");
	assert_string_equal(named.rules[1], "usb:pid=1,vid=2");
	assert_false(named.any_host);
	assert_int_equal(name("keyboard", "/dev/a", NULL), 0);
	assert_true(named.any_host);
}

static void test_nonsense(void **state)
{
	(void)state;
	assert_int_equal(name("keyboard", "nonsense", NULL), -EINVAL);
	assert_int_equal(name("usb:nonsense=1", NULL), -EINVAL);
	assert_int_equal(name("1234:5678", NULL), -EINVAL);
	assert_non_null(strstr(err.text, "usb:vid=1234,pid=5678"));
}

static void test_descriptors_are_named_once(void **state)
{
	(void)state;
	assert_int_equal(name("host:fd=7", "/dev/a", "/dev/b", "host:fd=8", NULL), 0);
	assert_int_equal(name("host:fd=7", "keyboard", "host:fd=7,force", NULL), -EINVAL);
	assert_string_equal(err.text, "fd 7 is named twice");
	options.fd = 7;
	assert_int_equal(name("host:fd=7", NULL), -EINVAL);
	options.fd = -1;
	options.control_fd = 7;
	assert_int_equal(name("host:fd=7", NULL), -EINVAL);
	assert_int_equal(name("host:fd=9", NULL), 0);
}

#define T(test) cmocka_unit_test_setup(test, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_kinds),
		T(test_nonsense),
		T(test_descriptors_are_named_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
