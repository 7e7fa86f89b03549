/* SPDX-License-Identifier: MIT
 * drv_slot.c - the test driver: slots, contexts and their commands
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/drv_device.h"
#include "util/bytes.h"

#define CONTEXT_ENTRIES 33u /* input context: control, slot, 31 endpoints */

uint8_t *drv_output_context(const struct drv_slot *slot, unsigned index)
{
	return slot->output.ptr + (size_t)index * slot->drv->context_bytes;
}

uint8_t *drv_input_context(const struct drv_slot *slot, unsigned index)
{
	return slot->input.ptr + (size_t)index * slot->drv->context_bytes;
}

unsigned drv_slot_state(const struct drv_slot *slot)
{
	return get_le32(drv_output_context(slot, 0) + 12) >> 27;
}

unsigned drv_slot_address(const struct drv_slot *slot)
{
	return get_le32(drv_output_context(slot, 0) + 12) & 0xff;
}

unsigned drv_endpoint_state(const struct drv_slot *slot, unsigned dci)
{
	return get_le32(drv_output_context(slot, dci)) & 7;
}

uint64_t drv_endpoint_dequeue(const struct drv_slot *slot, unsigned dci)
{
	return get_le64(drv_output_context(slot, dci) + 8);
}

void drv_input_begin(struct drv_slot *slot, uint32_t add, uint32_t drop)
{
	memset(slot->input.ptr, 0, slot->input.size_bytes);
	put_le32(drv_input_context(slot, 0), drop);
	put_le32(drv_input_context(slot, 0) + 4, add);
}

void drv_input_slot(struct drv_slot *slot, unsigned entries)
{
	uint8_t *ctx = drv_input_context(slot, 1);

	/* 6.2.2: route string 0, speed, context entries; root hub port */
	put_le32(ctx, (slot->speed << 20) | (entries << 27));
	put_le32(ctx + 4, slot->port << 16);
	put_le32(ctx + 8, 0);
	put_le32(ctx + 12, 0);
}

void drv_input_endpoint(struct drv_slot *slot, unsigned dci)
{
	const struct drv_endpoint *ep = &slot->endpoints[dci];
	uint8_t *ctx = drv_input_context(slot, 1 + dci);
	bool periodic = (ep->type & 3) == 3 || (ep->type & 3) == 1;
	uint32_t average = ep->type == XEP_TYPE_CONTROL ? 8
			   : periodic                   ? ep->max_packet
							: 1024;

	/* 6.2.3; CErr 3, no streams */
	put_le32(ctx, (uint32_t)ep->interval << 16);
	put_le32(ctx + 4, (3u << 1) | ((uint32_t)ep->type << 3) |
				  ((uint32_t)ep->burst << 8) |
				  ((uint32_t)ep->max_packet << 16));
	put_le64(ctx + 8, drv_ring_dequeue(&ep->ring));
	put_le32(ctx + 16, average | (periodic ? (uint32_t)ep->max_packet << 16 : 0));
}

static uint16_t default_packet(unsigned speed)
{
	switch (speed) {
	case XSPEED_LOW:
	case XSPEED_FULL:
		return 8;
	case XSPEED_HIGH:
		return 64;
	default:
		return 512;
	}
}

int drv_slot_enable(struct drv *drv, unsigned port, struct drv_slot **ret_slot)
{
	struct drv_trb trb = {.control = XTRB_TYPE(XTRB_ENABLE_SLOT)};
	struct drv_event event;
	struct drv_slot *slot;
	int r = drv_command(drv, trb, &event);

	if (r != XCC_SUCCESS)
		return r;
	if (drv_event_slot(&event) == 0 || drv_event_slot(&event) > drv->max_slots)
		return -EPROTO;
	slot = calloc(1, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	slot->drv = drv;
	slot->id = drv_event_slot(&event);
	slot->port = port;
	slot->speed = port ? XPORT_SPEED(drv_portsc(drv, port)) : XSPEED_HIGH;
	slot->output = guest_alloc(drv->ram, drv->options.ring_zone,
				   (size_t)CONTEXT_ENTRIES * drv->context_bytes, 4096);
	slot->input = guest_alloc(drv->ram, drv->options.ring_zone,
				  (size_t)CONTEXT_ENTRIES * drv->context_bytes, 4096);
	slot->endpoints[1] = (struct drv_endpoint){
		.present = true,
		.type = XEP_TYPE_CONTROL,
		.max_packet = default_packet(slot->speed),
	};
	drv_ring_init(&slot->endpoints[1].ring, drv->ram, drv->options.ring_zone,
		      drv->options.transfer_segments, drv->options.transfer_trbs);
	put_le64(drv->dcbaa.ptr + 8 * (size_t)slot->id, slot->output.iova);
	free(drv->slots[slot->id]);
	drv->slots[slot->id] = slot;
	*ret_slot = slot;
	return XCC_SUCCESS;
}

int drv_slot_disable(struct drv_slot *slot)
{
	struct drv *drv = slot->drv;
	int r = drv_command_slot(drv, XTRB_DISABLE_SLOT, slot->id, 0, 0);

	if (r != XCC_SUCCESS)
		return r;
	put_le64(drv->dcbaa.ptr + 8 * (size_t)slot->id, 0);
	drv->slots[slot->id] = NULL;
	free(slot);
	return r;
}

int drv_address_device(struct drv_slot *slot, bool block_set_address)
{
	drv_input_begin(slot, 3, 0);
	drv_input_slot(slot, 1);
	drv_input_endpoint(slot, 1);
	return drv_command_slot(slot->drv, XTRB_ADDRESS_DEVICE, slot->id,
				slot->input.iova, block_set_address ? XTRB_BSR : 0);
}

unsigned drv_endpoint_add(struct drv_slot *slot, uint8_t address, enum xep_type type,
			  uint16_t max_packet, uint8_t interval, uint8_t burst)
{
	struct drv *drv = slot->drv;
	unsigned dci = 2u * (address & 0xfu) + ((address & USB_DIR_IN) ? 1 : 0);
	struct drv_endpoint *ep = &slot->endpoints[dci];
	bool had_ring = ep->ring.segments > 0;
	struct drv_ring ring = ep->ring;

	*ep = (struct drv_endpoint){
		.present = true,
		.address = address,
		.type = (uint8_t)type,
		.max_packet = max_packet,
		.interval = interval,
		.burst = burst,
		.ring = ring,
	};
	if (had_ring)
		drv_ring_clear(&ep->ring);
	else
		drv_ring_init(&ep->ring, drv->ram, drv->options.ring_zone,
			      drv->options.transfer_segments, drv->options.transfer_trbs);
	return dci;
}

int drv_configure(struct drv_slot *slot, uint32_t add, uint32_t drop)
{
	unsigned last = 1;

	for (unsigned dci = 1; dci < DRV_DCIS; dci++)
		if (slot->endpoints[dci].present &&
		    ((add >> dci) & 1 || !((drop >> dci) & 1)))
			last = dci;
	drv_input_begin(slot, add | 1, drop);
	drv_input_slot(slot, last);
	for (unsigned dci = 2; dci < DRV_DCIS; dci++)
		if ((add >> dci) & 1)
			drv_input_endpoint(slot, dci);
	return drv_command_slot(slot->drv, XTRB_CONFIGURE_ENDPOINT, slot->id,
				slot->input.iova, 0);
}

int drv_deconfigure(struct drv_slot *slot)
{
	return drv_command_slot(slot->drv, XTRB_CONFIGURE_ENDPOINT, slot->id, 0, XTRB_DC);
}

int drv_stop_endpoint(struct drv_slot *slot, unsigned dci)
{
	return drv_command_slot(slot->drv, XTRB_STOP_ENDPOINT, slot->id, 0, XTRB_EP(dci));
}

int drv_reset_endpoint(struct drv_slot *slot, unsigned dci, bool preserve)
{
	return drv_command_slot(slot->drv, XTRB_RESET_ENDPOINT, slot->id, 0,
				XTRB_EP(dci) | (preserve ? XTRB_TSP : 0));
}

int drv_set_dequeue(struct drv_slot *slot, unsigned dci, uint64_t dequeue)
{
	if (dequeue == 0)
		dequeue = drv_ring_dequeue(&slot->endpoints[dci].ring);
	return drv_command_slot(slot->drv, XTRB_SET_TR_DEQUEUE, slot->id, dequeue,
				XTRB_EP(dci));
}

int drv_reset_device(struct drv_slot *slot)
{
	return drv_command_slot(slot->drv, XTRB_RESET_DEVICE, slot->id, 0, 0);
}

int drv_recover(struct drv_slot *slot, unsigned dci)
{
	int r = drv_reset_endpoint(slot, dci, false);

	return r != XCC_SUCCESS ? r : drv_set_dequeue(slot, dci, 0);
}
