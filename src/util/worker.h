/* SPDX-License-Identifier: MIT
 * worker.h - one thread for calls that block, reporting through the loop
 *
 * Jobs run one after the other in the order submitted. The memory of a job
 * belongs to the submitter, who must not touch it (but for what job->run
 * shares on purpose) until done() has been called in the loop.
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

/* Starts the thread (signals blocked in it). @name: at most 15 bytes. NULL on failure, errno
 * says why. */
struct worker *worker_create(struct loop *loop, const char *name);
/* Queues @job. Loop thread. */
void worker_submit(struct worker *worker, struct worker_job *job);
/* Takes back a job whose run() has not begun. True: it will never run nor be
 * reported; false: too late, done() will come. Loop thread. */
MUST_USE bool worker_withdraw(struct worker *worker, struct worker_job *job);
/* Waits for the running job, ends the thread. Jobs not run are dropped and the
 * done() of those that ran is not called any more: their owners must be dying
 * too. NULL is fine. */
void worker_destroy(struct worker *worker);

#endif /* UTIL_WORKER_H */
