/* SPDX-License-Identifier: MIT
 * loop_pair.h - a loop under test, and a pair of sockets to watch
 *
 * Anything unexpected fails the running cmocka test.
 */
#ifndef TESTS_UNIT_UTIL_LOOP_PAIR_H
#define TESTS_UNIT_UTIL_LOOP_PAIR_H

#include <stdbool.h>

#include "util/loop.h"

extern struct loop *loop;
/* Non-blocking; a test may close them. */
extern int pair[2];

/* cmocka set-up and tear-down. */
int loop_pair_setup(void **state);
int loop_pair_teardown(void **state);

void turn(bool wait);

/* Reports of a watch, and the watches that its callback may end. */
struct seen {
	unsigned calls;
	unsigned events;
	int fd;
	struct loop_watch *watch;
	struct loop_watch *other;
};

/* Callbacks of a watch: record the report in @ctx, a struct seen; on_fd_stop() also stops the
 * loop. */
void on_fd(void *ctx, int fd, unsigned events);
void on_fd_stop(void *ctx, int fd, unsigned events);

#endif /* TESTS_UNIT_UTIL_LOOP_PAIR_H */
