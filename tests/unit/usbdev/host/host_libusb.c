/* SPDX-License-Identifier: MIT
 * host_libusb.c - a fake of libusb and a usbfs node for tests of handle.c
 */
#include "host_libusb.h"

#include <errno.h>
#include <libusb.h>
#include <linux/usb/ch9.h>
#include <linux/usbdevice_fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/compiler.h"

struct usb_node usb_node;

struct libusb_context {
	int unused;
};

struct libusb_device_handle {
	int unused;
};

static struct libusb_config_descriptor config;

int __wrap_ioctl(int fd, unsigned long request, void *arg);
int __wrap_fstat(int fd, struct stat *st);
int __real_fstat(int fd, struct stat *st);
int __wrap_fstat64(int fd, struct stat *st);
int __real_fstat64(int fd, struct stat *st);

/* Records the call. Return: the result that the call should have */
PRINTF_LIKE(1, 2)
static int call(const char *format, ...)
{
	size_t at = strlen(usb_node.calls);
	char text[64];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	(void)snprintf(usb_node.calls + at, sizeof(usb_node.calls) - at, "%s; ", text);
	if (usb_node.fail && strncmp(text, usb_node.fail, strlen(usb_node.fail)) == 0)
		return usb_node.fail_with;
	return usb_node.there ? 0 : LIBUSB_ERROR_NO_DEVICE;
}

static int refuse(int code)
{
	errno = code;
	return -1;
}

static int disconnect_claim(const struct usbdevfs_disconnect_claim *claim)
{
	assert_string_equal(claim->driver, "usbfs");
	assert_int_equal(claim->flags, USBDEVFS_DISCONNECT_CLAIM_EXCEPT_DRIVER);
	(void)call("past libusb %u", claim->interface);
	return usb_node.claim_errno ? refuse(usb_node.claim_errno) : 0;
}

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	assert_int_equal(fd, usb_node.fd);
	if (!usb_node.there)
		return refuse(ENODEV);
	switch (request) {
	case USBDEVFS_GET_CAPABILITIES:
		if (usb_node.caps_errno)
			return refuse(usb_node.caps_errno);
		*(uint32_t *)arg = 0x1ff;
		return 0;
	case USBDEVFS_GET_SPEED:
		return usb_node.speed < 0 ? refuse(ENOTTY) : usb_node.speed;
	case USBDEVFS_GETDRIVER:
		if (!usb_node.driver)
			return refuse(ENODATA);
		strcpy(((struct usbdevfs_getdriver *)arg)->driver, usb_node.driver);
		return 0;
	case USBDEVFS_DISCONNECT_CLAIM:
		return disconnect_claim(arg);
	default:
		fail_msg("ioctl %lx", request);
		return -1;
	}
}

static int as_node(int r, struct stat *st)
{
	if (r == 0 && !usb_node.plain_file) {
		st->st_mode = S_IFCHR | 0660;
		st->st_rdev =
			makedev(189, 1048575); /* a number that does not exist in sysfs */
	}
	return r;
}

int __wrap_fstat(int fd, struct stat *st)
{
	return as_node(__real_fstat(fd, st), st);
}

int __wrap_fstat64(int fd, struct stat *st)
{
	return as_node(__real_fstat64(fd, st), st);
}

int libusb_set_option(libusb_context *ctx, enum libusb_option option, ...)
{
	assert_null(ctx);
	assert_int_equal(option, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);
	usb_node.option_set = true;
	return 0;
}

int libusb_init(libusb_context **ctx)
{
	int r = call("init");

	assert_true(usb_node.option_set);
	if (r < 0)
		return r;
	assert_null(ctx);
	usb_node.open_things++;
	return 0;
}

void libusb_exit(libusb_context *ctx)
{
	usb_node.open_things--;
	assert_int_equal(usb_node.open_things, 0);
	assert_null(ctx);
}

int libusb_wrap_sys_device(libusb_context *ctx, intptr_t fd,
			   libusb_device_handle **handle)
{
	int r = call("wrap");

	assert_null(ctx);
	assert_int_equal(fd, usb_node.fd);
	if (r < 0)
		return r;
	*handle = calloc(1, sizeof(**handle));
	usb_node.open_things++;
	return 0;
}

void libusb_close(libusb_device_handle *handle)
{
	(void)call("close");
	usb_node.open_things--;
	free(handle);
}

libusb_device *libusb_get_device(libusb_device_handle *handle)
{
	return (libusb_device *)handle;
}

int libusb_get_active_config_descriptor(libusb_device *dev,
					struct libusb_config_descriptor **ret_config)
{
	assert_non_null(dev);
	if (usb_node.active == 0)
		return LIBUSB_ERROR_NOT_FOUND;
	config.bConfigurationValue = usb_node.active;
	*ret_config = &config;
	return 0;
}

void libusb_free_config_descriptor(struct libusb_config_descriptor *descr)
{
	assert_ptr_equal(descr, &config);
}

int libusb_set_auto_detach_kernel_driver(libusb_device_handle *handle, int enable)
{
	(void)handle;
	usb_node.auto_detach = enable;
	return 0;
}

static const char *mode(void)
{
	return usb_node.auto_detach ? "+" : "-";
}

int libusb_claim_interface(libusb_device_handle *handle, int interface)
{
	(void)handle;
	return call("claim %d%s", interface, mode());
}

int libusb_release_interface(libusb_device_handle *handle, int interface)
{
	(void)handle;
	return call("release %d%s", interface, mode());
}

int libusb_attach_kernel_driver(libusb_device_handle *handle, int interface)
{
	(void)handle;
	return call("attach %d", interface);
}

int libusb_set_configuration(libusb_device_handle *handle, int value)
{
	(void)handle;
	return call("config %d", value);
}

int libusb_set_interface_alt_setting(libusb_device_handle *handle, int interface, int alt)
{
	(void)handle;
	return call("alt %d.%d", interface, alt);
}

int libusb_clear_halt(libusb_device_handle *handle, unsigned char ep)
{
	(void)handle;
	return call("halt %02x", ep);
}

int libusb_reset_device(libusb_device_handle *handle)
{
	(void)handle;
	return call("reset");
}

int libusb_alloc_streams(libusb_device_handle *handle, uint32_t count, unsigned char *eps,
			 int n)
{
	int r = call("streams %u on %d from %02x", count, n, eps[0]);

	(void)handle;
	return r < 0 ? r : MIN_OF((int)count, usb_node.streams);
}

int libusb_free_streams(libusb_device_handle *handle, unsigned char *eps, int n)
{
	(void)handle;
	return call("no streams on %d from %02x", n, eps[0]);
}

const char *libusb_strerror(int error)
{
	(void)error;
	return "libusb says so";
}

void node_init(const uint8_t *raw, size_t len)
{
	char path[] = "/tmp/usbvfiod-test-node-XXXXXX";

	memset(&usb_node, 0, sizeof(usb_node));
	usb_node.there = true;
	usb_node.speed = USB_SPEED_HIGH;
	usb_node.streams = 255;
	usb_node.active = 1;
	usb_node.fd = mkstemp(path);
	assert_true(usb_node.fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(write(usb_node.fd, raw, len), len);
}

void node_finish(void)
{
	assert_int_equal(usb_node.open_things, 0);
	assert_int_equal(close(usb_node.fd), 0);
}
