/* SPDX-License-Identifier: MIT
 * fuzz_xhci_state.c - a hostile guest, VMM and devices, with a controller in full use
 *
 * It begins with several devices in use (state.h): fakes at all speeds, streams, isochronous
 * endpoints, and if the first record asks for them a stick, a keyboard, a source and sink. Each
 * further record is an operation. Most are operations of a driver, with an argument that may be
 * wrong. The guest may also write in the middle of a run: where a record says, so that a replay
 * repeats it, or from a second thread.
 *
 * Besides the sanitizers' checks, the target checks that the work of a run is bounded, that a
 * device completes each transfer once, that no slot, endpoint, TD, TRB or stream is left at the
 * end, and that a guest can then start again and use a device.
 */
#include <string.h>
#include <unistd.h>

#include "records.h"
#include "state.h"
#include "usbdev/keyboard/keyboard.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define OPS_MAX    400u
#define TD_TRB_MAX 12u
/* Endless rings use up their share of each run. With sanitizers this limit takes 30 ms. */
#define ACCESSES_MAX 20000u

/* the first record */
#define WITH_STICK     BIT(0) /* op */
#define WITH_KEYBOARD  BIT(1)
#define WITH_ZERO      BIT(2)
#define WITH_MORE      BIT(3)
#define HAS_CONSUMER   BIT(0) /* a */
#define FAKES_ANSWER   BIT(1)
#define CANCEL_AT_ONCE BIT(2)
#define WITH_RACE      BIT(3)
#define WITH_TDS       BIT(4)

static struct world world;

/* ---- arguments of records ---- */

static struct place *place_of(struct world *w, uint8_t n)
{
	return &w->places[n % DEVICES];
}

/* Mostly a slot in use. */
static unsigned slot_of(struct world *w, uint8_t n)
{
	unsigned slot_id = place_of(w, n)->slot_id;

	return n < 0xe0 && slot_id != 0 ? slot_id : n % (XHCI_SLOTS + 2);
}

/* Mostly an endpoint that the device in place @device has; @n chooses. */
static unsigned dci_of(struct world *w, uint8_t device, uint8_t n)
{
	const uint8_t *dcis;
	unsigned count = place_dcis(place_of(w, device), &dcis);
	unsigned which = n % (count + 1);

	if (n >= 0xe0)
		return n % 32;
	return which == 0 ? 1 : dcis[which - 1];
}

static struct guest_ring *ring_of(struct world *w, unsigned slot_id, unsigned dci,
				  unsigned stream)
{
	if (slot_id == w->places[0].slot_id && (dci == LINEAR_DCI || dci == TREE_DCI))
		return &w->stream_rings[stream % STREAM_RINGS];
	return &w->rings[slot_id % (SLOTS_IN_USE + 1)][dci];
}

/* The Stream ID of the ring that ring_of() returns for it, or another one. */
static unsigned stream_of(unsigned dci, uint32_t arg)
{
	static const uint16_t tree[] = {1, 5, 9, 13, 2, 3, 7, 11, 15, 1023};

	if (dci == LINEAR_DCI)
		return arg % 9;
	if (dci == TREE_DCI)
		return tree[arg % ARRAY_SIZE(tree)];
	return 0;
}

/* An address in memory with a structure. */
static uint32_t spot_of(struct world *w, const struct record *r)
{
	unsigned slot = slot_of(w, r->a) % (SLOTS_IN_USE + 1);
	unsigned dci = dci_of(w, r->a, r->b);

	switch (r->c % 12) {
	case 0:
		return DCBAA + 8 * slot;
	case 1:
		return COMMANDS + 16 * (r->b % COMMANDS_TRBS);
	case 2:
		return ERST(r->a % INTERRUPTERS_IN_USE) + 4 * (r->b % 32);
	case 3:
		return EVENTS(r->a % INTERRUPTERS_IN_USE, 0) + 4 * r->b;
	case 4:
		return OUTPUT(slot) + 4 * (r->b % 64);
	case 5:
		return OUTPUT(slot) + 32 * dci + 4 * (r->b % 8);
	case 6:
		return INPUT(slot) + 4 * (r->b % 16);
	case 7:
		return INPUT(slot) + 32 * (1 + dci) + 4 * (r->b / 32);
	case 8:
		return RING(slot, dci) + 4 * (r->b % 128);
	case 9:
		return STREAM_ARRAY(r->a % 4) + 4 * (r->b % 64);
	case 10:
		return STREAM_RING(r->a % STREAM_RINGS) + 4 * (r->b % 128);
	default:
		return (r->a | (uint32_t)r->b << 8) * 4;
	}
}

static uint32_t buffer_of(uint32_t arg)
{
	if (arg & 1)
		return WINDOW + (arg * 0x3037 & 0xfffff);
	return BUFFERS + (arg & 0x3ffc0);
}

static void ring_doorbell(struct world *w, unsigned slot_id, unsigned dci,
			  unsigned stream)
{
	mmio_write32(w, XHCI_OFF_DOORBELLS + 4 * slot_id, dci | stream << 16);
}

/* ---- operations of the guest ---- */

enum td_kind {
	TD_NORMAL,
	TD_CHAIN,
	TD_CONTROL,
	TD_ISOCH,
	TD_NOOP,
	TD_EVENT_DATA,
	TD_LINKED,
	TD_LINK,
	TD_LOOP,
	TD_IMMEDIATE,
	TD_UNFINISHED,
	TD_CBW,
	TD_ANY,
	TD_MANY,
	TD_KINDS,
};

static void put_normal(struct world *w, struct guest_ring *ring, uint32_t length,
		       uint32_t flags)
{
	guest_put(w, ring, buffer_of(length), length & 0x1ffff,
		  xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL) | flags);
}

static void put_chain(struct world *w, struct guest_ring *ring, uint32_t arg,
		      uint32_t flags)
{
	unsigned n = 1 + (arg >> 24) % TD_TRB_MAX;

	while (--n > 0)
		put_normal(w, ring, arg & 0xfff, XHCI_TRB_CH | (flags & XHCI_TRB_ISP));
	put_normal(w, ring, arg & 0xfff, flags);
}

static void put_request(struct world *w, struct guest_ring *ring, uint32_t arg)
{
	static const uint64_t setups[] = {
		UINT64_C(0x0012000001000680), /* device descriptor */
		UINT64_C(0x00ff000002000680), /* configuration */
		UINT64_C(0x00ff040903010680), /* string */
		UINT64_C(0x0000000000010900), /* SET_CONFIGURATION */
		UINT64_C(0x0000000000000900),
		UINT64_C(0x0000000000020b01), /* INTERFACE */
		UINT64_C(0x0000000000010b01),
		UINT64_C(0x0000008100000102), /* CLEAR_HALT */
		UINT64_C(0x0000000200000102),
		UINT64_C(0x0001000000000ffea1),
		UINT64_C(0x000000000000ff21), /* BOT reset */
		UINT64_C(0x000800000000015b),
		UINT64_C(0x00080000000001a1), /* HID */
		UINT64_C(0x0001000002000921),
		UINT64_C(0x0040000000005b40), /* zero */
		UINT64_C(0x0040000000005cc0),
		UINT64_C(0x0002000000000080),
		UINT64_C(0x0000000000010300), /* remote wake-up */
	};
	uint64_t setup = setups[arg % ARRAY_SIZE(setups)];

	if (arg & 0x100)
		setup ^= (uint64_t)(arg >> 9) << (arg & 0x1f);
	guest_put_control(w, ring, setup, BUFFERS + (arg >> 16 & 0xffc0),
			  arg & 0x200 ? XHCI_TRB_ISP : 0);
}

static void put_isoch(struct world *w, struct guest_ring *ring, uint32_t arg,
		      uint32_t flags)
{
	uint32_t frame = mmio_read32(w, XHCI_OFF_RUNTIME) / 8 + (arg >> 24);

	guest_put(w, ring, buffer_of(arg), arg & 0xfff,
		  xhci_trb_type_bits(XHCI_TRB_TYPE_ISOCH) | flags |
			  (arg & 0x1000 ? (frame & 0x7ff) << 20 : XHCI_TRB_SIA) |
			  (arg & 0x2000 ? XHCI_TRB_CH : 0));
	if (arg & 0x2000)
		put_normal(w, ring, arg & 0xfff, flags);
}

/* Puts a Command Block Wrapper with a command that @arg chooses. */
static void put_cbw(struct world *w, struct guest_ring *ring, uint32_t arg)
{
	static const uint8_t commands[] = {0x00, 0x03, 0x12, 0x1a, 0x1b, 0x1e, 0x23,
					   0x25, 0x28, 0x2a, 0x2f, 0x35, 0x42, 0x5a,
					   0x88, 0x8a, 0x9e, 0xa0, 0xa8, 0xaa, 0x55};
	uint32_t at = BUFFERS + (arg >> 8 & 0xff) * 64;
	uint8_t *cbw = w->ram + at;

	memset(cbw, 0, 31);
	put_le32(cbw, 0x43425355);
	put_le32(cbw + 4, arg);
	put_le32(cbw + 8, arg >> 16 & 0x1fff);
	cbw[12] = arg & 0x80;
	cbw[14] = arg & 0x40 ? 10 : 16;
	cbw[15] = commands[(arg & 0x3f) % ARRAY_SIZE(commands)];
	cbw[20] = (uint8_t)(arg >> 24);
	cbw[19] = 4;
	cbw[23] = (uint8_t)(arg >> 16 & 15);
	guest_put(w, ring, at, 31,
		  xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL) | XHCI_TRB_IOC);
}

/* Puts a Link TRB to another place on the same ring, which may then have no end. */
static void put_link(struct world *w, struct guest_ring *ring, uint32_t arg)
{
	uint32_t flags = arg >> 24 & (XHCI_TRB_TC | XHCI_TRB_CH | XHCI_TRB_IOC);

	guest_put(w, ring, ring->iova + 16 * ((arg >> 13) % RING_TRBS), 0,
		  xhci_trb_type_bits(XHCI_TRB_TYPE_LINK) | flags);
}

/* Puts up to three TRBs and a Link back to the first one. */
static void put_loop(struct world *w, struct guest_ring *ring, uint32_t arg)
{
	static const uint32_t controls[] = {
		XHCI_TRB_TYPE_SETUP << 10 | XHCI_TRB_IDT,
		XHCI_TRB_TYPE_DATA << 10,
		XHCI_TRB_TYPE_STATUS << 10 | XHCI_TRB_IOC,
		XHCI_TRB_TYPE_NORMAL << 10 | XHCI_TRB_CH,
		XHCI_TRB_TYPE_NORMAL << 10 | XHCI_TRB_IOC,
		XHCI_TRB_TYPE_ISOCH << 10 | XHCI_TRB_CH | XHCI_TRB_SIA,
		XHCI_TRB_TYPE_EVENT_DATA << 10 | XHCI_TRB_CH,
		XHCI_TRB_TYPE_NOOP << 10,
	};
	unsigned n = 1 + (arg & 3) % 3;
	uint32_t first;

	if (ring->index + n >= ring->trbs)
		return;
	first = ring->iova + 16 * ring->index;
	for (unsigned i = 0; i < n; i++)
		guest_put(w, ring, UINT64_C(0x0000000000010900), 8,
			  controls[arg >> (2 + 3 * i) & 7]);
	guest_put(w, ring, first, 0,
		  xhci_trb_type_bits(XHCI_TRB_TYPE_LINK) |
			  (arg >> 24 & (XHCI_TRB_TC | XHCI_TRB_CH | XHCI_TRB_IOC)));
}

static void put_td(struct world *w, struct guest_ring *ring, unsigned dci, unsigned kind,
		   uint32_t arg, uint32_t flags)
{
	switch ((enum td_kind)kind) {
	case TD_NORMAL:
		put_normal(w, ring, arg, flags);
		break;
	case TD_CHAIN:
		put_chain(w, ring, arg, flags);
		break;
	case TD_CONTROL:
		put_request(w, ring, arg);
		break;
	case TD_ISOCH:
		put_isoch(w, ring, arg, flags);
		break;
	case TD_NOOP:
		guest_put(w, ring, 0, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP) | flags);
		break;
	case TD_EVENT_DATA:
		put_normal(w, ring, arg, XHCI_TRB_CH | flags);
		guest_put(w, ring, arg, 0,
			  xhci_trb_type_bits(XHCI_TRB_TYPE_EVENT_DATA) | XHCI_TRB_IOC);
		break;
	case TD_LINKED: /* the Link may lead back to the TD */
		put_normal(w, ring, arg & 0xfff,
			   (arg & 0x1000 ? XHCI_TRB_CH : 0) | flags);
		put_link(w, ring, arg);
		break;
	case TD_LINK:
		put_link(w, ring, arg);
		break;
	case TD_LOOP:
		put_loop(w, ring, arg);
		break;
	case TD_IMMEDIATE:
		guest_put(w, ring, arg, arg >> 24 & 15,
			  xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL) | XHCI_TRB_IDT |
				  flags);
		break;
	case TD_UNFINISHED:
		if (dci == 1)
			guest_put(w, ring, UINT64_C(0x0012000001000680), 8,
				  xhci_trb_type_bits(XHCI_TRB_TYPE_SETUP) | XHCI_TRB_IDT);
		else
			put_normal(w, ring, arg, XHCI_TRB_CH | flags);
		break;
	case TD_CBW:
		put_cbw(w, ring, arg);
		break;
	case TD_ANY:
		guest_put(w, ring, buffer_of(arg), arg & 0xffff,
			  xhci_trb_type_bits((enum xhci_trb_type)(arg >> 24 & 0x3f)) |
				  (arg >> 16 & 0x3ff));
		break;
	case TD_MANY:
	case TD_KINDS:
		for (unsigned i = 0; i < 20; i++)
			put_normal(w, ring, arg & 0xffff, flags);
		break;
	}
}

static void op_td(struct world *w, const struct record *r)
{
	unsigned slot_id = slot_of(w, r->a);
	unsigned dci = dci_of(w, r->a, r->b);
	unsigned stream = stream_of(dci, r->arg >> 4);
	uint32_t flags = (r->c & 0x10 ? 0 : XHCI_TRB_IOC) |
			 (r->c & 0x20 ? XHCI_TRB_ISP : 0) |
			 (r->c & 0x80 ? XHCI_TRB_BEI : 0);

	put_td(w, ring_of(w, slot_id, dci, stream), dci, (r->c & 15) % TD_KINDS, r->arg,
	       flags);
	if (!(r->c & 0x40))
		ring_doorbell(w, slot_id, dci, stream);
}

/* Makes a ring endless; every other time that of endpoint 0, where most can go wrong. */
static void op_loop(struct world *w, const struct record *r)
{
	unsigned slot_id = slot_of(w, r->a);
	unsigned dci = r->b & 1 ? dci_of(w, r->a, r->b >> 1) : 1;
	unsigned stream = stream_of(dci, r->c);

	put_loop(w, ring_of(w, slot_id, dci, stream), r->arg);
	ring_doorbell(w, slot_id, dci, stream);
}

/* Puts a TD that fits the endpoint. */
static void op_plain_td(struct world *w, const struct record *r)
{
	unsigned slot_id = slot_of(w, r->a);
	unsigned dci = dci_of(w, r->a, r->b);
	unsigned stream = stream_of(dci, r->c);
	struct guest_ring *ring = ring_of(w, slot_id, dci, stream);
	enum xhci_ep_type type = place_ep_type(place_of(w, r->a), dci);

	if (type == XHCI_EP_TYPE_CONTROL)
		put_request(w, ring, r->arg);
	else if (type == XHCI_EP_TYPE_ISOCH_IN || type == XHCI_EP_TYPE_ISOCH_OUT)
		put_isoch(w, ring, r->arg, XHCI_TRB_IOC);
	else
		put_chain(w, ring, r->arg, XHCI_TRB_IOC | XHCI_TRB_ISP);
	ring_doorbell(w, slot_id, dci, stream);
}

/* Reset Recovery (BOT 5.3.4); then resets both endpoints and moves their dequeue pointers. */
static void recover_stick(struct world *w, const struct place *place)
{
	struct guest_ring *rings = w->rings[place->slot_id];

	guest_put_control(w, &rings[1], UINT64_C(0x000000000000ff21), 0, 0);
	guest_put_control(w, &rings[1], UINT64_C(0x0000008100000102), 0, 0);
	guest_put_control(w, &rings[1], UINT64_C(0x0000000200000102), 0, 0);
	ring_doorbell(w, place->slot_id, 1, 0);
	world_run(w);
	for (unsigned dci = 3; dci <= 4; dci++) {
		uint32_t who = dci << XHCI_TRB_EP_SHIFT | place->slot_id
								  << XHCI_TRB_SLOT_SHIFT;

		(void)guest_command(w, XHCI_TRB_TYPE_STOP_ENDPOINT, 0, who);
		(void)guest_command(w, XHCI_TRB_TYPE_RESET_ENDPOINT, 0, who);
		(void)guest_command(w, XHCI_TRB_TYPE_SET_TR_DEQUEUE,
				    (rings[dci].iova + 16 * rings[dci].index) |
					    rings[dci].cycle,
				    who);
	}
}

/* Sends a whole command to a stick: wrapper, data, status. */
static void op_scsi(struct world *w, const struct record *r)
{
	uint32_t length = r->arg >> 16 & 0x1fff;
	const struct place *place = NULL;
	struct guest_ring *rings;

	for (unsigned i = 0; i < DEVICES; i++)
		if (w->places[i].kind == DEVICE_STICK && w->places[i].slot_id != 0)
			place = &w->places[i];
	if (!place)
		return;
	if (r->c & 2)
		recover_stick(w, place);
	rings = w->rings[place->slot_id];
	put_cbw(w, &rings[4], r->arg);
	if (length > 0)
		put_normal(w, &rings[r->arg & 0x80 ? 3 : 4], length, XHCI_TRB_IOC);
	if (!(r->c & 1))
		put_normal(w, &rings[3], 13, XHCI_TRB_IOC | XHCI_TRB_ISP);
	ring_doorbell(w, place->slot_id, 4, 0);
	ring_doorbell(w, place->slot_id, 3, 0);
}

static void op_doorbell(struct world *w, const struct record *r)
{
	unsigned slot_id = slot_of(w, r->a);
	unsigned dci = dci_of(w, r->a, r->b);

	ring_doorbell(w, slot_id, dci, r->c & 1 ? r->arg : stream_of(dci, r->arg));
}

static void op_all_doorbells(struct world *w, const struct record *r)
{
	for (unsigned dci = 1; dci < 10; dci++)
		ring_doorbell(w, slot_of(w, r->a), dci, stream_of(dci, r->arg));
}

/* Puts any command, with plausible parameters. */
static void op_command(struct world *w, const struct record *r)
{
	static const uint8_t types[] = {
		XHCI_TRB_TYPE_STOP_ENDPOINT,         XHCI_TRB_TYPE_SET_TR_DEQUEUE,
		XHCI_TRB_TYPE_RESET_ENDPOINT,        XHCI_TRB_TYPE_CONFIGURE_ENDPOINT,
		XHCI_TRB_TYPE_EVALUATE_CONTEXT,      XHCI_TRB_TYPE_RESET_DEVICE,
		XHCI_TRB_TYPE_DISABLE_SLOT,          XHCI_TRB_TYPE_ENABLE_SLOT,
		XHCI_TRB_TYPE_ADDRESS_DEVICE,        XHCI_TRB_TYPE_NOOP_COMMAND,
		XHCI_TRB_TYPE_FORCE_EVENT,           XHCI_TRB_TYPE_NEGOTIATE_BANDWIDTH,
		XHCI_TRB_TYPE_SET_LATENCY_TOLERANCE, XHCI_TRB_TYPE_GET_PORT_BANDWIDTH,
		XHCI_TRB_TYPE_FORCE_HEADER,          XHCI_TRB_TYPE_LINK,
	};
	enum xhci_trb_type type = (enum xhci_trb_type)types[(r->c & 15)];
	unsigned slot_id = slot_of(w, r->a);
	unsigned dci = dci_of(w, r->a, r->b);
	unsigned stream = stream_of(dci, r->arg >> 8);
	uint64_t parameter = INPUT(slot_id % (SLOTS_IN_USE + 1));
	uint32_t flags = (r->c & 0x10 ? BIT(9) : 0) | (r->c & 0x20 ? XHCI_TRB_TC : 0);

	if (type == XHCI_TRB_TYPE_SET_TR_DEQUEUE) {
		const struct guest_ring *ring = ring_of(w, slot_id, dci, stream);

		parameter = ring->iova + 16 * (r->arg & 0x10 ? ring->index : r->arg & 15);
		parameter |= (r->arg >> 5 & 7) << 1 | ring->cycle;
	}
	if (type == XHCI_TRB_TYPE_LINK)
		parameter = COMMANDS + 16 * (r->arg % COMMANDS_TRBS);
	if (r->c & 0x80)
		parameter = r->arg;
	guest_put(w, &w->commands, parameter, stream << 16,
		  xhci_trb_type_bits(type) | flags | dci << XHCI_TRB_EP_SHIFT |
			  slot_id << XHCI_TRB_SLOT_SHIFT);
	if (!(r->c & 0x40))
		mmio_write32(w, XHCI_OFF_DOORBELLS, 0);
}

/* Stops the endpoint, moves its dequeue pointer and restarts it, as drivers do after a timeout. */
static void op_take_back(struct world *w, const struct record *r)
{
	unsigned slot_id = slot_of(w, r->a);
	unsigned dci = dci_of(w, r->a, r->b);
	unsigned stream = stream_of(dci, r->arg);
	const struct guest_ring *ring = ring_of(w, slot_id, dci, stream);
	uint32_t who = dci << XHCI_TRB_EP_SHIFT | slot_id << XHCI_TRB_SLOT_SHIFT;

	(void)guest_command(
		w, r->c & 1 ? XHCI_TRB_TYPE_RESET_ENDPOINT : XHCI_TRB_TYPE_STOP_ENDPOINT,
		0, who);
	if (r->c & 2)
		(void)guest_command(w, XHCI_TRB_TYPE_SET_TR_DEQUEUE,
				    (ring->iova + 16 * ring->index) | ring->cycle |
					    (dci == LINEAR_DCI || dci == TREE_DCI
						     ? XHCI_SCT_PRIMARY_RING << 1
						     : 0),
				    who);
	if (r->c & 4)
		ring_doorbell(w, slot_id, dci, stream);
}

/* Changes the input context: which endpoints to add and drop, and their parameters. */
static void op_input(struct world *w, const struct record *r)
{
	uint8_t *input = w->ram + INPUT(slot_of(w, r->a) % (SLOTS_IN_USE + 1));
	unsigned dci = dci_of(w, r->a, r->b);
	uint8_t *ctx = input + XHCI_CONTEXT_SIZE * (1 + dci);

	switch (r->c % 8) {
	case 0:
		put_le32(input, r->arg & ~3u);
		break;
	case 1:
		put_le32(input + 4, r->arg | 1);
		break;
	case 2: /* drop and add this endpoint */
		put_le32(input, dci > 1 ? BIT(dci) : 0);
		put_le32(input + 4, BIT(dci) | 1);
		break;
	case 3:
		put_le32(ctx, r->arg);
		break;
	case 4:
		put_le32(ctx + 4, (get_le32(ctx + 4) & ~0x38u) | (r->arg & 7) << 3);
		break;
	case 5:
		put_le32(ctx + 4, r->arg);
		break;
	case 6:
		put_le64(ctx + 8, (RING(1, dci) + (r->arg & 0xfff0)) | 1);
		break;
	default:
		put_le32(input + 32 + 4 * (r->b % 8), r->arg);
		break;
	}
}

static void op_poke(struct world *w, const struct record *r)
{
	uint32_t at = spot_of(w, r) & ~3u;

	if (at <= RAM_BYTES - 4)
		put_le32(w->ram + at, r->arg);
}

/* Writes a pointer from one structure to another. */
static void op_point(struct world *w, const struct record *r)
{
	struct record to = {.a = (uint8_t)r->arg,
			    .b = (uint8_t)(r->arg >> 8),
			    .c = (uint8_t)(r->arg >> 16)};
	uint32_t at = spot_of(w, r) & ~15u;

	if (at <= RAM_BYTES - 8)
		put_le64(w->ram + at, (spot_of(w, &to) & ~15u) | (r->arg >> 24 & 15));
}

/* Writes the control word of a TRB, with any type. */
static void op_poke_trb(struct world *w, const struct record *r)
{
	uint32_t at = (spot_of(w, r) & ~15u) + 12;

	if (at <= RAM_BYTES - 4)
		put_le32(w->ram + at,
			 (r->arg & 0xffff03ff) | xhci_trb_type_bits((enum xhci_trb_type)(
							 (r->arg >> 10 & 0x3f) % 24)));
}

static void op_flip(struct world *w, const struct record *r)
{
	w->flip = (struct flip){
		.in_accesses = 1 + r->b % 64,
		.relative = r->c & 1,
		.offset = r->c & 1 ? 4u * (r->c >> 1 & 7) : spot_of(w, r) & ~3u,
		.value = r->arg,
	};
	w->kicked = true;
}

static void op_oper(struct world *w, const struct record *r)
{
	static const uint32_t commands[] = {
		XHCI_USBCMD_RS | XHCI_USBCMD_INTE,
		0,
		XHCI_USBCMD_INTE,
		XHCI_USBCMD_CSS,
		XHCI_USBCMD_CRS,
		XHCI_USBCMD_HCRST,
		XHCI_USBCMD_RS | XHCI_USBCMD_INTE | XHCI_USBCMD_HSEE | XHCI_USBCMD_EWE,
		XHCI_USBCMD_CSS | XHCI_USBCMD_CRS,
	};
	static const uint8_t regs[] = {XHCI_OP_DNCTRL, XHCI_OP_CRCR_HI, XHCI_OP_DCBAAP_LO,
				       XHCI_OP_DCBAAP_HI, XHCI_OP_CONFIG};

	switch (r->a % 5) {
	case 0:
	case 1:
		mmio_write32(w, XHCI_OFF_OPER + XHCI_OP_USBCMD,
			     commands[r->b % ARRAY_SIZE(commands)]);
		break;
	case 2:
		mmio_write64(w, XHCI_OFF_OPER + XHCI_OP_CRCR_LO,
			     r->b & 1   ? XHCI_CRCR_CS
			     : r->b & 2 ? XHCI_CRCR_CA
					: (COMMANDS + 16 * (r->arg % COMMANDS_TRBS)) |
						  (r->c & 1));
		break;
	case 3:
		mmio_write32(w, XHCI_OFF_OPER + XHCI_OP_USBSTS, r->arg);
		break;
	default:
		mmio_write32(w, XHCI_OFF_OPER + regs[r->b % ARRAY_SIZE(regs)], r->arg);
		break;
	}
}

static void op_interrupter(struct world *w, const struct record *r)
{
	unsigned i = r->a % XHCI_INTERRUPTERS;
	uint32_t base = XHCI_OFF_INTR + i * XHCI_INTR_STRIDE;

	switch (r->b % 8) {
	case 0:
		mmio_write32(w, base + XHCI_INTR_IMAN, r->arg & 3);
		break;
	case 1:
		mmio_write32(w, base + XHCI_INTR_IMOD, r->arg);
		break;
	case 2:
		mmio_write32(w, base + XHCI_INTR_ERSTSZ, r->arg % 40);
		break;
	case 3:
		mmio_write64(w, base + XHCI_INTR_ERSTBA_LO,
			     r->c & 1 ? r->arg : ERST(i % 4));
		break;
	case 4:
		mmio_write64(w, base + XHCI_INTR_ERDP_LO, r->arg);
		break;
	default:
		mmio_write64(w, base + XHCI_INTR_ERDP_LO,
			     (EVENTS(i % 4, r->c & 1) + 16 * (r->arg % EVENTS_TRBS)) |
				     (r->c & 8));
		break;
	}
}

static void op_consume(struct world *w, const struct record *r)
{
	if (r->a & 1)
		w->consumes = r->a & 2;
	guest_take_events(w);
}

static void op_port(struct world *w, const struct record *r)
{
	uint32_t base = XHCI_OFF_PORTS + (place_of(w, r->a)->port - 1) * XHCI_PORT_STRIDE;
	uint32_t pls = (r->arg % 16) << XHCI_PORTSC_PLS_SHIFT | XHCI_PORTSC_LWS;
	const uint32_t values[] = {XHCI_PORTSC_PR,      XHCI_PORTSC_WPR,          pls,
				   XHCI_PORTSC_CHANGES, XHCI_PORTSC_PED,          0,
				   XHCI_PORTSC_WAKES,   3u << 5 | XHCI_PORTSC_LWS};

	if (place_of(w, r->a)->port == 0)
		base = XHCI_OFF_PORTS + r->arg % 16 * XHCI_PORT_STRIDE;
	if ((r->b & 0xf0) == 0xf0)
		mmio_write32(w, base + 4 * (r->b % 4), r->arg);
	else
		mmio_write32(w, base,
			     (r->c & 1 ? 0 : XHCI_PORTSC_PP) |
				     values[r->b % ARRAY_SIZE(values)]);
}

static void op_register(struct world *w, const struct record *r)
{
	static const uint32_t spots[] = {0,
					 XHCI_OFF_OPER,
					 XHCI_OFF_PORTS,
					 XHCI_OFF_XCAPS,
					 XHCI_OFF_RUNTIME,
					 XHCI_OFF_INTR,
					 XHCI_OFF_DOORBELLS,
					 XHCI_BAR_MSIX_TABLE,
					 XHCI_BAR_MSIX_PBA};
	uint64_t offset = spots[r->a % ARRAY_SIZE(spots)] + r->b;
	uint8_t bytes[16] = {0};

	put_le32(bytes, r->arg);
	put_le32(bytes + 4, r->arg);
	if (r->c & 0x10)
		pci_bar0_write(w->pci, offset, bytes, r->c & 15);
	else
		pci_bar0_read(w->pci, offset, bytes, r->c & 15);
}

static void op_config_space(struct world *w, const struct record *r)
{
	static const uint8_t spots[] = {4, 6, 0x10, 0x14, 0x3c};
	uint32_t offset = spots[r->a % ARRAY_SIZE(spots)];
	uint8_t cap[2], bytes[8];

	put_le32(bytes, r->arg);
	put_le32(bytes + 4, r->arg);
	if (r->a & 0x80) { /* choose a capability by its number in the chain */
		pci_config_read(w->pci, 0x34, cap, 1);
		for (unsigned n = r->b % 4; n > 0 && cap[0] != 0; n--)
			pci_config_read(w->pci, cap[0] + 1u, cap, 1);
		offset = cap[0] + (r->c >> 4);
	} else if (r->a & 0x40) {
		offset = r->b | (r->c & 0xf0u) << 4;
	}
	if (r->a & 0x20)
		pci_config_read(w->pci, offset, bytes, r->c % 9);
	else
		pci_config_write(w->pci, offset, bytes, r->c % 9);
}

/* The guest starts again, maybe after resetting the controller. */
static void op_start_anew(struct world *w, const struct record *r)
{
	if (r->b & 1)
		mmio_write32(w, XHCI_OFF_OPER + XHCI_OP_USBCMD, XHCI_USBCMD_HCRST);
	guest_lay_out(w);
	guest_start(w);
	for (unsigned i = 0; i < DEVICES; i++)
		(void)guest_enumerate(w, &w->places[i]);
}

/* ---- operations of the devices ---- */

static void op_complete(struct world *w, const struct record *r)
{
	struct fake *fake = place_of(w, r->a)->fake;

	for (unsigned n = r->c & 0x10 ? 16 : 1; fake && n > 0; n--)
		fake_complete(fake, r->b, r->c & 15, r->arg);
}

static void op_complete_well(struct world *w, const struct record *r)
{
	struct fake *fake = place_of(w, r->a)->fake;

	for (unsigned n = 1 + r->c % 16; fake && n > 0; n--)
		fake_complete(fake, r->b, USBDEV_STATUS_OK, UINT32_MAX);
}

static void op_device(struct world *w, const struct record *r)
{
	struct place *place = place_of(w, r->a);
	struct fake *fake = place->fake;

	if (place->state == PLACE_PLUGGED && r->b % 8 == 0)
		usbdev_wake(place->dev);
	if (place->state == PLACE_PLUGGED && place->kind == DEVICE_KEYBOARD)
		(void)!keyboard_key(place->dev, (uint8_t)r->arg, r->c & 1);
	if (!fake)
		return;
	switch (r->b % 8) {
	case 1:
		usbdev_gone(&fake->dev);
		break;
	case 2:
		fake_reset_done(fake, r->c & 1 ? -5 : 0);
		break;
	case 3:
		fake_answer_streams(fake, r->c & 1 ? -5 : 0);
		break;
	case 4:
		fake->answers = r->c & 1;
		break;
	case 5:
		fake->cancelled_at_once = r->c & 1;
		break;
	default:
		fake_reset_done(fake, 0);
		fake_answer_streams(fake, 0);
		break;
	}
}

static void op_plug(struct world *w, const struct record *r)
{
	static const enum usbdev_speed speeds[] = {
		USBDEV_SPEED_SUPER, USBDEV_SPEED_HIGH,       USBDEV_SPEED_FULL,
		USBDEV_SPEED_LOW,   USBDEV_SPEED_SUPER_PLUS, USBDEV_SPEED_SUPER_PLUS_X2};
	struct place *place = place_of(w, r->a);

	if (place->state == PLACE_PLUGGED) {
		place_pull(place);
		return;
	}
	if (place->state != PLACE_EMPTY)
		return;
	place->kind = r->c % 8 < 4 ? DEVICE_FAKE : (enum device_kind)(r->c % 4);
	place->speed = place->kind == DEVICE_FAKE ? speeds[r->b % ARRAY_SIZE(speeds)]
						  : USBDEV_SPEED_UNKNOWN;
	place_plug(place);
	if (r->c & 0x10) {
		world_run(w);
		(void)guest_enumerate(w, place);
	}
}

/* ---- operations of the VMM ---- */

static void op_memory(struct world *w, const struct record *r)
{
	unsigned piece = r->b % PIECES;

	switch (r->a % 8) {
	case 0:
		(void)!guest_mem_unmap(w->mem, piece * PIECE_BYTES, PIECE_BYTES, NULL);
		break;
	case 1:
		world_map(w, piece, 1 + r->c % 3);
		break;
	case 2:
		guest_mem_unmap_all(w->mem);
		break;
	case 3:
	case 4:
		for (unsigned i = 0; i < PIECES; i++)
			world_map(w, i, GUEST_MEM_READ | GUEST_MEM_WRITE);
		world_map_window(w);
		break;
	case 5:
		CHECK(ftruncate(w->window_fd, r->arg % (WINDOW_BYTES + 1)) == 0);
		break;
	case 6:
		(void)!guest_mem_unmap(w->mem, WINDOW, WINDOW_BYTES, NULL);
		break;
	default:
		(void)!guest_mem_unmap(w->mem, r->arg % RAM_BYTES, r->arg >> 16, NULL);
		break;
	}
	world_update_dma(w);
	xhci_memory_changed(w->xhci);
}

static void op_client(struct world *w, const struct record *r)
{
	if (r->a & 1) {
		world_reset_function(w);
		return;
	}
	guest_mem_unmap_all(w->mem);
	w->connected = r->a & 2;
	w->sized = false;
	if (w->connected)
		for (unsigned i = 0; i < PIECES; i++)
			world_map(w, i, GUEST_MEM_READ | GUEST_MEM_WRITE);
	world_update_dma(w);
	xhci_memory_changed(w->xhci);
	xhci_replay_interrupts(w->xhci);
}

static void op_time(struct world *w, const struct record *r)
{
	static const uint64_t steps_ns[] = {1000,      125000,     1000000,   8000000,
					    100000000, 1000000000, 3000000000};

	if (r->a & 1 && w->wake_at_ns > w->now_ns)
		w->now_ns = w->wake_at_ns;
	else
		w->now_ns += steps_ns[r->b % ARRAY_SIZE(steps_ns)] + r->arg % 1000;
}

/* Operations that reach further appear more than once. Add new ones at the end, because stored
 * inputs contain the numbers of the old ones. */
static void (*const operations[])(struct world *w, const struct record *r) = {
	op_td,        op_scsi,          op_scsi,         op_plain_td, op_plain_td,
	op_doorbell,  op_all_doorbells, op_command,      op_command,  op_command,
	op_take_back, op_input,         op_input,        op_poke,     op_poke_trb,
	op_point,     op_flip,          op_oper,         op_consume,  op_interrupter,
	op_port,      op_register,      op_config_space, op_complete, op_complete_well,
	op_device,    op_start_anew,    op_plug,         op_memory,   op_memory,
	op_client,    op_time,          op_time,         op_loop,
};

/* ---- an input ---- */

static void choose_devices(struct world *w, const struct record *first)
{
	static const struct {
		enum device_kind kind;
		enum usbdev_speed speed;
		uint32_t
			real; /* flag that makes it a real device; otherwise it is a fake */
	} all[] = {
		{DEVICE_FAKE, USBDEV_SPEED_SUPER, 0},
		{DEVICE_STICK, USBDEV_SPEED_HIGH, WITH_STICK},
		{DEVICE_KEYBOARD, USBDEV_SPEED_LOW, WITH_KEYBOARD},
		{DEVICE_ZERO, USBDEV_SPEED_FULL, WITH_ZERO},
		{DEVICE_FAKE, USBDEV_SPEED_SUPER_PLUS, 0},
	};
	unsigned count = first->op & WITH_MORE ? 5 : 2;

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		struct place *place = &w->places[i];

		if (i >= count && !(first->op & all[i].real))
			continue;
		place->kind = first->op & all[i].real ? all[i].kind : DEVICE_FAKE;
		place->speed = all[i].speed;
		if (place->kind == DEVICE_ZERO && first->b & 1)
			place->speed = USBDEV_SPEED_SUPER;
		place_plug(place);
	}
}

static void bring_up(struct world *w, const struct record *first)
{
	w->consumes = first->a & HAS_CONSUMER;
	choose_devices(w, first);
	guest_lay_out(w);
	guest_start(w);
	for (unsigned i = 0; i < DEVICES; i++) {
		struct place *place = &w->places[i];

		if (place->state != PLACE_PLUGGED)
			continue;
		CHECK(guest_enumerate(w, place));
		if (!place->fake)
			continue;
		place->fake->answers = first->a & FAKES_ANSWER;
		place->fake->cancelled_at_once = first->a & CANCEL_AT_ONCE;
	}
	for (unsigned i = 0; first->a & WITH_TDS && i < DEVICES * 10; i++)
		if (w->places[i % DEVICES].slot_id != 0 &&
		    w->places[i % DEVICES].kind != DEVICE_STICK)
			op_plain_td(w, &(struct record){.a = (uint8_t)(i % DEVICES),
							.b = (uint8_t)(i / DEVICES),
							.arg = 0x02000040});
	world_run(w);
}

void fuzz_set_up(void)
{
	fuzz_counts_fds = true;
	world_set_up(&world);
}

void fuzz_one(struct input *in)
{
	struct world *w = &world;
	struct record first = {0}, r;

	(void)take_record(in, &first);
	world_begin(w);
	bring_up(w, &first);
	if (first.a & WITH_RACE && records_are_fuzzed())
		world_race(w, first.arg);
	for (unsigned n = 0;
	     n < OPS_MAX && w->all_accesses < ACCESSES_MAX && take_record(in, &r); n++) {
		operations[r.op % ARRAY_SIZE(operations)](w, &r);
		w->now_ns += OP_NS;
		world_run(w);
		if (w->consumes)
			guest_take_events(w);
	}
	world_end(w);
}
