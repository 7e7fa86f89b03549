/* SPDX-License-Identifier: MIT
 * test_device.c - devices and ports as JSON
 */
#include "controlled.h"

#include <json-c/json.h>
#include <stdlib.h>

static void expect_json(struct json_object *json, const char *wanted)
{
	assert_non_null(json);
	assert_string_equal(
		json_object_to_json_string_ext(
			json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
		wanted);
	json_object_put(json);
}

static void device_with_all(void **state)
{
	struct control_device device = {
		.id = "1-2.3",
		.kind = "host",
		.label = "Yubico",
		.vendor_id = 0x1050,
		.product_id = 0x7,
		.serial = "0001",
		.product = "YubiKey",
		.manufacturer = "Yubico",
		.speed = "full",
		.port = 2,
		.bus = 3,
		.address = 17,
		.place = "1-2.3",
		.since = 1700000000,
		.state = "attached",
		.rule = "keys",
		.has_counters = true,
		.bytes_in = UINT64_MAX,
		.bytes_out = 2,
		.transfers = 3,
		.errors = 0,
	};

	(void)state;
	expect_json(control_device_to_json(&device),
		    "{\"id\":\"1-2.3\",\"kind\":\"host\",\"label\":\"Yubico\","
		    "\"vendor_id\":\"1050\",\"product_id\":\"0007\",\"serial\":\"0001\","
		    "\"product\":\"YubiKey\",\"manufacturer\":\"Yubico\","
		    "\"speed\":\"full\",\"port\":2,\"bus\":3,\"address\":17,"
		    "\"place\":\"1-2.3\",\"since\":\"2023-11-14T22:13:20Z\","
		    "\"state\":\"attached\",\"rule\":\"keys\","
		    "\"bytes_in\":18446744073709551615,\"bytes_out\":2,\"transfers\":3,"
		    "\"errors\":0}");
}

static void unknown_is_left_out(void **state)
{
	struct control_device device = CONTROL_DEVICE_INIT;

	(void)state;
	device.id = "stick";
	expect_json(control_device_to_json(&device), "{\"id\":\"stick\"}");
	device.vendor_id = 0;
	expect_json(control_device_to_json(&device),
		    "{\"id\":\"stick\",\"vendor_id\":\"0000\"}");
}

static void ports(void **state)
{
	struct control_port full = {1, "usb2", "x"}, empty = {9, "usb3", NULL};

	(void)state;
	expect_json(control_port_to_json(&full),
		    "{\"port\":1,\"kind\":\"usb2\",\"device\":\"x\"}");
	expect_json(control_port_to_json(&empty), "{\"port\":9,\"kind\":\"usb3\"}");
}

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
		{"\xe0\x80\xaf", "\"???\""},      /* likewise */
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

static void sandboxes(void **state)
{
	static const char *const last[] = {"times", "bad\377"};
	const struct control_sandbox off = {.mode = "off", .user = 1000};
	const struct control_sandbox full = {
		.mode = "on",
		.landlock = 7,
		.no_system_calls = "this kernel has none",
		.refused = UINT64_MAX,
		.last = last,
		.nlast = ARRAY_SIZE(last),
	};

	(void)state;
	expect_json(control_sandbox_to_json(&off),
		    "{\"mode\":\"off\",\"user\":1000,\"refused\":0}");
	expect_json(control_sandbox_to_json(&full),
		    "{\"mode\":\"on\",\"user\":0,\"landlock\":7,"
		    "\"no_system_calls\":\"this kernel has none\","
		    "\"refused\":18446744073709551615,"
		    "\"refused_last\":[\"times\",\"bad?\"]}");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_with_all), cmocka_unit_test(unknown_is_left_out),
		cmocka_unit_test(ports),           cmocka_unit_test(text_is_made_utf8),
		cmocka_unit_test(text_is_bounded), cmocka_unit_test(sandboxes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
