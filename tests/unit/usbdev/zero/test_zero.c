/* SPDX-License-Identifier: MIT
 * test_zero.c - the test device: patterns, settings, service intervals
 */
#include "usbdev/zero/zero.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../host.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define BULK_IN  0x81u
#define BULK_OUT 0x01u
#define ISO_IN   0x82u
#define ISO_OUT  0x02u
#define INT_IN   0x83u
#define INT_OUT  0x03u

#define MS_NS UINT64_C(1000000)

static struct host host;

static void start(enum usbdev_speed speed, enum zero_pattern pattern)
{
	struct loop *loop = loop_create();
	struct zero_options options = {.speed = speed, .pattern = pattern};
	struct err err;

	assert_non_null(loop);
	host_init(&host, loop, zero_create(loop, &options, &err));
	host_configure(&host);
}

static void set_alternate(uint8_t alternate)
{
	assert_int_equal(host_control(&host, 0x01, 11, alternate, 0, NULL, 0), 0);
}

static bool is_halted(uint8_t ep_addr)
{
	uint8_t status[2];

	assert_int_equal(host_control(&host, 0x82, 0, 0, ep_addr, status, 2), 2);
	return status[0] != 0;
}

static void make_mod63(uint8_t *buf, uint32_t len, uint32_t max_packet)
{
	for (uint32_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(i % max_packet % 63);
}

static void iso_init(struct urb *urb, uint8_t ep_addr, uint32_t len)
{
	urb_init(urb, &host, ep_addr, len);
	urb->transfer.type = USBDEV_TYPE_ISOCHRONOUS;
}

static void bulk_source_gives_its_pattern(void **state)
{
	static uint8_t got[100000];
	static uint8_t want[sizeof(got)];

	(void)state;
	start(USBDEV_SPEED_HIGH, ZERO_PATTERN_MOD63);
	make_mod63(want, sizeof(want), 512);
	assert_int_equal(host_in(&host, BULK_IN, got, sizeof(got), NULL), sizeof(got));
	assert_memory_equal(got, want, sizeof(got));
	host_finish(&host);
}

static void bulk_source_of_zeros(void **state)
{
	uint8_t got[1000];
	static const uint8_t want[sizeof(got)];

	(void)state;
	start(USBDEV_SPEED_SUPER, ZERO_PATTERN_ZEROS);
	memset(got, 0xa5, sizeof(got));
	assert_int_equal(host_in(&host, BULK_IN, got, sizeof(got), NULL), sizeof(got));
	assert_memory_equal(got, want, sizeof(got));
	host_finish(&host);
}

static void pattern_goes_on_over_pieces_of_memory(void **state)
{
	uint8_t want[2000];
	struct urb urb;

	(void)state;
	start(USBDEV_SPEED_SUPER, ZERO_PATTERN_MOD63);
	make_mod63(want, sizeof(want), 1024);
	urb_init(&urb, &host, BULK_IN, sizeof(want));
	urb.piece_bytes = 7;
	urb_submit(&urb);
	urb_wait(&urb);
	assert_memory_equal(urb.data, want, sizeof(want));
	urb_finish(&urb);
	host_finish(&host);
}

static void bulk_sink_takes_the_pattern(void **state)
{
	static uint8_t data[70000];

	(void)state;
	start(USBDEV_SPEED_FULL, ZERO_PATTERN_MOD63);
	make_mod63(data, sizeof(data), 64);
	assert_int_equal(host_out(&host, BULK_OUT, data, sizeof(data), NULL),
			 sizeof(data));
	assert_int_equal(host_out(&host, BULK_OUT, data, 0, NULL), 0);
	assert_false(is_halted(BULK_OUT));
	host_finish(&host);
}

static void bulk_sink_halts_on_other_data(void **state)
{
	static const enum zero_pattern patterns[] = {ZERO_PATTERN_ZEROS,
						     ZERO_PATTERN_MOD63};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(patterns); i++) {
		uint8_t data[1500] = {0};
		enum usbdev_status status;

		start(USBDEV_SPEED_HIGH, patterns[i]);
		if (patterns[i] == ZERO_PATTERN_MOD63)
			make_mod63(data, sizeof(data), 512);
		data[1400]++;
		(void)host_out(&host, BULK_OUT, data, sizeof(data), &status);
		assert_true(is_halted(BULK_OUT));
		(void)host_out(&host, BULK_OUT, data, 8, &status);
		assert_int_equal(status, USBDEV_STATUS_STALL);
		assert_int_equal(host_control(&host, 0x02, 1, 0, BULK_OUT, NULL, 0), 0);
		data[1400]--;
		(void)host_out(&host, BULK_OUT, data, sizeof(data), NULL);
		host_finish(&host);
	}
}

static void a_long_transfer_can_be_cancelled(void **state)
{
	struct urb urb;

	(void)state;
	start(USBDEV_SPEED_SUPER, ZERO_PATTERN_ZEROS);
	urb_init(&urb, &host, BULK_IN, 64u << 20);
	urb_submit(&urb);
	assert_int_equal(loop_turn(host.loop, false), 0);
	assert_int_equal(urb.order, 0); /* not all in one turn */
	urb_cancel(&urb);
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_CANCELLED);
	assert_true(urb.transfer.actual_bytes > 0);
	assert_true(urb.transfer.actual_bytes < urb.transfer.length_bytes);
	assert_int_equal(urb.transfer.actual_bytes % 1024, 0);
	urb_finish(&urb);
	host_finish(&host);
}

static void memory_that_is_away_is_told(void **state)
{
	static const uint8_t addrs[] = {BULK_IN, ISO_IN};

	(void)state;
	start(USBDEV_SPEED_SUPER, ZERO_PATTERN_ZEROS);
	set_alternate(1);
	for (unsigned i = 0; i < ARRAY_SIZE(addrs); i++) {
		struct urb urb;

		urb_init(&urb, &host, addrs[i], 100);
		if (addrs[i] == ISO_IN)
			urb.transfer.type = USBDEV_TYPE_ISOCHRONOUS;
		urb.fault = true;
		urb_submit(&urb);
		urb_wait(&urb);
		assert_int_equal(urb.transfer.status, USBDEV_STATUS_MEMORY);
		urb_finish(&urb);
	}
	host_finish(&host);
}

static void vendor_requests_keep_data(void **state)
{
	static uint8_t data[4096];
	static uint8_t got[sizeof(data)];

	(void)state;
	start(USBDEV_SPEED_HIGH, ZERO_PATTERN_ZEROS);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	assert_int_equal(host_control(&host, 0x40, 0x5b, 0, 0, data, sizeof(data)),
			 sizeof(data));
	assert_int_equal(host_control(&host, 0xc0, 0x5c, 0, 0, got, sizeof(got)),
			 sizeof(got));
	assert_memory_equal(got, data, sizeof(got));
	assert_int_equal(host_control(&host, 0x40, 0x5b, 0, 0, data, 3), 3);
	assert_int_equal(host_control(&host, 0xc0, 0x5c, 0, 0, got, 64), 3);
	assert_int_equal(host_control(&host, 0xc0, 0x5c, 0, 0, got, 2), 2);
	assert_int_equal(host_control(&host, 0xc0, 0x5c, 1, 0, got, 2), HOST_STALL);
	assert_int_equal(host_control(&host, 0xc0, 0x5d, 0, 0, got, 2), HOST_STALL);
	assert_int_equal(host_control(&host, 0xc0, 0x5c, 0, 0, got, 4097), HOST_STALL);
	host_finish(&host);
}

static void endpoints_follow_the_setting(void **state)
{
	static const uint8_t all[] = {BULK_IN, BULK_OUT, ISO_IN,
				      ISO_OUT, INT_IN,   INT_OUT};
	static const unsigned present[] = {0x03, 0x0f, 0x33, 0x0f};
	uint8_t status[2];

	(void)state;
	start(USBDEV_SPEED_SUPER, ZERO_PATTERN_ZEROS);
	for (uint8_t alternate = 0; alternate < 4; alternate++) {
		uint8_t now;

		set_alternate(alternate);
		assert_int_equal(host_control(&host, 0x81, 10, 0, 0, &now, 1), 1);
		assert_int_equal(now, alternate);
		for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
			assert_int_equal(
				host_control(&host, 0x82, 0, 0, all[i], status, 2),
				present[alternate] & 1u << i ? 2 : HOST_STALL);
	}
	assert_int_equal(host_control(&host, 0x01, 11, 4, 0, NULL, 0), HOST_STALL);
	host_finish(&host);
}

static void isochronous_endpoints_do_not_halt(void **state)
{
	(void)state;
	start(USBDEV_SPEED_SUPER, ZERO_PATTERN_ZEROS);
	set_alternate(1);
	assert_int_equal(host_control(&host, 0x02, 3, 0, ISO_IN, NULL, 0), HOST_STALL);
	assert_false(is_halted(ISO_IN));
	host_finish(&host);
}

/* Eleven packets one millisecond apart: ten intervals and a part of one. */
static void isochronous_packets_keep_time(void **state)
{
	struct urb urbs[11];
	uint64_t begin_ns;
	uint64_t took_ns;

	(void)state;
	start(USBDEV_SPEED_HIGH, ZERO_PATTERN_MOD63);
	set_alternate(1);
	begin_ns = clock_now_ns();
	for (unsigned i = 0; i < ARRAY_SIZE(urbs); i++) {
		iso_init(&urbs[i], ISO_IN, 3000);
		urb_submit(&urbs[i]);
	}
	urb_wait(&urbs[10]);
	took_ns = clock_now_ns() - begin_ns;
	assert_true(took_ns >= 10 * MS_NS);
	for (unsigned i = 0; i < ARRAY_SIZE(urbs); i++) {
		uint8_t want[1024];

		make_mod63(want, sizeof(want), 1024);
		assert_int_equal(urbs[i].order, i + 3); /* after two requests */
		assert_int_equal(urbs[i].transfer.status, USBDEV_STATUS_OK);
		assert_int_equal(urbs[i].transfer.actual_bytes, 1024);
		assert_memory_equal(urbs[i].data, want, sizeof(want));
		urb_finish(&urbs[i]);
	}
	host_finish(&host);
}

/* A packet that was asked for late begins a new run; it does not come at once. */
static void an_idle_endpoint_starts_in_the_next_interval(void **state)
{
	struct urb first;
	struct urb second;
	uint64_t first_ns;

	(void)state;
	start(USBDEV_SPEED_FULL, ZERO_PATTERN_ZEROS);
	set_alternate(1);
	iso_init(&first, ISO_IN, 1023);
	iso_init(&second, ISO_IN, 1023);
	urb_submit(&first);
	urb_wait(&first);
	urb_submit(&second);
	first_ns = clock_now_ns();
	urb_wait(&second);
	assert_int_equal(second.transfer.actual_bytes, 1023);
	assert_true(clock_now_ns() - first_ns > 0);
	urb_finish(&first);
	urb_finish(&second);
	host_finish(&host);
}

/* 3 x 1024 bytes in each microframe: 80 of them take 10 ms, not 80. */
static void wide_setting_moves_most_at_each_speed(void **state)
{
	static const enum usbdev_speed speeds[] = {USBDEV_SPEED_FULL, USBDEV_SPEED_HIGH,
						   USBDEV_SPEED_SUPER};
	static const uint32_t payloads[] = {1023, 3072, 49152};

	(void)state;
	for (unsigned s = 0; s < ARRAY_SIZE(speeds); s++) {
		struct urb in;
		struct urb out;

		start(speeds[s], ZERO_PATTERN_ZEROS);
		set_alternate(3);
		iso_init(&in, ISO_IN, 65536);
		iso_init(&out, ISO_OUT, payloads[s]);
		urb_submit(&in);
		urb_submit(&out);
		urb_wait(&in);
		urb_wait(&out);
		assert_int_equal(in.transfer.actual_bytes, payloads[s]);
		assert_int_equal(out.transfer.actual_bytes, payloads[s]);
		urb_finish(&in);
		urb_finish(&out);
		host_finish(&host);
	}
}

static void interrupt_transfers_take_several_intervals(void **state)
{
	uint8_t data[640] = {0};
	uint64_t begin_ns;

	(void)state;
	start(USBDEV_SPEED_FULL, ZERO_PATTERN_ZEROS);
	set_alternate(2);
	begin_ns = clock_now_ns();
	assert_int_equal(host_in(&host, INT_IN, data, 640, NULL), 640);
	assert_true(clock_now_ns() - begin_ns >= 9 * MS_NS);
	assert_int_equal(host_out(&host, INT_OUT, data, 8, NULL), 8);
	data[7] = 1;
	(void)host_out(&host, INT_OUT, data, 8, NULL);
	assert_true(is_halted(INT_OUT));
	host_finish(&host);
}

static void a_change_of_setting_ends_what_waits(void **state)
{
	struct urb urbs[3];

	(void)state;
	start(USBDEV_SPEED_SUPER, ZERO_PATTERN_ZEROS);
	set_alternate(1);
	for (unsigned i = 0; i < ARRAY_SIZE(urbs); i++) {
		iso_init(&urbs[i], ISO_IN, 1024);
		urb_submit(&urbs[i]);
	}
	set_alternate(0);
	for (unsigned i = 0; i < ARRAY_SIZE(urbs); i++) {
		urb_wait(&urbs[i]);
		urb_finish(&urbs[i]);
	}
	host_reset(&host);
	host_finish(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bulk_source_gives_its_pattern),
		cmocka_unit_test(bulk_source_of_zeros),
		cmocka_unit_test(pattern_goes_on_over_pieces_of_memory),
		cmocka_unit_test(bulk_sink_takes_the_pattern),
		cmocka_unit_test(bulk_sink_halts_on_other_data),
		cmocka_unit_test(a_long_transfer_can_be_cancelled),
		cmocka_unit_test(memory_that_is_away_is_told),
		cmocka_unit_test(vendor_requests_keep_data),
		cmocka_unit_test(endpoints_follow_the_setting),
		cmocka_unit_test(isochronous_endpoints_do_not_halt),
		cmocka_unit_test(isochronous_packets_keep_time),
		cmocka_unit_test(an_idle_endpoint_starts_in_the_next_interval),
		cmocka_unit_test(wide_setting_moves_most_at_each_speed),
		cmocka_unit_test(interrupt_transfers_take_several_intervals),
		cmocka_unit_test(a_change_of_setting_ends_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
