/* SPDX-License-Identifier: MIT
 * doctor.h - what keeps a device of the host from being attached, or makes it slow
 *
 * Each check tells what it finds; it mends nothing. Checks read sysfs and open nodes,
 * which may wait for the kernel.
 *
 * @root: everywhere a prefix of all paths, "" but for tests.
 */
#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "rules/hostdev.h"
#include "util/compiler.h"

struct json_object;

#define DOCTOR_TEXT_BYTES 1024u
/* Below that transfers of fast devices may find no memory; see usbfs_memory_mb. */
#define DOCTOR_USBFS_MB_ENOUGH 64u
#define DOCTOR_USBFS_MB_WANTED 256u

/**
 * struct doctor_finding - one thing
 * @problem:	false: good to know, nothing to mend
 * @code:	for programs: "permission", "busy", ...
 * @device:	name of the device, "1-2.3"; "" if it is about the host or the daemon
 * @what:	for people, one line
 * @mend:	the command, or what to do with one's hands, one line; "" if there is none
 */
struct doctor_finding {
	bool problem;
	const char *code;
	char device[HOSTDEV_NAME_BYTES];
	char what[DOCTOR_TEXT_BYTES];
	char mend[DOCTOR_TEXT_BYTES];
};

/* Fills an array of a finding. */
#define DOCTOR_SAY(field, ...) ((void)snprintf((field), sizeof(field), __VA_ARGS__))

/* Who is told; @finding is borrowed for the call. */
struct doctor {
	const char *root;
	void (*tell)(void *ctx, const struct doctor_finding *finding);
	void *ctx;
};

/* All that can be told of one device. */
void doctor_check_device(const struct doctor *doctor, const struct hostdev *dev);
/* What is the same for all devices: memory for transfers. */
void doctor_check_host(const struct doctor *doctor);
/* The control socket at @path: whether a daemon answers there, its VMM shares memory, and it has
 * a sandbox. */
void doctor_check_socket(const struct doctor *doctor, const char *path);
/* What the daemon at @path can still reach, from its answer to "list"; an older one tells
 * nothing. */
void doctor_check_sandbox(const struct doctor *doctor, const char *path,
			  struct json_object *list);
/* All control sockets in @folders, which may be NULL each. */
void doctor_check_folders(const struct doctor *doctor, const char *const folders[],
			  size_t nfolders);

/**
 * doctor_find() - the device that @name means
 * @name:	"/dev/bus/usb/003/017", "3:17" or its place, "1-2.3"
 *
 * Return: borrowed from @list, or NULL if there is none.
 */
const struct hostdev *doctor_find(const struct hostdev_list *list, const char *name);

/* A process that has the node of @dev open: its number, and its name in @name, printable.
 * Return: 0 if none was found, perhaps as we may not look at others. */
int doctor_holder(const char *root, const struct hostdev *dev, char *name, size_t size);

#endif /* CTL_DOCTOR_H */
