/* SPDX-License-Identifier: MIT
 * test_handle.c - taking a real device, changing it, giving it back
 */
#include <errno.h>
#include <fcntl.h>
#include <libusb.h>
#include <linux/usb/ch9.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host_libusb.h"
#include "usbdev/host/handle.h"

/* Configuration 1: interfaces 0 (BOT and UAS) and 2; configuration 5: interface 1. */
static const uint8_t disk[] = {
	18, 1,    0x00, 0x03, 0,    0,    0,
	9,  0x6d, 0x04, 0x1c, 0xc3, 0,    1,
	1,  2,    3,    2,    9,    2,    9 + 9 + 9 + 26 + 9,
	0,  2,    1,    0,    0x80, 50,   9,
	4,  0,    0,    0,    8,    6,    0x50,
	0,  9,    4,    0,    1,    2,    8,
	6,  0x62, 0,    7,    5,    0x02, 2,
	0,  4,    0,    6,    0x30, 15,   5,
	0,  0,    7,    5,    0x83, 2,    0,
	4,  0,    6,    0x30, 15,   5,    0,
	0,  9,    4,    2,    0,    0,    3,
	1,  1,    0,    9,    2,    18,   0,
	1,  5,    0,    0x80, 50,   9,    4,
	1,  0,    0,    3,    1,    1,    0,
};

static struct handle *handle;
static struct handle_info info;
static struct err err;

static int setup(void **state)
{
	(void)state;
	node_init(disk, sizeof(disk));
	handle = NULL;
	memset(&err, 0, sizeof(err));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	handle_close(handle);
	node_finish();
	return 0;
}

static void open_it(void)
{
	if (handle_open(usb_node.fd, "/dev/node", &handle, &info, &err) < 0)
		fail_msg("%s", err.text);
}

static void forget_calls(void)
{
	usb_node.calls[0] = '\0';
}

static void fails(int code, const char *words)
{
	assert_int_equal(handle_open(usb_node.fd, "/dev/node", &handle, &info, &err),
			 -code);
	assert_null(handle);
	assert_int_equal(err.code, code);
	assert_int_equal(usb_node.open_things, 0);
	if (!strstr(err.text, words) || !strstr(err.text, "/dev/node"))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void test_check(void **state)
{
	char path[32];
	int fd;

	(void)state;
	assert_int_equal(handle_check(usb_node.fd, "x", &err), 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", usb_node.fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(handle_check(fd, "x", &err), -EBADF);
	assert_non_null(strstr(err.text, "read-only"));
	close(fd);
	usb_node.plain_file = true;
	assert_int_equal(handle_check(usb_node.fd, "x", &err), -ENOTTY);
	assert_non_null(strstr(err.text, "/dev/bus/usb"));
	assert_int_equal(handle_check(-1, "x", &err), -EBADF);
}

static void test_open(void **state)
{
	(void)state;
	open_it();
	assert_string_equal(usb_node.calls, "init; wrap; claim 0+; claim 2+; ");
	assert_int_equal(info.config, 1);
	assert_int_equal(info.speed, USBDEV_SPEED_HIGH);
	assert_int_equal(info.caps, 0x1ff);
	assert_int_equal(info.uas_count, 1);
	assert_true(info.uas_works); /* needs no streams at this speed */
	assert_string_equal(info.label, "8192/128 046d:c31c");
	assert_int_equal(handle_endpoints(handle, 0),
			 descr_ep_bit(0x02) | descr_ep_bit(0x83));
	forget_calls();
	handle_close(handle);
	handle = NULL;
	/* a driver that wants both must find both free */
	assert_string_equal(usb_node.calls,
			    "release 0-; release 2-; attach 0; attach 2; close; ");
}

static void test_speeds(void **state)
{
	static const int speeds[][2] = {
		{USB_SPEED_LOW, USBDEV_SPEED_LOW},
		{USB_SPEED_FULL, USBDEV_SPEED_FULL},
		{USB_SPEED_HIGH, USBDEV_SPEED_HIGH},
		{USB_SPEED_SUPER, USBDEV_SPEED_SUPER},
		{USB_SPEED_SUPER_PLUS, USBDEV_SPEED_SUPER_PLUS},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(speeds); i++) {
		usb_node.speed = speeds[i][0];
		open_it();
		assert_int_equal(info.speed, speeds[i][1]);
		handle_close(handle);
		handle = NULL;
	}
	usb_node.speed = USB_SPEED_UNKNOWN;
	fails(EPROTO, "speed");
	usb_node.speed = -1;
	fails(EPROTO, "speed");
}

static void test_unconfigured(void **state)
{
	(void)state;
	usb_node.active = 0;
	open_it();
	assert_string_equal(usb_node.calls, "init; wrap; ");
	assert_int_equal(info.config, 0);
	forget_calls();
	assert_int_equal(handle_set_configuration(handle, 5), 0);
	assert_string_equal(usb_node.calls, "config 5; claim 1+; ");
}

/* A configuration that calls itself 0 is active, although 0 means that none is. */
static void test_configuration_zero(void **state)
{
	(void)state;
	assert_int_equal(pwrite(usb_node.fd, "", 1, DESCR_DEVICE_BYTES + 5), 1);
	usb_node.active = 0;
	open_it();
	assert_string_equal(usb_node.calls, "init; wrap; claim 0+; claim 2+; ");
	forget_calls();
	assert_int_equal(handle_set_configuration(handle, 0), 0);
	assert_string_equal(usb_node.calls, "release 0-; release 2-; config -1; "
					    "claim 0+; claim 2+; ");
}

static void test_busy_driver(void **state)
{
	(void)state;
	usb_node.fail = "claim 2";
	usb_node.fail_with = LIBUSB_ERROR_BUSY;
	usb_node.driver = "usbhid";
	fails(EBUSY, "usbhid");
	/* interfaces claimed before go back */
	assert_string_equal(usb_node.calls, "init; wrap; claim 0+; claim 2+; release 0-; "
					    "attach 0; close; ");
}

static void test_busy_usbfs(void **state)
{
	(void)state;
	usb_node.fail = "claim 0";
	usb_node.fail_with = LIBUSB_ERROR_BUSY;
	usb_node.driver = "usbfs";
	fails(EBUSY, "another program");
	usb_node.driver = NULL;
	fails(EBUSY, "another program");
}

static void test_claim_refused(void **state)
{
	(void)state;
	usb_node.fail = "claim 2";
	usb_node.fail_with = LIBUSB_ERROR_ACCESS;
	fails(EACCES, "interface 2");
}

/* In the descriptors, but the kernel rejected it. */
static void test_claim_not_there(void **state)
{
	(void)state;
	usb_node.fail = "claim 0";
	usb_node.fail_with = LIBUSB_ERROR_NOT_FOUND;
	open_it();
	forget_calls();
	handle_close(handle);
	handle = NULL;
	assert_string_equal(usb_node.calls, "release 2-; attach 2; close; ");
}

static void test_gone(void **state)
{
	(void)state;
	usb_node.fail = "claim 0";
	usb_node.fail_with = LIBUSB_ERROR_NO_DEVICE;
	fails(ENODEV, "the device is gone");
	usb_node.fail = "wrap";
	fails(ENODEV, "the device is gone");
	usb_node.there = false;
	fails(ENODEV, "the device is gone");
}

static void test_no_usbfs(void **state)
{
	(void)state;
	usb_node.caps_errno = ENOTTY;
	fails(ENOTTY, "usbfs");
}

static void test_no_libusb(void **state)
{
	(void)state;
	usb_node.fail = "wrap";
	usb_node.fail_with = LIBUSB_ERROR_IO;
	fails(EIO, "libusb says so");
}

static void test_hub(void **state)
{
	const uint8_t hub = 9;

	(void)state;
	assert_int_equal(pwrite(usb_node.fd, &hub, 1, 4), 1);
	fails(EINVAL, "hub");
}

static void test_no_descriptors(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(usb_node.fd, 17), 0);
	fails(EIO, "descriptors");
}

static void test_set_configuration(void **state)
{
	(void)state;
	open_it();
	forget_calls();
	assert_int_equal(handle_set_configuration(handle, 5), 0);
	assert_string_equal(usb_node.calls,
			    "release 0-; release 2-; config 5; claim 1+; ");
	forget_calls();
	assert_int_equal(handle_set_configuration(handle, 0), 0);
	assert_string_equal(usb_node.calls, "release 1-; config -1; ");
}

/* The host's drivers get the device back in the configuration they had. */
static void test_close_restores(void **state)
{
	(void)state;
	open_it();
	assert_int_equal(handle_set_configuration(handle, 5), 0);
	forget_calls();
	handle_close(handle);
	handle = NULL;
	assert_string_equal(usb_node.calls, "release 1-; config 1; close; ");
}

/* The old configuration stays, and stays ours. */
static void test_set_configuration_refused(void **state)
{
	(void)state;
	open_it();
	forget_calls();
	usb_node.fail = "config";
	usb_node.fail_with = LIBUSB_ERROR_NOT_FOUND;
	assert_int_equal(handle_set_configuration(handle, 9), -ENOENT);
	assert_string_equal(usb_node.calls,
			    "release 0-; release 2-; config 9; claim 0+; claim 2+; ");
	usb_node.fail_with = LIBUSB_ERROR_NO_DEVICE;
	assert_int_equal(handle_set_configuration(handle, 9), -ENODEV);
}

static void test_set_configuration_grabbed(void **state)
{
	(void)state;
	open_it();
	usb_node.fail = "claim 1";
	usb_node.fail_with = LIBUSB_ERROR_BUSY;
	assert_int_equal(handle_set_configuration(handle, 5), -EBUSY);
}

static void test_errors(void **state)
{
	static const int errors[][2] = {
		{LIBUSB_ERROR_NO_DEVICE, -ENODEV},
		{LIBUSB_ERROR_NOT_FOUND, -ENOENT},
		{LIBUSB_ERROR_INVALID_PARAM, -EINVAL},
		{LIBUSB_ERROR_OTHER, -EIO},
		{0, 0},
	};

	(void)state;
	open_it();
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
		usb_node.fail = "alt";
		usb_node.fail_with = errors[i][0];
		assert_int_equal(handle_set_interface(handle, 0, 1), errors[i][1]);
		usb_node.fail = "halt";
		assert_int_equal(handle_clear_halt(handle, 0x83), errors[i][1]);
	}
}

static void test_reset(void **state)
{
	(void)state;
	open_it();
	forget_calls();
	assert_int_equal(handle_reset(handle), 0);
	assert_string_equal(usb_node.calls, "reset; ");
}

static void test_reset_gone(void **state)
{
	(void)state;
	open_it();
	usb_node.fail = "reset";
	usb_node.fail_with = LIBUSB_ERROR_NO_DEVICE;
	assert_int_equal(handle_reset(handle), -ENODEV);
	usb_node.there = false;
	usb_node.fail_with = LIBUSB_ERROR_NOT_FOUND;
	assert_int_equal(handle_reset(handle), -ENODEV);
}

/* The reset worked, but a driver has an interface now; or it failed, and no driver has any. */
static void test_reset_reclaims(void **state)
{
	(void)state;
	open_it();
	forget_calls();
	usb_node.fail = "reset";
	usb_node.fail_with = LIBUSB_ERROR_NOT_FOUND;
	assert_int_equal(handle_reset(handle), 0);
	assert_string_equal(usb_node.calls, "reset; claim 0+; past libusb 0; claim 2+; "
					    "past libusb 2; ");
	usb_node.fail_with = LIBUSB_ERROR_OTHER;
	usb_node.claim_errno = EBUSY; /* has it: usbfs */
	assert_int_equal(handle_reset(handle), -EIO);
	usb_node.claim_errno = EINVAL;
	assert_int_equal(handle_reset(handle), -EINVAL);
}

static void test_retake(void **state)
{
	static const char all[] = "claim 0+; past libusb 0; claim 2+; past libusb 2; ";

	(void)state;
	open_it();
	assert_int_equal(handle_set_interface(handle, 2, 1), 0);
	usb_node.fail = "alt 0";
	usb_node.fail_with = LIBUSB_ERROR_NOT_FOUND;
	assert_int_equal(handle_set_interface(handle, 0, 3), -ENOENT);
	forget_calls();
	usb_node.claim_errno = EBUSY; /* all are ours */
	assert_int_equal(handle_retake(handle), 0);
	assert_string_equal(usb_node.calls, all);
	forget_calls();
	usb_node.claim_errno = 0;
	assert_int_equal(handle_retake(handle), 2);
	assert_string_equal(
		usb_node.calls,
		"claim 0+; past libusb 0; claim 2+; past libusb 2; alt 2.1; ");
	/* after a reset or in another configuration all are 0 */
	assert_int_equal(handle_reset(handle), 0);
	forget_calls();
	assert_int_equal(handle_retake(handle), 2);
	assert_string_equal(usb_node.calls, all);
	assert_int_equal(handle_set_interface(handle, 2, 1), 0);
	assert_int_equal(handle_set_configuration(handle, 1), 0);
	forget_calls();
	assert_int_equal(handle_retake(handle), 2);
	assert_string_equal(usb_node.calls, all);
	usb_node.claim_errno = EACCES;
	assert_int_equal(handle_retake(handle), -EACCES);
	usb_node.there = false;
	assert_int_equal(handle_retake(handle), -ENODEV);
}

static void test_streams(void **state)
{
	static const uint8_t eps[] = {0x02, 0x83};

	(void)state;
	open_it();
	forget_calls();
	assert_int_equal(handle_set_streams(handle, eps, 2, 16), 0);
	assert_int_equal(handle_set_streams(handle, eps, 2, 0), 0);
	assert_string_equal(usb_node.calls,
			    "streams 16 on 2 from 02; no streams on 2 from 02; ");
	usb_node.streams = 15; /* too few: freed */
	forget_calls();
	assert_int_equal(handle_set_streams(handle, eps, 2, 16), -ENOSPC);
	assert_string_equal(usb_node.calls,
			    "streams 16 on 2 from 02; no streams on 2 from 02; ");
	usb_node.streams = 32; /* all that the device has, fewer than wanted */
	assert_int_equal(handle_set_streams(handle, eps, 2, 63), 0);
	usb_node.fail = "no streams";
	usb_node.fail_with = LIBUSB_ERROR_INVALID_PARAM; /* has none */
	assert_int_equal(handle_set_streams(handle, eps, 2, 0), 0);
	usb_node.fail_with = LIBUSB_ERROR_NO_DEVICE;
	assert_int_equal(handle_set_streams(handle, eps, 2, 0), -ENODEV);
	usb_node.fail = "streams";
	usb_node.fail_with = LIBUSB_ERROR_NOT_SUPPORTED;
	assert_int_equal(handle_set_streams(handle, eps, 2, 4), -EOPNOTSUPP);
	assert_int_equal(handle_set_streams(handle, eps, 31, 4), -EINVAL);
}

static void test_uas(void **state)
{
	(void)state;
	usb_node.speed = USB_SPEED_SUPER;
	open_it();
	assert_true(info.uas_works);
	assert_string_equal(usb_node.calls,
			    "init; wrap; claim 0+; claim 2+; alt 0.1; streams 31 on 2 "
			    "from 02; no streams on 2 from 02; alt 0.0; ");
	assert_int_equal(info.uas[0].offset, 18);
}

static void test_uas_without_streams(void **state)
{
	static const struct {
		const char *fail;
		int with;
		int streams;
	} cases[] = {
		{"streams", LIBUSB_ERROR_NOT_SUPPORTED, 255},
		{"alt 0.1", LIBUSB_ERROR_OTHER, 255},
		{"alt 0.0", LIBUSB_ERROR_OTHER, 255},
		{"none", 0, 30},
	};

	(void)state;
	usb_node.speed = USB_SPEED_SUPER;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		usb_node.fail = cases[i].fail;
		usb_node.fail_with = cases[i].with;
		usb_node.streams = cases[i].streams;
		forget_calls();
		open_it();
		assert_false(info.uas_works);
		assert_non_null(strstr(usb_node.calls, "alt 0.0; "));
		handle_close(handle);
		handle = NULL;
	}
}

/* A UAS setting whose endpoints claim to have no streams. */
static void test_uas_with_none(void **state)
{
	const uint8_t none = 0;

	(void)state;
	usb_node.speed = USB_SPEED_SUPER;
	assert_int_equal(pwrite(usb_node.fd, &none, 1, 18 + 9 + 9 + 9 + 10), 1);
	assert_int_equal(pwrite(usb_node.fd, &none, 1, 18 + 9 + 9 + 9 + 13 + 10), 1);
	open_it();
	assert_false(info.uas_works);
	assert_null(strstr(usb_node.calls, "alt"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_check, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_speeds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unconfigured, setup, teardown),
		cmocka_unit_test_setup_teardown(test_configuration_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy_driver, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy_usbfs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_claim_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_claim_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_usbfs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_libusb, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hub, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_configuration, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_restores, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_configuration_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_set_configuration_grabbed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_reclaims, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retake, setup, teardown),
		cmocka_unit_test_setup_teardown(test_streams, setup, teardown),
		cmocka_unit_test_setup_teardown(test_uas, setup, teardown),
		cmocka_unit_test_setup_teardown(test_uas_without_streams, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_uas_with_none, setup, teardown),
	};

	return cmocka_run_group_tests_name("device management of a real device", tests,
					   NULL, NULL);
}
