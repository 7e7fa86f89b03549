/* SPDX-License-Identifier: MIT
 * host.c - the host's settings, its programs, and the daemon's socket
 */
#include "ctl/doctor/host.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/doctor/finding.h"
#include "rules/hostdev.h"
#include "rules/sysfs.h"

/* Below that transfers of fast devices may find no memory; see usbfs_memory_mb. */
#define DOCTOR_USBFS_MB_ENOUGH 64u
#define DOCTOR_USBFS_MB_WANTED 256u

#define PROCESSES_MAX 65536u
#define FDS_MAX       4096u

/* --- settings --- */

void doctor_check_host(const struct doctor *doctor)
{
	struct doctor_finding finding = {.problem = true, .code = "usbfs-memory"};
	char folder[PATH_MAX];
	unsigned mb;

	(void)snprintf(folder, sizeof(folder), "%s/sys/module/usbcore/parameters",
		       doctor->root);
	/* 0: as much as wanted */
	if (sysfs_number(folder, "usbfs_memory_mb", 10, UINT_MAX, &mb) < 0 || mb == 0 ||
	    mb >= DOCTOR_USBFS_MB_ENOUGH)
		return;
	DOCTOR_SAY(finding.what,
		   "usbfs_memory_mb is %u: all programs share so many MiB for transfers, "
		   "and "
		   "fast "
		   "devices want more; to keep a change boot with "
		   "usbcore.usbfs_memory_mb=%u",
		   mb, DOCTOR_USBFS_MB_WANTED);
	DOCTOR_SAY(finding.mend,
		   "echo %u | sudo tee /sys/module/usbcore/parameters/usbfs_memory_mb",
		   DOCTOR_USBFS_MB_WANTED);
	doctor->on_finding(doctor->ctx, &finding);
}

/* --- programs --- */

/* Whether a process has @node open. @folder: its "fd" in /proc. */
static bool has_open(const char *folder, const char *node)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	/* one thread */
	for (unsigned n = 0; !found && n < FDS_MAX && (entry = readdir(dir));
	     n++) { /* NOLINT */
		char path[PATH_MAX];
		char target[64];
		ssize_t len;

		if (snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >=
		    (int)sizeof(path))
			continue;
		len = readlink(path, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		found = strcmp(target, node) == 0;
	}
	(void)closedir(dir);
	return found;
}

int doctor_holder(const char *root, const struct hostdev *dev, char *name, size_t size)
{
	char folder[PATH_MAX];
	char node[64];
	const struct dirent *entry;
	unsigned long pid = 0;
	DIR *dir;

	(void)snprintf(node, sizeof(node), "/dev/bus/usb/%03u/%03u", dev->bus,
		       dev->number);
	(void)snprintf(folder, sizeof(folder), "%s/proc", root);
	dir = opendir(folder);
	if (!dir)
		return 0;
	for (unsigned n = 0; n < PROCESSES_MAX && (entry = readdir(dir));
	     n++) { /* NOLINT */
		char *end;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		pid = strtoul(entry->d_name, &end, 10);
		(void)snprintf(folder, sizeof(folder), "%s/proc/%lu/fd", root, pid);
		if (*end == '\0' && pid <= INT_MAX && has_open(folder, node))
			break;
		pid = 0;
	}
	(void)closedir(dir);
	if (pid == 0)
		return 0;
	(void)snprintf(folder, sizeof(folder), "%s/proc/%lu", root, pid);
	if (sysfs_line(folder, "comm", name, size) < 0)
		(void)snprintf(name, size, "?");
	return (int)pid;
}
