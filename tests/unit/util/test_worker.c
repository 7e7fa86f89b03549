/* SPDX-License-Identifier: MIT
 * test_worker.c - one thread for calls that block
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>

#include "util/loop.h"
#include "util/worker.h"

static struct loop *loop;
static struct worker *worker;
static pthread_t loop_thread;
static bool in_call; /* inside worker_submit() or worker_destroy() */
static unsigned runs, dones;

struct job {
	struct worker_job job;
	sem_t begun;   /* posted by run() */
	sem_t may_end; /* awaited by run() if @gated */
	bool gated;
	bool free_in_done;
	bool destroy_in_done;
	bool ended;
	struct job *submit_in_done;
	unsigned ran;  /* order, from 1 */
	unsigned done; /* order, from 1 */
	sigset_t blocked;
	char thread_name[32];
	pthread_t thread;
};

static void submit(struct job *job)
{
	in_call = true;
	worker_submit(worker, &job->job);
	in_call = false;
}

static void destroy(void)
{
	in_call = true;
	worker_destroy(worker);
	worker = NULL;
	in_call = false;
}

static void run(struct worker_job *base)
{
	struct job *job = (struct job *)base;

	job->thread = pthread_self();
	(void)pthread_sigmask(SIG_SETMASK, NULL, &job->blocked);
	(void)pthread_getname_np(pthread_self(), job->thread_name,
				 sizeof(job->thread_name));
	job->ran = ++runs;
	(void)sem_post(&job->begun);
	if (job->gated)
		(void)sem_wait(&job->may_end);
	job->ended = true;
}

static void done(struct worker_job *base)
{
	struct job *job = (struct job *)base;

	assert_false(in_call);
	assert_true(pthread_equal(pthread_self(), loop_thread));
	assert_int_equal(job->done, 0);
	job->done = ++dones;
	if (job->submit_in_done)
		submit(job->submit_in_done);
	if (job->destroy_in_done)
		destroy();
	if (job->free_in_done)
		free(job);
}

static void job_init(struct job *job)
{
	memset(job, 0, sizeof(*job));
	job->job.run = run;
	job->job.done = done;
	sem_init(&job->begun, 0, 0);
	sem_init(&job->may_end, 0, 0);
}

static int begin(void **state)
{
	(void)state;
	runs = 0;
	dones = 0;
	loop_thread = pthread_self();
	loop = loop_create();
	worker = worker_create(loop, "blocking-work15");
	return worker ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	destroy();
	loop_destroy(loop);
	return 0;
}

static void turns_until_done(unsigned count)
{
	while (dones < count)
		assert_int_equal(loop_turn(loop, true), 0);
}

static void test_one_job(void **state)
{
	struct job job;

	(void)state;
	job_init(&job);
	submit(&job);
	turns_until_done(1);
	assert_int_equal(job.ran, 1);
	assert_false(pthread_equal(job.thread, loop_thread));
	assert_string_equal(job.thread_name, "blocking-work15");
	assert_int_equal(sigismember(&job.blocked, SIGTERM), 1);
	assert_int_equal(sigismember(&job.blocked, SIGINT), 1);
	assert_int_equal(sigismember(&job.blocked, SIGBUS), 0);
	/* only there */
	(void)pthread_sigmask(SIG_SETMASK, NULL, &job.blocked);
	assert_int_equal(sigismember(&job.blocked, SIGTERM), 0);
	/* exactly once, and it can be used again */
	assert_int_equal(loop_turn(loop, false), 0);
	assert_int_equal(dones, 1);
	job.done = 0;
	submit(&job);
	turns_until_done(2);
	assert_int_equal(job.ran, 2);
}

static void test_order(void **state)
{
	static struct job jobs[200];

	(void)state;
	for (int i = 0; i < 200; i++) {
		job_init(&jobs[i]);
		submit(&jobs[i]);
	}
	turns_until_done(200);
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(jobs[i].ran, i + 1);
		assert_int_equal(jobs[i].done, i + 1);
	}
}

static void test_loop_is_not_blocked(void **state)
{
	struct job job;

	(void)state;
	job_init(&job);
	job.gated = true;
	submit(&job);
	sem_wait(&job.begun);
	for (int i = 0; i < 10; i++)
		assert_int_equal(loop_turn(loop, false), 0);
	assert_int_equal(dones, 0);
	sem_post(&job.may_end);
	turns_until_done(1);
}

static void test_withdraw(void **state)
{
	struct job jobs[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		job_init(&jobs[i]);
	jobs[0].gated = true;
	submit(&jobs[0]);
	sem_wait(&jobs[0].begun);
	for (int i = 1; i < 4; i++)
		submit(&jobs[i]);
	assert_false(worker_withdraw(worker, &jobs[0].job)); /* it runs */
	assert_false(worker_withdraw(worker, &jobs[4].job)); /* never submitted */
	assert_true(worker_withdraw(worker, &jobs[1].job));
	assert_false(worker_withdraw(worker, &jobs[1].job));
	assert_true(worker_withdraw(worker, &jobs[3].job)); /* the last */
	submit(&jobs[4]);
	sem_post(&jobs[0].may_end);
	turns_until_done(3);
	assert_int_equal(jobs[0].done, 1);
	assert_int_equal(jobs[2].done, 2);
	assert_int_equal(jobs[4].done, 3);
	assert_int_equal(runs, 3);
	assert_false(worker_withdraw(worker, &jobs[0].job)); /* over */
	submit(&jobs[1]);
	turns_until_done(4);
	assert_int_equal(jobs[1].ran, 4);
}

static void test_free_and_submit_in_done(void **state)
{
	struct job *freed = malloc(sizeof(*freed)), next;

	(void)state;
	job_init(freed);
	job_init(&next);
	freed->free_in_done = true;
	freed->submit_in_done = &next;
	submit(freed);
	turns_until_done(2);
	assert_int_equal(next.done, 2);
}

/* Several have finished; the first done() destroys the worker. */
static void test_destroy_in_done(void **state)
{
	struct job jobs[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		job_init(&jobs[i]);
		submit(&jobs[i]);
	}
	sem_wait(&jobs[3].begun);
	jobs[0].destroy_in_done = true;
	turns_until_done(1);
	assert_null(worker);
	assert_int_equal(loop_turn(loop, false), 0);
	assert_int_equal(dones, 1);
}

static void *open_gate(void *arg)
{
	struct pollfd nothing = {.fd = -1};
	struct job *job = arg;

	(void)poll(&nothing, 1, 30); /* time for a destroy that would not wait */
	sem_post(&job->may_end);
	return NULL;
}

/* It waits for the running job; those behind it never run, none is reported. */
static void test_destroy_while_running(void **state)
{
	struct job jobs[3];
	pthread_t thread;

	(void)state;
	for (int i = 0; i < 3; i++)
		job_init(&jobs[i]);
	jobs[1].gated = true;
	for (int i = 0; i < 3; i++)
		submit(&jobs[i]);
	sem_wait(&jobs[1].begun);
	assert_int_equal(pthread_create(&thread, NULL, open_gate, &jobs[1]), 0);
	destroy();
	assert_true(jobs[1].ended);
	assert_int_equal(jobs[2].ran, 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(loop_turn(loop, false), 0);
	assert_int_equal(dones, 0);
}

#define LEAK_ROUNDS 50u

static unsigned count_entries(const char *name)
{
	DIR *entries = opendir(name);
	unsigned count = 0;

	while (readdir(entries))
		count++;
	closedir(entries);
	return count;
}

/* A thread that has been joined may be listed a moment longer, in this count or
 * in the one before: so what is looked for is a leak each time. */
static void test_no_leak(void **state)
{
	unsigned fds = count_entries("/proc/self/fd");
	unsigned threads = count_entries("/proc/self/task");

	(void)state;
	for (unsigned i = 0; i < LEAK_ROUNDS; i++) {
		struct worker *other = worker_create(loop, "w");

		assert_non_null(other);
		worker_destroy(other);
	}
	worker_destroy(NULL);
	assert_int_equal(count_entries("/proc/self/fd"), fds);
	assert_in_range(count_entries("/proc/self/task"), 3, threads + LEAK_ROUNDS / 2);
}

#define WORKER_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORKER_TEST(test_one_job),
		WORKER_TEST(test_order),
		WORKER_TEST(test_loop_is_not_blocked),
		WORKER_TEST(test_withdraw),
		WORKER_TEST(test_free_and_submit_in_done),
		WORKER_TEST(test_destroy_in_done),
		WORKER_TEST(test_destroy_while_running),
		WORKER_TEST(test_no_leak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
