/* SPDX-License-Identifier: MIT
 * test_rule.c - tests of src/rules/rule.c
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

#include "rules/hostdev.h"
#include "rules/rule.h"
#include "util/compiler.h"

static struct rule rule;
static struct err err;

static void parse(const char *text)
{
	memset(&err, 0, sizeof(err));
	if (rule_parse(&rule, text, &err) != 0)
		fail_msg("%s: %s", text, err.text);
}

static void refuse(const char *text, const char *why)
{
	struct rule before = rule;

	memset(&err, 0, sizeof(err));
	if (rule_parse(&rule, text, &err) != -err.code || err.code == 0)
		fail_msg("%s is taken", text);
	if (!strstr(err.text, why))
		fail_msg("%s: \"%s\", not \"%s\"", text, err.text, why);
	assert_memory_equal(&before, &rule, sizeof(rule));
}

static void canonical(const char *text, const char *expected)
{
	char buf[RULE_TEXT_BYTES];
	struct rule first;

	parse(text);
	rule_text(&rule, buf);
	assert_string_equal(buf, expected);
	first = rule;
	parse(buf);
	assert_memory_equal(&first, &rule, sizeof(rule));
}

static void test_is_rule(void **state)
{
	(void)state;
	assert_true(rule_is_rule("usb:vid=1050"));
	assert_true(rule_is_rule("usb:"));
	assert_true(rule_is_rule("usb"));
	assert_false(rule_is_rule("/dev/bus/usb/001/002"));
	assert_false(rule_is_rule("usbip:x"));
	assert_false(rule_is_rule("host:path=x"));
	refuse("/dev/bus/usb/001/002", "begins with \"usb:\"");
}

static void test_canonical(void **state)
{
	(void)state;
	canonical("usb:pid=407|0x0406,vid=0X1050", "usb:vid=1050,pid=0407|0406");
	canonical("usb:vid=04F*", "usb:vid=04f*");
	canonical("usb:id=my-key.1,port=1-2.3", "usb:port=1-2.3,id=my-key.1");
	canonical("usb:class=08|hid|video", "usb:class=hid|storage|video");
	canonical("usb:class=0x42", "usb:class=42");
	canonical("usb:id=2,serial=A:,product=x\\,", "usb:serial=A:,product=x\\,,id=2");
	canonical("usb:all,any,force,reset=never,deny-class=03",
		  "usb:any,all,deny-class=hid,reset=never,force");
	canonical("usb:any,reset=always", "usb:any");
	canonical("usb:vid=1,nth=2,reset=first", "usb:vid=0001,nth=2,reset=first");
	canonical("usb:serial=a\\,b\\\\*c\\\\|d", "usb:serial=a\\,b\\\\*c\\\\|d");
	canonical("usb:product=A B|C,manufacturer=X=Y",
		  "usb:product=A B|C,manufacturer=X=Y");
}

static void test_longest(void **state)
{
	static const char *const keys[] = {"serial", "product", "manufacturer", "port"};
	char text[8192] = "usb:";
	char *at = text + 4;
	char first[RULE_TEXT_BYTES];
	char second[RULE_TEXT_BYTES];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		at += sprintf(at, "%s=", keys[i]);
		for (unsigned k = 0; k < RULE_VALUE_BYTES - 1; k++)
			at += sprintf(at, "\\,");
		*at++ = ',';
	}
	at += sprintf(at, "class=00");
	for (unsigned i = 1; i < 256; i++)
		at += sprintf(at, "|%02x", i);
	at += sprintf(at, ",deny-class=00");
	for (unsigned i = 1; i < 256; i++)
		at += sprintf(at, "|%02x", i);
	parse(text);
	rule_text(&rule, first);
	parse(first);
	rule_text(&rule, second);
	assert_string_equal(first, second);
}

static void test_refused(void **state)
{
	char text[600] = "usb:serial=";

	(void)state;
	refuse("usb:", "missing");
	refuse("usb", "At least one of");
	refuse("usb:all", "At least one of");
	refuse("usb:force,nth=1,deny-class=03,reset=never,id=x", "At least one of");
	refuse("usb:vid=1050,any", "leave it out");
	refuse("usb:any,all,nth=1", "leave one out");
	refuse("usb:vid=1050,pdi=1", "unknown setting \"pdi\"");
	refuse("usb:vid=1050,vid=1051", "given twice");
	refuse("usb:vid", "needs a value");
	refuse("usb:vid=", "needs a value");
	refuse("usb:vid=xyz", "hex digits");
	refuse("usb:vid=12345", "hex digits");
	refuse("usb:vid=0x", "hex digits");
	refuse("usb:vid=-1", "hex digits");
	refuse("usb:vid=1050|", "one of its values is empty");
	refuse("usb:serial=a||b", "one of its values is empty");
	refuse("usb:class=disk", "class=disk: no class");
	refuse("usb:class=100", "no class");
	refuse("usb:class=-1", "no class");
	refuse("usb:class=08|", "no class");
	refuse("usb:class=averyverylongnameofaclass", "no class");
	refuse("usb:any,deny-class=x", "deny-class=x: no class");
	refuse("usb:vid=1,nth=0", "from 1 to");
	refuse("usb:vid=1,nth=1025", "from 1 to");
	refuse("usb:vid=1,nth=-1", "from 1 to");
	refuse("usb:vid=1,nth=1x", "from 1 to");
	refuse("usb:vid=1,nth=99999999999999999999", "from 1 to");
	refuse("usb:vid=1,reset=sometimes", "always first never");
	refuse("usb:vid=1,id=a b", "letters, digits");
	refuse("usb:vid=1,id=12345678901234567890123456789012", "letters, digits");
	refuse("usb:vid=1,force=yes", "takes no value");
	memset(text + strlen(text), 'x', RULE_VALUE_BYTES);
	refuse(text, "more than 255 bytes");
	memset(text, 0, sizeof(text));
	memcpy(text, "usb:vid=", 8);
	for (unsigned i = 0; i < 100; i++)
		memcpy(text + 8 + 2 * i, "1|", 2);
	text[8 + 199] = '\0';
	refuse(text, "more than 255 bytes"); /* they grow to four digits */
}

static struct hostdev dev(void)
{
	return (struct hostdev){
		.name = "1-2.3",
		.twin = "2-5.3",
		.socket = "1-2.3",
		.vendor = 0x1050,
		.product_id = 0x0407,
		.serial = "AB123",
		.product = "Key, *new*",
		.manufacturer = "Yubico",
		.classes = {1u << 3 | 1u << 11},
	};
}

static bool matches(const char *text)
{
	struct hostdev d = dev();

	parse(text);
	return rule_matches(&rule, &d);
}

static void test_matches(void **state)
{
	(void)state;
	assert_true(matches("usb:any"));
	assert_true(matches("usb:vid=1050"));
	assert_false(matches("usb:vid=1051"));
	assert_true(matches("usb:vid=0x1050,pid=407|406"));
	assert_false(matches("usb:vid=1050,pid=406|405"));
	assert_true(matches("usb:pid=04*"));
	assert_true(matches("usb:pid=04?7"));
	assert_true(matches("usb:serial=AB*"));
	assert_true(matches("usb:serial=XX|AB123"));
	assert_false(matches("usb:serial=ab*"));
	assert_true(matches("usb:product=Key\\, *"));
	assert_true(matches("usb:product=*\\\\*new\\\\*"));
	assert_false(matches("usb:product=\\\\*new\\\\*"));
	assert_true(matches("usb:manufacturer=Yub[h-j]co"));
	assert_true(matches("usb:class=hid"));
	assert_true(matches("usb:class=08|0b"));
	assert_false(matches("usb:class=08"));
	/* both halves of the socket */
	assert_true(matches("usb:port=1-2.3"));
	assert_true(matches("usb:port=2-5.3"));
	assert_true(matches("usb:port=1-2.*"));
	assert_false(matches("usb:port=1-2"));
	assert_false(matches("usb:port=1-2.3,vid=1"));
}

static void test_nothing_there(void **state)
{
	struct hostdev d = {.name = "1-1"};

	(void)state;
	parse("usb:serial=*");
	assert_true(rule_matches(&rule, &d));
	parse("usb:serial=?*");
	assert_false(rule_matches(&rule, &d));
	/* an unknown other half is no port */
	parse("usb:port=?*-*");
	assert_true(rule_matches(&rule, &d));
	parse("usb:port=[!1]*");
	assert_false(rule_matches(&rule, &d));
}

static void test_denied(void **state)
{
	struct hostdev d = dev();

	(void)state;
	parse("usb:vid=1050,deny-class=storage|hid");
	assert_true(rule_matches(&rule, &d));
	assert_int_equal(rule_check_denied(&rule, &d, &err), -EPERM);
	assert_non_null(strstr(err.text, "03 (hid)"));
	parse("usb:vid=1050,deny-class=storage");
	assert_int_equal(rule_check_denied(&rule, &d, &err), 0);
}

static void test_same(void **state)
{
	struct rule other;

	(void)state;
	parse("usb:vid=1,id=a");
	other = rule;
	parse("usb:vid=0x0001,id=b");
	assert_true(rule_is_same(&rule, &other));
	parse("usb:vid=1,force");
	assert_false(rule_is_same(&rule, &other));
	parse("usb:vid=1,deny-class=3");
	assert_false(rule_is_same(&rule, &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_rule), cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_longest), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_matches), cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_denied),  cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
