/* SPDX-License-Identifier: MIT
 * vhci.c - a port of Linux's vhci_hcd, without the tools of usbip
 */
#include "tests/vm/devices/vhci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

/* The first controller's folder has the status of all; each has 15 ports of either half. */
#define VHCI             "/sys/devices/platform/vhci_hcd.0"
#define VHCI_CONTROLLERS 8u
/* The state of a port that has no device (VDEV_ST_NULL). */
#define PORT_FREE 4

static int write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* Derives the device's name from the number of its root hub. Of a controller's two root hubs, the
 * lower number is the USB 2 one. */
static void name_path(struct vhci_port *port, unsigned controller, bool super,
		      int port_of_hub)
{
	char folder[64];
	struct dirent *entry;
	int first = 0, second = 0;
	DIR *dir;

	(void)snprintf(folder, sizeof(folder), "/sys/devices/platform/vhci_hcd.%u",
		       controller);
	dir = opendir(folder);

	while (dir && (entry = readdir(dir))) {
		int bus = 0;

		if (sscanf(entry->d_name, "usb%d", &bus) != 1)
			continue;
		if (!first || bus < first) {
			second = first;
			first = bus;
		} else {
			second = bus;
		}
	}
	if (dir)
		(void)closedir(dir);
	(void)snprintf(port->path, sizeof(port->path), "%d-%d", super ? second : first,
		       port_of_hub + 1);
}

static int try_port(struct vhci_port *port, enum usb_speed speed, int number)
{
	_cleanup_close_ int theirs = -1;
	int pair[2], r;
	char text[64];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	theirs = pair[1];
	(void)snprintf(text, sizeof(text), "%d %d %d %d", number, theirs, 0x10002,
		       (int)speed);
	r = write_file(VHCI "/attach", text);
	if (r < 0) {
		(void)close(pair[0]);
		return r;
	}
	port->number = number;
	return pair[0];
}

/* Attaches to a free port of that controller. Return: our end of the connection, or -errno; -EBUSY
 * if no port is free */
static int attach_to(struct vhci_port *port, unsigned controller, enum usb_speed speed)
{
	bool super = speed >= USB_SPEED_SUPER;
	int first_of_half = -1, fd = -EBUSY;
	char path[64], line[256];
	FILE *status;

	(void)snprintf(path, sizeof(path),
		       controller ? VHCI "/status.%u" : VHCI "/status", controller);
	status = fopen(path, "re");
	while (status && fd < 0 && fgets(line, sizeof(line), status)) {
		char hub[8];
		int number, state;

		if (sscanf(line, "%7s %d %d", hub, &number, &state) != 3 ||
		    super != (strcmp(hub, "ss") == 0))
			continue;
		if (first_of_half < 0)
			first_of_half = number;
		if (state != PORT_FREE)
			continue;
		name_path(port, controller, super, number - first_of_half);
		fd = try_port(port, speed, number);
	}
	if (status)
		(void)fclose(status);
	return fd;
}

bool vhci_is_free(const struct vhci_port *port)
{
	bool is_free = false;

	for (unsigned i = 0; i < VHCI_CONTROLLERS; i++) {
		char path[64], line[256];
		FILE *status;

		(void)snprintf(path, sizeof(path), i ? VHCI "/status.%u" : VHCI "/status",
			       i);
		status = fopen(path, "re");
		while (status && fgets(line, sizeof(line), status)) {
			int number, state;

			if (sscanf(line, "%*s %d %d", &number, &state) == 2 &&
			    number == port->number)
				is_free = state == PORT_FREE;
		}
		if (status)
			(void)fclose(status);
	}
	return is_free;
}

int vhci_attach(struct vhci_port *port, enum usb_speed speed)
{
	FILE *status = fopen(VHCI "/status", "re");
	int fd = -EBUSY;

	if (!status)
		return -ENODEV;
	/* the lock makes other processes that look for a port wait */
	(void)flock(fileno(status), LOCK_EX);
	port->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (port->kmsg >= 0)
		(void)lseek(port->kmsg, 0, SEEK_END);
	for (unsigned i = 0; fd < 0 && i < VHCI_CONTROLLERS; i++)
		fd = attach_to(port, i, speed);
	(void)fclose(status);
	if (fd < 0 && port->kmsg >= 0)
		(void)close(port->kmsg);
	return fd;
}

void vhci_detach(const struct vhci_port *port)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", port->number);
	(void)write_file(VHCI "/detach", text);
	if (port->kmsg >= 0)
		(void)close(port->kmsg);
}

unsigned vhci_addressed(const struct vhci_port *port)
{
	char record[1024], start[64];
	unsigned found = 0;
	ssize_t n;

	(void)snprintf(start, sizeof(start), ";usb %s: SetAddress Request", port->path);
	/* EPIPE: the kernel has overwritten records; the next read continues after them */
	while (port->kmsg >= 0 &&
	       ((n = read(port->kmsg, record, sizeof(record) - 1)) > 0 ||
		errno == EPIPE)) {
		if (n <= 0)
			continue;
		record[n] = '\0';
		found += strstr(record, start) != NULL;
	}
	return found;
}
