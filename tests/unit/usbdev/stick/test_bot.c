/* SPDX-License-Identifier: MIT
 * test_bot.c - bulk-only transport: the thirteen cases, garbage, recovery
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stick_host.h"
#include "util/bytes.h"

#define FLAG_IN true

static const uint8_t test_unit_ready[6] = {0};
static const uint8_t inquiry36[6] = {0x12, 0, 0, 0, 36};
static const uint8_t bad_opcode[6] = {0xff};

/* What one of the thirteen cases does: @data_status of a data phase of @host
 * bytes, how many moved in it, then the CSW. */
struct thirteen {
	const char *name;
	uint32_t host;
	bool in;
	const uint8_t *cdb;
	unsigned cdb_len;
	enum usbdev_status data_status;
	uint32_t actual;
	uint8_t csw;
	uint32_t residue;
};

static void check_case(const struct thirteen *t)
{
	enum usbdev_status status;
	uint8_t ep_addr = t->in ? STICK_EP_IN : STICK_EP_OUT;
	uint8_t *buf = calloc(1, t->host + 1);
	uint32_t residue;
	uint32_t n;

	stick_send_cbw(t->host, t->in, t->cdb, t->cdb_len);
	if (t->host > 0) {
		n = t->in ? host_in(&sh.host, ep_addr, buf, t->host, &status)
			  : host_out(&sh.host, ep_addr, buf, t->host, &status);
		if (status != t->data_status || n != t->actual)
			fail_msg("%s: data status %d, %u bytes", t->name, (int)status, n);
		assert_int_equal(stick_halted(ep_addr), status == USBDEV_STATUS_STALL);
		stick_clear_halt(ep_addr);
	}
	n = stick_get_csw(&residue);
	if (n != t->csw || residue != t->residue)
		fail_msg("%s: CSW status %u, residue %u", t->name, n, residue);
	free(buf);
	stick_assert_ready();
}

static void test_thirteen_cases(void **state)
{
	uint8_t read4[10];
	uint8_t write4[10];
	uint8_t read16[10];
	uint8_t before[8192];
	uint8_t after[8192];

	(void)state;
	stick_cdb10(read4, SCSI_OPCODE_READ_10, 8, 4);
	stick_cdb10(write4, SCSI_OPCODE_WRITE_10, 8, 4);
	stick_cdb10(read16, SCSI_OPCODE_READ_10, 0, 16);
	const struct thirteen cases[] = {
		{"1 Hn=Dn", 0, false, test_unit_ready, 6, 0, 0, 0, 0},
		{"1 Hn=Dn with IN flag", 0, FLAG_IN, test_unit_ready, 6, 0, 0, 0, 0},
		{"2 Hn<Di", 0, FLAG_IN, read4, 10, 0, 0, 2, 0},
		{"2 Hn<Di, answer", 0, FLAG_IN, inquiry36, 6, 0, 0, 2, 0},
		{"3 Hn<Do", 0, false, write4, 10, 0, 0, 2, 0},
		{"4 Hi>Dn small", 512, FLAG_IN, test_unit_ready, 6, USBDEV_STATUS_OK, 512,
		 0, 512},
		{"4 Hi>Dn large", 65536, FLAG_IN, test_unit_ready, 6, USBDEV_STATUS_STALL,
		 0, 0, 65536},
		{"4 Hi>Dn failed", 65536, FLAG_IN, bad_opcode, 6, USBDEV_STATUS_STALL, 0,
		 1, 65536},
		{"5 Hi>Di small", 255, FLAG_IN, inquiry36, 6, USBDEV_STATUS_OK, 255, 0,
		 219},
		{"5 Hi>Di large", 65536, FLAG_IN, read4, 10, USBDEV_STATUS_STALL, 2048, 0,
		 63488},
		{"6 Hi=Di", 2048, FLAG_IN, read4, 10, USBDEV_STATUS_OK, 2048, 0, 0},
		{"7 Hi<Di", 1024, FLAG_IN, read4, 10, USBDEV_STATUS_OK, 1024, 2, 1024},
		{"7 Hi<Di large", 7168, FLAG_IN, read16, 10, USBDEV_STATUS_STALL, 0, 2,
		 7168},
		{"7 Hi<Di, answer", 20, FLAG_IN, inquiry36, 6, USBDEV_STATUS_OK, 20, 2,
		 0},
		{"8 Hi<>Do", 2048, FLAG_IN, write4, 10, USBDEV_STATUS_OK, 2048, 2, 2048},
		{"9 Ho>Dn small", 512, false, test_unit_ready, 6, USBDEV_STATUS_OK, 512,
		 0, 512},
		{"9 Ho>Dn large", 65536, false, test_unit_ready, 6, USBDEV_STATUS_STALL,
		 0, 0, 65536},
		{"10 Ho<>Di", 2048, false, read4, 10, USBDEV_STATUS_OK, 2048, 2, 2048},
		{"13 Ho<Do", 1024, false, write4, 10, USBDEV_STATUS_OK, 1024, 2, 1024},
	};

	stick_host_pread(before, sizeof(before), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(&cases[i]);
	/* nothing of all that has written */
	stick_host_pread(after, sizeof(after), 0);
	assert_memory_equal(before, after, sizeof(before));
	const struct thirteen writes[] = {
		{"11 Ho>Do small", 2560, false, write4, 10, USBDEV_STATUS_OK, 2560, 0,
		 512},
		{"11 Ho>Do large", 65536, false, write4, 10, USBDEV_STATUS_STALL, 2048, 0,
		 63488},
		{"12 Ho=Do", 2048, false, write4, 10, USBDEV_STATUS_OK, 2048, 0, 0},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
		check_case(&writes[i]);
	stick_host_pread(after, sizeof(after), 0);
	memset(before + 8 * 512, 0, 2048);
	assert_memory_equal(before, after, sizeof(before));
}

static void test_padding_is_zeros(void **state)
{
	uint8_t buf[255];

	(void)state;
	memset(buf, 0xaa, sizeof(buf));
	assert_int_equal(stick_command(inquiry36, 6, true, buf, 255, NULL), 0);
	assert_memory_equal(buf + 8, "usbvfiod", 8);
	for (unsigned i = 36; i < 255; i++)
		assert_int_equal(buf[i], 0);
}

/* dead until reset recovery, whatever is cleared before */
static void check_dead(void)
{
	enum usbdev_status status;
	uint8_t buf[31];

	assert_true(stick_halted(STICK_EP_IN));
	assert_true(stick_halted(STICK_EP_OUT));
	stick_clear_halt(STICK_EP_IN);
	stick_clear_halt(STICK_EP_OUT);
	(void)host_in(&sh.host, STICK_EP_IN, buf, 13, &status);
	assert_int_equal(status, USBDEV_STATUS_STALL);
	stick_cbw(buf, 1, 0, false, test_unit_ready, 6);
	(void)host_out(&sh.host, STICK_EP_OUT, buf, 31, &status);
	assert_int_equal(status, USBDEV_STATUS_STALL);
	stick_recover();
	stick_assert_ready();
}

static void test_garbage_cbw(void **state)
{
	uint8_t cbw[1024] = {0};

	(void)state;
	for (unsigned len = 1; len <= sizeof(cbw); len = len * 2 + 1) {
		stick_cbw(cbw, 1, 0, false, test_unit_ready, 6);
		if (len == 31)
			continue;
		host_out(&sh.host, STICK_EP_OUT, cbw, len, NULL);
		check_dead();
	}
	stick_cbw(cbw, 1, 0, false, test_unit_ready, 6);
	cbw[0] ^= 1;
	host_out(&sh.host, STICK_EP_OUT, cbw, 31, NULL);
	check_dead();
	for (unsigned cdb_len = 0; cdb_len < 32; cdb_len++) {
		stick_cbw(cbw, 1, 0, false, test_unit_ready, 6);
		cbw[14] = (uint8_t)cdb_len;
		if (cdb_len >= 1 && cdb_len <= 16)
			continue;
		host_out(&sh.host, STICK_EP_OUT, cbw, 31, NULL);
		check_dead();
	}
	/* of no length: not a command at all */
	host_out(&sh.host, STICK_EP_OUT, cbw, 0, NULL);
	stick_assert_ready();
}

static void test_usb_reset_ends_death(void **state)
{
	(void)state;
	host_out(&sh.host, STICK_EP_OUT, "x", 1, NULL);
	assert_true(stick_halted(STICK_EP_OUT));
	host_reset(&sh.host);
	host_configure(&sh.host);
	stick_assert_ready();
	host_out(&sh.host, STICK_EP_OUT, "x", 1, NULL);
	assert_int_equal(host_control(&sh.host, 0x01, 11, 0, 0, NULL, 0), 0);
	stick_assert_ready();
}

static void test_short_cdb_and_other_lun(void **state)
{
	uint8_t cbw[31];
	uint8_t read1[10];
	uint8_t buf[36];

	(void)state;
	stick_cdb10(read1, SCSI_OPCODE_READ_10, 0, 1);
	assert_int_equal(stick_command(read1, 6, true, buf, 0, NULL), 1);
	assert_int_equal(stick_sense(), SCSI_SENSE_FIELD);
	assert_int_equal(stick_sense(), SCSI_SENSE_NONE);
	stick_cbw(cbw, 1, 0, false, test_unit_ready, 6);
	cbw[13] = 1;
	host_out(&sh.host, STICK_EP_OUT, cbw, 31, NULL);
	assert_int_equal(host_in(&sh.host, STICK_EP_IN, buf, 13, NULL), 13);
	assert_int_equal(buf[12], 1);
	assert_int_equal(stick_sense(), SCSI_SENSE_LUN);
	stick_cbw(cbw, 1, 36, true, inquiry36, 6);
	cbw[13] = 15;
	host_out(&sh.host, STICK_EP_OUT, cbw, 31, NULL);
	assert_int_equal(host_in(&sh.host, STICK_EP_IN, buf, 36, NULL), 36);
	assert_int_equal(buf[0], 0x7f);
	host_in(&sh.host, STICK_EP_IN, buf, 13, NULL);
	assert_int_equal(buf[12], 0);
}

/* All three phases are there before anything has been done. */
static void test_transfers_ahead(void **state)
{
	static const uint32_t sizes[] = {1, 511, 3, 0, 1024, 4096, 65536, 7};
	struct urb cbw;
	struct urb data[ARRAY_SIZE(sizes)];
	struct urb csw;
	uint8_t bytes[31];
	uint8_t read10[10];
	uint32_t at = 0;
	uint32_t total = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		total += sizes[i];
	stick_cdb10(read10, SCSI_OPCODE_READ_10, 3, (uint16_t)(total / 512 + 1));
	stick_cbw(bytes, 9, (total / 512 + 1) * 512, true, read10, 10);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		urb_init(&data[i], &sh.host, STICK_EP_IN, sizes[i]);
		data[i].piece_bytes = 100;
		urb_submit(&data[i]);
	}
	urb_init_data(&cbw, &sh.host, STICK_EP_OUT, bytes, 31);
	urb_submit(&cbw);
	urb_wait(&data[ARRAY_SIZE(sizes) - 1]);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(data[i].transfer.actual_bytes, sizes[i]);
		assert_memory_equal(data[i].data, sh.content + 3 * 512 + at, sizes[i]);
		at += sizes[i];
		urb_finish(&data[i]);
	}
	/* the rest, in a transfer that is longer: short packet */
	urb_init(&data[0], &sh.host, STICK_EP_IN, 8192);
	urb_init(&csw, &sh.host, STICK_EP_IN, 13);
	urb_submit(&data[0]);
	urb_submit(&csw);
	urb_wait(&csw);
	assert_int_equal(data[0].transfer.status, USBDEV_STATUS_OK);
	assert_int_equal(data[0].transfer.actual_bytes, (total / 512 + 1) * 512 - total);
	assert_memory_equal(data[0].data, sh.content + 3 * 512 + at,
			    data[0].transfer.actual_bytes);
	assert_int_equal(csw.transfer.actual_bytes, 13);
	assert_int_equal(csw.data[12], 0);
	urb_finish(&data[0]);
	urb_finish(&csw);
	urb_finish(&cbw);
}

static void test_more_out_data_than_announced(void **state)
{
	enum usbdev_status status;
	uint8_t write1[10];
	uint8_t buf[1024];

	(void)state;
	stick_cdb10(write1, SCSI_OPCODE_WRITE_10, 0, 1);
	memset(buf, 0x55, sizeof(buf));
	stick_send_cbw(512, false, write1, 10);
	assert_int_equal(host_out(&sh.host, STICK_EP_OUT, buf, 1024, &status), 512);
	assert_int_equal(status, USBDEV_STATUS_STALL);
	assert_int_equal(stick_get_csw(NULL), 2);
	stick_recover();
	stick_assert_ready();
}

static void test_csw_into_odd_transfers(void **state)
{
	enum usbdev_status status;
	uint8_t buf[512];

	(void)state;
	stick_send_cbw(0, false, test_unit_ready, 6);
	assert_int_equal(host_in(&sh.host, STICK_EP_IN, buf, 0, NULL), 0);
	assert_int_equal(host_in(&sh.host, STICK_EP_IN, buf, 12, &status), 0);
	assert_int_equal(status, USBDEV_STATUS_BABBLE);
	assert_int_equal(host_in(&sh.host, STICK_EP_IN, buf, 512, NULL), 13);
	stick_assert_ready();
}

/* A host may halt the status phase, and clear it: the CSW is still there. */
static void test_halt_by_host(void **state)
{
	enum usbdev_status status;
	uint8_t buf[13];

	(void)state;
	stick_send_cbw(0, false, test_unit_ready, 6);
	assert_int_equal(host_control(&sh.host, 0x02, 3, 0, STICK_EP_IN, NULL, 0), 0);
	(void)host_in(&sh.host, STICK_EP_IN, buf, 13, &status);
	assert_int_equal(status, USBDEV_STATUS_STALL);
	stick_clear_halt(STICK_EP_IN);
	assert_int_equal(stick_get_csw(NULL), 0);
}

static void test_unreachable_memory(void **state)
{
	static const uint8_t eps[] = {STICK_EP_OUT, STICK_EP_IN, STICK_EP_IN};
	uint8_t read1[10];

	(void)state;
	stick_cdb10(read1, SCSI_OPCODE_READ_10, 0, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(eps); i++) {
		struct urb urb;

		if (i > 0)
			stick_send_cbw(512, true, i == 1 ? read1 : inquiry36,
				       i == 1 ? 10 : 6);
		urb_init(&urb, &sh.host, eps[i], i == 0 ? 31 : 512);
		urb.fault = true;
		urb_submit(&urb);
		urb_wait(&urb);
		assert_int_equal(urb.transfer.status, USBDEV_STATUS_MEMORY);
		urb_finish(&urb);
		stick_recover();
		stick_assert_ready();
	}
}

/* The status cannot be delivered: it is still there when there is memory again. */
static void test_unreachable_memory_of_status(void **state)
{
	struct urb urb;

	(void)state;
	stick_send_cbw(0, false, test_unit_ready, 6);
	urb_init(&urb, &sh.host, STICK_EP_IN, 13);
	urb.fault = true;
	urb_submit(&urb);
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_MEMORY);
	urb_finish(&urb);
	assert_int_equal(stick_get_csw(NULL), 0);
	stick_assert_ready();
}

static void test_class_requests(void **state)
{
	uint8_t lun = 0xff;

	(void)state;
	assert_int_equal(host_control(&sh.host, 0xa1, 0xfe, 0, 0, &lun, 1), 1);
	assert_int_equal(lun, 0);
	assert_int_equal(host_control(&sh.host, 0xa1, 0xfe, 0, 1, &lun, 1), HOST_STALL);
	assert_int_equal(host_control(&sh.host, 0xa1, 0xff, 0, 0, &lun, 1), HOST_STALL);
	assert_int_equal(host_control(&sh.host, 0x21, 0xfe, 0, 0, NULL, 0), HOST_STALL);
	assert_int_equal(host_control(&sh.host, 0x21, 0xff, 1, 0, NULL, 0), HOST_STALL);
}

/* Anything at all: the stick lives, and comes back by reset recovery. */
static void test_noise(void **state)
{
	unsigned seed = 12345;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		enum usbdev_status status;
		uint8_t bytes[64];
		uint8_t big[3000];
		uint32_t len;

		for (unsigned i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)rand_r(&seed);
		stick_cbw(big, round, (uint32_t)bytes[0] * bytes[1] % 9000, bytes[2] & 1,
			  bytes + 16, 16);
		/* opcodes that exist, mostly, and small numbers in them */
		if (bytes[3] & 7) {
			static const uint8_t opcodes[] = {
				0x00, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x1a, 0x1b, 0x1e,
				0x23, 0x25, 0x28, 0x2a, 0x2f, 0x35, 0x42, 0x55, 0x5a,
				0x88, 0x8a, 0x8f, 0x91, 0x9e, 0xa0, 0xa8, 0xaa};

			big[15] = opcodes[bytes[4] % sizeof(opcodes)];
			memset(big + 17, 0, 6);
			if (big[15] == 0x42) /* a hole somewhere would be slow to check */
				memset(big + 22, 0, 2);
		}
		(void)host_out(&sh.host, STICK_EP_OUT, big, 31, &status);
		for (unsigned i = 0; i < 4; i++) {
			struct urb urb;

			len = (uint32_t)bytes[8 + i] * 11;
			urb_init(&urb, &sh.host,
				 bytes[12 + i] & 1 ? STICK_EP_IN : STICK_EP_OUT, len);
			urb.piece_bytes = bytes[5];
			urb_submit(&urb);
			host_settle(&sh.host);
			if (!urb.order)
				urb_cancel(&urb);
			urb_wait(&urb);
			urb_finish(&urb);
		}
		stick_recover();
	}
	stick_assert_ready();
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, stick_setup_plain, stick_teardown)
	const struct CMUnitTest tests[] = {
		T(test_thirteen_cases),
		T(test_padding_is_zeros),
		T(test_garbage_cbw),
		T(test_usb_reset_ends_death),
		T(test_short_cdb_and_other_lun),
		T(test_transfers_ahead),
		T(test_more_out_data_than_announced),
		T(test_csw_into_odd_transfers),
		T(test_halt_by_host),
		T(test_unreachable_memory),
		T(test_unreachable_memory_of_status),
		T(test_class_requests),
		T(test_noise),
	};
#undef T

	return cmocka_run_group_tests_name("bot", tests, NULL, NULL);
}
