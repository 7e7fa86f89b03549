/* SPDX-License-Identifier: MIT
 * work.h - when the loop looks at the queues of a device
 *
 * A queue with something to do is on a list, which a deferred task works through. A
 * queue that waits for memory of the kernel is tried again when a timer fires.
 */
#ifndef USBDEV_HOST_URB_WORK_H
#define USBDEV_HOST_URB_WORK_H

#include <stdbool.h>

#include "util/compiler.h"
#include "util/list.h"
#include "util/loop.h"

/* Delay before a retry after -ENOMEM, unless one of our URBs comes back earlier. */
#define URB_MEMORY_WAIT_NS 5000000u

/**
 * struct urb_work
 * @task:	works through @queues
 * @queues:	queues with something to do, by their work_node
 * @memory_timer: one shot, for queues that wait for memory; @timer_armed: it will fire
 * @on_memory_timer: called when it has fired, with the task's ctx
 */
struct urb_work {
	struct loop *loop;
	struct loop_task task;
	struct list queues;
	struct loop_timer *memory_timer;
	bool timer_armed;
	loop_cb *on_memory_timer;
};

/* Return: 0, or -ENOMEM; urb_work_finish() is fine after both. */
MUST_USE int urb_work_init(struct urb_work *work, struct loop *loop, loop_cb *on_task,
			   loop_cb *on_memory_timer, void *ctx);
void urb_work_finish(struct urb_work *work);
/* Runs the task soon. */
void urb_work_defer(struct urb_work *work);
/* Puts a queue, by its work_node, on the list and runs the task soon. */
void urb_work_add(struct urb_work *work, struct list *work_node);
/* Calls on_memory_timer after URB_MEMORY_WAIT_NS; a timer that is armed stays as it is. */
void urb_work_arm_timer(struct urb_work *work);

#endif /* USBDEV_HOST_URB_WORK_H */
