/* SPDX-License-Identifier: MIT
 * test_glob.c - tests of src/rules/glob.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/glob.h"
#include "util/compiler.h"
#include "util/loop.h"

static void yes(const char *patterns, const char *text)
{
	if (!glob_matches(patterns, text))
		fail_msg("%s does not match %s", patterns, text);
}

static void no(const char *patterns, const char *text)
{
	if (glob_matches(patterns, text))
		fail_msg("%s matches %s", patterns, text);
}

static void test_plain(void **state)
{
	(void)state;
	yes("abc", "abc");
	no("abc", "abcd");
	no("abc", "ab");
	no("abc", "ABC");
	yes("", "");
	no("", "a");
	no("a", "");
}

static void test_wild(void **state)
{
	(void)state;
	yes("*", "");
	yes("*", "anything");
	yes("a*", "a");
	yes("a*c", "abbbc");
	no("a*c", "abbbd");
	yes("*b*b*", "abab");
	no("*b*b*", "aba");
	yes("a**", "a");
	yes("?", "x");
	no("?", "");
	no("?", "xy");
	yes("*ab", "aab");
	yes("*.?", "1-2.3");
}

static void test_sets(void **state)
{
	(void)state;
	yes("[a-c]x", "bx");
	no("[a-c]x", "dx");
	yes("[!a-c]x", "dx");
	no("[!a-c]x", "bx");
	no("[a]", "");
	yes("[]]", "]");
	yes("[a-]", "-");
	yes("[abc", "[abc"); /* unfinished */
	yes("[", "[");
	yes("1-[12].*", "1-2.4");
	yes("[\xc0-\xff]", "\xe9");
}

static void test_literal(void **state)
{
	(void)state;
	yes("\\*", "*");
	no("\\*", "a");
	yes("a\\|b", "a|b");
	no("a\\|b", "a");
	yes("\\", "\\"); /* at the end: itself */
	yes("\\[a]", "[a]");
}

static void test_several(void **state)
{
	(void)state;
	yes("a|b", "a");
	yes("a|b", "b");
	no("a|b", "c");
	no("a|b", "a|b");
	yes("x*|y*", "yz");
	yes("a|", "");
	assert_string_equal(glob_end("ab|c"), "|c");
	assert_string_equal(glob_end("a\\|b"), "");
}

/* What takes others longer than the universe. */
static void test_time(void **state)
{
	char text[384];
	char pattern[256];
	uint64_t begun_ns = clock_now_ns();

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (unsigned i = 0; i < sizeof(pattern) - 2; i += 2)
		memcpy(pattern + i, "*a", 2);
	memcpy(pattern + sizeof(pattern) - 2, "b", 2);
	no(pattern, text);
	assert_true(clock_now_ns() - begun_ns < UINT64_C(1000000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),   cmocka_unit_test(test_wild),
		cmocka_unit_test(test_sets),    cmocka_unit_test(test_literal),
		cmocka_unit_test(test_several), cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
