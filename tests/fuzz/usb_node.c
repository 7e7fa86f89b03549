/* SPDX-License-Identifier: MIT
 * usb_node.c - a usbfs node without a kernel: everything but the URBs
 *
 * Our ioctl(), read() and lseek() replace libc's in the whole program, so that libusb calls them
 * too. For our own calls, the linker wraps more functions.
 */
#include "usb_node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/usb/ch9.h>
#include <linux/usbdevice_fs.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuzz.h"
#include "kernel_urbs.h"
#include "util/compiler.h"
#include "worker.h"

#define USB_DEVICE_MAJOR 189u
#define NO_DEVICE_MINOR  1048575u /* a number that does not exist in sysfs */
#define INTERFACES       32u

struct usb_node usb_node;

/* ---- devices ---- */

#define DEVICE(bcd, class, max_packet, configs)                                         \
	18, 1, (bcd)&0xff, (bcd) >> 8, class, 0, 0, max_packet, 0x6d, 0x04, 0x1c, 0xc3, \
		0, 1, 1, 2, 3, configs
#define CONFIG(len, interfaces, value) \
	9, 2, (len)&0xff, (len) >> 8, interfaces, value, 0, 0xa0, 50
#define INTERFACE(number, alt, eps, class, sub, protocol) \
	9, 4, number, alt, eps, class, sub, protocol, 0
#define ENDPOINT(addr, type, packet, interval) \
	7, 5, addr, type, (packet)&0xff, (packet) >> 8, interval
#define COMPANION(burst, attributes) 6, 48, burst, attributes, 0, 0
#define USAGE(pipe)                  4, 36, pipe, 0

static const uint8_t keyboard[] = {
	DEVICE(0x110, 0, 8, 1),
	CONFIG(9 + 9 + 9 + 7, 1, 1),
	INTERFACE(0, 0, 1, 3, 1, 1),
	9,
	0x21,
	0x11,
	1,
	0,
	1,
	0x22,
	63,
	0,
	ENDPOINT(0x81, 3, 8, 10),
};

static const uint8_t uas[] = {
	DEVICE(0x300, 0, 9, 1),
	CONFIG(9 + 9 + 2 * 13 + 9 + 4 * 17, 1, 1),
	INTERFACE(0, 0, 2, 8, 6, 0x50),
	ENDPOINT(0x81, 2, 1024, 0),
	COMPANION(15, 0),
	ENDPOINT(0x02, 2, 1024, 0),
	COMPANION(15, 0),
	INTERFACE(0, 1, 4, 8, 6, 0x62),
	ENDPOINT(0x04, 2, 1024, 0),
	COMPANION(0, 0),
	USAGE(1),
	ENDPOINT(0x83, 2, 1024, 0),
	COMPANION(0, 4),
	USAGE(2),
	ENDPOINT(0x81, 2, 1024, 0),
	COMPANION(15, 4),
	USAGE(3),
	ENDPOINT(0x02, 2, 1024, 0),
	COMPANION(15, 4),
	USAGE(4),
};

static const uint8_t composite[] = {
	DEVICE(0x200, 0xef, 64, 2),   CONFIG(9 + 9 + 7 + 9 + 9 + 14 + 9 + 7, 3, 1),
	INTERFACE(0, 0, 1, 2, 2, 1),  ENDPOINT(0x83, 3, 16, 9),
	INTERFACE(1, 0, 0, 10, 0, 0), INTERFACE(1, 1, 2, 10, 0, 0),
	ENDPOINT(0x81, 2, 512, 0),    ENDPOINT(0x02, 2, 512, 0),
	INTERFACE(2, 0, 1, 1, 2, 0),  ENDPOINT(0x86, 5, 192, 4),
	CONFIG(9 + 9 + 7, 1, 2),      INTERFACE(0, 0, 1, 0xff, 0, 0),
	ENDPOINT(0x87, 1, 1023, 1),
};

/* Other interfaces than bNumInterfaces says, and a configuration with the value 0. */
static const uint8_t many[] = {
	DEVICE(0x200, 0, 64, 2),         CONFIG(9 + 9 * 9, 40, 0),
	INTERFACE(0, 0, 0, 0xff, 0, 0),  INTERFACE(1, 0, 0, 0xff, 0, 0),
	INTERFACE(5, 0, 0, 0xff, 0, 0),  INTERFACE(30, 0, 0, 0xff, 0, 0),
	INTERFACE(31, 0, 0, 8, 6, 0x62), INTERFACE(32, 0, 0, 0xff, 0, 0),
	INTERFACE(64, 0, 0, 0xff, 0, 0), INTERFACE(255, 255, 0, 8, 6, 0x62),
	INTERFACE(31, 7, 0, 0xff, 0, 0), CONFIG(9, 0, 255),
};

static const uint8_t hub[] = {
	DEVICE(0x200, 9, 64, 1),
	CONFIG(9 + 9 + 7, 1, 1),
	INTERFACE(0, 0, 1, 9, 0, 1),
	ENDPOINT(0x81, 3, 1, 12),
};

static const uint8_t bare[] = {DEVICE(0x320, 0, 9, 0)};

/**
 * struct device - a device as the host has found it
 * @config:	the active configuration, with @interfaces; @other: the other one, 0 = none
 */
struct device {
	const uint8_t *raw;
	size_t len;
	int speed;
	uint8_t config;
	uint32_t interfaces;
	uint8_t other;
	uint32_t other_interfaces;
};

static const struct device devices[NODE_DEVICES] = {
	{keyboard, sizeof(keyboard), USB_SPEED_LOW, 1, 0x1, 0, 0},
	{uas, sizeof(uas), USB_SPEED_SUPER, 1, 0x1, 0, 0},
	{composite, sizeof(composite), USB_SPEED_HIGH, 1, 0x7, 2, 0x1},
	{many, sizeof(many), USB_SPEED_FULL, 0, 0xc0000023, 255, 0},
	{bare, sizeof(bare), USB_SPEED_SUPER_PLUS, 0, 0, 0, 0},
	{hub, sizeof(hub), USB_SPEED_HIGH, 1, 0x1, 0, 0},
};

static const struct device *found;

void node_init(unsigned device)
{
	found = &devices[device % NODE_DEVICES];
	memset(&usb_node, 0, sizeof(usb_node));
	usb_node.fd = -1;
	memcpy(usb_node.raw, found->raw, found->len);
	usb_node.raw_len = found->len;
	usb_node.speed = found->speed;
	usb_node.config = found->config;
	usb_node.drivers = found->interfaces;
	usb_node.caps = 0xff;
	usb_node.streams = 16;
}

void node_tells_the_truth(void)
{
	memset(usb_node.refuse, 0, sizeof(usb_node.refuse));
	usb_node.short_reads = 0;
}

/* ---- the kernel ---- */

static int fails(int code)
{
	errno = code;
	return -1;
}

/* Return: true if this call fails, with errno set. */
static bool is_refused(enum node_call call)
{
	if (kernel.gone) {
		errno = ENODEV;
		return true;
	}
	if (usb_node.refuse[call] == 0)
		return false;
	usb_node.refuse[call]--;
	usb_node.refused++;
	errno = usb_node.refuse_errno[call];
	return true;
}

/* The interfaces of the active configuration, whatever the descriptors say. */
static uint32_t interfaces(void)
{
	if (usb_node.config == found->config)
		return found->interfaces;
	return usb_node.config == found->other ? found->other_interfaces : 0;
}

/* 0: no such interface. */
static uint32_t bit_of(unsigned interface)
{
	return interface < INTERFACES ? UINT32_C(1) << interface & interfaces() : 0;
}

static bool has_urbs(void)
{
	for (unsigned i = 0; i < kernel.count; i++)
		if (!kernel.urbs[i].completed)
			return true;
	return false;
}

static int claim(unsigned interface)
{
	uint32_t bit = bit_of(interface);

	if (is_refused(NODE_CLAIM))
		return -1;
	if (bit == 0)
		return fails(ENOENT);
	if (usb_node.drivers & bit)
		return fails(EBUSY);
	usb_node.claimed |= bit;
	return 0;
}

static int release(unsigned interface)
{
	if (is_refused(NODE_RELEASE))
		return -1;
	if (!(usb_node.claimed & bit_of(interface)))
		return fails(EINVAL);
	usb_node.claimed &= ~bit_of(interface);
	return 0;
}

static int disconnect_claim(const struct usbdevfs_disconnect_claim *arg)
{
	uint32_t bit = bit_of(arg->interface);

	if (is_refused(NODE_DISCONNECT_CLAIM))
		return -1;
	if (bit == 0)
		return fails(EINVAL);
	/* usbfs itself has claimed it, and the call excepts usbfs from being disconnected */
	if (usb_node.claimed & bit)
		return fails(EBUSY);
	usb_node.drivers &= ~bit;
	usb_node.claimed |= bit;
	return 0;
}

/* Attaches and detaches drivers. */
static int driver(const struct usbdevfs_ioctl *arg)
{
	uint32_t bit = bit_of((unsigned)arg->ifno);

	if (is_refused(NODE_DRIVER))
		return -1;
	if (arg->ioctl_code == (int)USBDEVFS_DISCONNECT) {
		if (!((usb_node.drivers | usb_node.claimed) & bit))
			return fails(ENODATA);
		usb_node.drivers &= ~bit;
		usb_node.claimed &= ~bit;
		return 0;
	}
	if (usb_node.claimed & bit)
		return fails(EBUSY);
	usb_node.drivers |= bit;
	return 1;
}

static int get_driver(struct usbdevfs_getdriver *arg)
{
	uint32_t bit = bit_of(arg->interface);

	if (is_refused(NODE_DRIVER))
		return -1;
	if (!((usb_node.drivers | usb_node.claimed) & bit))
		return fails(ENODATA);
	/* a name of the maximum length */
	memset(arg->driver, 'd', sizeof(arg->driver));
	if (usb_node.claimed & bit)
		strcpy(arg->driver, "usbfs");
	return 0;
}

static int set_configuration(int config)
{
	if (is_refused(NODE_SET_CONFIGURATION))
		return -1;
	if (usb_node.claimed | usb_node.drivers)
		return fails(EBUSY);
	if (config > 0 && config != found->config && config != found->other)
		return fails(EINVAL);
	CHECK(!has_urbs() || kernel.lost);
	usb_node.config = config < 0 ? 0 : (uint8_t)config;
	/* the host's drivers bind the new interfaces */
	usb_node.drivers = interfaces();
	return 0;
}

/* A reset keeps claims. */
static int reset(void)
{
	CHECK(!has_urbs() || kernel.gone || kernel.lost);
	return is_refused(NODE_RESET) ? -1 : 0;
}

static int streams(const struct usbdevfs_streams *arg)
{
	if (is_refused(NODE_STREAMS))
		return -1;
	CHECK(arg->num_eps <= 30);
	return (int)MIN_OF(arg->num_streams, usb_node.streams);
}

/* libusb sends only one request: GET_CONFIGURATION. */
static int control(const struct usbdevfs_ctrltransfer *arg)
{
	if (is_refused(NODE_CONTROL))
		return -1;
	CHECK(arg->bRequest == USB_REQ_GET_CONFIGURATION && arg->wLength == 1);
	if (usb_node.short_reads == 1)
		return 0;
	*(uint8_t *)arg->data = usb_node.config;
	return 1;
}

/* libusb does not need these numbers. */
static int connect_info(struct usbdevfs_connectinfo *arg)
{
	if (is_refused(NODE_CONNECT_INFO))
		return -1;
	*arg = (struct usbdevfs_connectinfo){.devnum = 7};
	return 0;
}

static int get_capabilities(uint32_t *arg)
{
	if (is_refused(NODE_CAPABILITIES))
		return -1;
	*arg = usb_node.caps;
	return 0;
}

static int node_ioctl(unsigned long request, void *arg)
{
	CHECK(fuzz_worker_runs());
	switch (request) {
	case USBDEVFS_GET_CAPABILITIES:
		return get_capabilities(arg);
	case USBDEVFS_GET_SPEED:
		return is_refused(NODE_SPEED) ? -1 : usb_node.speed;
	case USBDEVFS_CONNECTINFO:
		return connect_info(arg);
	case USBDEVFS_CONTROL:
		return control(arg);
	case USBDEVFS_CLAIMINTERFACE:
		return claim(*(unsigned *)arg);
	case USBDEVFS_DISCONNECT_CLAIM:
		return disconnect_claim(arg);
	case USBDEVFS_RELEASEINTERFACE:
		return release(*(unsigned *)arg);
	case USBDEVFS_IOCTL:
		return driver(arg);
	case USBDEVFS_GETDRIVER:
		return get_driver(arg);
	case USBDEVFS_SETCONFIGURATION:
		return set_configuration(*(int *)arg);
	case USBDEVFS_SETINTERFACE:
		return is_refused(NODE_SET_INTERFACE) ? -1 : 0;
	case USBDEVFS_CLEAR_HALT:
		return is_refused(NODE_CLEAR_HALT) ? -1 : 0;
	case USBDEVFS_RESET:
		return reset();
	case USBDEVFS_ALLOC_STREAMS:
		return streams(arg);
	case USBDEVFS_FREE_STREAMS:
		return is_refused(NODE_FREE_STREAMS) ? -1 : 0;
	default:
		return fails(ENOTTY);
	}
}

/* Return: bytes, or -1. */
static ssize_t node_read(void *data, size_t bytes, size_t offset)
{
	size_t n = offset < usb_node.raw_len ? usb_node.raw_len - offset : 0;

	CHECK(fuzz_worker_runs());
	if (is_refused(NODE_READ))
		return -1;
	n = MIN_OF(n, bytes);
	if (usb_node.short_reads > 0)
		n = MIN_OF(n, usb_node.short_reads);
	memcpy(data, usb_node.raw + offset, n);
	return (ssize_t)n;
}

/* ---- replaced system calls ---- */

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fd < 0 || fd != usb_node.fd)
		return (int)syscall(SYS_ioctl, fd, request, arg);
	return node_ioctl(request, arg);
}

ssize_t read(int fd, void *data, size_t bytes)
{
	ssize_t n;

	if (fd < 0 || fd != usb_node.fd)
		return syscall(SYS_read, fd, data, bytes);
	n = node_read(data, bytes, usb_node.offset);
	if (n > 0)
		usb_node.offset += (size_t)n;
	return n;
}

/* Defined by its name in libc, because a macro for a larger off_t would rename it. */
off_t node_lseek(int fd, off_t offset, int whence) __asm__("lseek");

off_t node_lseek(int fd, off_t offset, int whence)
{
	if (fd < 0 || fd != usb_node.fd)
		return syscall(SYS_lseek, fd, offset, whence);
	CHECK(whence == SEEK_SET && offset >= 0);
	usb_node.offset = (size_t)offset;
	return offset;
}

ssize_t __wrap_preadv2(int fd, const struct iovec *iov, int count, off_t offset,
		       int flags);
ssize_t __wrap_preadv64v2(int fd, const struct iovec *iov, int count, off_t offset,
			  int flags);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_fstat64(int fd, struct stat *st);
int __real_fstat(int fd, struct stat *st);
int __real_fstat64(int fd, struct stat *st);

ssize_t __wrap_preadv2(int fd, const struct iovec *iov, int count, off_t offset,
		       int flags)
{
	CHECK(fd == usb_node.fd && count == 1 && offset == 0 && flags == 0);
	return node_read(iov[0].iov_base, iov[0].iov_len, 0);
}

ssize_t __wrap_preadv64v2(int fd, const struct iovec *iov, int count, off_t offset,
			  int flags)
{
	return __wrap_preadv2(fd, iov, count, offset, flags);
}

/* ---- sysfs ---- */

#define SYSFS_FOLDER "/sys/dev/char/189:1048575"

int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
ssize_t __wrap_readlinkat(int folder, const char *path, char *target, size_t bytes);
int __real_open(const char *path, int flags, ...);
ssize_t __real_readlinkat(int folder, const char *path, char *target, size_t bytes);

static bool is_ours(const char *path)
{
	return usb_node.text[0] && strncmp(path, SYSFS_FOLDER, strlen(SYSFS_FOLDER)) == 0;
}

/* Each file has the same text. */
static int open_text(void)
{
	size_t len = strnlen(usb_node.text, sizeof(usb_node.text));
	int fd = memfd_create("sysfs", MFD_CLOEXEC);

	CHECK(fuzz_worker_runs() && fd >= 0);
	CHECK(pwrite(fd, usb_node.text, len, 0) == (ssize_t)len);
	return fd;
}

int __wrap_open(const char *path, int flags, ...)
{
	va_list ap;
	unsigned mode;

	if (is_ours(path))
		return open_text();
	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, unsigned) : 0;
	va_end(ap);
	return __real_open(path, flags, mode);
}

int __wrap_open64(const char *path, int flags, ...)
{
	va_list ap;
	unsigned mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, unsigned) : 0;
	va_end(ap);
	return __wrap_open(path, flags, mode);
}

ssize_t __wrap_readlinkat(int folder, const char *path, char *target, size_t bytes)
{
	size_t len = strnlen(usb_node.text, sizeof(usb_node.text));

	if (!is_ours(path))
		return __real_readlinkat(folder, path, target, bytes);
	len = MIN_OF(len, bytes);
	memcpy(target, usb_node.text, len);
	return (ssize_t)len;
}

/* ---- more replaced system calls ---- */

static int node_stat(struct stat *st)
{
	if (is_refused(NODE_FSTAT))
		return -1;
	memset(st, 0, sizeof(*st));
	st->st_mode = usb_node.plain ? S_IFREG | 0660 : S_IFCHR | 0660;
	st->st_rdev = makedev(USB_DEVICE_MAJOR, NO_DEVICE_MINOR);
	return 0;
}

int __wrap_fstat(int fd, struct stat *st)
{
	return fd >= 0 && fd == usb_node.fd ? node_stat(st) : __real_fstat(fd, st);
}

int __wrap_fstat64(int fd, struct stat *st)
{
	return fd >= 0 && fd == usb_node.fd ? node_stat(st) : __real_fstat64(fd, st);
}
