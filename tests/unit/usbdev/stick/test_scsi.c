/* SPDX-License-Identifier: MIT
 * test_scsi.c - SCSI commands as a driver sees them, through a whole stick
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stick_host.h"
#include "util/bytes.h"

static int setup(void **state)
{
	(void)state;
	stick_host_init(USBDEV_SPEED_HIGH, false, IMAGE_DIRECT_PLAIN);
	return 0;
}

static int setup_readonly(void **state)
{
	(void)state;
	stick_host_init(USBDEV_SPEED_SUPER, true, IMAGE_DIRECT_NOWAIT);
	return 0;
}

#define CDB(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* A command that passes; returns the bytes of the answer. */
static uint32_t ask(const uint8_t *cdb, unsigned cdb_len, void *data, uint32_t len)
{
	uint32_t residue;

	assert_int_equal(stick_command(cdb, cdb_len, true, data, len, &residue), 0);
	return len - residue;
}

static void refuse(const uint8_t *cdb, unsigned cdb_len, uint32_t sense)
{
	assert_int_equal(stick_command(cdb, cdb_len, true, NULL, 0, NULL), 1);
	assert_int_equal(stick_sense(), sense);
}

static void test_inquiry(void **state)
{
	uint8_t d[255];

	(void)state;
	assert_int_equal(ask(CDB(0x12, 0, 0, 0, 255, 0), d, 255), 36);
	assert_memory_equal(d, "\0\0\5\2\x1f\0\0\0usbvfiodUSB Stick       0.1 ", 36);
	assert_int_equal(ask(CDB(0x12, 0, 0, 0, 5, 0), d, 5), 5);
	assert_int_equal(ask(CDB(0x12, 0, 0, 0, 0, 0), d, 0), 0);
	refuse(CDB(0x12, 0, 0x80, 0, 36, 0), SCSI_SENSE_FIELD);
	refuse(CDB(0x12, 1, 0x81, 0, 36, 0), SCSI_SENSE_FIELD);
	/* every page that page 00h lists, and its length */
	assert_int_equal(ask(CDB(0x12, 1, 0, 0, 255, 0), d, 255), 10);
	assert_int_equal(d[3], 6);
	for (unsigned i = 0; i < 6; i++) {
		uint8_t cdb[6] = {0x12, 1, d[4 + i], 0, 255, 0};
		uint8_t page[255];
		uint32_t len = ask(cdb, 6, page, 255);

		assert_int_equal(len, 4u + get_be16(page + 2));
		assert_int_equal(page[1], d[4 + i]);
	}
	assert_int_equal(ask(CDB(0x12, 1, 0x80, 0, 255, 0), d, 255), 20);
	assert_memory_equal(d + 4, sh.stick->image.serial, 16);
	assert_int_equal(strspn((char *)sh.stick->image.serial, "0123456789ABCDEF"), 16);
	ask(CDB(0x12, 1, 0x83, 0, 255, 0), d, 255);
	assert_memory_equal(d + 8, "usbvfiodUSB Stick       ", 24);
	assert_int_equal(d[4 + 4 + d[7] + 3], 8); /* NAA */
	assert_int_equal(d[4 + 4 + d[7] + 4] >> 4, 3);
}

static void test_capacity(void **state)
{
	uint8_t d[64];

	(void)state;
	assert_int_equal(ask(CDB(0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), d, 8), 8);
	assert_int_equal(get_be32(d), STICK_HOST_BLOCKS - 1);
	assert_int_equal(get_be32(d + 4), 512);
	assert_int_equal(
		ask(CDB(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0), d, 32),
		32);
	assert_int_equal(get_be64(d), STICK_HOST_BLOCKS - 1);
	assert_int_equal(get_be32(d + 8), 512);
	refuse(CDB(0x9e, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0),
	       SCSI_SENSE_FIELD);
	assert_int_equal(ask(CDB(0x23, 0, 0, 0, 0, 0, 0, 0, 252, 0), d, 64), 12);
	assert_memory_equal(d, "\0\0\0\x08\0\0\x20\0\2\0\2\0", 12);
	assert_int_equal(ask(CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0), d, 64), 16);
	assert_int_equal(get_be32(d), 8);
	refuse(CDB(0xa0, 0, 3, 0, 0, 0, 0, 0, 0, 64, 0, 0), SCSI_SENSE_FIELD);
	/* beyond 2 TiB */
	sh.stick->disk.blocks = 0x100000001;
	ask(CDB(0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), d, 8);
	assert_int_equal(get_be32(d), 0xffffffff);
	ask(CDB(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0), d, 32);
	assert_int_equal(get_be64(d), 0x100000000);
	refuse(CDB(0x88, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0), SCSI_SENSE_RANGE);
}

static void test_read_and_write(void **state)
{
	static const uint8_t reads[][16] = {
		{0x08, 0, 0, 5, 3},
		{0x28, 0, 0, 0, 0, 5, 0, 0, 3},
		{0x28, 0x18, 0, 0, 0, 5, 0, 0, 3}, /* DPO, FUA */
		{0xa8, 0, 0, 0, 0, 5, 0, 0, 0, 3},
		{0x88, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 3},
	};
	static const uint8_t writes[][16] = {
		{0x0a, 0, 0, 5, 3},
		{0x2a, 0, 0, 0, 0, 5, 0, 0, 3},
		{0x2a, 0x08, 0, 0, 0, 5, 0, 0, 3},
		{0xaa, 0, 0, 0, 0, 5, 0, 0, 0, 3},
		{0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 3},
	};
	uint8_t buf[1536];
	uint8_t there[1536];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(reads); i++) {
		memset(buf, 0, sizeof(buf));
		assert_int_equal(ask(reads[i], 16, buf, 1536), 1536);
		assert_memory_equal(buf, sh.content + 2560, 1536);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++) {
		uint32_t residue;

		memset(buf, (int)(0x40 + i), sizeof(buf));
		assert_int_equal(stick_command(writes[i], 16, false, buf, 1536, &residue),
				 0);
		assert_int_equal(residue, 0);
		stick_host_pread(there, sizeof(there), 2560);
		assert_memory_equal(buf, there, 1536);
	}
	/* 0 blocks are 256 in the oldest form, else none */
	uint8_t *big = malloc(256 * 512);

	assert_int_equal(ask(CDB(0x08, 0, 1, 0, 0, 0), big, 256 * 512), 256 * 512);
	assert_memory_equal(big, sh.content + 256 * 512, 256 * 512);
	free(big);
	ask(CDB(0x28, 0, 0, 0, 0, 5, 0, 0, 0, 0), buf, 0);
}

static void test_ranges(void **state)
{
	uint8_t buf[512];

	(void)state;
	ask(CDB(0x28, 0, 0, 0, 0x1f, 0xff, 0, 0, 1, 0), buf, 512);
	refuse(CDB(0x28, 0, 0, 0, 0x20, 0, 0, 0, 1, 0), SCSI_SENSE_RANGE);
	refuse(CDB(0x28, 0, 0, 0, 0x1f, 0xff, 0, 0, 2, 0), SCSI_SENSE_RANGE);
	refuse(CDB(0x28, 0, 0, 0, 0x20, 1, 0, 0, 0, 0), SCSI_SENSE_RANGE);
	refuse(CDB(0x2a, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0), SCSI_SENSE_RANGE);
	refuse(CDB(0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		   0xff, 0xff, 0, 0),
	       SCSI_SENSE_RANGE);
	refuse(CDB(0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0), SCSI_SENSE_FIELD);
	refuse(CDB(0x2f, 0, 0, 0, 0x20, 0, 0, 0, 1, 0), SCSI_SENSE_RANGE);
	refuse(CDB(0x35, 0, 0, 0, 0x20, 0, 0, 0, 1, 0), SCSI_SENSE_RANGE);
	refuse(CDB(0xc1, 0, 0, 0, 0, 0), SCSI_SENSE_OPCODE);
	refuse(CDB(0x85, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_SENSE_OPCODE);
}

static void test_verify(void **state)
{
	uint8_t buf[1024];
	const uint8_t compare[10] = {0x2f, 0x02, 0, 0, 0, 2, 0, 0, 2};

	(void)state;
	ask(CDB(0x2f, 0, 0, 0, 0, 0, 0, 0x20, 0, 0), NULL, 0);
	assert_int_equal(stick_faults.reads, STICK_HOST_BLOCKS * 512 / STICK_PIECE_BYTES);
	stick_faults.read_error = -5;
	stick_faults.error_from = 1024 * 1024;
	refuse(CDB(0x8f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0),
	       SCSI_SENSE_READ_ERROR);
	stick_faults.read_error = 0;
	memcpy(buf, sh.content + 1024, 1024);
	assert_int_equal(stick_command(compare, 10, false, buf, 1024, NULL), 0);
	buf[1023] ^= 1;
	assert_int_equal(stick_command(compare, 10, false, buf, 1024, NULL), 1);
	assert_int_equal(stick_sense(), SCSI_SENSE_MISCOMPARE);
	refuse(CDB(0x2f, 0x04, 0, 0, 0, 2, 0, 0, 2, 0), SCSI_SENSE_FIELD);
}

static void test_sync(void **state)
{
	uint8_t buf[512] = {0};
	const uint8_t write_fua[10] = {0x2a, 0x08, 0, 0, 0, 2, 0, 0, 1};

	(void)state;
	ask(CDB(0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0), NULL, 0);
	assert_int_equal(stick_faults.syncs, 1);
	ask(CDB(0x91, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), NULL, 0);
	assert_int_equal(stick_faults.syncs, 2);
	ask(CDB(0x1b, 0, 0, 0, 2, 0), NULL, 0); /* eject */
	assert_int_equal(stick_faults.syncs, 3);
	ask(CDB(0x1b, 0, 0, 0, 1, 0), NULL, 0); /* start */
	assert_int_equal(stick_faults.syncs, 3);
	assert_int_equal(stick_command(write_fua, 10, false, buf, 512, NULL), 0);
	assert_int_equal(stick_faults.syncs, 4);
	stick_faults.sync_error = -5;
	refuse(CDB(0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_SENSE_WRITE_ERROR);
	assert_int_equal(stick_command(write_fua, 10, false, buf, 512, NULL), 1);
	assert_int_equal(stick_sense(), SCSI_SENSE_WRITE_ERROR);
}

static void test_mode(void **state)
{
	static const uint8_t select6[6] = {0x15, 0x10, 0, 0, 24};
	static const uint8_t write1[10] = {0x2a, 0, 0, 0, 0, 2, 0, 0, 1};
	uint8_t d[192];
	uint8_t list[24] = {0};

	(void)state;
	/* what Linux asks */
	assert_int_equal(ask(CDB(0x1a, 0, 0x3f, 0, 192, 0), d, 192), 4u + 8 + 20 + 12);
	assert_int_equal(d[0], 43);
	assert_int_equal(d[2], 0x10); /* not write-protected, FUA works */
	assert_int_equal(d[3], 8);
	assert_int_equal(get_be32(d + 4), STICK_HOST_BLOCKS);
	assert_int_equal(ask(CDB(0x1a, 8, 8, 0, 192, 0), d, 192), 24);
	assert_int_equal(d[4], 8);
	assert_int_equal(d[6], 4); /* WCE */
	assert_int_equal(ask(CDB(0x1a, 8, 0x48, 0, 192, 0), d, 192), 24);
	assert_int_equal(d[6], 4); /* may be changed */
	assert_int_equal(ask(CDB(0x5a, 8, 0x3f, 0xff, 0, 0, 0, 0, 100, 0), d, 100), 40);
	assert_int_equal(get_be16(d), 38);
	assert_int_equal(ask(CDB(0x1a, 0, 0x3f, 0, 4, 0), d, 4), 4);
	refuse(CDB(0x1a, 0, 0x1c, 0, 192, 0), SCSI_SENSE_FIELD);
	refuse(CDB(0x1a, 0, 0xc8, 0, 192, 0), SCSI_SENSE_NO_SAVING);
	refuse(CDB(0x1a, 0, 0x08, 1, 192, 0), SCSI_SENSE_FIELD);
	/* cache off: every write is safe before it is acknowledged */
	list[4] = 8;
	list[5] = 18;
	assert_int_equal(stick_command(select6, 6, false, list, 24, NULL), 0);
	ask(CDB(0x1a, 8, 8, 0, 192, 0), d, 192);
	assert_int_equal(d[6], 0);
	assert_int_equal(stick_command(write1, 10, false, sh.content, 512, NULL), 0);
	assert_int_equal(stick_faults.syncs, 1);
	list[6] = 4;
	assert_int_equal(stick_command(select6, 6, false, list, 24, NULL), 0);
	assert_int_equal(stick_command(write1, 10, false, sh.content, 512, NULL), 0);
	assert_int_equal(stick_faults.syncs, 1);
}

/* What a host has read it may send back. */
static void test_mode_select_control(void **state)
{
	static const uint8_t select6[6] = {0x15, 0x10, 0, 0, 16};
	uint8_t list[16] = {0, 0, 0, 0, 0x0a, 10};

	(void)state;
	assert_int_equal(stick_command(select6, 6, false, list, 16, NULL), 0);
	/* two pages as short as that would fill the list as well */
	list[5] = list[11] = 4;
	list[10] = 0x0a;
	assert_int_equal(stick_command(select6, 6, false, list, 16, NULL), 1);
	assert_int_equal(stick_sense(), SCSI_SENSE_LIST_FIELD);
}

static void test_mode_select_refusals(void **state)
{
	static const uint8_t select6[6] = {0x15, 0x10, 0, 0, 24};
	static const uint8_t select10[10] = {0x55, 0x10, 0, 0, 0, 0, 0, 0, 7};
	uint8_t list[24] = {0};

	(void)state;
	refuse(CDB(0x15, 0x11, 0, 0, 24, 0), SCSI_SENSE_FIELD);
	refuse(CDB(0x55, 0x10, 0, 0, 0, 0, 0, 0xff, 0xff, 0), SCSI_SENSE_LIST_LENGTH);
	list[4] = 0x1c;
	list[5] = 18;
	assert_int_equal(stick_command(select6, 6, false, list, 24, NULL), 1);
	assert_int_equal(stick_sense(), SCSI_SENSE_LIST_FIELD);
	list[4] = 8;
	list[5] = 17;
	assert_int_equal(stick_command(select6, 6, false, list, 24, NULL), 1);
	assert_int_equal(stick_sense(), SCSI_SENSE_LIST_FIELD);
	list[5] = 19;
	assert_int_equal(stick_command(select6, 6, false, list, 24, NULL), 1);
	assert_int_equal(stick_sense(), SCSI_SENSE_LIST_LENGTH);
	list[3] = 21;
	assert_int_equal(stick_command(select6, 6, false, list, 24, NULL), 1);
	assert_int_equal(stick_sense(), SCSI_SENSE_LIST_LENGTH);
	assert_int_equal(stick_command(select10, 10, false, list, 7, NULL), 1);
	assert_int_equal(stick_sense(), SCSI_SENSE_LIST_LENGTH);
	assert_true(sh.stick->disk.write_cache);
}

static void test_unmap(void **state)
{
	uint8_t cdb[10] = {0x42, 0, 0, 0, 0, 0, 0, 0, 40};
	uint8_t list[40] = {0, 38, 0, 32};
	uint8_t expected[16384] = {0};
	uint8_t there[16384];

	(void)state;
	put_be64(list + 8, 16);
	put_be32(list + 16, 8);
	put_be64(list + 24, 32);
	put_be32(list + 32, 0);
	assert_int_equal(stick_command(cdb, 10, false, list, 40, NULL), 0);
	stick_host_pread(there, sizeof(there), 0);
	memcpy(expected, sh.content, sizeof(expected));
	memset(expected + 8192, 0, 4096);
	assert_memory_equal(there, expected, sizeof(there));
	put_be64(list + 24, STICK_HOST_BLOCKS);
	put_be32(list + 32, 1);
	assert_int_equal(stick_command(cdb, 10, false, list, 40, NULL), 1);
	assert_int_equal(stick_sense(), SCSI_SENSE_RANGE);
	put_be16(list + 2, 48);
	assert_int_equal(stick_command(cdb, 10, false, list, 40, NULL), 1);
	assert_int_equal(stick_sense(), SCSI_SENSE_LIST_FIELD);
	refuse(CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 7, 0), SCSI_SENSE_LIST_LENGTH);
	refuse(CDB(0x42, 0, 0, 0, 0, 0, 0, 0x20, 0, 0), SCSI_SENSE_LIST_LENGTH);
	refuse(CDB(0x42, 1, 0, 0, 0, 0, 0, 0, 40, 0), SCSI_SENSE_FIELD);
	ask(CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0), NULL, 0);
}

static void test_request_sense(void **state)
{
	uint8_t d[252];

	(void)state;
	assert_int_equal(stick_command(CDB(0xc1, 0, 0, 0, 0, 0), true, NULL, 0, NULL), 1);
	assert_int_equal(ask(CDB(0x03, 1, 0, 0, 252, 0), d, 252), 8);
	assert_memory_equal(d, "\x72\x05\x20\0\0\0\0\0", 8);
	assert_int_equal(ask(CDB(0x03, 0, 0, 0, 252, 0), d, 252), 18);
	assert_memory_equal(d, "\x70\0\0\0\0\0\0\x0a\0\0\0\0\0\0", 14);
	/* another command forgets it */
	assert_int_equal(stick_command(CDB(0xc1, 0, 0, 0, 0, 0), true, NULL, 0, NULL), 1);
	ask(CDB(0x1e, 0, 0, 0, 1, 0), NULL, 0);
	assert_int_equal(stick_sense(), 0);
}

static void test_write_protected(void **state)
{
	uint8_t d[192];

	(void)state;
	assert_int_equal(ask(CDB(0x1a, 0, 0x3f, 0, 192, 0), d, 192), 44);
	assert_int_equal(d[2], 0x90);
	refuse(CDB(0x2a, 0, 0, 0, 0, 2, 0, 0, 1, 0), SCSI_SENSE_WRITE_PROTECTED);
	refuse(CDB(0x0a, 0, 0, 2, 1, 0), SCSI_SENSE_WRITE_PROTECTED);
	refuse(CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0), SCSI_SENSE_WRITE_PROTECTED);
	/* with its data: swallowed */
	assert_int_equal(stick_command(CDB(0x2a, 0, 0, 0, 0, 2, 0, 0, 1, 0), false,
				       sh.content, 512, NULL),
			 1);
	ask(CDB(0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0), NULL, 0);
	assert_int_equal(stick_faults.syncs, 0);
	uint8_t buf[512];

	ask(CDB(0x28, 8, 0, 0, 0, 2, 0, 0, 1, 0), buf, 512);
	assert_memory_equal(buf, sh.content + 1024, 512);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, stick_teardown)
	const struct CMUnitTest tests[] = {
		T(test_inquiry),
		T(test_capacity),
		T(test_read_and_write),
		T(test_ranges),
		T(test_verify),
		T(test_sync),
		T(test_mode),
		T(test_mode_select_control),
		T(test_mode_select_refusals),
		T(test_unmap),
		T(test_request_sense),
		cmocka_unit_test_setup_teardown(test_write_protected, setup_readonly,
						stick_teardown),
	};
#undef T

	return cmocka_run_group_tests_name("scsi", tests, NULL, NULL);
}
