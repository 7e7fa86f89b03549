/* SPDX-License-Identifier: MIT
 * test_signaller.c - eventfds whose other end does its worst, signalled both ways
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/log.h"
#include "util/loop.h"
#include "vuser/signaller.h"

/* More than any counter of a run: no test may wait. */
#define PATIENCE_S 5u
#define FULL       (UINT64_MAX - 1)

static int event_fd;

static int set_up(void **state, bool with_aio)
{
	(void)state;
	log_init(LOG_LEVEL_ERROR, false);
	assert_int_equal(signaller_prepare(with_aio), 0);
	event_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(event_fd >= 0);
	alarm(PATIENCE_S);
	return 0;
}

static int set_up_aio(void **state)
{
	return set_up(state, true);
}

static int set_up_writes(void **state)
{
	return set_up(state, false);
}

static int tear_down(void **state)
{
	(void)state;
	alarm(0);
	close(event_fd);
	return 0;
}

static uint64_t counter(void)
{
	uint64_t n = 0;

	assert_int_equal(fcntl(event_fd, F_SETFL, O_NONBLOCK), 0);
	if (read(event_fd, &n, sizeof(n)) < 0)
		assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(event_fd, F_SETFL, 0), 0);
	return n;
}

/* More often than the ring of completions has places. */
static void counts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(signaller_signal(event_fd), 0);
	assert_int_equal(counter(), 10000);
	assert_int_equal(signaller_signal(event_fd), 0);
	assert_int_equal(counter(), 1);
}

static void full_is_success(void **state)
{
	const uint64_t full = FULL;

	(void)state;
	assert_int_equal(write(event_fd, &full, sizeof(full)), sizeof(full));
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(signaller_signal(event_fd), 0);
	assert_true(counter() >= FULL);
	assert_int_equal(signaller_signal(event_fd), 0);
	assert_int_equal(counter(), 1);
}

static void aio_is_used(void **state)
{
	(void)state;
	assert_true(signaller_has_aio());
}

/* Each write meets a counter that is full. */
static void a_write_that_waits_is_ended(void **state)
{
	const uint64_t full = FULL;

	(void)state;
	assert_false(signaller_has_aio());
	assert_int_equal(write(event_fd, &full, sizeof(full)), sizeof(full));
	for (unsigned i = 0; i < 20; i++) {
		uint64_t begun_ns = clock_now_ns();

		assert_int_equal(signaller_signal(event_fd), -ETIMEDOUT);
		assert_true(clock_now_ns() - begun_ns >= SIGNALLER_WAIT_MAX_NS / 2);
	}
	assert_int_equal(counter(), FULL);
	assert_int_equal(signaller_signal(event_fd), 0);
	assert_int_equal(counter(), 1);
}

/* A nonblocking eventfd gets -EAGAIN from the kernel. */
static void full_and_nonblocking_is_success(void **state)
{
	const uint64_t full = FULL;

	(void)state;
	assert_int_equal(write(event_fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(fcntl(event_fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(signaller_signal(event_fd), 0);
	assert_true(counter() >= FULL);
}

static void no_eventfd(void **state)
{
	int closed = dup(event_fd);

	(void)state;
	close(closed);
	assert_true(signaller_signal(closed) < 0);
	if (signaller_has_aio()) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		assert_int_equal(signaller_signal(null), -EINVAL);
		close(null);
	}
	assert_int_equal(signaller_signal(event_fd), 0);
}

#define BOTH(name)                                                     \
	{#name ", AIO", name, set_up_aio, tear_down, NULL},            \
	{                                                              \
#name ", writes", name, set_up_writes, tear_down, NULL \
	}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		BOTH(counts),
		BOTH(full_and_nonblocking_is_success),
		cmocka_unit_test_setup_teardown(full_is_success, set_up_aio, tear_down),
		BOTH(no_eventfd),
		cmocka_unit_test_setup_teardown(aio_is_used, set_up_aio, tear_down),
		cmocka_unit_test_setup_teardown(a_write_that_waits_is_ended,
						set_up_writes, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
