/* SPDX-License-Identifier: MIT
 * state_guest.c - the guest of state.h: a driver that follows the rules
 */
#include <string.h>

#include "state.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define COMMAND_RUNS      4u
#define COMMAND_WAIT_NS   UINT64_C(10000000)
#define EVENTS_AT_A_TIME  (2u * EVENTS_TRBS)
#define SET_CONFIGURATION UINT64_C(0x0000000000010900) /* 1 */
#define SET_INTERFACE     UINT64_C(0x0000000000000b01) /* 0 */

#define OPER(reg)    (XHCI_OFF_OPER + XHCI_OP_##reg)
#define INTR(n, reg) (XHCI_OFF_INTR + (n)*XHCI_INTR_STRIDE + XHCI_INTR_##reg)

uint32_t mmio_read32(struct world *w, uint32_t offset)
{
	return w->bus->read32(w, offset);
}

void mmio_write32(struct world *w, uint32_t offset, uint32_t value)
{
	w->bus->write(w, offset, value, 4);
}

void mmio_write64(struct world *w, uint32_t offset, uint64_t value)
{
	w->bus->write(w, offset, value, 8);
}

static void put_trb(struct world *w, uint32_t iova, uint64_t parameter, uint32_t status,
		    uint32_t control)
{
	struct xhci_trb trb = {parameter, status, control};

	xhci_trb_put(w->ram + iova, &trb);
}

static void init_ring(struct guest_ring *ring, uint32_t iova, uint32_t trbs)
{
	*ring = (struct guest_ring){.iova = iova, .trbs = trbs, .cycle = true};
}

void guest_put(struct world *w, struct guest_ring *ring, uint64_t parameter,
	       uint32_t status, uint32_t control)
{
	if (ring->index == ring->trbs - 1) {
		put_trb(w, ring->iova + 16 * ring->index, ring->iova, 0,
			xhci_trb_type_bits(XHCI_TRB_TYPE_LINK) | XHCI_TRB_TC |
				(control & XHCI_TRB_CH) | ring->cycle);
		ring->index = 0;
		ring->cycle = !ring->cycle;
	}
	put_trb(w, ring->iova + 16 * ring->index, parameter, status,
		(control & ~XHCI_TRB_C) | ring->cycle);
	ring->index++;
}

void guest_put_control(struct world *w, struct guest_ring *ring, uint64_t setup,
		       uint32_t buffer, uint32_t flags)
{
	uint32_t length = (uint32_t)(setup >> 48);
	bool in = setup & 0x80;

	guest_put(w, ring, setup, 8,
		  xhci_trb_type_bits(XHCI_TRB_TYPE_SETUP) | XHCI_TRB_IDT |
			  (length == 0 ? 0
			   : in        ? 3u << 16
				       : 2u << 16));
	if (length > 0)
		guest_put(w, ring, buffer, length,
			  xhci_trb_type_bits(XHCI_TRB_TYPE_DATA) |
				  (in ? XHCI_TRB_DIR_IN : 0) | flags);
	guest_put(w, ring, 0, 0,
		  xhci_trb_type_bits(XHCI_TRB_TYPE_STATUS) | XHCI_TRB_IOC |
			  (in && length > 0 ? 0 : XHCI_TRB_DIR_IN));
}

static void lay_out_streams(struct world *w)
{
	for (unsigned id = 1; id < 8; id++)
		put_le64(w->ram + STREAM_ARRAY(0) + 16 * id,
			 STREAM_RING(id) | XHCI_SCT_PRIMARY_RING << 1 | 1);
	/* 1: an array of 8; 2: a ring; 3: an array of 256 */
	put_le64(w->ram + STREAM_ARRAY(1) + 16, STREAM_ARRAY(2) | XHCI_SCT_SSA_8 << 1);
	put_le64(w->ram + STREAM_ARRAY(1) + 32,
		 STREAM_RING(16) | XHCI_SCT_PRIMARY_RING << 1 | 1);
	put_le64(w->ram + STREAM_ARRAY(1) + 48, STREAM_ARRAY(16) | XHCI_SCT_SSA_256 << 1);
	for (unsigned i = 0; i < 8; i++)
		put_le64(w->ram + STREAM_ARRAY(2) + 16 * i,
			 STREAM_RING(8 + i) | XHCI_SCT_SECONDARY_RING << 1 | 1);
	for (unsigned i = 0; i < 256; i++)
		put_le64(w->ram + STREAM_ARRAY(16) + 16 * i,
			 STREAM_RING(17 + i % 15) | XHCI_SCT_SECONDARY_RING << 1 | 1);
	for (unsigned i = 0; i < STREAM_RINGS; i++)
		init_ring(&w->stream_rings[i], STREAM_RING(i), RING_TRBS);
}

void guest_lay_out(struct world *w)
{
	init_ring(&w->commands, COMMANDS, COMMANDS_TRBS);
	for (unsigned slot = 0; slot <= SLOTS_IN_USE; slot++) {
		put_le64(w->ram + DCBAA + 8 * slot, slot ? OUTPUT(slot) : 0);
		for (unsigned dci = 0; dci <= XHCI_DCI_MAX; dci++)
			init_ring(&w->rings[slot][dci], RING(slot, dci), RING_TRBS);
	}
	for (unsigned i = 0; i < INTERRUPTERS_IN_USE; i++) {
		for (unsigned segment = 0; segment < 2; segment++) {
			uint8_t *entry = w->ram + ERST(i) + 16 * segment;

			put_le64(entry, EVENTS(i, segment));
			put_le32(entry + 8, EVENTS_TRBS);
		}
		w->events[i] = (struct event_reader){.cycle = true};
	}
	lay_out_streams(w);
}

void guest_start(struct world *w)
{
	const uint8_t command[] = {0x06, 0x04}; /* memory, bus master, no INTx */

	w->bus->config_write(w, 4, command, sizeof(command));
	mmio_write32(w, OPER(CONFIG), 16);
	mmio_write64(w, OPER(DCBAAP_LO), DCBAA);
	mmio_write64(w, OPER(CRCR_LO), COMMANDS | XHCI_CRCR_RCS);
	for (unsigned i = 0; i < INTERRUPTERS_IN_USE; i++) {
		mmio_write32(w, INTR(i, ERSTSZ), 2);
		mmio_write64(w, INTR(i, ERDP_LO), EVENTS(i, 0));
		mmio_write64(w, INTR(i, ERSTBA_LO), ERST(i));
		mmio_write32(w, INTR(i, IMOD), i == 1 ? 4000 : 0);
		mmio_write32(w, INTR(i, IMAN), XHCI_IMAN_IE);
	}
	mmio_write32(w, OPER(USBCMD),
		     XHCI_USBCMD_RS | XHCI_USBCMD_INTE | XHCI_USBCMD_EWE);
	w->bus->run(w);
	guest_take_events(w);
}

static void take_event(struct world *w, const uint8_t *raw)
{
	uint32_t status = get_le32(raw + 8);
	uint32_t control = get_le32(raw + 12);
	uint32_t type = control >> XHCI_TRB_TYPE_SHIFT & 0x3f;

	if (type == XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT) {
		w->last_cc = status >> 24;
		w->last_slot_id = control >> 24;
	}
	if (type == XHCI_TRB_TYPE_TRANSFER_EVENT && status >> 24 == XHCI_CC_SUCCESS)
		w->transfer_successes++;
}

void guest_take_events(struct world *w)
{
	for (unsigned i = 0; i < INTERRUPTERS_IN_USE; i++) {
		struct event_reader *reader = &w->events[i];
		unsigned n;

		for (n = 0; n < EVENTS_AT_A_TIME; n++) {
			const uint8_t *raw =
				w->ram + EVENTS(i, reader->segment) + 16 * reader->index;

			if ((raw[12] & 1) != reader->cycle)
				break;
			take_event(w, raw);
			if (++reader->index < EVENTS_TRBS)
				continue;
			reader->index = 0;
			reader->segment ^= 1;
			if (reader->segment == 0)
				reader->cycle = !reader->cycle;
		}
		if (n > 0)
			mmio_write64(w, INTR(i, ERDP_LO),
				     (EVENTS(i, reader->segment) + 16 * reader->index) |
					     XHCI_ERDP_EHB | reader->segment);
	}
}

bool guest_command(struct world *w, enum xhci_trb_type type, uint64_t parameter,
		   uint32_t flags)
{
	w->last_cc = XHCI_CC_INVALID;
	guest_put(w, &w->commands, parameter, 0, xhci_trb_type_bits(type) | flags);
	mmio_write32(w, XHCI_OFF_DOORBELLS, 0);
	for (unsigned n = 0; n < COMMAND_RUNS && w->last_cc == XHCI_CC_INVALID; n++) {
		w->bus->run(w);
		for (unsigned i = 0; i < DEVICES; i++)
			if (w->places[i].fake)
				fake_answer_streams(w->places[i].fake, 0);
		guest_take_events(w);
		w->now_ns += COMMAND_WAIT_NS; /* before the next try */
	}
	return w->last_cc == XHCI_CC_SUCCESS;
}

static unsigned interval(const struct place *place, enum xhci_ep_type type)
{
	switch (type) {
	case XHCI_EP_TYPE_ISOCH_IN:
	case XHCI_EP_TYPE_ISOCH_OUT:
		return 3; /* a frame */
	case XHCI_EP_TYPE_INTERRUPT_IN:
	case XHCI_EP_TYPE_INTERRUPT_OUT:
		return place->speed == USBDEV_SPEED_LOW ? 6 : 3;
	case XHCI_EP_TYPE_INVALID:
	case XHCI_EP_TYPE_CONTROL:
	case XHCI_EP_TYPE_BULK_IN:
	case XHCI_EP_TYPE_BULK_OUT:
		break;
	}
	return 0;
}

static void put_endpoint(struct world *w, const struct place *place, unsigned dci)
{
	uint8_t *ctx = w->ram + INPUT(place->slot_id) + (1 + dci) * XHCI_CONTEXT_SIZE;
	enum xhci_ep_type type = place_ep_type(place, dci);
	bool streams = place == &w->places[0] && place->kind == DEVICE_FAKE &&
		       usbdev_speed_is_usb3(place->speed);
	uint32_t max_packet = place->speed == USBDEV_SPEED_LOW ? 8 : 64;

	if (dci > 1 && usbdev_speed_is_usb3(place->speed))
		max_packet = 1024;
	put_le32(ctx, interval(place, type) << 16);
	put_le32(ctx + 4, max_packet << 16 | (uint32_t)type << 3 | 3u << 1);
	put_le64(ctx + 8, w->rings[place->slot_id][dci].iova | 1);
	put_le32(ctx + 16, 512);
	if (streams && dci == LINEAR_DCI) {
		put_le32(ctx, 2u << 10 | 1u << 15); /* 8 entries */
		put_le64(ctx + 8, STREAM_ARRAY(0));
	}
	if (streams && dci == TREE_DCI) {
		put_le32(ctx, 1u << 10); /* 4 entries */
		put_le64(ctx + 8, STREAM_ARRAY(1));
	}
}

/* Sends the device its configuration; fakes need none. */
static void configure_device(struct world *w, const struct place *place)
{
	struct guest_ring *ring = &w->rings[place->slot_id][1];

	if (place->fake)
		return;
	guest_put_control(w, ring, SET_CONFIGURATION, 0, 0);
	if (place->kind == DEVICE_ZERO)
		guest_put_control(w, ring,
				  SET_INTERFACE | (place->slot_id & 1 ? 2u : 1u) << 16, 0,
				  0);
	mmio_write32(w, XHCI_OFF_DOORBELLS + 4 * place->slot_id, 1);
	for (unsigned n = 0; n < COMMAND_RUNS; n++)
		w->bus->run(w);
	guest_take_events(w);
}

static bool reset_port(struct world *w, struct place *place)
{
	uint32_t portsc = XHCI_OFF_PORTS + (place->port - 1) * XHCI_PORT_STRIDE;

	mmio_write32(w, portsc, XHCI_PORTSC_PP | XHCI_PORTSC_PR);
	for (unsigned n = 0; n < COMMAND_RUNS; n++) {
		if (place->fake)
			fake_reset_done(place->fake, 0);
		w->bus->run(w);
	}
	mmio_write32(w, portsc, XHCI_PORTSC_PP | XHCI_PORTSC_CHANGES);
	w->bus->run(w);
	guest_take_events(w);
	return mmio_read32(w, portsc) & XHCI_PORTSC_PED;
}

bool guest_enumerate(struct world *w, struct place *place)
{
	uint32_t add = BIT(0);
	uint32_t slot_bits;
	const uint8_t *dcis;
	unsigned count = place_dcis(place, &dcis);
	uint8_t *input;

	if (place->state != PLACE_PLUGGED || !reset_port(w, place) ||
	    !guest_command(w, XHCI_TRB_TYPE_ENABLE_SLOT, 0, 0) ||
	    w->last_slot_id > SLOTS_IN_USE)
		return false;
	place->slot_id = w->last_slot_id;
	slot_bits = place->slot_id << XHCI_TRB_SLOT_SHIFT;
	input = w->ram + INPUT(place->slot_id);
	memset(input, 0, XHCI_INPUT_CONTEXT_SIZE);
	put_le32(input + 4, BIT(0) | BIT(1));
	put_le32(input + 32, 31u << 27 | (uint32_t)place->speed << 20);
	put_le32(input + 36, place->port << 16);
	put_endpoint(w, place, 1);
	if (!guest_command(w, XHCI_TRB_TYPE_ADDRESS_DEVICE, INPUT(place->slot_id),
			   slot_bits))
		return false;
	configure_device(w, place);
	for (unsigned i = 0; i < count; i++) {
		put_endpoint(w, place, dcis[i]);
		add |= BIT(dcis[i]);
	}
	put_le32(input + 4, add);
	return guest_command(w, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT, INPUT(place->slot_id),
			     slot_bits);
}
