/* SPDX-License-Identifier: MIT
 * fuzz_xhci.c - a hostile guest: registers, memory and device results as the input says
 *
 * The guest has 64 KiB of memory at address 0, so that small numbers are good
 * pointers. It starts with a device addressed and configured (bulk OUT, bulk IN,
 * interrupt IN), rings at fixed places, and TDs on them. The input is a program
 * of short operations. Whatever it does: no crash, no endless run, no transfer
 * that completes twice or never.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem/guest_mem.h"
#include "usbdev/usbdev.h"
#include "util/bytes.h"
#include "util/log.h"
#include "util/loop.h"
#include "xhci/spec.h"
#include "xhci/trb.h"
#include "xhci/xhci.h"

#define RAM_BYTES   0x10000u
#define DCBAA       0x1000u
#define COMMANDS    0x2000u
#define ERST        0x3000u
#define EVENTS      0x4000u
#define INPUT       0x5000u
#define OUTPUT      0x6000u
#define RING(dci)   (0x7000u + (dci)*0x400u)
#define BUFFERS     0xc000u
#define RUNS_PER_OP 16u
#define OPS_MAX     2000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
	struct loop *loop;
	struct guest_mem *mem;
	struct xhci *xhci;
	struct usbdev dev;
	struct list held;
	unsigned resets;
	unsigned port;
	bool plugged;
	bool kicked;
	uint64_t now_ns;
	uint8_t ram[RAM_BYTES];
	const uint8_t *data;
	size_t left;
};

static uint64_t take(struct fuzz *f, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes && f->left > 0; i++, f->left--)
		value |= (uint64_t)*f->data++ << (8 * i);
	return value;
}

static uint64_t on_now(void *ctx)
{
	return ((struct fuzz *)ctx)->now_ns;
}

static void on_wake_at(void *ctx, uint64_t at_ns)
{
	(void)ctx;
	(void)at_ns;
}

static void on_kick(void *ctx)
{
	((struct fuzz *)ctx)->kicked = true;
}

static void on_interrupt(void *ctx, unsigned vector)
{
	(void)ctx;
	assert(vector < XHCI_INTERRUPTERS);
}

static struct fuzz *fuzz_of(struct usbdev *dev)
{
	return CONTAINER_OF(dev, struct fuzz, dev);
}

static void dev_submit(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	list_append(&fuzz_of(dev)->held, &transfer->node);
}

static void dev_cancel(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	(void)dev;
	(void)transfer; /* stays held: completes when the input says so */
}

static void dev_reset(struct usbdev *dev)
{
	fuzz_of(dev)->resets++;
}

static void dev_destroy(struct usbdev *dev)
{
	usbdev_finish(dev);
}

static const struct usbdev_ops dev_ops = {
	.name = "fuzz",
	.submit = dev_submit,
	.cancel = dev_cancel,
	.reset = dev_reset,
	.destroy = dev_destroy,
};

static void run(struct fuzz *f)
{
	for (unsigned n = 0; f->kicked && n < RUNS_PER_OP; n++) {
		f->kicked = false;
		xhci_run(f->xhci);
		if (loop_turn(f->loop, false) < 0)
			abort();
	}
}

static void complete_one(struct fuzz *f, unsigned which, unsigned status, uint32_t actual)
{
	struct usbdev_transfer *transfer;
	struct list *node = list_first(&f->held);
	uint8_t bytes[64] = {0};
	uint32_t len;

	for (; node && which > 0 && node->next != &f->held; which--)
		node = node->next;
	if (!node)
		return;
	transfer = LIST_ENTRY(node, struct usbdev_transfer, node);
	len = MIN_OF(transfer->length_bytes, (uint32_t)sizeof(bytes));
	if (usbdev_transfer_is_in(transfer))
		(void)(usbdev_transfer_write(transfer, transfer->length_bytes - len,
					     bytes, len) == 0);
	else
		(void)(usbdev_transfer_read(transfer, transfer->length_bytes - len, bytes,
					    len) == 0);
	list_remove(node);
	usbdev_complete(&f->dev, transfer, (enum usbdev_status)(status % 7),
			MIN_OF(actual, transfer->length_bytes));
}

static void put_trb(struct fuzz *f, uint32_t at, uint64_t parameter, uint32_t status,
		    uint32_t control)
{
	struct xhci_trb trb = {parameter, status, control | XHCI_TRB_C};

	xhci_trb_put(f->ram + at, &trb);
}

static void put_endpoint(struct fuzz *f, unsigned dci, enum xhci_ep_type type)
{
	uint8_t *ctx = f->ram + INPUT + (1 + dci) * 32;

	put_le32(ctx + 4, 512u << 16 | (uint32_t)type << 3);
	put_le64(ctx + 8, RING(dci) | 1);
}

static void plug(struct fuzz *f)
{
	struct err err;
	int port = xhci_attach(f->xhci, &f->dev, 0, &err);

	f->plugged = port > 0;
	f->port = port > 0 ? (unsigned)port : 0;
}

/* A guest that has come as far as using its device. */
static void prepare(struct fuzz *f)
{
	static const uint32_t commands[] = {
		XHCI_TRB_TYPE_ENABLE_SLOT << 10,
		XHCI_TRB_TYPE_ADDRESS_DEVICE << 10 | 1u << 24,
		XHCI_TRB_TYPE_CONFIGURE_ENDPOINT << 10 | 1u << 24,
	};
	uint8_t *slot = f->ram + INPUT + 32;

	put_le64(f->ram + DCBAA + 8, OUTPUT);
	put_le64(f->ram + ERST, EVENTS);
	put_le32(f->ram + ERST + 8, 32);
	put_le32(slot, 31u << 27);
	put_le32(slot + 4, f->port << 16);
	put_endpoint(f, 1, XHCI_EP_TYPE_CONTROL);
	put_endpoint(f, 2, XHCI_EP_TYPE_BULK_OUT);
	put_endpoint(f, 3, XHCI_EP_TYPE_BULK_IN);
	put_endpoint(f, 5, XHCI_EP_TYPE_INTERRUPT_IN);
	put_trb(f, RING(1), UINT64_C(0x0040000001000680), 8,
		XHCI_TRB_TYPE_SETUP << 10 | XHCI_TRB_IDT);
	put_trb(f, RING(1) + 16, BUFFERS, 64, XHCI_TRB_TYPE_DATA << 10 | XHCI_TRB_ISP);
	put_trb(f, RING(1) + 32, 0, 0, XHCI_TRB_TYPE_STATUS << 10 | XHCI_TRB_IOC);
	for (unsigned dci = 2; dci <= 5; dci++)
		for (unsigned i = 0; i < 20; i++)
			put_trb(f, RING(dci) + 16 * i, BUFFERS + 64 * i, 64,
				XHCI_TRB_TYPE_NORMAL << 10 |
					(i % 3 ? XHCI_TRB_IOC
					       : XHCI_TRB_CH | XHCI_TRB_ISP));

	xhci_mmio_write(f->xhci, XHCI_OFF_OPER + XHCI_OP_CONFIG, 8, 4);
	xhci_mmio_write(f->xhci, XHCI_OFF_OPER + XHCI_OP_DCBAAP_LO, DCBAA, 8);
	xhci_mmio_write(f->xhci, XHCI_OFF_OPER + XHCI_OP_CRCR_LO, COMMANDS | 1, 8);
	xhci_mmio_write(f->xhci, XHCI_OFF_INTR + XHCI_INTR_ERSTSZ, 1, 4);
	xhci_mmio_write(f->xhci, XHCI_OFF_INTR + XHCI_INTR_ERDP_LO, EVENTS, 8);
	xhci_mmio_write(f->xhci, XHCI_OFF_INTR + XHCI_INTR_ERSTBA_LO, ERST, 8);
	xhci_mmio_write(f->xhci, XHCI_OFF_OPER + XHCI_OP_USBCMD, 5, 4);
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		put_le32(f->ram + INPUT + 4, i == 1 ? 3 : 1 | BIT(2) | BIT(3) | BIT(5));
		put_trb(f, COMMANDS + 16 * i, INPUT, 0, commands[i]);
		xhci_mmio_write(f->xhci, XHCI_OFF_DOORBELLS, 0, 4);
		run(f);
	}
	assert(get_le32(f->ram + OUTPUT + 12) >> 27 == XHCI_SLOT_STATE_CONFIGURED);
}

static void write_register(struct fuzz *f)
{
	static const uint32_t spots[] = {XHCI_OFF_OPER,    XHCI_OFF_OPER + 0x400,
					 XHCI_OFF_INTR,    XHCI_OFF_DOORBELLS,
					 XHCI_OFF_RUNTIME, 0};
	uint32_t offset = spots[take(f, 1) % ARRAY_SIZE(spots)] + (uint32_t)take(f, 1);
	unsigned size = 1u << take(f, 1) % 4;

	xhci_mmio_write(f->xhci, offset, take(f, size), size);
}

static void write_memory(struct fuzz *f)
{
	uint32_t at = (uint32_t)take(f, 2);
	uint32_t len = 1 + (uint32_t)take(f, 1) % 32;

	for (uint32_t i = 0; i < len && at + i < RAM_BYTES; i++)
		f->ram[at + i] = (uint8_t)take(f, 1);
}

/* A TRB with plausible fields, where the rings are. */
static void write_trb(struct fuzz *f)
{
	static const uint32_t rings[] = {COMMANDS, RING(1), RING(2),
					 RING(3),  RING(5), ERST};
	uint32_t at =
		rings[take(f, 1) % ARRAY_SIZE(rings)] + 16 * (uint32_t)(take(f, 1) % 32);
	uint64_t parameter = take(f, 2);
	uint32_t status = (uint32_t)take(f, 3);
	uint32_t control = (uint32_t)take(f, 4);
	struct xhci_trb trb = {parameter, status, control};

	xhci_trb_put(f->ram + at, &trb);
}

static void map(struct fuzz *f, bool mapped)
{
	if (!mapped)
		guest_mem_unmap_all(f->mem);
	else if (guest_mem_count(f->mem) == 0 &&
		 guest_mem_map_bytes(f->mem, 0, f->ram, RAM_BYTES, 3) < 0)
		abort();
	xhci_memory_changed(f->xhci);
}

static void unplug(struct fuzz *f)
{
	if (f->plugged && xhci_detach(f->xhci, f->port, NULL, NULL) < 0)
		abort();
	f->plugged = false;
}

static void operate(struct fuzz *f)
{
	switch (take(f, 1) % 14) {
	case 0:
	case 1:
		write_register(f);
		break;
	case 2:
		write_memory(f);
		break;
	case 3:
	case 4:
		write_trb(f);
		break;
	case 5:
	case 6:
		xhci_mmio_write(f->xhci,
				XHCI_OFF_DOORBELLS + 4 * (uint32_t)(take(f, 1) % 3),
				take(f, 1) % 8, 4);
		break;
	case 7:
	case 8:
		complete_one(f, (unsigned)take(f, 1), (unsigned)take(f, 1),
			     (uint32_t)take(f, 2));
		break;
	case 9:
		f->now_ns += take(f, 4);
		f->kicked = true;
		break;
	case 10:
		if (f->plugged)
			unplug(f);
		else if (!f->dev.events && f->dev.in_flight == 0)
			plug(f);
		break;
	case 11:
		map(f, take(f, 1) & 1);
		break;
	case 12:
		xhci_set_bus_master(f->xhci, take(f, 1) & 3);
		break;
	default:
		if (f->resets > 0) {
			f->resets--;
			usbdev_reset_done(&f->dev, (take(f, 1) & 3) ? 0 : -5);
		}
		break;
	}
	run(f);
}

static void end(struct fuzz *f)
{
	map(f, true);
	xhci_set_bus_master(f->xhci, true);
	unplug(f);
	xhci_reset(f->xhci);
	while (!list_empty(&f->held))
		complete_one(f, 0, USBDEV_STATUS_CANCELLED, 0);
	for (; f->resets > 0; f->resets--)
		usbdev_reset_done(&f->dev, -5);
	f->kicked = true;
	run(f);
	assert(xhci_idle(f->xhci));
	xhci_destroy(f->xhci);
	guest_mem_destroy(f->mem);
	usbdev_destroy(&f->dev, NULL, NULL);
	loop_destroy(f->loop);
	free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz *f = calloc(1, sizeof(*f));
	struct xhci_env env = {f, on_now, on_wake_at, on_kick, on_interrupt};

	if (!f)
		return 0;
	log_init(LOG_LEVEL_ERROR, false);
	f->data = data;
	f->left = size;
	f->now_ns = 1;
	list_init(&f->held);
	f->loop = loop_create();
	f->mem = guest_mem_create();
	f->xhci = f->mem ? xhci_create(&env, f->mem, 2) : NULL;
	if (!f->loop || !f->xhci)
		abort();
	if (usbdev_init(&f->dev, &dev_ops, f->loop, USBDEV_SPEED_SUPER, "fuzz") < 0)
		abort();
	map(f, true);
	xhci_set_bus_master(f->xhci, true);
	plug(f);
	prepare(f);
	for (unsigned n = 0; f->left > 0 && n < OPS_MAX; n++)
		operate(f);
	end(f);
	return 0;
}
