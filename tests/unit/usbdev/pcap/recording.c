/* SPDX-License-Identifier: MIT
 * recording.c - see recording.h
 */
#include "recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct recording t;

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

const struct usbdev_ops fake_ops = {
	.name = "fake",
	.submit = fake_submit,
	.cancel = fake_cancel,
	.reset = fake_reset,
	.destroy = usbdev_finish,
};

int recording_setup_bare(void **state)
{
	struct loop *loop = loop_create();

	(void)state;
	strcpy(t.dir, "/tmp/test-pcap-XXXXXX");
	if (!mkdtemp(t.dir))
		return -1;
	(void)snprintf(t.path, sizeof(t.path), "%s/usb.pcap", t.dir);
	memset(&t.fake, 0, sizeof(t.fake));
	assert_int_equal(usbdev_init(&t.fake, &fake_ops, loop, USBDEV_SPEED_HIGH, "fake"),
			 0);
	host_init(&t.host, loop, &t.fake);
	t.fake.address = 5;
	t.pcap = NULL;
	t.destroyed = false;
	t.fifo_fd = -1;
	return 0;
}

static void on_opened(void *ctx, const struct err *err)
{
	struct recording *recording = ctx;

	recording->opened = true;
	recording->err = err ? *err : (struct err){0};
}

void recording_begin(const char *to, int fd)
{
	t.opened = false;
	t.destroyed = false;
	t.pcap = pcap_create(t.host.loop, to, fd, on_opened, &t);
	assert_non_null(t.pcap);
	assert_false(t.opened);
}

void recording_await_opened(void)
{
	while (!t.opened)
		assert_int_equal(loop_turn(t.host.loop, true), 0);
}

void recording_start(const char *to)
{
	recording_begin(to, -1);
	usbdev_set_tap(&t.fake, pcap_tap(t.pcap));
}

int recording_setup(void **state)
{
	if (recording_setup_bare(state) < 0)
		return -1;
	recording_start(t.path);
	return 0;
}

static void on_destroyed(void *ctx)
{
	*(bool *)ctx = true;
}

void recording_stop(void)
{
	usbdev_set_tap(&t.fake, NULL);
	pcap_destroy(t.pcap, on_destroyed, &t.destroyed);
	t.pcap = NULL;
	assert_false(t.destroyed);
	while (!t.destroyed)
		assert_int_equal(loop_turn(t.host.loop, true), 0);
}

void recording_finish(unsigned count)
{
	recording_stop();
	assert_int_equal(capture_read(&t.capture, t.path), 0);
	assert_int_equal(t.capture.count, count);
}

int recording_teardown(void **state)
{
	char command[128];

	(void)state;
	/* close it first: after a failed test the capture would wait for its reader */
	if (t.fifo_fd >= 0)
		(void)close(t.fifo_fd);
	if (t.pcap)
		recording_stop();
	capture_finish(&t.capture);
	host_finish(&t.host);
	(void)snprintf(command, sizeof(command), "rm -r '%s'", t.dir);
	return system(command) == 0 ? 0 : -1;
}

void pattern(struct urb *urb, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		urb->data[i] = (uint8_t)(i * 7 + i / 256);
}

void assert_data(const struct capture_record *record, uint32_t len)
{
	assert_int_equal(record->data_bytes, len);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(record->data[i], (uint8_t)(i * 7 + i / 256));
}

void run_transfer(struct urb *urb, enum usbdev_status status, uint32_t actual)
{
	if (!usbdev_transfer_is_in(&urb->transfer))
		pattern(urb, urb->transfer.length_bytes);
	urb_submit(urb);
	if (usbdev_transfer_is_in(&urb->transfer))
		pattern(urb, actual);
	usbdev_complete(&t.fake, &urb->transfer, status, actual);
}

void run_type(enum usbdev_type type, uint8_t ep_addr, uint32_t len,
	      enum usbdev_status status, uint32_t actual)
{
	struct urb urb;

	urb_init(&urb, &t.host, ep_addr, len);
	urb.transfer.type = type;
	run_transfer(&urb, status, actual);
	urb_finish(&urb);
}

void run_control(const struct usbdev_setup *setup_packet, uint32_t len,
		 enum usbdev_status status, uint32_t actual)
{
	struct urb urb;

	urb_init(&urb, &t.host, 0, len);
	urb.transfer.type = USBDEV_TYPE_CONTROL;
	urb.transfer.setup = *setup_packet;
	run_transfer(&urb, status, actual);
	urb_finish(&urb);
}

const struct capture_record *check_record(unsigned i, char type, uint8_t transfer_type,
					  uint8_t endpoint, int status)
{
	const struct capture_record *record = &t.capture.records[i];

	assert_true(i < t.capture.count);
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

void check_bytes(const struct capture_record *record, char flag, uint32_t urb,
		 uint32_t data)
{
	uint32_t iso = record->descriptors * ISO;

	assert_int_equal(record->data_flag, flag);
	assert_int_equal(record->urb_bytes, urb);
	assert_int_equal(record->captured, HEADER + iso + data);
	assert_int_equal(record->original, HEADER + iso + data);
	assert_data(record, data);
}
