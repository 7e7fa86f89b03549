/* SPDX-License-Identifier: MIT
 * work.c - when the loop looks at the queues of a device
 */
#include "usbdev/host/urb/work.h"

#include <errno.h>

static void on_timer(void *ctx)
{
	struct urb_work *work = ctx;

	work->timer_armed = false;
	work->on_memory_timer(work->task.ctx);
}

int urb_work_init(struct urb_work *work, struct loop *loop, loop_cb *on_task,
		  loop_cb *on_memory_timer, void *ctx)
{
	*work = (struct urb_work){
		.loop = loop,
		.task = {.cb = on_task, .ctx = ctx},
		.on_memory_timer = on_memory_timer,
	};
	list_init(&work->queues);
	work->memory_timer = loop_timer_create(loop, on_timer, work);
	return work->memory_timer ? 0 : -ENOMEM;
}

void urb_work_finish(struct urb_work *work)
{
	loop_timer_destroy(work->memory_timer);
	loop_undefer(work->loop, &work->task);
}

void urb_work_defer(struct urb_work *work)
{
	loop_defer(work->loop, &work->task);
}

void urb_work_add(struct urb_work *work, struct list *work_node)
{
	if (list_empty(work_node))
		list_append(&work->queues, work_node);
	urb_work_defer(work);
}

void urb_work_arm_timer(struct urb_work *work)
{
	if (work->timer_armed)
		return;
	work->timer_armed = true;
	loop_timer_set(work->memory_timer, URB_MEMORY_WAIT_NS);
}
