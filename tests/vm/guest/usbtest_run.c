/* SPDX-License-Identifier: MIT
 * usbtest_run.c - makes Linux's usbtest driver run one of its cases on a device
 *
 * Prints "ok MICROSECONDS" or "error NUMBER TEXT"; exits 0 or 1, 2 for wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/usbdevice_fs.h>

#include "util/compiler.h"

/* The driver's parameters and results; no header declares them. */
struct usbtest_param {
	uint32_t test_num;
	uint32_t iterations;
	uint32_t length;
	uint32_t vary;
	uint32_t sglen;
	int64_t duration_sec;
	int64_t duration_usec;
};

#define USBTEST_REQUEST _IOWR('U', 100, struct usbtest_param)
#define NUMBERS         5
#define US_PER_S        1000000

static int fail(void)
{
	(void)printf("error %d %s\n", errno, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	struct usbtest_param param = {0};
	uint32_t *const numbers[NUMBERS] = {&param.test_num, &param.iterations,
					    &param.length, &param.vary, &param.sglen};
	struct usbdevfs_ioctl request = {
		.ifno = 0,
		.ioctl_code = (int)USBTEST_REQUEST,
		.data = &param,
	};
	_cleanup_close_ int fd = -1;

	if (argc != 2 + NUMBERS) {
		(void)fprintf(stderr,
			      "usage: %s /dev/bus/usb/BBB/DDD CASE ITERATIONS LENGTH "
			      "VARY SGLEN\n",
			      argv[0]);
		return 2;
	}
	for (int i = 0; i < NUMBERS; i++)
		*numbers[i] = (uint32_t)strtoul(argv[2 + i], NULL, 10);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fail();
	if (ioctl(fd, USBDEVFS_IOCTL, &request) < 0)
		return fail();
	(void)printf("ok %lld\n", (long long)param.duration_sec * US_PER_S +
					  (long long)param.duration_usec);
	return 0;
}
