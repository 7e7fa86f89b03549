/* SPDX-License-Identifier: MIT
 * test_spec.c - tests of src/util/spec.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "util/spec.h"

static struct spec spec;
static struct err err;

static void parse(const char *text)
{
	assert_int_equal(spec_parse(&spec, text, &err), 0);
}

static void refuse(const char *text, const char *why)
{
	int r;

	memset(&err, 0, sizeof(err));
	r = spec_parse(&spec, text, &err);
	assert_true(r < 0);
	assert_int_equal(r, -err.code);
	assert_non_null(strstr(err.text, why));
}

static void expect_pair(unsigned index, const char *key, const char *value)
{
	assert_true(index < spec.pair_count);
	assert_string_equal(spec.pairs[index].key, key);
	if (value)
		assert_string_equal(spec.pairs[index].value, value);
	else
		assert_null(spec.pairs[index].value);
}

static void test_name_only(void **state)
{
	(void)state;
	parse("keyboard");
	assert_string_equal(spec.name, "keyboard");
	assert_int_equal(spec.pair_count, 0);
}

static void test_pairs(void **state)
{
	(void)state;
	parse("stick:file=/a b/c:d=e,readonly,speed=high");
	assert_string_equal(spec.name, "stick");
	assert_int_equal(spec.pair_count, 3);
	expect_pair(0, "file", "/a b/c:d=e");
	expect_pair(1, "readonly", NULL);
	expect_pair(2, "speed", "high");
	parse("stick:x="); /* the parser leaves meaning to spec_string() */
	expect_pair(0, "x", "");
}

static void test_backslash(void **state)
{
	(void)state;
	parse("stick:file=a\\,b\\\\c\\d,readonly");
	assert_int_equal(spec.pair_count, 2);
	expect_pair(0, "file", "a,b\\cd");
	parse("stick:file=end\\");
	expect_pair(0, "file", "end\\");
}

static void test_path(void **state)
{
	(void)state;
	parse("/dev/bus/usb/001/002");
	assert_string_equal(spec.name, "host");
	assert_int_equal(spec.pair_count, 1);
	expect_pair(0, "path", "/dev/bus/usb/001/002");
	parse("/dev/by-port/a:1,reset=never\\,x"); /* as it is */
	assert_int_equal(spec.pair_count, 1);
	expect_pair(0, "path", "/dev/by-port/a:1,reset=never\\,x");
	parse("host:path=/dev/a\\,b,reset=never");
	assert_int_equal(spec.pair_count, 2);
	expect_pair(0, "path", "/dev/a,b");
}

static void test_refused(void **state)
{
	char many[64] = "stick:a";

	(void)state;
	refuse("", "empty");
	refuse(":file=x", "empty");
	refuse("stick:", "missing");
	refuse("stick:readonly,", "missing");
	refuse("stick:,readonly", "missing");
	refuse("stick:=x", "missing");
	refuse("stick:file=a,file=b", "file is given twice");
	for (char c = 'b'; c <= 'p'; c++) {
		strcat(many, (char[]){',', c, '\0'});
		parse(many);
	}
	strcat(many, ",q");
	refuse(many, "more than 16");
}

static void test_length(void **state)
{
	static char text[SPEC_BYTES_MAX + 1];

	(void)state;
	memset(text, 'x', SPEC_BYTES_MAX - 1);
	parse(text);
	assert_int_equal(strlen(spec.name), SPEC_BYTES_MAX - 1);
	text[SPEC_BYTES_MAX - 1] = 'x';
	refuse(text, "bytes");
}

static void test_lookups(void **state)
{
	static const char *const known[] = {"file", "readonly", "speed", NULL};
	static const char *const less[] = {"file", "speed", NULL};
	const char *value;
	bool flag;

	(void)state;
	parse("stick:file=x,readonly,speed=");
	assert_int_equal(spec_check_keys(&spec, known, &err), 0);
	assert_int_equal(spec_check_keys(&spec, less, &err), -EINVAL);
	assert_non_null(strstr(err.text, "unknown setting \"readonly\""));
	assert_int_equal(spec_string(&spec, "file", &value, &err), 0);
	assert_string_equal(value, "x");
	assert_int_equal(spec_string(&spec, "absent", &value, &err), 0);
	assert_null(value);
	assert_int_equal(spec_string(&spec, "speed", &value, &err), -EINVAL);
	assert_int_equal(spec_string(&spec, "readonly", &value, &err), -EINVAL);
	assert_non_null(strstr(err.text, "readonly=..."));
	assert_int_equal(spec_flag(&spec, "readonly", &flag, &err), 0);
	assert_true(flag);
	assert_int_equal(spec_flag(&spec, "absent", &flag, &err), 0);
	assert_false(flag);
	assert_int_equal(spec_flag(&spec, "file", &flag, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_only), cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_backslash), cmocka_unit_test(test_path),
		cmocka_unit_test(test_refused),   cmocka_unit_test(test_length),
		cmocka_unit_test(test_lookups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
