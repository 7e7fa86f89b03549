/* SPDX-License-Identifier: MIT
 * device.c - why a device cannot be attached, or is slow
 */
#include "ctl/doctor/device.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/doctor/finding.h"
#include "ctl/doctor/host.h"
#include "rules/guard.h"
#include "rules/hostdev.h"
#include "rules/sysfs.h"

#define NAME_BYTES 64u

#define BOS_HEADER_BYTES     5u
#define BOS_CAPABILITY       0x10u
#define BOS_CAPABILITY_SUPER 0x03u
#define BOS_BYTES_MAX        4096u
#define SPEED_SUPER_MBIT     5000u
#define RELEASE_SUPER        3u
#define USBFS_DRIVER         "usbfs"
#define NODE_FORMAT          "/dev/bus/usb/%03u/%03u"
#define NODE_ARGS(dev)       (dev)->bus, (dev)->number

static struct doctor_finding finding_of(const struct hostdev *dev, const char *code)
{
	struct doctor_finding finding = {.problem = true, .code = code};

	memcpy(finding.device, dev->name, sizeof(finding.device));
	return finding;
}

static void report(const struct doctor *doctor, const struct doctor_finding *finding)
{
	doctor->on_finding(doctor->ctx, finding);
}

/* --- the node --- */

/* Names of accounts go into a command. */
static bool is_plain(const char *name)
{
	if (name[0] == '\0' || name[0] == '-')
		return false;
	for (; *name != '\0'; name++) {
		if (!isalnum((unsigned char)*name) && !strchr("-_.", *name))
			return false;
	}
	return true;
}

static void own_name(char name[NAME_BYTES])
{
	char buf[4096];
	struct passwd entry, *found = NULL;

	if (getpwuid_r(geteuid(), &entry, buf, sizeof(buf), &found) == 0 && found &&
	    strlen(found->pw_name) < NAME_BYTES && is_plain(found->pw_name))
		memcpy(name, found->pw_name, strlen(found->pw_name) + 1);
	else
		(void)snprintf(name, NAME_BYTES, "%u", (unsigned)geteuid());
}

/* The group that may open the node, if there is one and it is not root's. */
static bool group_name(const char *path, char name[NAME_BYTES])
{
	char buf[16384];
	struct group entry, *found = NULL;
	struct stat st;

	if (stat(path, &st) < 0 || st.st_gid == 0 || (st.st_mode & 060) != 060 ||
	    getgrgid_r(st.st_gid, &entry, buf, sizeof(buf), &found) != 0 || !found ||
	    strlen(found->gr_name) >= NAME_BYTES || !is_plain(found->gr_name))
		return false;
	memcpy(name, found->gr_name, strlen(found->gr_name) + 1);
	return true;
}

static void report_permission(const struct doctor *doctor, const struct hostdev *dev,
			      const char *path)
{
	struct doctor_finding finding = finding_of(dev, "permission");
	char user[NAME_BYTES];
	char group[NAME_BYTES];

	own_name(user);
	if (group_name(path, group)) {
		DOCTOR_SAY(finding.what,
			   NODE_FORMAT " may be opened by group %s, and %s is not in it",
			   NODE_ARGS(dev), group, user);
		DOCTOR_SAY(finding.mend, "sudo usermod -aG %s %s   # then log in again",
			   group, user);
	} else {
		DOCTOR_SAY(finding.what, NODE_FORMAT " may not be opened by %s",
			   NODE_ARGS(dev), user);
		DOCTOR_SAY(finding.mend,
			   "echo 'SUBSYSTEM==\"usb\", ENV{DEVTYPE}==\"usb_device\", "
			   "ATTR{idVendor}==\"%04x\", ATTR{idProduct}==\"%04x\", "
			   "OWNER=\"%s\", "
			   "MODE=\"0660\"' | sudo tee -a "
			   "/etc/udev/rules.d/70-usbvfiod.rules && "
			   "sudo udevadm control --reload && sudo udevadm trigger "
			   "--action=change /sys/bus/usb/devices/%s",
			   dev->vendor, dev->product_id, user, dev->name);
	}
	report(doctor, &finding);
}

static void check_node(const struct doctor *doctor, const struct hostdev *dev)
{
	struct doctor_finding finding = finding_of(dev, "node");
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s" NODE_FORMAT, doctor->root,
		       NODE_ARGS(dev));
	/* only opening it tells what sandboxes and device control groups allow */
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd >= 0) {
		(void)close(fd);
		return;
	}
	if (errno == EACCES || errno == EPERM) {
		report_permission(doctor, dev, path);
		return;
	}
	DOCTOR_SAY(finding.what, NODE_FORMAT " cannot be opened: %s", NODE_ARGS(dev),
		   strerror(errno));
	if (errno == ENOENT)
		DOCTOR_SAY(finding.mend,
			   "sudo udevadm trigger --action=add /sys/bus/usb/devices/%s   "
			   "# in a "
			   "container: give it /dev/bus/usb",
			   dev->name);
	else
		DOCTOR_SAY(finding.mend, "sudo dmesg | grep 'usb %s:'   # says more",
			   dev->name);
	report(doctor, &finding);
}

/* --- users --- */

/* The command that ends @program for good. */
static const char *end_of(const char *program)
{
	static const struct {
		const char *program;
		const char *command;
	} known[] = {
		{"adb", "adb kill-server"},
		{"ModemManager", "sudo systemctl stop ModemManager"},
		{"pcscd", "sudo systemctl stop pcscd.socket pcscd"},
		{"scdaemon", "gpgconf --kill scdaemon"},
		{"usbmuxd", "sudo systemctl stop usbmuxd"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(program, known[i].program) == 0)
			return known[i].command;
	}
	return NULL;
}

static void report_claimed(const struct doctor *doctor, const struct hostdev *dev)
{
	struct doctor_finding finding = finding_of(dev, "busy");
	char name[NAME_BYTES];
	int pid = doctor_holder(doctor->root, dev, name, sizeof(name));
	const char *end = pid ? end_of(name) : NULL;

	if (pid == 0) {
		DOCTOR_SAY(finding.what, "a program on the host has it");
		DOCTOR_SAY(finding.mend,
			   "sudo lsof " NODE_FORMAT "   # tells which: end it",
			   NODE_ARGS(dev));
	} else if (strcmp(name, "usbvfiod") == 0) {
		finding.problem = false;
		DOCTOR_SAY(finding.what, "usbvfiod (pid %d) has it: it is attached", pid);
		DOCTOR_SAY(finding.mend, "usbvfioctl detach %u:%u", NODE_ARGS(dev));
	} else {
		DOCTOR_SAY(finding.what, "the program %s (pid %d) has it", name, pid);
		if (end)
			DOCTOR_SAY(finding.mend, "%s", end);
		else
			DOCTOR_SAY(finding.mend, "sudo kill %d", pid);
	}
	report(doctor, &finding);
}

/* Attaching a device detaches the kernel's drivers. */
static void report_driver(const struct doctor *doctor, const struct hostdev *dev)
{
	const char *last = "";

	for (unsigned i = 0; i < dev->interface_count; i++) {
		const struct hostdev_interface *interface = &dev->interfaces[i];
		struct doctor_finding finding = finding_of(dev, "driver");

		if (interface->driver[0] == '\0' ||
		    strcmp(interface->driver, last) == 0 ||
		    strcmp(interface->driver, USBFS_DRIVER) == 0)
			continue;
		finding.problem = false;
		last = interface->driver;
		DOCTOR_SAY(
			finding.what,
			"the host's driver %s has it, and loses it when it is attached",
			interface->driver);
		report(doctor, &finding);
	}
}

/* The disk in a message of guard.c: "its disk sdb mounted". */
static bool disk_in(const char *text, char disk[NAME_BYTES])
{
	static const char before[] = "its disk ";
	const char *at = strstr(text, before);
	size_t len;

	if (!at)
		return false;
	at += strlen(before);
	len = strcspn(at, " :");
	if (len >= NAME_BYTES)
		return false;
	memcpy(disk, at, len);
	disk[len] = '\0';
	return is_plain(disk);
}

static void check_guard(const struct doctor *doctor, const struct hostdev *dev)
{
	struct doctor_finding finding = finding_of(dev, "refused");
	struct err err = {0};
	char disk[NAME_BYTES];
	int r = guard_check(doctor->root, dev, &err);

	if (dev->claimed)
		report_claimed(doctor, dev);
	else
		report_driver(doctor, dev);
	if (r != -EPERM)
		return;
	DOCTOR_SAY(finding.what, "the host needs it: %s", err.text);
	if (!disk_in(err.text, disk))
		DOCTOR_SAY(finding.mend,
			   "usbvfioctl attach --force " NODE_FORMAT
			   "   # if you are sure",
			   NODE_ARGS(dev));
	else if (strstr(err.text, "swaps on"))
		DOCTOR_SAY(finding.mend, "sudo swapoff /dev/%s", disk);
	else
		DOCTOR_SAY(finding.mend, "sudo umount /dev/%s", disk);
	report(doctor, &finding);
}

/* --- slow, or asleep --- */

static void check_autosuspend(const struct doctor *doctor, const struct hostdev *dev,
			      const char *folder)
{
	struct doctor_finding finding = finding_of(dev, "autosuspend");
	char control[16];

	if (sysfs_line(folder, "power/control", control, sizeof(control)) < 0 ||
	    strcmp(control, "auto") != 0)
		return;
	DOCTOR_SAY(finding.what, "the host suspends it when idle (autosuspend): some "
				 "devices do not wake up, "
				 "or disappear for a moment");
	DOCTOR_SAY(finding.mend,
		   "echo on | sudo tee /sys/bus/usb/devices/%s/power/control", dev->name);
	report(doctor, &finding);
}

/* In a socket of USB 2 a device of USB 3 claims to be one of USB 2.1, but has the super speed
 * capability (9.6.2.2). */
static bool bos_has_super(const char *folder)
{
	uint8_t bos[BOS_BYTES_MAX];
	ssize_t len = sysfs_bytes(folder, "bos_descriptors", bos, sizeof(bos));

	for (ssize_t at = BOS_HEADER_BYTES; len - at >= 3 && bos[at] >= 3;
	     at += bos[at]) {
		if (bos[at + 1] == BOS_CAPABILITY && bos[at + 2] == BOS_CAPABILITY_SUPER)
			return true;
	}
	return false;
}

static void check_speed(const struct doctor *doctor, const struct hostdev *dev,
			const char *folder)
{
	struct doctor_finding finding = finding_of(dev, "speed");
	char version[16];

	if (dev->speed_mbit == 0 || dev->speed_mbit >= SPEED_SUPER_MBIT)
		return;
	if (sysfs_line(folder, "version", version, sizeof(version)) < 0)
		return;
	if (strtoul(version, NULL, 10) < RELEASE_SUPER && !bos_has_super(folder))
		return;
	DOCTOR_SAY(finding.what, "it is a device of USB 3, and runs at %u Mbit/s",
		   dev->speed_mbit);
	DOCTOR_SAY(finding.mend,
		   "plug it into a socket of USB 3, with a cable for it, then: "
		   "usbvfioctl doctor");
	report(doctor, &finding);
}

void doctor_check_device(const struct doctor *doctor, const struct hostdev *dev)
{
	char folder[PATH_MAX];

	(void)snprintf(folder, sizeof(folder), "%s/sys%s", doctor->root, dev->place);
	check_node(doctor, dev);
	check_guard(doctor, dev);
	check_autosuspend(doctor, dev, folder);
	check_speed(doctor, dev, folder);
}

/* --- names --- */

static bool two_numbers(const char *text, char between, unsigned *ret_a, unsigned *ret_b)
{
	char *end;
	unsigned long a, b;

	if (!isdigit((unsigned char)text[0]))
		return false;
	a = strtoul(text, &end, 10);
	if (*end != between || !isdigit((unsigned char)end[1]))
		return false;
	b = strtoul(end + 1, &end, 10);
	if (*end != '\0' || a > 999 || b > 999)
		return false;
	*ret_a = (unsigned)a;
	*ret_b = (unsigned)b;
	return true;
}

const struct hostdev *doctor_find(const struct hostdev_list *list, const char *name)
{
	static const char folder[] = "/dev/bus/usb/";
	unsigned bus = 0, number = 0;
	bool by_number = strncmp(name, folder, strlen(folder)) == 0
				 ? two_numbers(name + strlen(folder), '/', &bus, &number)
				 : two_numbers(name, ':', &bus, &number);

	for (unsigned i = 0; i < list->count; i++) {
		const struct hostdev *dev = &list->devs[i];

		if (by_number ? dev->bus == bus && dev->number == number
			      : strcmp(dev->name, name) == 0)
			return dev;
	}
	return NULL;
}
