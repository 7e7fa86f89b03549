/* SPDX-License-Identifier: MIT
 * target.h - the file that a capture is written to
 *
 * A capture destroys nothing: what is there already must be a capture, an empty file, a FIFO,
 * a pipe or a socket, and nothing else may use it. These calls may wait for the file system:
 * for the capture's worker.
 */
#ifndef USBDEV_PCAP_TARGET_H
#define USBDEV_PCAP_TARGET_H

#include "util/compiler.h"
#include "util/err.h"

struct claim;

/**
 * struct target - an open file
 * @fd:		-1: none
 * @claim:	nothing else here may have it meanwhile; NULL if it is no regular file
 */
struct target {
	int fd;
	struct claim *claim;
};

/* Makes the folders on the way to @path, for when none can be made later. Return: 0 or -errno. */
MUST_USE int target_make_folders(const char *path);
/* Opens @path, with the folders on the way made; a file is empty afterwards. A FIFO must
 * have a reader. Return: 0, or -errno with the reason in @err. */
MUST_USE int target_open(struct target *target, const char *path, struct err *err);
/* The same with what is open as @fd, taken, also on failure; @name is for messages. */
MUST_USE int target_adopt(struct target *target, int fd, const char *name,
			  struct err *err);
/* Fine on one that is closed. Return: 0 or -errno: what was written may be lost. */
int target_close(struct target *target);

#endif /* USBDEV_PCAP_TARGET_H */
