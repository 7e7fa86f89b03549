/* SPDX-License-Identifier: MIT
 * loop.h - the event loop: fds, one-shot timers, signals, deferred tasks, calls for other threads
 *
 * A thin layer over libevent_core. One turn of the loop waits for events, runs their callbacks,
 * then runs the tasks deferred meanwhile. Tasks that tasks defer run in the next round, and after
 * LOOP_TASK_ROUNDS in the next turn, after another look at the fds: so no task can starve the
 * sockets. Before it sleeps, the loop may poll for a moment if that has paid lately
 * (util/spin.h). All calls are for the loop thread only, unless they say otherwise.
 * Any callback may remove watches, timers, remotes and tasks, also its own; the loop frees them
 * at the end of the turn.
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

/* Returns owned, or NULL if out of memory. */
struct loop *loop_create(void);
/* NULL is fine. The owners must have removed every watch, timer and remote. */
void loop_destroy(struct loop *loop);

/* Runs until loop_stop(). Return: 0 or -errno. */
MUST_USE int loop_run(struct loop *loop);
/* One turn; waits for an event if @wait and no task is deferred. For tests. */
MUST_USE int loop_turn(struct loop *loop, bool wait);
/* Makes loop_run() return at the end of this turn, or at once if it is not running yet. */
void loop_stop(struct loop *loop);

#define LOOP_READ  1u
#define LOOP_WRITE 2u

typedef void loop_fd_cb(void *ctx, int fd, unsigned events);
typedef void loop_cb(void *ctx);

/* Level-triggered watch on @fd (borrowed) for LOOP_READ|LOOP_WRITE. NULL if out of memory. */
struct loop_watch *loop_watch_fd(struct loop *loop, int fd, unsigned events,
				 loop_fd_cb *cb, void *ctx);
/* Changes the events to wait for (0: none for now). Return: 0 or -errno. */
MUST_USE int loop_watch_set(struct loop_watch *watch, unsigned events);
/* Calls @cb in the loop on @signal (SIGTERM...). NULL if out of memory. */
struct loop_watch *loop_watch_signal(struct loop *loop, int signal, loop_cb *cb,
				     void *ctx);
/* NULL is fine. */
void loop_unwatch(struct loop_watch *watch);

/* A timer, not armed. NULL if out of memory. */
struct loop_timer *loop_timer_create(struct loop *loop, loop_cb *cb, void *ctx);
/* Arms it, or arms it again: one shot, at least @delay_ns from now. Resolution 1 us. */
void loop_timer_set(struct loop_timer *timer, uint64_t delay_ns);
void loop_timer_stop(struct loop_timer *timer);
/* NULL is fine. */
void loop_timer_destroy(struct loop_timer *timer);

/* Calls @cb in the loop when another thread asks for it. NULL if out of memory. */
struct loop_remote *loop_remote_create(struct loop *loop, loop_cb *cb, void *ctx);
/* Asks for one call of its callback; asking again before that call adds none. Any thread. */
void loop_remote_ask(struct loop_remote *remote);
/* No thread may be asking. Drops a call that a thread has asked for. NULL is fine. */
void loop_remote_destroy(struct loop_remote *remote);

/**
 * struct loop_task - deferred work, embedded in its owner
 *
 * The owner sets cb and ctx; the rest belongs to the loop. Deferring a task that is already
 * deferred does nothing.
 */
struct loop_task {
	loop_cb *cb;
	void *ctx;
	struct loop_task *next;
	bool queued;
};

void loop_defer(struct loop *loop, struct loop_task *task);
/* Runs it in the next turn: for a caller that has done a turn's share of work and must let the loop
 * look at the sockets before it continues. */
void loop_defer_next_turn(struct loop *loop, struct loop_task *task);
/* Cancels @task; necessary before its owner dies. */
void loop_undefer(struct loop *loop, struct loop_task *task);

#endif /* UTIL_LOOP_H */
