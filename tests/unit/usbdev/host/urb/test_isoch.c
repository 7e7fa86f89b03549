/* SPDX-License-Identifier: MIT
 * test_isoch.c - isochronous transfers as packets of URBs
 */
#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "fake_usbfs.h"
#include "urbs_fixture.h"
#include "usbdev/host/urb/isoch.h"
#include "usbdev/host/urb/queue.h"
#include "util/compiler.h"
#include "util/loop.h"

static struct xfer x[80];

static void submit(unsigned i, uint8_t ep_addr, uint32_t len)
{
	xfer_init(&x[i], USBDEV_TYPE_ISOCHRONOUS, ep_addr, len);
	xfer_submit(&x[i]);
}

static void free_all(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		xfer_free(&x[i]);
}

static void packet(struct fake_urb *urb, unsigned index, int status, uint32_t actual)
{
	urb->usb->iso_frame_desc[index].status = (unsigned)status;
	urb->usb->iso_frame_desc[index].actual_length = actual;
}

/* All packets of @urb went well. */
static void finish_well(struct fake_urb *urb)
{
	for (unsigned i = 0; i < (unsigned)urb->usb->number_of_packets; i++)
		packet(urb, i, 0, urb->usb->iso_frame_desc[i].length);
	fake_complete_packets(urb, 0);
}

/* The rest waits for the URBs with the kernel. */
static void test_bytes_with_kernel_are_bounded(void **state)
{
	unsigned most = URB_QUEUE_BYTES_MAX / URB_PACKET_BYTES_MAX;
	unsigned packets = 0;

	(void)state;
	assert_true(most < ARRAY_SIZE(x));
	for (unsigned i = 0; i < ARRAY_SIZE(x); i++)
		submit(i, 0x81, URB_PACKET_BYTES_MAX);
	settle();
	for (unsigned i = 0; i < fake.pending; i++)
		packets += (unsigned)fake_pending(i)->usb->number_of_packets;
	assert_in_range(packets, most / 2, most);
	while (fake.pending > 0) {
		finish_well(fake_pending(0));
		settle();
	}
	for (unsigned i = 0; i < ARRAY_SIZE(x); i++) {
		assert_int_equal(x[i].order, i + 1);
		xfer_check(&x[i], USBDEV_STATUS_OK, URB_PACKET_BYTES_MAX);
	}
	free_all(ARRAY_SIZE(x));
}

/* Transfers submitted in one turn go together, 32 at a time. */
static void test_grouped(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 70; i++)
		submit(i, 0x81, 100);
	assert_int_equal(fake.submits, 0);
	settle();
	assert_int_equal(fake.submits, 3);
	for (unsigned i = 0; i < 3; i++) {
		const struct usbdevfs_urb *usb = fake_pending(i)->usb;

		assert_int_equal(usb->type, USBDEVFS_URB_TYPE_ISO);
		assert_int_equal(usb->flags, USBDEVFS_URB_ISO_ASAP);
		assert_int_equal(usb->endpoint, 0x81);
		assert_int_equal(usb->number_of_packets, i < 2 ? 32 : 6);
		assert_int_equal(usb->buffer_length, i < 2 ? 3200 : 600);
	}
	submit(70, 0x81, 100);
	settle();
	assert_int_equal(fake.submits, 4);
	for (unsigned i = 0; i < 4; i++)
		finish_well(fake_pending(0));
	xfer_wait(&x[70]);
	for (unsigned i = 0; i < 71; i++) {
		assert_int_equal(x[i].order, i + 1);
		xfer_check(&x[i], USBDEV_STATUS_OK, 100);
	}
	free_all(71);
}

static void test_in_packets(void **state)
{
	static const struct {
		uint32_t length;
		int status;
		uint32_t actual;
		enum usbdev_status want;
		uint32_t want_bytes;
	} packets[] = {
		{100, 0, 100, USBDEV_STATUS_OK, 100},
		{200, 0, 50, USBDEV_STATUS_OK, 50},
		{300, -EXDEV, 0, USBDEV_STATUS_MISSED, 0},
		{50, -EOVERFLOW, 50, USBDEV_STATUS_BABBLE, 50},
		{60, -EPROTO, 0, USBDEV_STATUS_ERROR, 0},
		{70, -EILSEQ, 10, USBDEV_STATUS_ERROR, 10},
		{80, -EPIPE, 0, USBDEV_STATUS_ERROR, 0},
		{90, 0, 0xffffffff, USBDEV_STATUS_OK, 90},
		{0, 0, 0, USBDEV_STATUS_OK, 0},
		{100, 0, 100, USBDEV_STATUS_OK, 100},
	};
	struct fake_urb *urb;
	uint32_t offset = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(packets); i++)
		submit(i, 0x81, packets[i].length);
	settle();
	urb = fake_pending(0);
	for (unsigned i = 0; i < ARRAY_SIZE(packets); i++) {
		assert_int_equal(urb->usb->iso_frame_desc[i].length, packets[i].length);
		memset(urb->data + offset, (int)i + 1, packets[i].length);
		packet(urb, i, packets[i].status, packets[i].actual);
		offset += packets[i].length;
	}
	fake_complete_packets(urb, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(packets); i++) {
		xfer_wait(&x[i]);
		xfer_check(&x[i], packets[i].want, packets[i].want_bytes);
		xfer_check_bytes(&x[i], 0, packets[i].want_bytes, (uint8_t)(i + 1));
		xfer_check_bytes(&x[i], packets[i].want_bytes, packets[i].length, 0xee);
	}
	free_all(ARRAY_SIZE(packets));
}

static void test_out_packets(void **state)
{
	uint32_t offset = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		xfer_init(&x[i], USBDEV_TYPE_ISOCHRONOUS, 0x02, 50 * (i + 1));
		memset(x[i].data, (int)i + 1, 100 * (i + 1));
		x[i].piece_bytes = 7;
		x[i].gap_bytes = 1;
		xfer_submit(&x[i]);
	}
	x[1].closed = true; /* this one drops out */
	settle();
	assert_int_equal(fake_pending(0)->usb->number_of_packets, 2);
	assert_int_equal(fake_pending(0)->bytes, 200);
	for (unsigned i = 0; i < 3; i += 2) {
		for (unsigned j = 0; j < 50 * (i + 1); j++)
			assert_int_equal(fake_pending(0)->data[offset++], i + 1);
	}
	finish_well(fake_pending(0));
	xfer_wait(&x[2]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 50);
	xfer_check(&x[1], USBDEV_STATUS_MEMORY, 0);
	xfer_check(&x[2], USBDEV_STATUS_OK, 150);
	free_all(3);
}

static void test_packets_too_long(void **state)
{
	(void)state;
	submit(0, 0x81, 98305);
	submit(1, 0x81, 98304);
	submit(2, 0x81, 98304); /* does not fit into the same URB */
	settle();
	xfer_check(&x[0], USBDEV_STATUS_ERROR, 0);
	assert_int_equal(fake.submits, 2);
	assert_int_equal(fake_pending(0)->usb->number_of_packets, 1);
	finish_well(fake_pending(0));
	finish_well(fake_pending(0));
	xfer_wait(&x[2]);
	xfer_check(&x[1], USBDEV_STATUS_OK, 98304);
	free_all(3);
}

static void test_refused(void **state)
{
	(void)state;
	fake.submit_error = -ENOSPC;
	fake.submit_errors = 1;
	for (unsigned i = 0; i < 40; i++)
		submit(i, 0x81, 100);
	settle();
	for (unsigned i = 0; i < 32; i++)
		xfer_check(&x[i], USBDEV_STATUS_ERROR, 0);
	assert_int_equal(fake.submits, 1);
	finish_well(fake_pending(0));
	xfer_wait(&x[39]);
	fake.submit_error = -ENODEV;
	fake.submit_errors = 1;
	xfer_submit(&x[0]);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_GONE, 0);
	free_all(40);
}

/* Another driver has the interface: there is no time to wait for the check. */
static void test_refused_by_a_claim(void **state)
{
	(void)state;
	f.checks_later = true;
	fake.submit_error = -EBUSY;
	fake.submit_errors = 1;
	submit(0, 0x81, 100);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_ERROR, 0);
	settle();
	assert_int_equal(f.claim_checks, 1);
	free_all(1);
}

static void test_memory_comes(void **state)
{
	(void)state;
	fake.submit_error = -ENOMEM;
	fake.submit_errors = 2;
	submit(0, 0x81, 100);
	while (fake.submits == 0)
		assert_int_equal(loop_turn(f.loop, true), 0);
	assert_int_equal(fake.refused, 2);
	finish_well(fake_pending(0));
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 100);
	free_all(1);
}

static void test_memory_does_not_come(void **state)
{
	(void)state;
	fake.submit_error = -ENOMEM;
	fake.submit_errors = 1000000;
	submit(0, 0x81, 100);
	submit(1, 0x81, 100);
	xfer_wait(&x[1]);
	xfer_check(&x[0], USBDEV_STATUS_MISSED, 0);
	xfer_check(&x[1], USBDEV_STATUS_MISSED, 0);
	assert_true(fake.refused > 2);
	free_all(2);
}

static void test_cancelled(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++)
		submit(i, 0x81, 100);
	settle();
	packet(fake_pending(0), 0, 0, 100);
	packet(fake_pending(0), 1, -EXDEV, 0);
	for (unsigned i = 40; i-- > 0;)
		xfer_cancel(&x[i]);
	for (unsigned i = 0; i < 40; i++) {
		xfer_wait(&x[i]);
		assert_int_equal(x[i].order, i + 1);
		xfer_check(&x[i], i == 0 ? USBDEV_STATUS_OK : USBDEV_STATUS_CANCELLED,
			   i == 0 ? 100 : 0);
	}
	assert_int_equal(fake.discards, 2);
	free_all(40);
}

static void test_cancelled_before_it_went(void **state)
{
	(void)state;
	submit(0, 0x81, 100);
	submit(1, 0x81, 100);
	submit(2, 0x81, 100);
	xfer_cancel(&x[1]);
	settle();
	assert_int_equal(fake_pending(0)->usb->number_of_packets, 2);
	finish_well(fake_pending(0));
	xfer_wait(&x[2]);
	xfer_check(&x[1], USBDEV_STATUS_CANCELLED, 0);
	assert_int_equal(x[1].order, 2);
	assert_int_equal(fake.discards, 0);
	free_all(3);
}

/* Packets that did not run because another one was cancelled are submitted again. */
static void test_others_of_a_cancelled_urb(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		submit(i, 0x81, 100);
	settle();
	packet(fake_pending(0), 0, 0, 100);
	xfer_cancel(&x[2]);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 100);
	settle();
	assert_int_equal(fake.submits, 2);
	assert_int_equal(fake_pending(0)->usb->number_of_packets, 2);
	finish_well(fake_pending(0));
	xfer_wait(&x[3]);
	xfer_check(&x[1], USBDEV_STATUS_OK, 100);
	xfer_check(&x[2], USBDEV_STATUS_CANCELLED, 0);
	xfer_check(&x[3], USBDEV_STATUS_OK, 100);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(x[i].order, i + 1);
	free_all(4);
}

/* Killed by the kernel: not submitted again. */
static void test_unsolicited_kill(void **state)
{
	(void)state;
	submit(0, 0x81, 100);
	submit(1, 0x81, 100);
	settle();
	packet(fake_pending(0), 0, 0, 100);
	fake_complete_packets(fake_pending(0), -ESHUTDOWN);
	xfer_wait(&x[1]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 100);
	xfer_check(&x[1], USBDEV_STATUS_CANCELLED, 0);
	settle();
	assert_int_equal(fake.submits, 1);
	free_all(2);
}

static void test_gone(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++)
		submit(i, 0x81, 100);
	settle();
	urbs_freeze(f.urbs);
	packet(fake_pending(0), 0, 0, 100);
	fake_complete_packets(fake_pending(0), -ESHUTDOWN);
	fake_gone();
	urbs_thaw(f.urbs);
	settle();
	assert_int_equal(f.gone, 1);
	assert_int_equal(f.completed_when_gone, 40);
	xfer_check(&x[0], USBDEV_STATUS_OK, 100);
	for (unsigned i = 1; i < 40; i++)
		xfer_check(&x[i], USBDEV_STATUS_GONE, 0);
	free_all(40);
}

static void test_in_without_memory(void **state)
{
	(void)state;
	submit(0, 0x81, 100);
	submit(1, 0x81, 100);
	x[0].closed = true;
	settle();
	finish_well(fake_pending(0));
	xfer_wait(&x[1]);
	xfer_check(&x[0], USBDEV_STATUS_MEMORY, 0);
	xfer_check(&x[1], USBDEV_STATUS_OK, 100);
	free_all(2);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(grouped),
		TEST(bytes_with_kernel_are_bounded),
		TEST(in_packets),
		TEST(out_packets),
		TEST(packets_too_long),
		TEST(refused),
		TEST(refused_by_a_claim),
		TEST(memory_comes),
		TEST(memory_does_not_come),
		TEST(cancelled),
		TEST(cancelled_before_it_went),
		TEST(others_of_a_cancelled_urb),
		TEST(unsolicited_kill),
		TEST(gone),
		TEST(in_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
