/* SPDX-License-Identifier: MIT
 * streams.c - see streams.h
 */
#include "streams.h"

#include <string.h>

#include "util/bytes.h"

void streams_put_context(struct streams *s, uint64_t iova, uint64_t pointer, unsigned sct,
			 unsigned dcs)
{
	put_le64(guest(s->d.f, iova), pointer | sct << 1 | dcs);
}

uint64_t streams_context(struct streams *s, unsigned id)
{
	return get_le64(guest(s->d.f, CONTEXT(ARRAY, id)));
}

void streams_put_linear(struct streams *s, unsigned entries)
{
	for (unsigned id = 1; id < entries; id++)
		streams_put_context(s, CONTEXT(ARRAY, id), RING_OF(id),
				    XHCI_SCT_PRIMARY_RING, 1);
}

void streams_configure_put(struct streams *s, unsigned max_pstreams, bool linear)
{
	driver_input(&s->d, BIT(IN), 1 | BIT(IN));
	driver_input_endpoint(&s->d, IN, XHCI_EP_TYPE_BULK_IN, 1024);
	driver_input_streams(&s->d, IN, max_pstreams, linear, ARRAY);
	driver_command_put(&s->d, DRIVER_INPUT_IOVA, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_CONFIGURE_ENDPOINT) |
				   s->d.slot_id << XHCI_TRB_SLOT_SHIFT);
	run_until_idle(s->d.f);
}

enum xhci_cc streams_command_cc(struct streams *s)
{
	run_until_idle(s->d.f);
	return (enum xhci_cc)(
		expect_event(s->d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT).status >>
		24);
}

void streams_start(struct streams *s, struct fixture *f)
{
	memset(s, 0, sizeof(*s));
	driver_configure(&s->d, f, USBDEV_SPEED_SUPER);
	fake_dev_with_streams(&s->d.fake);
}

void streams_start_linear(struct streams *s, struct fixture *f, unsigned max_pstreams)
{
	streams_start(s, f);
	streams_put_linear(s, 2u << max_pstreams);
	streams_configure_put(s, max_pstreams, true);
	fake_dev_streams_done(&s->d.fake, 0);
	assert_int_equal(streams_command_cc(s), XHCI_CC_SUCCESS);
}

uint64_t streams_put_td(struct streams *s, unsigned id, uint32_t len)
{
	uint64_t iova = RING_OF(id) + 16u * s->index[id]++;
	struct xhci_trb trb = {DATA, len,
			       xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL) | XHCI_TRB_IOC |
				       XHCI_TRB_C};

	guest_put_trb(s->d.f, iova, &trb);
	return iova;
}

void streams_ring(struct streams *s, unsigned dci, unsigned id)
{
	write32(s->d.f, DOORBELL(s->d.slot_id), dci | id << 16);
	run_until_idle(s->d.f);
}

uint64_t streams_put_and_ring(struct streams *s, unsigned id, uint32_t len)
{
	uint64_t iova = streams_put_td(s, id, len);

	streams_ring(s, IN, id);
	return iova;
}

struct usbdev_transfer *streams_held(struct streams *s, unsigned id)
{
	struct list *node;

	LIST_FOREACH(node, &s->d.fake.submitted) {
		struct usbdev_transfer *transfer =
			LIST_ENTRY(node, struct usbdev_transfer, node);

		if (transfer->stream_id == id && transfer->ep_addr == 0x81)
			return transfer;
	}
	return NULL;
}

void streams_complete(struct streams *s, unsigned id, enum usbdev_status status,
		      uint32_t actual_bytes)
{
	assert_non_null(streams_held(s, id));
	fake_dev_complete(&s->d.fake, streams_held(s, id), status, actual_bytes);
	run_until_idle(s->d.f);
}

void streams_stop_put(struct streams *s)
{
	driver_stop_put(&s->d, IN);
	run_until_idle(s->d.f);
}

enum xhci_cc streams_set_dequeue(struct streams *s, unsigned dci, unsigned id,
				 uint64_t pointer)
{
	driver_command_put(&s->d, pointer, id << 16,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_SET_TR_DEQUEUE) |
				   dci << XHCI_TRB_EP_SHIFT |
				   s->d.slot_id << XHCI_TRB_SLOT_SHIFT);
	return streams_command_cc(s);
}

void streams_end(struct streams *s)
{
	driver_end(&s->d);
}
