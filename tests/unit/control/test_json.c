/* SPDX-License-Identifier: MIT
 * test_json.c - texts of any bytes as JSON
 */
#include "controlled.h"

#include <json-c/json.h>
#include <stdlib.h>

#include "control/json.h"

/* A device's strings may hold anything; JSON must not. */
static void text_is_made_utf8(void **state)
{
	static const struct {
		const char *text;
		const char *wanted;
	} cases[] = {
		{"plain", "\"plain\""},
		{"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
		{"\xe2\x82\xac \xf0\x9f\x98\x80", "\"\xe2\x82\xac \xf0\x9f\x98\x80\""},
		{"a\xff"
		 "b",
		 "\"a?b\""},
		{"cut\xc3", "\"cut?\""},
		{"cut\xe2\x82", "\"cut??\""},
		{"\xc0\xaf", "\"??\""},           /* longer than need be */
		{"\xe0\x80\xaf", "\"???\""},      /* longer than need be */
		{"\xed\xa0\x80", "\"???\""},      /* a surrogate */
		{"\xf4\x90\x80\x80", "\"????\""}, /* beyond Unicode */
		{"\xf5\x80\x80\x80", "\"????\""},
		{"q\"b\\n\n\x01", "\"q\\\"b\\\\n\\n\\u0001\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_json(control_text_to_json(cases[i].text), cases[i].wanted);
}

static void text_is_bounded(void **state)
{
	char *text = malloc(100001);
	struct json_object *json;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 100000);
	text[100000] = '\0';
	json = control_text_to_json(text);
	assert_int_equal(json_object_get_string_len(json), 4096);
	json_object_put(json);
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_made_utf8),
		cmocka_unit_test(text_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
