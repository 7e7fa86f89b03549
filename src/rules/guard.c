/* SPDX-License-Identifier: MIT
 * guard.c - devices that the host needs itself
 *
 * For disks the guard collects the names and numbers (major:minor) of all block devices
 * below the USB device, then of those that hold one of these (partitions are below their
 * disk, RAID and the like are holders), and so on. Then it looks for the mounts and swap
 * areas in that list.
 */
#include "rules/guard.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "rules/hostdev.h"
#include "rules/sysfs.h"

#define BLOCKS_MAX       256u
#define BLOCK_NAME_BYTES 64u
#define DEPTH_MAX        16u
#define ENTRIES_MAX      8192u
#define LINE_BYTES_MAX   16384u
#define LINES_MAX        100000u

#define FORCE "; if you are sure, add \"force\""

/* @number: "8:1"; "" if unknown */
struct block {
	char name[BLOCK_NAME_BYTES];
	char number[16];
};

/**
 * struct search
 * @blocks:	found so far
 * @left:	folder entries that the search may still read
 * @overrun:	there are more than that
 */
struct search {
	const char *root;
	struct block blocks[BLOCKS_MAX];
	unsigned count;
	unsigned left;
	bool overrun;
};

/* --- block devices --- */

static const struct block *find_block(const struct search *search, const char *name)
{
	for (unsigned i = 0; i < search->count; i++) {
		if (strcmp(search->blocks[i].name, name) == 0)
			return &search->blocks[i];
	}
	return NULL;
}

static void add_block(struct search *search, const char *folder, const char *name)
{
	struct block *block;

	if (strlen(name) >= BLOCK_NAME_BYTES || search->count == BLOCKS_MAX) {
		search->overrun = true;
		return;
	}
	if (find_block(search, name))
		return;
	block = &search->blocks[search->count++];
	memcpy(block->name, name, strlen(name) + 1);
	(void)sysfs_line(folder, "dev", block->number, sizeof(block->number));
}

/* The next entry but "." and ".."; NULL if there is none, or too many were read. */
static const struct dirent *next_entry(struct search *search, DIR *dir)
{
	const struct dirent *entry;

	do {
		if (search->left == 0) {
			search->overrun = true;
			return NULL;
		}
		search->left--;
		/* no other thread has this stream */
		entry = readdir(dir); /* NOLINT(concurrency-mt-unsafe) */
	} while (entry &&
		 (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool has_number(const char *folder)
{
	char number[16];

	return sysfs_line(folder, "dev", number, sizeof(number)) == 0;
}

/* Adds the block devices in the folders "block" below @folder. */
static void walk(struct search *search, const char *folder, bool in_block, unsigned depth)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	if (!dir)
		return;
	if (depth > DEPTH_MAX)
		search->overrun = true;
	while (depth <= DEPTH_MAX && (entry = next_entry(search, dir)) != NULL) {
		char path[PATH_MAX];

		if (snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >=
		    (int)sizeof(path)) {
			search->overrun = true;
			continue;
		}
		if (!is_folder(path))
			continue;
		/* a disk or one of its partitions, not its "queue" */
		if (in_block && has_number(path))
			add_block(search, path, entry->d_name);
		walk(search, path, in_block || strcmp(entry->d_name, "block") == 0,
		     depth + 1);
	}
	(void)closedir(dir);
}

/* Adds the block devices that use block device @name. */
static void add_holders(struct search *search, const char *name)
{
	char folder[PATH_MAX];
	const struct dirent *entry;
	DIR *dir;

	(void)snprintf(folder, sizeof(folder), "%s/sys/class/block/%s/holders",
		       search->root, name);
	dir = opendir(folder);
	if (!dir)
		return;
	while ((entry = next_entry(search, dir)) != NULL) {
		char path[PATH_MAX];

		if (snprintf(path, sizeof(path), "%s/sys/class/block/%s", search->root,
			     entry->d_name) < (int)sizeof(path))
			add_block(search, path, entry->d_name);
	}
	(void)closedir(dir);
}

/* @count grows meanwhile. The list has each device once, so circles end. */
static void add_all_holders(struct search *search)
{
	for (unsigned i = 0; i < search->count; i++)
		add_holders(search, search->blocks[i].name);
}

static const struct block *find_number(const struct search *search, const char *number)
{
	for (unsigned i = 0; i < search->count; i++) {
		if (search->blocks[i].number[0] != '\0' &&
		    strcmp(search->blocks[i].number, number) == 0)
			return &search->blocks[i];
	}
	return NULL;
}

/* A block device by its node, "/dev/sda1", or a link to it. */
static const struct block *find_node(const struct search *search, const char *path)
{
	char full[PATH_MAX];
	char number[32];
	struct stat st;

	if (strncmp(path, "/dev/", 5) != 0)
		return NULL;
	if (snprintf(full, sizeof(full), "%s%s", search->root, path) <
		    (int)sizeof(full) &&
	    stat(full, &st) == 0 && S_ISBLK(st.st_mode)) {
		(void)snprintf(number, sizeof(number), "%u:%u", major(st.st_rdev),
			       minor(st.st_rdev));
		return find_number(search, number);
	}
	return find_block(search, strrchr(path, '/') + 1);
}

/* --- their users --- */

/* "\040" becomes a blank. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *at = text; *at != '\0'; at++) {
		if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' &&
		    at[2] <= '7' && at[3] >= '0' && at[3] <= '7') {
			*to++ = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 |
				       (at[3] - '0'));
			at += 3;
		} else {
			*to++ = *at;
		}
	}
	*to = '\0';
}

/* Calls @line for each line of @name until it does not return 0.
 * Return: what @line returned, or -ENOENT if the file cannot be read. */
static int each_line(const char *root, const char *name,
		     int (*line)(const struct search *search, char *text,
				 struct err *err),
		     const struct search *search, struct err *err)
{
	char path[PATH_MAX];
	char buf[LINE_BYTES_MAX];
	FILE *file;
	int r = 0;

	(void)snprintf(path, sizeof(path), "%s%s", root, name);
	file = fopen(path, "re");
	if (!file)
		return -ENOENT;
	for (unsigned i = 0; r == 0 && i < LINES_MAX; i++) {
		if (!fgets(buf, sizeof(buf), file))
			break;
		buf[strcspn(buf, "\n")] = '\0';
		r = line(search, buf, err);
	}
	(void)fclose(file);
	return r;
}

/* "36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/sda1 rw" */
static int check_mount(const struct search *search, char *text, struct err *err)
{
	const struct block *block;
	char *fields[5] = {NULL};
	char *rest = text;
	char *source;

	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
		fields[i] = strsep(&rest, " ");
	source = rest ? strstr(rest, " - ") : NULL;
	if (!fields[4] || !source)
		return 0;
	source += 3;
	(void)strsep(&source, " ");
	source = strsep(&source, " ");
	block = find_number(search, fields[2]);
	if (!block && source) {
		unescape(source);
		block = find_node(search, source);
	}
	if (!block)
		return 0;
	unescape(fields[4]);
	return err_set(err, EPERM,
		       "the host has its disk %s mounted on %.100s: unmount it" FORCE,
		       block->name, fields[4]);
}

/* "/dev/sda2                               partition       8388604 0 -2" */
static int check_swap(const struct search *search, char *text, struct err *err)
{
	const struct block *block;

	text[strcspn(text, " \t")] = '\0';
	unescape(text);
	block = find_node(search, text);
	if (!block)
		return 0;
	return err_set(err, EPERM, "the host swaps on its disk %s: swapoff /dev/%s" FORCE,
		       block->name, block->name);
}

/* The list of mounts names one disk of a mounted btrfs; sysfs lists all of them. */
static int check_btrfs(struct search *search, struct err *err)
{
	char folder[PATH_MAX];
	const struct dirent *entry;
	const struct block *block = NULL;
	DIR *dir;

	(void)snprintf(folder, sizeof(folder), "%s/sys/fs/btrfs", search->root);
	dir = opendir(folder);
	if (!dir)
		return 0;
	while (!block && (entry = next_entry(search, dir)) != NULL) {
		for (unsigned i = 0; !block && i < search->count; i++) {
			char path[PATH_MAX];
			struct stat st;

			if (snprintf(path, sizeof(path), "%s/%s/devices/%s", folder,
				     entry->d_name,
				     search->blocks[i].name) < (int)sizeof(path) &&
			    lstat(path, &st) == 0)
				block = &search->blocks[i];
		}
	}
	(void)closedir(dir);
	if (!block)
		return 0;
	return err_set(err, EPERM,
		       "its disk %s is part of a btrfs that the host has mounted: "
		       "unmount it" FORCE,
		       block->name);
}

static int check_disks(const char *root, const struct hostdev *dev, struct err *err)
{
	struct search found = {.root = root, .left = ENTRIES_MAX};
	struct search *search = &found;
	char folder[PATH_MAX];
	int r;

	(void)snprintf(folder, sizeof(folder), "%s/sys%s", root, dev->place);
	walk(search, folder, false, 0);
	add_all_holders(search);
	if (search->count == 0 && !search->overrun)
		return 0;
	r = each_line(root, "/proc/self/mountinfo", check_mount, search, err);
	if (r == -ENOENT)
		return err_set(err, EPERM,
			       "it has a disk, and /proc/self/mountinfo, which says "
			       "what the host has mounted, cannot be read" FORCE);
	/* only root can read it; a kernel without swap has no such file */
	if (r == 0)
		r = each_line(root, "/proc/1/mountinfo", check_mount, search, err);
	if (r == 0 || r == -ENOENT)
		r = each_line(root, "/proc/swaps", check_swap, search, err);
	if (r == 0 || r == -ENOENT)
		r = check_btrfs(search, err);
	if (r == 0 && search->overrun)
		r = err_set(err, EPERM,
			    "it has too many disks to be sure that none is in use" FORCE);
	return r;
}

/* --- keyboards --- */

/* The last hex word of a bitmap has the lowest bits: the keys Escape to S. All keyboards
 * have these, but no power button, remote control or mouse has. */
static bool has_letters(const char *bitmap)
{
	const char *last = strrchr(bitmap, ' ');
	unsigned long long bits = strtoull(last ? last + 1 : bitmap, NULL, 16);

	return (bits & 0xfffffffe) == 0xfffffffe;
}

/* Whether there is a keyboard that is not part of @dev. "S: Sysfs=/devices/..." comes before
 * "B: KEY=..." of the same input device. Return: 1, 0, or -errno if that is unknown. */
static int other_keyboard(const char *root, const struct hostdev *dev)
{
	char path[PATH_MAX];
	char buf[LINE_BYTES_MAX];
	size_t len = strlen(dev->place);
	bool own = false;
	int found = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/proc/bus/input/devices", root);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	for (unsigned i = 0; !found && i < LINES_MAX; i++) {
		static const char sysfs[] = "S: Sysfs=";
		static const char key[] = "B: KEY=";

		if (!fgets(buf, sizeof(buf), file))
			break;
		buf[strcspn(buf, "\n")] = '\0';
		if (buf[0] == 'I')
			own = false; /* the next device */
		else if (strncmp(buf, sysfs, strlen(sysfs)) == 0)
			own = strncmp(buf + strlen(sysfs), dev->place, len) == 0 &&
			      buf[strlen(sysfs) + len] == '/';
		else if (strncmp(buf, key, strlen(key)) == 0)
			found = !own && has_letters(buf + strlen(key));
	}
	(void)fclose(file);
	return found;
}

static int check_keyboard(const char *root, const struct hostdev *dev, struct err *err)
{
	int r = dev->boot_keyboard ? other_keyboard(root, dev) : 1;

	/* a host without input devices has no user at a keyboard */
	if (r == 1 || r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set(err, EPERM,
			       "it is a keyboard, and whether the host has another is "
			       "unknown: /proc/bus/input/devices: %s" FORCE,
			       strerror(-r));
	return err_set(err, EPERM, "it is the host's only keyboard" FORCE);
}

int guard_check(const char *root, const struct hostdev *dev, struct err *err)
{
	int r;

	if (dev->device_class == USB_CLASS_OF_HUB ||
	    hostdev_has_class(dev, USB_CLASS_OF_HUB))
		return err_set(err, EPERM,
			       "it is a hub: attach what is plugged into it" FORCE);
	r = check_disks(root, dev, err);
	if (r == 0)
		r = check_keyboard(root, dev, err);
	if (r == 0 && dev->claimed)
		r = err_set(err, EBUSY,
			    "a program on the host has it (usbfs); lsof /dev/bus/usb/"
			    "%03u/%03u tells which" FORCE,
			    dev->bus, dev->number);
	return r;
}
