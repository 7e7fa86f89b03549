/* SPDX-License-Identifier: MIT
 * worker.h - a thread for blocking calls, which reports through the loop
 *
 * Jobs run one after the other, in the order of their submission. The submitter owns a job's
 * memory but must not touch it (except what job->run() shares on purpose) until the loop has
 * called done().
 */
#ifndef UTIL_WORKER_H
#define UTIL_WORKER_H

#include <stdbool.h>

#include "util/compiler.h"

struct loop;
struct worker;

/**
 * struct worker_job - embedded in its owner
 * @run:	called on the worker's thread; may block
 * @done:	called on the loop thread after @run, exactly once, never inside
 *		worker_submit() or worker_destroy()
 */
struct worker_job {
	void (*run)(struct worker_job *job);
	void (*done)(struct worker_job *job);
	struct worker_job *next;
};

/* Starts the thread, with signals blocked. @name: at most 15 bytes. Return: NULL on failure, with
 * the reason in errno. */
struct worker *worker_create(struct loop *loop, const char *name);
/* Queues @job. Loop thread. */
void worker_submit(struct worker *worker, struct worker_job *job);
/* Withdraws a job whose run() has not begun. Return: true if it will neither run nor be reported;
 * false if it is too late and done() will come. Loop thread. */
MUST_USE bool worker_withdraw(struct worker *worker, struct worker_job *job);
/* Waits for the running job and ends the thread. Drops the jobs that have not run, and calls no
 * done() any more: the owners of the jobs must be dying, too. NULL is fine. */
void worker_destroy(struct worker *worker);

#endif /* UTIL_WORKER_H */
