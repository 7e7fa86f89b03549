/* SPDX-License-Identifier: MIT
 * worker.c - a thread for blocking calls, which reports through the loop
 *
 * The thread takes a job from the queue (under the lock), runs it, and puts it on the finished list
 * (under the lock). The loop moves it to the reporting list, which is the loop thread's own.
 */
#include "util/worker.h"

#include <errno.h>
#include <pthread.h>

#include "util/loop.h"
#include "util/thread.h"

struct job_list {
	struct worker_job *first;
	struct worker_job **end;
};

/**
 * struct worker
 * @queue:	submitted, run() not begun; under @lock
 * @finished:	run() has returned, the loop has not seen it; under @lock
 * @quit:	the thread must end; under @lock
 * @reporting:	done() is about to be called; loop thread
 * @in_report:	a done() is running
 * @destroyed:	that done() destroyed the worker; its memory is freed afterwards
 */
struct worker {
	struct loop *loop;
	struct loop_remote *remote;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job_list queue;
	struct job_list finished;
	bool quit;
	struct job_list reporting;
	bool in_report;
	bool destroyed;
};

static void jobs_init(struct job_list *jobs)
{
	jobs->first = NULL;
	jobs->end = &jobs->first;
}

static void jobs_append(struct job_list *jobs, struct worker_job *job)
{
	job->next = NULL;
	*jobs->end = job;
	jobs->end = &job->next;
}

static struct worker_job *jobs_take(struct job_list *jobs)
{
	struct worker_job *job = jobs->first;

	if (job) {
		jobs->first = job->next;
		if (!jobs->first)
			jobs->end = &jobs->first;
		job->next = NULL;
	}
	return job;
}

static bool jobs_remove(struct job_list *jobs, struct worker_job *job)
{
	struct worker_job **at = &jobs->first;

	while (*at && *at != job)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = job->next;
	if (jobs->end == &job->next)
		jobs->end = at;
	job->next = NULL;
	return true;
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;

	pthread_mutex_lock(&worker->lock);
	while (!worker->quit) {
		struct worker_job *job = jobs_take(&worker->queue);
		bool first;

		if (!job) {
			pthread_cond_wait(&worker->wake, &worker->lock);
			continue;
		}
		pthread_mutex_unlock(&worker->lock);
		job->run(job);
		pthread_mutex_lock(&worker->lock);
		first = !worker->finished.first;
		jobs_append(&worker->finished, job);
		if (first)
			loop_remote_ask(worker->remote);
	}
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

/* Some jobs have finished. */
static void on_finished(void *ctx)
{
	struct worker *worker = ctx;
	struct worker_job *job;

	pthread_mutex_lock(&worker->lock);
	while ((job = jobs_take(&worker->finished)) != NULL)
		jobs_append(&worker->reporting, job);
	pthread_mutex_unlock(&worker->lock);

	worker->in_report = true;
	while (!worker->destroyed && (job = jobs_take(&worker->reporting)) != NULL)
		job->done(job);
	worker->in_report = false;
	if (worker->destroyed)
		free(worker);
}

struct worker *worker_create(struct loop *loop, const char *name)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int code;

	if (!worker)
		return NULL;
	worker->loop = loop;
	jobs_init(&worker->queue);
	jobs_init(&worker->finished);
	jobs_init(&worker->reporting);
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->wake, NULL);

	worker->remote = loop_remote_create(loop, on_finished, worker);
	errno = ENOMEM;
	if (!worker->remote)
		goto fail;
	errno = -thread_start(&worker->thread, name, worker_main, worker);
	if (errno != 0)
		goto fail;
	return worker;
fail:
	code = errno;
	loop_remote_destroy(worker->remote);
	pthread_cond_destroy(&worker->wake);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
	errno = code;
	return NULL;
}

void worker_submit(struct worker *worker, struct worker_job *job)
{
	pthread_mutex_lock(&worker->lock);
	jobs_append(&worker->queue, job);
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
}

bool worker_withdraw(struct worker *worker, struct worker_job *job)
{
	bool found;

	pthread_mutex_lock(&worker->lock);
	found = jobs_remove(&worker->queue, job);
	pthread_mutex_unlock(&worker->lock);
	return found;
}

void worker_destroy(struct worker *worker)
{
	if (!worker)
		return;

	pthread_mutex_lock(&worker->lock);
	worker->quit = true;
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
	(void)pthread_join(worker->thread, NULL);

	loop_remote_destroy(worker->remote);
	pthread_cond_destroy(&worker->wake);
	pthread_mutex_destroy(&worker->lock);
	if (worker->in_report)
		worker->destroyed = true;
	else
		free(worker);
}
