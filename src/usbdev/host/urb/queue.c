/* SPDX-License-Identifier: MIT
 * queue.c - the transfers of one endpoint and stream, in order
 */
#include "usbdev/host/urb/queue.h"

#include "usbdev/host/urb/work.h"
#include "util/clock.h"

void urb_queue_init(struct urb_queue *queue, struct urbs *urbs, struct urb_work *work,
		    uint32_t *leftover_total, uint8_t ep_addr, uint16_t stream_id)
{
	*queue = (struct urb_queue){
		.work = work,
		.urbs = urbs,
		.ep_addr = ep_addr,
		.stream_id = stream_id,
	};
	list_init(&queue->node);
	list_init(&queue->work_node);
	list_init(&queue->transfers);
	urb_leftover_init(&queue->leftover, leftover_total);
}

void urb_queue_wake(struct urb_queue *queue)
{
	urb_work_add(queue->work, &queue->work_node);
}

void urb_queue_wake_if_used(struct urb_queue *queue)
{
	if (!list_empty(&queue->transfers))
		urb_queue_wake(queue);
}

void urb_queue_wait_for_memory(struct urb_queue *queue)
{
	queue->waits_for_memory = true;
	if (queue->no_memory_since_ns == 0)
		queue->no_memory_since_ns = clock_now_ns();
	urb_work_arm_timer(queue->work);
}

void urb_queue_retry_memory(struct urb_queue *queue)
{
	if (queue->waits_for_memory)
		urb_queue_wake(queue);
	queue->waits_for_memory = false;
}

void urb_queue_forget(struct urb_queue *queue)
{
	urb_leftover_forget(&queue->leftover);
}
