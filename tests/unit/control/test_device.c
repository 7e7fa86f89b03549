/* SPDX-License-Identifier: MIT
 * test_device.c - devices and ports as JSON
 */
#include "controlled.h"

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
		cmocka_unit_test(device_with_all),
		cmocka_unit_test(unknown_is_left_out),
		cmocka_unit_test(ports),
		cmocka_unit_test(sandboxes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
