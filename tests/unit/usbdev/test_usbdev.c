/* SPDX-License-Identifier: MIT
 * test_usbdev.c - the boundary: order, counts, and completions outside of ops
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host.h"
#include "util/list.h"

/* A device that does nothing by itself. */
struct fake {
	struct usbdev usbdev;
	bool answer_at_once;
	unsigned cancels;
	struct list queue;
};

static void fake_submit(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	struct fake *fake = CONTAINER_OF(dev, struct fake, usbdev);

	if (fake->answer_at_once)
		usbdev_complete_soon(dev, transfer, USBDEV_STATUS_OK, 1);
	else
		list_append(&fake->queue, &transfer->node);
}

static void fake_cancel(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	struct fake *fake = CONTAINER_OF(dev, struct fake, usbdev);

	fake->cancels++;
	usbdev_complete_soon(dev, transfer, USBDEV_STATUS_CANCELLED, 0);
}

static void fake_reset(struct usbdev *dev)
{
	(void)dev;
}

static void fake_destroy(struct usbdev *dev)
{
	usbdev_finish(dev);
}

static const struct usbdev_ops fake_ops = {
	.name = "fake",
	.submit = fake_submit,
	.cancel = fake_cancel,
	.reset = fake_reset,
	.destroy = fake_destroy,
};

static struct fake fake;
static struct host host;
static struct urb urbs[3];

static int setup(void **state)
{
	struct loop *loop = loop_create();

	(void)state;
	memset(&fake, 0, sizeof(fake));
	list_init(&fake.queue);
	assert_int_equal(
		usbdev_init(&fake.usbdev, &fake_ops, loop, USBDEV_SPEED_HIGH, "fake"), 0);
	host_init(&host, loop, &fake.usbdev);
	for (unsigned i = 0; i < 3; i++)
		urb_init(&urbs[i], &host, 0x81, 10);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		urb_finish(&urbs[i]);
	host_finish(&host);
	return 0;
}

static void test_soon_is_after_submit_and_in_order(void **state)
{
	(void)state;
	fake.answer_at_once = true;
	for (unsigned i = 0; i < 3; i++)
		urb_submit(&urbs[i]);
	assert_int_equal(fake.usbdev.in_flight, 3);
	urb_wait(&urbs[2]);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(urbs[i].order, i + 1);
		assert_int_equal(urbs[i].transfer.actual_bytes, 1);
	}
	assert_int_equal(fake.usbdev.in_flight, 0);
}

static void test_complete_does_not_overtake(void **state)
{
	(void)state;
	urb_submit(&urbs[0]);
	urb_submit(&urbs[1]);
	usbdev_complete_soon(&fake.usbdev, &urbs[0].transfer, USBDEV_STATUS_OK, 0);
	usbdev_complete(&fake.usbdev, &urbs[1].transfer, USBDEV_STATUS_OK, 0);
	assert_int_equal(urbs[1].order, 0);
	urb_wait(&urbs[1]);
	assert_int_equal(urbs[0].order, 1);
	assert_int_equal(urbs[1].order, 2);
	urb_submit(&urbs[2]);
	usbdev_complete(&fake.usbdev, &urbs[2].transfer, USBDEV_STATUS_ERROR, 0);
	assert_int_equal(urbs[2].order, 3);
	assert_int_equal(urbs[2].transfer.status, USBDEV_STATUS_ERROR);
}

static void test_cancel_after_the_end_changes_nothing(void **state)
{
	(void)state;
	urb_submit(&urbs[0]);
	usbdev_complete_soon(&fake.usbdev, &urbs[0].transfer, USBDEV_STATUS_OK, 5);
	urb_cancel(&urbs[0]);
	assert_int_equal(fake.cancels, 0);
	urb_wait(&urbs[0]);
	assert_int_equal(urbs[0].transfer.status, USBDEV_STATUS_OK);
	assert_false(urbs[0].transfer.cancelled);
}

static void test_cancel_reaches_the_device(void **state)
{
	(void)state;
	urb_submit(&urbs[0]);
	urb_cancel(&urbs[0]);
	assert_true(urbs[0].transfer.cancelled);
	urb_wait(&urbs[0]);
	assert_int_equal(urbs[0].transfer.status, USBDEV_STATUS_CANCELLED);
	/* used again */
	urb_submit(&urbs[0]);
	assert_false(urbs[0].transfer.cancelled);
	usbdev_complete(&fake.usbdev, &urbs[0].transfer, USBDEV_STATUS_OK, 0);
}

static void test_copies(void **state)
{
	struct usbdev_transfer *transfer = &urbs[0].transfer;
	char buf[10];

	(void)state;
	for (uint32_t piece = 0; piece < 5; piece++) {
		urbs[0].piece_bytes = piece;
		assert_int_equal(usbdev_transfer_write(transfer, 0, "abcdefghij", 10), 0);
		assert_memory_equal(urbs[0].data, "abcdefghij", 10);
		assert_int_equal(usbdev_transfer_read(transfer, 3, buf, 7), 0);
		assert_memory_equal(buf, "defghij", 7);
		assert_int_equal(usbdev_transfer_write(transfer, 9, "!", 1), 0);
		assert_memory_equal(urbs[0].data, "abcdefghi!", 10);
		assert_int_equal(usbdev_transfer_write(transfer, 10, "", 0), 0);
	}
	urbs[0].fault = true;
	assert_int_equal(usbdev_transfer_write(transfer, 0, "x", 1), -EFAULT);
	assert_int_equal(usbdev_transfer_read(transfer, 0, buf, 1), -EFAULT);
	assert_int_equal(usbdev_transfer_read(transfer, 0, buf, 0), 0);
	transfer->iov = NULL;
	assert_int_equal(usbdev_transfer_read(transfer, 0, buf, 1), -EFAULT);
}

static void test_events_need_a_listener(void **state)
{
	(void)state;
	usbdev_wake(&fake.usbdev);
	usbdev_gone(&fake.usbdev); /* host has no gone */
	assert_int_equal(host.wakes, 1);
	usbdev_set_events(&fake.usbdev, NULL, NULL);
	usbdev_wake(&fake.usbdev);
	usbdev_gone(&fake.usbdev);
	usbdev_reset_done(&fake.usbdev, 0);
	assert_int_equal(host.wakes, 1);
	usbdev_suspend(&fake.usbdev, true);
	usbdev_endpoint_reset(&fake.usbdev, 0x81);
	usbdev_destroy(NULL, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_soon_is_after_submit_and_in_order,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_complete_does_not_overtake, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_cancel_after_the_end_changes_nothing,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_reaches_the_device, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events_need_a_listener, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("usbdev", tests, NULL, NULL);
}
