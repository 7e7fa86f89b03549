/* SPDX-License-Identifier: MIT
 * test_loop_timer.c - timers, and the loop with nothing to do
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/timerfd.h>

#include "loop_pair.h"

#define MS UINT64_C(1000000)

struct shot {
	struct loop_timer *timer;
	struct loop_timer *victim;
	uint64_t at_ns;
	uint64_t again_ns; /* set it to this in the callback; UINT64_MAX = do not */
	unsigned order;
	unsigned calls;
};

static unsigned shots;

static void on_shot(void *ctx)
{
	struct shot *shot = ctx;

	shot->at_ns = clock_now_ns();
	shot->order = ++shots;
	shot->calls++;
	if (shot->again_ns != UINT64_MAX)
		loop_timer_set(shot->timer, shot->again_ns);
	if (shot->victim)
		loop_timer_destroy(shot->victim);
	shot->victim = NULL;
}

static void shot_init(struct shot *shot)
{
	shots = 0;
	*shot = (struct shot){.again_ns = UINT64_MAX};
	shot->timer = loop_timer_create(loop, on_shot, shot);
	assert_non_null(shot->timer);
}

static int settime_fails;

int __real_timerfd_settime(int fd, int flags, const struct itimerspec *set,
			   struct itimerspec *was);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *set,
			   struct itimerspec *was);

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *set,
			   struct itimerspec *was)
{
	if (settime_fails == 0)
		return __real_timerfd_settime(fd, flags, set, was);
	settime_fails--;
	errno = ENOMEM;
	return -1;
}

/* Timers are served all the same, those set before and after. */
static void test_kernel_without_timer(void **state)
{
	struct shot shot[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		shot_init(&shot[i]);
		loop_timer_set(shot[i].timer, (i + 1) * MS);
		settime_fails = 3;
		while (shot[i].calls == 0)
			assert_int_equal(loop_turn(loop, true), 0);
		assert_int_equal(settime_fails, 0);
	}
	for (unsigned i = 0; i < 2; i++)
		loop_timer_destroy(shot[i].timer);
}

static void test_timers_in_order(void **state)
{
	static const uint64_t delays_ns[] = {30 * MS, 5 * MS, 20 * MS, 5 * MS + 500000,
					     10 * MS};
	static const unsigned orders[] = {5, 1, 4, 2, 3};
	struct shot shot[5];
	uint64_t start_ns = clock_now_ns();

	(void)state;
	for (int i = 0; i < 5; i++) {
		shot_init(&shot[i]);
		loop_timer_set(shot[i].timer, delays_ns[i]);
	}
	turn(false);
	assert_int_equal(shots, 0);
	while (shots < 5)
		turn(true);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(shot[i].order, orders[i]);
		assert_true(shot[i].at_ns - start_ns >= delays_ns[i]);
		loop_timer_destroy(shot[i].timer);
	}
	assert_true(clock_now_ns() - start_ns < 2000 * MS);
}

/* One shot: a turn later nothing more comes. Microseconds count. */
static void test_timer_once_and_precise(void **state)
{
	struct shot shot;
	uint64_t best_ns = UINT64_MAX;

	(void)state;
	shot_init(&shot);
	for (unsigned i = 1; i <= 20; i++) {
		uint64_t start_ns = clock_now_ns();

		loop_timer_set(shot.timer, 40000);
		while (shot.calls < i)
			turn(true);
		assert_true(shot.at_ns - start_ns >= 40000);
		best_ns = MIN_OF(best_ns, shot.at_ns - start_ns);
		turn(false);
		assert_int_equal(shot.calls, i);
	}
	assert_true(best_ns < MS); /* a loop counting milliseconds could not */
	loop_timer_destroy(shot.timer);
	loop_timer_destroy(NULL);
}

static void test_timer_stop_and_set_again(void **state)
{
	struct shot early, late;
	uint64_t start_ns = clock_now_ns();

	(void)state;
	shot_init(&early);
	shot_init(&late);
	loop_timer_set(early.timer, MS);
	loop_timer_set(late.timer, 2 * MS);
	turn(false); /* arms */
	loop_timer_stop(early.timer);
	loop_timer_stop(early.timer);
	loop_timer_set(late.timer, 20 * MS);
	while (!late.calls)
		turn(true);
	assert_int_equal(early.calls, 0);
	assert_true(late.at_ns - start_ns >= 20 * MS);

	/* from far away to soon */
	loop_timer_set(late.timer, UINT64_MAX);
	turn(false);
	loop_timer_set(late.timer, 3600000 * MS);
	turn(false);
	loop_timer_set(late.timer, MS);
	while (late.calls < 2)
		turn(true);
	loop_timer_destroy(early.timer);
	loop_timer_destroy(late.timer);
}

/* A timer that sets itself to 0 fires at most once per turn, and fds get their turn. */
static void test_timer_does_not_starve(void **state)
{
	uint64_t start_ns = clock_now_ns();
	struct shot shot;
	struct seen seen = {0};
	unsigned turns = 0;

	(void)state;
	shot_init(&shot);
	shot.again_ns = 0;
	seen.watch = loop_watch_fd(loop, pair[0], LOOP_WRITE, on_fd, &seen);
	loop_timer_set(shot.timer, 0);
	/* on a slow machine many turns pass before the kernel's timer fires */
	while (shot.calls < 25) {
		unsigned before = shot.calls;

		turn(true);
		turns++;
		assert_in_range(shot.calls - before, 0, 1);
		assert_true(clock_now_ns() - start_ns < 10000 * MS);
	}
	assert_int_equal(seen.calls, turns);
	loop_timer_destroy(shot.timer);
	loop_unwatch(seen.watch);
}

/* Both have expired; the first destroys the second, then another itself. */
static void test_timer_destroy_in_callback(void **state)
{
	struct shot first, second;
	struct pollfd nothing = {.fd = -1};

	(void)state;
	shot_init(&first);
	shot_init(&second);
	loop_timer_set(first.timer, 0);
	loop_timer_set(second.timer, 1);
	(void)poll(&nothing, 1, 1);
	first.victim = second.timer;
	while (!first.calls)
		turn(true);
	turn(false);
	assert_int_equal(second.calls, 0);
	first.victim = first.timer;
	loop_timer_set(first.timer, 0);
	while (first.calls < 2)
		turn(true);
	turn(false);
	assert_int_equal(first.calls, 2);
}

/* ---- idle ---- */

static pthread_barrier_t barrier;
static atomic_int loop_tid;

static void *run_loop(void *arg)
{
	(void)arg;
	atomic_store(&loop_tid, gettid());
	pthread_barrier_wait(&barrier);
	return (void *)(intptr_t)loop_run(loop);
}

/* A number from /proc/self/task/TID/status, and whether the thread sleeps. */
static long voluntary_switches(bool *ret_sleeping)
{
	char name[64], line[256];
	long count = -1;
	FILE *f;

	(void)snprintf(name, sizeof(name), "/proc/self/task/%d/status", loop_tid);
	f = fopen(name, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char letter;

		(void)sscanf(line, "voluntary_ctxt_switches: %ld", &count);
		if (sscanf(line, "State: %c", &letter) == 1)
			*ret_sleeping = letter == 'S';
	}
	fclose(f);
	return count;
}

/* With watches and stopped timers, but nothing to do, the loop sleeps for good. */
static void test_idle_never_wakes(void **state)
{
	struct pollfd nothing = {.fd = -1};
	struct seen seen = {0};
	struct shot shot;
	bool sleeping = false;
	pthread_t thread;
	long before;
	void *r;

	(void)state;
	seen.watch = loop_watch_fd(loop, pair[0], LOOP_READ, on_fd_stop, &seen);
	shot_init(&shot);
	loop_timer_set(shot.timer, 0);
	while (!shot.calls)
		turn(true);
	loop_timer_set(shot.timer, 3600000 * MS);
	pthread_barrier_init(&barrier, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, run_loop, NULL), 0);
	pthread_barrier_wait(&barrier);
	while (!sleeping) {
		(void)poll(&nothing, 1, 10);
		before = voluntary_switches(&sleeping);
	}
	before = voluntary_switches(&sleeping);
	(void)poll(&nothing, 1, 300);
	assert_int_equal(voluntary_switches(&sleeping), before);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(write(pair[1], "x", 1), 1);
	assert_int_equal(pthread_join(thread, &r), 0);
	assert_null(r);
	pthread_barrier_destroy(&barrier);
	loop_unwatch(seen.watch);
	loop_timer_destroy(shot.timer);
}

#define LOOP_TEST(f) \
	cmocka_unit_test_setup_teardown(f, loop_pair_setup, loop_pair_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_timers_in_order),
		LOOP_TEST(test_kernel_without_timer),
		LOOP_TEST(test_timer_once_and_precise),
		LOOP_TEST(test_timer_stop_and_set_again),
		LOOP_TEST(test_timer_does_not_starve),
		LOOP_TEST(test_timer_destroy_in_callback),
		LOOP_TEST(test_idle_never_wakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
