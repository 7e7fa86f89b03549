/* SPDX-License-Identifier: MIT
 * test_presence.c - whether the device is there and its interfaces are ours
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fake_usbfs.h"
#include "urbs_fixture.h"
#include "usbdev/host/urb/engine.h"
#include "util/compiler.h"

static struct xfer x[3];

static void submit_bulk(unsigned i, uint8_t ep_addr)
{
	xfer_init(&x[i], USBDEV_TYPE_BULK, ep_addr, 100);
	xfer_submit(&x[i]);
}

/* The kernel refuses the next submission with @error. */
static void submit_refused(unsigned i, uint8_t ep_addr, int error)
{
	fake.submit_error = error;
	fake.submit_errors = 1;
	submit_bulk(i, ep_addr);
}

static void free_all(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		xfer_free(&x[i]);
}

/* -ENODEV has other causes too. A reap tells, and the owner hears nothing. */
static void test_refused_but_present(void **state)
{
	(void)state;
	submit_refused(0, 0x81, -ENODEV);
	assert_int_equal(f.urbs->standing.presence, URB_PRESENCE_CHECKING);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_GONE, 0);
	settle();
	assert_int_equal(f.urbs->standing.presence, URB_PRESENCE_PRESENT);
	assert_int_equal(fake.eagains, 1);
	assert_int_equal(f.claim_checks, 0);
	assert_int_equal(f.gone, 0);
	free_all(1);
}

/* An URB that comes back meanwhile is no answer: the reap goes on until there is one. */
static void test_refused_with_others_back(void **state)
{
	(void)state;
	submit_bulk(0, 0x82);
	fake_complete(fake_pending(0), 0, 100, 1);
	submit_refused(1, 0x81, -ENODEV);
	fake_gone_silently();
	while (f.gone == 0)
		settle();
	xfer_check(&x[0], USBDEV_STATUS_OK, 100);
	assert_int_equal(f.urbs->standing.presence, URB_PRESENCE_GONE_NOTIFIED);
	assert_int_equal(f.completed_when_gone, 2);
	free_all(2);
}

/* A freeze delays the answer, and does not lose it. */
static void test_freeze_keeps_the_check(void **state)
{
	(void)state;
	submit_refused(0, 0x81, -ENODEV);
	urbs_freeze(f.urbs);
	fake.closed = true;
	settle();
	assert_int_equal(f.urbs->standing.presence, URB_PRESENCE_CHECKING);
	fake.closed = false;
	urbs_thaw(f.urbs);
	settle();
	assert_int_equal(f.urbs->standing.presence, URB_PRESENCE_PRESENT);
	assert_int_equal(fake.eagains, 1);
	free_all(1);
}

/* An URB that came back as if the device were gone waits for the answer. */
static void test_suspect(void **state)
{
	(void)state;
	submit_bulk(0, 0x81);
	submit_bulk(1, 0x82);
	urbs_freeze(f.urbs);
	fake_complete(fake_pending(0), -ESHUTDOWN, 0, 0);
	urbs_thaw(f.urbs);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_CANCELLED, 0);
	assert_int_equal(f.urbs->standing.presence, URB_PRESENCE_PRESENT);
	settle();
	assert_int_equal(f.claim_checks, 1);
	fake_complete(fake_pending(0), -ESHUTDOWN, 0, 0);
	fake_gone_silently();
	xfer_wait(&x[1]);
	xfer_check(&x[1], USBDEV_STATUS_GONE, 0);
	settle();
	assert_int_equal(f.gone, 1);
	/* GONE is for good */
	urb_check_presence(&f.urbs->standing);
	assert_int_equal(f.urbs->standing.presence, URB_PRESENCE_GONE_NOTIFIED);
	settle();
	assert_int_equal(f.gone, 1);
	free_all(2);
}

/* A refused submission waits for the check and fails after it. One that works ends the contest. */
static void test_claim(void **state)
{
	(void)state;
	f.checks_later = true;
	submit_refused(0, 0x81, -EBUSY);
	assert_int_equal(f.urbs->standing.claim, URB_CLAIM_CONTESTED);
	settle();
	assert_int_equal(f.claim_checks, 1);
	assert_int_equal(x[0].order, 0);
	fake.submit_errors = 1;
	urbs_claim_checked(f.urbs);
	assert_int_equal(f.urbs->standing.claim, URB_CLAIM_CHECKED);
	xfer_wait(&x[0]);
	xfer_check(&x[0], USBDEV_STATUS_ERROR, 0);
	settle();
	assert_int_equal(f.claim_checks, 2);
	/* nothing waits for this answer */
	urbs_claim_checked(f.urbs);
	assert_int_equal(f.urbs->standing.claim, URB_CLAIM_CHECKED);
	submit_bulk(1, 0x82);
	assert_int_equal(f.urbs->standing.claim, URB_CLAIM_OURS);
	urbs_claim_checked(f.urbs);
	assert_int_equal(f.urbs->standing.claim, URB_CLAIM_OURS);
	fake_complete(fake_pending(0), 0, 100, 1);
	xfer_wait(&x[1]);
	free_all(2);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_##name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(refused_but_present),
		TEST(refused_with_others_back),
		TEST(freeze_keeps_the_check),
		TEST(suspect),
		TEST(claim),
	};

	return cmocka_run_group_tests_name("presence of a device", tests, NULL, NULL);
}
