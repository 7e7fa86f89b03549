/* SPDX-License-Identifier: MIT
 * test_retake.c - a real device whose interfaces the host has taken
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host_fake.h"

/* Of the host's clock; the loop's own timers use another one. */
static struct {
	bool refused;
	int fd; /* a write to it sets the clock */
	unsigned armed;
} host_clock = {.fd = -1};

int __wrap_timerfd_create(int clock, int flags);
int __real_timerfd_create(int clock, int flags);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
			   struct itimerspec *old_value);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
			   struct itimerspec *old_value);

int __wrap_timerfd_create(int clock, int flags)
{
	if (clock != CLOCK_REALTIME)
		return __real_timerfd_create(clock, flags);
	assert_int_equal(flags, TFD_NONBLOCK | TFD_CLOEXEC);
	if (host_clock.refused) {
		errno = EINVAL;
		return -1;
	}
	host_clock.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return host_clock.fd;
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
			   struct itimerspec *old_value)
{
	if (fd != host_clock.fd)
		return __real_timerfd_settime(fd, flags, new_value, old_value);
	assert_int_equal(flags, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
	assert_true(new_value->it_value.tv_sec > (time_t)4 << 32);
	host_clock.armed++;
	return 0;
}

static void set_clock(void)
{
	const uint64_t once = 1;

	assert_int_equal(write(host_clock.fd, &once, sizeof(once)), sizeof(once));
}

static void begin(void)
{
	fake_init();
	host_clock.armed = 0;
	fake_open(HOST_RESET_ALWAYS);
}

static unsigned retakes(void)
{
	unsigned count = 0;

	for (const char *at = fake.calls; (at = strstr(at, "retake")) != NULL; at++)
		count++;
	return count;
}

/* Transfers go on after the check, whatever its result. */
static void test_suspect(void **state)
{
	static const int found[] = {0, 2, -EACCES};
	struct urb urb;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(found); i++) {
		begin();
		fake.retaken = found[i];
		fake_suspect_claim();
		FAKE_UNTIL(retakes() == 1 && fake.frozen == 0);
		host_settle(&fake.host);
		assert_string_equal(fake.calls, "retake; ");
		assert_int_equal(fake.claims_checked, 1);
		assert_int_equal(fake.forgotten, found[i] > 0 ? UINT32_MAX : 0);
		assert_int_equal(fake.gone, 0);
		fake_bulk(&urb, 0x81);
		fake_answer(&urb, USBDEV_STATUS_OK, 512);
		urb_finish(&urb);
		fake_finish();
	}
}

/* A check that is asked for while one runs may be too late for that: one more runs, not two. */
static void test_suspect_meanwhile(void **state)
{
	(void)state;
	begin();
	fake_hold();
	fake_suspect_claim();
	fake_held();
	fake_suspect_claim();
	fake_suspect_claim();
	fake_release();
	FAKE_UNTIL(retakes() == 2 && fake.frozen == 0);
	host_settle(&fake.host);
	assert_int_equal(retakes(), 2);
	fake_finish();
}

static void test_gone(void **state)
{
	(void)state;
	begin();
	fake.retaken = -ENODEV;
	fake_suspect_claim();
	FAKE_UNTIL(fake.gone == 1);
	fake_suspect_claim();
	host_settle(&fake.host);
	assert_int_equal(retakes(), 1);
	assert_int_equal(fake.claims_checked, 2);
	fake_finish();
}

static void test_destroyed_meanwhile(void **state)
{
	(void)state;
	begin();
	fake_hold();
	fake_suspect_claim();
	fake_held();
	fake_suspect_claim();
	fake_destroy();
	host_settle(&fake.host);
	assert_true(fake.urbs_exist);
	fake_release();
	FAKE_UNTIL(fake.destroyed);
	assert_string_equal(fake.calls, "retake; close; ");
	fake_finish();
}

static void test_clock(void **state)
{
	(void)state;
	begin();
	assert_int_equal(host_clock.armed, 1);
	for (unsigned i = 1; i <= 2; i++) {
		set_clock();
		FAKE_UNTIL(retakes() == i && fake.frozen == 0);
		assert_int_equal(host_clock.armed, i + 1);
	}
	fake_finish();
}

/* While the worker closes the device, its URBs are gone: there is nothing to check. */
static void test_clock_while_closing(void **state)
{
	(void)state;
	begin();
	fake_hold();
	fake_destroy();
	host_settle(&fake.host);
	fake_held();
	assert_false(fake.urbs_exist);
	set_clock();
	host_settle(&fake.host);
	assert_int_equal(fake.claims_checked, 0);
	fake_release();
	FAKE_UNTIL(fake.destroyed);
	assert_string_equal(fake.calls, "close; ");
	fake_finish();
}

/* On a kernel without such timers. Comes first: once there is a timer, it stays. */
static void test_no_clock(void **state)
{
	(void)state;
	host_clock.refused = true;
	begin();
	fake_suspect_claim();
	FAKE_UNTIL(retakes() == 1);
	fake_finish();
	host_clock.refused = false;
}

/* Suspends the port of a device that may wake the guest, and on which it listened. */
static void suspend_listening(void)
{
	struct urb urb;

	urb_init(&urb, &fake.host, 0x81, 8);
	urb.transfer.type = USBDEV_TYPE_INTERRUPT;
	urb_submit(&urb);
	urb_cancel(&urb);
	urb_wait(&urb);
	urb_finish(&urb);
	fake_request(&urb, 0x00, 3, 1, 0, 0); /* may wake the host up */
	fake_answer(&urb, USBDEV_STATUS_OK, 0);
	urb_finish(&urb);
	usbdev_suspend(fake.host.dev, true);
	assert_int_equal(fake.with, 1);
}

/* The host takes the interfaces while the guest sleeps: we listen for the guest again. */
static void test_listens_again(void **state)
{
	(void)state;
	begin();
	suspend_listening();
	fake_answer_first(USBDEV_STATUS_CANCELLED, 0);
	fake.retaken = 1;
	fake_suspect_claim();
	FAKE_UNTIL(fake.with == 1);
	assert_int_equal(fake_first()->ep_addr, 0x81);
	usbdev_suspend(fake.host.dev, false);
	FAKE_UNTIL(fake.with == 0);
	fake_finish();
}

/* But not for a device that is destroyed meanwhile: it would never close. */
static void test_destroyed_does_not_listen(void **state)
{
	(void)state;
	begin();
	suspend_listening();
	fake.retaken = 1;
	fake_hold();
	fake_suspect_claim();
	fake_held();
	fake_destroy();
	fake_release();
	FAKE_UNTIL(retakes() == 1 && fake.frozen == 0);
	host_settle(&fake.host);
	assert_int_equal(fake.with, 0);
	FAKE_UNTIL(fake.destroyed);
	fake_finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_clock),
		cmocka_unit_test(test_suspect),
		cmocka_unit_test(test_suspect_meanwhile),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_destroyed_meanwhile),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_clock_while_closing),
		cmocka_unit_test(test_listens_again),
		cmocka_unit_test(test_destroyed_does_not_listen),
	};

	return cmocka_run_group_tests_name("interfaces that the host has taken", tests,
					   NULL, NULL);
}
