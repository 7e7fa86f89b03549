/* SPDX-License-Identifier: MIT
 * test_pcap.c - --pcap-path: captures of a guest's USB traffic, as Wireshark reads them
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/func/func.h"
#include "tests/lib/capture.h"
#include "util/bytes.h"

#define TYPE_INTERRUPT 1
#define TYPE_CONTROL   2
#define TYPE_BULK      3

#define BUS_USB2 2
#define BUS_USB3 3

#define CBW_SIGNATURE 0x43425355u
#define CSW_SIGNATURE 0x53425355u
#define SCSI_INQUIRY  0x12u

/* Starts the daemon with a capture to @path and one device. */
static void start(struct func *f, const char *path, const char *spec)
{
	const char *const args[] = {"--pcap-path", path, "--device", spec, NULL};

	func_start_args(f, args);
}

/* Boots, and enumerates the only device. */
static void enumerate(struct func *f, struct drv_device *ret_device)
{
	int port;

	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	port = drv_port_connected(&f->drv, 1);
	assert_true(port > 0);
	assert_ok(drv_enumerate(&f->drv, (unsigned)port, ret_device));
}

/* A guest that opens a stick, sends INQUIRY, reads and writes. */
static void use_stick(struct func *f)
{
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	struct bot_command inquiry = {
		.cdb = {SCSI_INQUIRY, 0, 0, 0, 36},
		.cdb_bytes = 6,
		.in = true,
		.length = 36,
	};

	enumerate(f, &device);
	bot_init(&bot, &device);
	assert_ok(bot_open(&bot));
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 65536, 64);
	inquiry.iova = buf.iova;
	assert_ok(bot_run(&bot, &inquiry));
	assert_int_equal(inquiry.status, BOT_STATUS_PASSED);
	assert_ok(bot_read(&bot, 7, 1, buf.iova, 0, 0));
	assert_ok(bot_write(&bot, 8, 1, buf.iova, 0, 0));
	assert_ok(bot_read(&bot, 0, 128, buf.iova, 0, 0));
}

/* Makes a capture of use_stick() and ends the daemon. */
static void capture_stick(struct func *f, const char *speed, char path[DAEMON_PATH_MAX])
{
	daemon_path(&f->daemon, "usb.pcap", path);
	start(f, path, func_stick_spec(f, speed));
	use_stick(f);
	func_disconnect(f);
	assert_ok(daemon_stop(&f->daemon));
}

/* Return: the completion of record @i, which must be a submission. */
static unsigned completion(const struct capture *capture, unsigned i)
{
	const struct capture_record *s = &capture->records[i];
	unsigned found = 0;

	assert_int_equal(s->type, 'S');
	for (unsigned j = 0; j < capture->count; j++) {
		const struct capture_record *c = &capture->records[j];

		if (j == i || c->id != s->id)
			continue;
		assert_int_equal(found, 0);
		assert_int_equal(c->type, 'C');
		assert_int_equal(c->transfer_type, s->transfer_type);
		assert_int_equal(c->endpoint, s->endpoint);
		found = j;
	}
	assert_true(found > i);
	return found;
}

/* Every submission has a later completion, and there are no other records. */
static void check_pairs(const struct capture *capture, unsigned bus)
{
	unsigned pairs = 0;

	for (unsigned i = 0; i < capture->count; i++) {
		const struct capture_record *record = &capture->records[i];

		assert_int_equal(record->bus, bus);
		if (i > 0)
			assert_true(record->seconds > record[-1].seconds ||
				    record->microseconds >= record[-1].microseconds);
		if (record->type != 'S')
			continue;
		assert_int_equal(record->status, -EINPROGRESS);
		(void)completion(capture, i);
		pairs++;
	}
	assert_int_equal(capture->count, 2 * pairs);
}

/* Return: the first record from @from on of this @transfer_type and @type whose data
 * begins with @signature. */
static unsigned find_data(const struct capture *capture, unsigned from,
			  uint8_t transfer_type, char type, uint32_t signature)
{
	for (unsigned i = from; i < capture->count; i++) {
		const struct capture_record *record = &capture->records[i];

		if (record->type == type && record->transfer_type == transfer_type &&
		    record->data_bytes >= 4 && get_le32(record->data) == signature)
			return i;
	}
	fail_msg("no record with 0x%08x from record %u on", signature, from);
	return 0;
}

static unsigned find_inquiry(const struct capture *capture)
{
	unsigned i = 0;

	for (;; i++) {
		i = find_data(capture, i, TYPE_BULK, 'S', CBW_SIGNATURE);
		assert_int_equal(capture->records[i].data_bytes, BOT_CBW_BYTES);
		if (capture->records[i].data[15] == SCSI_INQUIRY)
			return i;
	}
}

static void stick_traffic(struct func *f, const char *speed, unsigned bus)
{
	static const uint8_t get_descriptor[8] = {0x80, 6, 0, 1, 0, 0, 18, 0};
	char path[DAEMON_PATH_MAX];
	struct capture capture;
	const struct capture_record *record;
	unsigned i;
	uint32_t tag;

	capture_stick(f, speed, path);
	assert_ok(capture_read(&capture, path));
	check_pairs(&capture, bus);

	/* the guest requests the whole device descriptor and gets it */
	for (i = 0; memcmp(capture.records[i].setup, get_descriptor, 8) != 0; i++)
		assert_true(i + 1 < capture.count);
	record = &capture.records[completion(&capture, i)];
	assert_int_equal(record->transfer_type, TYPE_CONTROL);
	assert_int_equal(record->endpoint, 0x80);
	assert_int_equal(record->status, 0);
	assert_int_equal(record->data_bytes, 18);
	assert_int_equal(record->data[1], 1);

	/* the three stages of INQUIRY */
	i = find_inquiry(&capture);
	tag = get_le32(capture.records[i].data + 4);
	record = &capture.records[completion(&capture, i)];
	assert_int_equal(record->urb_bytes, BOT_CBW_BYTES);
	assert_int_equal(record->data_flag, '>');
	for (i++; capture.records[i].type != 'S'; i++)
		;
	record = &capture.records[completion(&capture, i)];
	assert_int_equal(record->transfer_type, TYPE_BULK);
	assert_true(record->endpoint & 0x80);
	assert_int_equal(record->data_bytes, 36);
	assert_int_equal(record->data[4], 36 - 5);
	i = find_data(&capture, i, TYPE_BULK, 'C', CSW_SIGNATURE);
	record = &capture.records[i];
	assert_int_equal(record->data_bytes, BOT_CSW_BYTES);
	assert_int_equal(get_le32(record->data + 4), tag);
	capture_finish(&capture);
}

static void test_stick_traffic_usb2(void **state)
{
	stick_traffic(*state, "high", BUS_USB2);
}

static void test_stick_traffic_usb3(void **state)
{
	stick_traffic(*state, "super", BUS_USB3);
}

/* The daemon cancels pending transfers at its end; the capture has their completions. */
static void test_cancelled_at_the_end(void **state)
{
	struct func *f = *state;
	char path[DAEMON_PATH_MAX];
	struct drv_device device;
	struct hid hid;
	struct capture capture;
	unsigned cancelled = 0;

	daemon_path(&f->daemon, "usb.pcap", path);
	start(f, path, func_keyboard_spec(f, "full"));
	enumerate(f, &device);
	assert_ok(hid_init(&hid, &device));
	hid_queue(&hid, 3);
	assert_commands_work(f);
	assert_ok(daemon_stop(&f->daemon));
	assert_ok(capture_read(&capture, path));
	check_pairs(&capture, BUS_USB2);
	for (unsigned i = 0; i < capture.count; i++) {
		const struct capture_record *record = &capture.records[i];

		if (record->transfer_type == TYPE_INTERRUPT && record->type == 'C') {
			assert_int_equal(record->status, -ENOENT);
			cancelled++;
		}
	}
	assert_int_equal(cancelled, 3);
	capture_finish(&capture);
}

/* The reader of a FIFO sees all records while the daemon runs. */
static void test_read_along(void **state)
{
	struct func *f = *state;
	char path[DAEMON_PATH_MAX];
	struct capture capture = {.count = 0};
	uint8_t buf[65536];
	size_t len = 0;
	bool seen = false;
	_cleanup_close_ int fd = -1;

	daemon_path(&f->daemon, "fifo", path);
	assert_ok(mkfifo(path, 0600));
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_ok(fcntl(fd, F_SETFL, 0));
	start(f, path, func_keyboard_spec(f, "high"));
	{
		struct drv_device device;

		enumerate(f, &device);
	}
	/* SET_CONFIGURATION comes last; without it the read would wait for ever, so set
	 * an alarm */
	(void)alarm(DRV_TIMEOUT_MS / 1000);
	while (!seen) {
		ssize_t n = read(fd, buf + len, sizeof(buf) - len);
		uint8_t *copy = malloc(sizeof(buf));

		assert_true(n > 0);
		assert_non_null(copy);
		len += (size_t)n;
		memcpy(copy, buf, len);
		if (capture_parse(&capture, copy, len) < 0)
			continue;
		for (unsigned i = 0; i < capture.count; i++)
			if (capture.records[i].type == 'S' &&
			    capture.records[i].setup[1] == USB_SET_CONFIGURATION &&
			    capture.records[capture.count - 1].id ==
				    capture.records[i].id &&
			    capture.records[capture.count - 1].type == 'C')
				seen = true;
		capture_finish(&capture);
	}
	(void)alarm(0);
	assert_alive(f);
}

static unsigned count_lines(const char *text, const char *with)
{
	unsigned n = 0;

	for (const char *p = strstr(text, with); p; p = strstr(p + 1, with))
		n++;
	return n;
}

/* A full disk ends the capture with one warning, without other effects. */
static void test_disk_full(void **state)
{
	struct func *f = *state;
	_cleanup_free_ char *text = NULL;

	start(f, "/dev/full", func_stick_spec(f, "high"));
	use_stick(f);
	assert_alive(f);
	assert_running(f);
	assert_ok(daemon_stop(&f->daemon));
	text = daemon_stderr(&f->daemon);
	assert_non_null(text);
	assert_int_equal(count_lines(text, "WARN"), 1);
	assert_int_equal(count_lines(text, "/dev/full: cannot be written: No space left"),
			 1);
}

/* A capture file that cannot be created is an error at the start. */
static void test_no_such_file(void **state)
{
	struct func *f = *state;
	_cleanup_free_ char *text = NULL;

	start(f, "/proc/none/usb.pcap", func_stick_spec(f, "high"));
	assert_int_equal(daemon_wait(&f->daemon, DRV_TIMEOUT_MS), 1);
	text = daemon_stderr(&f->daemon);
	assert_non_null(text);
	assert_non_null(strstr(text, "--pcap-path: cannot make the directory of "
				     "/proc/none/usb.pcap"));
}

/* The daemon does not overwrite a file that is no capture, such as a stick's image. */
static void test_no_capture_yet(void **state)
{
	struct func *f = *state;
	const char *stick = func_stick_spec(f, "high");
	_cleanup_free_ char *text = NULL;
	struct stat st;

	start(f, f->image, stick);
	assert_int_equal(daemon_wait(&f->daemon, DRV_TIMEOUT_MS), 1);
	text = daemon_stderr(&f->daemon);
	assert_non_null(text);
	assert_non_null(strstr(text, "exists and is no capture"));
	assert_ok(stat(f->image, &st));
	assert_int_equal(st.st_size, FUNC_IMAGE_BYTES);
}

/* --- decoding by tshark --- */

static void expect_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);
	size_t len = strlen(line);

	while (at && ((at != text && at[-1] != '\n') || at[len] != '\n'))
		at = strstr(at + 1, line);
	if (!at)
		fail_msg("no line \"%s\" in:\n%s", line, text);
}

/* Return: NULL if tshark is not installed. */
static char *tshark(const char *path, const char *filter, const char *fields)
{
	char *text;
	int r = capture_tshark(path, filter, fields, &text);

	if (r == -ENOENT) {
		/* cmocka's skip() is "not ok" in TAP */
		print_message("# not tested: tshark is not installed\n");
		return NULL;
	}
	if (r < 0)
		fail_msg("tshark: %s", text ? text : strerror(-r));
	return text;
}

static void test_tshark_decodes_a_stick(void **state)
{
	struct func *f = *state;
	char path[DAEMON_PATH_MAX];
	_cleanup_free_ char *control = NULL, *inquiry = NULL, *reads = NULL,
			    *malformed = NULL;

	capture_stick(f, "high", path);
	control = tshark(path, "usb.transfer_type == 2",
			 "usb.urb_type usb.bus_id usb.endpoint_address "
			 "usb.setup.bRequest usb.urb_status usb.bInterfaceClass");
	if (!control)
		return;
	expect_line(control, "'S'|2|0x80|6|-115|");
	expect_line(control, "'C'|2|0x80||0|0x08"); /* the configuration descriptor */
	expect_line(control, "'S'|2|0x00|9|-115|");
	expect_line(control, "'C'|2|0x00||0|");

	/* the three stages; tshark assigns each to its command */
	inquiry = tshark(path, "scsi_sbc.opcode == 0x12",
			 "usb.urb_type usb.endpoint_address usbms.dCBWSignature "
			 "scsi.inquiry.vendor_id usbms.dCSWSignature usbms.dCSWStatus");
	assert_non_null(inquiry);
	expect_line(inquiry, "'S'|0x02|0x43425355|||");
	expect_line(inquiry, "'C'|0x81||usbvfiod||");
	expect_line(inquiry, "'C'|0x81|||0x53425355|0x00");
	assert_int_equal(count_lines(inquiry, "\n"), 3);

	/* 64 KiB of data: truncated, but tshark knows the original length */
	reads = tshark(path, "frame.len > 65535", "frame.len frame.cap_len usb.urb_len");
	assert_non_null(reads);
	expect_line(reads, "65600|65535|65536");

	malformed = tshark(path, "_ws.malformed && frame.len == frame.cap_len",
			   "frame.number");
	assert_non_null(malformed);
	assert_int_equal(count_lines(malformed, "\n"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_stick_traffic_usb2),
		FUNC_TEST(test_stick_traffic_usb3),
		FUNC_TEST(test_cancelled_at_the_end),
		FUNC_TEST(test_read_along),
		FUNC_TEST(test_disk_full),
		FUNC_TEST(test_no_such_file),
		FUNC_TEST(test_no_capture_yet),
		FUNC_TEST(test_tshark_decodes_a_stick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
