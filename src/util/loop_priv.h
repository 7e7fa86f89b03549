/* SPDX-License-Identifier: MIT
 * loop_priv.h - what the files of the loop share
 */
#ifndef UTIL_LOOP_PRIV_H
#define UTIL_LOOP_PRIV_H

#include "util/list.h"
#include "util/loop.h"
#include "util/spin.h"

struct event;
struct event_base;

struct task_queue {
	struct loop_task *first;
	struct loop_task **end;
};

/**
 * struct loop
 * @timers:	armed timers, the earliest deadline first
 * @expired:	timers whose callbacks this turn still has to call
 * @armed_ns:	what @timer_fd is set to
 * @remote_fd:	readable when a thread has asked for a call
 * @remotes:	all remotes but those in @asked, which this turn still has to check
 * @tasks:	deferred, for the next round of tasks
 * @running:	the rest of this round
 * @later:	deferred, for the next turn
 * @spin:	whether polling pays
 * @happened_ns: when the first callback of this turn was called, 0 = none yet
 * @dead:	watches, timers and remotes to free when the turn ends
 * @live:	watches, timers and remotes that their owners have not removed
 */
struct loop {
	struct event_base *base;
	int timer_fd;
	struct event *timer_event;
	struct list timers;
	struct list expired;
	uint64_t armed_ns;
	int remote_fd;
	struct event *remote_event;
	struct list remotes;
	struct list asked;
	struct task_queue tasks;
	struct task_queue running;
	struct task_queue later;
	struct spin spin;
	uint64_t happened_ns;
	struct list dead;
	unsigned live;
	bool in_turn;
	bool stop;
};

/* Keeps a removed watch, timer or remote until the turn ends; its first member. */
struct grave {
	struct list node;
	struct event *event;
};

/* loop_grave.c */

/* Frees @grave and @event (may be NULL) when the turn ends. */
void loop_bury(struct loop *loop, struct grave *grave, struct event *event);
/* Frees all that is buried: the turn ends. */
void loop_bury_all(struct loop *loop);

/* loop_timer.c */

/* Makes the timerfd. Return: 0 or -errno. */
MUST_USE int loop_timers_init(struct loop *loop);
/* Sets the timerfd to the earliest deadline, if necessary. Return: 0 or -errno. */
MUST_USE int loop_timers_arm(struct loop *loop);
/* The timerfd is readable: calls the timers that are due. */
void loop_timers_expire(struct loop *loop);

/* loop_remote.c */

/* Makes the eventfd. Return: 0 or -errno. */
MUST_USE int loop_remotes_init(struct loop *loop);
/* The eventfd is readable: makes the calls that threads asked for. */
void loop_remotes_call(struct loop *loop);

#endif /* UTIL_LOOP_PRIV_H */
