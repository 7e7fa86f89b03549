/* SPDX-License-Identifier: MIT
 * test_transfer_events.c - which events a TD of which shape posts
 */
#include <string.h>

#include "driver.h"
#include "util/bytes.h"

#define IN   DRIVER_BULK_IN_DCI
#define OUT  DRIVER_BULK_OUT_DCI
#define DATA DRIVER_DATA_IOVA

static void one_trb_success(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	trb = driver_normal(&d, IN, DATA, 512, XHCI_TRB_IOC | XHCI_TRB_ISP);
	driver_ring(&d, IN);
	assert_int_equal(driver_held(&d, IN)->length_bytes, 512);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 512);
	driver_expect(&d, IN, trb, XHCI_CC_SUCCESS, 0);
	expect_no_event(d.f);
	driver_end(&d);
}

static void full_64k_trb_is_not_zero(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_normal(&d, IN, DATA, 65536, XHCI_TRB_IOC);
	driver_ring(&d, IN);
	assert_int_equal(driver_held(&d, IN)->length_bytes, 65536);
	driver_end(&d);
}

static void chained_td_is_one_transfer(void **state)
{
	struct driver d;
	uint64_t last;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_normal(&d, OUT, DATA, 100, XHCI_TRB_CH);
	driver_normal(&d, OUT, DATA + 0x5000, 4096, XHCI_TRB_CH);
	last = driver_normal(&d, OUT, DATA + 0x9000, 1, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	assert_int_equal(d.fake.submits, 1);
	assert_int_equal(driver_held(&d, OUT)->length_bytes, 4197);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 4197);
	driver_expect(&d, OUT, last, XHCI_CC_SUCCESS, 0);
	expect_no_event(d.f);
	driver_end(&d);
}

static void data_of_a_chained_td_comes_in_order(void **state)
{
	struct driver d;
	uint8_t got[9];

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	memcpy(guest(d.f, DATA + 0x100), "abc", 3);
	memcpy(guest(d.f, DATA + 0x900), "def", 3);
	driver_normal(&d, OUT, DATA + 0x100, 3, XHCI_TRB_CH);
	driver_normal(&d, OUT, DATA + 0x900, 3, XHCI_TRB_CH);
	driver_put(&d, OUT, UINT64_C(0x696867), 3, /* "ghi" */
		   xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL) | XHCI_TRB_IDT |
			   XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	assert_int_equal(usbdev_transfer_read(driver_held(&d, OUT), 0, got, 9), 0);
	assert_memory_equal(got, "abcdefghi", 9);
	assert_int_equal(usbdev_transfer_read(driver_held(&d, OUT), 2, got, 5), 0);
	assert_memory_equal(got, "cdefg", 5);
	driver_end(&d);
}

static void short_packet_reports_where_and_at_the_end(void **state)
{
	struct driver d;
	uint64_t second, last;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_normal(&d, IN, DATA, 1024, XHCI_TRB_CH | XHCI_TRB_ISP);
	second = driver_normal(&d, IN, DATA, 1024, XHCI_TRB_CH | XHCI_TRB_ISP);
	driver_normal(&d, IN, DATA, 1024, XHCI_TRB_CH | XHCI_TRB_ISP);
	last = driver_normal(&d, IN, DATA, 512, XHCI_TRB_IOC | XHCI_TRB_ISP);
	driver_ring(&d, IN);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 1124);
	driver_expect(&d, IN, second, XHCI_CC_SHORT_PACKET, 924);
	driver_expect(&d, IN, last, XHCI_CC_SHORT_PACKET, 512);
	expect_no_event(d.f);
	driver_end(&d);
}

static void short_packet_on_last_trb_is_one_event(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	trb = driver_normal(&d, IN, DATA, 1024, XHCI_TRB_IOC | XHCI_TRB_ISP);
	driver_ring(&d, IN);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 0);
	driver_expect(&d, IN, trb, XHCI_CC_SHORT_PACKET, 1024);
	expect_no_event(d.f);
	driver_end(&d);
}

static void short_packet_with_ioc_alone_is_told(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	trb = driver_normal(&d, IN, DATA, 1024, XHCI_TRB_IOC);
	driver_ring(&d, IN);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 3);
	driver_expect(&d, IN, trb, XHCI_CC_SHORT_PACKET, 1021);
	driver_end(&d);
}

static void event_data_carries_edtla(void **state)
{
	struct driver d;
	struct xhci_trb event;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_normal(&d, IN, DATA, 1024, XHCI_TRB_CH);
	driver_normal(&d, IN, DATA, 1024, XHCI_TRB_CH);
	driver_put(&d, IN, UINT64_C(0x1122334455667788), 0,
		   xhci_trb_type_bits(XHCI_TRB_TYPE_EVENT_DATA) | XHCI_TRB_IOC);
	driver_ring(&d, IN);
	driver_complete(&d, IN, USBDEV_STATUS_OK, 1500);
	event = expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT);
	assert_int_equal(event.parameter, UINT64_C(0x1122334455667788));
	assert_int_equal(event.status >> 24, XHCI_CC_SHORT_PACKET);
	assert_int_equal(event.status & 0xffffff, 1500);
	assert_true(event.control & XHCI_TRB_EVENT_ED);
	expect_no_event(d.f);
	driver_end(&d);
}

static void event_data_counts_anew_after_each(void **state)
{
	struct driver d;
	uint32_t edtla[2] = {1024, 500};

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	for (int i = 0; i < 2; i++) {
		driver_normal(&d, OUT, DATA, edtla[i], XHCI_TRB_CH);
		driver_put(&d, OUT, 7 + i, 0,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_EVENT_DATA) | XHCI_TRB_IOC |
				   (i == 0 ? XHCI_TRB_CH : 0));
	}
	driver_ring(&d, OUT);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 1524);
	for (int i = 0; i < 2; i++) {
		struct xhci_trb event = expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT);

		assert_int_equal(event.parameter, 7 + i);
		assert_int_equal(event.status & 0xffffff, edtla[i]);
	}
	driver_end(&d);
}

static void noop_td_waits_its_turn(void **state)
{
	struct driver d;
	uint64_t first, noop;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	first = driver_normal(&d, OUT, DATA, 10, XHCI_TRB_IOC);
	noop = driver_put(&d, OUT, 0, 0,
			  xhci_trb_type_bits(XHCI_TRB_TYPE_NOOP) | XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	expect_no_event(d.f);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 10);
	driver_expect(&d, OUT, first, XHCI_CC_SUCCESS, 0);
	driver_expect(&d, OUT, noop, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

static void zero_length_td_is_a_transfer(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	trb = driver_normal(&d, OUT, DATA, 0, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	assert_int_equal(driver_held(&d, OUT)->length_bytes, 0);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 0);
	driver_expect(&d, OUT, trb, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

static void bei_posts_without_interrupt(void **state)
{
	struct driver d;
	unsigned before;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_normal(&d, OUT, DATA, 1, XHCI_TRB_IOC | XHCI_TRB_BEI);
	driver_ring(&d, OUT);
	before = d.f->interrupts[0];
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 1);
	assert_int_equal(d.f->interrupts[0], before);
	expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT);
	driver_end(&d);
}

static void interrupter_target_is_honoured(void **state)
{
	struct driver d;
	struct event_reader reader;
	struct xhci_trb event;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	reader = event_ring_setup(d.f, 3, FIXTURE_FREE_IOVA + 0x8000,
				  FIXTURE_FREE_IOVA + 0x9000, 64);
	driver_put(&d, OUT, DATA, 1 | 3u << 22,
		   xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL) | XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 1);
	expect_no_event(d.f);
	assert_true(event_next(d.f, &reader, &event));
	assert_int_equal(d.f->interrupts[3], 1);
	driver_end(&d);
}

static void control_short_answer_reports_data_and_status(void **state)
{
	struct driver d;
	uint64_t ring;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	ring = d.rings[1].iova;
	driver_control_in(&d, 255, XHCI_TRB_ISP);
	driver_ring(&d, 1);
	assert_int_equal(driver_held(&d, 1)->setup.request, 6);
	assert_int_equal(driver_held(&d, 1)->setup.length, 255);
	driver_complete(&d, 1, USBDEV_STATUS_OK, 4);
	driver_expect(&d, 1, ring + 0x10, XHCI_CC_SHORT_PACKET, 251);
	driver_expect(&d, 1, ring + 0x20, XHCI_CC_SUCCESS, 0);
	expect_no_event(d.f);
	driver_end(&d);
}

static void control_without_data(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_control_in(&d, 0, 0);
	driver_ring(&d, 1);
	driver_complete(&d, 1, USBDEV_STATUS_OK, 0);
	driver_expect(&d, 1, d.rings[1].iova + 0x10, XHCI_CC_SUCCESS, 0);
	expect_no_event(d.f);
	driver_end(&d);
}

static void control_stall_is_told_on_the_data_stage(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_control_in(&d, 64, XHCI_TRB_ISP);
	driver_ring(&d, 1);
	driver_complete(&d, 1, USBDEV_STATUS_STALL, 0);
	driver_expect(&d, 1, d.rings[1].iova + 0x10, XHCI_CC_STALL_ERROR, 64);
	expect_no_event(d.f);
	assert_int_equal(driver_ep_state(&d, 1), XHCI_EP_STATE_HALTED);
	driver_end(&d);
}

static void control_data_of_several_trbs(void **state)
{
	struct driver d;
	uint64_t setup = UINT64_C(0x0000000001000680) | (uint64_t)300 << 48;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_put(&d, 1, setup, 8,
		   xhci_trb_type_bits(XHCI_TRB_TYPE_SETUP) | XHCI_TRB_IDT);
	driver_put(&d, 1, DATA, 100,
		   xhci_trb_type_bits(XHCI_TRB_TYPE_DATA) | XHCI_TRB_DIR_IN |
			   XHCI_TRB_CH);
	driver_normal(&d, 1, DATA + 100, 200, XHCI_TRB_CH);
	driver_put(&d, 1, 0xed, 0,
		   xhci_trb_type_bits(XHCI_TRB_TYPE_EVENT_DATA) | XHCI_TRB_IOC);
	driver_put(&d, 1, 0, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_STATUS) | XHCI_TRB_CH);
	driver_put(&d, 1, 0xee, 0,
		   xhci_trb_type_bits(XHCI_TRB_TYPE_EVENT_DATA) | XHCI_TRB_IOC);
	driver_ring(&d, 1);
	assert_int_equal(driver_held(&d, 1)->length_bytes, 300);
	driver_complete(&d, 1, USBDEV_STATUS_OK, 150);
	driver_expect(&d, 1, 0xed, XHCI_CC_SHORT_PACKET, 150);
	driver_expect(&d, 1, 0xee, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

static void new_setup_abandons_the_old(void **state)
{
	struct driver d;
	uint64_t setup = UINT64_C(0x0000000001000680);

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_put(&d, 1, setup, 8,
		   xhci_trb_type_bits(XHCI_TRB_TYPE_SETUP) | XHCI_TRB_IDT);
	driver_control_in(&d, 8, 0);
	driver_ring(&d, 1);
	assert_int_equal(d.fake.submits, 1);
	driver_complete(&d, 1, USBDEV_STATUS_OK, 8);
	driver_expect(&d, 1, d.rings[1].iova + 0x30, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

static void invalid_trb_is_trb_error_and_error_state(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	trb = driver_put(&d, OUT, DATA, 9, /* IDT of more than 8 bytes */
			 xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL) | XHCI_TRB_IDT);
	driver_ring(&d, OUT);
	driver_expect(&d, OUT, trb, XHCI_CC_TRB_ERROR, 9);
	assert_int_equal(driver_ep_state(&d, OUT), XHCI_EP_STATE_ERROR);
	assert_int_equal(driver_set_dequeue(&d, OUT, trb + 16 + 1), XHCI_CC_SUCCESS);
	assert_int_equal(driver_ep_state(&d, OUT), XHCI_EP_STATE_STOPPED);
	trb = driver_normal(&d, OUT, DATA, 9, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 9);
	driver_expect(&d, OUT, trb, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

static void statuses_become_completion_codes(void **state)
{
	static const struct {
		enum usbdev_status status;
		enum xhci_cc cc;
	} map[] = {
		{USBDEV_STATUS_STALL, XHCI_CC_STALL_ERROR},
		{USBDEV_STATUS_ERROR, XHCI_CC_USB_TRANSACTION_ERROR},
		{USBDEV_STATUS_BABBLE, XHCI_CC_BABBLE_DETECTED},
		{USBDEV_STATUS_MEMORY, XHCI_CC_DATA_BUFFER_ERROR},
		{USBDEV_STATUS_GONE, XHCI_CC_USB_TRANSACTION_ERROR},
	};
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		uint64_t trb = driver_normal(&d, IN, DATA, 2048, 0);

		driver_ring(&d, IN);
		driver_complete(&d, IN, map[i].status, 1024);
		driver_expect(&d, IN, trb, map[i].cc, 1024);
		assert_int_equal(driver_ep_state(&d, IN), XHCI_EP_STATE_HALTED);
		assert_int_equal(driver_reset_endpoint(&d, IN, false), XHCI_CC_SUCCESS);
		assert_int_equal(driver_set_dequeue(&d, IN, trb + 16 + 1),
				 XHCI_CC_SUCCESS);
	}
	assert_int_equal(d.fake.endpoint_resets, ARRAY_SIZE(map));
	driver_end(&d);
}

static void full_event_ring_loses_nothing(void **state)
{
	struct driver d;
	struct event_reader reader;
	unsigned seen = 0;
	unsigned full = 0;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	reader = event_ring_setup(d.f, 1, FIXTURE_FREE_IOVA + 0x8000,
				  FIXTURE_FREE_IOVA + 0x9000, 16);
	for (unsigned i = 0; i < 60; i++)
		driver_put(&d, OUT, DATA, 1 | 1u << 22,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL) | XHCI_TRB_IOC |
				   (i % 3 == 2 ? 0 : XHCI_TRB_CH));
	driver_ring(&d, OUT);
	while (fake_dev_first(&d.fake, DRIVER_BULK_OUT_DCI >> 1))
		driver_complete(&d, OUT, USBDEV_STATUS_OK, 3);
	for (unsigned rounds = 0; rounds < 100 && seen < 60; rounds++) {
		struct xhci_trb event;

		while (event_next(d.f, &reader, &event)) {
			if (xhci_trb_type(&event) ==
			    XHCI_TRB_TYPE_HOST_CONTROLLER_EVENT) {
				full++;
				continue;
			}
			assert_int_equal(event.parameter, d.rings[OUT].iova + seen * 16u);
			seen++;
		}
		event_handled(d.f, &reader);
	}
	assert_int_equal(seen, 60);
	assert_true(full > 0);
	driver_end(&d);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(one_trb_success),
		T(full_64k_trb_is_not_zero),
		T(chained_td_is_one_transfer),
		T(data_of_a_chained_td_comes_in_order),
		T(short_packet_reports_where_and_at_the_end),
		T(short_packet_on_last_trb_is_one_event),
		T(short_packet_with_ioc_alone_is_told),
		T(event_data_carries_edtla),
		T(event_data_counts_anew_after_each),
		T(noop_td_waits_its_turn),
		T(zero_length_td_is_a_transfer),
		T(bei_posts_without_interrupt),
		T(interrupter_target_is_honoured),
		T(control_short_answer_reports_data_and_status),
		T(control_without_data),
		T(control_stall_is_told_on_the_data_stage),
		T(control_data_of_several_trbs),
		T(new_setup_abandons_the_old),
		T(invalid_trb_is_trb_error_and_error_state),
		T(statuses_become_completion_codes),
		T(full_event_ring_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
