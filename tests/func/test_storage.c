/* SPDX-License-Identifier: MIT
 * test_storage.c - the stick: data, residues, short packets, stalls, recovery
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/func/func.h"
#include "util/bytes.h"

#define SCSI_INQUIRY 0x12u

static void read_write_verify(struct func *f, const char *speed)
{
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	_cleanup_free_ uint8_t *image = malloc(1 << 20);

	func_stick(f, speed, &device, &bot);
	assert_non_null(image);
	assert_int_equal(bot.sector_bytes, BOT_SECTOR);
	assert_int_equal(bot.sectors, FUNC_IMAGE_BYTES / BOT_SECTOR);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 1 << 20, 4096);
	/* data that the host has written */
	assert_ok(bot_read(&bot, 1000, 256, buf.iova, 0, 0));
	for (uint32_t i = 0; i < 256; i++)
		assert_int_equal(get_le32(buf.ptr + (size_t)i * BOT_SECTOR), 1000 + i);
	/* write, compare on the host, read back into a cleared buffer */
	fill_pattern(buf.ptr, 1 << 20, 7);
	assert_ok(bot_write(&bot, 4096, 2048, buf.iova, 0, 0));
	assert_ok(bot_sync(&bot));
	image_read(f, 4096 * BOT_SECTOR, image, 1 << 20);
	assert_pattern(image, 1 << 20, 7);
	memset(buf.ptr, 0, 1 << 20);
	assert_ok(bot_read(&bot, 4096, 2048, buf.iova, 0, 0));
	assert_pattern(buf.ptr, 1 << 20, 7);
	/* the sector before is unchanged */
	assert_ok(bot_read(&bot, 4095, 1, buf.iova, 0, 0));
	assert_int_equal(get_le32(buf.ptr), 4095);
}

static void test_read_write_verify_full_speed(void **state)
{
	read_write_verify(*state, "full");
}

static void test_read_write_verify_high_speed(void **state)
{
	read_write_verify(*state, "high");
}

static void test_read_write_verify_super_speed(void **state)
{
	read_write_verify(*state, "super");
}

/* Many TDs in flight in one data phase, at odd buffer addresses. */
static void test_many_tds_in_flight(void **state)
{
	static const uint32_t sizes[] = {4096, 16384, 65536};
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	struct guest_buf back;

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, (1 << 20) + 64, 64);
	back = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, (1 << 20) + 64, 64);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (unsigned depth = 1; depth <= 32; depth *= 2) {
			uint32_t seed = i * 100 + depth;

			fill_pattern(buf.ptr + 3, 1 << 20, seed);
			assert_ok(
				bot_write(&bot, 64, 2048, buf.iova + 3, sizes[i], depth));
			memset(back.ptr, 0, (1 << 20) + 64);
			assert_ok(bot_read(&bot, 64, 2048, back.iova + 13, sizes[i],
					   depth));
			assert_pattern(back.ptr + 13, 1 << 20, seed);
		}
	}
}

/* 65536 bytes fit one TRB, whose length field has 17 bits (original: read as 0). */
static void test_one_trb_of_64_kib(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	struct bot_command command = {
		.cdb = {0x28, 0, 0, 0, 0, 10, 0, 0, 128},
		.cdb_bytes = 10,
		.in = true,
		.length = 65536,
	};

	func_stick(f, "super", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 65536, 65536);
	command.iova = buf.iova;
	assert_ok(bot_run(&bot, &command));
	assert_int_equal(command.actual, 65536);
	assert_int_equal(get_le32(buf.ptr + 127 * BOT_SECTOR), 137);
}

/* The device has less data than the host expects (BOT 6.7.2, Hi > Di): it may pad, send a
 * short packet or stall; the residue is right in any case. */
static void expect_less(struct bot *bot, struct guest_buf buf, uint32_t host,
			uint32_t sectors)
{
	struct bot_command command = {
		.cdb = {0x28, 0, 0, 0, 0, 5, 0, 0, (uint8_t)sectors},
		.cdb_bytes = 10,
		.in = true,
		.length = host,
		.iova = buf.iova,
	};

	memset(buf.ptr, 0xee, buf.size_bytes);
	assert_ok(bot_run(bot, &command));
	assert_int_equal(command.status, BOT_STATUS_PASSED);
	assert_int_equal(command.residue, host - sectors * BOT_SECTOR);
	assert_in_range(command.actual, sectors * BOT_SECTOR, host);
	assert_int_equal(get_le32(buf.ptr), 5);
	for (size_t i = host; i < buf.size_bytes; i++)
		assert_int_equal(buf.ptr[i], 0xee);
}

static void test_device_has_less(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	struct bot_command inquiry = {
		.cdb = {SCSI_INQUIRY, 0, 0, 0, 36},
		.cdb_bytes = 6,
		.in = true,
		.length = 255,
	};

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 1 << 18, 64);
	inquiry.iova = buf.iova;
	assert_ok(bot_run(&bot, &inquiry));
	assert_int_equal(inquiry.status, BOT_STATUS_PASSED);
	assert_int_equal(inquiry.residue, 255 - 36);
	expect_less(&bot, buf, 4096, 2);
	expect_less(&bot, buf, 65536, 1);
	expect_less(&bot, buf, 200000, 3); /* too much to pad: a stall */
	assert_ok(bot_read(&bot, 1, 1, buf.iova, 0, 0));
	assert_int_equal(get_le32(buf.ptr), 1);
}

/* A TD longer than the data: Short Packet with the right residue. */
static void test_short_packet(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	struct bot_command read = {
		.cdb = {0x28, 0, 0, 0, 0, 5, 0, 0, 2},
		.cdb_bytes = 10,
		.in = true,
		.length = 1024,
	};
	uint8_t cbw[BOT_CBW_BYTES];
	uint8_t csw[BOT_CSW_BYTES];
	uint32_t actual = 0;

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 65536, 64);
	memset(buf.ptr, 0xee, 65536);
	bot_make_cbw(&read, 55, cbw);
	assert_code(bot_send_cbw(&bot, cbw, sizeof(cbw)), XCC_SUCCESS);
	assert_code(drv_transfer(device.slot, device.bulk_in, buf.iova, 4000, &actual),
		    XCC_SHORT_PACKET);
	assert_int_equal(actual, 1024);
	assert_int_equal(get_le32(buf.ptr + 512), 6);
	for (unsigned i = 1024; i < 65536; i++)
		assert_int_equal(buf.ptr[i], 0xee);
	assert_code(bot_receive_csw(&bot, csw, &actual), XCC_SUCCESS);
	assert_int_equal(get_le32(csw + 4), 55);
	assert_int_equal(get_le32(csw + 8), 0);
	assert_no_transfer_event(f);
}

/* The host expects less than the command moves: a phase error, never an overrun. */
static void test_host_expects_less(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	struct bot_command command = {
		.cdb = {0x28, 0, 0, 0, 0, 5, 0, 0, 8},
		.cdb_bytes = 10,
		.in = true,
		.length = 512,
	};

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 65536, 64);
	memset(buf.ptr, 0xee, 65536);
	command.iova = buf.iova;
	assert_ok(bot_run(&bot, &command));
	assert_int_equal(command.status, BOT_STATUS_PHASE_ERROR);
	assert_int_equal(buf.ptr[512], 0xee);
	assert_ok(bot_recover(&bot));
	assert_ok(bot_read(&bot, 1, 1, buf.iova, 0, 0));
	assert_int_equal(get_le32(buf.ptr), 1);
}

/* A command with a data phase fails: the endpoint stalls, the host clears the halt, and
 * the CSW reports the failure; REQUEST SENSE tells the reason. */
static void test_failed_command_stalls_and_recovers(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 65536, 64);
	for (unsigned i = 0; i < 4; i++) {
		struct bot_command beyond = {
			.cdb = {0x28, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 1},
			.cdb_bytes = 10,
			.in = true,
			.length = 512,
			.iova = buf.iova,
		};
		struct bot_command out = {
			.cdb = {0x2a, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 1},
			.cdb_bytes = 10,
			.length = 512,
			.iova = buf.iova,
		};

		assert_ok(bot_run(&bot, &beyond));
		assert_int_equal(beyond.status, BOT_STATUS_FAILED);
		assert_int_equal(beyond.residue, 512);
		assert_int_equal(bot_sense(&bot), 0x052100); /* LBA out of range */
		assert_ok(bot_run(&bot, &out));
		assert_int_equal(out.status, BOT_STATUS_FAILED);
		assert_int_equal(bot_sense(&bot), 0x052100);
	}
	assert_ok(bot_read(&bot, 9, 1, buf.iova, 0, 0));
	assert_int_equal(get_le32(buf.ptr), 9);
}

/* BOT 6.6.1: an invalid CBW stalls both pipes until reset recovery. */
static void test_invalid_cbw_needs_reset_recovery(void **state)
{
	static const uint8_t nonsense[64] = {'X'};
	static const uint32_t lengths[] = {1, 30, 31, 32, 64};
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 512, 64);
	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		uint8_t csw[BOT_CSW_BYTES];
		int r = bot_send_cbw(&bot, nonsense, lengths[i]);

		assert_true(r == XCC_SUCCESS || r == XCC_STALL);
		assert_code(bot_receive_csw(&bot, csw, NULL), XCC_STALL);
		/* clearing the halt is not enough */
		assert_code(bot_clear_halt(&bot, device.bulk_in), XCC_SUCCESS);
		assert_code(bot_receive_csw(&bot, csw, NULL), XCC_STALL);
		assert_ok(bot_recover(&bot));
		assert_ok(bot_read(&bot, 3, 1, buf.iova, 0, 0));
		assert_int_equal(get_le32(buf.ptr), 3);
	}
}

/* TDs behind a stalled one stay on the ring, without events. */
static void test_stall_holds_what_is_queued_behind(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	struct bot_command beyond = {
		.cdb = {0x28, 0, 0x7f, 0xff, 0xff, 0xff, 0, 4, 0},
		.cdb_bytes = 10,
		.in = true,
		.length = 1024 * 512, /* more than the stick would pad with zeros */
	};
	uint8_t cbw[BOT_CBW_BYTES];
	struct drv_event event;
	uint64_t first;

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 4096, 64);
	bot_make_cbw(&beyond, 99, cbw);
	first = drv_push_td(device.slot, device.bulk_in, buf.iova, 512, NULL);
	(void)drv_push_td(device.slot, device.bulk_in, buf.iova + 1024, 13, NULL);
	drv_endpoint_doorbell(device.slot, device.bulk_in);
	assert_code(bot_send_cbw(&bot, cbw, sizeof(cbw)), XCC_SUCCESS);
	assert_code(
		drv_wait_transfer(&f->drv, device.slot->id, device.bulk_in, 0, &event),
		XCC_STALL);
	assert_true(event.trb.parameter == first);
	assert_int_equal(drv_event_length(&event), 512);
	assert_int_equal(drv_endpoint_state(device.slot, device.bulk_in),
			 XEP_STATE_HALTED);
	/* doorbells of a halted endpoint have no effect */
	drv_endpoint_doorbell(device.slot, device.bulk_in);
	assert_no_transfer_event(f);
	/* recovery works */
	assert_code(bot_clear_halt(&bot, device.bulk_in), XCC_SUCCESS);
}

/* The event of a stalled OUT transfer has the right residue (original: always 0). */
static void test_stalled_out_reports_the_rest(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	struct bot_command beyond = {
		.cdb = {0x2a, 0, 0x7f, 0xff, 0xff, 0xff, 0, 4, 0},
		.cdb_bytes = 10,
		.length = 1024 * 512, /* more than the stick would accept and drop */
	};

	func_stick(f, "super", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, beyond.length, 65536);
	beyond.iova = buf.iova;
	assert_ok(bot_run(&bot, &beyond));
	assert_int_equal(beyond.code, XCC_STALL);
	assert_in_range(beyond.actual, 0, 16384);
	assert_int_equal(beyond.status, BOT_STATUS_FAILED);
	assert_int_equal(beyond.residue, beyond.length);
	assert_int_equal(bot_sense(&bot), 0x052100);
	assert_ok(bot_write(&bot, 1, 1, buf.iova, 0, 0));
}

/* More data than the buffer holds: Babble Detected, the endpoint halts, memory after the
 * buffer is unchanged (the original dropped the rest and reported success). */
static void test_babble(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	struct bot_command ready = {.cdb = {0}, .cdb_bytes = 6};
	uint8_t cbw[BOT_CBW_BYTES];
	uint8_t csw[BOT_CSW_BYTES];

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 64, 64);
	memset(buf.ptr, 0xee, 64);
	bot_make_cbw(&ready, 77, cbw);
	assert_code(bot_send_cbw(&bot, cbw, sizeof(cbw)), XCC_SUCCESS);
	assert_code(drv_transfer(device.slot, device.bulk_in, buf.iova, 5, NULL),
		    XCC_BABBLE);
	assert_int_equal(drv_endpoint_state(device.slot, device.bulk_in),
			 XEP_STATE_HALTED);
	for (unsigned i = 5; i < 64; i++)
		assert_int_equal(buf.ptr[i], 0xee);
	assert_code(drv_recover(device.slot, device.bulk_in), XCC_SUCCESS);
	assert_code(bot_receive_csw(&bot, csw, NULL), XCC_SUCCESS);
	assert_int_equal(get_le32(csw + 4), 77);
}

static void test_read_only_stick(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	uint8_t before[512];
	char spec[300];
	struct bot_command write = {
		.cdb = {0x2a, 0, 0, 0, 0, 1, 0, 0, 1},
		.cdb_bytes = 10,
		.length = 512,
	};

	(void)snprintf(spec, sizeof(spec), "%s,readonly", func_stick_spec(f, "super"));
	func_device(f, spec, &device);
	bot_init(&bot, &device);
	assert_ok(bot_open(&bot));
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 512, 64);
	write.iova = buf.iova;
	assert_ok(bot_run(&bot, &write));
	assert_int_equal(write.status, BOT_STATUS_FAILED);
	assert_int_equal(bot_sense(&bot), 0x072700); /* DATA PROTECT, write protected */
	image_read(f, 512, before, 512);
	assert_int_equal(get_le32(before), 1);
	assert_ok(bot_read(&bot, 1, 1, buf.iova, 0, 0));
}

/* Another program truncates the image while the stick is in use: the daemon survives. */
static void test_truncated_image(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	struct bot_command read = {
		.cdb = {0x28, 0, 0, 0, 0x20, 0, 0, 0, 8},
		.cdb_bytes = 10,
		.in = true,
		.length = 4096,
	};

	func_stick(f, "high", &device, &bot);
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 4096, 64);
	assert_ok(truncate(f->image, 65536));
	read.iova = buf.iova;
	assert_ok(bot_run(&bot, &read));
	assert_int_equal(read.status, BOT_STATUS_FAILED);
	assert_in_range(bot_sense(&bot), 0x010000, 0x0fffff);
	assert_ok(bot_read(&bot, 1, 1, buf.iova, 0, 0));
	assert_int_equal(get_le32(buf.ptr), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_read_write_verify_full_speed),
		FUNC_TEST(test_read_write_verify_high_speed),
		FUNC_TEST(test_read_write_verify_super_speed),
		FUNC_TEST(test_many_tds_in_flight),
		FUNC_TEST(test_one_trb_of_64_kib),
		FUNC_TEST(test_device_has_less),
		FUNC_TEST(test_short_packet),
		FUNC_TEST(test_host_expects_less),
		FUNC_TEST(test_failed_command_stalls_and_recovers),
		FUNC_TEST(test_invalid_cbw_needs_reset_recovery),
		FUNC_TEST(test_stall_holds_what_is_queued_behind),
		FUNC_TEST(test_stalled_out_reports_the_rest),
		FUNC_TEST(test_babble),
		FUNC_TEST(test_read_only_stick),
		FUNC_TEST(test_truncated_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
