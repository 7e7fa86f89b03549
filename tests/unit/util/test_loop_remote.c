/* SPDX-License-Identifier: MIT
 * test_loop_remote.c - tests of src/util/loop_remote.c: calls that other threads ask for
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "util/compiler.h"
#include "util/loop.h"

#define THREADS 4u
#define ASKS    20000u

static struct loop *loop;

static int setup(void **state)
{
	(void)state;
	loop = loop_create();
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_destroy(loop);
	return 0;
}

struct one {
	struct loop_remote *remote;
	struct one *other; /* removed in the call, if any */
	bool ask_again;
	unsigned calls;
};

static void on_call(void *ctx)
{
	struct one *one = ctx;

	one->calls++;
	if (one->other) {
		loop_remote_destroy(one->other->remote);
		one->other->remote = NULL;
	}
	if (one->ask_again)
		loop_remote_ask(one->remote);
}

static void turn(bool wait)
{
	assert_int_equal(loop_turn(loop, wait), 0);
}

static void test_once_however_often_it_is_asked(void **state)
{
	struct one one = {0};
	struct one idle = {0};

	(void)state;
	one.remote = loop_remote_create(loop, on_call, &one);
	idle.remote = loop_remote_create(loop, on_call, &idle);
	turn(false);
	assert_int_equal(one.calls, 0);
	for (unsigned i = 0; i < 3; i++)
		loop_remote_ask(one.remote);
	turn(true);
	turn(false);
	assert_int_equal(one.calls, 1);
	loop_remote_ask(one.remote);
	turn(true);
	assert_int_equal(one.calls, 2);
	assert_int_equal(idle.calls, 0);
	loop_remote_destroy(one.remote);
	loop_remote_destroy(idle.remote);
}

/* One call for a turn, so that who asks for ever keeps nobody. */
static void test_asked_in_the_call(void **state)
{
	struct one one = {.ask_again = true};

	(void)state;
	one.remote = loop_remote_create(loop, on_call, &one);
	loop_remote_ask(one.remote);
	for (unsigned i = 1; i <= 5; i++) {
		turn(true);
		assert_int_equal(one.calls, i);
	}
	loop_remote_destroy(one.remote);
	turn(false);
	assert_int_equal(one.calls, 5);
	loop_remote_destroy(NULL);
}

/* Whichever comes first removes the other, which has been asked for, too; or itself. */
static void test_removed_in_the_call(void **state)
{
	struct one one = {0};
	struct one two = {0};

	(void)state;
	one.remote = loop_remote_create(loop, on_call, &one);
	two.remote = loop_remote_create(loop, on_call, &two);
	one.other = &two;
	two.other = &one;
	loop_remote_ask(one.remote);
	loop_remote_ask(two.remote);
	turn(true);
	turn(false);
	assert_int_equal(one.calls + two.calls, 1);
	one.other = &one;
	two.other = &two;
	if (one.remote)
		loop_remote_ask(one.remote);
	else
		loop_remote_ask(two.remote);
	turn(true);
	assert_int_equal(one.calls + two.calls, 2);
	assert_null(one.remote);
	assert_null(two.remote);
}

/* --- from threads --- */

struct asker {
	pthread_t thread;
	struct loop_remote *remote;
	atomic_uint asked; /* before each ask */
	unsigned seen;     /* of it, in the call */
	unsigned calls;
};

static void on_asker(void *ctx)
{
	struct asker *asker = ctx;

	asker->seen = atomic_load(&asker->asked);
	asker->calls++;
}

static void *ask_often(void *arg)
{
	struct asker *asker = arg;

	for (unsigned i = 0; i < ASKS; i++) {
		atomic_fetch_add(&asker->asked, 1);
		loop_remote_ask(asker->remote);
	}
	return NULL;
}

/* After the last ask there is a call, so nothing that was noted before an ask is missed. */
static void test_nothing_is_lost(void **state)
{
	struct asker askers[THREADS] = {0};

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		askers[i].remote = loop_remote_create(loop, on_asker, &askers[i]);
		assert_non_null(askers[i].remote);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&askers[i].thread, NULL, ask_often, &askers[i]),
			0);
	for (unsigned i = 0; i < THREADS; i++) {
		/* waits in vain, and is ended by the runner, if one is lost */
		while (askers[i].seen < ASKS)
			turn(true);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
		assert_true(askers[i].calls <= ASKS);
		loop_remote_destroy(askers[i].remote);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_once_however_often_it_is_asked),
		T(test_asked_in_the_call),
		T(test_removed_in_the_call),
		T(test_nothing_is_lost),
	};

	return cmocka_run_group_tests_name("calls in the loop", tests, NULL, NULL);
}
