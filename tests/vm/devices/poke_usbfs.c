/* SPDX-License-Identifier: MIT
 * poke_usbfs.c - finds devices, and runs transfers through the ioctls of usbfs
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/vm/devices/poke.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define SYSFS "/sys/bus/usb/devices"

uint64_t poke_now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t poke_cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000u +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

uint32_t poke_sum(const uint8_t *data, size_t len)
{
	uint32_t a = 1, b = 0;

	for (size_t i = 0; i < len; i++) {
		a = (a + data[i]) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

unsigned long poke_number(const struct poke *poke, int i, unsigned long otherwise)
{
	return i < poke->arg_count ? strtoul(poke->args[i], NULL, 0) : otherwise;
}

void poke_tell(struct poke *poke, const char *format, ...)
{
	size_t len = strlen(poke->result);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(poke->result + len, sizeof(poke->result) - len, format, args);
	va_end(args);
}

/* Reads a sysfs attribute of the device, "" if it is missing. */
static void attribute(const char *device, const char *name, char text[128])
{
	char path[512];
	FILE *file;

	text[0] = '\0';
	(void)snprintf(path, sizeof(path), SYSFS "/%s/%s", device, name);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(text, 128, file))
		text[strcspn(text, "\n")] = '\0';
	(void)fclose(file);
}

static bool matches(const char *device, const char *which)
{
	char vendor[128], product[128], serial[128], ids[400];

	attribute(device, "idVendor", vendor);
	attribute(device, "idProduct", product);
	attribute(device, "serial", serial);
	(void)snprintf(ids, sizeof(ids), "%s:%s", vendor, product);
	if (strcasecmp(ids, which) == 0)
		return true;
	(void)snprintf(ids, sizeof(ids), "%s:%s:%s", vendor, product, serial);
	return strcasecmp(ids, which) == 0;
}

static int find(const char *which, char path[64])
{
	DIR *dir = opendir(SYSFS);
	struct dirent *entry;
	int r = -ENODEV;

	while (dir && r < 0 && (entry = readdir(dir))) {
		char bus[128], dev[128];

		if (strchr(entry->d_name, ':') || !matches(entry->d_name, which))
			continue;
		attribute(entry->d_name, "busnum", bus);
		attribute(entry->d_name, "devnum", dev);
		(void)snprintf(path, 64, "/dev/bus/usb/%03d/%03d", atoi(bus), atoi(dev));
		r = 0;
	}
	if (dir)
		(void)closedir(dir);
	return r;
}

int poke_open(const char *which, unsigned wait_s)
{
	uint64_t end = poke_now_ns() + wait_s * 1000000000ull;
	int bus, dev, fd;

	do {
		char path[64] = "";

		if (which[0] == '/')
			(void)snprintf(path, sizeof(path), "%s", which);
		else if (sscanf(which, "%d/%d", &bus, &dev) == 2)
			(void)snprintf(path, sizeof(path), "/dev/bus/usb/%03d/%03d", bus,
				       dev);
		else
			(void)find(which, path);
		errno = ENODEV;
		fd = path[0] ? open(path, O_RDWR | O_CLOEXEC) : -1;
		if (fd >= 0)
			return fd;
		if (poke_now_ns() < end)
			(void)poll(NULL, 0, 50);
	} while (poke_now_ns() < end);
	return -errno;
}

int poke_list(void)
{
	static const char *const names[] = {
		"busnum", "devnum",  "idVendor",       "idProduct",          "speed",
		"serial", "product", "bNumInterfaces", "bConfigurationValue"};
	DIR *dir = opendir(SYSFS);
	struct dirent *entry;
	char text[128];

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		attribute(entry->d_name, "devnum", text);
		if (!text[0] || strncmp(entry->d_name, "usb", 3) == 0)
			continue;
		(void)printf("DEVICE path=%s", entry->d_name);
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			attribute(entry->d_name, names[i], text);
			for (char *p = text; *p; p++) {
				if (*p == ' ')
					*p = '_';
			}
			(void)printf(" %s=%s", names[i], text);
		}
		(void)putchar('\n');
	}
	(void)closedir(dir);
	return 0;
}

struct poke_urb *poke_urb_create(uint8_t type, uint8_t ep_addr, size_t bytes,
				 unsigned packets)
{
	struct poke_urb *urb = calloc(
		1, sizeof(*urb) + packets * sizeof(struct usbdevfs_iso_packet_desc));

	if (!urb)
		abort();
	urb->data = calloc(1, bytes + 1);
	if (!urb->data)
		abort();
	urb->room = bytes;
	urb->urb.type = type;
	urb->urb.endpoint = ep_addr;
	urb->urb.buffer = urb->data;
	urb->urb.number_of_packets = (int)packets;
	return urb;
}

void poke_urb_destroy(struct poke_urb *urb)
{
	if (urb)
		free(urb->data);
	free(urb);
}

int poke_submit(struct poke *poke, struct poke_urb *urb, size_t len)
{
	urb->urb.buffer_length = (int)len;
	urb->urb.actual_length = 0;
	urb->urb.status = 0;
	return ioctl(poke->fd, USBDEVFS_SUBMITURB, &urb->urb) < 0 ? -errno : 0;
}

int poke_reap(struct poke *poke, int timeout_ms, struct poke_urb **ret_urb)
{
	uint64_t end = poke_now_ns() + (uint64_t)timeout_ms * 1000000u;
	struct usbdevfs_urb *done;

	for (;;) {
		struct pollfd wait = {.fd = poke->fd, .events = POLLOUT};
		uint64_t now = poke_now_ns();

		if (ioctl(poke->fd, USBDEVFS_REAPURBNDELAY, (void *)&done) == 0) {
			*ret_urb = CONTAINER_OF(done, struct poke_urb, urb);
			return 0;
		}
		if (errno != EAGAIN)
			return -errno;
		if (now >= end)
			return -ETIMEDOUT;
		(void)poll(&wait, 1, (int)((end - now) / 1000000u) + 1);
	}
}

void poke_cancel(struct poke *poke, struct poke_urb *urb)
{
	struct poke_urb *done = NULL;

	if (ioctl(poke->fd, USBDEVFS_DISCARDURB, &urb->urb) < 0 && errno != EINVAL)
		return;
	while (done != urb && poke_reap(poke, POKE_TIMEOUT_MS, &done) == 0)
		;
}

/* A control transfer by URB takes any length; USBDEVFS_CONTROL takes one page. */
static int control_by_urb(struct poke *poke, const uint8_t setup[8], uint16_t length,
			  void *data, unsigned timeout_ms)
{
	struct poke_urb *urb =
		poke_urb_create(USBDEVFS_URB_TYPE_CONTROL, 0, 8u + length, 0);
	struct poke_urb *done;
	int r;

	memcpy(urb->data, setup, 8);
	if (!(setup[0] & 0x80))
		memcpy(urb->data + 8, data, length);
	r = poke_submit(poke, urb, 8u + length);
	if (r == 0) {
		r = poke_reap(poke, timeout_ms ? (int)timeout_ms : INT_MAX, &done);
		if (r < 0)
			poke_cancel(poke, urb);
		else
			r = urb->urb.status < 0 ? urb->urb.status
						: urb->urb.actual_length;
	}
	if (r > 0 && (setup[0] & 0x80))
		memcpy(data, urb->data + 8, (size_t)r);
	poke_urb_destroy(urb);
	return r;
}

int poke_control(struct poke *poke, uint8_t type, uint8_t request, uint16_t value,
		 uint16_t index, uint16_t length, void *data, unsigned timeout_ms)
{
	struct usbdevfs_ctrltransfer transfer = {
		.bRequestType = type,
		.bRequest = request,
		.wValue = value,
		.wIndex = index,
		.wLength = length,
		.timeout = timeout_ms,
		.data = data,
	};
	uint8_t setup[8] = {type, request};
	int r;

	if (length > 4096) {
		put_le16(setup + 2, value);
		put_le16(setup + 4, index);
		put_le16(setup + 6, length);
		return control_by_urb(poke, setup, length, data, timeout_ms);
	}
	r = ioctl(poke->fd, USBDEVFS_CONTROL, &transfer);
	return r < 0 ? -errno : r;
}
