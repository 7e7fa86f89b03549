/* SPDX-License-Identifier: MIT
 * pool.h - URBs, and the memory for them and their data
 *
 * An URB carries a piece of a transfer, or several isochronous transfers. Its life:
 *
 *   NEW       -- submitted --------------------------------> SUBMITTED
 *   SUBMITTED -- reaped -----------------------------------> BACK
 *   BACK      -- data delivered ---------------------------> DONE
 *   BACK      -- data delivered, and more is to follow ----> CONTINUES
 *
 * DONE: its transfer completes with @status. CONTINUES: its transfer goes on with the next
 * piece. Both may have to wait until the URBs behind them are back.
 */
#ifndef USBDEV_HOST_URB_POOL_H
#define USBDEV_HOST_URB_POOL_H

#include <linux/usbdevice_fs.h>
#include <stdbool.h>
#include <stdint.h>

#include "usbdev/host/urb/buffer.h"
#include "usbdev/usbdev.h"
#include "util/compiler.h"
#include "util/list.h"
#include "util/log.h"

struct urb_queue;

/* Isochronous packets, and so transfers, of one URB. */
#define URB_PACKETS_MAX 32u
/* URBs kept for the next transfers. */
#define URB_SPARE_MAX 128u
/* Interval between checks for unused mapped buffers. */
#define URB_TRIM_NS 50000000u

enum urb_state {
	URB_STATE_NEW,
	URB_STATE_SUBMITTED,
	URB_STATE_BACK,
	URB_STATE_DONE,
	URB_STATE_CONTINUES,
};

enum urb_unlink {
	URB_UNLINK_NONE,
	URB_UNLINK_WANTED, /* the next unlink job takes it */
	URB_UNLINK_ASKED,  /* a job has it or had it */
};

/**
 * struct urb
 * @next:	of the spare ones, or of an unlink job
 * @node, @slot_node: see struct urb_in_flight
 * @buffer:	holds IN data to come or OUT data; NULL if there is no data, or if the
 *		kernel has copied it
 * @length_bytes: of the data
 * @is_last:	no further piece of the transfer follows
 * @status:	see above
 * @usb:	the kernel's; the packets follow it
 */
struct urb {
	struct urb *next;
	struct list node;
	struct list slot_node;
	struct urb_queue *queue;
	struct usbdev_transfer *transfers[URB_PACKETS_MAX];
	unsigned count;
	struct urb_buffer *buffer;
	uint32_t length_bytes;
	bool is_last;
	enum urb_state state;
	enum urb_unlink unlink;
	enum usbdev_status status;
	struct usbdevfs_urb usb;
};

/* The kernel has given @urb back. */
static inline bool urb_is_back(const struct urb *urb)
{
	return urb->state > URB_STATE_SUBMITTED;
}

/* Logs that @urb goes to @state. */
void urb_trace_state(const struct urb *urb, enum urb_state state);

/* Takes @urb to @state. */
static inline void urb_set_state(struct urb *urb, enum urb_state state)
{
	if (log_enabled(LOG_LEVEL_TRACE))
		urb_trace_state(urb, state);
	urb->state = state;
}

/**
 * struct urb_pool - spare URBs and buffers of one device
 * @trim_timer:	armed while mapped buffers lie spare
 */
struct urb_pool {
	struct urb *spare;
	unsigned spare_count;
	struct urb_buffers buffers;
	struct loop_timer *trim_timer;
	bool trim_armed;
};

/* @map_fd: usbfs, borrowed, to map buffers from, or -1. Return: 0, or -ENOMEM; both finishers
 * are fine after both. */
MUST_USE int urb_pool_init(struct urb_pool *pool, struct loop *loop, int map_fd);
/* Stops the timer and frees the buffers, which must all be back: before usbfs is closed. */
void urb_pool_finish(struct urb_pool *pool);
/* Frees the spare URBs, when no more will be put. */
void urb_pool_free_urbs(struct urb_pool *pool);

/* Returns a cleared URB for @queue, owned, or NULL without memory. */
struct urb *urb_get(struct urb_pool *pool, struct urb_queue *queue);
/* Takes @urb and its buffer. */
void urb_put(struct urb_pool *pool, struct urb *urb);

#endif /* USBDEV_HOST_URB_POOL_H */
