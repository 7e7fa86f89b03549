/* SPDX-License-Identifier: MIT
 * poke_basic.c - usb-poke's commands for the state of a device
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/vm/devices/poke.h"

static int simple(struct poke *poke, unsigned long request, void *arg)
{
	int r = ioctl(poke->fd, request, arg);

	return r < 0 ? -errno : r;
}

static int claim(struct poke *poke)
{
	unsigned interface = (unsigned)poke_number(poke, 0, 0);

	return simple(poke, USBDEVFS_CLAIMINTERFACE, &interface);
}

static int release(struct poke *poke)
{
	unsigned interface = (unsigned)poke_number(poke, 0, 0);

	return simple(poke, USBDEVFS_RELEASEINTERFACE, &interface);
}

static int driver(struct poke *poke)
{
	struct usbdevfs_getdriver get = {.interface = (unsigned)poke_number(poke, 0, 0)};
	int r = simple(poke, USBDEVFS_GETDRIVER, &get);

	poke_tell(poke, " driver=%s", r < 0 ? "none" : get.driver);
	return r == -ENODATA ? 0 : r;
}

static int bind(struct poke *poke, int code)
{
	struct usbdevfs_ioctl command = {
		.ifno = (int)poke_number(poke, 0, 0),
		.ioctl_code = code,
	};

	return simple(poke, USBDEVFS_IOCTL, &command);
}

static int disconnect(struct poke *poke)
{
	return bind(poke, USBDEVFS_DISCONNECT);
}

static int connect(struct poke *poke)
{
	int r = bind(poke, USBDEVFS_CONNECT);

	return r < 0 ? r : 0;
}

static int set_interface(struct poke *poke)
{
	struct usbdevfs_setinterface set = {
		.interface = (unsigned)poke_number(poke, 0, 0),
		.altsetting = (unsigned)poke_number(poke, 1, 0),
	};

	return simple(poke, USBDEVFS_SETINTERFACE, &set);
}

static int set_configuration(struct poke *poke)
{
	unsigned value = (unsigned)poke_number(poke, 0, 1);

	return simple(poke, USBDEVFS_SETCONFIGURATION, &value);
}

static int clear_halt(struct poke *poke)
{
	unsigned ep_addr = (unsigned)poke_number(poke, 0, 0);

	return simple(poke, USBDEVFS_CLEAR_HALT, &ep_addr);
}

static int reset(struct poke *poke)
{
	uint64_t start = poke_now_ns();
	int r = simple(poke, USBDEVFS_RESET, NULL);

	poke_tell(poke, " ms=%llu",
		  (unsigned long long)((poke_now_ns() - start) / 1000000u));
	return r;
}

static int speed(struct poke *poke)
{
	static const char *const names[] = {"unknown",  "low",   "full",      "high",
					    "wireless", "super", "super-plus"};
	int r = simple(poke, USBDEVFS_GET_SPEED, NULL);

	poke_tell(poke, " speed=%s", r >= 0 && r <= 6 ? names[r] : "?");
	return r < 0 ? r : 0;
}

/* Summarizes the descriptors that the kernel has read. */
static int descriptors(struct poke *poke)
{
	static uint8_t bytes[65536 * 2];
	size_t len = 0;
	ssize_t n;
	unsigned interfaces = 0, endpoints = 0;

	while ((n = pread(poke->fd, bytes + len, sizeof(bytes) - len, (off_t)len)) > 0)
		len += (size_t)n;
	for (size_t at = 0; at + 2 <= len && bytes[at] >= 2; at += bytes[at]) {
		interfaces += bytes[at + 1] == 4;
		endpoints += bytes[at + 1] == 5;
	}
	poke_tell(poke, " bytes=%zu interfaces=%u endpoints=%u checksum=%08x", len,
		  interfaces, endpoints, poke_sum(bytes, len));
	return len >= 18 ? 0 : -ENODATA;
}

static int streams(struct poke *poke)
{
	/* struct usbdevfs_streams: number of streams, number of endpoints, their addresses */
	uint32_t words[2 + 4] = {(uint32_t)poke_number(poke, 0, 2)};
	uint8_t *addresses = (uint8_t *)&words[2];
	int r;

	for (int i = 1; i < poke->arg_count && i <= 16; i++)
		addresses[words[1]++] = (uint8_t)poke_number(poke, i, 0);
	r = simple(poke, USBDEVFS_ALLOC_STREAMS, words);
	poke_tell(poke, " streams=%d", r);
	return r < 0 ? r : 0;
}

static int rest(struct poke *poke)
{
	(void)poll(NULL, 0, (int)poke_number(poke, 0, 0));
	return 0;
}

/* From Linux's drivers/usb/misc/usbtest.c. */
struct usbtest_param {
	uint32_t test_num, iterations, length, vary, sglen;
	int32_t duration_sec, duration_usec;
};
#define USBTEST_REQUEST _IOWR('U', 100, struct usbtest_param)

static int usbtest(struct poke *poke)
{
	struct usbtest_param param = {
		.test_num = (uint32_t)poke_number(poke, 0, 0),
		.iterations = (uint32_t)poke_number(poke, 1, 100),
		.length = (uint32_t)poke_number(poke, 2, 1024),
		.vary = (uint32_t)poke_number(poke, 3, 512),
		.sglen = (uint32_t)poke_number(poke, 4, 32),
	};
	struct usbdevfs_ioctl command = {
		.ifno = (int)poke_number(poke, 5, 0),
		.ioctl_code = (int)USBTEST_REQUEST,
		.data = &param,
	};
	int r = simple(poke, USBDEVFS_IOCTL, &command);

	poke_tell(poke, " case=%u ms=%d", param.test_num,
		  param.duration_sec * 1000 + param.duration_usec / 1000);
	return r;
}

/* poll() without events returns only when the device is gone. */
static int await_gone(struct poke *poke)
{
	struct pollfd wait = {.fd = poke->fd};
	uint64_t start = poke_now_ns();
	int r = poll(&wait, 1, (int)poke_number(poke, 0, POKE_TIMEOUT_MS));

	poke_tell(poke, " ms=%llu",
		  (unsigned long long)((poke_now_ns() - start) / 1000000u));
	return r > 0 ? 0 : -ETIMEDOUT;
}

const struct poke_command POKE_BASIC[] = {
	{"claim", "INTERFACE", 1, claim},
	{"release", "INTERFACE", 1, release},
	{"driver", "INTERFACE: its kernel driver", 1, driver},
	{"disconnect", "INTERFACE: unbinds its driver", 1, disconnect},
	{"connect", "INTERFACE: binds a driver again", 1, connect},
	{"interface", "INTERFACE ALTERNATE: SET_INTERFACE", 2, set_interface},
	{"configuration", "VALUE: SET_CONFIGURATION", 1, set_configuration},
	{"clear-halt", "ENDPOINT", 1, clear_halt},
	{"reset", ": of the port", 0, reset},
	{"speed", ": the kernel's view", 0, speed},
	{"descriptors", ": sizes and a checksum of those that the kernel has read", 0,
	 descriptors},
	{"streams", "COUNT ENDPOINT...: allocates bulk streams", 2, streams},
	{"sleep", "MS", 1, rest},
	{"await-gone", "[MS]: until the device is unplugged", 0, await_gone},
	{"usbtest",
	 "CASE [ITERATIONS LENGTH VARY SGLEN INTERFACE]: a case of Linux's usbtest", 1,
	 usbtest},
	{NULL, NULL, 0, NULL},
};
