/* SPDX-License-Identifier: MIT
 * test_bytes.c - little-endian and big-endian integers in byte arrays
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/bytes.h"

static const uint8_t bytes[] = {0x81, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8};

static void test_get(void **state)
{
	(void)state;
	assert_int_equal(get_le16(bytes), 0x9281);
	assert_int_equal(get_be16(bytes), 0x8192);
	assert_int_equal(get_le32(bytes), 0xb4a39281);
	assert_int_equal(get_be32(bytes), 0x8192a3b4);
	assert_int_equal(get_le64(bytes), 0xf8e7d6c5b4a39281);
	assert_int_equal(get_be64(bytes), 0x8192a3b4c5d6e7f8);
}

static void test_put(void **state)
{
	static const uint8_t reversed[] = {0xf8, 0xe7, 0xd6, 0xc5,
					   0xb4, 0xa3, 0x92, 0x81};
	uint8_t out[8];

	(void)state;
	put_le64(out, 0xf8e7d6c5b4a39281);
	assert_memory_equal(out, bytes, 8);
	put_be64(out, 0xf8e7d6c5b4a39281);
	assert_memory_equal(out, reversed, 8);
	put_le32(out, 0xb4a39281);
	assert_memory_equal(out, bytes, 4);
	put_be32(out, 0xf8e7d6c5);
	assert_memory_equal(out, reversed, 4);
	put_le16(out, 0x9281);
	assert_memory_equal(out, bytes, 2);
	put_be16(out, 0xf8e7);
	assert_memory_equal(out, reversed, 2);
}

/* Any address will do, and the neighbours are left alone. */
static void test_unaligned(void **state)
{
	uint8_t out[24];

	(void)state;
	for (size_t at = 1; at < 9; at++) {
		memset(out, 0xee, sizeof(out));
		put_le64(out + at, 0x1122334455667788);
		assert_int_equal(get_le64(out + at), 0x1122334455667788);
		assert_int_equal(get_be32(out + at), 0x88776655);
		assert_int_equal(out[at - 1], 0xee);
		assert_int_equal(out[at + 8], 0xee);
		put_be16(out + at, 0xabcd);
		assert_int_equal(get_le16(out + at), 0xcdab);
		assert_int_equal(out[at + 2], 0x66);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_unaligned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
