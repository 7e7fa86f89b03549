/* SPDX-License-Identifier: MIT
 * drv_events.c - the test driver: events, interrupts, ports
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/lib/xhci_drv.h"

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void enqueue(struct drv *drv, const struct drv_trb *trb, unsigned interrupter)
{
	unsigned at = (drv->queue_head + drv->queue_count) % DRV_EVENTS_MAX;

	if (drv->queue_count == DRV_EVENTS_MAX) {
		(void)fprintf(stderr, "the test driver's event queue is full\n");
		abort();
	}
	drv->queue[at] = (struct drv_event){.trb = *trb, .interrupter = interrupter};
	drv->queue_count++;
}

unsigned drv_collect(struct drv *drv, unsigned interrupter)
{
	struct drv_event_ring *ring = &drv->events[interrupter];
	struct drv_trb trb;
	unsigned count = 0;

	drv_op_write(drv, XOP_USBSTS, XSTS_EINT);
	if (drv->options.irq == DRV_IRQ_POLLED)
		drv_write32(drv, drv_ir(drv, interrupter, XIR_IMAN), XIMAN_IP | XIMAN_IE);
	while (drv_event_ring_pop(ring, &trb)) {
		enqueue(drv, &trb, interrupter);
		count++;
	}
	if (!drv->options.keep_pending)
		drv_write64(drv, drv_ir(drv, interrupter, XIR_ERDP),
			    drv_event_ring_erdp(ring) | XERDP_EHB);
	return count;
}

static bool take(struct drv *drv, drv_match *match, const void *ctx,
		 struct drv_event *ret_event)
{
	for (unsigned i = 0; i < drv->queue_count; i++) {
		struct drv_event *at =
			&drv->queue[(drv->queue_head + i) % DRV_EVENTS_MAX];

		if (match && !match(at, ctx))
			continue;
		*ret_event = *at;
		/* close the gap: move the earlier ones up by one */
		for (unsigned j = i; j > 0; j--)
			drv->queue[(drv->queue_head + j) % DRV_EVENTS_MAX] =
				drv->queue[(drv->queue_head + j - 1) % DRV_EVENTS_MAX];
		drv->queue_head = (drv->queue_head + 1) % DRV_EVENTS_MAX;
		drv->queue_count--;
		return true;
	}
	return false;
}

/* Without interrupts, poll the rings as firmware does, sleeping for a millisecond in
 * between. */
static int wait_polled(struct drv *drv, uint64_t deadline)
{
	unsigned count = 0;

	for (unsigned i = 0; i < drv->options.interrupters; i++)
		if (drv_event_ring_ready(&drv->events[i]))
			count += drv_collect(drv, i);
	if (count > 0)
		return 0;
	if (now_ms() >= deadline)
		return -ETIMEDOUT;
	(void)poll(NULL, 0, 1);
	return 0;
}

static int wait_irqs(struct drv *drv, uint64_t deadline)
{
	struct pollfd p[DRV_INTERRUPTERS_MAX];
	unsigned n = drv->options.irq == DRV_IRQ_MSI ? 1 : drv->options.interrupters;
	uint64_t now = now_ms();
	int r;

	for (unsigned i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = drv->vmm->irq_fds[i], .events = POLLIN};
	r = poll(p, n, now >= deadline ? 0 : (int)(deadline - now));
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	if (r == 0)
		return now_ms() >= deadline ? -ETIMEDOUT : 0;
	for (unsigned i = 0; i < n; i++) {
		uint64_t count;

		if (!p[i].revents ||
		    read(p[i].fd, &count, sizeof(count)) != sizeof(count))
			continue;
		drv->signals[i] += count;
		/* one MSI vector serves all interrupters */
		if (drv->options.irq != DRV_IRQ_MSI)
			(void)drv_collect(drv, i);
		for (unsigned j = 0;
		     drv->options.irq == DRV_IRQ_MSI && j < drv->options.interrupters;
		     j++)
			(void)drv_collect(drv, j);
	}
	return 0;
}

int drv_wait(struct drv *drv, drv_match *match, const void *ctx,
	     struct drv_event *ret_event, int timeout_ms)
{
	uint64_t deadline = now_ms() + (uint64_t)timeout_ms;

	for (;;) {
		int r;

		if (drv->error != 0)
			return drv->error;
		if (take(drv, match, ctx, ret_event))
			return 0;
		r = drv->options.irq == DRV_IRQ_POLLED ? wait_polled(drv, deadline)
						       : wait_irqs(drv, deadline);
		if (r < 0)
			return r;
	}
}

struct transfer_match {
	unsigned slot_id, dci;
	uint64_t trb;
};

static bool is_transfer(const struct drv_event *event, const void *ctx)
{
	const struct transfer_match *m = ctx;

	return drv_trb_type(&event->trb) == XTRB_TRANSFER_EVENT &&
	       drv_event_slot(event) == m->slot_id &&
	       (m->dci == 0 || drv_event_dci(event) == m->dci) &&
	       (m->trb == 0 || event->trb.parameter == m->trb);
}

int drv_wait_transfer(struct drv *drv, unsigned slot_id, unsigned dci, uint64_t trb,
		      struct drv_event *ret_event)
{
	struct transfer_match m = {.slot_id = slot_id, .dci = dci, .trb = trb};
	struct drv_event event;
	int r = drv_wait(drv, is_transfer, &m, &event, drv->timeout_ms);

	if (r < 0)
		return r;
	if (ret_event)
		*ret_event = event;
	return (int)drv_event_code(&event);
}

unsigned drv_pending(struct drv *drv, unsigned type)
{
	unsigned count = 0;

	for (unsigned i = 0; i < drv->options.interrupters; i++)
		if (drv_event_ring_ready(&drv->events[i]))
			(void)drv_collect(drv, i);
	for (unsigned i = 0; i < drv->queue_count; i++) {
		const struct drv_event *at =
			&drv->queue[(drv->queue_head + i) % DRV_EVENTS_MAX];

		count += type == 0 || drv_trb_type(&at->trb) == type;
	}
	return count;
}

void drv_forget(struct drv *drv)
{
	drv->queue_head = 0;
	drv->queue_count = 0;
}

uint32_t drv_portsc_offset(const struct drv *drv, unsigned port)
{
	return drv->op + XOP_PORTS + 0x10 * (port - 1);
}

uint32_t drv_portsc(struct drv *drv, unsigned port)
{
	return drv_read32(drv, drv_portsc_offset(drv, port));
}

void drv_port_set(struct drv *drv, unsigned port, uint32_t set)
{
	drv_write32(drv, drv_portsc_offset(drv, port),
		    (drv_portsc(drv, port) & XPORT_KEEP) | set);
}

void drv_port_clear(struct drv *drv, unsigned port, uint32_t changes)
{
	drv_port_set(drv, port, changes & XPORT_CHANGES);
}

void drv_port_link(struct drv *drv, unsigned port, enum xport_link state)
{
	drv_port_set(drv, port, XPORT_LWS | ((uint32_t)state << XPORT_PLS_SHIFT));
}

static bool is_port_change(const struct drv_event *event, const void *ctx)
{
	return drv_trb_type(&event->trb) == XTRB_PORT_STATUS_CHANGE &&
	       ((event->trb.parameter >> 24) & 0xff) == *(const unsigned *)ctx;
}

int drv_port_wait(struct drv *drv, unsigned port, uint32_t mask, uint32_t value)
{
	while ((drv_portsc(drv, port) & mask) != value) {
		struct drv_event event;
		int r = drv_wait(drv, is_port_change, &port, &event, drv->timeout_ms);

		if (r < 0)
			return r;
	}
	return drv->error;
}

int drv_port_reset(struct drv *drv, unsigned port, bool warm)
{
	uint32_t done = warm ? XPORT_WRC : XPORT_PRC;
	int r;

	drv_port_clear(drv, port, XPORT_CHANGES);
	drv_port_set(drv, port, warm ? XPORT_WPR : XPORT_PR);
	r = drv_port_wait(drv, port, done | XPORT_PR, done);
	if (r < 0)
		return r;
	drv_port_clear(drv, port, XPORT_CHANGES);
	return (drv_portsc(drv, port) & XPORT_PED) ? 0 : -ENODEV;
}

static bool is_any_port_change(const struct drv_event *event, const void *ctx)
{
	(void)ctx;
	return drv_trb_type(&event->trb) == XTRB_PORT_STATUS_CHANGE;
}

int drv_port_connected(struct drv *drv, unsigned from)
{
	for (;;) {
		struct drv_event event;
		int r;

		for (unsigned port = from; port <= drv->max_ports; port++)
			if (drv_portsc(drv, port) & XPORT_CCS)
				return drv->error ? drv->error : (int)port;
		r = drv_wait(drv, is_any_port_change, NULL, &event, drv->timeout_ms);
		if (r < 0)
			return r;
	}
}
