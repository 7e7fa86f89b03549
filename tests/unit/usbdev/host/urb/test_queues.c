/* SPDX-License-Identifier: MIT
 * test_queues.c - queues of streams, with and without memory for them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../allocs.h"
#include "fake_usbfs.h"
#include "urbs_fixture.h"
#include "usbdev/host/urb/engine.h"
#include "util/compiler.h"

#define STREAMS 300u

/* There is no queue yet for the stream of @x. */
static void init_of_stream(struct xfer *x)
{
	xfer_init(x, USBDEV_TYPE_BULK, 0x81, 512);
	x->transfer.stream_id = 3;
}

static void test_stream_without_memory_waits_for_none(void **state)
{
	struct xfer control, first, second, third;

	(void)state;
	xfer_init_control(&control, 0x80, 18, 18);
	xfer_submit(&control);
	settle();
	init_of_stream(&first);
	init_of_stream(&second);
	init_of_stream(&third);
	allocs_fail(0, 1);
	xfer_submit(&first);
	assert_int_equal(allocs_work(), 1);
	xfer_submit(&second);
	settle();
	xfer_check(&first, USBDEV_STATUS_ERROR, 0);
	assert_int_equal(first.order, 1);
	/* it must not complete before the first, so it gets no queue either */
	xfer_check(&second, USBDEV_STATUS_ERROR, 0);
	assert_int_equal(second.order, 2);
	xfer_submit(&third);
	settle();
	fake_complete(fake_pending(1), 0, 512, 1);
	settle();
	xfer_check(&third, USBDEV_STATUS_OK, 512);
	fake_complete(fake_pending(0), 0, 18, 2);
	settle();
	xfer_check(&control, USBDEV_STATUS_OK, 18);
	xfer_free(&control);
	xfer_free(&first);
	xfer_free(&second);
	xfer_free(&third);
}

/* The guest may use thousands of streams one after the other. */
static void test_queues_of_streams_do_not_stay(void **state)
{
	static struct xfer x[STREAMS];

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < STREAMS; i++) {
			xfer_init(&x[i], USBDEV_TYPE_BULK, 0x81, 8);
			x[i].transfer.stream_id = (uint16_t)(1 + i);
			xfer_submit(&x[i]);
		}
		assert_int_equal(f.urbs->queues.stream_count, STREAMS);
		/* from the last on, so that the first of the list go while we walk it */
		for (unsigned i = STREAMS; i-- > 0;)
			fake_complete(fake_pending(i), 0, 8, 1);
		settle();
		for (unsigned i = 0; i < STREAMS; i++) {
			xfer_check(&x[i], USBDEV_STATUS_OK, 8);
			xfer_free(&x[i]);
		}
		assert_int_equal(f.urbs->queues.stream_count, URB_STREAMS_SPARE_MAX);
	}
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(stream_without_memory_waits_for_none),
		TEST(queues_of_streams_do_not_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
