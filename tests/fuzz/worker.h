/* SPDX-License-Identifier: MIT
 * worker.h - util/worker.h without a thread: a target decides when jobs run and are reported
 */
#ifndef TESTS_FUZZ_WORKER_H
#define TESTS_FUZZ_WORKER_H

#include <stdbool.h>

/* Reports a job that has run, or else runs the first job. Return: false if there was no job */
bool fuzz_worker_step(void);
/* Whether a job's run() is being called, which may block. */
bool fuzz_worker_runs(void);
/* Whether no job is left. */
bool fuzz_worker_is_idle(void);

#endif /* TESTS_FUZZ_WORKER_H */
