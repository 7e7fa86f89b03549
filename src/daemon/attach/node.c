/* SPDX-License-Identifier: MIT
 * node.c - device nodes of usbfs, and where on the host's buses their devices sit
 */
#include "daemon/attach/node.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "rules/sysfs.h"
#include "util/fds.h"
#include "util/self.h"

#define USB_DEVICE_MAJOR 189u
#define DEVICES_PER_BUS  128u

#define NAME_BYTES 64u
/* What /dev/bus/usb/BBB/DDD has room for. */
#define NUMBER_MAX 999u

void node_path(unsigned bus, unsigned number, char ret_path[NODE_PATH_BYTES])
{
	(void)snprintf(ret_path, NODE_PATH_BYTES, "/dev/bus/usb/%03u/%03u", bus, number);
}

static bool is_node(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && major(st->st_rdev) == USB_DEVICE_MAJOR;
}

static const char *kind_name(mode_t mode)
{
	if (S_ISREG(mode))
		return "an ordinary file";
	if (S_ISDIR(mode))
		return "a folder";
	if (S_ISCHR(mode))
		return "some other device";
	if (S_ISBLK(mode))
		return "a disk";
	if (S_ISSOCK(mode))
		return "a socket";
	return "something else";
}

/* --- sysfs --- */

/* Where the device with @minor is below /sys; "" if sysfs does not say. */
static void find_place(unsigned minor, char ret_place[PATH_MAX])
{
	char link[64];
	char target[PATH_MAX] = "";
	const char *place = NULL;

	(void)snprintf(link, sizeof(link), "/sys/dev/char/%u:%u", USB_DEVICE_MAJOR,
		       minor);
	/* ../../devices/... */
	if (readlinkat(AT_FDCWD, link, target, sizeof(target) - 1) > 0)
		place = strstr(target, "/devices/");
	(void)snprintf(ret_place, PATH_MAX, "%s", place ? place : "");
}

static void describe(struct node *node, unsigned minor)
{
	char place[PATH_MAX];

	node->bus = minor / DEVICES_PER_BUS + 1;
	node->number = minor % DEVICES_PER_BUS + 1;
	find_place(minor, place);
	if (strlen(place) >= sizeof(node->place))
		place[0] = '\0';
	memcpy(node->place, place, strlen(place) + 1);
}

int node_at(const char *place, unsigned *ret_bus, unsigned *ret_number)
{
	char folder[UEVENT_PLACE_BYTES + 8];
	unsigned bus, number;

	(void)snprintf(folder, sizeof(folder), "/sys%s", place);
	if (sysfs_number(folder, "busnum", 10, NUMBER_MAX, &bus) < 0 ||
	    sysfs_number(folder, "devnum", 10, NUMBER_MAX, &number) < 0 || bus == 0 ||
	    number == 0)
		return -ENOENT;
	*ret_bus = bus;
	*ret_number = number;
	return 0;
}

/* --- messages --- */

static void group_name(gid_t gid, char name[NAME_BYTES])
{
	char buf[4096];
	struct group group;
	struct group *found = NULL;

	if (getgrgid_r(gid, &group, buf, sizeof(buf), &found) == 0 && found)
		(void)snprintf(name, NAME_BYTES, "%s", group.gr_name);
	else
		(void)snprintf(name, NAME_BYTES, "%u", (unsigned)gid);
}

/* The rule that gives us the device behind @st. */
static void rule(const struct stat *st, char *text, size_t size)
{
	char place[PATH_MAX];
	char folder[PATH_MAX + sizeof("/sys")];
	char vendor[8] = "VVVV";
	char product[8] = "PPPP";
	char group[NAME_BYTES];

	find_place(minor(st->st_rdev), place);
	if (place[0] != '\0') {
		(void)snprintf(folder, sizeof(folder), "/sys%s", place);
		(void)sysfs_line(folder, "idVendor", vendor, sizeof(vendor));
		(void)sysfs_line(folder, "idProduct", product, sizeof(product));
	}
	group_name(self_gid(), group);
	(void)snprintf(text, size,
		       "SUBSYSTEM==\"usb\", ATTR{idVendor}==\"%s\", "
		       "ATTR{idProduct}==\"%s\", GROUP=\"%s\", MODE=\"0660\"",
		       vendor, product, group);
}

static void hint_permission(const struct stat *st, char hint[NODE_HINT_BYTES])
{
	char owners[NAME_BYTES * 2] = "";
	char text[256];

	rule(st, text, sizeof(text));
	/* never suggest to join root's group */
	if (st->st_gid != 0 && (st->st_mode & 0060) == 0060) {
		char group[NAME_BYTES];

		group_name(st->st_gid, group);
		(void)snprintf(owners, sizeof(owners),
			       "run usbvfiod as a member of group %s, or ", group);
	}
	(void)snprintf(
		hint, NODE_HINT_BYTES,
		"%sadd to /etc/udev/rules.d/70-usbvfiod.rules this line and plug "
		"the device in again: %s - or let a program that may open the node "
		"hand it over: --device host:fd=N",
		owners, text);
}

/* @st: of the node, or NULL if it may be no node. */
static int open_error(const char *path, int code, const struct stat *st, struct err *err,
		      char hint[NODE_HINT_BYTES])
{
	switch (code) {
	case ENOENT:
		(void)snprintf(hint, NODE_HINT_BYTES,
			       "lsusb shows bus and device numbers, which change when a "
			       "device is plugged in again; a udev rule with SYMLINK+= "
			       "gives it a lasting name");
		return err_set(err, code, "there is no %s", path);
	case EACCES:
		if (st)
			hint_permission(st, hint);
		return err_set(err, code, "%s may not be opened for writing: %s", path,
			       strerror(code));
	case EPERM:
		(void)snprintf(
			hint, NODE_HINT_BYTES,
			"it is not a matter of the file's mode: the container or service "
			"must allow the device (systemd: DeviceAllow=char-usb_device rw; "
			"cgroup: c %u:* rw), or hand the node over: --device host:fd=N",
			USB_DEVICE_MAJOR);
		return err_set(err, code, "%s may not be opened: %s", path,
			       strerror(code));
	case ENODEV:
	case ENXIO:
		(void)snprintf(hint, NODE_HINT_BYTES,
			       "lsusb shows which devices there are, and their numbers");
		return err_set(err, code, "the device of %s has gone", path);
	default:
		return err_set(err, code, "cannot open %s: %s", path, strerror(code));
	}
}

static int not_a_node(const char *path, const struct stat *st, struct err *err,
		      char hint[NODE_HINT_BYTES])
{
	(void)snprintf(hint, NODE_HINT_BYTES,
		       "a real device is named by its node or a symlink to it: "
		       "--device /dev/bus/usb/BBB/DDD, numbers as lsusb shows them%s",
		       S_ISREG(st->st_mode) || S_ISBLK(st->st_mode)
			       ? "; an image becomes a stick by --device stick:file=IMAGE"
			       : "");
	return err_set(err, EINVAL, "%s is %s, not the node of a USB device", path,
		       kind_name(st->st_mode));
}

int node_open(const char *path, struct node *ret_node, struct err *err,
	      char ret_hint[NODE_HINT_BYTES])
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	ret_hint[0] = '\0';
	/* look first: opening some other file may wait or have effects */
	if (stat(path, &st) < 0)
		return open_error(path, errno, NULL, err, ret_hint);
	if (!is_node(&st))
		return not_a_node(path, &st, err, ret_hint);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return open_error(path, errno, &st, err, ret_hint);
	if (fstat(fd, &st) < 0 || !is_node(&st))
		return not_a_node(path, &st, err, ret_hint);
	describe(ret_node, minor(st.st_rdev));
	ret_node->fd = steal_fd(&fd);
	return 0;
}

int node_adopt(int fd, struct node *ret_node, struct err *err)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0)
		return err_set(err, errno,
			       "fd %d is not open: the program that starts usbvfiod must "
			       "leave it "
			       "open",
			       fd);
	if (!is_node(&st))
		return err_set(err, EINVAL, "fd %d is %s, not the node of a USB device",
			       fd, kind_name(st.st_mode));
	if ((flags & O_ACCMODE) != O_RDWR)
		return err_set(err, EBADF, "fd %d must be opened for reading and writing",
			       fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_set(err, errno, "fd %d: %s", fd, strerror(errno));
	describe(ret_node, minor(st.st_rdev));
	ret_node->fd = fd;
	return 0;
}

int node_reopen(struct node *node)
{
	_cleanup_close_ int fd = -1;
	char path[32];
	struct stat given, own;

	/* by its inode: works with another /dev, and cannot reach another file */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", node->fd);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(node->fd, &given) < 0 || fstat(fd, &own) < 0)
		return -errno;
	if (!is_node(&own) || own.st_rdev != given.st_rdev)
		return -ENODEV;
	close_fd(&node->fd);
	node->fd = steal_fd(&fd);
	return 0;
}

int node_copy(struct node *node, int fd, struct err *err)
{
	_cleanup_close_ int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct node found = {0};
	int r;

	if (copy < 0)
		return err_set(err, errno, "its descriptor cannot be used any more: %s",
			       strerror(errno));
	r = node_adopt(copy, &found, err);
	if (r < 0)
		return r;
	if (found.bus != node->bus || found.number != node->number)
		return err_set(err, ENODEV, "its descriptor is another device's");
	node->fd = steal_fd(&copy);
	return 0;
}
