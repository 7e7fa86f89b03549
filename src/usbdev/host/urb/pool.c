/* SPDX-License-Identifier: MIT
 * pool.c - URBs, and the memory for them and their data
 */
#include "usbdev/host/urb/pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "util/loop.h"

static const char *const state_names[] = {
	[URB_STATE_NEW] = "NEW",
	[URB_STATE_SUBMITTED] = "SUBMITTED",
	[URB_STATE_BACK] = "BACK",
	[URB_STATE_DONE] = "DONE",
	[URB_STATE_CONTINUES] = "CONTINUES",
};

void urb_trace_state(const struct urb *urb, enum urb_state state)
{
	log_trace("URB of endpoint 0x%02x: %s -> %s", urb->usb.endpoint,
		  state_names[urb->state], state_names[state]);
}

static void arm_trim_timer(struct urb_pool *pool)
{
	if (pool->trim_armed || !urb_buffers_has_mapped_spares(&pool->buffers))
		return;
	pool->trim_armed = true;
	loop_timer_set(pool->trim_timer, URB_TRIM_NS);
}

static void on_trim_timer(void *ctx)
{
	struct urb_pool *pool = ctx;

	pool->trim_armed = false;
	urb_buffers_trim(&pool->buffers);
	arm_trim_timer(pool);
}

int urb_pool_init(struct urb_pool *pool, struct loop *loop, int map_fd)
{
	*pool = (struct urb_pool){0};
	urb_buffers_init(&pool->buffers, map_fd);
	pool->trim_timer = loop_timer_create(loop, on_trim_timer, pool);
	return pool->trim_timer ? 0 : -ENOMEM;
}

void urb_pool_finish(struct urb_pool *pool)
{
	loop_timer_destroy(pool->trim_timer);
	urb_buffers_finish(&pool->buffers);
}

void urb_pool_free_urbs(struct urb_pool *pool)
{
	while (pool->spare) {
		struct urb *urb = pool->spare;

		pool->spare = urb->next;
		free(urb);
	}
}

struct urb *urb_get(struct urb_pool *pool, struct urb_queue *queue)
{
	size_t bytes = sizeof(struct urb) +
		       URB_PACKETS_MAX * sizeof(struct usbdevfs_iso_packet_desc);
	struct urb *urb = pool->spare;

	if (urb) {
		pool->spare = urb->next;
		pool->spare_count--;
	} else {
		urb = malloc(bytes);
		if (!urb)
			return NULL;
	}
	memset(urb, 0, sizeof(*urb));
	list_init(&urb->node);
	list_init(&urb->slot_node);
	urb->queue = queue;
	return urb;
}

void urb_put(struct urb_pool *pool, struct urb *urb)
{
	assert(list_empty(&urb->node));
	urb_buffer_put(&pool->buffers, urb->buffer);
	arm_trim_timer(pool);
	if (pool->spare_count == URB_SPARE_MAX) {
		free(urb);
		return;
	}
	urb->next = pool->spare;
	pool->spare = urb;
	pool->spare_count++;
}
