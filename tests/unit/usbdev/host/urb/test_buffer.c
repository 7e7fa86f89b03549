/* SPDX-License-Identifier: MIT
 * test_buffer.c - URBs with their data in memory that usbfs maps
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
#include "usbdev/host/urb/engine.h"
#include "util/compiler.h"
#include "util/loop.h"

#define KIB 1024u
#define MIB (1024u * KIB)

static struct xfer x[40];

static void submit_bulk(unsigned i, uint8_t ep_addr, uint32_t len)
{
	xfer_init(&x[i], USBDEV_TYPE_BULK, ep_addr, len);
	xfer_submit(&x[i]);
}

static void free_all(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		xfer_free(&x[i]);
}

/* A whole transfer. */
static void move(uint8_t ep_addr, uint32_t len)
{
	submit_bulk(0, ep_addr, len);
	fake_complete(fake_pending(0), 0, len, 1);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, len);
	xfer_free(&x[0]);
}

/* Keeps the timer from unmapping spare buffers: a busy machine may be slower than it. */
static void no_trims(void)
{
	f.urbs->pool.trim_armed = true;
}

/* ---- which data is mapped ---- */

static void test_in(void **state)
{
	const void *buffer;

	(void)state;
	no_trims();
	submit_bulk(0, 0x81, 60 * KIB);
	assert_true(fake_pending(0)->mapped);
	assert_int_equal(fake.mapped_bytes, 64 * KIB);
	buffer = fake_pending(0)->buffer;
	fake_complete(fake_pending(0), 0, 50 * KIB, 5);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 50 * KIB);
	xfer_check_bytes(&x[0], 0, 50 * KIB, 5);
	xfer_check_bytes(&x[0], 50 * KIB, 60 * KIB, 0xee);
	/* and again in the same memory */
	submit_bulk(1, 0x82, 64 * KIB);
	assert_ptr_equal(fake_pending(0)->buffer, buffer);
	assert_int_equal(fake.maps, 1);
	free_all(2);
}

/* Contiguous in host memory or not; it stays unchanged while the device reads it. */
static void test_out(void **state)
{
	struct fake_urb *urb;

	(void)state;
	submit_bulk(0, 0x02, 10000);
	xfer_init(&x[1], USBDEV_TYPE_BULK, 0x02, 10000);
	x[1].piece_bytes = 3000;
	x[1].gap_bytes = 10;
	for (unsigned i = 0; i < 20000; i++)
		x[1].data[i] = (uint8_t)(i >> 5);
	xfer_submit(&x[1]);
	assert_true(fake_pending(0)->mapped && fake_pending(1)->mapped);
	urb = fake_pending(0);
	fake_complete(urb, 0, 10000, 0);
	assert_memory_equal(urb->data, x[0].data, 10000);
	xfer_wait(&x[0]);
	urb = fake_pending(0);
	fake_complete(urb, 0, 10000, 0);
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(urb->data[i], x[1].data[i + i / 3000 * 10]);
	xfer_wait(&x[1]);
	xfer_check(&x[1], USBDEV_STATUS_OK, 10000);
	assert_int_equal(fake.maps, 2);
	free_all(2);
}

static void test_isochronous(void **state)
{
	struct usbdevfs_iso_packet_desc *packets;
	struct fake_urb *urb;

	(void)state;
	for (unsigned i = 0; i < 32; i++) {
		xfer_init(&x[i], USBDEV_TYPE_ISOCHRONOUS, 0x83, 1000);
		xfer_submit(&x[i]);
	}
	settle();
	urb = fake_pending(0);
	assert_true(urb->mapped);
	packets = urb->usb->iso_frame_desc;
	for (unsigned i = 0; i < 32; i++) {
		packets[i].status = 0;
		packets[i].actual_length = i;
		memset(urb->data + (size_t)i * 1000, (int)i, i);
	}
	fake_complete_packets(urb, 0);
	xfer_wait(&x[31]);
	for (unsigned i = 0; i < 32; i++) {
		xfer_check(&x[i], USBDEV_STATUS_OK, i);
		xfer_check_bytes(&x[i], 0, i, (uint8_t)i);
		xfer_check_bytes(&x[i], i, 1000, 0xee);
	}
	free_all(32);
}

static void test_small_ones_are_not(void **state)
{
	(void)state;
	move(0x81, 4096);
	move(0x02, 4096);
	xfer_init_control(&x[0], 0xc0, 16 * KIB, 16 * KIB);
	xfer_submit(&x[0]);
	fake_complete(fake_pending(0), 0, 16 * KIB, 1);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_OK, 16 * KIB);
	assert_int_equal(fake.maps, 0);
	free_all(1);
}

static void test_kernel_that_cannot(void **state)
{
	(void)state;
	fixture_create(USBDEVFS_CAP_BULK_SCATTER_GATHER);
	move(0x81, 64 * KIB);
	submit_bulk(0, 0x02, 64 * KIB);
	assert_ptr_equal(fake_pending(0)->buffer, x[0].data);
	assert_int_equal(fake.maps + fake.maps_refused, 0);
	free_all(1);
}

/* The data of an unlinked URB is read before another URB gets its memory. */
static void test_leftover(void **state)
{
	(void)state;
	submit_bulk(0, 0x81, 64 * KIB);
	memset(fake_pending(0)->data, 7, 8 * KIB);
	fake_pending(0)->partial = 8 * KIB;
	x[0].closed = true;
	xfer_cancel(&x[0]);
	submit_bulk(1, 0x82, 64 * KIB);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_CANCELLED, 0);
	fake_complete(fake_pending(0), 0, 64 * KIB, 8);
	xfer_wait(&x[1]);
	xfer_check_bytes(&x[1], 0, 64 * KIB, 8);
	submit_bulk(2, 0x81, 8 * KIB);
	xfer_wait(&x[2]);
	xfer_check(&x[2], USBDEV_STATUS_OK, 8 * KIB);
	xfer_check_bytes(&x[2], 0, 8 * KIB, 7);
	free_all(3);
}

/* ---- mapping fails ---- */

static void test_refused(void **state)
{
	(void)state;
	fake.map_error = -EACCES;
	fake.map_errors = 1;
	move(0x81, 64 * KIB);
	assert_in_range(f.urbs->pool.buffers.refused_until_ns, 1, UINT64_MAX);
	f.urbs->pool.buffers.refused_until_ns = UINT64_MAX;
	/* no retry at once, as the kernel may take long to refuse */
	move(0x81, 64 * KIB);
	move(0x81, 512 * KIB);
	submit_bulk(0, 0x02, 64 * KIB);
	assert_ptr_equal(fake_pending(0)->buffer, x[0].data);
	assert_int_equal(fake.maps, 0);
	assert_int_equal(fake.maps_refused, 1);
	/* a smaller one may work */
	submit_bulk(1, 0x81, 32 * KIB);
	assert_true(fake_pending(1)->mapped);
	free_all(2);
}

static void on_time(void *ctx)
{
	*(bool *)ctx = true;
}

/* Sets *@ret_passed to true then. */
static struct loop_timer *start_timer(uint64_t delay_ns, bool *ret_passed)
{
	struct loop_timer *timer = loop_timer_create(f.loop, on_time, ret_passed);

	assert_non_null(timer);
	*ret_passed = false;
	loop_timer_set(timer, delay_ns);
	return timer;
}

static void test_refused_for_a_while(void **state)
{
	struct loop_timer *timer;
	bool passed;

	(void)state;
	fake.map_error = -ENOMEM;
	fake.map_errors = 1;
	move(0x81, 64 * KIB);
	timer = start_timer(URB_BUFFER_REFUSED_NS, &passed);
	while (!passed)
		assert_int_equal(loop_turn(f.loop, true), 0);
	loop_timer_destroy(timer);
	move(0x81, 64 * KIB);
	assert_int_equal(fake.maps, 1);
}

/* ---- spare buffers ---- */

/* A transfer that needs memory gets that of the spare buffers at once. */
static void test_spares_go_for_a_transfer(void **state)
{
	(void)state;
	no_trims();
	move(0x81, 64 * KIB);
	assert_int_equal(fake.mapped_bytes, 64 * KIB);
	fake.memory_max = 64 * KIB + 1000;
	submit_bulk(0, 0x81, 2000);
	assert_int_equal(fake.pending, 1);
	assert_int_equal(fake.refused, 1);
	assert_int_equal(fake.mapped_bytes, 0);
	free_all(1);
}

static void test_spares_go_for_a_mapping(void **state)
{
	(void)state;
	no_trims();
	move(0x81, 64 * KIB);
	fake.memory_max = 160 * KIB;
	submit_bulk(0, 0x81, 128 * KIB);
	assert_true(fake_pending(0)->mapped);
	assert_int_equal(fake.mapped_bytes, 128 * KIB);
	free_all(1);
}

/* Others' memory does not come back by unmapping: the transfer waits as usual. */
static void test_waits_for_memory_of_others(void **state)
{
	(void)state;
	no_trims();
	move(0x81, 64 * KIB);
	submit_bulk(1, 0x82, 100);
	fake.memory_max = 1000;
	submit_bulk(0, 0x81, 128 * KIB);
	settle();
	assert_int_equal(fake.pending, 1);
	assert_int_equal(fake.mapped_bytes, 0);
	fake.memory_max = 0;
	fake_complete(fake_pending(0), 0, 100, 1);
	xfer_wait(&x[1]);
	settle();
	fake_complete(fake_pending(0), 0, 128 * KIB, 2);
	xfer_wait(&x[0]);
	xfer_check_bytes(&x[0], 0, 128 * KIB, 2);
	free_all(2);
}

static void test_spares_are_bounded(void **state)
{
	(void)state;
	no_trims();
	for (unsigned i = 0; i < 8; i++)
		submit_bulk(i, (uint8_t)(0x81 + i / 4), MIB);
	assert_int_equal(fake.mapped_bytes, 8 * MIB);
	while (fake.pending > 0)
		fake_complete(fake_pending(0), 0, 10, 1);
	xfer_wait(&x[7]);
	assert_int_equal(fake.mapped_bytes, URB_BUFFER_SPARE_BYTES_MAX);
	free_all(8);
}

/* Large buffers are expensive to make, so small ones give way to them, not the reverse. */
static void test_small_spares_give_way(void **state)
{
	(void)state;
	no_trims();
	move(0x81, 64 * KIB);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 4; i++)
			submit_bulk(i, 0x81, MIB);
		while (fake.pending > 0)
			fake_complete(fake_pending(0), 0, 10, 1);
		xfer_wait(&x[3]);
		free_all(4);
		assert_int_equal(fake.mapped_bytes, 4 * MIB);
		move(0x81, 64 * KIB);
		assert_int_equal(fake.mapped_bytes, 4 * MIB);
	}
	assert_int_equal(fake.maps, 7);
}

static bool nothing_is_mapped(void)
{
	return fake.mapped_bytes == 0;
}

/* When the device has been idle for a moment. Then nothing wakes the loop any more. */
static void test_spares_go_when_idle(void **state)
{
	struct loop_timer *timer;
	unsigned turns = 0;
	bool passed;

	(void)state;
	move(0x81, 64 * KIB);
	move(0x81, 8 * KIB);
	assert_int_equal(fake.mapped_bytes, 72 * KIB);
	turn_until(nothing_is_mapped);
	timer = start_timer(4 * (uint64_t)URB_TRIM_NS, &passed);
	while (!passed) {
		assert_int_equal(loop_turn(f.loop, true), 0);
		turns++;
	}
	loop_timer_destroy(timer);
	/* the timer of the loop may be late for the one before */
	assert_in_range(turns, 1, 2);
}

static bool used_again_is_old_or_gone(void)
{
	/* 32 KiB */
	const struct urb_buffer *spare = f.urbs->pool.buffers.mapped.first[6];

	return !spare || spare->is_old;
}

/* Buffers in use stay although others go. */
static void test_spares_in_use_stay(void **state)
{
	(void)state;
	move(0x81, 64 * KIB);
	/* between any two trims, however late the timer is */
	for (unsigned trims = 0; trims < 4; trims++) {
		move(0x81, 32 * KIB);
		turn_until(used_again_is_old_or_gone);
	}
	assert_int_equal(fake.maps, 2);
	assert_int_equal(fake.mapped_bytes, 32 * KIB);
}

/* ---- the end ---- */

/* Data that came before is delivered. The controller may still write to the rest. */
static void test_device_gone(void **state)
{
	(void)state;
	move(0x81, 128 * KIB);
	submit_bulk(0, 0x81, 64 * KIB);
	submit_bulk(1, 0x81, 64 * KIB);
	submit_bulk(2, 0x02, 64 * KIB);
	fake_complete(fake_pending(0), 0, 64 * KIB, 3);
	fake_gone();
	xfer_wait(&x[2]);
	settle();
	xfer_check(&x[0], USBDEV_STATUS_OK, 64 * KIB);
	xfer_check_bytes(&x[0], 0, 64 * KIB, 3);
	xfer_check(&x[1], USBDEV_STATUS_GONE, 0);
	xfer_check(&x[2], USBDEV_STATUS_GONE, 0);
	assert_int_equal(f.gone, 1);
	assert_int_equal(fake.mapped_bytes, 0);
	free_all(3);
}

/* Whoever destroys the URBs may close the fd right after. */
static void destroy(struct xfer *done)
{
	(void)done;
	urbs_destroy(f.urbs);
	f.urbs = NULL;
	assert_int_equal(fake.mapped_bytes, 0);
	fake.closed = true;
}

static void test_destroyed_in_a_completion(void **state)
{
	(void)state;
	move(0x81, 128 * KIB);
	submit_bulk(0, 0x81, 64 * KIB);
	x[0].on_completed = destroy;
	fake_complete(fake_pending(0), 0, 64 * KIB, 3);
	xfer_wait(&x[0]);
	settle();
	free_all(1);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(in),
		TEST(out),
		TEST(isochronous),
		TEST(small_ones_are_not),
		TEST(kernel_that_cannot),
		TEST(leftover),
		TEST(refused),
		TEST(refused_for_a_while),
		TEST(spares_go_for_a_transfer),
		TEST(spares_go_for_a_mapping),
		TEST(waits_for_memory_of_others),
		TEST(spares_are_bounded),
		TEST(small_spares_give_way),
		TEST(spares_go_when_idle),
		TEST(spares_in_use_stay),
		TEST(device_gone),
		TEST(destroyed_in_a_completion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
