/* SPDX-License-Identifier: MIT
 * test_text.c - texts, numbers and times for a terminal
 */
#include "fake.h"

#include <locale.h>
#include <stdlib.h>

#include "ctl/text.h"

static void expect_clean(const char *text, unsigned max, const char *wanted,
			 unsigned columns)
{
	unsigned got = 0;
	char *clean = ctl_clean(text, max, &got);

	assert_string_equal(clean, wanted);
	assert_int_equal(got, columns);
	free(clean);
}

static void expect_bytes(int64_t bytes, const char *wanted)
{
	char *text = ctl_bytes_text(bytes);

	assert_string_equal(text, wanted);
	free(text);
}

static void expect_time(const char *time, const char *wanted)
{
	char *text = ctl_time_text(time);

	assert_string_equal(text, wanted);
	free(text);
}

static void test_clean(void **state)
{
	(void)state;
	assert_non_null(setlocale(LC_ALL, "C.UTF-8"));
	expect_clean("", 10, "", 0);
	expect_clean("abc", 3, "abc", 3);
	expect_clean("abcd", 3, "abc~", 4);
	expect_clean("\xc3\xa9", 10, "\xc3\xa9", 1);
	/* two columns each; they are not cut in half */
	expect_clean("\xe6\xbc\xa2\xe6\xbc\xa2", 3, "\xe6\xbc\xa2~", 3);
	expect_clean("\xe6\xbc", 10, "??", 2);
	assert_non_null(setlocale(LC_ALL, "C"));
	expect_clean("\xc3\xa9", 10, "??", 2);
	assert_non_null(setlocale(LC_ALL, "C.UTF-8"));
}

static void test_numbers(void **state)
{
	(void)state;
	expect_bytes(0, "0");
	expect_bytes(1023, "1023");
	expect_bytes(1024, "1.0 KiB");
	expect_bytes(INT64_MAX, "8.0 EiB");
	expect_bytes(INT64_MIN, "-9223372036854775808");
	setenv("TZ", "UTC", 1);
	expect_time("2026-01-31T12:34:56Z", "2026-01-31 12:34");
	expect_time("yesterday", "yesterday");
	expect_time("2026-01-31T12:34:56Z!", "2026-01-31T12:34:56Z!");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
