/* SPDX-License-Identifier: MIT
 * uevents.c - prints the time of each uevent of a USB device
 *
 * Prints "LISTENS", then lines "ADDED|REMOVED PLACE SECONDS.MICROSECONDS" with the clock
 * of the daemon's log, until it is killed.
 */
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define MESSAGE_BYTES_MAX 8192u

static void tell(const char *message, size_t len)
{
	const char *name = strrchr(message, '/');
	const char *what = strncmp(message, "add@", 4) == 0      ? "ADDED"
			   : strncmp(message, "remove@", 7) == 0 ? "REMOVED"
								 : NULL;
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	/* devices only, not their interfaces */
	if (!what || !name || !memmem(message, len, "DEVTYPE=usb_device", 18))
		return;
	(void)printf("%s %s %lld.%06ld\n", what, name + 1, (long long)now.tv_sec,
		     now.tv_nsec / 1000);
	(void)fflush(stdout);
}

int main(void)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	char message[MESSAGE_BYTES_MAX + 1];

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror("uevents");
		return 1;
	}
	(void)puts("LISTENS");
	(void)fflush(stdout);
	for (;;) {
		ssize_t len = recv(fd, message, MESSAGE_BYTES_MAX, 0);

		if (len <= 0)
			continue;
		message[len] = '\0';
		tell(message, (size_t)len);
	}
}
