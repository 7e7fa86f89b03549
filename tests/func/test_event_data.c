/* SPDX-License-Identifier: MIT
 * test_event_data.c - Event Data TRBs (4.11.5.2), which Windows uses for all transfers
 */
#include "tests/func/td_setting.h"

/* One Event Data TRB at the end of the TD, as from Windows (original: panic or error). */
static void test_event_data(void **state)
{
	struct func *f = *state;
	struct setting s;
	const uint64_t cookie = UINT64_C(0xfeedfacecafe0000);

	begin(f, &s);
	send_read(f, &s, 4);
	drv_ring_begin(s.in_ring);
	(void)drv_push_normal(s.device.slot, s.in, s.buf.iova, 1024, XTRB_CH);
	(void)drv_push_normal(s.device.slot, s.in, s.buf.iova + 1024, 1024, XTRB_CH);
	(void)drv_ring_push(s.in_ring,
			    (struct drv_trb){
				    .parameter = cookie,
				    .control = XTRB_TYPE(XTRB_EVENT_DATA) | XTRB_IOC,
			    });
	drv_ring_end(s.in_ring);
	drv_endpoint_doorbell(s.device.slot, s.in);
	/* the length is that of the data moved (EDTLA), not the residue */
	expect_data(f, &s, s.in, cookie, XCC_SUCCESS, 2048);
	check_sectors(&s, 4);
	take_csw(&s);
	assert_no_transfer_event(f);
}

static void test_event_data_twice_in_a_td(void **state)
{
	struct func *f = *state;
	struct setting s;

	begin(f, &s);
	send_read(f, &s, 3);
	drv_ring_begin(s.in_ring);
	(void)drv_push_normal(s.device.slot, s.in, s.buf.iova, 512, XTRB_CH);
	(void)drv_ring_push(s.in_ring, (struct drv_trb){
					       .parameter = 0x1111,
					       .control = XTRB_TYPE(XTRB_EVENT_DATA) |
							  XTRB_IOC | XTRB_CH,
				       });
	(void)drv_push_normal(s.device.slot, s.in, s.buf.iova + 512, 1024, XTRB_CH);
	(void)drv_ring_push(s.in_ring,
			    (struct drv_trb){
				    .parameter = 0x2222,
				    .control = XTRB_TYPE(XTRB_EVENT_DATA) | XTRB_IOC,
			    });
	drv_ring_end(s.in_ring);
	drv_endpoint_doorbell(s.device.slot, s.in);
	/* each counts from the previous one (4.11.5.2) */
	expect_data(f, &s, s.in, 0x1111, XCC_SUCCESS, 512);
	expect_data(f, &s, s.in, 0x2222, XCC_SUCCESS, 1024);
	take_csw(&s);
}

static void test_event_data_after_a_short_packet(void **state)
{
	struct func *f = *state;
	struct setting s;

	begin(f, &s);
	send_read(f, &s, 1);
	drv_ring_begin(s.in_ring);
	(void)drv_push_normal(s.device.slot, s.in, s.buf.iova, 1024, XTRB_CH);
	(void)drv_push_normal(s.device.slot, s.in, s.buf.iova + 1024, 1024, XTRB_CH);
	(void)drv_ring_push(s.in_ring,
			    (struct drv_trb){
				    .parameter = 0x3333,
				    .control = XTRB_TYPE(XTRB_EVENT_DATA) | XTRB_IOC,
			    });
	drv_ring_end(s.in_ring);
	drv_endpoint_doorbell(s.device.slot, s.in);
	expect_data(f, &s, s.in, 0x3333, XCC_SHORT_PACKET, 512);
	take_csw(&s);
	assert_no_transfer_event(f);
}

static void test_event_data_on_out(void **state)
{
	struct func *f = *state;
	struct setting s;

	begin(f, &s);
	make_read(&s, 1);
	drv_ring_begin(s.out_ring);
	(void)drv_push_normal(s.device.slot, s.out, s.cbw.iova, BOT_CBW_BYTES, XTRB_CH);
	(void)drv_ring_push(s.out_ring,
			    (struct drv_trb){
				    .parameter = 0x4444,
				    .control = XTRB_TYPE(XTRB_EVENT_DATA) | XTRB_IOC,
			    });
	drv_ring_end(s.out_ring);
	drv_endpoint_doorbell(s.device.slot, s.out);
	expect_data(f, &s, s.out, 0x4444, XCC_SUCCESS, BOT_CBW_BYTES);
	assert_code(drv_transfer(s.device.slot, s.in, s.buf.iova, BOT_SECTOR, NULL),
		    XCC_SUCCESS);
	take_csw(&s);
}

/* A control TD like Windows': a Data stage of several TRBs, Event Data after Data and
 * after Status. */
static void test_control_with_event_data(void **state)
{
	struct func *f = *state;
	struct setting s;
	struct drv_ring *ring;

	begin(f, &s);
	ring = &s.device.slot->endpoints[1].ring;
	drv_ring_begin(ring);
	(void)drv_ring_push(
		ring, (struct drv_trb){
			      .parameter = UINT64_C(0x0012000001000680),
			      .status = 8,
			      .control = XTRB_TYPE(XTRB_SETUP) | XTRB_IDT | XTRB_TRT_IN,
		      });
	(void)drv_ring_push(
		ring, (struct drv_trb){
			      .parameter = s.buf.iova,
			      .status = 8,
			      .control = XTRB_TYPE(XTRB_DATA) | XTRB_CH | XTRB_DIR_IN,
		      });
	(void)drv_ring_push(ring, (struct drv_trb){
					  .parameter = s.buf.iova + 100,
					  .status = 10,
					  .control = XTRB_TYPE(XTRB_NORMAL) | XTRB_CH,
				  });
	(void)drv_ring_push(ring,
			    (struct drv_trb){
				    .parameter = 0x5555,
				    .control = XTRB_TYPE(XTRB_EVENT_DATA) | XTRB_IOC,
			    });
	(void)drv_ring_push(ring, (struct drv_trb){
					  .control = XTRB_TYPE(XTRB_STATUS) | XTRB_CH,
				  });
	(void)drv_ring_push(ring,
			    (struct drv_trb){
				    .parameter = 0x6666,
				    .control = XTRB_TYPE(XTRB_EVENT_DATA) | XTRB_IOC,
			    });
	drv_ring_end(ring);
	drv_endpoint_doorbell(s.device.slot, 1);
	expect_data(f, &s, 1, 0x5555, XCC_SUCCESS, 18);
	expect_data(f, &s, 1, 0x6666, XCC_SUCCESS, 0);
	assert_memory_equal(s.buf.ptr, s.device.descriptor, 8);
	assert_memory_equal(s.buf.ptr + 100, s.device.descriptor + 8, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_event_data),
		FUNC_TEST(test_event_data_twice_in_a_td),
		FUNC_TEST(test_event_data_after_a_short_packet),
		FUNC_TEST(test_event_data_on_out),
		FUNC_TEST(test_control_with_event_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
