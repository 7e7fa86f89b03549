/* SPDX-License-Identifier: MIT
 * test_descr.c - looking things up in descriptors that may lie
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "usbdev/host/descr.h"

/* A disk: interface 0 with BOT and UAS, interface 3 with a keyboard; and a second
 * configuration with another UAS. */
static const uint8_t disk[] = {
	/* device */
	18,
	1,
	0x00,
	0x03,
	0,
	0,
	0,
	9,
	0x6d,
	0x04,
	0x1c,
	0xc3,
	0,
	1,
	1,
	2,
	3,
	2,
	/* configuration 1: 9 + 9 + 2 * 13 + 9 + 3 + 2 * 17 + 13 + 9 + 9 + 7 */
	9,
	2,
	128,
	0,
	2,
	1,
	0,
	0x80,
	50,
	/* 9: interface 0.0: BOT */
	9,
	4,
	0,
	0,
	2,
	8,
	6,
	0x50,
	0,
	7,
	5,
	0x81,
	2,
	0,
	4,
	0,
	6,
	0x30,
	15,
	0,
	0,
	0,
	7,
	5,
	0x02,
	2,
	0,
	4,
	0,
	6,
	0x30,
	15,
	0,
	0,
	0,
	/* 44: interface 0.1: UAS; a class descriptor between */
	9,
	4,
	0,
	1,
	3,
	8,
	6,
	0x62,
	0,
	3,
	0x24,
	1,
	7,
	5,
	0x02,
	2,
	0,
	4,
	0,
	6,
	0x30,
	15,
	5,
	0,
	0,
	4,
	0x24,
	2,
	0,
	7,
	5,
	0x83,
	2,
	0,
	4,
	0,
	6,
	0x30,
	15,
	4,
	0,
	0,
	4,
	0x24,
	3,
	0,
	7,
	5,
	0x04,
	2,
	0,
	4,
	0,
	6,
	0x30,
	0,
	0,
	0,
	0, /* commands have no streams */
	/* 103: interface 3.0 */
	9,
	4,
	3,
	0,
	1,
	3,
	1,
	1,
	0,
	9,
	0x21,
	0x11,
	1,
	0,
	1,
	0x22,
	63,
	0,
	7,
	5,
	0x85,
	3,
	8,
	0,
	4,
	/* configuration 7 */
	9,
	2,
	18,
	0,
	1,
	7,
	0,
	0x80,
	50,
	9,
	4,
	1,
	2,
	0,
	8,
	6,
	0x62,
	0,
};

#define CONFIG_1 18u
#define UAS_AT   44u

static void test_layout(void **state)
{
	(void)state;
	assert_int_equal(disk[CONFIG_1 + 2], sizeof(disk) - CONFIG_1 - 18);
	assert_int_equal(disk[CONFIG_1 + UAS_AT + 7], 0x62);
}

static void test_interfaces(void **state)
{
	(void)state;
	assert_int_equal(descr_interfaces(disk, sizeof(disk), 1), 1u << 0 | 1u << 3);
	assert_int_equal(descr_interfaces(disk, sizeof(disk), 7), 1u << 1);
	assert_int_equal(descr_interfaces(disk, sizeof(disk), 2), 0);
	assert_int_equal(descr_interfaces(disk, sizeof(disk), 0), 0);
}

static void test_endpoints(void **state)
{
	(void)state;
	assert_int_equal(descr_endpoints(disk, sizeof(disk), 1, 0),
			 descr_ep_bit(0x81) | descr_ep_bit(0x02) | descr_ep_bit(0x83) |
				 descr_ep_bit(0x04));
	assert_int_equal(descr_endpoints(disk, sizeof(disk), 1, 3), descr_ep_bit(0x85));
	assert_int_equal(descr_endpoints(disk, sizeof(disk), 1, 1), 0);
	assert_int_equal(descr_endpoints(disk, sizeof(disk), 7, 1), 0);
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(descr_ep_bit(descr_ep_addr(i)), UINT32_C(1) << i);
}

static void test_uas(void **state)
{
	struct descr_uas list[DESCR_UAS_MAX];

	(void)state;
	assert_int_equal(descr_find_uas(disk, sizeof(disk), list), 2);
	assert_int_equal(list[0].config_index, 0);
	assert_int_equal(list[0].config, 1);
	assert_int_equal(list[0].interface, 0);
	assert_int_equal(list[0].alt, 1);
	assert_int_equal(list[0].offset, UAS_AT);
	assert_int_equal(list[0].streams, 16); /* the fewest */
	assert_int_equal(list[0].ep_count, 2);
	assert_int_equal(list[0].ep_addrs[0], 0x02);
	assert_int_equal(list[0].ep_addrs[1], 0x83);
	assert_int_equal(list[1].config_index, 1);
	assert_int_equal(list[1].config, 7);
	assert_int_equal(list[1].interface, 1);
	assert_int_equal(list[1].alt, 2);
	assert_int_equal(list[1].offset, 9);
	assert_int_equal(list[1].ep_count, 0);
}

static void test_streams(void **state)
{
	static const uint8_t eps[] = {0x02, 0x83, 0x04};

	(void)state;
	assert_int_equal(descr_streams(disk, sizeof(disk), 1, eps, 1), 32);
	assert_int_equal(descr_streams(disk, sizeof(disk), 1, eps, 2), 16);
	assert_int_equal(descr_streams(disk, sizeof(disk), 1, eps, 3), 0);
	assert_int_equal(descr_streams(disk, sizeof(disk), 1, eps, 0), 0);
	assert_int_equal(descr_streams(disk, sizeof(disk), 7, eps, 1), 0);
	assert_int_equal(descr_streams(disk, sizeof(disk), 2, eps, 1), 0);
}

/* Looks everything up in a copy of exactly that length, for the sanitizers. */
static unsigned look(const uint8_t *raw, size_t len)
{
	struct descr_uas list[DESCR_UAS_MAX];
	uint8_t *copy = malloc(len ? len : 1);
	unsigned n;

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, raw, len);
	n = descr_find_uas(copy, len, list);
	assert_true(n <= DESCR_UAS_MAX);
	for (unsigned i = 0; i < n; i++) {
		assert_true(list[i].ep_count <= ARRAY_SIZE(list[i].ep_addrs));
		assert_true(list[i].offset + 9u <= len);
	}
	for (unsigned config = 0; config < 256; config += 1) {
		(void)descr_interfaces(copy, len, (uint8_t)config);
		(void)descr_endpoints(copy, len, (uint8_t)config, 0);
		(void)descr_streams(copy, len, (uint8_t)config, (const uint8_t[]){2}, 1);
	}
	free(copy);
	return n;
}

static void test_cut_off(void **state)
{
	(void)state;
	for (size_t len = 0; len <= sizeof(disk); len++) {
		unsigned expected =
			(len >= CONFIG_1 + UAS_AT + 9) + (len >= sizeof(disk));

		assert_int_equal(look(disk, len), expected);
	}
}

/* Every byte with every value. */
static void test_lies(void **state)
{
	uint8_t raw[sizeof(disk)];

	(void)state;
	memcpy(raw, disk, sizeof(disk));
	for (size_t at = 0; at < sizeof(disk); at++) {
		for (unsigned value = 0; value < 256; value += 5) {
			raw[at] = (uint8_t)value;
			(void)look(raw, sizeof(raw));
		}
		raw[at] = disk[at];
	}
}

/* More of everything than there is room for. */
static void test_endless(void **state)
{
	static uint8_t raw[18 + 9 + 40 * 9 + 40 * 13];
	struct descr_uas list[DESCR_UAS_MAX];
	uint8_t *at = raw + 18;

	(void)state;
	memcpy(at, (const uint8_t[]){9, 2, 0, 0, 1, 1, 0, 0x80, 50}, 9);
	at[2] = (uint8_t)(sizeof(raw) - 18);
	at[3] = (uint8_t)((sizeof(raw) - 18) >> 8);
	at += 9;
	for (unsigned i = 0; i < 40; i++, at += 9)
		memcpy(at, (const uint8_t[]){9, 4, (uint8_t)(i * 7), 1, 0, 8, 6, 0x62, 0},
		       9);
	assert_int_equal(look(raw, sizeof(raw)), DESCR_UAS_MAX);
	at = raw + 18 + 9 + 9;
	for (unsigned i = 0; at + 13 <= raw + sizeof(raw); i++, at += 13)
		memcpy(at,
		       (const uint8_t[]){7, 5, (uint8_t)(1 + i % 15), 2, 0, 4, 0, 6, 0x30,
					 15, 3, 0, 0},
		       13);
	assert_int_equal(descr_find_uas(raw, sizeof(raw), list), 1);
	assert_int_equal(list[0].ep_count, ARRAY_SIZE(list[0].ep_addrs));
	/* an interface that has no bit */
	raw[18 + 9 + 2] = 32;
	assert_int_equal(descr_interfaces(raw, sizeof(raw), 1), 0);
}

/* A configuration without length would never end. */
static void test_empty_configuration(void **state)
{
	uint8_t raw[18 + 9 * 20] = {0};

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		memcpy(raw + 18 + i * 9, (const uint8_t[]){9, 2, 9, 0, 1, 1, 0, 0x80, 50},
		       9);
	assert_int_equal(look(raw, sizeof(raw)), 0);
	raw[18 + 2] = 0;
	assert_int_equal(look(raw, sizeof(raw)), 0);
	raw[18 + 2] = 8;
	assert_int_equal(look(raw, sizeof(raw)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_interfaces),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_uas),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_empty_configuration),
	};

	return cmocka_run_group_tests_name("descriptors of a real device", tests, NULL,
					   NULL);
}
