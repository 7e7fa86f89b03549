/* SPDX-License-Identifier: MIT
 * test_pcap.c - captures: every field, what is cut, what is lost, what fails
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host.h"
#include "tests/lib/capture.h"
#include "usbdev/pcap/pcap.h"
#include "util/list.h"

#define TYPE_ISO       0
#define TYPE_INTERRUPT 1
#define TYPE_CONTROL   2
#define TYPE_BULK      3

#define HEADER   64u /* usbmon's */
#define ISO      16u /* a packet descriptor */
#define FLAG_IN  0x200u
#define FLAG_ISO 0x2u

/* A device whose transfers wait until the test ends them. */
static struct usbdev fake;
static struct host host;
static struct pcap *pcap;
static bool destroyed;
static char dir[64];
static char path[128];
static struct capture capture;
static int fifo_fd;

static void fake_submit(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	(void)dev;
	(void)transfer;
}

static void fake_cancel(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	(void)dev;
	(void)transfer;
}

static void fake_reset(struct usbdev *dev)
{
	(void)dev;
}

static const struct usbdev_ops fake_ops = {
	.name = "fake",
	.submit = fake_submit,
	.cancel = fake_cancel,
	.reset = fake_reset,
	.destroy = usbdev_finish,
};

static int setup_bare(void **state)
{
	struct loop *loop = loop_create();

	(void)state;
	strcpy(dir, "/tmp/test-pcap-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/usb.pcap", dir);
	memset(&fake, 0, sizeof(fake));
	assert_int_equal(usbdev_init(&fake, &fake_ops, loop, USBDEV_SPEED_HIGH, "fake"),
			 0);
	host_init(&host, loop, &fake);
	fake.address = 5;
	pcap = NULL;
	destroyed = false;
	fifo_fd = -1;
	return 0;
}

static void start(const char *to)
{
	struct err err = {0};

	pcap = pcap_create(host.loop, to, &err);
	if (!pcap)
		fail_msg("%s", err.text);
	destroyed = false;
	usbdev_set_tap(&fake, pcap_tap(pcap));
}

static int setup(void **state)
{
	if (setup_bare(state) < 0)
		return -1;
	start(path);
	return 0;
}

static void on_destroyed(void *ctx)
{
	*(bool *)ctx = true;
}

/* Ends the capture and waits for that. */
static void stop(void)
{
	usbdev_set_tap(&fake, NULL);
	pcap_destroy(pcap, on_destroyed, &destroyed);
	pcap = NULL;
	assert_false(destroyed);
	while (!destroyed)
		assert_int_equal(loop_turn(host.loop, true), 0);
}

/* Ends the capture and reads the file, which must have @count records. */
static void finish(unsigned count)
{
	stop();
	assert_int_equal(capture_read(&capture, path), 0);
	assert_int_equal(capture.count, count);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	/* first, or after a failed test the capture would wait for a reader */
	if (fifo_fd >= 0)
		(void)close(fifo_fd);
	if (pcap)
		stop();
	capture_finish(&capture);
	host_finish(&host);
	(void)snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command) == 0 ? 0 : -1;
}

static void pattern(struct urb *urb, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		urb->data[i] = (uint8_t)(i * 7 + i / 256);
}

static void assert_data(const struct capture_record *record, uint32_t len)
{
	assert_int_equal(record->data_bytes, len);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(record->data[i], (uint8_t)(i * 7 + i / 256));
}

/* A whole transfer: data of an IN one appear before it ends. */
static void run(struct urb *urb, enum usbdev_status status, uint32_t actual)
{
	if (!usbdev_transfer_is_in(&urb->transfer))
		pattern(urb, urb->transfer.length_bytes);
	urb_submit(urb);
	if (usbdev_transfer_is_in(&urb->transfer))
		pattern(urb, actual);
	usbdev_complete(&fake, &urb->transfer, status, actual);
}

static void run_type(enum usbdev_type type, uint8_t ep_addr, uint32_t len,
		     enum usbdev_status status, uint32_t actual)
{
	struct urb urb;

	urb_init(&urb, &host, ep_addr, len);
	urb.transfer.type = type;
	run(&urb, status, actual);
	urb_finish(&urb);
}

static void run_control(const struct usbdev_setup *setup_packet, uint32_t len,
			enum usbdev_status status, uint32_t actual)
{
	struct urb urb;

	urb_init(&urb, &host, 0, len);
	urb.transfer.type = USBDEV_TYPE_CONTROL;
	urb.transfer.setup = *setup_packet;
	run(&urb, status, actual);
	urb_finish(&urb);
}

/* What all records have in common; @data and iso descriptors decide about the lengths. */
static const struct capture_record *check(unsigned i, char type, uint8_t transfer_type,
					  uint8_t endpoint, int status)
{
	const struct capture_record *record = &capture.records[i];

	assert_true(i < capture.count);
	assert_int_equal(record->type, type);
	assert_int_equal(record->transfer_type, transfer_type);
	assert_int_equal(record->endpoint, endpoint);
	assert_int_equal(record->status, status);
	assert_int_equal(record->device, 5);
	assert_int_equal(record->bus, 2);
	assert_int_equal(record->interval, 0);
	assert_int_equal(record->start_frame, 0);
	assert_int_equal(record->flags & FLAG_IN, endpoint & 0x80 ? FLAG_IN : 0);
	assert_int_equal(record->flags & FLAG_ISO, transfer_type == 0 ? FLAG_ISO : 0);
	assert_int_equal(record->pcap_seconds, record->seconds);
	assert_int_equal(record->pcap_microseconds, record->microseconds);
	if (transfer_type != TYPE_CONTROL || type != 'S')
		assert_int_equal(record->setup_flag, '-');
	return record;
}

/* Lengths: of the URB, and of data in the record; nothing is cut. */
static void check_bytes(const struct capture_record *record, char flag, uint32_t urb,
			uint32_t data)
{
	uint32_t iso = record->descriptors * ISO;

	assert_int_equal(record->data_flag, flag);
	assert_int_equal(record->urb_bytes, urb);
	assert_int_equal(record->captured, HEADER + iso + data);
	assert_int_equal(record->original, HEADER + iso + data);
	assert_data(record, data);
}

/* --- fields --- */

static void test_nothing_happened(void **state)
{
	(void)state;
	finish(0);
	assert_int_equal(capture.len, 24);
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
	finish(2);
	s = check(0, 'S', TYPE_CONTROL, 0x80, -EINPROGRESS);
	assert_int_equal(s->setup_flag, 0);
	assert_memory_equal(s->setup, bytes, 8);
	check_bytes(s, '<', 255, 0);
	c = check(1, 'C', TYPE_CONTROL, 0x80, 0);
	check_bytes(c, 0, 18, 18);
	assert_int_equal(c->id, s->id);
	/* the time of day, and it does not run back */
	assert_in_range(s->seconds, before, time(NULL));
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
	finish(4);
	s = check(0, 'S', TYPE_CONTROL, 0, -EINPROGRESS);
	assert_int_equal(s->setup_flag, 0);
	assert_memory_equal(s->setup, bytes, 8);
	check_bytes(s, 0, 3, 3);
	check_bytes(check(1, 'C', TYPE_CONTROL, 0, 0), '>', 3, 0);
	check_bytes(check(2, 'S', TYPE_CONTROL, 0, -EINPROGRESS), 0, 0, 0);
	check_bytes(check(3, 'C', TYPE_CONTROL, 0, -EPIPE), '>', 0, 0);
	assert_int_not_equal(capture.records[2].id, capture.records[0].id);
}

static void test_bulk_and_interrupt(void **state)
{
	(void)state;
	run_type(USBDEV_TYPE_BULK, 0x02, 31, USBDEV_STATUS_OK, 31);
	run_type(USBDEV_TYPE_BULK, 0x81, 512, USBDEV_STATUS_OK, 13);
	run_type(USBDEV_TYPE_INTERRUPT, 0x83, 8, USBDEV_STATUS_OK, 8);
	run_type(USBDEV_TYPE_INTERRUPT, 0x04, 8, USBDEV_STATUS_OK, 8);
	finish(8);
	check_bytes(check(0, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 0, 31, 31);
	check_bytes(check(1, 'C', TYPE_BULK, 0x02, 0), '>', 31, 0);
	check_bytes(check(2, 'S', TYPE_BULK, 0x81, -EINPROGRESS), '<', 512, 0);
	check_bytes(check(3, 'C', TYPE_BULK, 0x81, 0), 0, 13, 13);
	check_bytes(check(4, 'S', TYPE_INTERRUPT, 0x83, -EINPROGRESS), '<', 8, 0);
	check_bytes(check(5, 'C', TYPE_INTERRUPT, 0x83, 0), 0, 8, 8);
	check_bytes(check(6, 'S', TYPE_INTERRUPT, 0x04, -EINPROGRESS), 0, 8, 8);
	check_bytes(check(7, 'C', TYPE_INTERRUPT, 0x04, 0), '>', 8, 0);
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
	finish(4);
	record = check(0, 'S', TYPE_ISO, 0x85, -EINPROGRESS);
	check_bytes(record, '<', 1024, 0);
	check_packet(record, -EXDEV, 1024, 0);
	record = check(1, 'C', TYPE_ISO, 0x85, 0);
	check_bytes(record, 0, 100, 100);
	check_packet(record, 0, 100, 0);
	record = check(2, 'S', TYPE_ISO, 0x05, -EINPROGRESS);
	check_bytes(record, 0, 48, 48);
	check_packet(record, -EXDEV, 48, 0);
	record = check(3, 'C', TYPE_ISO, 0x05, 0);
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
	finish(2 * ARRAY_SIZE(cases));
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		check_packet(check(2 * i + 1, 'C', TYPE_ISO, 0x85, cases[i].urb),
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
	finish(2 * ARRAY_SIZE(errors));
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++)
		check_bytes(check(2 * i + 1, 'C', TYPE_BULK, 0x81, errors[i]), 0, 0, 0);
}

static void test_cancelled_with_part_of_its_data(void **state)
{
	struct urb urb;

	(void)state;
	urb_init(&urb, &host, 0x81, 1000);
	urb_submit(&urb);
	urb_cancel(&urb);
	pattern(&urb, 300);
	usbdev_complete(&fake, &urb.transfer, USBDEV_STATUS_CANCELLED, 300);
	urb_finish(&urb);
	finish(2);
	check_bytes(check(1, 'C', TYPE_BULK, 0x81, -ENOENT), 0, 300, 300);
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
		fake.speed = cases[i].speed;
		fake.address = (uint8_t)(250 + i);
		run_type(USBDEV_TYPE_BULK, 0x81, 1, USBDEV_STATUS_OK, 1);
	}
	finish(2 * ARRAY_SIZE(cases));
	for (unsigned i = 0; i < capture.count; i++) {
		assert_int_equal(capture.records[i].bus, cases[i / 2].bus);
		assert_int_equal(capture.records[i].device, 250 + i / 2);
	}
}

/* Ids tell which S and C belong together, whatever the order. */
static void test_transfers_that_overtake(void **state)
{
	struct urb urbs[3];
	const struct capture_record *records;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		urb_init(&urbs[i], &host, (uint8_t)(0x81 + i), 8);
		urb_submit(&urbs[i]);
	}
	for (unsigned i = 3; i-- > 0;)
		usbdev_complete(&fake, &urbs[i].transfer, USBDEV_STATUS_OK, 0);
	/* a second time, now new ones */
	for (unsigned i = 0; i < 3; i++) {
		run(&urbs[i], USBDEV_STATUS_OK, 0);
		urb_finish(&urbs[i]);
	}
	finish(12);
	records = capture.records;
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
	finish(8);
	check_bytes(check(0, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 0, max, max);
	record = check(2, 'S', TYPE_BULK, 0x02, -EINPROGRESS);
	assert_int_equal(record->urb_bytes, max + 1);
	assert_int_equal(record->captured, CAPTURE_SNAPLEN);
	assert_int_equal(record->original, CAPTURE_SNAPLEN + 1);
	assert_data(record, max);
	record = check(5, 'C', TYPE_BULK, 0x81, 0);
	assert_int_equal(record->urb_bytes, 1 << 20);
	assert_int_equal(record->captured, CAPTURE_SNAPLEN);
	assert_int_equal(record->original, HEADER + (1 << 20));
	assert_data(record, max);
	record = check(7, 'C', TYPE_ISO, 0x85, 0);
	assert_int_equal(record->captured, CAPTURE_SNAPLEN);
	assert_int_equal(record->original, HEADER + ISO + 100000);
	assert_data(record, max - ISO);
}

static void test_data_in_pieces(void **state)
{
	struct urb urb;

	(void)state;
	urb_init(&urb, &host, 0x02, 5000);
	urb.piece_bytes = 7;
	run(&urb, USBDEV_STATUS_OK, 5000);
	urb_finish(&urb);
	finish(2);
	check_bytes(check(0, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 0, 5000, 5000);
}

/* Guest memory that cannot be reached: no data, and the record says so. */
static void test_data_out_of_reach(void **state)
{
	struct urb urb;

	(void)state;
	urb_init(&urb, &host, 0x02, 100);
	urb.fault = true;
	run(&urb, USBDEV_STATUS_MEMORY, 0);
	urb_finish(&urb);
	urb_init(&urb, &host, 0x81, 100);
	urb.fault = true;
	run(&urb, USBDEV_STATUS_OK, 100);
	urb_finish(&urb);
	run_type(USBDEV_TYPE_BULK, 0x02, 10, USBDEV_STATUS_OK, 10);
	finish(6);
	check_bytes(check(0, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 'D', 100, 0);
	check_bytes(check(1, 'C', TYPE_BULK, 0x02, -EFAULT), '>', 0, 0);
	check_bytes(check(2, 'S', TYPE_BULK, 0x81, -EINPROGRESS), '<', 100, 0);
	check_bytes(check(3, 'C', TYPE_BULK, 0x81, 0), 'D', 100, 0);
	check_bytes(check(4, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 0, 10, 10);
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
	stop();
	r = capture_tshark(path, "usb",
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

/* --- start and stop --- */

/* A quiet capture is a complete file. */
static void test_written_when_idle(void **state)
{
	(void)state;
	/* the file's header; the record; each a job and its end */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(loop_turn(host.loop, false), 0);
		assert_int_equal(loop_turn(host.loop, true), 0);
		assert_int_equal(capture_read(&capture, path), 0);
		assert_int_equal(capture.count, 2 * i);
		capture_finish(&capture);
		run_type(USBDEV_TYPE_BULK, 0x02, 9, USBDEV_STATUS_OK, 9);
	}
	assert_int_equal(pcap_stats(pcap).records, 4);
	assert_int_equal(pcap_stats(pcap).dropped, 0);
	assert_int_equal(pcap_stats(pcap).error, 0);
}

/* Who was submitted before the capture is not in it, nor who completes after it. */
static void test_starts_and_stops_between(void **state)
{
	struct urb urbs[2];
	uint64_t first_id;

	(void)state;
	urb_init(&urbs[0], &host, 0x81, 8);
	urb_init(&urbs[1], &host, 0x82, 8);
	urb_submit(&urbs[0]);
	finish(1);
	check(0, 'S', TYPE_BULK, 0x81, -EINPROGRESS);
	first_id = capture.records[0].id;
	capture_finish(&capture);
	urb_submit(&urbs[1]);

	/* into the same file */
	start(path);
	usbdev_complete(&fake, &urbs[0].transfer, USBDEV_STATUS_OK, 8);
	usbdev_complete(&fake, &urbs[1].transfer, USBDEV_STATUS_OK, 8);
	run(&urbs[0], USBDEV_STATUS_OK, 8);
	finish(2);
	check(0, 'S', TYPE_BULK, 0x81, -EINPROGRESS);
	check(1, 'C', TYPE_BULK, 0x81, 0);
	assert_true(capture.records[0].id > first_id);
	urb_finish(&urbs[0]);
	urb_finish(&urbs[1]);
}

static void test_two_devices_one_stops(void **state)
{
	struct usbdev other = {0};
	struct host other_host;
	struct urb urb;

	(void)state;
	assert_int_equal(
		usbdev_init(&other, &fake_ops, host.loop, USBDEV_SPEED_SUPER, "other"),
		0);
	other.address = 6;
	usbdev_set_tap(&other, pcap_tap(pcap));
	other_host = (struct host){.loop = host.loop, .dev = &other};
	urb_init(&urb, &other_host, 0x81, 4);
	urb_submit(&urb);
	run_type(USBDEV_TYPE_BULK, 0x81, 4, USBDEV_STATUS_OK, 4);
	usbdev_complete(&other, &urb.transfer, USBDEV_STATUS_GONE, 0);
	urb_finish(&urb);
	usbdev_destroy(&other, NULL, NULL);
	finish(4);
	assert_int_equal(capture.records[0].device, 6);
	assert_int_equal(capture.records[1].device, 5);
	assert_int_equal(capture.records[3].device, 6);
	assert_int_equal(capture.records[3].id, capture.records[0].id);
}

static void test_file_and_directories(void **state)
{
	struct stat st;
	char deep[256];

	(void)state;
	stop();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* an old file is overwritten */
	assert_int_equal(truncate(path, 100000), 0);
	start(path);
	stop();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 24);

	(void)snprintf(deep, sizeof(deep), "%s/a//b/c.d/usb.pcap", dir);
	start(deep);
	stop();
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_size, 24);
}

static void refuse(const char *to, int code, const char *why)
{
	struct err err = {0};

	assert_null(pcap_create(host.loop, to, &err));
	assert_int_equal(err.code, code);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static void test_files_that_cannot_be(void **state)
{
	char name[256];

	(void)state;
	refuse("", EINVAL, "name of a file");
	refuse(dir, EISDIR, dir);
	(void)snprintf(name, sizeof(name), "%s/fifo", dir);
	assert_int_equal(mkfifo(name, 0600), 0);
	refuse(name, ENXIO, "start the reader first");
	(void)snprintf(name, sizeof(name), "%s/fifo/usb.pcap", dir);
	refuse(name, ENOTDIR, name);
	(void)snprintf(name, sizeof(name), "%s/new/", dir);
	refuse(name, EISDIR, name);
	refuse("/proc/no/usb.pcap", ENOENT, "cannot make the directory");
	/* not even a capture that has done nothing is needed for that */
	pcap_destroy(NULL, NULL, NULL);
}

static void start_fd(int fd)
{
	struct err err = {0};

	pcap = pcap_create_fd(host.loop, fd, "it", &err);
	if (!pcap)
		fail_msg("%s", err.text);
	destroyed = false;
}

/* A file that is open already: written from its start, waited for if need be. */
static void test_files_handed_over(void **state)
{
	struct err err = {0};
	uint8_t header[64];
	int pipe_fds[2];
	struct stat st;
	int fd;

	(void)state;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, path, sizeof(path)), sizeof(path));
	start_fd(fd);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK), 0);
	stop();
	assert_int_equal(fcntl(fd, F_GETFL), -1); /* closed */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 24);

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	start_fd(pipe_fds[1]);
	stop();
	assert_int_equal(read(pipe_fds[0], header, sizeof(header)), 24);

	assert_null(pcap_create_fd(host.loop, pipe_fds[0], "it", &err));
	assert_int_equal(err.code, EBADF);
	assert_int_equal(fcntl(pipe_fds[0], F_GETFL), -1);
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_null(pcap_create_fd(host.loop, fd, "it", &err));
	assert_int_equal(err.code, EINVAL);
	assert_null(pcap_create_fd(host.loop, 999, "it", &err));
}

/* --- what is too slow, and what fails --- */

/* A FIFO for the file: the worker waits when nobody reads. */
static void start_fifo(void)
{
	assert_int_equal(mkfifo(path, 0600), 0);
	fifo_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fifo_fd >= 0);
	assert_int_equal(fcntl(fifo_fd, F_SETFL, 0), 0);
	start(path);
}

struct drain {
	uint8_t *bytes;
	size_t len;
	size_t max;
};

/* Reads until @max bytes are there or the writer has closed. */
static void *drain(void *arg)
{
	struct drain *all = arg;
	ssize_t n = 1;

	while (n > 0 && all->len < all->max) {
		n = read(fifo_fd, all->bytes + all->len, all->max - all->len);
		if (n > 0)
			all->len += (size_t)n;
	}
	return NULL;
}

#define DRAIN_MAX (32u << 20)

/* Reads to the end, and ends the capture meanwhile. */
static void finish_fifo(struct drain *all)
{
	pthread_t thread;

	all->max = DRAIN_MAX;
	assert_int_equal(pthread_create(&thread, NULL, drain, all), 0);
	stop();
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(all->len < DRAIN_MAX);
	assert_int_equal(capture_parse(&capture, all->bytes, all->len), 0);
}

#define SLOW_BYTES 60000u

static void test_too_slow(void **state)
{
	struct drain all = {.bytes = malloc(DRAIN_MAX)};
	struct pcap_stats stats;
	unsigned s = 0, c = 0;

	(void)state;
	assert_non_null(all.bytes);
	start_fifo();
	/* the first turn gives the worker the file's header, the second what follows */
	assert_int_equal(loop_turn(host.loop, false), 0);
	for (unsigned i = 0; i < 200; i++) {
		run_type(USBDEV_TYPE_BULK, 0x02, SLOW_BYTES, USBDEV_STATUS_OK,
			 SLOW_BYTES);
		assert_int_equal(loop_turn(host.loop, false), 0);
	}
	stats = pcap_stats(pcap);
	assert_int_equal(stats.records + stats.dropped, 400);
	assert_int_equal(stats.error, 0);
	/* not more than fits into the buffer; the short ones may go on fitting */
	assert_in_range(stats.dropped, 40, 261);
	finish_fifo(&all);
	assert_int_equal(capture.count, stats.records);
	for (unsigned i = 0; i < capture.count; i++) {
		const struct capture_record *record = &capture.records[i];

		if (record->type == 'S') {
			check_bytes(check(i, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 0,
				    SLOW_BYTES, SLOW_BYTES);
			s++;
		} else {
			check_bytes(check(i, 'C', TYPE_BULK, 0x02, 0), '>', SLOW_BYTES,
				    0);
			c++;
		}
		assert_true(i == 0 || record->id >= record[-1].id);
	}
	assert_in_range(s, 130, 160); /* what a pipe holds differs */
	assert_true(c > s);
}

/* Records on both sides of the ring's end, and one across it. */
static void test_ring_wraps(void **state)
{
	struct drain all = {.bytes = malloc(DRAIN_MAX)};
	unsigned count = 0;

	(void)state;
	assert_non_null(all.bytes);
	start_fifo();
	assert_int_equal(loop_turn(host.loop, false), 0);
	all.max = 24;
	drain(&all);
	assert_int_equal(loop_turn(host.loop, true), 0);
	/* 3 MiB given to the worker, 4.8 MiB waiting */
	for (; count < 50; count++)
		run_type(USBDEV_TYPE_BULK, 0x02, SLOW_BYTES, USBDEV_STATUS_OK,
			 SLOW_BYTES);
	assert_int_equal(loop_turn(host.loop, false), 0);
	for (; count < 130; count++)
		run_type(USBDEV_TYPE_BULK, 0x02, SLOW_BYTES, USBDEV_STATUS_OK,
			 SLOW_BYTES);
	/* nothing stays deferred: the next turn waits for the worker */
	assert_int_equal(loop_turn(host.loop, false), 0);
	/* once the first piece is read there is room for more, on both sides */
	all.max = 24 + 50 * (16 + HEADER + SLOW_BYTES + 16 + HEADER);
	drain(&all);
	assert_int_equal(loop_turn(host.loop, true), 0);
	for (; count < 170; count++)
		run_type(USBDEV_TYPE_BULK, 0x02, SLOW_BYTES, USBDEV_STATUS_OK,
			 SLOW_BYTES);
	assert_int_equal(pcap_stats(pcap).dropped, 0);
	finish_fifo(&all);
	assert_int_equal(capture.count, 2 * count);
	for (unsigned i = 0; i < capture.count; i += 2) {
		check_bytes(check(i, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 0, SLOW_BYTES,
			    SLOW_BYTES);
		check_bytes(check(i + 1, 'C', TYPE_BULK, 0x02, 0), '>', SLOW_BYTES, 0);
	}
}

/* Turns until the worker has met the error. */
static void await_error(int code)
{
	while (pcap_stats(pcap).error == 0)
		assert_int_equal(loop_turn(host.loop, true), 0);
	assert_int_equal(pcap_stats(pcap).error, code);
}

static void test_disk_full(void **state)
{
	uint64_t records;

	(void)state;
	start("/dev/full");
	run_type(USBDEV_TYPE_BULK, 0x02, 100, USBDEV_STATUS_OK, 100);
	await_error(-ENOSPC);
	/* transfers go on, the capture does not */
	records = pcap_stats(pcap).records;
	run_type(USBDEV_TYPE_BULK, 0x02, 100, USBDEV_STATUS_OK, 100);
	assert_int_equal(pcap_stats(pcap).records, records);
	assert_int_equal(pcap_stats(pcap).dropped, 0);
	stop();
}

/* The file grows no further in the middle of a record: that is taken back. */
static void test_file_full(void **state)
{
	const struct rlimit limit = {.rlim_cur = 24 + 180 + 80 + 180 + 79,
				     .rlim_max = RLIM_INFINITY};
	struct rlimit before;

	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (unsigned i = 0; i < 5; i++)
		run_type(USBDEV_TYPE_BULK, 0x02, 100, USBDEV_STATUS_OK, 100);
	await_error(-EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	finish(3);
	check_bytes(check(2, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 0, 100, 100);
}

/* The same when the piece is not the file's first. */
static void test_file_full_later(void **state)
{
	const struct rlimit limit = {.rlim_cur = 24 + 180 + 80 + 100,
				     .rlim_max = RLIM_INFINITY};
	struct rlimit before;

	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(loop_turn(host.loop, false), 0);
	assert_int_equal(loop_turn(host.loop, true), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (unsigned i = 0; i < 5; i++)
		run_type(USBDEV_TYPE_BULK, 0x02, 100, USBDEV_STATUS_OK, 100);
	/* met while it is being ended */
	stop();
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(capture_read(&capture, path), 0);
	assert_int_equal(capture.count, 2);
}

static void test_reader_goes(void **state)
{
	(void)state;
	start_fifo();
	assert_int_equal(close(fifo_fd), 0);
	fifo_fd = -1;
	await_error(-EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_happened, setup, teardown),
		cmocka_unit_test_setup_teardown(test_control_in, setup, teardown),
		cmocka_unit_test_setup_teardown(test_control_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bulk_and_interrupt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_isochronous, setup, teardown),
		cmocka_unit_test_setup_teardown(test_isochronous_failures, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_every_status, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancelled_with_part_of_its_data,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_bus_and_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_transfers_that_overtake, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_long_data_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_data_in_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_data_out_of_reach, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tshark, setup, teardown),
		cmocka_unit_test_setup_teardown(test_written_when_idle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_starts_and_stops_between, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_two_devices_one_stops, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_file_and_directories, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_files_that_cannot_be, setup_bare,
						teardown),
		cmocka_unit_test_setup_teardown(test_files_handed_over, setup_bare,
						teardown),
		cmocka_unit_test_setup_teardown(test_too_slow, setup_bare, teardown),
		cmocka_unit_test_setup_teardown(test_ring_wraps, setup_bare, teardown),
		cmocka_unit_test_setup_teardown(test_disk_full, setup_bare, teardown),
		cmocka_unit_test_setup_teardown(test_file_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_full_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reader_goes, setup_bare, teardown),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
