/* SPDX-License-Identifier: MIT
 * queue.h - the transfers of one endpoint and stream, in order
 */
#ifndef USBDEV_HOST_URB_QUEUE_H
#define USBDEV_HOST_URB_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/host/urb/leftover.h"
#include "util/list.h"

struct urb_work;
struct urbs;

/* With the kernel for one endpoint and stream, unless it is a single URB. */
#define URB_QUEUE_BYTES_MAX (4u << 20)

/**
 * struct urb_queue
 * @node:	see struct urb_queues, if of a stream
 * @work_node:	see struct urb_work
 * @urbs:	the device
 * @transfers:	those not completed, in the order submitted
 * @waiting:	number of them that wait, see transfer.h
 * @with_kernel, @kernel_bytes: URBs not reaped, and their data
 * @draining:	the first transfer has failed, or left data behind. Before it completes, the
 *		URBs behind it are unlinked
 * @waits_for_memory: the kernel had none
 * @no_memory_since_ns: since when no URB could be submitted, 0 = there was memory
 * @leftover:	goes to the next transfers before the kernel is asked for anything. So while
 *		there is some, no transfer has an URB, unless @draining
 */
struct urb_queue {
	struct list node;
	struct list work_node;
	struct urb_work *work;
	struct urbs *urbs;
	uint8_t ep_addr;
	uint16_t stream_id;
	struct list transfers;
	unsigned waiting;
	unsigned with_kernel;
	uint32_t kernel_bytes;
	bool draining;
	bool waits_for_memory;
	uint64_t no_memory_since_ns;
	struct urb_leftover leftover;
};

/* @leftover_total: see struct urb_leftover. */
void urb_queue_init(struct urb_queue *queue, struct urbs *urbs, struct urb_work *work,
		    uint32_t *leftover_total, uint8_t ep_addr, uint16_t stream_id);
/* Has the task look at it soon. */
void urb_queue_wake(struct urb_queue *queue);
/* The same if it has transfers. */
void urb_queue_wake_if_used(struct urb_queue *queue);
/* The kernel has no memory: tries again soon. */
void urb_queue_wait_for_memory(struct urb_queue *queue);
/* There may be memory: wakes it if it waits for that. */
void urb_queue_retry_memory(struct urb_queue *queue);
/* Drops its leftover data. */
void urb_queue_forget(struct urb_queue *queue);

#endif /* USBDEV_HOST_URB_QUEUE_H */
