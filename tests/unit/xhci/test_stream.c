/* SPDX-License-Identifier: MIT
 * test_stream.c - bulk streams: arrays, rings, cancelling, halts, hostile contexts
 */
#include <errno.h>
#include <string.h>

#include "streams.h"
#include "util/bytes.h"
#include "xhci/controller.h"
#include "xhci/endpoint.h"
#include "xhci/slot.h"
#include "xhci/stream.h"

static void streams_complete_in_any_order(void **state)
{
	struct streams s;
	uint64_t a, a2, b, c;

	streams_start_linear(&s, *state, XHCI_MAX_PSA_SIZE);
	a = streams_put_td(&s, 1, 100);
	a2 = streams_put_and_ring(&s, 1, 100);
	b = streams_put_and_ring(&s, 2, 200);
	c = streams_put_and_ring(&s, ENTRIES - 1, 300);
	assert_int_equal(s.d.fake.submits, 4);
	assert_int_equal(streams_held(&s, 2)->length_bytes, 200);
	streams_complete(&s, ENTRIES - 1, USBDEV_STATUS_OK, 300);
	driver_expect(&s.d, IN, c, XHCI_CC_SUCCESS, 0);
	streams_complete(&s, 1, USBDEV_STATUS_OK, 100);
	driver_expect(&s.d, IN, a, XHCI_CC_SUCCESS, 0);
	streams_complete(&s, 2, USBDEV_STATUS_OK, 50);
	driver_expect(&s.d, IN, b, XHCI_CC_SHORT_PACKET, 150);
	streams_complete(&s, 1, USBDEV_STATUS_OK, 100);
	driver_expect(&s.d, IN, a2, XHCI_CC_SUCCESS, 0);
	expect_no_event(s.d.f);
	streams_end(&s);
}

static void secondary_arrays(void **state)
{
	struct streams s;
	uint64_t trb;

	streams_start(&s, *state);
	/* primary array of 4: an array of 8, a ring, a missing array of 16 */
	streams_put_context(&s, CONTEXT(ARRAY, 1), SECONDARY, XHCI_SCT_SSA_8, 0);
	streams_put_context(&s, CONTEXT(ARRAY, 2), RING_OF(2), XHCI_SCT_PRIMARY_RING, 1);
	streams_put_context(&s, CONTEXT(SECONDARY, 0), RING_OF(1),
			    XHCI_SCT_SECONDARY_RING, 1);
	streams_put_context(&s, CONTEXT(SECONDARY, 7), RING_OF(29),
			    XHCI_SCT_SECONDARY_RING, 1);
	streams_configure_put(&s, 1, false);
	assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count, 7 * 4 + 1);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_SUCCESS);
	streams_put_and_ring(&s, 1, 10);
	trb = streams_put_and_ring(&s, 29, 10);
	streams_put_and_ring(&s, 2, 10);
	assert_non_null(streams_held(&s, 1));
	assert_non_null(streams_held(&s, 2));
	streams_complete(&s, 29, USBDEV_STATUS_OK, 10);
	driver_expect(&s.d, IN, trb, XHCI_CC_SUCCESS, 0);
	streams_stop_put(&s);
	driver_expect(&s.d, IN, RING_OF(1), XHCI_CC_STOPPED, 10);
	driver_expect(&s.d, IN, RING_OF(2), XHCI_CC_STOPPED, 10);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_SUCCESS);
	assert_int_equal(get_le64(guest(s.d.f, CONTEXT(SECONDARY, 7))), (trb + 16) | 1);
	assert_int_equal(streams_set_dequeue(&s, IN, 29, RING_OF(30) | 1),
			 XHCI_CC_SUCCESS);
	assert_int_equal(get_le64(guest(s.d.f, CONTEXT(SECONDARY, 7))), RING_OF(30) | 1);
	assert_int_equal(streams_set_dequeue(&s, IN, 29, RING_OF(30) | 3),
			 XHCI_CC_INVALID_STREAM_TYPE);
	assert_int_equal(streams_set_dequeue(&s, IN, 2, RING_OF(30) | 3),
			 XHCI_CC_SUCCESS);
	/* behind the secondary array; behind a ring; primary entry 0, whatever it holds */
	streams_put_context(&s, CONTEXT(ARRAY, 0), SECONDARY, XHCI_SCT_SSA_8, 0);
	assert_int_equal(streams_set_dequeue(&s, IN, 33, RING_OF(30) | 1),
			 XHCI_CC_INVALID_STREAM_ID);
	assert_int_equal(streams_set_dequeue(&s, IN, 6, RING_OF(30) | 1),
			 XHCI_CC_INVALID_STREAM_ID);
	assert_int_equal(streams_set_dequeue(&s, IN, 4, RING_OF(30) | 1),
			 XHCI_CC_INVALID_STREAM_ID);
	streams_end(&s);
}

static void all_sizes_of_secondary_arrays(void **state)
{
	struct streams s;

	streams_start(&s, *state);
	for (unsigned sct = XHCI_SCT_SSA_8; sct <= XHCI_SCT_SSA_256; sct++) {
		streams_put_context(&s, CONTEXT(ARRAY, 3), SECONDARY, sct, 0);
		streams_configure_put(&s, 1, false);
		assert_int_equal(fake_dev_streams(&s.d.fake)->stream_count,
				 ((2u << sct) - 1) * 4 + 3);
		fake_dev_streams_done(&s.d.fake, -ENOSPC);
		assert_int_equal(streams_command_cc(&s), XHCI_CC_RESOURCE_ERROR);
	}
	streams_end(&s);
}

static void stop_shows_where_each_stands(void **state)
{
	struct streams s;
	uint64_t a, b, c;

	streams_start_linear(&s, *state, 2);
	s.d.fake.hold_cancelled = true;
	streams_put_td(&s, 1, 1000);
	a = streams_put_and_ring(&s, 1, 1000);
	b = streams_put_and_ring(&s, 2, 500);
	c = streams_put_and_ring(&s, 3, 8);
	streams_complete(&s, 3, USBDEV_STATUS_OK, 8);
	events_skip(s.d.f);
	streams_stop_put(&s);
	expect_no_event(s.d.f);
	/* the first was done all the same, the next half way */
	streams_complete(&s, 2, USBDEV_STATUS_CANCELLED, 0);
	streams_complete(&s, 1, USBDEV_STATUS_OK, 1000);
	driver_expect(&s.d, IN, a - 16, XHCI_CC_SUCCESS, 0);
	expect_no_event(s.d.f);
	streams_complete(&s, 1, USBDEV_STATUS_CANCELLED, 400);
	driver_expect(&s.d, IN, a, XHCI_CC_STOPPED, 600);
	driver_expect(&s.d, IN, b, XHCI_CC_STOPPED, 500);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_SUCCESS);
	expect_no_event(s.d.f);
	assert_int_equal(driver_ep_state(&s.d, IN), XHCI_EP_STATE_STOPPED);
	assert_int_equal(streams_context(&s, 1), a | 3);
	assert_int_equal(streams_context(&s, 2), b | 3);
	assert_int_equal(streams_context(&s, 3), (c + 16) | 3);
	/* that of the endpoint still is the array, with MaxPStreams and LSA */
	assert_int_equal(driver_context(&s.d, IN, 2), (uint32_t)ARRAY);
	assert_int_equal(driver_context(&s.d, IN, 0),
			 2u << 10 | 1u << 15 | XHCI_EP_STATE_STOPPED);
	streams_end(&s);
}

static void stopped_streams_go_on_by_their_own_doorbell(void **state)
{
	struct streams s;
	uint64_t a, b;

	streams_start_linear(&s, *state, 2);
	s.d.fake.hold_cancelled = true;
	a = streams_put_and_ring(&s, 1, 1000);
	b = streams_put_and_ring(&s, 2, 500);
	streams_stop_put(&s);
	streams_complete(&s, 1, USBDEV_STATUS_CANCELLED, 400);
	streams_complete(&s, 2, USBDEV_STATUS_CANCELLED, 100);
	driver_expect(&s.d, IN, a, XHCI_CC_STOPPED, 600);
	driver_expect(&s.d, IN, b, XHCI_CC_STOPPED, 400);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_SUCCESS);
	streams_ring(&s, IN, 1);
	assert_int_equal(driver_ep_state(&s.d, IN), XHCI_EP_STATE_RUNNING);
	assert_int_equal(streams_held(&s, 1)->length_bytes, 600);
	assert_null(streams_held(&s, 2));
	/* stopped once more: the other one had not started */
	streams_stop_put(&s);
	streams_complete(&s, 1, USBDEV_STATUS_CANCELLED, 0);
	driver_expect(&s.d, IN, a, XHCI_CC_STOPPED, 600);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_SUCCESS);
	streams_ring(&s, IN, 2);
	assert_int_equal(streams_held(&s, 2)->length_bytes, 400);
	streams_complete(&s, 2, USBDEV_STATUS_OK, 400);
	driver_expect(&s.d, IN, b, XHCI_CC_SUCCESS, 0);
	streams_end(&s);
}

static void set_dequeue_is_per_stream(void **state)
{
	struct streams s;
	uint64_t b, next;

	streams_start_linear(&s, *state, 2);
	assert_int_equal(streams_set_dequeue(&s, IN, 1, RING_OF(9) | 3),
			 XHCI_CC_CONTEXT_STATE_ERROR);
	s.d.fake.hold_cancelled = true;
	streams_put_td(&s, 1, 1000);
	next = streams_put_and_ring(&s, 1, 1000);
	b = streams_put_and_ring(&s, 2, 500);
	streams_stop_put(&s);
	streams_complete(&s, 2, USBDEV_STATUS_CANCELLED, 100);
	streams_complete(&s, 1, USBDEV_STATUS_CANCELLED, 900);
	streams_complete(&s, 1, USBDEV_STATUS_CANCELLED, 0);
	events_skip(s.d.f);
	/* the guest has cancelled the first TD of stream 1 */
	assert_int_equal(streams_set_dequeue(&s, IN, 1, next | 3), XHCI_CC_SUCCESS);
	assert_int_equal(streams_context(&s, 1), next | 3);
	assert_int_equal(streams_context(&s, 2), b | 3);
	streams_ring(&s, IN, 1);
	streams_ring(&s, IN, 2);
	assert_int_equal(streams_held(&s, 1)->length_bytes, 1000);
	assert_int_equal(streams_held(&s, 2)->length_bytes, 400);
	streams_complete(&s, 1, USBDEV_STATUS_OK, 1000);
	driver_expect(&s.d, IN, next, XHCI_CC_SUCCESS, 0);
	streams_end(&s);
}

static void set_dequeue_checks_its_stream(void **state)
{
	struct streams s;

	streams_start_linear(&s, *state, 2);
	assert_int_equal(driver_stop(&s.d, IN), XHCI_CC_SUCCESS);
	assert_int_equal(streams_set_dequeue(&s, IN, 0, RING_OF(1) | 3),
			 XHCI_CC_INVALID_STREAM_ID);
	assert_int_equal(streams_set_dequeue(&s, IN, 8, RING_OF(1) | 3),
			 XHCI_CC_INVALID_STREAM_ID);
	assert_int_equal(streams_set_dequeue(&s, IN, 65535, RING_OF(1) | 3),
			 XHCI_CC_INVALID_STREAM_ID);
	assert_int_equal(streams_set_dequeue(&s, IN, 1, RING_OF(1) | 1),
			 XHCI_CC_INVALID_STREAM_TYPE);
	assert_int_equal(streams_set_dequeue(&s, IN, 1, RING_OF(1) | XHCI_SCT_SSA_8 << 1),
			 XHCI_CC_INVALID_STREAM_TYPE);
	assert_int_equal(streams_context(&s, 1), RING_OF(1) | 3);
	assert_int_equal(streams_set_dequeue(&s, IN, 7, RING_OF(1) | 3), XHCI_CC_SUCCESS);
	/* an endpoint without streams */
	assert_int_equal(driver_stop(&s.d, OUT), XHCI_CC_SUCCESS);
	assert_int_equal(streams_set_dequeue(&s, OUT, 1, RING_OF(1) | 3),
			 XHCI_CC_TRB_ERROR);
	streams_end(&s);
}

static void a_stall_halts_the_endpoint_and_others_are_taken_back(void **state)
{
	struct streams s;
	uint64_t a, b, c;

	streams_start_linear(&s, *state, 2);
	s.d.fake.hold_cancelled = true;
	a = streams_put_and_ring(&s, 1, 1000);
	b = streams_put_and_ring(&s, 2, 1000);
	c = streams_put_and_ring(&s, 3, 1000);
	streams_complete(&s, 1, USBDEV_STATUS_STALL, 0);
	driver_expect(&s.d, IN, a, XHCI_CC_STALL_ERROR, 1000);
	assert_int_equal(driver_ep_state(&s.d, IN), XHCI_EP_STATE_HALTED);
	assert_int_equal(streams_context(&s, 1), a | 3);
	assert_true(streams_held(&s, 2)->cancelled);
	/* the reset waits for them; an error of another stream is not reported */
	driver_command_put(&s.d, 0, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_RESET_ENDPOINT) |
				   IN << XHCI_TRB_EP_SHIFT |
				   s.d.slot_id << XHCI_TRB_SLOT_SHIFT);
	streams_complete(&s, 2, USBDEV_STATUS_CANCELLED, 200);
	expect_no_event(s.d.f);
	streams_complete(&s, 3, USBDEV_STATUS_STALL, 0);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_SUCCESS);
	assert_int_equal(s.d.fake.endpoint_resets, 1);
	assert_int_equal(driver_ep_state(&s.d, IN), XHCI_EP_STATE_STOPPED);
	assert_int_equal(streams_context(&s, 2), b | 3);
	assert_int_equal(streams_set_dequeue(&s, IN, 1, (a + 16) | 3), XHCI_CC_SUCCESS);
	streams_ring(&s, IN, 2);
	streams_ring(&s, IN, 3);
	assert_int_equal(streams_held(&s, 2)->length_bytes, 800);
	streams_complete(&s, 3, USBDEV_STATUS_OK, 1000);
	driver_expect(&s.d, IN, c, XHCI_CC_SUCCESS, 0);
	streams_complete(&s, 2, USBDEV_STATUS_OK, 800);
	driver_expect(&s.d, IN, b, XHCI_CC_SUCCESS, 0);
	streams_end(&s);
}

static void a_stall_while_it_is_stopped(void **state)
{
	struct streams s;
	uint64_t a, b;

	streams_start_linear(&s, *state, 2);
	s.d.fake.hold_cancelled = true;
	a = streams_put_and_ring(&s, 1, 1000);
	b = streams_put_and_ring(&s, 2, 1000);
	streams_stop_put(&s);
	streams_complete(&s, 1, USBDEV_STATUS_STALL, 0);
	driver_expect(&s.d, IN, a, XHCI_CC_STALL_ERROR, 1000);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_CONTEXT_STATE_ERROR);
	assert_int_equal(driver_ep_state(&s.d, IN), XHCI_EP_STATE_HALTED);
	/* the device still holds the other one */
	streams_complete(&s, 2, USBDEV_STATUS_CANCELLED, 300);
	expect_no_event(s.d.f);
	assert_int_equal(driver_reset_endpoint(&s.d, IN, false), XHCI_CC_SUCCESS);
	streams_ring(&s, IN, 2);
	assert_int_equal(streams_held(&s, 2)->length_bytes, 700);
	streams_complete(&s, 2, USBDEV_STATUS_OK, 700);
	driver_expect(&s.d, IN, b, XHCI_CC_SUCCESS, 0);
	streams_end(&s);
}

static void what_completes_after_a_halt_is_told(void **state)
{
	struct streams s;
	uint64_t a, b;

	streams_start_linear(&s, *state, 2);
	s.d.fake.hold_cancelled = true;
	a = streams_put_and_ring(&s, 1, 1000);
	b = streams_put_and_ring(&s, 2, 1000);
	streams_complete(&s, 1, USBDEV_STATUS_STALL, 0);
	driver_expect(&s.d, IN, a, XHCI_CC_STALL_ERROR, 1000);
	streams_complete(&s, 2, USBDEV_STATUS_OK, 1000);
	driver_expect(&s.d, IN, b, XHCI_CC_SUCCESS, 0);
	assert_int_equal(driver_ep_state(&s.d, IN), XHCI_EP_STATE_HALTED);
	assert_int_equal(streams_context(&s, 2), (b + 16) | 3);
	streams_end(&s);
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

	streams_start_linear(&s, *state, 2);
	/* reserved: nothing happens */
	streams_ring(&s, IN, 0);
	streams_ring(&s, IN, 65534);
	streams_ring(&s, IN, 65535);
	expect_no_event(s.d.f);
	streams_ring(&s, IN, 8);
	expect_stream_error(&s, XHCI_CC_INVALID_STREAM_ID);
	streams_ring(&s, IN, 65533);
	expect_stream_error(&s, XHCI_CC_INVALID_STREAM_ID);
	for (unsigned sct = 0; sct <= 7; sct++) {
		if (sct == XHCI_SCT_PRIMARY_RING)
			continue;
		streams_put_context(&s, CONTEXT(ARRAY, 3), RING_OF(3), sct, 1);
		streams_ring(&s, IN, 3);
		expect_stream_error(&s, XHCI_CC_INVALID_STREAM_TYPE);
	}
	/* mended, it works */
	streams_put_context(&s, CONTEXT(ARRAY, 3), RING_OF(3), XHCI_SCT_PRIMARY_RING, 1);
	streams_put_and_ring(&s, 3, 10);
	assert_non_null(streams_held(&s, 3));
	/* an endpoint without streams ignores a doorbell with a Stream ID */
	driver_normal(&s.d, OUT, DATA, 10, XHCI_TRB_IOC);
	streams_ring(&s, OUT, 1);
	assert_int_equal(fake_dev_count(&s.d.fake, OUT >> 1), 0);
	streams_ring(&s, OUT, 0);
	assert_int_equal(fake_dev_count(&s.d.fake, OUT >> 1), 1);
	streams_end(&s);
}

static void drop_with_tds_in_flight(void **state)
{
	struct streams s;
	struct usbdev_streams *request;

	streams_start_linear(&s, *state, 2);
	s.d.fake.hold_cancelled = true;
	for (unsigned id = 1; id <= 7; id++)
		streams_put_and_ring(&s, id, 100);
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
		streams_complete(&s, id, USBDEV_STATUS_CANCELLED, 50);
	expect_no_event(s.d.f);
	assert_true(xhci_idle(s.d.f->xhci));
	streams_end(&s);
}

static void run_stop_takes_streams_back_and_goes_on(void **state)
{
	struct streams s;
	uint64_t a, b;

	streams_start_linear(&s, *state, 2);
	a = streams_put_and_ring(&s, 1, 100);
	b = streams_put_and_ring(&s, 2, 100);
	write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_INTE);
	run_until_idle(s.d.f);
	assert_true(read32(s.d.f, OPER(USBSTS)) & XHCI_USBSTS_HCH);
	assert_null(streams_held(&s, 1));
	assert_null(streams_held(&s, 2));
	write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_INTE | XHCI_USBCMD_RS);
	run_until_idle(s.d.f);
	streams_complete(&s, 2, USBDEV_STATUS_OK, 100);
	driver_expect(&s.d, IN, b, XHCI_CC_SUCCESS, 0);
	streams_complete(&s, 1, USBDEV_STATUS_OK, 100);
	driver_expect(&s.d, IN, a, XHCI_CC_SUCCESS, 0);
	streams_end(&s);
}

static void unplug_with_streams_in_flight(void **state)
{
	struct streams s;

	streams_start_linear(&s, *state, 2);
	s.d.fake.hold_cancelled = true;
	streams_put_and_ring(&s, 1, 100);
	streams_put_and_ring(&s, 2, 100);
	streams_end(&s);
	expect_event(s.d.f, XHCI_TRB_TYPE_PORT_STATUS_CHANGE_EVENT);
	driver_expect(&s.d, IN, RING_OF(1), XHCI_CC_USB_TRANSACTION_ERROR, 100);
	/* stream 2 gets its turn after the reset, and its error */
	assert_int_equal(driver_reset_endpoint(&s.d, IN, false), XHCI_CC_SUCCESS);
	streams_ring(&s, IN, 2);
	driver_expect(&s.d, IN, RING_OF(2), XHCI_CC_USB_TRANSACTION_ERROR, 100);
	assert_true(xhci_idle(s.d.f->xhci));
}

static void contexts_outside_memory(void **state)
{
	struct streams s;

	streams_start(&s, *state);
	streams_put_linear(&s, 8);
	driver_input(&s.d, BIT(IN), 1 | BIT(IN));
	driver_input_endpoint(&s.d, IN, XHCI_EP_TYPE_BULK_IN, 1024);
	driver_input_streams(&s.d, IN, 2, true, FIXTURE_NO_IOVA);
	driver_command_put(&s.d, DRIVER_INPUT_IOVA, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_CONFIGURE_ENDPOINT) |
				   s.d.slot_id << XHCI_TRB_SLOT_SHIFT);
	run_until_idle(s.d.f);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_SUCCESS);
	assert_false(read32(s.d.f, OPER(USBSTS)) & XHCI_USBSTS_HSE);
	streams_ring(&s, IN, 1);
	assert_true(read32(s.d.f, OPER(USBSTS)) & XHCI_USBSTS_HSE);
	streams_end(&s);
}

static void secondary_array_outside_memory(void **state)
{
	struct streams s;

	streams_start(&s, *state);
	streams_put_context(&s, CONTEXT(ARRAY, 1), UINT64_MAX & ~UINT64_C(0xf),
			    XHCI_SCT_SSA_256, 0);
	streams_put_context(&s, CONTEXT(ARRAY, 2), ARRAY, XHCI_SCT_SSA_8, 0);
	streams_configure_put(&s, 1, false);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_SUCCESS);
	/* an array that is its own secondary one: entry 2 is no ring */
	streams_ring(&s, IN, 2 + 4 * 2);
	expect_stream_error(&s, XHCI_CC_INVALID_STREAM_TYPE);
	streams_ring(&s, IN, 1 + 4 * 255);
	assert_true(read32(s.d.f, OPER(USBSTS)) & XHCI_USBSTS_HSE);
	streams_end(&s);
}

static void states_of_streams_are_bounded(void **state)
{
	struct streams s;
	unsigned rung = 0;

	streams_start(&s, *state);
	for (unsigned i = 1; i < ENTRIES; i++)
		streams_put_context(&s, CONTEXT(ARRAY, i), SECONDARY, XHCI_SCT_SSA_256,
				    0);
	for (unsigned i = 0; i < 256; i++)
		streams_put_context(&s, CONTEXT(SECONDARY, i), RING_OF(1),
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
	assert_int_equal(streams_command_cc(&s), XHCI_CC_SUCCESS);
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
	advance_ns(s.d.f, 1000000000); /* it has rested */
	expect_no_event(s.d.f);
	streams_ring(&s, IN, 256 * ENTRIES - 1);
	expect_stream_error(&s, XHCI_CC_RESOURCE_ERROR);
	/* dropped, they make room */
	driver_input(&s.d, BIT(7) | BIT(9), 1);
	assert_int_equal(driver_command(&s.d, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT,
					DRIVER_INPUT_IOVA, 0)
				 .cc,
			 XHCI_CC_SUCCESS);
	streams_ring(&s, IN, 256 * ENTRIES - 1);
	expect_no_event(s.d.f);
	streams_end(&s);
}

/* The Stream Context is written when the endpoint stops: it must be writable before anything
 * is done with its ring. */
static void context_that_cannot_be_written(void **state)
{
	const uint64_t iova = UINT64_C(0x200000000);
	static uint8_t array[0x1000];
	struct streams s;

	streams_start(&s, *state);
	put_le64(array + 16, RING_OF(1) | XHCI_SCT_PRIMARY_RING << 1 | 1);
	assert_int_equal(guest_mem_map_bytes(s.d.f->mem, iova, array, sizeof(array),
					     GUEST_MEM_READ),
			 0);
	driver_input(&s.d, BIT(IN), 1 | BIT(IN));
	driver_input_endpoint(&s.d, IN, XHCI_EP_TYPE_BULK_IN, 1024);
	driver_input_streams(&s.d, IN, 2, true, iova);
	driver_command_put(&s.d, DRIVER_INPUT_IOVA, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_CONFIGURE_ENDPOINT) |
				   s.d.slot_id << XHCI_TRB_SLOT_SHIFT);
	run_until_idle(s.d.f);
	fake_dev_streams_done(&s.d.fake, 0);
	assert_int_equal(streams_command_cc(&s), XHCI_CC_SUCCESS);
	streams_put_and_ring(&s, 1, 10);
	assert_true(read32(s.d.f, OPER(USBSTS)) & XHCI_USBSTS_HSE);
	assert_int_equal(s.d.fake.submits, 0);
	streams_end(&s);
}

/* Each stream with work without end: each has its turn. */
static void streams_take_turns(void **state)
{
	uint64_t last[ENTRIES] = {0};
	unsigned turns[ENTRIES] = {0};
	struct streams s;

	streams_start_linear(&s, *state, XHCI_MAX_PSA_SIZE);
	for (unsigned id = 1; id < ENTRIES; id++) {
		struct xhci_trb trb = {.control = XHCI_TRB_C};

		for (unsigned i = 0; i < 63; i++) {
			trb.control = xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP) |
				      XHCI_TRB_C | (i % 21 < 20 ? XHCI_TRB_CH : 0);
			guest_put_trb(s.d.f, RING_OF(id) + i * 16u, &trb);
		}
		trb.parameter = RING_OF(id);
		trb.control = xhci_trb_type_bits(XHCI_TRB_TYPE_LINK) | XHCI_TRB_C;
		guest_put_trb(s.d.f, RING_OF(id) + 63 * 16u, &trb);
		write32(s.d.f, DOORBELL(s.d.slot_id), IN | id << 16);
	}
	for (unsigned run = 0; run < 20; run++) {
		struct list *node;

		s.d.f->kicked = false;
		xhci_run(s.d.f->xhci);
		s.d.f->now_ns += 100000000;
		LIST_FOREACH(node, &s.d.f->xhci->slots[1].endpoints[IN]->pipe.rings) {
			struct xhci_transfer_ring *ring =
				LIST_ENTRY(node, struct xhci_transfer_ring, node);

			turns[ring->stream_id] +=
				ring->cursor.dequeue_iova != last[ring->stream_id];
			last[ring->stream_id] = ring->cursor.dequeue_iova;
		}
	}
	for (unsigned id = 1; id < ENTRIES; id++)
		assert_in_range(turns[id], 5, 20);
	write32(s.d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	streams_end(&s);
}

static void only_bulk_endpoints_have_streams(void **state)
{
	struct streams s;

	streams_start(&s, *state);
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
	streams_end(&s);
}

static void events_wait_for_room(void **state)
{
	struct streams s;
	unsigned told = 0;
	struct xhci_trb event;

	streams_start_linear(&s, *state, XHCI_MAX_PSA_SIZE);
	event_handled(s.d.f, &s.d.f->events);
	for (unsigned n = 0; n < 10; n++)
		for (unsigned id = 1; id < ENTRIES; id++)
			streams_put_and_ring(&s, id, 10);
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
	streams_end(&s);
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
		TEST(a_stall_while_it_is_stopped),
		TEST(what_completes_after_a_halt_is_told),
		TEST(doorbells_with_bad_stream_ids),
		TEST(drop_with_tds_in_flight),
		TEST(run_stop_takes_streams_back_and_goes_on),
		TEST(unplug_with_streams_in_flight),
		TEST(contexts_outside_memory),
		TEST(secondary_array_outside_memory),
		TEST(states_of_streams_are_bounded),
		TEST(context_that_cannot_be_written),
		TEST(streams_take_turns),
		TEST(only_bulk_endpoints_have_streams),
		TEST(events_wait_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
