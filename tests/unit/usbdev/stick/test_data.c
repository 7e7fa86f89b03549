/* SPDX-License-Identifier: MIT
 * test_data.c - the stick's data path: page cache or worker, errors, order
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "stick_host.h"
#include "util/bytes.h"

#define MIB (1024u * 1024u)

static void check_write(uint32_t lba, uint32_t bytes, uint32_t piece, const uint8_t *data)
{
	uint8_t *there = malloc(bytes);
	uint32_t at = 0;
	uint32_t residue;

	stick_send_rw(SCSI_OPCODE_WRITE_10, lba, bytes);
	while (at < bytes) {
		uint32_t n = MIN_OF(piece, bytes - at);

		assert_int_equal(host_out(&sh.host, STICK_EP_OUT, data + at, n, NULL), n);
		at += n;
	}
	assert_int_equal(stick_get_csw(&residue), 0);
	assert_int_equal(residue, 0);
	stick_host_pread(there, bytes, (uint64_t)lba * 512);
	assert_memory_equal(there, data, bytes);
	free(there);
}

static void test_sizes(void **state)
{
	static const uint32_t sizes[] = {512, 4096, 65536, 262144, 262656, MIB, 3 * MIB};
	static const uint32_t pieces[] = {4 * MIB, MIB, 65536, 4095};

	(void)state;
	for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (unsigned p = 0; p < ARRAY_SIZE(pieces); p++) {
			uint32_t lba = 7 + s * 13 + p;

			stick_check_read(lba, sizes[s], pieces[p],
					 sh.content + lba * 512);
		}
	}
	for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (unsigned p = 0; p < ARRAY_SIZE(pieces); p++)
			check_write(3 + s, sizes[s], pieces[p],
				    sh.content + 1000 * (s + p));
	}
}

/* Only what the path says, and it is the path. */
static void test_plain_needs_no_worker(void **state)
{
	(void)state;
	stick_check_read(0, MIB, MIB, sh.content);
	check_write(0, MIB, MIB, sh.content + 512);
	assert_int_equal(stick_faults.reads + stick_faults.writes, 0);
}

static void test_never_needs_the_worker(void **state)
{
	(void)state;
	stick_check_read(0, MIB, MIB, sh.content);
	assert_int_equal(stick_faults.reads, MIB / STICK_PIECE_BYTES);
	check_write(0, MIB, MIB, sh.content + 512);
	assert_int_equal(stick_faults.writes, MIB / STICK_PIECE_BYTES);
}

/* Data of a WRITE cannot be had for a while: what came before counts, and the rest does when
 * there is memory again. */
static void test_write_meets_no_memory(void **state)
{
	struct urb urb;
	uint8_t there[1024];

	(void)state;
	stick_send_rw(SCSI_OPCODE_WRITE_10, 0, 1024);
	for (unsigned i = 0; i < 3; i++) {
		urb_init_data(&urb, &sh.host, STICK_EP_OUT,
			      sh.content + 4096 + i / 2 * 512, 512);
		urb.fault = i == 1;
		urb_submit(&urb);
		urb_wait(&urb);
		assert_int_equal(urb.transfer.status,
				 i == 1 ? USBDEV_STATUS_MEMORY : USBDEV_STATUS_OK);
		urb_finish(&urb);
	}
	assert_int_equal(stick_get_csw(NULL), 0);
	stick_host_pread(there, sizeof(there), 0);
	assert_memory_equal(there, sh.content + 4096, sizeof(there));
}

/* One turn of the loop moves a bounded amount. */
static void test_turns_are_bounded(void **state)
{
	struct urb urb;
	unsigned turns = 0;

	(void)state;
	stick_send_rw(SCSI_OPCODE_READ_10, 0, 3 * MIB);
	urb_init(&urb, &sh.host, STICK_EP_IN, 3 * MIB);
	urb_submit(&urb);
	for (; !urb.order; turns++) {
		uint32_t before = urb.transfer.actual_bytes;

		assert_int_equal(loop_turn(sh.host.loop, true), 0);
		assert_true(urb.transfer.actual_bytes - before <= 2 * STICK_TURN_BYTES);
	}
	assert_true(turns >= 2);
	urb_finish(&urb);
	assert_int_equal(stick_get_csw(NULL), 0);
}

/* SYNCHRONIZE CACHE and the CSW come after all writes. */
/* Pulled while the file does not answer: the loop goes on, and the end comes when
 * the file has answered. */
static void test_destroyed_while_the_file_hangs(void **state)
{
	static const uint8_t write_fua[10] = {0x2a, 0x08, 0, 0, 0, 0, 0, 2, 0};
	struct urb out;
	uint8_t *there = malloc(262144);
	int fd;

	(void)state;
	stick_send_cbw(262144, false, write_fua, 10);
	stick_host_hold(1);
	urb_init_data(&out, &sh.host, STICK_EP_OUT, sh.content + 512, 262144);
	urb_submit(&out);
	stick_host_held();
	urb_wait(&out);
	urb_finish(&out);
	host_destroy(&sh.host);
	host_settle(&sh.host);
	assert_false(sh.host.destroyed);
	stick_host_release();
	while (!sh.host.destroyed)
		assert_int_equal(loop_turn(sh.host.loop, true), 0);
	assert_int_equal(stick_faults.syncs, 0); /* nothing new was begun */
	fd = open(sh.path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, there, 262144), 262144);
	assert_memory_equal(there, sh.content + 512, 262144);
	(void)close(fd);
	free(there);
}

static void test_csw_after_the_write(void **state)
{
	static const uint8_t write_fua[10] = {0x2a, 0x08, 0, 0, 0, 0, 0, 2, 0};
	struct urb out;
	struct urb csw;

	(void)state;
	stick_send_cbw(262144, false, write_fua, 10);
	stick_host_hold(1);
	urb_init_data(&out, &sh.host, STICK_EP_OUT, sh.content + 512, 262144);
	urb_init(&csw, &sh.host, STICK_EP_IN, 13);
	urb_submit(&out);
	urb_submit(&csw);
	stick_host_held();
	urb_wait(&out);
	host_settle(&sh.host);
	assert_int_equal(csw.order, 0);
	assert_int_equal(stick_faults.syncs, 0);
	stick_host_release();
	urb_wait(&csw);
	assert_int_equal(csw.data[12], 0);
	assert_int_equal(stick_faults.syncs, 1);
	assert_int_equal(stick_faults.writes_at_sync, 1);
	urb_finish(&out);
	urb_finish(&csw);
}

static void test_read_error(void **state)
{
	uint8_t *buf = malloc(MIB);
	enum usbdev_status status;
	uint32_t residue;

	(void)state;
	stick_faults.read_error = -EIO;
	stick_faults.error_from = STICK_PIECE_BYTES;
	stick_send_rw(SCSI_OPCODE_READ_10, 0, MIB);
	assert_int_equal(host_in(&sh.host, STICK_EP_IN, buf, MIB, &status),
			 STICK_PIECE_BYTES);
	assert_int_equal(status, USBDEV_STATUS_STALL);
	assert_memory_equal(buf, sh.content, STICK_PIECE_BYTES);
	stick_clear_halt(STICK_EP_IN);
	assert_int_equal(stick_get_csw(&residue), 1);
	assert_int_equal(residue, MIB - STICK_PIECE_BYTES);
	assert_int_equal(stick_sense(), SCSI_SENSE_READ_ERROR);
	/* a small one is filled up */
	stick_faults.error_from = 0;
	stick_send_rw(SCSI_OPCODE_READ_10, 0, 4096);
	assert_int_equal(host_in(&sh.host, STICK_EP_IN, buf, 4096, NULL), 4096);
	assert_int_equal(stick_get_csw(&residue), 1);
	assert_int_equal(residue, 4096);
	free(buf);
}

static void check_write_error(int error, uint32_t sense)
{
	enum usbdev_status status;
	uint32_t residue;

	stick_faults.write_error = error;
	stick_faults.error_from = STICK_PIECE_BYTES;
	stick_send_rw(SCSI_OPCODE_WRITE_10, 0, 3 * MIB);
	host_out(&sh.host, STICK_EP_OUT, sh.content, 3 * MIB, &status);
	assert_int_equal(status, USBDEV_STATUS_STALL);
	stick_clear_halt(STICK_EP_OUT);
	assert_int_equal(stick_get_csw(&residue), 1);
	assert_int_equal(residue, 3 * MIB - STICK_PIECE_BYTES);
	assert_int_equal(stick_sense(), sense);
	/* at the very end, when all has been taken */
	stick_send_rw(SCSI_OPCODE_WRITE_10, STICK_PIECE_BYTES / 512, 512);
	assert_int_equal(host_out(&sh.host, STICK_EP_OUT, sh.content, 512, NULL), 512);
	assert_int_equal(stick_get_csw(&residue), 1);
	assert_int_equal(residue, 512);
	assert_int_equal(stick_sense(), sense);
	stick_assert_ready();
}

static void test_write_error(void **state)
{
	(void)state;
	check_write_error(-EIO, SCSI_SENSE_WRITE_ERROR);
	check_write_error(-ENOSPC, SCSI_SENSE_NO_SPACE);
}

static void test_image_cut_short(void **state)
{
	uint8_t buf[4096];
	uint32_t residue;

	(void)state;
	assert_int_equal(truncate(sh.path, 4096 + 1024), 0);
	stick_send_rw(SCSI_OPCODE_READ_10, 8, 4096);
	assert_int_equal(host_in(&sh.host, STICK_EP_IN, buf, 4096, NULL), 4096);
	assert_int_equal(stick_get_csw(&residue), 1);
	assert_in_range(residue, 4096 - 1024, 4096);
	assert_int_equal(stick_sense(), SCSI_SENSE_READ_ERROR);
}

/* NOWAIT: the page cache where it can, and nothing else than that is seen. */
static void test_cold_file(void **state)
{
	(void)state;
	assert_int_equal(fdatasync(sh.stick->image.fd), 0);
	assert_int_equal(posix_fadvise(sh.stick->image.fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	stick_check_read(0, 3 * MIB, MIB, sh.content);
	stick_check_read(0, 3 * MIB, MIB, sh.content);
}

static void test_unreachable_memory(void **state)
{
	static const uint8_t opcodes[] = {SCSI_OPCODE_READ_10, SCSI_OPCODE_WRITE_10};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct urb urb;

		stick_send_rw(opcodes[i], 0, 4096);
		urb_init(&urb, &sh.host, i == 0 ? STICK_EP_IN : STICK_EP_OUT, 4096);
		urb.fault = true;
		urb_submit(&urb);
		urb_wait(&urb);
		assert_int_equal(urb.transfer.status, USBDEV_STATUS_MEMORY);
		urb_finish(&urb);
		stick_recover();
		stick_assert_ready();
	}
	stick_check_read(0, 4096, 4096, sh.content);
}

int main(void)
{
#define NEVER(test) \
	cmocka_unit_test_setup_teardown(test, stick_setup_never, stick_teardown)
#define PLAIN(test) \
	cmocka_unit_test_setup_teardown(test, stick_setup_plain, stick_teardown)
#define NOWAIT(test) \
	cmocka_unit_test_setup_teardown(test, stick_setup_nowait, stick_teardown)
	const struct CMUnitTest tests[] = {
		NEVER(test_sizes),
		PLAIN(test_sizes),
		NOWAIT(test_sizes),
		PLAIN(test_plain_needs_no_worker),
		NEVER(test_never_needs_the_worker),
		NEVER(test_write_meets_no_memory),
		PLAIN(test_turns_are_bounded),
		NEVER(test_csw_after_the_write),
		NEVER(test_destroyed_while_the_file_hangs),
		NEVER(test_read_error),
		NEVER(test_write_error),
		NEVER(test_image_cut_short),
		PLAIN(test_image_cut_short),
		NOWAIT(test_image_cut_short),
		NOWAIT(test_cold_file),
		NEVER(test_unreachable_memory),
		PLAIN(test_unreachable_memory),
	};

	return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
