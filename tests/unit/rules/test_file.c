/* SPDX-License-Identifier: MIT
 * test_file.c - tests of src/rules/file.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>

#include "fake_sysfs.h"
#include "rules/file.h"

static struct rule_list list;
static struct err err;

static void parse(const char *text)
{
	rule_list_finish(&list);
	if (rules_file_parse("f", text, strlen(text), &list, &err) != 0)
		fail_msg("%s", err.text);
}

static void refuse(const char *text, size_t len, const char *why)
{
	struct rule_list none = {0};
	int r = rules_file_parse("f", text, len, &none, &err);

	assert_true(r < 0);
	assert_int_equal(r, -err.code);
	if (!strstr(err.text, why))
		fail_msg("\"%s\", not \"%s\"", err.text, why);
	assert_null(none.rules);
}

static void test_lines(void **state)
{
	(void)state;
	parse("");
	assert_int_equal(list.count, 0);
	parse("# mine\n\n  \t\nusb:vid=1050\n\tvid=1051,id=b \r\n #x\nusb:any");
	assert_int_equal(list.count, 3);
	assert_string_equal(list.rules[0].vid, "1050");
	assert_string_equal(list.rules[1].vid, "1051");
	assert_string_equal(list.rules[1].id, "b");
	assert_true(list.rules[2].any);
	/* what some editors put before it all */
	parse("\xef\xbb\xbfvid=1050\n");
	assert_string_equal(list.rules[0].vid, "1050");
	refuse("\xef\xbb"
	       "vid=1050",
	       10, "unknown setting");
	refuse("vid=1050\n\xef\xbb\xbfvid=1051", 21, "f:2: ");
	/* inside a line it is part of a value */
	parse("usb:serial=#1");
	assert_string_equal(list.rules[0].serial, "#1");
}

static void test_refused(void **state)
{
	static char big[RULES_FILE_BYTES_MAX + 1];

	(void)state;
	refuse("usb:any\n\nusb:vod=1\n", 20, "f:3: usb: unknown setting \"vod\"");
	refuse("usb:vid=1,id=x\nusb:vid=2,id=x", 29, "f:2: usb: id=x is the name");
	refuse("usb:any\0", 8, "f:1: a zero byte");
	refuse("/dev/bus/usb/001/002", 20, "f:1: ");
	memset(big, '#', sizeof(big));
	refuse(big, sizeof(big), "more than 65536 bytes");
	memset(big, 'x', sizeof(big));
	refuse(big, RULES_FILE_BYTES_MAX, "f:1: more than");
}

static void test_number_of_rules(void **state)
{
	char text[RULES_FILE_RULES_MAX * 8 + 16];
	char *at = text;

	(void)state;
	for (unsigned i = 0; i < RULES_FILE_RULES_MAX; i++)
		at += sprintf(at, "vid=%03x\n", i);
	parse(text);
	assert_int_equal(list.count, RULES_FILE_RULES_MAX);
	assert_string_equal(list.rules[255].vid, "00ff");
	at += sprintf(at, "vid=1\n");
	refuse(text, strlen(text), "f:257: more than 256 rules");
}

static int read_file(const char *name)
{
	char path[256];
	int r;

	(void)snprintf(path, sizeof(path), "%s%s", fake_root(), name);
	rule_list_finish(&list);
	r = rules_file_read(path, &list, &err);
	assert_true(r == 0 || r == -err.code);
	return r;
}

static void test_files(void **state)
{
	char path[256];

	(void)state;
	fake_file("/rules", "usb:vid=1\nusb:vid=2");
	assert_int_equal(read_file("/rules"), 0);
	assert_int_equal(list.count, 2);
	assert_int_equal(read_file("/none"), -ENOENT);
	assert_non_null(strstr(err.text, "/none: No such file"));
	assert_int_equal(read_file("/"), -EINVAL);
	/* it has no writer, and we do not wait */
	(void)snprintf(path, sizeof(path), "%s/pipe", fake_root());
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(read_file("/pipe"), -EINVAL);
	fake_file("/rules", "usb:vid");
	assert_int_equal(read_file("/rules"), -EINVAL);
	assert_non_null(strstr(err.text, "/rules:1: usb: vid needs a value"));
}

static int finish(void **state)
{
	(void)state;
	rule_list_finish(&list);
	fake_finish();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_number_of_rules),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, finish);
}
