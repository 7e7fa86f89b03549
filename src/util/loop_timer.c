/* SPDX-License-Identifier: MIT
 * loop_timer.c - one-shot timers on one timerfd
 *
 * The loop sets the timerfd at most once per turn, just before it waits, and only if the earliest
 * deadline moved forward or the last one fired. (libevent's own precise timers set theirs in every
 * turn, one more system call for every message.) Stopping or postponing a timer leaves the timerfd
 * alone: it fires once for nothing, and the loop then sets it to the right deadline.
 */
#include <errno.h>
#include <sys/timerfd.h>

#include "util/loop_priv.h"

#define NS_PER_S UINT64_C(1000000000)

/* Values of @armed_ns: the timerfd is not set and holds no expiry; it holds an unread expiry. */
#define NOT_ARMED UINT64_MAX
#define HAS_FIRED 0

struct loop_timer {
	struct grave grave;
	struct loop *loop;
	struct list node;
	uint64_t deadline_ns;
	loop_cb *cb;
	void *ctx;
};

int loop_timers_init(struct loop *loop)
{
	list_init(&loop->timers);
	list_init(&loop->expired);
	loop->armed_ns = NOT_ARMED;
	loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	return loop->timer_fd < 0 ? -errno : 0;
}

int loop_timers_arm(struct loop *loop)
{
	struct itimerspec spec = {0};
	struct list *first = list_first(&loop->timers);
	uint64_t deadline_ns = NOT_ARMED;

	if (first)
		deadline_ns = LIST_ENTRY(first, struct loop_timer, node)->deadline_ns;
	if (loop->armed_ns != HAS_FIRED && deadline_ns >= loop->armed_ns)
		return 0;
	if (first) {
		spec.it_value.tv_sec = (time_t)(deadline_ns / NS_PER_S);
		spec.it_value.tv_nsec = (long)(deadline_ns % NS_PER_S);
	}
	/* This also clears an unread expiry. */
	if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
		return -errno;
	loop->armed_ns = deadline_ns;
	return 0;
}

void loop_timers_expire(struct loop *loop)
{
	uint64_t now_ns = clock_now_ns();
	struct list *node;

	loop->armed_ns = HAS_FIRED;
	/* First collect: a callback that sets its timer to 0 must not keep us here. */
	while ((node = list_first(&loop->timers)) != NULL) {
		if (LIST_ENTRY(node, struct loop_timer, node)->deadline_ns > now_ns)
			break;
		list_remove(node);
		list_append(&loop->expired, node);
	}
	while ((node = list_first(&loop->expired)) != NULL) {
		struct loop_timer *timer = LIST_ENTRY(node, struct loop_timer, node);

		list_remove(node);
		timer->cb(timer->ctx);
	}
}

struct loop_timer *loop_timer_create(struct loop *loop, loop_cb *cb, void *ctx)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return NULL;
	timer->loop = loop;
	timer->cb = cb;
	timer->ctx = ctx;
	list_init(&timer->node);
	loop->live++;
	return timer;
}

void loop_timer_set(struct loop_timer *timer, uint64_t delay_ns)
{
	struct list *timers = &timer->loop->timers;
	uint64_t now_ns = clock_now_ns();
	struct list *before;

	list_remove(&timer->node);
	/* INT64_MAX ns: three hundred years, and still a valid time_t */
	timer->deadline_ns = INT64_MAX;
	if (delay_ns < INT64_MAX - now_ns)
		timer->deadline_ns = now_ns + delay_ns;

	/* Most new deadlines are the latest: search from the end. */
	before = timers->prev;
	while (before != timers &&
	       LIST_ENTRY(before, struct loop_timer, node)->deadline_ns >
		       timer->deadline_ns)
		before = before->prev;
	list_append(before->next, &timer->node);
}

void loop_timer_stop(struct loop_timer *timer)
{
	list_remove(&timer->node);
}

void loop_timer_destroy(struct loop_timer *timer)
{
	if (!timer)
		return;
	list_remove(&timer->node);
	loop_bury(timer->loop, &timer->grave, NULL);
}
