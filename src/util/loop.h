/* SPDX-License-Identifier: MIT
 * loop.h - the event loop: fds, one-shot timers, signals, deferred tasks, news of other threads
 *
 * A thin layer over libevent_core. One turn of the loop: wait for events, run
 * their callbacks, then run the tasks deferred meanwhile. Tasks deferred by tasks
 * run in a next round, and after LOOP_TASK_ROUNDS in the next turn, when fds have
 * been looked at again: so no task can starve the sockets. Before it sleeps the loop may poll for a moment, if that
 * has paid lately (util/spin.h). All calls: loop thread only, unless said.
 * Watches, timers, remotes and tasks may be removed inside any callback, their own too;
 * their memory goes at the end of the turn.
 */
#ifndef UTIL_LOOP_H
#define UTIL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "util/clock.h"
#include "util/compiler.h"

struct loop;
struct loop_watch;
struct loop_timer;
struct loop_remote;

/* Enough for a transfer: submit, complete, post its events. */
#define LOOP_TASK_ROUNDS 4u

/* Returns owned, or NULL without memory. */
struct loop *loop_create(void);
/* NULL is fine. Every watch, timer and remote must be gone; tasks are not looked at. */
void loop_destroy(struct loop *loop);

/* Runs until loop_stop(). Return: 0 or -errno. */
MUST_USE int loop_run(struct loop *loop);
/* One turn; waits for an event if @wait and nothing is deferred. For tests. */
MUST_USE int loop_turn(struct loop *loop, bool wait);
/* loop_run() returns at the end of this turn; at once if it is called later. */
void loop_stop(struct loop *loop);

#define LOOP_READ  1u
#define LOOP_WRITE 2u

typedef void loop_fd_cb(void *ctx, int fd, unsigned events);
typedef void loop_cb(void *ctx);

/* Level-triggered watch on @fd (borrowed) for LOOP_READ|LOOP_WRITE. NULL without memory. */
struct loop_watch *loop_watch_fd(struct loop *loop, int fd, unsigned events,
				 loop_fd_cb *cb, void *ctx);
/* Changes what is waited for (0 = nothing for now). Return: 0 or -errno. */
MUST_USE int loop_watch_set(struct loop_watch *watch, unsigned events);
/* @cb on @signal (SIGTERM...), in the loop. NULL without memory. */
struct loop_watch *loop_watch_signal(struct loop *loop, int signal, loop_cb *cb,
				     void *ctx);
/* NULL is fine. */
void loop_unwatch(struct loop_watch *watch);

/* A timer, not armed. NULL without memory. */
struct loop_timer *loop_timer_create(struct loop *loop, loop_cb *cb, void *ctx);
/* One shot, at least @delay_ns from now; re-arms if armed. Resolution 1 us. */
void loop_timer_set(struct loop_timer *timer, uint64_t delay_ns);
void loop_timer_stop(struct loop_timer *timer);
/* NULL is fine. */
void loop_timer_destroy(struct loop_timer *timer);

/* Has @cb called in the loop when another thread asks for it. NULL without memory. */
struct loop_remote *loop_remote_create(struct loop *loop, loop_cb *cb, void *ctx);
/* Asks for one call of its callback; asking again before it comes adds none. Any thread. */
void loop_remote_ask(struct loop_remote *remote);
/* No thread may be asking. What was asked for is not called any more. NULL is fine. */
void loop_remote_destroy(struct loop_remote *remote);

/**
 * struct loop_task - deferred work, embedded in its owner
 *
 * Initialise with cb and ctx; the rest is the loop's. Deferring a task that is
 * already deferred does nothing.
 */
struct loop_task {
	loop_cb *cb;
	void *ctx;
	struct loop_task *next;
	bool queued;
};

void loop_defer(struct loop *loop, struct loop_task *task);
/* Not in this turn: for who has had a turn's share of work, and must let the
 * sockets be looked at before it goes on. */
void loop_defer_next_turn(struct loop *loop, struct loop_task *task);
/* Takes @task off; needed before its owner dies. */
void loop_undefer(struct loop *loop, struct loop_task *task);

#endif /* UTIL_LOOP_H */
