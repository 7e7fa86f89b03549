/* SPDX-License-Identifier: MIT
 * test_tds.c - transfer descriptors of every shape
 *
 * The tests use the bulk endpoints of a stick, see td_setting.h.
 */
#include <errno.h>
#include <string.h>

#include "tests/func/td_setting.h"
#include "util/bytes.h"

/* One OUT transfer from 31 TRBs of one byte (original: one transfer per TRB, so 31 broken
 * CBWs for the stick). */
static void test_out_td_of_single_bytes(void **state)
{
	struct func *f = *state;
	struct setting s;
	uint64_t last = 0;

	begin(f, &s);
	make_read(&s, 1);
	drv_ring_begin(s.out_ring);
	for (unsigned i = 0; i < BOT_CBW_BYTES; i++)
		last = drv_push_normal(s.device.slot, s.out, s.cbw.iova + i, 1,
				       i + 1 < BOT_CBW_BYTES ? XTRB_CH : XTRB_IOC);
	drv_ring_end(s.out_ring);
	drv_endpoint_doorbell(s.device.slot, s.out);
	expect(f, &s, s.out, last, XCC_SUCCESS, 0);
	assert_code(drv_transfer(s.device.slot, s.in, s.buf.iova, BOT_SECTOR, NULL),
		    XCC_SUCCESS);
	check_sectors(&s, 1);
	take_csw(&s);
	assert_no_transfer_event(f);
}

/* One IN transfer into scattered pieces whose sizes are no multiples of a packet. */
static void test_in_td_scattered(void **state)
{
	static const uint32_t pieces[] = {1, 511, 3, 1021, 512, 64, 960};
	struct func *f = *state;
	struct setting s;
	uint8_t joined[3072];
	uint32_t at = 0;
	uint64_t last = 0;

	begin(f, &s);
	send_read(f, &s, 6);
	drv_ring_begin(s.in_ring);
	for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++)
		last = drv_push_normal(
			s.device.slot, s.in, s.buf.iova + i * 8192 + i, pieces[i],
			(i + 1 < ARRAY_SIZE(pieces) ? XTRB_CH : XTRB_IOC) | XTRB_ISP);
	drv_ring_end(s.in_ring);
	drv_endpoint_doorbell(s.device.slot, s.in);
	expect(f, &s, s.in, last, XCC_SUCCESS, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++) {
		memcpy(joined + at, s.buf.ptr + i * 8192 + i, pieces[i]);
		at += pieces[i];
	}
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(get_le32(joined + i * BOT_SECTOR), LBA + i);
	take_csw(&s);
}

/* IOC on every TRB of a TD: an event each, in order. */
static void test_ioc_inside_a_td(void **state)
{
	struct func *f = *state;
	struct setting s;
	uint64_t at[4];

	begin(f, &s);
	send_read(f, &s, 4);
	drv_ring_begin(s.in_ring);
	for (unsigned i = 0; i < 4; i++)
		at[i] = drv_push_normal(s.device.slot, s.in, s.buf.iova + i * BOT_SECTOR,
					BOT_SECTOR, XTRB_IOC | (i < 3 ? XTRB_CH : 0));
	drv_ring_end(s.in_ring);
	drv_endpoint_doorbell(s.device.slot, s.in);
	for (unsigned i = 0; i < 4; i++)
		expect(f, &s, s.in, at[i], XCC_SUCCESS, 0);
	check_sectors(&s, 4);
	take_csw(&s);
}

/* Short packet in the second of four TRBs: an event there, then one for the IOC of the
 * last (4.10.1.1.2). With Success there, Linux would complain of an event "not part of
 * TD". */
static void test_short_packet_inside_a_td(void **state)
{
	struct func *f = *state;
	struct setting s;
	uint64_t at[4];
	struct drv_event event;

	begin(f, &s);
	send_read(f, &s, 3);
	drv_ring_begin(s.in_ring);
	for (unsigned i = 0; i < 4; i++)
		at[i] = drv_push_normal(s.device.slot, s.in, s.buf.iova + i * 1024, 1024,
					XTRB_ISP | (i < 3 ? XTRB_CH : XTRB_IOC));
	drv_ring_end(s.in_ring);
	drv_endpoint_doorbell(s.device.slot, s.in);
	expect(f, &s, s.in, at[1], XCC_SHORT_PACKET, 512);
	assert_code(drv_wait_transfer(&f->drv, s.slot, s.in, 0, &event),
		    XCC_SHORT_PACKET);
	assert_true(event.trb.parameter == at[3]);
	check_sectors(&s, 3);
	take_csw(&s);
	assert_no_transfer_event(f);
}

/* Without ISP only the IOC of the last TRB causes an event. */
static void test_short_packet_without_isp(void **state)
{
	struct func *f = *state;
	struct setting s;
	uint64_t last;
	struct drv_event event;

	begin(f, &s);
	send_read(f, &s, 1);
	drv_ring_begin(s.in_ring);
	(void)drv_push_normal(s.device.slot, s.in, s.buf.iova, 1024, XTRB_CH);
	last = drv_push_normal(s.device.slot, s.in, s.buf.iova + 1024, 1024, XTRB_IOC);
	drv_ring_end(s.in_ring);
	drv_endpoint_doorbell(s.device.slot, s.in);
	assert_code(drv_wait_transfer(&f->drv, s.slot, s.in, 0, &event),
		    XCC_SHORT_PACKET);
	assert_true(event.trb.parameter == last);
	take_csw(&s);
	assert_no_transfer_event(f);
}

/* Chained Link TRBs in the middle of a TD. */
static void test_links_inside_a_td(void **state)
{
	struct func *f = *state;
	struct drv_options options = {.transfer_segments = 6, .transfer_trbs = 16};
	struct setting s;
	uint64_t last = 0;
	int port;

	func_start(f, func_stick_spec(f, "high"), NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, &options);
	port = drv_port_connected(&f->drv, 1);
	assert_ok(drv_enumerate(&f->drv, (unsigned)port, &s.device));
	bot_init(&s.bot, &s.device);
	assert_ok(bot_open(&s.bot));
	s.buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 1 << 18, 65536);
	s.cbw = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 64, 64);
	s.slot = s.device.slot->id;
	s.in = s.device.bulk_in;
	s.out = s.device.bulk_out;
	s.in_ring = &s.device.slot->endpoints[s.in].ring;
	for (unsigned round = 0; round < 20; round++) {
		memset(s.buf.ptr, 0, 8192);
		send_read(f, &s, 8);
		drv_ring_begin(s.in_ring);
		for (unsigned i = 0; i < 8; i++) {
			last = drv_push_normal(s.device.slot, s.in,
					       s.buf.iova + i * BOT_SECTOR, BOT_SECTOR,
					       i < 7 ? XTRB_CH : XTRB_IOC);
			if (i < 7 && (i + round) % 3 == 0)
				(void)drv_ring_link(s.in_ring, 0);
		}
		drv_ring_end(s.in_ring);
		drv_endpoint_doorbell(s.device.slot, s.in);
		expect(f, &s, s.in, last, XCC_SUCCESS, 0);
		check_sectors(&s, 8);
		take_csw(&s);
	}
}

/* The controller posts an event when it passes a Link TRB with IOC (6.4.4.1). */
static void test_link_with_ioc(void **state)
{
	struct func *f = *state;
	struct setting s;
	struct drv_event event;
	uint64_t link;

	begin(f, &s);
	link = drv_ring_link(s.in_ring, XTRB_IOC);
	send_read(f, &s, 1);
	(void)drv_push_normal(s.device.slot, s.in, s.buf.iova, BOT_SECTOR, XTRB_IOC);
	drv_endpoint_doorbell(s.device.slot, s.in);
	assert_code(drv_wait_transfer(&f->drv, s.slot, s.in, link, &event), XCC_SUCCESS);
	assert_code(drv_wait_transfer(&f->drv, s.slot, s.in, 0, &event), XCC_SUCCESS);
	check_sectors(&s, 1);
	take_csw(&s);
}

static void test_noop_trbs(void **state)
{
	struct func *f = *state;
	struct setting s;

	begin(f, &s);
	for (unsigned i = 0; i < 300; i++) {
		uint64_t at = drv_ring_push(
			s.in_ring,
			(struct drv_trb){.control = XTRB_TYPE(XTRB_NOOP) | XTRB_IOC});

		drv_endpoint_doorbell(s.device.slot, s.in);
		expect(f, &s, s.in, at, XCC_SUCCESS, 0);
	}
	/* without IOC there is no event, and the endpoint keeps running */
	(void)drv_ring_push(s.in_ring, (struct drv_trb){.control = XTRB_TYPE(XTRB_NOOP)});
	drv_endpoint_doorbell(s.device.slot, s.in);
	assert_no_transfer_event(f);
	assert_ok(bot_read(&s.bot, 3, 1, s.buf.iova, 0, 0));
}

static void test_zero_length_trbs_and_tds(void **state)
{
	struct func *f = *state;
	struct setting s;
	uint64_t last;

	begin(f, &s);
	make_read(&s, 1);
	drv_ring_begin(s.out_ring);
	(void)drv_push_normal(s.device.slot, s.out, 0, 0, XTRB_CH);
	(void)drv_push_normal(s.device.slot, s.out, s.cbw.iova, 20, XTRB_CH);
	(void)drv_push_normal(s.device.slot, s.out, UINT64_MAX & ~0xfull, 0, XTRB_CH);
	(void)drv_push_normal(s.device.slot, s.out, s.cbw.iova + 20, 11, XTRB_CH);
	last = drv_push_normal(s.device.slot, s.out, 0, 0, XTRB_IOC);
	drv_ring_end(s.out_ring);
	drv_endpoint_doorbell(s.device.slot, s.out);
	expect(f, &s, s.out, last, XCC_SUCCESS, 0);
	/* a TD without data between two with data */
	last = drv_push_td(s.device.slot, s.in, s.buf.iova, 0, NULL);
	drv_endpoint_doorbell(s.device.slot, s.in);
	expect(f, &s, s.in, last, XCC_SUCCESS, 0);
	assert_code(drv_transfer(s.device.slot, s.in, s.buf.iova, BOT_SECTOR, NULL),
		    XCC_SUCCESS);
	check_sectors(&s, 1);
	take_csw(&s);
}

/* Immediate data has at most 8 bytes and is for OUT only (6.4.1.1). */
static void test_immediate_data_that_cannot_be(void **state)
{
	struct func *f = *state;
	struct setting s;
	struct drv_event event;

	begin(f, &s);
	for (unsigned i = 0; i < 2; i++) {
		unsigned dci = i ? s.in : s.out;

		(void)drv_push_normal(s.device.slot, dci, 0x1122334455667788, i ? 8 : 9,
				      XTRB_IDT | XTRB_IOC);
		drv_endpoint_doorbell(s.device.slot, dci);
		assert_code(drv_wait_transfer(&f->drv, s.slot, dci, 0, &event), XCC_TRB);
		if (drv_endpoint_state(s.device.slot, dci) == XEP_STATE_HALTED)
			assert_code(drv_reset_endpoint(s.device.slot, dci, false),
				    XCC_SUCCESS);
		assert_code(drv_set_dequeue(s.device.slot, dci, 0), XCC_SUCCESS);
	}
	assert_ok(bot_read(&s.bot, 3, 1, s.buf.iova, 0, 0));
}

/* The controller must not start a TD before its last TRB has the right cycle bit. */
static void test_td_handed_over_in_parts(void **state)
{
	struct func *f = *state;
	struct setting s;
	uint64_t last;

	begin(f, &s);
	send_read(f, &s, 2);
	(void)drv_push_normal(s.device.slot, s.in, s.buf.iova, 512, XTRB_CH);
	drv_endpoint_doorbell(s.device.slot, s.in);
	assert_no_transfer_event(f);
	last = drv_push_normal(s.device.slot, s.in, s.buf.iova + 512, 512, XTRB_IOC);
	drv_endpoint_doorbell(s.device.slot, s.in);
	expect(f, &s, s.in, last, XCC_SUCCESS, 0);
	check_sectors(&s, 2);
	take_csw(&s);
}

/* TRB types that are invalid on a transfer ring: TRB Error, then recovery. */
static void test_wrong_trb_types(void **state)
{
	static const unsigned types[] = {
		0,  XTRB_SETUP, XTRB_STATUS, XTRB_ISOCH, 10, XTRB_ENABLE_SLOT,
		33, 47,         48,          63};
	struct func *f = *state;
	struct setting s;
	struct drv_event event;

	begin(f, &s);
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		int r;

		(void)drv_ring_push(s.in_ring,
				    (struct drv_trb){
					    .parameter = s.buf.iova,
					    .status = 8,
					    .control = XTRB_TYPE(types[i]) | XTRB_IOC,
				    });
		drv_endpoint_doorbell(s.device.slot, s.in);
		r = drv_wait_transfer(&f->drv, s.slot, s.in, 0, &event);
		if (r != XCC_TRB)
			fail_msg("type %u: %d", types[i], r);
		assert_true(drv_endpoint_state(s.device.slot, s.in) == XEP_STATE_ERROR ||
			    drv_endpoint_state(s.device.slot, s.in) == XEP_STATE_HALTED);
		if (drv_endpoint_state(s.device.slot, s.in) == XEP_STATE_HALTED)
			assert_code(drv_reset_endpoint(s.device.slot, s.in, false),
				    XCC_SUCCESS);
		assert_code(drv_set_dequeue(s.device.slot, s.in, 0), XCC_SUCCESS);
		drv_endpoint_doorbell(s.device.slot, s.in);
	}
	assert_ok(bot_read(&s.bot, 3, 1, s.buf.iova, 0, 0));
	assert_running(f);
}

/* Control stages without a Setup TRB before them cause a TRB Error. */
static void test_control_stages_out_of_order(void **state)
{
	struct func *f = *state;
	struct setting s;
	struct drv_ring *ring;
	struct drv_event event;
	uint32_t actual = 0;

	begin(f, &s);
	ring = &s.device.slot->endpoints[1].ring;
	for (unsigned round = 0; round < 3; round++) {
		int r;

		if (round == 1)
			(void)drv_ring_push(ring,
					    (struct drv_trb){
						    .parameter = s.buf.iova,
						    .status = 8,
						    .control = XTRB_TYPE(XTRB_DATA) |
							       XTRB_IOC | XTRB_DIR_IN,
					    });
		else if (round == 2)
			(void)drv_ring_push(
				ring,
				(struct drv_trb){
					.control = XTRB_TYPE(XTRB_STATUS) | XTRB_IOC,
				});
		else
			(void)drv_push_normal(s.device.slot, 1, s.buf.iova, 8, XTRB_IOC);
		drv_endpoint_doorbell(s.device.slot, 1);
		r = drv_wait_transfer(&f->drv, s.slot, 1, 0, &event);
		assert_code(r, XCC_TRB);
		if (drv_endpoint_state(s.device.slot, 1) == XEP_STATE_HALTED)
			assert_code(drv_reset_endpoint(s.device.slot, 1, false),
				    XCC_SUCCESS);
		assert_code(drv_set_dequeue(s.device.slot, 1, 0), XCC_SUCCESS);
	}
	assert_code(drv_get_descriptor(s.device.slot, USB_DESC_DEVICE, 0, s.buf.iova, 18,
				       &actual),
		    XCC_SUCCESS);
	assert_int_equal(actual, 18);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_out_td_of_single_bytes),
		FUNC_TEST(test_in_td_scattered),
		FUNC_TEST(test_ioc_inside_a_td),
		FUNC_TEST(test_short_packet_inside_a_td),
		FUNC_TEST(test_short_packet_without_isp),
		FUNC_TEST(test_links_inside_a_td),
		FUNC_TEST(test_link_with_ioc),
		FUNC_TEST(test_noop_trbs),
		FUNC_TEST(test_zero_length_trbs_and_tds),
		FUNC_TEST(test_immediate_data_that_cannot_be),
		FUNC_TEST(test_td_handed_over_in_parts),
		FUNC_TEST(test_wrong_trb_types),
		FUNC_TEST(test_control_stages_out_of_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
