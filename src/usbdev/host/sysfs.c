/* SPDX-License-Identifier: MIT
 * sysfs.c - facts about a USB device in sysfs, which may be unreadable
 */
#include "usbdev/host/sysfs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/compiler.h"

/* A node's minor number is 128 * (bus - 1) + (address - 1). */
#define DEVICES_PER_BUS 128u

/* The first line of an attribute; "" if it cannot be read. */
static void read_attribute(dev_t rdev, const char *attribute, char *text, size_t bytes)
{
	_cleanup_close_ int fd = -1;
	char path[96];
	ssize_t n;

	text[0] = '\0';
	(void)snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/%s", major(rdev),
		       minor(rdev), attribute);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, text, bytes - 1);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

unsigned sysfs_speed_mbps(dev_t rdev)
{
	char text[16];
	unsigned long mbps;

	read_attribute(rdev, "speed", text, sizeof(text));
	mbps = strtoul(text, NULL, 10);
	return mbps <= UINT_MAX ? (unsigned)mbps : 0;
}

/* The device's folder is named after its path through the hubs: 1-2.3 */
static void read_place(dev_t rdev, char *place, size_t bytes)
{
	char path[64];
	char target[PATH_MAX];
	const char *name = NULL;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/sys/dev/char/%u:%u", major(rdev),
		       minor(rdev));
	n = readlinkat(AT_FDCWD, path, target, sizeof(target) - 1);
	if (n > 0) {
		target[n] = '\0';
		name = strrchr(target, '/');
	}
	if (name && name[1] && strlen(name + 1) < bytes)
		(void)snprintf(place, bytes, "%s", name + 1);
	else
		(void)snprintf(place, bytes, "%03u/%03u",
			       minor(rdev) / DEVICES_PER_BUS + 1,
			       minor(rdev) % DEVICES_PER_BUS + 1);
}

void sysfs_label(dev_t rdev, unsigned vendor, unsigned product, char *label,
		 size_t label_bytes)
{
	char name[128];
	char place[24];

	read_place(rdev, place, sizeof(place));
	read_attribute(rdev, "product", name, sizeof(name));
	(void)snprintf(label, label_bytes, "%s %04x:%04x%s%s", place, vendor, product,
		       name[0] ? " " : "", name);
	/* the device chose these bytes, and they go to logs and terminals */
	for (char *c = label; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}
