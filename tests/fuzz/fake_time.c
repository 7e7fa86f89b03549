/* SPDX-License-Identifier: MIT
 * fake_time.c - a clock and timers that replace those of the loop
 */
#include "fake_time.h"

#include "fuzz.h"
#include "util/list.h"
#include "util/loop.h"

struct loop_timer {
	struct list node;
	loop_cb *cb;
	void *ctx;
	uint64_t at_ns; /* 0 = stopped */
};

static const uint64_t *now; /* NULL before the first input */
static struct list timers;

uint64_t __wrap_clock_now_ns(void);
struct loop_timer *__wrap_loop_timer_create(struct loop *loop, loop_cb *cb, void *ctx);
void __wrap_loop_timer_set(struct loop_timer *timer, uint64_t delay_ns);
void __wrap_loop_timer_stop(struct loop_timer *timer);
void __wrap_loop_timer_destroy(struct loop_timer *timer);

uint64_t __wrap_clock_now_ns(void)
{
	return now ? *now : 1;
}

struct loop_timer *__wrap_loop_timer_create(struct loop *loop, loop_cb *cb, void *ctx)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));

	(void)loop;
	CHECK(timer);
	timer->cb = cb;
	timer->ctx = ctx;
	list_append(&timers, &timer->node);
	return timer;
}

void __wrap_loop_timer_set(struct loop_timer *timer, uint64_t delay_ns)
{
	timer->at_ns = *now + delay_ns + 1;
}

void __wrap_loop_timer_stop(struct loop_timer *timer)
{
	timer->at_ns = 0;
}

void __wrap_loop_timer_destroy(struct loop_timer *timer)
{
	if (timer)
		list_remove(&timer->node);
	free(timer);
}

void fake_time_run(void)
{
	struct list due;

	list_init(&due);
	for (struct list *node = timers.next; node != &timers;) {
		struct loop_timer *timer = LIST_ENTRY(node, struct loop_timer, node);

		node = node->next;
		if (timer->at_ns == 0 || timer->at_ns > *now)
			continue;
		list_remove(&timer->node);
		list_append(&due, &timer->node);
	}
	while (!list_empty(&due)) {
		struct loop_timer *timer =
			LIST_ENTRY(list_first(&due), struct loop_timer, node);

		list_remove(&timer->node);
		list_append(&timers, &timer->node);
		timer->at_ns = 0;
		timer->cb(timer->ctx);
	}
}

void fake_time_set_up(const uint64_t *now_ns)
{
	now = now_ns;
	list_init(&timers);
}

bool fake_time_is_idle(void)
{
	return list_empty(&timers);
}
