/* SPDX-License-Identifier: MIT
 * test_pcap.c - captures: every field, and cut records
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "recording.h"

/* --- fields --- */

static void test_nothing_happened(void **state)
{
	(void)state;
	recording_finish(0);
	assert_int_equal(t.capture.len, 24);
}

static void test_control_in(void **state)
{
	const struct usbdev_setup get_descriptor = {
		.request_type = 0x80,
		.request = 6,
		.value = 0x0203,
		.index = 0x0409,
		.length = 255,
	};
	static const uint8_t bytes[] = {0x80, 6, 0x03, 0x02, 0x09, 0x04, 255, 0};
	const struct capture_record *s, *c;
	time_t before = time(NULL);

	(void)state;
	run_control(&get_descriptor, 255, USBDEV_STATUS_OK, 18);
	recording_finish(2);
	s = check_record(0, 'S', TYPE_CONTROL, 0x80, -EINPROGRESS);
	assert_int_equal(s->setup_flag, 0);
	assert_memory_equal(s->setup, bytes, 8);
	check_bytes(s, '<', 255, 0);
	c = check_record(1, 'C', TYPE_CONTROL, 0x80, 0);
	check_bytes(c, 0, 18, 18);
	assert_int_equal(c->id, s->id);
	/* the time of day, and it does not run back */
	/* time() may lag behind the clock of captures by some milliseconds */
	assert_in_range(s->seconds, before, time(NULL) + 1);
	assert_in_range(s->microseconds, 0, 999999);
	assert_true(c->seconds > s->seconds ||
		    (c->seconds == s->seconds && c->microseconds >= s->microseconds));
}

static void test_control_out(void **state)
{
	const struct usbdev_setup set_report = {
		.request_type = 0x21, .request = 9, .value = 0x200, .length = 3};
	const struct usbdev_setup set_configuration = {.request = 9, .value = 1};
	static const uint8_t bytes[] = {0x21, 9, 0, 2, 0, 0, 3, 0};
	const struct capture_record *s;

	(void)state;
	run_control(&set_report, 3, USBDEV_STATUS_OK, 3);
	run_control(&set_configuration, 0, USBDEV_STATUS_STALL, 0);
	recording_finish(4);
	s = check_record(0, 'S', TYPE_CONTROL, 0, -EINPROGRESS);
	assert_int_equal(s->setup_flag, 0);
	assert_memory_equal(s->setup, bytes, 8);
	check_bytes(s, 0, 3, 3);
	check_bytes(check_record(1, 'C', TYPE_CONTROL, 0, 0), '>', 3, 0);
	check_bytes(check_record(2, 'S', TYPE_CONTROL, 0, -EINPROGRESS), 0, 0, 0);
	check_bytes(check_record(3, 'C', TYPE_CONTROL, 0, -EPIPE), '>', 0, 0);
	assert_int_not_equal(t.capture.records[2].id, t.capture.records[0].id);
}

static void test_bulk_and_interrupt(void **state)
{
	(void)state;
	run_type(USBDEV_TYPE_BULK, 0x02, 31, USBDEV_STATUS_OK, 31);
	run_type(USBDEV_TYPE_BULK, 0x81, 512, USBDEV_STATUS_OK, 13);
	run_type(USBDEV_TYPE_INTERRUPT, 0x83, 8, USBDEV_STATUS_OK, 8);
	run_type(USBDEV_TYPE_INTERRUPT, 0x04, 8, USBDEV_STATUS_OK, 8);
	recording_finish(8);
	check_bytes(check_record(0, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 0, 31, 31);
	check_bytes(check_record(1, 'C', TYPE_BULK, 0x02, 0), '>', 31, 0);
	check_bytes(check_record(2, 'S', TYPE_BULK, 0x81, -EINPROGRESS), '<', 512, 0);
	check_bytes(check_record(3, 'C', TYPE_BULK, 0x81, 0), 0, 13, 13);
	check_bytes(check_record(4, 'S', TYPE_INTERRUPT, 0x83, -EINPROGRESS), '<', 8, 0);
	check_bytes(check_record(5, 'C', TYPE_INTERRUPT, 0x83, 0), 0, 8, 8);
	check_bytes(check_record(6, 'S', TYPE_INTERRUPT, 0x04, -EINPROGRESS), 0, 8, 8);
	check_bytes(check_record(7, 'C', TYPE_INTERRUPT, 0x04, 0), '>', 8, 0);
}

static void check_packet(const struct capture_record *record, int status, uint32_t length,
			 int errors)
{
	assert_int_equal(record->descriptors, 1);
	assert_int_equal(record->iso_count, 1);
	assert_int_equal(record->iso_errors, errors);
	assert_int_equal(record->iso_status, status);
	assert_int_equal(record->iso_offset, 0);
	assert_int_equal(record->iso_length, length);
}

static void test_isochronous(void **state)
{
	const struct capture_record *record;

	(void)state;
	run_type(USBDEV_TYPE_ISOCHRONOUS, 0x85, 1024, USBDEV_STATUS_OK, 100);
	run_type(USBDEV_TYPE_ISOCHRONOUS, 0x05, 48, USBDEV_STATUS_OK, 48);
	recording_finish(4);
	record = check_record(0, 'S', TYPE_ISO, 0x85, -EINPROGRESS);
	check_bytes(record, '<', 1024, 0);
	check_packet(record, -EXDEV, 1024, 0);
	record = check_record(1, 'C', TYPE_ISO, 0x85, 0);
	check_bytes(record, 0, 100, 100);
	check_packet(record, 0, 100, 0);
	record = check_record(2, 'S', TYPE_ISO, 0x05, -EINPROGRESS);
	check_bytes(record, 0, 48, 48);
	check_packet(record, -EXDEV, 48, 0);
	record = check_record(3, 'C', TYPE_ISO, 0x05, 0);
	check_bytes(record, '>', 48, 0);
	check_packet(record, 0, 48, 0);
}

/* The URB as such is fine, unless it was cancelled; its packet is not. */
static void test_isochronous_failures(void **state)
{
	static const struct {
		enum usbdev_status status;
		int urb, packet;
	} cases[] = {
		{USBDEV_STATUS_MISSED, 0, -EXDEV},
		{USBDEV_STATUS_ERROR, 0, -EPROTO},
		{USBDEV_STATUS_BABBLE, 0, -EOVERFLOW},
		{USBDEV_STATUS_CANCELLED, -ENOENT, -EXDEV},
		{USBDEV_STATUS_GONE, -ESHUTDOWN, -EXDEV},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		run_type(USBDEV_TYPE_ISOCHRONOUS, 0x85, 64, cases[i].status, 0);
	recording_finish(2 * ARRAY_SIZE(cases));
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		check_packet(check_record(2 * i + 1, 'C', TYPE_ISO, 0x85, cases[i].urb),
			     cases[i].packet, 0, 1);
}

static void test_every_status(void **state)
{
	static const int errors[] = {
		[USBDEV_STATUS_OK] = 0,
		[USBDEV_STATUS_STALL] = -EPIPE,
		[USBDEV_STATUS_ERROR] = -EPROTO,
		[USBDEV_STATUS_BABBLE] = -EOVERFLOW,
		[USBDEV_STATUS_CANCELLED] = -ENOENT,
		[USBDEV_STATUS_GONE] = -ESHUTDOWN,
		[USBDEV_STATUS_MISSED] = -EXDEV,
		[USBDEV_STATUS_MEMORY] = -EFAULT,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++)
		run_type(USBDEV_TYPE_BULK, 0x81, 10, (enum usbdev_status)i, 0);
	recording_finish(2 * ARRAY_SIZE(errors));
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++)
		check_bytes(check_record(2 * i + 1, 'C', TYPE_BULK, 0x81, errors[i]), 0,
			    0, 0);
}

static void test_cancelled_with_part_of_its_data(void **state)
{
	struct urb urb;

	(void)state;
	urb_init(&urb, &t.host, 0x81, 1000);
	urb_submit(&urb);
	urb_cancel(&urb);
	pattern(&urb, 300);
	usbdev_complete(&t.fake, &urb.transfer, USBDEV_STATUS_CANCELLED, 300);
	urb_finish(&urb);
	recording_finish(2);
	check_bytes(check_record(1, 'C', TYPE_BULK, 0x81, -ENOENT), 0, 300, 300);
}

static void test_bus_and_device(void **state)
{
	static const struct {
		enum usbdev_speed speed;
		unsigned bus;
	} cases[] = {
		{USBDEV_SPEED_LOW, 2},        {USBDEV_SPEED_FULL, 2},
		{USBDEV_SPEED_HIGH, 2},       {USBDEV_SPEED_SUPER, 3},
		{USBDEV_SPEED_SUPER_PLUS, 3}, {USBDEV_SPEED_SUPER_PLUS_X2, 3},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		t.fake.speed = cases[i].speed;
		t.fake.address = (uint8_t)(250 + i);
		run_type(USBDEV_TYPE_BULK, 0x81, 1, USBDEV_STATUS_OK, 1);
	}
	recording_finish(2 * ARRAY_SIZE(cases));
	for (unsigned i = 0; i < t.capture.count; i++) {
		assert_int_equal(t.capture.records[i].bus, cases[i / 2].bus);
		assert_int_equal(t.capture.records[i].device, 250 + i / 2);
	}
}

/* Ids tell which S and C belong together, whatever the order. */
static void test_transfers_that_overtake(void **state)
{
	struct urb urbs[3];
	const struct capture_record *records;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		urb_init(&urbs[i], &t.host, (uint8_t)(0x81 + i), 8);
		urb_submit(&urbs[i]);
	}
	for (unsigned i = 3; i-- > 0;)
		usbdev_complete(&t.fake, &urbs[i].transfer, USBDEV_STATUS_OK, 0);
	/* a second time, now new ones */
	for (unsigned i = 0; i < 3; i++) {
		run_transfer(&urbs[i], USBDEV_STATUS_OK, 0);
		urb_finish(&urbs[i]);
	}
	recording_finish(12);
	records = t.capture.records;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(records[i].id, records[5 - i].id);
		assert_int_equal(records[6 + 2 * i].id, records[7 + 2 * i].id);
	}
	for (unsigned i = 0; i < 3; i++)
		for (unsigned j = 0; j < 12; j++)
			if (j != i && j != 5 - i)
				assert_int_not_equal(records[i].id, records[j].id);
}

/* --- data --- */

static void test_long_data_are_cut(void **state)
{
	const uint32_t max = CAPTURE_SNAPLEN - HEADER;
	const struct capture_record *record;

	(void)state;
	run_type(USBDEV_TYPE_BULK, 0x02, max, USBDEV_STATUS_OK, max);
	run_type(USBDEV_TYPE_BULK, 0x02, max + 1, USBDEV_STATUS_OK, max + 1);
	run_type(USBDEV_TYPE_BULK, 0x81, 1 << 20, USBDEV_STATUS_OK, 1 << 20);
	run_type(USBDEV_TYPE_ISOCHRONOUS, 0x85, 100000, USBDEV_STATUS_OK, 100000);
	recording_finish(8);
	check_bytes(check_record(0, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 0, max, max);
	record = check_record(2, 'S', TYPE_BULK, 0x02, -EINPROGRESS);
	assert_int_equal(record->urb_bytes, max + 1);
	assert_int_equal(record->captured, CAPTURE_SNAPLEN);
	assert_int_equal(record->original, CAPTURE_SNAPLEN + 1);
	assert_data(record, max);
	record = check_record(5, 'C', TYPE_BULK, 0x81, 0);
	assert_int_equal(record->urb_bytes, 1 << 20);
	assert_int_equal(record->captured, CAPTURE_SNAPLEN);
	assert_int_equal(record->original, HEADER + (1 << 20));
	assert_data(record, max);
	record = check_record(7, 'C', TYPE_ISO, 0x85, 0);
	assert_int_equal(record->captured, CAPTURE_SNAPLEN);
	assert_int_equal(record->original, HEADER + ISO + 100000);
	assert_data(record, max - ISO);
}

static void test_data_in_pieces(void **state)
{
	struct urb urb;

	(void)state;
	urb_init(&urb, &t.host, 0x02, 5000);
	urb.piece_bytes = 7;
	run_transfer(&urb, USBDEV_STATUS_OK, 5000);
	urb_finish(&urb);
	recording_finish(2);
	check_bytes(check_record(0, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 0, 5000, 5000);
}

/* Guest memory that cannot be reached: no data, and the record says so. */
static void test_data_out_of_reach(void **state)
{
	struct urb urb;

	(void)state;
	urb_init(&urb, &t.host, 0x02, 100);
	urb.fault = true;
	run_transfer(&urb, USBDEV_STATUS_MEMORY, 0);
	urb_finish(&urb);
	urb_init(&urb, &t.host, 0x81, 100);
	urb.fault = true;
	run_transfer(&urb, USBDEV_STATUS_OK, 100);
	urb_finish(&urb);
	run_type(USBDEV_TYPE_BULK, 0x02, 10, USBDEV_STATUS_OK, 10);
	recording_finish(6);
	check_bytes(check_record(0, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 'D', 100, 0);
	check_bytes(check_record(1, 'C', TYPE_BULK, 0x02, -EFAULT), '>', 0, 0);
	check_bytes(check_record(2, 'S', TYPE_BULK, 0x81, -EINPROGRESS), '<', 100, 0);
	check_bytes(check_record(3, 'C', TYPE_BULK, 0x81, 0), 'D', 100, 0);
	check_bytes(check_record(4, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 0, 10, 10);
}

/* All kinds of transfers, as another program reads them. */
static void test_tshark(void **state)
{
	static const char expected[] = "'S'|0x85|5|-115|1024|0|-18|1024\n"
				       "'C'|0x85|5|0|100|0|0|100\n"
				       "'S'|0x05|5|-115|48|0|-18|48\n"
				       "'C'|0x05|5|0|0|1|-71|0\n"
				       "'S'|0x83|5|-115|8|||\n"
				       "'C'|0x83|5|-2|5|||\n";
	char *text;
	int r;

	(void)state;
	run_type(USBDEV_TYPE_ISOCHRONOUS, 0x85, 1024, USBDEV_STATUS_OK, 100);
	run_type(USBDEV_TYPE_ISOCHRONOUS, 0x05, 48, USBDEV_STATUS_ERROR, 0);
	run_type(USBDEV_TYPE_INTERRUPT, 0x83, 8, USBDEV_STATUS_CANCELLED, 5);
	recording_stop();
	r = capture_tshark(t.path, "usb",
			   "usb.urb_type usb.endpoint_address usb.device_address "
			   "usb.urb_status usb.urb_len usb.iso.error_count "
			   "usb.iso.iso_status usb.iso.iso_len",
			   &text);
	if (r == -ENOENT) {
		/* cmocka's skip() is "not ok" in TAP */
		print_message("# not tested: there is no tshark\n");
		return;
	}
	assert_non_null(text);
	if (r < 0 || !strstr(text, expected))
		fail_msg("tshark says:\n%s", text);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_happened),  T(control_in),
		T(control_out),       T(bulk_and_interrupt),
		T(isochronous),       T(isochronous_failures),
		T(every_status),      T(cancelled_with_part_of_its_data),
		T(bus_and_device),    T(transfers_that_overtake),
		T(long_data_are_cut), T(data_in_pieces),
		T(data_out_of_reach), T(tshark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
