/* SPDX-License-Identifier: MIT
 * test_streams.c - bulk streams: arrays, rings, taking back, halts, hostile contexts
 */
#include <errno.h>
#include <string.h>

#include "driver.h"
#include "util/bytes.h"
#include "xhci/stream.h"

#define IN                   DRIVER_BULK_IN_DCI
#define OUT                  DRIVER_BULK_OUT_DCI
#define DATA                 DRIVER_DATA_IOVA
#define ARRAY                (FIXTURE_LOW_IOVA + 0x50000) /* primary, of IN */
#define SECONDARY            (FIXTURE_LOW_IOVA + 0x58000)
#define RINGS                (FIXTURE_LOW_IOVA + 0x60000)
#define RING_BYTES           0x400u
#define IDS                  64u
#define ENTRIES              (2u << XHCI_MAX_PSA_SIZE)
#define RING_OF(id)          (RINGS + (id)*RING_BYTES)
#define CONTEXT(iova, index) ((iova) + 16u * (index))

/* A driver, and the guest's side of the rings of the streams of IN. */
struct streams {
	struct driver d;
	unsigned index[IDS];
};

static void put_context(struct streams *s, uint64_t iova, uint64_t pointer, unsigned sct,
			unsigned dcs)
{
	put_le64(guest(s->d.f, iova), pointer | sct << 1 | dcs);
}

static uint64_t context(struct streams *s, unsigned id)
{
	return get_le64(guest(s->d.f, CONTEXT(ARRAY, id)));
}

/* A linear array for IN, of @entries, in which each has its ring. */
static void put_linear(struct streams *s, unsigned entries)
{
	for (unsigned id = 1; id < entries; id++)
		put_context(s, CONTEXT(ARRAY, id), RING_OF(id), XHCI_SCT_PRIMARY_RING, 1);
}

/* Puts a Configure Endpoint command that gives streams to IN instead of what it has. */
static void configure_put(struct streams *s, unsigned max_pstreams, bool linear)
{
	driver_input(&s->d, BIT(IN), 1 | BIT(IN));
	driver_input_endpoint(&s->d, IN, XHCI_EP_TYPE_BULK_IN, 1024);
	driver_input_streams(&s->d, IN, max_pstreams, linear, ARRAY);
	driver_command_put(&s->d, DRIVER_INPUT_IOVA, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_CONFIGURE_ENDPOINT) |
				   s->d.slot_id << XHCI_TRB_SLOT_SHIFT);
	run_until_idle(s->d.f);
}

static enum xhci_cc command_cc(struct streams *s)
{
	run_until_idle(s->d.f);
	return (enum xhci_cc)(
		expect_event(s->d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT).status >>
		24);
}

/* A device with streams, configured; IN has none yet. */
static void start(struct streams *s, struct fixture *f)
{
	memset(s, 0, sizeof(*s));
	driver_configure(&s->d, f, USBDEV_SPEED_SUPER);
	fake_dev_with_streams(&s->d.fake);
}

/* The same, with a linear array of @max_pstreams. */
static void start_linear(struct streams *s, struct fixture *f, unsigned max_pstreams)
{
	start(s, f);
	put_linear(s, 2u << max_pstreams);
	configure_put(s, max_pstreams, true);
	fake_dev_streams_done(&s->d.fake, 0);
	assert_int_equal(command_cc(s), XHCI_CC_SUCCESS);
}

static uint64_t put_td(struct streams *s, unsigned id, uint32_t len)
{
	uint64_t iova = RING_OF(id) + 16u * s->index[id]++;
	struct xhci_trb trb = {DATA, len,
			       xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL) | XHCI_TRB_IOC |
				       XHCI_TRB_C};

	guest_put_trb(s->d.f, iova, &trb);
	return iova;
}

static void ring(struct streams *s, unsigned dci, unsigned id)
{
	write32(s->d.f, DOORBELL(s->d.slot_id), dci | id << 16);
	run_until_idle(s->d.f);
}

static uint64_t put_and_ring(struct streams *s, unsigned id, uint32_t len)
{
	uint64_t iova = put_td(s, id, len);

	ring(s, IN, id);
	return iova;
}

/* The first transfer the device holds for stream @id, or NULL. */
static struct usbdev_transfer *held(struct streams *s, unsigned id)
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

static void complete(struct streams *s, unsigned id, enum usbdev_status status,
		     uint32_t actual_bytes)
{
	assert_non_null(held(s, id));
	fake_dev_complete(&s->d.fake, held(s, id), status, actual_bytes);
	run_until_idle(s->d.f);
}

static void stop_put(struct streams *s)
{
	driver_command_put(&s->d, 0, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_STOP_ENDPOINT) |
				   IN << XHCI_TRB_EP_SHIFT |
				   s->d.slot_id << XHCI_TRB_SLOT_SHIFT);
	run_until_idle(s->d.f);
}

static enum xhci_cc set_dequeue(struct streams *s, unsigned dci, unsigned id,
				uint64_t pointer)
{
	driver_command_put(&s->d, pointer, id << 16,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_SET_TR_DEQUEUE) |
				   dci << XHCI_TRB_EP_SHIFT |
				   s->d.slot_id << XHCI_TRB_SLOT_SHIFT);
	return command_cc(s);
}

static void end(struct streams *s)
{
	driver_end(&s->d);
}

static void streams_complete_in_any_order(void **state)
{
	struct streams s;
	uint64_t a, a2, b, c;

	start_linear(&s, *state, XHCI_MAX_PSA_SIZE);
	a = put_td(&s, 1, 100);
	a2 = put_and_ring(&s, 1, 100);
	b = put_and_ring(&s, 2, 200);
	c = put_and_ring(&s, ENTRIES - 1, 300);
	assert_int_equal(s.d.fake.submits, 4);
	assert_int_equal(held(&s, 2)->length_bytes, 200);
	complete(&s, ENTRIES - 1, USBDEV_STATUS_OK, 300);
	driver_expect(&s.d, IN, c, XHCI_CC_SUCCESS, 0);
	complete(&s, 1, USBDEV_STATUS_OK, 100);
	driver_expect(&s.d, IN, a, XHCI_CC_SUCCESS, 0);
	complete(&s, 2, USBDEV_STATUS_OK, 50);
	driver_expect(&s.d, IN, b, XHCI_CC_SHORT_PACKET, 150);
	complete(&s, 1, USBDEV_STATUS_OK, 100);
	driver_expect(&s.d, IN, a2, XHCI_CC_SUCCESS, 0);
	expect_no_event(s.d.f);
	end(&s);
}

static void secondary_arrays(void **state)
{
	struct streams s;
	uint64_t trb;

	start(&s, *state);
	/* primary array of 4: an array of 8, a ring, an array of 16 that is not there */
	put_context(&s, CONTEXT(ARRAY, 1), SECONDARY, XHCI_SCT_SSA_8, 0);
	put_context(&s, CONTEXT(ARRAY, 2), RING_OF(2), XHCI_SCT_PRIMARY_RING, 1);
	put_context(&s, CONTEXT(SECONDARY, 0), RING_OF(1), XHCI_SCT_SECONDARY_RING, 1);
	put_context(&s, CONTEXT(SECONDARY, 7), RING_OF(29), XHCI_SCT_SECONDARY_RING, 1);
	configure_put(&s, 1, false);
	assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 7 * 4 + 1);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_int_equal(command_cc(&s), XHCI_CC_SUCCESS);
	put_and_ring(&s, 1, 10);
	trb = put_and_ring(&s, 29, 10);
	put_and_ring(&s, 2, 10);
	assert_non_null(held(&s, 1));
	assert_non_null(held(&s, 2));
	complete(&s, 29, USBDEV_STATUS_OK, 10);
	driver_expect(&s.d, IN, trb, XHCI_CC_SUCCESS, 0);
	stop_put(&s);
	driver_expect(&s.d, IN, RING_OF(1), XHCI_CC_STOPPED, 10);
	driver_expect(&s.d, IN, RING_OF(2), XHCI_CC_STOPPED, 10);
	assert_int_equal(command_cc(&s), XHCI_CC_SUCCESS);
	assert_int_equal(get_le64(guest(s.d.f, CONTEXT(SECONDARY, 7))), (trb + 16) | 1);
	assert_int_equal(set_dequeue(&s, IN, 29, RING_OF(30) | 1), XHCI_CC_SUCCESS);
	assert_int_equal(get_le64(guest(s.d.f, CONTEXT(SECONDARY, 7))), RING_OF(30) | 1);
	assert_int_equal(set_dequeue(&s, IN, 29, RING_OF(30) | 3),
			 XHCI_CC_INVALID_STREAM_TYPE);
	assert_int_equal(set_dequeue(&s, IN, 2, RING_OF(30) | 3), XHCI_CC_SUCCESS);
	/* behind the secondary array; behind a ring; primary entry 0 */
	assert_int_equal(set_dequeue(&s, IN, 33, RING_OF(30) | 1),
			 XHCI_CC_INVALID_STREAM_ID);
	assert_int_equal(set_dequeue(&s, IN, 6, RING_OF(30) | 1),
			 XHCI_CC_INVALID_STREAM_ID);
	assert_int_equal(set_dequeue(&s, IN, 4, RING_OF(30) | 1),
			 XHCI_CC_INVALID_STREAM_ID);
	end(&s);
}

static void all_sizes_of_secondary_arrays(void **state)
{
	struct streams s;

	start(&s, *state);
	for (unsigned sct = XHCI_SCT_SSA_8; sct <= XHCI_SCT_SSA_256; sct++) {
		put_context(&s, CONTEXT(ARRAY, 3), SECONDARY, sct, 0);
		configure_put(&s, 1, false);
		assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count,
				 ((2u << sct) - 1) * 4 + 3);
		fake_dev_streams_done(&s.d.fake, -ENOSPC);
		assert_int_equal(command_cc(&s), XHCI_CC_RESOURCE_ERROR);
	}
	end(&s);
}

static void stop_shows_where_each_stands(void **state)
{
	struct streams s;
	uint64_t a, b, c;

	start_linear(&s, *state, 2);
	s.d.fake.hold_cancelled = true;
	put_td(&s, 1, 1000);
	a = put_and_ring(&s, 1, 1000);
	b = put_and_ring(&s, 2, 500);
	c = put_and_ring(&s, 3, 8);
	complete(&s, 3, USBDEV_STATUS_OK, 8);
	events_skip(s.d.f);
	stop_put(&s);
	expect_no_event(s.d.f);
	/* the first was done all the same, the next half way */
	complete(&s, 2, USBDEV_STATUS_CANCELLED, 0);
	complete(&s, 1, USBDEV_STATUS_OK, 1000);
	driver_expect(&s.d, IN, a - 16, XHCI_CC_SUCCESS, 0);
	expect_no_event(s.d.f);
	complete(&s, 1, USBDEV_STATUS_CANCELLED, 400);
	driver_expect(&s.d, IN, a, XHCI_CC_STOPPED, 600);
	driver_expect(&s.d, IN, b, XHCI_CC_STOPPED, 500);
	assert_int_equal(command_cc(&s), XHCI_CC_SUCCESS);
	expect_no_event(s.d.f);
	assert_int_equal(driver_ep_state(&s.d, IN), XHCI_EP_STATE_STOPPED);
	assert_int_equal(context(&s, 1), a | 3);
	assert_int_equal(context(&s, 2), b | 3);
	assert_int_equal(context(&s, 3), (c + 16) | 3);
	/* that of the endpoint still is the array, with MaxPStreams and LSA */
	assert_int_equal(driver_context(&s.d, IN, 2), (uint32_t)ARRAY);
	assert_int_equal(driver_context(&s.d, IN, 0),
			 2u << 10 | 1u << 15 | XHCI_EP_STATE_STOPPED);
	end(&s);
}

static void stopped_streams_go_on_by_their_own_doorbell(void **state)
{
	struct streams s;
	uint64_t a, b;

	start_linear(&s, *state, 2);
	s.d.fake.hold_cancelled = true;
	a = put_and_ring(&s, 1, 1000);
	b = put_and_ring(&s, 2, 500);
	stop_put(&s);
	complete(&s, 1, USBDEV_STATUS_CANCELLED, 400);
	complete(&s, 2, USBDEV_STATUS_CANCELLED, 100);
	driver_expect(&s.d, IN, a, XHCI_CC_STOPPED, 600);
	driver_expect(&s.d, IN, b, XHCI_CC_STOPPED, 400);
	assert_int_equal(command_cc(&s), XHCI_CC_SUCCESS);
	ring(&s, IN, 1);
	assert_int_equal(driver_ep_state(&s.d, IN), XHCI_EP_STATE_RUNNING);
	assert_int_equal(held(&s, 1)->length_bytes, 600);
	assert_null(held(&s, 2));
	/* stopped once more: the other one was not on its way */
	stop_put(&s);
	complete(&s, 1, USBDEV_STATUS_CANCELLED, 0);
	driver_expect(&s.d, IN, a, XHCI_CC_STOPPED, 600);
	assert_int_equal(command_cc(&s), XHCI_CC_SUCCESS);
	ring(&s, IN, 2);
	assert_int_equal(held(&s, 2)->length_bytes, 400);
	complete(&s, 2, USBDEV_STATUS_OK, 400);
	driver_expect(&s.d, IN, b, XHCI_CC_SUCCESS, 0);
	end(&s);
}

static void set_dequeue_is_per_stream(void **state)
{
	struct streams s;
	uint64_t b, next;

	start_linear(&s, *state, 2);
	assert_int_equal(set_dequeue(&s, IN, 1, RING_OF(9) | 3),
			 XHCI_CC_CONTEXT_STATE_ERROR);
	s.d.fake.hold_cancelled = true;
	put_td(&s, 1, 1000);
	next = put_and_ring(&s, 1, 1000);
	b = put_and_ring(&s, 2, 500);
	stop_put(&s);
	complete(&s, 2, USBDEV_STATUS_CANCELLED, 100);
	complete(&s, 1, USBDEV_STATUS_CANCELLED, 900);
	complete(&s, 1, USBDEV_STATUS_CANCELLED, 0);
	events_skip(s.d.f);
	/* the guest has cancelled the first TD of stream 1 */
	assert_int_equal(set_dequeue(&s, IN, 1, next | 3), XHCI_CC_SUCCESS);
	assert_int_equal(context(&s, 1), next | 3);
	assert_int_equal(context(&s, 2), b | 3);
	ring(&s, IN, 1);
	ring(&s, IN, 2);
	assert_int_equal(held(&s, 1)->length_bytes, 1000);
	assert_int_equal(held(&s, 2)->length_bytes, 400);
	complete(&s, 1, USBDEV_STATUS_OK, 1000);
	driver_expect(&s.d, IN, next, XHCI_CC_SUCCESS, 0);
	end(&s);
}

static void set_dequeue_checks_its_stream(void **state)
{
	struct streams s;

	start_linear(&s, *state, 2);
	assert_int_equal(driver_stop(&s.d, IN), XHCI_CC_SUCCESS);
	assert_int_equal(set_dequeue(&s, IN, 0, RING_OF(1) | 3),
			 XHCI_CC_INVALID_STREAM_ID);
	assert_int_equal(set_dequeue(&s, IN, 8, RING_OF(1) | 3),
			 XHCI_CC_INVALID_STREAM_ID);
	assert_int_equal(set_dequeue(&s, IN, 65535, RING_OF(1) | 3),
			 XHCI_CC_INVALID_STREAM_ID);
	assert_int_equal(set_dequeue(&s, IN, 1, RING_OF(1) | 1),
			 XHCI_CC_INVALID_STREAM_TYPE);
	assert_int_equal(set_dequeue(&s, IN, 1, RING_OF(1) | XHCI_SCT_SSA_8 << 1),
			 XHCI_CC_INVALID_STREAM_TYPE);
	assert_int_equal(context(&s, 1), RING_OF(1) | 3);
	assert_int_equal(set_dequeue(&s, IN, 7, RING_OF(1) | 3), XHCI_CC_SUCCESS);
	/* an endpoint without streams */
	assert_int_equal(driver_stop(&s.d, OUT), XHCI_CC_SUCCESS);
	assert_int_equal(set_dequeue(&s, OUT, 1, RING_OF(1) | 3), XHCI_CC_TRB_ERROR);
	end(&s);
}

static void a_stall_halts_the_endpoint_and_others_are_taken_back(void **state)
{
	struct streams s;
	uint64_t a, b, c;

	start_linear(&s, *state, 2);
	s.d.fake.hold_cancelled = true;
	a = put_and_ring(&s, 1, 1000);
	b = put_and_ring(&s, 2, 1000);
	c = put_and_ring(&s, 3, 1000);
	complete(&s, 1, USBDEV_STATUS_STALL, 0);
	driver_expect(&s.d, IN, a, XHCI_CC_STALL_ERROR, 1000);
	assert_int_equal(driver_ep_state(&s.d, IN), XHCI_EP_STATE_HALTED);
	assert_int_equal(context(&s, 1), a | 3);
	assert_true(held(&s, 2)->cancelled);
	/* the reset waits for them; an error of another stream is not told */
	driver_command_put(&s.d, 0, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_RESET_ENDPOINT) |
				   IN << XHCI_TRB_EP_SHIFT |
				   s.d.slot_id << XHCI_TRB_SLOT_SHIFT);
	complete(&s, 2, USBDEV_STATUS_CANCELLED, 200);
	expect_no_event(s.d.f);
	complete(&s, 3, USBDEV_STATUS_STALL, 0);
	assert_int_equal(command_cc(&s), XHCI_CC_SUCCESS);
	assert_int_equal(s.d.fake.endpoint_resets, 1);
	assert_int_equal(driver_ep_state(&s.d, IN), XHCI_EP_STATE_STOPPED);
	assert_int_equal(context(&s, 2), b | 3);
	assert_int_equal(set_dequeue(&s, IN, 1, (a + 16) | 3), XHCI_CC_SUCCESS);
	ring(&s, IN, 2);
	ring(&s, IN, 3);
	assert_int_equal(held(&s, 2)->length_bytes, 800);
	complete(&s, 3, USBDEV_STATUS_OK, 1000);
	driver_expect(&s.d, IN, c, XHCI_CC_SUCCESS, 0);
	complete(&s, 2, USBDEV_STATUS_OK, 800);
	driver_expect(&s.d, IN, b, XHCI_CC_SUCCESS, 0);
	end(&s);
}

static void what_completes_after_a_halt_is_told(void **state)
{
	struct streams s;
	uint64_t a, b;

	start_linear(&s, *state, 2);
	s.d.fake.hold_cancelled = true;
	a = put_and_ring(&s, 1, 1000);
	b = put_and_ring(&s, 2, 1000);
	complete(&s, 1, USBDEV_STATUS_STALL, 0);
	driver_expect(&s.d, IN, a, XHCI_CC_STALL_ERROR, 1000);
	complete(&s, 2, USBDEV_STATUS_OK, 1000);
	driver_expect(&s.d, IN, b, XHCI_CC_SUCCESS, 0);
	assert_int_equal(driver_ep_state(&s.d, IN), XHCI_EP_STATE_HALTED);
	assert_int_equal(context(&s, 2), (b + 16) | 3);
	end(&s);
}

static void expect_stream_error(struct streams *s, enum xhci_cc cc)
{
	driver_expect(&s->d, IN, 0, cc, 0);
	assert_int_equal(driver_ep_state(&s->d, IN), XHCI_EP_STATE_HALTED);
	assert_int_equal(driver_reset_endpoint(&s->d, IN, true), XHCI_CC_SUCCESS);
}

static void doorbells_with_bad_stream_ids(void **state)
{
	struct streams s;

	start_linear(&s, *state, 2);
	/* reserved: nothing happens */
	ring(&s, IN, 0);
	ring(&s, IN, 65534);
	ring(&s, IN, 65535);
	expect_no_event(s.d.f);
	ring(&s, IN, 8);
	expect_stream_error(&s, XHCI_CC_INVALID_STREAM_ID);
	ring(&s, IN, 65533);
	expect_stream_error(&s, XHCI_CC_INVALID_STREAM_ID);
	for (unsigned sct = 0; sct <= 7; sct++) {
		if (sct == XHCI_SCT_PRIMARY_RING)
			continue;
		put_context(&s, CONTEXT(ARRAY, 3), RING_OF(3), sct, 1);
		ring(&s, IN, 3);
		expect_stream_error(&s, XHCI_CC_INVALID_STREAM_TYPE);
	}
	/* mended, it works */
	put_context(&s, CONTEXT(ARRAY, 3), RING_OF(3), XHCI_SCT_PRIMARY_RING, 1);
	put_and_ring(&s, 3, 10);
	assert_non_null(held(&s, 3));
	/* an endpoint without streams ignores a doorbell with a Stream ID */
	driver_normal(&s.d, OUT, DATA, 10, XHCI_TRB_IOC);
	ring(&s, OUT, 1);
	assert_int_equal(fake_dev_count(&s.d.fake, OUT >> 1), 0);
	ring(&s, OUT, 0);
	assert_int_equal(fake_dev_count(&s.d.fake, OUT >> 1), 1);
	end(&s);
}

static void drop_with_tds_in_flight(void **state)
{
	struct streams s;
	struct usbdev_streams *request;

	start_linear(&s, *state, 2);
	s.d.fake.hold_cancelled = true;
	for (unsigned id = 1; id <= 7; id++)
		put_and_ring(&s, id, 100);
	driver_input(&s.d, BIT(IN), 1);
	assert_int_equal(driver_command(&s.d, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT,
					DRIVER_INPUT_IOVA, 0)
				 .cc,
			 XHCI_CC_SUCCESS);
	assert_int_equal(driver_ep_state(&s.d, IN), XHCI_EP_STATE_DISABLED);
	assert_int_equal(s.d.fake.cancels, 7);
	request = fake_dev_streams(&s.d.fake);
	assert_non_null(request);
	assert_int_equal(request->stream_count, 0);
	assert_int_equal(request->ep_count, 1);
	assert_int_equal(request->ep_addrs[0], 0x81);
	fake_dev_streams_done(&s.d.fake, 0);
	for (unsigned id = 7; id >= 1; id--)
		complete(&s, id, USBDEV_STATUS_CANCELLED, 50);
	expect_no_event(s.d.f);
	assert_true(xhci_idle(s.d.f->xhci));
	end(&s);
}

static void streams_go_back_when_all_is_dropped(void **state)
{
	static const enum xhci_trb_type types[] = {XHCI_TRB_TYPE_DISABLE_SLOT,
						   XHCI_TRB_TYPE_RESET_DEVICE};
	struct streams s;

	for (size_t i = 0; i <= ARRAY_SIZE(types); i++) {
		start_linear(&s, *state, 2);
		put_and_ring(&s, 1, 100);
		if (i < ARRAY_SIZE(types)) {
			assert_int_equal(driver_command(&s.d, types[i], 0, 0).cc,
					 XHCI_CC_SUCCESS);
		} else {
			write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
			run_until_idle(s.d.f);
		}
		assert_non_null(fake_dev_streams(&s.d.fake));
		assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 0);
		end(&s);
		write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
		run_until_idle(s.d.f);
		memset(guest(s.d.f, RINGS), 0, IDS * RING_BYTES);
		memset(guest(s.d.f, FIXTURE_COMMAND_IOVA), 0, 0x1000);
		memset(guest(s.d.f, FIXTURE_EVENTS_IOVA), 0, 0x1000);
	}
}

static void device_refuses(void **state)
{
	struct streams s;
	uint64_t trb;

	start(&s, *state);
	put_linear(&s, 8);
	trb = driver_normal(&s.d, IN, DATA, 10, XHCI_TRB_IOC);
	driver_ring(&s.d, IN);
	configure_put(&s, 2, true);
	expect_no_event(s.d.f);
	assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 7);
	fake_dev_streams_done(&s.d.fake, -EIO);
	assert_int_equal(command_cc(&s), XHCI_CC_RESOURCE_ERROR);
	/* nothing has changed */
	assert_int_equal(driver_context(&s.d, IN, 0), XHCI_EP_STATE_RUNNING);
	driver_complete(&s.d, IN, USBDEV_STATUS_OK, 10);
	driver_expect(&s.d, IN, trb, XHCI_CC_SUCCESS, 0);
	assert_null(fake_dev_streams(&s.d.fake));
	end(&s);
}

static void device_without_streams(void **state)
{
	struct streams s;

	memset(&s, 0, sizeof(s));
	driver_configure(&s.d, *state, USBDEV_SPEED_SUPER);
	put_linear(&s, 8);
	configure_put(&s, 2, true);
	assert_int_equal(command_cc(&s), XHCI_CC_RESOURCE_ERROR);
	end(&s);
}

static void what_was_checked_counts_when_the_answer_comes(void **state)
{
	struct streams s;

	start(&s, *state);
	put_linear(&s, 8);
	configure_put(&s, 2, true);
	memset(guest(s.d.f, DRIVER_INPUT_IOVA), 0xff, XHCI_INPUT_CONTEXT_SIZE);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_int_equal(command_cc(&s), XHCI_CC_SUCCESS);
	assert_int_equal(driver_context(&s.d, IN, 0),
			 2u << 10 | 1u << 15 | XHCI_EP_STATE_RUNNING);
	end(&s);
}

static void abort_while_the_device_is_asked(void **state)
{
	struct streams s;

	start(&s, *state);
	put_linear(&s, 8);
	configure_put(&s, 2, true);
	write32(s.d.f, OPER(CRCR_LO), XHCI_CRCR_CA);
	assert_int_equal(command_cc(&s), XHCI_CC_COMMAND_ABORTED);
	assert_int_equal(
		expect_event(s.d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT).status >> 24,
		XHCI_CC_COMMAND_RING_STOPPED);
	/* the next one waits for its turn: what is granted now goes back first */
	configure_put(&s, 1, true);
	assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 7);
	fake_dev_streams_done(&s.d.fake, 0);
	run_until_idle(s.d.f);
	assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 0);
	fake_dev_streams_done(&s.d.fake, 0);
	run_until_idle(s.d.f);
	assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 3);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_int_equal(command_cc(&s), XHCI_CC_SUCCESS);
	assert_null(fake_dev_streams(&s.d.fake));
	end(&s);
}

static void reset_while_the_device_is_asked(void **state)
{
	struct streams s;

	start(&s, *state);
	put_linear(&s, 8);
	configure_put(&s, 2, true);
	write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	run_until_idle(s.d.f);
	assert_false(xhci_idle(s.d.f->xhci));
	fake_dev_streams_done(&s.d.fake, 0);
	run_until_idle(s.d.f);
	assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 0);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_true(xhci_idle(s.d.f->xhci));
	end(&s);
}

static void halt_while_the_device_is_asked(void **state)
{
	struct streams s;

	start(&s, *state);
	put_linear(&s, 8);
	configure_put(&s, 2, true);
	write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_INTE);
	run_until_idle(s.d.f);
	assert_true(read32(s.d.f, OPER(USBSTS)) & XHCI_USBSTS_HCH);
	fake_dev_streams_done(&s.d.fake, -EIO);
	run_until_idle(s.d.f);
	expect_no_event(s.d.f);
	/* the command is taken again */
	write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_INTE | XHCI_USBCMD_RS);
	write32(s.d.f, DOORBELL(0), 0);
	run_until_idle(s.d.f);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_int_equal(command_cc(&s), XHCI_CC_SUCCESS);
	end(&s);
}

static void unplug_while_the_device_is_asked(void **state)
{
	struct streams s;

	start(&s, *state);
	put_linear(&s, 8);
	configure_put(&s, 2, true);
	assert_int_equal(xhci_detach(s.d.f->xhci, s.d.port, fake_dev_released, NULL), 0);
	run_until_idle(s.d.f);
	/* it is not given back before it has answered; what it says counts no more */
	assert_false(s.d.fake.released);
	fake_dev_streams_done(&s.d.fake, 0);
	run_until_idle(s.d.f);
	assert_true(s.d.fake.released);
	usbdev_destroy(&s.d.fake.dev, NULL, NULL);
	expect_event(s.d.f, XHCI_TRB_TYPE_PORT_STATUS_CHANGE_EVENT);
	assert_int_equal(command_cc(&s), XHCI_CC_RESOURCE_ERROR);
}

static void run_stop_takes_streams_back_and_goes_on(void **state)
{
	struct streams s;
	uint64_t a, b;

	start_linear(&s, *state, 2);
	a = put_and_ring(&s, 1, 100);
	b = put_and_ring(&s, 2, 100);
	write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_INTE);
	run_until_idle(s.d.f);
	assert_true(read32(s.d.f, OPER(USBSTS)) & XHCI_USBSTS_HCH);
	assert_null(held(&s, 1));
	assert_null(held(&s, 2));
	write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_INTE | XHCI_USBCMD_RS);
	run_until_idle(s.d.f);
	complete(&s, 2, USBDEV_STATUS_OK, 100);
	driver_expect(&s.d, IN, b, XHCI_CC_SUCCESS, 0);
	complete(&s, 1, USBDEV_STATUS_OK, 100);
	driver_expect(&s.d, IN, a, XHCI_CC_SUCCESS, 0);
	end(&s);
}

static void unplug_with_streams_in_flight(void **state)
{
	struct streams s;

	start_linear(&s, *state, 2);
	s.d.fake.hold_cancelled = true;
	put_and_ring(&s, 1, 100);
	put_and_ring(&s, 2, 100);
	end(&s);
	expect_event(s.d.f, XHCI_TRB_TYPE_PORT_STATUS_CHANGE_EVENT);
	driver_expect(&s.d, IN, RING_OF(1), XHCI_CC_USB_TRANSACTION_ERROR, 100);
	/* stream 2 gets its turn after the reset, and its error */
	assert_int_equal(driver_reset_endpoint(&s.d, IN, false), XHCI_CC_SUCCESS);
	ring(&s, IN, 2);
	driver_expect(&s.d, IN, RING_OF(2), XHCI_CC_USB_TRANSACTION_ERROR, 100);
	assert_true(xhci_idle(s.d.f->xhci));
}

static void contexts_outside_memory(void **state)
{
	struct streams s;

	start(&s, *state);
	put_linear(&s, 8);
	driver_input(&s.d, BIT(IN), 1 | BIT(IN));
	driver_input_endpoint(&s.d, IN, XHCI_EP_TYPE_BULK_IN, 1024);
	driver_input_streams(&s.d, IN, 2, true, FIXTURE_NO_IOVA);
	driver_command_put(&s.d, DRIVER_INPUT_IOVA, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_CONFIGURE_ENDPOINT) |
				   s.d.slot_id << XHCI_TRB_SLOT_SHIFT);
	run_until_idle(s.d.f);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_int_equal(command_cc(&s), XHCI_CC_SUCCESS);
	assert_false(read32(s.d.f, OPER(USBSTS)) & XHCI_USBSTS_HSE);
	ring(&s, IN, 1);
	assert_true(read32(s.d.f, OPER(USBSTS)) & XHCI_USBSTS_HSE);
	end(&s);
}

static void secondary_array_outside_memory(void **state)
{
	struct streams s;

	start(&s, *state);
	put_context(&s, CONTEXT(ARRAY, 1), UINT64_MAX & ~UINT64_C(0xf), XHCI_SCT_SSA_256,
		    0);
	put_context(&s, CONTEXT(ARRAY, 2), ARRAY, XHCI_SCT_SSA_8, 0);
	configure_put(&s, 1, false);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_int_equal(command_cc(&s), XHCI_CC_SUCCESS);
	/* an array that is its own secondary one: entry 2 is no ring */
	ring(&s, IN, 2 + 4 * 2);
	expect_stream_error(&s, XHCI_CC_INVALID_STREAM_TYPE);
	ring(&s, IN, 1 + 4 * 255);
	assert_true(read32(s.d.f, OPER(USBSTS)) & XHCI_USBSTS_HSE);
	end(&s);
}

static void states_of_streams_are_bounded(void **state)
{
	struct streams s;
	unsigned rung = 0;

	start(&s, *state);
	for (unsigned i = 1; i < ENTRIES; i++)
		put_context(&s, CONTEXT(ARRAY, i), SECONDARY, XHCI_SCT_SSA_256, 0);
	for (unsigned i = 0; i < 256; i++)
		put_context(&s, CONTEXT(SECONDARY, i), RING_OF(1),
			    XHCI_SCT_SECONDARY_RING, 1);
	driver_input(&s.d, BIT(IN), 1 | BIT(IN) | BIT(7) | BIT(9));
	for (unsigned dci = IN; dci <= 9; dci += 2) {
		if (dci == DRIVER_INTR_IN_DCI)
			continue;
		driver_input_endpoint(&s.d, dci, XHCI_EP_TYPE_BULK_IN, 1024);
		driver_input_streams(&s.d, dci, XHCI_MAX_PSA_SIZE, false, ARRAY);
	}
	driver_command_put(&s.d, DRIVER_INPUT_IOVA, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_CONFIGURE_ENDPOINT) |
				   s.d.slot_id << XHCI_TRB_SLOT_SHIFT);
	run_until_idle(s.d.f);
	assert_int_equal(fake_dev_streams(&s.d.fake)->ep_count, 3);
	assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 256 * ENTRIES - 1);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_int_equal(command_cc(&s), XHCI_CC_SUCCESS);
	for (unsigned n = 0; n < 3; n++) {
		static const unsigned dcis[] = {7, 9, IN};

		for (unsigned id = 1; id < 256 * ENTRIES; id++) {
			if (id % ENTRIES == 0 || rung == XHCI_STREAMS_TOTAL)
				continue;
			write32(s.d.f, DOORBELL(s.d.slot_id), dcis[n] | id << 16);
			rung++;
		}
	}
	run_until_idle(s.d.f);
	expect_no_event(s.d.f);
	ring(&s, IN, 256 * ENTRIES - 1);
	expect_stream_error(&s, XHCI_CC_RESOURCE_ERROR);
	/* dropped, they make room */
	driver_input(&s.d, BIT(7) | BIT(9), 1);
	assert_int_equal(driver_command(&s.d, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT,
					DRIVER_INPUT_IOVA, 0)
				 .cc,
			 XHCI_CC_SUCCESS);
	ring(&s, IN, 256 * ENTRIES - 1);
	expect_no_event(s.d.f);
	end(&s);
}

static void only_bulk_endpoints_have_streams(void **state)
{
	struct streams s;

	start(&s, *state);
	for (unsigned type = XHCI_EP_TYPE_ISOCH_IN; type <= XHCI_EP_TYPE_INTERRUPT_IN;
	     type++) {
		if (type == XHCI_EP_TYPE_BULK_IN)
			continue;
		driver_input(&s.d, BIT(IN), 1 | BIT(IN));
		driver_input_endpoint(&s.d, IN, (enum xhci_ep_type)type, 1024);
		driver_input_streams(&s.d, IN, 2, true, ARRAY);
		assert_int_equal(driver_command(&s.d, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT,
						DRIVER_INPUT_IOVA, 0)
					 .cc,
				 XHCI_CC_PARAMETER_ERROR);
	}
	end(&s);
}

static void events_wait_for_room(void **state)
{
	struct streams s;
	unsigned told = 0;
	struct xhci_trb event;

	start_linear(&s, *state, XHCI_MAX_PSA_SIZE);
	event_handled(s.d.f, &s.d.f->events);
	for (unsigned n = 0; n < 10; n++)
		for (unsigned id = 1; id < ENTRIES; id++)
			put_and_ring(&s, id, 10);
	/* 310 events for a ring of 256 */
	while (!list_empty(&s.d.fake.submitted)) {
		struct usbdev_transfer *transfer = LIST_ENTRY(
			list_first(&s.d.fake.submitted), struct usbdev_transfer, node);

		fake_dev_complete(&s.d.fake, transfer, USBDEV_STATUS_OK, 10);
		run_until_idle(s.d.f);
	}
	for (unsigned round = 0; round < 4; round++) {
		while (event_next(s.d.f, &s.d.f->events, &event))
			if (xhci_trb_type(&event) == XHCI_TRB_TYPE_TRANSFER_EVENT)
				told++;
		event_handled(s.d.f, &s.d.f->events);
	}
	assert_int_equal(told, 10 * (ENTRIES - 1));
	end(&s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(streams_complete_in_any_order),
		TEST(secondary_arrays),
		TEST(all_sizes_of_secondary_arrays),
		TEST(stop_shows_where_each_stands),
		TEST(stopped_streams_go_on_by_their_own_doorbell),
		TEST(set_dequeue_is_per_stream),
		TEST(set_dequeue_checks_its_stream),
		TEST(a_stall_halts_the_endpoint_and_others_are_taken_back),
		TEST(what_completes_after_a_halt_is_told),
		TEST(doorbells_with_bad_stream_ids),
		TEST(drop_with_tds_in_flight),
		TEST(streams_go_back_when_all_is_dropped),
		TEST(device_refuses),
		TEST(device_without_streams),
		TEST(what_was_checked_counts_when_the_answer_comes),
		TEST(abort_while_the_device_is_asked),
		TEST(reset_while_the_device_is_asked),
		TEST(halt_while_the_device_is_asked),
		TEST(unplug_while_the_device_is_asked),
		TEST(run_stop_takes_streams_back_and_goes_on),
		TEST(unplug_with_streams_in_flight),
		TEST(contexts_outside_memory),
		TEST(secondary_array_outside_memory),
		TEST(states_of_streams_are_bounded),
		TEST(only_bulk_endpoints_have_streams),
		TEST(events_wait_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
