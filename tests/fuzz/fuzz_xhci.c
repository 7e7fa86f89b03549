/* SPDX-License-Identifier: MIT
 * fuzz_xhci.c - a hostile guest: the input chooses registers, memory and device results
 *
 * The guest has 64 KiB of memory at address 0, so that small numbers are good pointers. It starts
 * with an addressed and configured device (bulk OUT, bulk IN, interrupt IN, isochronous OUT), rings
 * at fixed places, and TDs on them. Two more bulk endpoints have streams: one has a linear array,
 * one has secondary arrays. The input is a program of short operations. Whatever it does, there
 * must be no crash, no endless run, and no transfer that completes twice or never.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mem/guest_mem.h"
#include "usbdev/usbdev.h"
#include "util/bytes.h"
#include "util/loop.h"
#include "xhci/spec.h"
#include "xhci/trb.h"
#include "xhci/xhci.h"

#define RAM_BYTES       0x10000u
#define DCBAA           0x1000u
#define COMMANDS        0x2000u
#define ERST            0x3000u
#define EVENTS          0x4000u
#define INPUT           0x5000u
#define OUTPUT          0x6000u
#define RING(dci)       (0x7000u + (dci)*0x400u)
#define BUFFERS         0xc000u
#define ISOCH_DCI       4u
#define LINEAR_DCI      6u
#define TREE_DCI        7u
#define LINEAR          0x9000u /* stream context arrays */
#define TREE            0x9100u
#define TREE_SECOND     0x9200u
#define STREAM_RING(id) (0xa000u + (id) % 8u * 0x200u)
#define RUNS_PER_OP     16u
#define OPS_MAX         2000u

struct fuzz {
	struct loop *loop;
	struct guest_mem *mem;
	struct xhci *xhci;
	struct usbdev dev;
	struct list held;
	struct list stream_requests;
	unsigned resets;
	unsigned port;
	bool plugged;
	bool kicked;
	uint64_t now_ns;
	unsigned command_index; /* place of the next command on its ring */
	uint8_t ram[RAM_BYTES];
	struct input *in;
};

static uint64_t take(struct fuzz *f, unsigned bytes)
{
	return take_uint(f->in, bytes);
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
	(void)transfer; /* stays in @held until the input completes it */
}

static void dev_reset(struct usbdev *dev)
{
	fuzz_of(dev)->resets++;
}

static void dev_streams(struct usbdev *dev, struct usbdev_streams *request)
{
	assert(request->ep_count > 0);
	list_append(&fuzz_of(dev)->stream_requests, &request->node);
}

/* Answers the first request for streams. */
static void answer_streams(struct fuzz *f, int result)
{
	struct list *node = list_first(&f->stream_requests);

	if (node)
		usbdev_streams_done(LIST_ENTRY(node, struct usbdev_streams, node),
				    result);
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
	.streams = dev_streams,
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

/* TDs of one and two TRBs, some for as soon as possible, some for a given frame. */
static void put_isoch(struct fuzz *f)
{
	put_endpoint(f, ISOCH_DCI, XHCI_EP_TYPE_ISOCH_OUT);
	for (unsigned i = 0; i < 20; i++)
		put_trb(f, RING(ISOCH_DCI) + 16 * i, BUFFERS + 64 * i, 64,
			i % 4 == 3 ? XHCI_TRB_TYPE_NORMAL << 10 | XHCI_TRB_IOC
				   : XHCI_TRB_TYPE_ISOCH << 10 |
					     (i % 4 == 2 ? XHCI_TRB_CH : XHCI_TRB_IOC) |
					     (i % 3 ? XHCI_TRB_SIA : 50u * i << 20));
}

static void put_streams(struct fuzz *f)
{
	uint8_t *linear = f->ram + INPUT + (1 + LINEAR_DCI) * 32;
	uint8_t *tree = f->ram + INPUT + (1 + TREE_DCI) * 32;

	put_endpoint(f, LINEAR_DCI, XHCI_EP_TYPE_BULK_OUT);
	put_endpoint(f, TREE_DCI, XHCI_EP_TYPE_BULK_IN);
	put_le32(linear, 2u << 10 | 1u << 15); /* 8 entries */
	put_le64(linear + 8, LINEAR);
	put_le32(tree, 1u << 10); /* 4 entries */
	put_le64(tree + 8, TREE);
	for (unsigned id = 1; id < 8; id++)
		put_le64(f->ram + LINEAR + 16 * id,
			 STREAM_RING(id) | XHCI_SCT_PRIMARY_RING << 1 | 1);
	put_le64(f->ram + TREE + 16, TREE_SECOND | XHCI_SCT_SSA_8 << 1);
	put_le64(f->ram + TREE + 32, STREAM_RING(2) | XHCI_SCT_PRIMARY_RING << 1 | 1);
	put_le64(f->ram + TREE + 48, TREE_SECOND | XHCI_SCT_SSA_256 << 1);
	for (unsigned i = 0; i < 8; i++)
		put_le64(f->ram + TREE_SECOND + 16 * i,
			 STREAM_RING(i) | XHCI_SCT_SECONDARY_RING << 1 | 1);
	for (unsigned id = 0; id < 8; id++)
		for (unsigned i = 0; i < 8; i++)
			put_trb(f, STREAM_RING(id) + 16 * i, BUFFERS + 64 * i, 64,
				XHCI_TRB_TYPE_NORMAL << 10 | XHCI_TRB_IOC);
}

static void plug(struct fuzz *f)
{
	struct err err;
	int port = xhci_attach(f->xhci, &f->dev, 0, &err);

	f->plugged = port > 0;
	f->port = port > 0 ? (unsigned)port : 0;
}

/* Brings the guest to the point where it uses its device. */
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
	put_streams(f);
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

	put_isoch(f);

	xhci_mmio_write(f->xhci, XHCI_OFF_OPER + XHCI_OP_CONFIG, 8, 4);
	xhci_mmio_write(f->xhci, XHCI_OFF_OPER + XHCI_OP_DCBAAP_LO, DCBAA, 8);
	xhci_mmio_write(f->xhci, XHCI_OFF_OPER + XHCI_OP_CRCR_LO, COMMANDS | 1, 8);
	xhci_mmio_write(f->xhci, XHCI_OFF_INTR + XHCI_INTR_ERSTSZ, 1, 4);
	xhci_mmio_write(f->xhci, XHCI_OFF_INTR + XHCI_INTR_ERDP_LO, EVENTS, 8);
	xhci_mmio_write(f->xhci, XHCI_OFF_INTR + XHCI_INTR_ERSTBA_LO, ERST, 8);
	xhci_mmio_write(f->xhci, XHCI_OFF_OPER + XHCI_OP_USBCMD, 5, 4);
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		put_le32(f->ram + INPUT + 4,
			 i == 1 ? 3
				: 1 | BIT(2) | BIT(3) | BIT(5) | BIT(ISOCH_DCI) |
					  BIT(LINEAR_DCI) | BIT(TREE_DCI));
		put_trb(f, COMMANDS + 16 * i, INPUT, 0, commands[i]);
		f->command_index++;
		xhci_mmio_write(f->xhci, XHCI_OFF_DOORBELLS, 0, 4);
		run(f);
		answer_streams(f, 0);
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

/* Writes a TRB with plausible fields to a ring. */
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

/* Rings a doorbell with a Stream ID, or puts a command with one. */
static void use_stream(struct fuzz *f)
{
	static const uint32_t types[] = {
		XHCI_TRB_TYPE_SET_TR_DEQUEUE, XHCI_TRB_TYPE_STOP_ENDPOINT,
		XHCI_TRB_TYPE_RESET_ENDPOINT, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT};
	unsigned what = (unsigned)take(f, 1);
	uint32_t dci = what & 1 ? LINEAR_DCI : TREE_DCI;
	uint32_t id = (uint32_t)take(f, 1 + (what >> 1 & 1));
	uint64_t at = f->command_index++ % 32;
	uint32_t type = types[what >> 3 & 3];

	if (what & 4) {
		xhci_mmio_write(f->xhci, XHCI_OFF_DOORBELLS + 4, dci | id << 16, 4);
		return;
	}
	put_trb(f, COMMANDS + 16 * (uint32_t)at,
		type == XHCI_TRB_TYPE_CONFIGURE_ENDPOINT
			? INPUT
			: STREAM_RING(id) | (take(f, 1) & 15),
		id << 16, type << 10 | dci << 16 | 1u << 24);
	xhci_mmio_write(f->xhci, XHCI_OFF_DOORBELLS, 0, 4);
}

static void operate(struct fuzz *f)
{
	switch (take(f, 1) % 17) {
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
		else if (!f->dev.events && f->dev.in_flight == 0 &&
			 list_empty(&f->stream_requests))
			plug(f);
		break;
	case 11:
		map(f, take(f, 1) & 1);
		break;
	case 12:
		xhci_set_bus_master(f->xhci, take(f, 1) & 3);
		break;
	case 13:
		answer_streams(f, (take(f, 1) & 3) ? 0 : -5);
		break;
	case 14:
	case 15:
		use_stream(f);
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
	while (!list_empty(&f->stream_requests))
		answer_streams(f, 0);
	f->kicked = true;
	run(f);
	assert(xhci_idle(f->xhci));
	xhci_destroy(f->xhci);
	guest_mem_destroy(f->mem);
	usbdev_destroy(&f->dev, NULL, NULL);
	loop_destroy(f->loop);
	free(f);
}

void fuzz_set_up(void)
{
}

void fuzz_one(struct input *in)
{
	struct fuzz *f = calloc(1, sizeof(*f));
	struct xhci_env env = {f, on_now, on_wake_at, on_kick, on_interrupt};

	CHECK(f);
	f->in = in;
	f->now_ns = 1;
	list_init(&f->held);
	list_init(&f->stream_requests);
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
	for (unsigned n = 0; in->left > 0 && n < OPS_MAX; n++)
		operate(f);
	end(f);
}
