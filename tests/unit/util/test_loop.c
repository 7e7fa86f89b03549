/* SPDX-License-Identifier: MIT
 * test_loop.c - fds, signals, deferred tasks
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "../sockets.h"
#include "loop_pair.h"
#include "util/fds.h"

/* ---- fds ---- */

static void on_fd_unwatch(void *ctx, int fd, unsigned events)
{
	struct seen *seen = ctx;

	on_fd(ctx, fd, events);
	loop_unwatch(seen->watch);
	loop_unwatch(seen->other);
	seen->watch = NULL;
	seen->other = NULL;
}

static void test_read(void **state)
{
	struct seen seen = {0};
	char byte;

	(void)state;
	seen.watch = loop_watch_fd(loop, pair[0], LOOP_READ, on_fd, &seen);
	assert_non_null(seen.watch);
	turn(false);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(write(pair[1], "ab", 2), 2);
	turn(true);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.events, LOOP_READ);
	assert_int_equal(seen.fd, pair[0]);
	/* level-triggered: it calls as long as there is something */
	assert_int_equal(read(pair[0], &byte, 1), 1);
	turn(false);
	assert_int_equal(seen.calls, 2);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	turn(false);
	assert_int_equal(seen.calls, 2);
	loop_unwatch(seen.watch);
	assert_int_equal(write(pair[1], "c", 1), 1);
	turn(false);
	assert_int_equal(seen.calls, 2);
}

static void test_write_and_set(void **state)
{
	struct seen seen = {0};

	(void)state;
	seen.watch = loop_watch_fd(loop, pair[0], 0, on_fd, &seen);
	assert_int_equal(write(pair[1], "a", 1), 1);
	turn(false);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(loop_watch_set(seen.watch, LOOP_WRITE), 0);
	turn(true);
	assert_int_equal(seen.events, LOOP_WRITE);
	assert_int_equal(loop_watch_set(seen.watch, LOOP_READ | LOOP_WRITE), 0);
	turn(true);
	assert_int_equal(seen.events, LOOP_READ | LOOP_WRITE);
	assert_int_equal(loop_watch_set(seen.watch, LOOP_READ), 0);
	assert_int_equal(loop_watch_set(seen.watch, LOOP_READ), 0);
	turn(true);
	assert_int_equal(seen.events, LOOP_READ);
	assert_int_equal(seen.calls, 3);
	assert_int_equal(loop_watch_set(seen.watch, 0), 0);
	close_fd(&pair[1]); /* a hang-up does not wake a watch for nothing */
	turn(false);
	assert_int_equal(seen.calls, 3);
	assert_int_equal(loop_watch_set(seen.watch, LOOP_READ), 0);
	turn(true);
	assert_int_equal(seen.calls, 4);
	assert_true(seen.events & LOOP_READ);
	loop_unwatch(seen.watch);
	loop_unwatch(NULL);
}

static void test_unwatchable(void **state)
{
	struct seen seen = {0};
	int fd = open("/proc/self/exe", O_RDONLY);

	(void)state;
	assert_null(loop_watch_fd(loop, fd, LOOP_READ, on_fd, &seen));
	close(fd);
	assert_null(loop_watch_fd(loop, fd, LOOP_READ, on_fd, &seen));
}

/* Two fds are ready; whoever is called first removes both watches. */
static void test_unwatch_in_callback(void **state)
{
	struct seen a = {0}, b = {0};

	(void)state;
	a.watch = loop_watch_fd(loop, pair[0], LOOP_WRITE, on_fd_unwatch, &a);
	b.watch = loop_watch_fd(loop, pair[1], LOOP_WRITE, on_fd_unwatch, &b);
	a.other = b.watch;
	b.other = a.watch;
	turn(true);
	assert_int_equal(a.calls + b.calls, 1);
	turn(false);
	assert_int_equal(a.calls + b.calls, 1);
}

static void test_run_and_stop(void **state)
{
	struct seen seen = {0};

	(void)state;
	seen.watch = loop_watch_fd(loop, pair[0], LOOP_WRITE, on_fd_stop, &seen);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(seen.calls, 2);
	loop_stop(loop); /* before it runs: it returns without a turn */
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(seen.calls, 2);
	loop_unwatch(seen.watch);
}

/* ---- signals ---- */

static void count_call(void *ctx)
{
	++*(unsigned *)ctx;
}

static void count_and_stop(void *ctx)
{
	++*(unsigned *)ctx;
	loop_stop(loop);
}

static void test_signal(void **state)
{
	unsigned calls = 0;
	struct loop_watch *watch = loop_watch_signal(loop, SIGTERM, count_call, &calls);

	(void)state;
	assert_non_null(watch);
	turn(false);
	assert_int_equal(calls, 0);
	(void)kill(getpid(), SIGTERM);
	turn(true);
	assert_int_equal(calls, 1);
	loop_unwatch(watch);
	watch = loop_watch_signal(loop, SIGTERM, count_and_stop, &calls);
	(void)kill(getpid(), SIGTERM);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(calls, 2);
	loop_unwatch(watch);
}

/* ---- tasks ---- */

struct step {
	struct loop_task task;
	struct step *then_defer;
	struct step *then_undefer;
	unsigned calls;
	unsigned order;
};

static unsigned steps;

static void on_step(void *ctx)
{
	struct step *step = ctx;

	step->calls++;
	step->order = ++steps;
	if (step->then_defer)
		loop_defer(loop, &step->then_defer->task);
	if (step->then_undefer)
		loop_undefer(loop, &step->then_undefer->task);
}

static void steps_init(struct step *step, int count)
{
	steps = 0;
	for (int i = 0; i < count; i++)
		step[i] = (struct step){.task = {.cb = on_step, .ctx = &step[i]}};
}

static void test_defer(void **state)
{
	struct step step[3];

	(void)state;
	steps_init(step, 3);
	for (int i = 0; i < 3; i++) {
		loop_defer(loop, &step[i].task);
		loop_defer(loop, &step[0].task); /* is there already */
	}
	assert_int_equal(steps, 0);
	turn(true); /* does not wait */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(step[i].calls, 1);
		assert_int_equal(step[i].order, i + 1);
	}
	turn(false);
	assert_int_equal(steps, 3);
}

/* A task deferred by a task has to wait a turn, in which fds are looked at. */
static void test_defer_in_task(void **state)
{
	struct step step[2];
	struct seen seen = {0};

	(void)state;
	steps_init(step, 2);
	step[0].then_defer = &step[0]; /* itself, for ever */
	step[1].then_defer = &step[0]; /* no second time */
	seen.watch = loop_watch_fd(loop, pair[0], LOOP_WRITE, on_fd, &seen);
	loop_defer(loop, &step[0].task);
	loop_defer(loop, &step[1].task);
	for (unsigned i = 1; i <= 10; i++) {
		turn(true);
		assert_int_equal(step[0].calls, i * LOOP_TASK_ROUNDS);
		assert_int_equal(seen.calls, i);
	}
	assert_int_equal(step[1].calls, 1);
	loop_undefer(loop, &step[0].task);
	turn(false);
	assert_int_equal(step[0].calls, 10 * LOOP_TASK_ROUNDS);
	loop_unwatch(seen.watch);
}

static void test_undefer(void **state)
{
	struct step step[4];

	(void)state;
	steps_init(step, 4);
	loop_undefer(loop, &step[0].task); /* was not there */
	for (int i = 0; i < 4; i++)
		loop_defer(loop, &step[i].task);
	loop_undefer(loop, &step[3].task); /* the last: the queue must find its end */
	loop_defer(loop, &step[3].task);
	loop_undefer(loop, &step[0].task);
	step[1].then_undefer = &step[2]; /* of this very round */
	turn(true);
	assert_int_equal(step[0].calls, 0);
	assert_int_equal(step[1].calls, 1);
	assert_int_equal(step[2].calls, 0);
	assert_int_equal(step[3].calls, 1);
	step[2].then_defer = &step[3];
	step[2].then_undefer = &step[3];
	loop_defer(loop, &step[2].task); /* it can be deferred again */
	turn(true);
	assert_int_equal(step[2].calls, 1);
	assert_int_equal(step[3].calls, 1);
	loop_defer(loop, &step[0].task); /* left behind for loop_destroy() */
}

/* A removed last task of a running round must not take new ones with it. */
static void test_undefer_last_then_defer(void **state)
{
	struct step step[3];

	(void)state;
	steps_init(step, 3);
	step[0].then_undefer = &step[1];
	step[0].then_defer = &step[2];
	loop_defer(loop, &step[0].task);
	loop_defer(loop, &step[1].task);
	turn(true);
	assert_int_equal(steps, 2);
	assert_int_equal(step[1].calls, 0);
	assert_int_equal(step[2].calls, 1);
}

static void on_defer_next_turn(void *ctx)
{
	struct step *step = ctx;

	loop_defer_next_turn(loop, &step->task);
	loop_defer(loop, &step->task); /* no: it is deferred already */
}

static void test_defer_next_turn(void **state)
{
	struct step step;
	struct loop_task asks = {.cb = on_defer_next_turn, .ctx = &step};

	(void)state;
	steps_init(&step, 1);
	loop_defer(loop, &asks);
	turn(true);
	assert_int_equal(step.calls, 0);
	turn(true); /* does not wait: there is something to do */
	assert_int_equal(step.calls, 1);
	loop_defer_next_turn(loop, &step.task);
	turn(true);
	assert_int_equal(step.calls, 2);
	loop_defer_next_turn(loop, &step.task);
	loop_undefer(loop, &step.task);
	turn(false);
	assert_int_equal(step.calls, 2);
}

/* Deferred in an fd callback, it runs in the same turn. */
static void on_fd_defer(void *ctx, int fd, unsigned events)
{
	struct step *step = ctx;

	(void)fd;
	(void)events;
	assert_int_equal(step->calls, 0);
	loop_defer(loop, &step->task);
}

static void test_defer_in_callback(void **state)
{
	struct loop_watch *watch;
	struct step step;

	(void)state;
	steps_init(&step, 1);
	watch = loop_watch_fd(loop, pair[0], LOOP_WRITE, on_fd_defer, &step);
	turn(true);
	assert_int_equal(step.calls, 1);
	loop_unwatch(watch);
}

static void test_no_fd_leak(void **state)
{
	int before = count_open_fds();

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct loop *other = loop_create();
		unsigned calls = 0;
		struct loop_watch *watch;

		assert_non_null(other);
		watch = loop_watch_signal(other, SIGUSR1, count_call, &calls);
		loop_unwatch(watch);
		loop_destroy(other);
	}
	loop_destroy(NULL);
	assert_int_equal(count_open_fds(), before);
}

#define LOOP_TEST(f) \
	cmocka_unit_test_setup_teardown(f, loop_pair_setup, loop_pair_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_read),
		LOOP_TEST(test_write_and_set),
		LOOP_TEST(test_unwatchable),
		LOOP_TEST(test_unwatch_in_callback),
		LOOP_TEST(test_run_and_stop),
		LOOP_TEST(test_signal),
		LOOP_TEST(test_defer),
		LOOP_TEST(test_defer_in_task),
		LOOP_TEST(test_undefer),
		LOOP_TEST(test_undefer_last_then_defer),
		LOOP_TEST(test_defer_next_turn),
		LOOP_TEST(test_defer_in_callback),
		LOOP_TEST(test_no_fd_leak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
