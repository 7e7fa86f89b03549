/* SPDX-License-Identifier: MIT
 * test_keyboard.c - reports, typing through the FIFO, class requests, wake-up
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../host.h"
#include "usbdev/keyboard/input.h"
#include "usbdev/keyboard/keyboard.h"
#include "usbdev/keyboard/typist.h"

#define EP           0x81
#define USAGE_A      0x04
#define USAGE_LSHIFT 0xe1

static char dir[] = "/tmp/usbvfiod-test-keyboard-XXXXXX";
static char fifo[64];
static struct host host;

static void start(enum usbdev_speed speed, const char *input)
{
	struct keyboard_input open_input;
	const struct keyboard_options options = {
		.speed = speed,
		.input = input ? &open_input : NULL,
	};
	struct loop *loop = loop_create();
	struct err err = {0};
	struct usbdev *dev = NULL;

	if (!input || keyboard_input_open(&open_input, input, false, &err) == 0)
		dev = keyboard_create(loop, &options, &err);
	if (!dev)
		fail_msg("%s", err.text);
	host_init(&host, loop, dev);
}

static void submit(struct urb *urb)
{
	urb_init(urb, &host, EP, 8);
	urb->transfer.type = USBDEV_TYPE_INTERRUPT;
	urb_submit(urb);
}

static void expect_report(const char *report)
{
	struct urb urb;

	submit(&urb);
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_OK);
	assert_int_equal(urb.transfer.actual_bytes, 8);
	assert_memory_equal(urb.data, report, 8);
	urb_finish(&urb);
}

static void press(uint8_t usage, bool pressed)
{
	assert_int_equal(keyboard_key(host.dev, usage, pressed), 0);
}

static void test_waits_for_a_key(void **state)
{
	struct urb urb;

	(void)state;
	start(USBDEV_SPEED_FULL, NULL);
	host_configure(&host);
	submit(&urb);
	host_settle(&host);
	assert_int_equal(urb.order, 0);
	press(USAGE_A, true);
	urb_wait(&urb);
	assert_memory_equal(urb.data, "\0\0\x04\0\0\0\0\0", 8);
	urb_finish(&urb);
	press(USAGE_A, true); /* is already: no report */
	press(USAGE_LSHIFT, true);
	press(USAGE_A, false);
	press(USAGE_LSHIFT, false);
	expect_report("\x02\0\x04\0\0\0\0\0");
	expect_report("\x02\0\0\0\0\0\0\0");
	expect_report("\0\0\0\0\0\0\0\0");
	host_finish(&host);
}

static void test_roll_over(void **state)
{
	(void)state;
	start(USBDEV_SPEED_LOW, NULL);
	host_configure(&host);
	for (uint8_t i = 0; i < 6; i++)
		press((uint8_t)(USAGE_A + i), true);
	press(USAGE_LSHIFT, true);
	press(0x0a, true);
	press(0x0a, false);
	for (unsigned i = 0; i < 6; i++) {
		char report[8] = {0};

		for (unsigned k = 0; k <= i; k++)
			report[2 + k] = (char)(USAGE_A + k);
		expect_report(report);
	}
	expect_report("\x02\0\x04\x05\x06\x07\x08\x09");
	expect_report("\x02\0\1\1\1\1\1\1");
	expect_report("\x02\0\x04\x05\x06\x07\x08\x09");
	host_finish(&host);
}

static void test_refusals(void **state)
{
	struct err err = {0};
	struct keyboard_options options = {.speed = USBDEV_SPEED_SUPER};

	(void)state;
	start(USBDEV_SPEED_UNKNOWN, NULL);
	assert_int_equal(host.dev->speed, USBDEV_SPEED_FULL);
	assert_int_equal(keyboard_key(host.dev, USAGE_A, true), -EHOSTDOWN);
	host_configure(&host);
	assert_int_equal(keyboard_key(host.dev, 3, true), -EINVAL);
	assert_int_equal(keyboard_key(host.dev, 0xe8, true), -EINVAL);
	for (unsigned i = 0; i < KEYBOARD_REPORTS_MAX; i++)
		press(USAGE_A, i % 2 == 0);
	assert_int_equal(keyboard_key(host.dev, USAGE_A, true), -ENOSPC);
	expect_report("\0\0\x04\0\0\0\0\0");
	press(USAGE_A, true);
	assert_null(keyboard_create(host.loop, &options, &err));
	assert_non_null(strstr(err.text, "speed"));
	host_finish(&host);
}

static void test_cancel_and_reset(void **state)
{
	struct urb urbs[3];

	(void)state;
	start(USBDEV_SPEED_FULL, NULL);
	host_configure(&host);
	for (unsigned i = 0; i < 3; i++)
		submit(&urbs[i]);
	/* whatever the order of the calls */
	urb_cancel(&urbs[2]);
	urb_cancel(&urbs[0]);
	urb_cancel(&urbs[0]);
	urb_wait(&urbs[2]);
	assert_int_equal(urbs[0].order, host.completed - 1);
	assert_int_equal(urbs[0].transfer.status, USBDEV_STATUS_CANCELLED);
	assert_int_equal(urbs[1].order, 0);
	press(USAGE_A, true);
	urb_wait(&urbs[1]);
	assert_int_equal(urbs[1].transfer.status, USBDEV_STATUS_OK);
	press(USAGE_A, false);
	for (unsigned i = 0; i < 3; i++)
		urb_finish(&urbs[i]);
	/* the release is forgotten with the reset */
	host_reset(&host);
	host_configure(&host);
	submit(&urbs[0]);
	host_settle(&host);
	assert_int_equal(urbs[0].order, 0);
	host_reset(&host);
	assert_int_equal(urbs[0].transfer.status, USBDEV_STATUS_CANCELLED);
	urb_finish(&urbs[0]);
	submit(&urbs[0]);
	urb_wait(&urbs[0]);
	assert_int_equal(urbs[0].transfer.status, USBDEV_STATUS_ERROR); /* unconfigured */
	urb_finish(&urbs[0]);
	host_finish(&host);
}

static void test_bad_transfers(void **state)
{
	struct urb urb;

	(void)state;
	start(USBDEV_SPEED_HIGH, NULL);
	host_configure(&host);
	press(USAGE_A, true);
	urb_init(&urb, &host, EP, 7);
	urb_submit(&urb);
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_BABBLE);
	urb_finish(&urb);
	urb_init(&urb, &host, EP, 8);
	urb.fault = true;
	urb_submit(&urb);
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_MEMORY);
	urb_finish(&urb);
	urb_init(&urb, &host, 0x01, 8); /* no such endpoint */
	urb_submit(&urb);
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_ERROR);
	urb_finish(&urb);
	expect_report("\0\0\x04\0\0\0\0\0");
	host_finish(&host);
}

static void test_class_requests(void **state)
{
	uint8_t buf[256];
	int report_bytes;

	(void)state;
	start(USBDEV_SPEED_FULL, NULL);
	host_configure(&host);
	/* report descriptor, its length as the HID descriptor says */
	assert_int_equal(host_control(&host, 0x81, 6, 0x2100, 0, buf, 255), 9);
	assert_int_equal(buf[6], 0x22);
	report_bytes = buf[7];
	assert_int_equal(host_control(&host, 0x81, 6, 0x2200, 0, buf, 255), report_bytes);
	assert_memory_equal(buf, "\x05\x01\x09\x06\xa1\x01", 6);
	assert_int_equal(host_control(&host, 0x81, 6, 0x2300, 0, buf, 255), HOST_STALL);
	assert_int_equal(host_control(&host, 0x81, 6, 0x2200, 1, buf, 255), HOST_STALL);
	/* protocol, idle */
	assert_int_equal(host_control(&host, 0xa1, 3, 0, 0, buf, 1), 1);
	assert_int_equal(buf[0], 1);
	assert_int_equal(host_control(&host, 0x21, 0x0b, 0, 0, NULL, 0), 0);
	assert_int_equal(host_control(&host, 0xa1, 3, 0, 0, buf, 1), 1);
	assert_int_equal(buf[0], 0);
	assert_int_equal(host_control(&host, 0x21, 0x0b, 2, 0, NULL, 0), HOST_STALL);
	assert_int_equal(host_control(&host, 0x21, 0x0a, 0x0700, 0, NULL, 0), 0);
	assert_int_equal(host_control(&host, 0xa1, 2, 0, 0, buf, 1), 1);
	assert_int_equal(buf[0], 7);
	/* reports */
	assert_int_equal(host_control(&host, 0x21, 9, 0x0200, 0, "\x03", 1), 1);
	assert_int_equal(host_control(&host, 0xa1, 1, 0x0200, 0, buf, 8), 1);
	assert_int_equal(buf[0], 3);
	assert_int_equal(host_control(&host, 0x21, 9, 0x0200, 0, NULL, 0), HOST_STALL);
	press(USAGE_A, true);
	assert_int_equal(host_control(&host, 0xa1, 1, 0x0100, 0, buf, 8), 8);
	assert_memory_equal(buf, "\0\0\x04\0\0\0\0\0", 8);
	assert_int_equal(host_control(&host, 0xa1, 1, 0x0300, 0, buf, 8), HOST_STALL);
	assert_int_equal(host_control(&host, 0xc1, 1, 0x0100, 0, buf, 8), HOST_STALL);
	host_finish(&host);
}

static void test_remote_wakeup(void **state)
{
	(void)state;
	start(USBDEV_SPEED_FULL, NULL);
	host_configure(&host);
	usbdev_suspend(host.dev, true);
	press(USAGE_A, true);
	assert_int_equal(host.wakes, 0); /* not allowed to */
	usbdev_suspend(host.dev, false);
	assert_int_equal(host_control(&host, 0x00, 3, 1, 0, NULL, 0), 0);
	press(USAGE_A, false);
	assert_int_equal(host.wakes, 0); /* not asleep */
	usbdev_suspend(host.dev, true);
	press(USAGE_A, true);
	assert_int_equal(host.wakes, 1);
	usbdev_suspend(host.dev, false);
	expect_report("\0\0\x04\0\0\0\0\0");
	host_finish(&host);
}

static void on_timer(void *ctx)
{
	*(bool *)ctx = true;
}

/* Text that the keyboard cannot type yet does not wake the loop: of the FIFO and a timer the
 * timer ends the turn. */
static void assert_idle(void)
{
	bool fired = false;
	struct loop_timer *timer = loop_timer_create(host.loop, on_timer, &fired);

	loop_timer_set(timer, 1000000);
	assert_int_equal(loop_turn(host.loop, true), 0);
	assert_true(fired);
	loop_timer_destroy(timer);
}

static void test_waiting_text_costs_nothing(void **state)
{
	char text[KEYBOARD_REPORTS_MAX];
	int fd;

	(void)state;
	start(USBDEV_SPEED_FULL, fifo);
	memset(text, 'a', sizeof(text));
	fd = open(fifo, O_WRONLY | O_NONBLOCK);
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	assert_idle();
	host_configure(&host);
	host_settle(&host); /* half of it is now reports */
	assert_idle();
	close(fd);
	host_finish(&host);
}

/* The characters that a guest with a US layout gets, from reports. */
static char typed(const uint8_t *report)
{
	bool shift = (report[0] & 0x22) != 0;

	for (unsigned c = 1; c < 128; c++) {
		uint8_t usage;
		bool with_shift;

		if (typist_key((unsigned char)c, &usage, &with_shift) &&
		    usage == report[2] && with_shift == shift)
			return (char)c;
	}
	return 0;
}

static void read_text(char *text, size_t max)
{
	size_t n = 0;

	while (n < max) {
		struct urb urb;

		submit(&urb);
		urb_wait(&urb);
		assert_int_equal(urb.transfer.status, USBDEV_STATUS_OK);
		if (urb.data[2])
			text[n++] = typed(urb.data);
		urb_finish(&urb);
	}
	text[n] = 0;
}

static void test_typing(void **state)
{
	static const char text[] =
		"Hello, World!\n\taa BB 0123456789 !@#$%^&*() -=[]\\;'`,./ _+{}|:\"~<>? "
		"xyz "
		"and enough of it to fill the queue of reports more than once";
	char got[sizeof(text)];
	struct stat st;
	int fd;

	(void)state;
	start(USBDEV_SPEED_FULL, fifo);
	assert_int_equal(stat(fifo, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	/* before the guest is there, and by writers that come and go */
	fd = open(fifo, O_WRONLY | O_NONBLOCK);
	assert_int_equal(write(fd, text, 10), 10);
	close(fd);
	host_settle(&host);
	host_configure(&host);
	fd = open(fifo, O_WRONLY | O_NONBLOCK);
	assert_int_equal(write(fd, "\xc3\xa4\x01", 3), 3); /* cannot be typed */
	assert_int_equal(write(fd, text + 10, sizeof(text) - 11), sizeof(text) - 11);
	close(fd);
	host_settle(&host);
	read_text(got, sizeof(text) - 1);
	assert_string_equal(got, text);
	expect_report("\0\0\0\0\0\0\0\0");
	host_finish(&host);
	assert_int_not_equal(stat(fifo, &st), 0);
}

static void test_fifo_of_others_stays(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	start(USBDEV_SPEED_FULL, fifo);
	host_finish(&host);
	assert_int_equal(stat(fifo, &st), 0);
	assert_int_equal(unlink(fifo), 0);
}

static void refuse_input(int code, const char *why)
{
	struct keyboard_input input;
	struct err err = {0};

	assert_int_equal(keyboard_input_open(&input, fifo, false, &err), -code);
	assert_int_equal(input.fd, -1);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static void take_input(void)
{
	struct keyboard_input input;
	struct err err = {0};

	assert_int_equal(keyboard_input_open(&input, fifo, true, &err), 0);
	assert_int_equal(fcntl(input.fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK),
			 O_RDWR | O_NONBLOCK);
	assert_false(input.made);
	keyboard_input_close(&input);
}

/* A user who can write to it can type. */
static void test_fifos_refused(void **state)
{
	struct keyboard_input input;
	struct err err = {0};
	int fd;

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(chmod(fifo, 0620), 0);
	refuse_input(EPERM, "others may write");
	assert_int_equal(chmod(fifo, 0602), 0);
	refuse_input(EPERM, "others may write");
	take_input();
	if (geteuid() == 0) {
		assert_int_equal(chmod(fifo, 0600), 0);
		assert_int_equal(chown(fifo, 65534, 65534), 0);
		assert_int_equal(chmod(dir, 01777), 0);
		refuse_input(EPERM, "user 65534");
		take_input();
		/* not in his own folder either */
		assert_int_equal(chown(dir, 65534, 65534), 0);
		refuse_input(EPERM, "user 65534");
		assert_int_equal(chown(dir, 0, 0), 0);
	}
	assert_int_equal(unlink(fifo), 0);

	fd = open(fifo, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	refuse_input(EINVAL, "is no FIFO");
	assert_int_equal(keyboard_input_adopt(&input, fd, fifo, &err), -EINVAL);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(unlink(fifo), 0);
}

static void test_fifo_handed_over(void **state)
{
	struct keyboard_input input;
	struct err err = {0};
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(keyboard_input_adopt(&input, fds[1], "it", &err), -EBADF);
	assert_int_equal(fcntl(fds[1], F_GETFD), -1);
	assert_int_equal(keyboard_input_adopt(&input, fds[0], "it", &err), 0);
	assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	keyboard_input_close(&input);
	keyboard_input_close(&input);
}

static void test_all_ascii(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		bool expected =
			(c >= 0x20 && c < 0x80) || (c && strchr("\n\r\t\b\x1b", (int)c));
		uint8_t usage;
		bool shift;

		assert_int_equal(typist_key((unsigned char)c, &usage, &shift), expected);
	}
}

static int setup_dir(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(fifo, sizeof(fifo), "%s/keys", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_for_a_key),
		cmocka_unit_test(test_roll_over),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_cancel_and_reset),
		cmocka_unit_test(test_bad_transfers),
		cmocka_unit_test(test_class_requests),
		cmocka_unit_test(test_remote_wakeup),
		cmocka_unit_test(test_typing),
		cmocka_unit_test(test_waiting_text_costs_nothing),
		cmocka_unit_test(test_fifo_of_others_stays),
		cmocka_unit_test(test_fifos_refused),
		cmocka_unit_test(test_fifo_handed_over),
		cmocka_unit_test(test_all_ascii),
	};

	return cmocka_run_group_tests_name("keyboard", tests, setup_dir, remove_dir);
}
