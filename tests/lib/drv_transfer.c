/* SPDX-License-Identifier: MIT
 * drv_transfer.c - the test driver: TDs and the bytes they moved
 */
#include <errno.h>

#include "tests/lib/drv_device.h"

void drv_endpoint_doorbell(struct drv_slot *slot, unsigned dci)
{
	drv_doorbell(slot->drv, slot->id, dci, 0);
}

uint64_t drv_push_normal(struct drv_slot *slot, unsigned dci, uint64_t iova,
			 uint32_t length, uint32_t flags)
{
	struct drv_trb trb = {
		.parameter = iova,
		.status = length,
		.control = XTRB_TYPE(XTRB_NORMAL) | flags,
	};

	return drv_ring_push(&slot->endpoints[dci].ring, trb);
}

/* TRBs of a TD of @length bytes at @iova. */
static unsigned trbs_needed(uint64_t iova, uint32_t length)
{
	if (length == 0)
		return 1;
	return (unsigned)((iova + length - 1) / XTRB_LEN_MAX - iova / XTRB_LEN_MAX) + 1;
}

uint64_t drv_push_td(struct drv_slot *slot, unsigned dci, uint64_t iova, uint32_t length,
		     unsigned *ret_trbs)
{
	const struct drv_endpoint *ep = &slot->endpoints[dci];
	unsigned trbs = trbs_needed(iova, length);
	uint64_t last = 0;
	uint32_t done = 0;

	drv_ring_begin(&slot->endpoints[dci].ring);
	for (unsigned i = 0; i < trbs; i++) {
		uint32_t room = (uint32_t)(XTRB_LEN_MAX - ((iova + done) % XTRB_LEN_MAX));
		uint32_t n = MIN_OF(room, length - done);
		/* 4.11.2.4: TD Size is the packets left after this TRB, at most 31, 0 in
		 * the last */
		uint32_t left = (length - done - n + ep->max_packet - 1) / ep->max_packet;
		bool is_last = i == trbs - 1;
		struct drv_trb trb = {
			.parameter = iova + done,
			.status = n | (is_last ? 0 : MIN_OF(left, 31u) << 17),
			.control = XTRB_TYPE(XTRB_NORMAL) | XTRB_ISP |
				   (is_last ? XTRB_IOC : XTRB_CH),
		};

		last = drv_ring_push(&slot->endpoints[dci].ring, trb);
		done += n;
	}
	drv_ring_end(&slot->endpoints[dci].ring);
	if (ret_trbs)
		*ret_trbs = trbs;
	return last;
}

uint64_t drv_push_control(struct drv_slot *slot, const struct drv_setup *setup,
			  uint64_t iova, uint64_t *ret_data)
{
	struct drv_ring *ring = &slot->endpoints[1].ring;
	bool in = (setup->request_type & USB_DIR_IN) != 0;
	struct drv_trb trb = {
		.parameter = setup->request_type | ((uint64_t)setup->request << 8) |
			     ((uint64_t)setup->value << 16) |
			     ((uint64_t)setup->index << 32) |
			     ((uint64_t)setup->length << 48),
		.status = 8,
		.control = XTRB_TYPE(XTRB_SETUP) | XTRB_IDT,
	};
	uint64_t data = 0;
	uint64_t status;

	drv_ring_begin(ring);
	if (setup->length > 0)
		trb.control |= in ? XTRB_TRT_IN : XTRB_TRT_OUT;
	(void)drv_ring_push(ring, trb);
	if (setup->length > 0) {
		trb = (struct drv_trb){
			.parameter = iova,
			.status = setup->length,
			.control =
				XTRB_TYPE(XTRB_DATA) | XTRB_ISP | (in ? XTRB_DIR_IN : 0),
		};
		data = drv_ring_push(ring, trb);
	}
	/* 4.11.2.2: the status stage has the data stage's opposite direction; IN without
	 * data */
	trb = (struct drv_trb){
		.control = XTRB_TYPE(XTRB_STATUS) | XTRB_IOC |
			   (in && setup->length > 0 ? 0 : XTRB_DIR_IN),
	};
	status = drv_ring_push(ring, trb);
	drv_ring_end(ring);
	if (ret_data)
		*ret_data = data;
	return status;
}

/* Bytes moved by the TD of @length bytes at @iova, by its @event. */
static uint32_t moved(struct drv_slot *slot, const struct drv_event *event, uint64_t iova,
		      uint32_t length)
{
	const struct drv_trb *trb =
		guest_ptr(slot->drv->ram, event->trb.parameter, XTRB_BYTES);
	uint32_t before;

	if (!trb)
		return 0;
	before = (uint32_t)(trb->parameter - iova);
	if (before > length)
		return 0;
	return before + (trb->status & 0x1ffff) - drv_event_length(event);
}

static bool is_of_endpoint(const struct drv_event *event, const void *ctx)
{
	const unsigned *id = ctx; /* slot, dci */

	return drv_trb_type(&event->trb) == XTRB_TRANSFER_EVENT &&
	       drv_event_slot(event) == id[0] && drv_event_dci(event) == id[1];
}

int drv_transfer(struct drv_slot *slot, unsigned dci, uint64_t iova, uint32_t length,
		 uint32_t *ret_actual)
{
	uint64_t last = drv_push_td(slot, dci, iova, length, NULL);
	unsigned id[2] = {slot->id, dci};
	uint32_t short_at = UINT32_MAX;
	struct drv_event event;

	drv_endpoint_doorbell(slot, dci);
	for (;;) {
		int r = drv_wait(slot->drv, is_of_endpoint, id, &event,
				 slot->drv->timeout_ms);

		if (r < 0)
			return r;
		/* Short on an earlier TRB: an event for the IOC of the last follows
		 * (4.10.1.1.2) and repeats the length. */
		if (drv_event_code(&event) == XCC_SHORT_PACKET &&
		    event.trb.parameter != last && short_at == UINT32_MAX) {
			short_at = moved(slot, &event, iova, length);
			continue;
		}
		break;
	}
	if (ret_actual)
		*ret_actual = short_at != UINT32_MAX ? short_at
						     : moved(slot, &event, iova, length);
	return short_at != UINT32_MAX ? XCC_SHORT_PACKET : (int)drv_event_code(&event);
}

int drv_control(struct drv_slot *slot, const struct drv_setup *setup, uint64_t iova,
		uint32_t *ret_actual)
{
	uint64_t data;
	uint64_t status = drv_push_control(slot, setup, iova, &data);
	unsigned id[2] = {slot->id, 1};
	uint32_t actual = setup->length;
	int code;

	drv_endpoint_doorbell(slot, 1);
	for (;;) {
		struct drv_event event;
		int r = drv_wait(slot->drv, is_of_endpoint, id, &event,
				 slot->drv->timeout_ms);

		if (r < 0)
			return r;
		code = (int)drv_event_code(&event);
		/* only the Data TRB's event reports a short data stage */
		if (code == XCC_SHORT_PACKET && event.trb.parameter == data) {
			actual = setup->length - drv_event_length(&event);
			continue;
		}
		if (code != XCC_SUCCESS) {
			actual = event.trb.parameter == data
					 ? setup->length - drv_event_length(&event)
					 : 0;
		} else if (event.trb.parameter != status) {
			return -EPROTO;
		}
		break;
	}
	if (ret_actual)
		*ret_actual = actual;
	return code;
}
