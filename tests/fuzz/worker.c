/* SPDX-License-Identifier: MIT
 * worker.c - util/worker.h without a thread: a target decides when jobs run and are reported
 */
#include "worker.h"

#include "fuzz.h"
#include "util/worker.h"

struct worker {
	struct worker_job *first; /* submitted */
	struct worker_job *ran;   /* not reported */
};

/* Only one worker exists at a time. */
static struct worker the_worker;
static bool runs;

struct worker *worker_create(struct loop *loop, const char *name)
{
	(void)loop;
	(void)name;
	CHECK(fuzz_worker_is_idle());
	return &the_worker;
}

void worker_submit(struct worker *worker, struct worker_job *job)
{
	struct worker_job **end = &worker->first;

	while (*end) {
		CHECK(*end != job);
		end = &(*end)->next;
	}
	CHECK(worker->ran != job);
	job->next = NULL;
	*end = job;
}

bool worker_withdraw(struct worker *worker, struct worker_job *job)
{
	for (struct worker_job **at = &worker->first; *at; at = &(*at)->next)
		if (*at == job) {
			*at = job->next;
			return true;
		}
	return false;
}

void worker_destroy(struct worker *worker)
{
	if (worker)
		*worker = (struct worker){0};
}

bool fuzz_worker_step(void)
{
	struct worker_job *job = the_worker.ran;

	if (job) {
		the_worker.ran = NULL;
		job->done(job);
		return true;
	}
	job = the_worker.first;
	if (!job)
		return false;
	the_worker.first = job->next;
	the_worker.ran = job;
	runs = true;
	job->run(job);
	runs = false;
	return true;
}

bool fuzz_worker_runs(void)
{
	return runs;
}

bool fuzz_worker_is_idle(void)
{
	return !the_worker.first && !the_worker.ran;
}
