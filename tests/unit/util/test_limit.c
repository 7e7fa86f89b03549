/* SPDX-License-Identifier: MIT
 * test_limit.c - a rate limit for things a guest or client can cause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>

#include "util/limit.h"

static const uint64_t start_ns = 123456789;

static unsigned passes(struct limit *limit, uint64_t now_ns, unsigned tries)
{
	unsigned count = 0;

	for (unsigned i = 0; i < tries; i++)
		count += limit_pass(limit, now_ns);
	return count;
}

static void test_burst(void **state)
{
	struct limit limit = {0};

	(void)state;
	assert_int_equal(passes(&limit, start_ns, LIMIT_BURST), LIMIT_BURST);
	assert_int_equal(limit.missed, 0);
	assert_int_equal(passes(&limit, start_ns, 7), 0);
	assert_int_equal(limit.missed, 7);
}

static void test_next_window(void **state)
{
	struct limit limit = {0};

	(void)state;
	assert_int_equal(passes(&limit, start_ns, 12), LIMIT_BURST);
	assert_false(limit_pass(&limit, start_ns + LIMIT_WINDOW_NS - 1));
	assert_int_equal(limit.missed, 3);
	assert_true(limit_pass(&limit, start_ns + LIMIT_WINDOW_NS));
	assert_int_equal(limit.missed, 3); /* for the caller to report */
	assert_int_equal(passes(&limit, start_ns + LIMIT_WINDOW_NS, 100),
			 LIMIT_BURST - 1);
}

/* The window begins with the first use, not with the first refusal. */
static void test_steady_rate(void **state)
{
	struct limit limit = {0};
	unsigned count = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		count += limit_pass(&limit, start_ns + i * (LIMIT_WINDOW_NS / 100));
	assert_int_equal(count, 10 * LIMIT_BURST);
}

static void test_time_goes_back(void **state)
{
	struct limit limit = {0};

	(void)state;
	assert_int_equal(passes(&limit, start_ns, 20), LIMIT_BURST);
	assert_true(limit_pass(&limit, start_ns - 1));
}

static void test_missed_saturates(void **state)
{
	struct limit limit = {0};

	(void)state;
	assert_int_equal(passes(&limit, start_ns, 20), LIMIT_BURST);
	limit.missed = UINT_MAX - 1;
	assert_int_equal(passes(&limit, start_ns, 5), 0);
	assert_int_equal(limit.missed, UINT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_next_window),
		cmocka_unit_test(test_steady_rate),
		cmocka_unit_test(test_time_goes_back),
		cmocka_unit_test(test_missed_saturates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
