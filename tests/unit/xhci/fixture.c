/* SPDX-License-Identifier: MIT
 * fixture.c - see fixture.h
 */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"

#define RUNS_MAX 10000u /* a controller that needs more runs never becomes idle */

static uint64_t on_now_ns(void *ctx)
{
	return ((struct fixture *)ctx)->now_ns;
}

static void on_wake_at(void *ctx, uint64_t at_ns)
{
	((struct fixture *)ctx)->wake_at_ns = at_ns;
}

static void on_kick(void *ctx)
{
	((struct fixture *)ctx)->kicked = true;
}

static void on_interrupt(void *ctx, unsigned vector)
{
	assert_true(vector < XHCI_INTERRUPTERS);
	((struct fixture *)ctx)->interrupts[vector]++;
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct xhci_env env = {
		.ctx = f,
		.now_ns = on_now_ns,
		.wake_at = on_wake_at,
		.kick = on_kick,
		.interrupt = on_interrupt,
	};
	const unsigned prot = GUEST_MEM_READ | GUEST_MEM_WRITE;

	assert_non_null(f);
	f->now_ns = 1000000000;
	f->low = calloc(1, FIXTURE_MEM_BYTES);
	f->high = calloc(1, FIXTURE_MEM_BYTES);
	f->loop = loop_create();
	f->mem = guest_mem_create();
	assert_non_null(f->loop);
	assert_non_null(f->mem);
	assert_int_equal(guest_mem_map_bytes(f->mem, FIXTURE_LOW_IOVA, f->low,
					     FIXTURE_MEM_BYTES, prot),
			 0);
	assert_int_equal(guest_mem_map_bytes(f->mem, FIXTURE_HIGH_IOVA, f->high,
					     FIXTURE_MEM_BYTES, prot),
			 0);
	f->xhci = xhci_create(&env, f->mem, FIXTURE_PORTS);
	assert_non_null(f->xhci);
	xhci_set_bus_master(f->xhci, true);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	xhci_destroy(f->xhci);
	guest_mem_destroy(f->mem);
	loop_destroy(f->loop);
	free(f->low);
	free(f->high);
	free(f);
	return 0;
}

void fixture_start(struct fixture *f)
{
	write32(f, OPER(CONFIG), XHCI_SLOTS);
	write64(f, OPER(DCBAAP_LO), FIXTURE_DCBAA_IOVA);
	write64(f, OPER(CRCR_LO), FIXTURE_COMMAND_IOVA | XHCI_CRCR_RCS);
	f->events = event_ring_setup(f, 0, FIXTURE_ERST_IOVA, FIXTURE_EVENTS_IOVA,
				     FIXTURE_EVENTS_TRBS);
	write32(f, OPER(USBCMD), XHCI_USBCMD_RS | XHCI_USBCMD_INTE);
	run_until_idle(f);
}

uint32_t read32(struct fixture *f, uint32_t offset)
{
	return (uint32_t)xhci_mmio_read(f->xhci, offset, 4);
}

void write32(struct fixture *f, uint32_t offset, uint32_t value)
{
	xhci_mmio_write(f->xhci, offset, value, 4);
}

void write64(struct fixture *f, uint32_t offset, uint64_t value)
{
	xhci_mmio_write(f->xhci, offset, value, 8);
}

void run_until_idle(struct fixture *f)
{
	unsigned runs = 0;

	do {
		if (f->kicked) {
			f->kicked = false;
			xhci_run(f->xhci);
			f->runs++;
		}
		assert_int_equal(loop_turn(f->loop, false), 0);
		assert_true(++runs < RUNS_MAX);
	} while (f->kicked);
}

void advance_ns(struct fixture *f, uint64_t ns)
{
	f->now_ns += ns;
	if (f->wake_at_ns != 0 && f->now_ns >= f->wake_at_ns) {
		f->wake_at_ns = 0;
		f->kicked = true;
	}
	run_until_idle(f);
}

void *guest(struct fixture *f, uint64_t iova)
{
	if (iova >= FIXTURE_HIGH_IOVA) {
		assert_true(iova - FIXTURE_HIGH_IOVA < FIXTURE_MEM_BYTES);
		return f->high + (iova - FIXTURE_HIGH_IOVA);
	}
	assert_true(iova >= FIXTURE_LOW_IOVA);
	assert_true(iova - FIXTURE_LOW_IOVA < FIXTURE_MEM_BYTES);
	return f->low + (iova - FIXTURE_LOW_IOVA);
}

void guest_put_trb(struct fixture *f, uint64_t iova, const struct xhci_trb *trb)
{
	xhci_trb_put(guest(f, iova), trb);
}

struct xhci_trb guest_get_trb(struct fixture *f, uint64_t iova)
{
	const uint8_t *raw = guest(f, iova);

	return (struct xhci_trb){
		.parameter = get_le64(raw),
		.status = get_le32(raw + 8),
		.control = get_le32(raw + 12),
	};
}

void guest_put_erst(struct fixture *f, uint64_t erst_iova, unsigned index, uint64_t base,
		    uint32_t trbs)
{
	uint8_t *entry = guest(f, erst_iova + index * 16u);

	put_le64(entry, base);
	put_le32(entry + 8, trbs);
	put_le32(entry + 12, 0);
}

struct event_reader event_ring_setup(struct fixture *f, unsigned number,
				     uint64_t erst_iova, uint64_t ring_iova,
				     uint32_t trbs)
{
	guest_put_erst(f, erst_iova, 0, ring_iova, trbs);
	write32(f, INTR(number, ERSTSZ), 1);
	write64(f, INTR(number, ERDP_LO), ring_iova);
	write64(f, INTR(number, ERSTBA_LO), erst_iova);
	write32(f, INTR(number, IMOD), 0);
	write32(f, INTR(number, IMAN), XHCI_IMAN_IE);
	return (struct event_reader){
		.interrupter = number,
		.ring_iova = ring_iova,
		.trbs = trbs,
		.cycle = true,
	};
}

bool event_next(struct fixture *f, struct event_reader *reader, struct xhci_trb *trb)
{
	*trb = guest_get_trb(f, reader->ring_iova + reader->index * XHCI_TRB_SIZE);
	if (((trb->control & XHCI_TRB_C) != 0) != reader->cycle)
		return false;
	if (++reader->index == reader->trbs) {
		reader->index = 0;
		reader->cycle = !reader->cycle;
	}
	return true;
}

void event_handled(struct fixture *f, const struct event_reader *reader)
{
	uint64_t erdp = reader->ring_iova + reader->index * XHCI_TRB_SIZE;

	write64(f, INTR(reader->interrupter, ERDP_LO), erdp | XHCI_ERDP_EHB);
	run_until_idle(f);
}

void events_skip(struct fixture *f)
{
	struct xhci_trb trb;

	run_until_idle(f);
	while (event_next(f, &f->events, &trb))
		event_handled(f, &f->events);
}

struct xhci_trb expect_event(struct fixture *f, enum xhci_trb_type type)
{
	struct xhci_trb trb;

	run_until_idle(f);
	assert_true(event_next(f, &f->events, &trb));
	assert_int_equal(xhci_trb_type(&trb), type);
	event_handled(f, &f->events);
	return trb;
}

void expect_no_event(struct fixture *f)
{
	struct xhci_trb trb;

	run_until_idle(f);
	assert_false(event_next(f, &f->events, &trb));
}

static struct fake_dev *fake_of(struct usbdev *dev)
{
	return CONTAINER_OF(dev, struct fake_dev, dev);
}

static void fake_submit(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	struct fake_dev *fake = fake_of(dev);

	fake->submits++;
	list_append(&fake->submitted, &transfer->node);
}

static void fake_cancel(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	struct fake_dev *fake = fake_of(dev);

	fake->cancels++;
	if (!fake->hold_cancelled)
		usbdev_complete_soon(dev, transfer, USBDEV_STATUS_CANCELLED, 0);
}

static void fake_endpoint_reset(struct usbdev *dev, uint8_t ep_addr)
{
	struct fake_dev *fake = fake_of(dev);

	fake->endpoint_resets++;
	fake->last_endpoint_reset = ep_addr;
}

static void fake_reset(struct usbdev *dev)
{
	struct fake_dev *fake = fake_of(dev);

	fake->resets++;
	fake->resets_pending++;
	while (!list_empty(&fake->submitted))
		usbdev_complete_soon(dev,
				     LIST_ENTRY(list_first(&fake->submitted),
						struct usbdev_transfer, node),
				     USBDEV_STATUS_CANCELLED, 0);
}

static void fake_suspend(struct usbdev *dev, bool suspended)
{
	struct fake_dev *fake = fake_of(dev);

	if (suspended)
		fake->suspends++;
	else
		fake->resumes++;
}

static void fake_streams(struct usbdev *dev, struct usbdev_streams *request)
{
	list_append(&fake_of(dev)->stream_requests, &request->node);
}

static void fake_destroy(struct usbdev *dev)
{
	usbdev_finish(dev);
}

static const struct usbdev_ops fake_ops = {
	.name = "fake",
	.submit = fake_submit,
	.cancel = fake_cancel,
	.endpoint_reset = fake_endpoint_reset,
	.reset = fake_reset,
	.suspend = fake_suspend,
	.destroy = fake_destroy,
};

static const struct usbdev_ops fake_ops_streams = {
	.name = "fake",
	.submit = fake_submit,
	.cancel = fake_cancel,
	.endpoint_reset = fake_endpoint_reset,
	.reset = fake_reset,
	.suspend = fake_suspend,
	.streams = fake_streams,
	.destroy = fake_destroy,
};

void fake_dev_init(struct fake_dev *fake, struct fixture *f, enum usbdev_speed speed)
{
	memset(fake, 0, sizeof(*fake));
	list_init(&fake->submitted);
	list_init(&fake->stream_requests);
	assert_int_equal(usbdev_init(&fake->dev, &fake_ops, f->loop, speed, "fake"), 0);
}

struct usbdev_transfer *fake_dev_first(struct fake_dev *fake, uint8_t ep_addr)
{
	struct list *node;

	LIST_FOREACH(node, &fake->submitted) {
		struct usbdev_transfer *transfer =
			LIST_ENTRY(node, struct usbdev_transfer, node);

		if (transfer->ep_addr == ep_addr)
			return transfer;
	}
	return NULL;
}

unsigned fake_dev_count(struct fake_dev *fake, uint8_t ep_addr)
{
	struct list *node;
	unsigned count = 0;

	LIST_FOREACH(node, &fake->submitted)
		if (LIST_ENTRY(node, struct usbdev_transfer, node)->ep_addr == ep_addr)
			count++;
	return count;
}

void fake_dev_complete(struct fake_dev *fake, struct usbdev_transfer *transfer,
		       enum usbdev_status status, uint32_t actual_bytes)
{
	usbdev_complete(&fake->dev, transfer, status, actual_bytes);
}

void fake_dev_reset_done(struct fake_dev *fake, int result)
{
	assert_true(fake->resets_pending > 0);
	fake->resets_pending--;
	usbdev_reset_done(&fake->dev, result);
}

void fake_dev_with_streams(struct fake_dev *fake)
{
	fake->dev.ops = &fake_ops_streams;
}

struct usbdev_streams *fake_dev_streams(struct fake_dev *fake)
{
	struct list *node = list_first(&fake->stream_requests);

	return node ? LIST_ENTRY(node, struct usbdev_streams, node) : NULL;
}

void fake_dev_streams_done(struct fake_dev *fake, int result)
{
	assert_non_null(fake_dev_streams(fake));
	usbdev_streams_done(fake_dev_streams(fake), result);
}

unsigned fake_dev_plug(struct fake_dev *fake, struct fixture *f)
{
	struct err err;
	int port = xhci_attach(f->xhci, &fake->dev, 0, &err);

	assert_true(port > 0);
	return (unsigned)port;
}

void fake_dev_unplug(struct fake_dev *fake, struct fixture *f, unsigned port)
{
	fake->hold_cancelled = false;
	assert_int_equal(xhci_detach(f->xhci, port, fake_dev_released, NULL), 0);
	while (fake->resets_pending > 0)
		fake_dev_reset_done(fake, -ENODEV);
	while (fake_dev_streams(fake))
		fake_dev_streams_done(fake, -ENODEV);
	while (!list_empty(&fake->submitted))
		usbdev_complete(&fake->dev,
				LIST_ENTRY(list_first(&fake->submitted),
					   struct usbdev_transfer, node),
				USBDEV_STATUS_GONE, 0);
	run_until_idle(f);
	assert_true(fake->released);
	usbdev_destroy(&fake->dev, NULL, NULL);
}

void fake_dev_released(void *ctx, struct usbdev *dev)
{
	(void)ctx;
	fake_of(dev)->released = true;
}
