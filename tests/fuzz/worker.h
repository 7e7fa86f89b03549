/* SPDX-License-Identifier: MIT
 * worker.h - util/worker.h without a thread: jobs run and are reported when a target says so
 */
#ifndef TESTS_FUZZ_WORKER_H
#define TESTS_FUZZ_WORKER_H

#include <stdbool.h>

/* The next thing happens: a job that has run is reported, or else the first one runs. Return:
 * false if there was none. */
bool fuzz_worker_step(void);
/* Right now a job's run() does: what blocks is fine. */
bool fuzz_worker_runs(void);
/* No jobs are left over. */
bool fuzz_worker_is_idle(void);

#endif /* TESTS_FUZZ_WORKER_H */
