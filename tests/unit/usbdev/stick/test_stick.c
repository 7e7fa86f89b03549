/* SPDX-License-Identifier: MIT
 * test_stick.c - a stick whose transfers are cancelled, which is reset, or
 * destroyed, in every phase
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stick_host.h"
#include "util/bytes.h"

#define MIB (1024u * 1024u)

/* A READ is cancelled while the worker reads for it; the data goes to the next
 * transfer, as it would on a wire. */
static void test_cancel_read(void **state)
{
	struct urb urbs[2];

	(void)state;
	stick_host_hold(1);
	stick_send_rw(SCSI_OPCODE_READ_10, 0, 4096);
	for (unsigned i = 0; i < 2; i++) {
		urb_init(&urbs[i], &sh.host, STICK_EP_IN, 4096);
		urb_submit(&urbs[i]);
	}
	stick_host_held();
	urb_cancel(&urbs[0]);
	urb_wait(&urbs[0]); /* without the worker */
	assert_int_equal(urbs[0].transfer.status, USBDEV_STATUS_CANCELLED);
	assert_int_equal(urbs[0].transfer.actual_bytes, 0);
	urb_finish(&urbs[0]);
	stick_host_release();
	urb_wait(&urbs[1]);
	assert_memory_equal(urbs[1].data, sh.content, 4096);
	urb_finish(&urbs[1]);
	assert_int_equal(stick_get_csw(NULL), 0);
}

/* Cancelled in its middle: says how far it got. */
static void test_cancel_read_midway(void **state)
{
	struct urb urb;

	(void)state;
	stick_host_hold(3);
	stick_send_rw(SCSI_OPCODE_READ_10, 0, STICK_PIECE_BYTES * 4);
	urb_init(&urb, &sh.host, STICK_EP_IN, STICK_PIECE_BYTES * 4);
	urb_submit(&urb);
	while (urb.transfer.actual_bytes < STICK_PIECE_BYTES * 2)
		assert_int_equal(loop_turn(sh.host.loop, true), 0);
	stick_host_held();
	urb_cancel(&urb);
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_CANCELLED);
	assert_int_equal(urb.transfer.actual_bytes, STICK_PIECE_BYTES * 2);
	assert_memory_equal(urb.data, sh.content, urb.transfer.actual_bytes);
	urb_finish(&urb);
	/* the driver gives up; the worker still has the old command */
	stick_recover();
	urb_init(&urb, &sh.host, STICK_EP_OUT, 31);
	stick_cbw(urb.data, 5, 0, false, (const uint8_t[6]){0}, 6);
	urb_submit(&urb);
	host_settle(&sh.host);
	assert_int_equal(urb.order, 0);
	stick_host_release();
	urb_wait(&urb);
	urb_finish(&urb);
	uint8_t csw[13];

	assert_int_equal(host_in(&sh.host, STICK_EP_IN, csw, 13, NULL), 13);
	assert_int_equal(csw[4], 5);
}

static void cancel_waiting(uint8_t ep_addr, uint32_t len)
{
	struct urb urb;

	urb_init(&urb, &sh.host, ep_addr, len);
	urb_submit(&urb);
	host_settle(&sh.host);
	assert_int_equal(urb.order, 0);
	urb_cancel(&urb);
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_CANCELLED);
	assert_int_equal(urb.transfer.actual_bytes, 0);
	urb_finish(&urb);
}

/* Transfers that come before their time and go again leave no trace. */
static void test_cancel_while_waiting(void **state)
{
	(void)state;
	cancel_waiting(STICK_EP_IN, 13);
	stick_send_rw(SCSI_OPCODE_WRITE_10, 2, 512);
	cancel_waiting(STICK_EP_IN, 13);
	host_out(&sh.host, STICK_EP_OUT, sh.content, 512, NULL);
	cancel_waiting(STICK_EP_OUT, 31);
	assert_int_equal(stick_get_csw(NULL), 0);
	stick_assert_ready();
}

/* While the worker writes, USB reset; then a read that must see the write. */
static void test_reset_while_writing(void **state)
{
	uint8_t *data = malloc(MIB);
	uint8_t *got = malloc(MIB);
	struct urb out;
	struct urb in;
	uint8_t cdb[10];

	(void)state;
	memset(data, 0x77, MIB);
	stick_host_hold(1);
	stick_send_rw(SCSI_OPCODE_WRITE_10, 0, MIB);
	urb_init_data(&out, &sh.host, STICK_EP_OUT, data, MIB);
	urb_submit(&out);
	stick_host_held();
	host_settle(&sh.host);
	assert_int_equal(out.order, 0); /* only two pieces fit */
	assert_int_equal(out.transfer.actual_bytes, STICK_PIECES * STICK_PIECE_BYTES);
	host_reset(&sh.host);
	assert_int_equal(out.transfer.status, USBDEV_STATUS_CANCELLED);
	urb_finish(&out);
	host_configure(&sh.host);
	/* the next command is there, but it waits */
	urb_init(&out, &sh.host, STICK_EP_OUT, 31);
	stick_cdb10(cdb, SCSI_OPCODE_READ_10, 0, STICK_PIECE_BYTES / 512);
	stick_cbw(out.data, 77, STICK_PIECE_BYTES, true, cdb, 10);
	urb_init(&in, &sh.host, STICK_EP_IN, STICK_PIECE_BYTES);
	urb_submit(&out);
	urb_submit(&in);
	host_settle(&sh.host);
	assert_int_equal(in.order, 0);
	stick_host_release();
	urb_wait(&in);
	assert_memory_equal(in.data, data, STICK_PIECE_BYTES);
	urb_finish(&out);
	urb_finish(&in);
	assert_int_equal(host_in(&sh.host, STICK_EP_IN, got, 13, NULL), 13);
	/* the piece that had not begun was taken back */
	assert_int_equal(stick_faults.writes, 1);
	free(data);
	free(got);
}

static void test_reset_in_each_phase(void **state)
{
	static const uint8_t sync[10] = {0x35};
	struct urb urb;

	(void)state;
	for (unsigned phase = 0; phase < 4; phase++) {
		urb_init(&urb, &sh.host, STICK_EP_IN, MIB);
		if (phase == 0) { /* nothing */
		} else if (phase == 1) {
			stick_send_rw(SCSI_OPCODE_READ_10, 0, 4096);
			host_in(&sh.host, STICK_EP_IN, urb.data, 512, NULL);
		} else if (phase == 2) {
			stick_host_hold(1);
			stick_send_cbw(0, false, sync, 10);
			stick_host_held();
		} else {
			stick_send_cbw(0, false, (const uint8_t[6]){0}, 6);
			host_settle(&sh.host); /* a CSW waits */
		}
		if (phase == 0 || phase == 2)
			urb_submit(&urb);
		host_reset(&sh.host);
		if (phase == 0 || phase == 2) {
			assert_int_equal(urb.transfer.status, USBDEV_STATUS_CANCELLED);
			assert_int_equal(urb.transfer.actual_bytes, 0);
		}
		urb_finish(&urb);
		host_configure(&sh.host);
		if (phase == 2)
			stick_host_release();
		stick_assert_ready();
		stick_check_read(9, 8192, 8192, sh.content + 9 * 512);
	}
}

/* Reset when one piece is done but not reported and the other is being written. */
static void test_reset_with_both_pieces_out(void **state)
{
	struct urb out;

	(void)state;
	stick_host_hold(2);
	stick_send_rw(SCSI_OPCODE_WRITE_10, 0, MIB);
	urb_init_data(&out, &sh.host, STICK_EP_OUT, sh.content + 512, MIB);
	urb_submit(&out);
	stick_host_held();
	usbdev_reset(sh.host.dev);
	host_settle(&sh.host);
	assert_int_equal(out.transfer.status, USBDEV_STATUS_CANCELLED);
	assert_int_equal(sh.host.resets, 1);
	urb_finish(&out);
	assert_true(sh.stick->pieces.stale); /* until the second is back, too */
	host_configure(&sh.host);
	stick_host_release();
	stick_check_read(0, STICK_PIECE_BYTES * 2, MIB, sh.content + 512);
}

/* Bulk-Only Mass Storage Reset while a transfer is half full. */
static void test_class_reset_midway(void **state)
{
	struct urb urbs[2];

	(void)state;
	stick_host_hold(3);
	stick_send_rw(SCSI_OPCODE_READ_10, 0, MIB);
	for (unsigned i = 0; i < 2; i++) {
		urb_init(&urbs[i], &sh.host, STICK_EP_IN, MIB - 13);
		urb_submit(&urbs[i]);
	}
	while (urbs[0].transfer.actual_bytes < STICK_PIECE_BYTES * 2)
		assert_int_equal(loop_turn(sh.host.loop, true), 0);
	stick_host_held();
	assert_int_equal(host_control(&sh.host, 0x21, 0xff, 0, 0, NULL, 0), 0);
	assert_int_equal(urbs[0].transfer.status, USBDEV_STATUS_ERROR);
	assert_int_equal(urbs[0].transfer.actual_bytes, STICK_PIECE_BYTES * 2);
	assert_int_equal(urbs[1].order, 0); /* waits for the next command */
	stick_host_release();
	stick_send_cbw(0, false, (const uint8_t[6]){0}, 6);
	urb_wait(&urbs[1]);
	assert_int_equal(urbs[1].transfer.actual_bytes, 13);
	for (unsigned i = 0; i < 2; i++)
		urb_finish(&urbs[i]);
}

/* Destroying while the worker is at it. */
static void test_destroy_while_busy(void **state)
{
	struct urb urb;

	(void)state;
	stick_send_rw(SCSI_OPCODE_READ_10, 0, MIB);
	urb_init(&urb, &sh.host, STICK_EP_IN, MIB);
	urb_submit(&urb);
	urb_cancel(&urb);
	urb_wait(&urb);
	urb_finish(&urb);
}

int main(void)
{
#define NEVER(test) \
	cmocka_unit_test_setup_teardown(test, stick_setup_never, stick_teardown)
#define PLAIN(test) \
	cmocka_unit_test_setup_teardown(test, stick_setup_plain, stick_teardown)
	const struct CMUnitTest tests[] = {
		NEVER(test_cancel_read),          NEVER(test_cancel_read_midway),
		PLAIN(test_cancel_while_waiting), NEVER(test_reset_while_writing),
		PLAIN(test_reset_in_each_phase),  NEVER(test_reset_with_both_pieces_out),
		NEVER(test_class_reset_midway),   NEVER(test_destroy_while_busy),
	};

	return cmocka_run_group_tests_name("stick", tests, NULL, NULL);
}
