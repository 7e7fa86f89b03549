/* SPDX-License-Identifier: MIT
 * test_hostdev.c - tests of src/rules/hostdev.c
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

#include "fake_sysfs.h"
#include "rules/hostdev.h"

static struct hostdev dev;

static void see(const char *name)
{
	memset(&dev, 0xff, sizeof(dev));
	assert_int_equal(hostdev_read(fake_root(), fake_place(name), &dev), 0);
}

static int empty(void **state)
{
	(void)state;
	fake_clear();
	return 0;
}

static void path_of(const char *name, const char *file, char path[512])
{
	(void)snprintf(path, 512, "/sys%s/%s", fake_place(name), file);
}

static void set(const char *name, const char *file, const void *bytes, size_t len)
{
	char path[512];

	path_of(name, file, path);
	fake_bytes(path, bytes, len);
}

static void test_all_it_says(void **state)
{
	char text[256];

	(void)state;
	fake_plug(&(struct fake_device){.name = "1-2.3",
					.number = 7,
					.serial = "12 ",
					.product = "YubiKey",
					.manufacturer = "Yubico",
					.interfaces = {{3, 1, 1}, {0x0b, 0, 0}},
					.driver = "usbhid"});
	see("1-2.3");
	assert_string_equal(dev.place, fake_place("1-2.3"));
	assert_string_equal(dev.name, "1-2.3");
	assert_string_equal(dev.twin, "");
	assert_string_equal(dev.socket, "1-2.3");
	assert_int_equal(dev.bus, 1);
	assert_int_equal(dev.number, 7);
	assert_int_equal(dev.vendor, 0x1050);
	assert_int_equal(dev.product_id, 0x0407);
	assert_int_equal(dev.release, 0x0543);
	assert_int_equal(dev.speed_mbit, 480);
	assert_string_equal(dev.serial, "12");
	assert_string_equal(dev.product, "YubiKey");
	assert_string_equal(dev.manufacturer, "Yubico");
	assert_string_equal(dev.removable, "removable");
	assert_int_equal(dev.interface_count, 2);
	assert_int_equal(dev.interfaces[1].number, 1);
	assert_int_equal(dev.interfaces[1].class_code, 0x0b);
	assert_string_equal(dev.interfaces[1].driver, "usbhid");
	assert_true(hostdev_has_class(&dev, 0x03));
	assert_true(hostdev_has_class(&dev, 0x0b));
	assert_false(hostdev_has_class(&dev, 0x00));
	assert_true(dev.boot_keyboard);
	assert_false(dev.claimed);
	hostdev_describe(&dev, text, sizeof(text));
	assert_string_equal(text, "1050:0407 Yubico YubiKey, serial 12 at 1-2.3");
}

/* The kernel tells of a device before it has a configuration. */
static void test_not_configured(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "1-2",
					.number = 7,
					.interfaces = {{8, 6, 80}, {3, 1, 1}},
					.unconfigured = true});
	see("1-2");
	assert_int_equal(dev.interface_count, 2);
	assert_true(hostdev_has_class(&dev, 0x08));
	assert_true(hostdev_has_class(&dev, 0x03));
	assert_string_equal(dev.interfaces[0].driver, "");
}

static void test_claimed(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "1-2", .number = 7, .driver = "usbfs"});
	see("1-2");
	assert_true(dev.claimed);
}

static void test_speeds(void **state)
{
	static const struct {
		const char *text;
		unsigned mbit;
	} speeds[] = {{"1.5", 1},     {"12", 12}, {"5000", 5000}, {"20000", 20000},
		      {"unknown", 0}, {"", 0},    {"-5", 0}};

	(void)state;
	for (unsigned i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
		fake_plug(&(struct fake_device){
			.name = "1-2", .number = 7, .speed = speeds[i].text});
		see("1-2");
		assert_int_equal(dev.speed_mbit, speeds[i].mbit);
	}
}

static void expect_socket(const char *name, const char *twin, const char *socket)
{
	fake_plug(&(struct fake_device){.name = name, .number = 9});
	see(name);
	assert_string_equal(dev.twin, twin);
	assert_string_equal(dev.socket, socket);
}

static void test_halves_of_a_socket(void **state)
{
	(void)state;
	fake_peers("1-2", "2-5");
	expect_socket("1-2", "2-5", "1-2");
	expect_socket("2-5", "1-2", "1-2");
	expect_socket("1-3", "", "1-3");
	/* a hub whose halves both are there */
	fake_peers("1-2.3", "2-5.1");
	expect_socket("1-2.3", "2-5.1", "1-2.3");
	expect_socket("2-5.1", "1-2.3", "1-2.3");
	/* only one of them is: its socket tells */
	expect_socket("1-2.4", "2-5.4", "1-2.4");
	expect_socket("2-5.4.1", "1-2.4.1", "1-2.4.1");
	expect_socket("1-3.1", "", "1-3.1");
}

static void test_order(void **state)
{
	static const char *const names[] = {"1-1",  "1-2", "1-2.3", "1-2.10",
					    "1-10", "2-1", "10-1"};
	static const unsigned order[] = {6, 1, 5, 3, 0, 4, 2}; /* hubs first */
	struct hostdev_list list;

	(void)state;
	for (unsigned i = 0; i < 7; i++)
		fake_plug(&(struct fake_device){.name = names[order[i]], .number = 1});
	fake_link("/sys/bus/usb/devices/usb1", "../../.." FAKE_CONTROLLER "/usb1");
	fake_link("/sys/bus/usb/devices/1-0:1.0", "../../.." FAKE_CONTROLLER "/usb1/x");
	fake_link("/sys/bus/usb/devices/1-9", "1-9");
	fake_link("/sys/bus/usb/devices/1-8", "/nowhere");
	fake_link("/sys/bus/usb/devices/1-7", "../../../devices/../../etc/1-7");
	fake_file("/sys/bus/usb/devices/1-6", "no link");
	assert_int_equal(hostdev_list_read(fake_root(), &list), 0);
	assert_int_equal(list.count, 7);
	for (unsigned i = 0; i < 7; i++)
		assert_string_equal(list.devs[i].name, names[i]);
	hostdev_list_finish(&list);
	assert_int_equal(list.count, 0);
}

static void test_no_sysfs(void **state)
{
	struct hostdev_list list;

	(void)state;
	assert_int_equal(hostdev_list_read(fake_root(), &list), -ENOENT);
	assert_int_equal(hostdev_read(fake_root(), fake_place("1-1"), &dev), -ENOENT);
	fake_folder("/sys/bus/usb/devices");
	assert_int_equal(hostdev_list_read(fake_root(), &list), 0);
	assert_int_equal(list.count, 0);
	hostdev_list_finish(&list);
}

static void test_more_than_we_take(void **state)
{
	struct hostdev_list list;
	char name[32];

	(void)state;
	for (unsigned i = 0; i < HOSTDEV_DEVICES_MAX + 5; i++) {
		(void)snprintf(name, sizeof(name), "%u-%u", i / 100 + 1, i % 100 + 1);
		fake_plug(&(struct fake_device){.name = name, .number = 1});
	}
	assert_int_equal(hostdev_list_read(fake_root(), &list), 0);
	assert_int_equal(list.count, HOSTDEV_DEVICES_MAX);
	hostdev_list_finish(&list);
}

static void refuse(const char *place)
{
	assert_int_equal(hostdev_read(fake_root(), place, &dev), -ENOENT);
}

static void test_strange_places(void **state)
{
	(void)state;
	refuse("");
	refuse("/");
	refuse("x");
	refuse("/devices/");
	refuse("/devices/usb1");
	refuse("/devices/a/../1-1");
	refuse("/devices/1-");
	refuse("/devices/-1");
	refuse("/devices/1-2:1.0");
	refuse("/devices/1-2-3");
	refuse("/devices/1.2");
	refuse("/devices/1-1.");
	refuse("/devices/1-2.3.4.5.6.7.8.9.10.11");
	refuse("/devices/1000-1");
}

static void missing(const char *file, const char *text)
{
	char path[512];

	fake_plug(&(struct fake_device){.name = "1-2", .number = 7});
	path_of("1-2", file, path);
	if (text)
		fake_file(path, text);
	else
		fake_remove(path);
	refuse(fake_place("1-2"));
}

static void test_what_must_be_there(void **state)
{
	static const char *const files[] = {"busnum", "devnum", "idVendor", "idProduct"};
	static const char *const texts[] = {NULL,    "",        "\n",
					    "x",     "-1",      "+1",
					    " 1",    "1 2",     "10000000000000000000000",
					    "12345", "\xff\xfe"};

	(void)state;
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		for (unsigned k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
			missing(files[i], texts[k]);
	}
	missing("busnum", "0");
	missing("devnum", "0");
}

static void test_what_need_not(void **state)
{
	static const char *const files[] = {"bcdDevice", "bDeviceClass", "speed",
					    "removable", "descriptors"};
	char path[512];

	(void)state;
	fake_plug(&(struct fake_device){.name = "1-2", .number = 7});
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		path_of("1-2", files[i], path);
		fake_remove(path);
	}
	see("1-2");
	/* by the folder of the interface */
	assert_int_equal(dev.interface_count, 1);
	assert_true(hostdev_has_class(&dev, 0xff));
	/* folders and loops where files should be */
	path_of("1-2", "serial", path);
	fake_folder(path);
	path_of("1-2", "product", path);
	fake_link(path, "product");
	see("1-2");
	assert_string_equal(dev.serial, "");
	assert_string_equal(dev.product, "");
}

static void expect_serial(const char *bytes, size_t len, const char *expected)
{
	set("1-2", "serial", bytes, len);
	see("1-2");
	assert_string_equal(dev.serial, expected);
}

static void test_strange_texts(void **state)
{
	static char huge[1 << 20];

	(void)state;
	fake_plug(&(struct fake_device){.name = "1-2", .number = 7});
	expect_serial("", 0, "");
	expect_serial("\n", 1, "");
	expect_serial("a\0b\n", 4, "a");
	expect_serial("two\nlines\n", 10, "two");
	expect_serial("\x1b[31mred\x7f", 9, "?[31mred?");
	expect_serial("M\xc3\xbcller \xe2\x82\xac \xf0\x9f\x94\x91\n", 17,
		      "M\xc3\xbcller \xe2\x82\xac \xf0\x9f\x94\x91");
	expect_serial("\xc2\x9b"
		      "1m",
		      4, "??1m");                          /* a control character */
	expect_serial("\xc0\x80\xff\xe2\x82", 5, "?????"); /* no UTF-8 */
	expect_serial("\xed\xa0\x80", 3, "???");           /* half of a pair */
	expect_serial("\xe2\x80\xae"
		      "x",
		      4, "???x"); /* right to left */
	expect_serial("\xf5\x80\x80\x80", 4, "????");
	memset(huge, 'x', sizeof(huge));
	set("1-2", "serial", huge, sizeof(huge));
	see("1-2");
	assert_int_equal(strlen(dev.serial), HOSTDEV_TEXT_BYTES - 1);
	/* cut within a character */
	for (unsigned i = 0; i + 3 <= sizeof(huge); i += 3)
		memcpy(huge + i, "\xe2\x82\xac", 3);
	set("1-2", "serial", huge, sizeof(huge));
	see("1-2");
	assert_int_equal(dev.serial[HOSTDEV_TEXT_BYTES - 2], '?');
}

static void expect_count(const uint8_t *bytes, size_t len, unsigned count)
{
	set("1-2", "descriptors", bytes, len);
	see("1-2");
	assert_int_equal(dev.interface_count, count);
}

static void test_strange_descriptors(void **state)
{
	static const uint8_t storage[9] = {9, 4, 0, 0, 0, 8, 6, 80, 0};
	static const uint8_t alternate[9] = {9, 4, 0, 1, 0, 3, 1, 1, 0};
	uint8_t bytes[64] = {18, 1};
	static uint8_t many[2 * 1024 * 1024];

	(void)state;
	fake_plug(
		&(struct fake_device){.name = "1-2", .number = 7, .unconfigured = true});
	memcpy(bytes + 18, storage, 9);
	memcpy(bytes + 27, alternate, 9);
	expect_count(bytes, 36, 2);
	assert_true(dev.boot_keyboard); /* hidden in an alternate setting */
	for (size_t len = 0; len < 36; len++)
		expect_count(bytes, len, len >= 27);
	bytes[18] = 0; /* no length: would never end */
	expect_count(bytes, 36, 0);
	bytes[18] = 1;
	expect_count(bytes, 36, 0);
	bytes[18] = 200;
	expect_count(bytes, 36, 0);
	bytes[18] = 8; /* too short for an interface descriptor */
	expect_count(bytes, 36, 0);
	/* what would be one behind a byte that is skipped */
	bytes[18] = 1;
	memcpy(bytes + 19, storage, 9);
	expect_count(bytes, 28, 0);
	memset(bytes, 0xff, sizeof(bytes));
	expect_count(bytes, sizeof(bytes), 0);

	/* more than we list; their classes are known all the same */
	for (unsigned i = 0; i < 60; i++) {
		memcpy(many + 9 * i, storage, 9);
		many[9 * i + 2] = (uint8_t)i;
		many[9 * i + 5] = (uint8_t)(i + 1);
	}
	expect_count(many, 9 * 60, HOSTDEV_INTERFACES_MAX);
	assert_true(hostdev_has_class(&dev, 60));
	for (size_t i = 0; i + 9 <= sizeof(many); i += 9)
		memcpy(many + i, storage, 9);
	expect_count(many, sizeof(many), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all_it_says, empty),
		cmocka_unit_test_setup(test_not_configured, empty),
		cmocka_unit_test_setup(test_claimed, empty),
		cmocka_unit_test_setup(test_speeds, empty),
		cmocka_unit_test_setup(test_halves_of_a_socket, empty),
		cmocka_unit_test_setup(test_order, empty),
		cmocka_unit_test_setup(test_no_sysfs, empty),
		cmocka_unit_test_setup(test_more_than_we_take, empty),
		cmocka_unit_test_setup(test_strange_places, empty),
		cmocka_unit_test_setup(test_what_must_be_there, empty),
		cmocka_unit_test_setup(test_what_need_not, empty),
		cmocka_unit_test_setup(test_strange_texts, empty),
		cmocka_unit_test_setup(test_strange_descriptors, empty),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	fake_finish();
	return r;
}
