/* SPDX-License-Identifier: MIT
 * queues.c - all queues of a device: one for each endpoint, and for each stream in use
 */
#include "usbdev/host/urb/queues.h"

#include <stdlib.h>

#include "usbdev/usbdev.h"

void urb_queues_init(struct urb_queues *queues, struct urbs *urbs, struct urb_work *work)
{
	for (unsigned i = 0; i < URB_ENDPOINTS; i++)
		urb_queue_init(&queues->by_endpoint[i], urbs, work,
			       &queues->leftover_bytes,
			       (uint8_t)(i < 16 ? i : USBDEV_DIR_IN | (i - 16)), 0);
	urb_queue_init(&queues->lost, urbs, work, &queues->leftover_bytes, 0, 0);
	list_init(&queues->streams);
	queues->stream_count = 0;
	queues->leftover_bytes = 0;
}

void urb_queues_finish(struct urb_queues *queues)
{
	struct list *node, *next;

	LIST_FOREACH_SAFE(node, next, &queues->streams)
		free(LIST_ENTRY(node, struct urb_queue, node));
}

/* Endpoint 0 is one, whatever its direction bit says. */
static struct urb_queue *without_stream(struct urb_queues *queues, uint8_t ep_addr)
{
	unsigned number = ep_addr & 0xf;
	bool in = number > 0 && (ep_addr & USBDEV_DIR_IN);

	return &queues->by_endpoint[number + (in ? 16 : 0)];
}

struct urb_queue *urb_queues_get(struct urb_queues *queues,
				 const struct usbdev_transfer *transfer)
{
	struct urb_queue *queue;
	struct list *node;

	if (transfer->stream_id == 0)
		return without_stream(queues, transfer->ep_addr);
	LIST_FOREACH(node, &queues->streams) {
		queue = LIST_ENTRY(node, struct urb_queue, node);
		if (queue->ep_addr == transfer->ep_addr &&
		    queue->stream_id == transfer->stream_id)
			return queue;
	}
	/* a lost transfer may be of this stream: the next must not complete before it */
	queue = list_empty(&queues->lost.transfers) ? calloc(1, sizeof(*queue)) : NULL;
	if (!queue)
		return NULL;
	urb_queue_init(queue, queues->lost.urbs, queues->lost.work,
		       &queues->leftover_bytes, transfer->ep_addr, transfer->stream_id);
	list_append(&queues->streams, &queue->node);
	queues->stream_count++;
	return queue;
}

void urb_queues_each(struct urb_queues *queues, void (*each)(struct urb_queue *queue))
{
	struct list *node, *next;

	for (unsigned i = 0; i < URB_ENDPOINTS; i++)
		each(&queues->by_endpoint[i]);
	LIST_FOREACH_SAFE(node, next, &queues->streams)
		each(LIST_ENTRY(node, struct urb_queue, node));
}

void urb_queues_forget(struct urb_queues *queues, uint8_t ep_addr)
{
	struct list *node;

	urb_queue_forget(without_stream(queues, ep_addr));
	LIST_FOREACH(node, &queues->streams) {
		struct urb_queue *queue = LIST_ENTRY(node, struct urb_queue, node);

		if (queue->ep_addr == ep_addr)
			urb_queue_forget(queue);
	}
}

void urb_queues_release(struct urb_queues *queues, struct urb_queue *queue)
{
	if (queue->stream_id == 0 || queues->stream_count <= URB_STREAMS_SPARE_MAX ||
	    !list_empty(&queue->transfers) || queue->with_kernel > 0 ||
	    !urb_leftover_empty(&queue->leftover))
		return;
	list_remove(&queue->node);
	list_remove(&queue->work_node);
	queues->stream_count--;
	free(queue);
}
