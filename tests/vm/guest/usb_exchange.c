/* SPDX-License-Identifier: MIT
 * usb_exchange.c - sends bytes to endpoints of a USB device and prints the bytes of others
 *
 * For bulk and interrupt endpoints. Each step is a transfer; they run in order. "03=6500" sends
 * these bytes to endpoint 3, "82:271" reads up to 271 bytes from endpoint 2 IN. Prints "OUT 03
 * COUNT" or "IN 82 BYTES" for each step and exits 0. At the first failure it prints "FAIL STEP
 * TEXT" and exits 1; it exits 2 for wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/usbdevice_fs.h>

#include "util/compiler.h"

#define BUFFER_BYTES 4096u
#define TIMEOUT_MS   60000u

/* Return: how many bytes, or -1 if @text is not two hexadecimal digits for each byte */
static int parse_bytes(const char *text, uint8_t *bytes)
{
	size_t digits = strlen(text);

	if (digits % 2 != 0 || digits / 2 > BUFFER_BYTES)
		return -1;
	for (size_t i = 0; i < digits / 2; i++) {
		const char pair[3] = {text[i * 2], text[i * 2 + 1], '\0'};
		char *end;

		bytes[i] = (uint8_t)strtoul(pair, &end, 16);
		if (end != pair + 2)
			return -1;
	}
	return (int)(digits / 2);
}

/* Return: 0, 1 for a transfer that failed, 2 for wrong usage */
static int run_step(int fd, const char *step)
{
	static uint8_t buffer[BUFFER_BYTES];
	char *rest;
	unsigned long ep_addr = strtoul(step, &rest, 16);
	bool in = *rest == ':';
	int length;

	if (!in && *rest != '=')
		return 2;
	length = in ? atoi(rest + 1) : parse_bytes(rest + 1, buffer);
	if (length < 0 || length > (int)BUFFER_BYTES)
		return 2;

	struct usbdevfs_bulktransfer transfer = {
		.ep = (unsigned)ep_addr,
		.len = (unsigned)length,
		.timeout = TIMEOUT_MS,
		.data = buffer,
	};
	length = ioctl(fd, USBDEVFS_BULK, &transfer);
	if (length < 0) {
		(void)printf("FAIL %s %s\n", step, strerror(errno));
		return 1;
	}
	(void)printf(in ? "IN %02lx " : "OUT %02lx ", ep_addr);
	if (!in)
		(void)printf("%d", length);
	for (int i = 0; in && i < length; i++)
		(void)printf("%02x", buffer[i]);
	(void)printf("\n");
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_close_ int fd = -1;
	unsigned interface;
	int status = 0;

	if (argc < 4) {
		(void)fprintf(stderr,
			      "usage: %s /dev/bus/usb/BBB/DDD INTERFACE STEP...\n",
			      argv[0]);
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	interface = (unsigned)strtoul(argv[2], NULL, 10);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, USBDEVFS_CLAIMINTERFACE, &interface) < 0) {
		(void)printf("FAIL %s %s\n", argv[1], strerror(errno));
		return 1;
	}
	for (int i = 3; i < argc && status == 0; i++)
		status = run_step(fd, argv[i]);
	return status;
}
