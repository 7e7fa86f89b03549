/* SPDX-License-Identifier: MIT
 * test_urbs_random.c - a stream of bytes arrives whole and in order, whatever happens
 *
 * A device sends 0, 1, 2... on a bulk endpoint. Transfers are submitted, completed, made
 * to fail, cancelled with and without memory, frozen, in any order, and the kernel may have no
 * memory. The data of the transfers, in the order they complete, must be all of that stream.
 */
#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_usbfs.h"
#include "urbs_fixture.h"
#include "usbdev/host/urb/engine.h"
#include "util/compiler.h"
#include "util/loop.h"

#define EP      0x81
#define SLOTS   8u
#define SEEDS   60u
#define STEPS   400u
#define LONGEST 24000u

static struct xfer x[SLOTS];
static unsigned submitted[SLOTS]; /* when; 0 = free */
static unsigned submissions, reports;
static uint64_t sent, received;
static uint32_t seed;
static unsigned frozen;

static uint32_t pick(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(seed >> 4) * below >> 28);
}

static uint8_t stream_byte(uint64_t position)
{
	return (uint8_t)(position ^ position >> 8 ^ position >> 16);
}

static void on_report(struct xfer *done)
{
	unsigned i = (unsigned)(done - x);

	reports++;
	assert_int_equal(submitted[i], reports); /* in the order submitted */
	for (uint32_t at = 0; at < done->actual; at++)
		assert_int_equal(done->data[at], stream_byte(received++));
	submitted[i] = 0;
	xfer_free(done);
}

static void submit_one(void)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		if (submitted[i])
			continue;
		xfer_init(&x[i], USBDEV_TYPE_BULK, EP, pick(8) ? pick(2000) : LONGEST);
		x[i].on_completed = on_report;
		if (pick(16) == 0)
			x[i].closed_from = 1 + pick(1500);
		submitted[i] = ++submissions;
		xfer_submit(&x[i]);
		return;
	}
}

/* The device sends up to @bytes more for the first URB. */
static uint32_t send_some(struct fake_urb *urb, uint32_t bytes)
{
	bytes = MIN_OF(bytes, urb->bytes - urb->partial);
	for (uint32_t i = 0; i < bytes; i++)
		urb->data[urb->partial++] = stream_byte(sent++);
	return urb->partial;
}

static void finish_one(void)
{
	struct fake_urb *urb;
	uint32_t actual;

	if (fake.pending == 0)
		return;
	urb = fake_pending(0);
	actual = send_some(urb, pick(3) ? urb->bytes : pick(urb->bytes + 1));
	fake_complete_filled(urb, pick(10) ? 0 : -EPROTO, actual);
}

static void cancel_some(void)
{
	bool orphans = pick(2);
	unsigned from = reports + 1 + pick(submissions - reports + 1);

	if (fake.pending > 0)
		(void)send_some(fake_pending(0), pick(3) * 512);
	for (unsigned n = submissions; n >= from; n--) {
		for (unsigned i = 0; i < SLOTS; i++) {
			if (submitted[i] != n || pick(8) == 0)
				continue;
			x[i].closed = x[i].closed || orphans;
			xfer_cancel(&x[i]);
		}
	}
}

static void turn(void)
{
	assert_int_equal(loop_turn(f.loop, false), 0);
	/* the worker must not unlink the URB that the test looks at */
	while (f.urbs->unlinks.running)
		assert_int_equal(loop_turn(f.loop, true), 0);
}

static void step(void)
{
	switch (pick(12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		submit_one();
		break;
	case 4:
	case 5:
	case 6:
		finish_one();
		break;
	case 7:
		cancel_some();
		break;
	case 8:
		fake.submit_error = -ENOMEM;
		fake.submit_errors = pick(4);
		break;
	case 9:
		if (frozen == 0) {
			urbs_freeze(f.urbs);
			frozen++;
		} else {
			urbs_thaw(f.urbs);
			frozen--;
		}
		break;
	default:
		turn();
		break;
	}
}

static void drain(void)
{
	if (frozen > 0)
		urbs_thaw(f.urbs);
	frozen = 0;
	fake.submit_errors = 0;
	for (unsigned i = 0; i < SLOTS; i++) {
		if (submitted[i])
			xfer_cancel(&x[i]);
	}
	while (!urbs_quiet(f.urbs))
		assert_int_equal(loop_turn(f.loop, true), 0);
	/* leftover data must come without the device */
	while (received < sent) {
		uint64_t before = received;

		xfer_init(&x[0], USBDEV_TYPE_BULK, EP, LONGEST);
		x[0].on_completed = on_report;
		submitted[0] = ++submissions;
		xfer_submit(&x[0]);
		settle();
		if (submitted[0]) {
			xfer_cancel(&x[0]);
			while (submitted[0])
				assert_int_equal(loop_turn(f.loop, true), 0);
		}
		assert_true(received > before || received == sent);
		if (received == before)
			break;
	}
	assert_int_equal(received, sent);
}

static void test_stream_is_whole(void **state)
{
	uint64_t all = 0;

	(void)state;
	fixture_create(0); /* short pieces */
	for (unsigned i = 1; i <= SEEDS; i++) {
		seed = i;
		sent = received = 0;
		submissions = reports = 0;
		for (unsigned n = 0; n < STEPS; n++)
			step();
		drain();
		urbs_forget_leftovers(f.urbs, EP); /* empty packets */
		all += sent;
	}
	print_message("# %llu bytes\n", (unsigned long long)all);
	assert_true(all > 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stream_is_whole, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
