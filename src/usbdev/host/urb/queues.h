/* SPDX-License-Identifier: MIT
 * queues.h - all queues of a device: one for each endpoint, and for each stream in use
 */
#ifndef USBDEV_HOST_URB_QUEUES_H
#define USBDEV_HOST_URB_QUEUES_H

#include <stdint.h>

#include "usbdev/host/urb/queue.h"
#include "util/list.h"

struct usbdev_transfer;

/* Endpoint numbers 0 to 15, OUT and IN. */
#define URB_ENDPOINTS 32u
/* Queues of streams that stay although they are empty. */
#define URB_STREAMS_SPARE_MAX 256u

/**
 * struct urb_queues
 * @by_endpoint: for transfers without a stream: OUT endpoints first, then IN
 * @lost:	transfers of streams for whose queue there was no memory; they fail
 * @streams:	queues of streams, by their node; @stream_count: how many
 * @leftover_bytes: of all queues
 */
struct urb_queues {
	struct urb_queue by_endpoint[URB_ENDPOINTS];
	struct urb_queue lost;
	struct list streams;
	unsigned stream_count;
	uint32_t leftover_bytes;
};

void urb_queues_init(struct urb_queues *queues, struct urbs *urbs, struct urb_work *work);
/* Frees those of streams. */
void urb_queues_finish(struct urb_queues *queues);
/* The queue of @transfer, made if there is none. NULL without memory for it, or while @lost has
 * any. */
struct urb_queue *urb_queues_get(struct urb_queues *queues,
				 const struct usbdev_transfer *transfer);
/* Calls @each for every queue but @lost; it may free the queue. */
void urb_queues_each(struct urb_queues *queues, void (*each)(struct urb_queue *queue));
/* Drops the leftover data of an endpoint, of all its streams. */
void urb_queues_forget(struct urb_queues *queues, uint8_t ep_addr);
/* Frees @queue if it is an empty one of a stream and there are many. */
void urb_queues_release(struct urb_queues *queues, struct urb_queue *queue);

#endif /* USBDEV_HOST_URB_QUEUES_H */
