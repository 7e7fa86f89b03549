/* SPDX-License-Identifier: MIT
 * target.h - the file that a capture is written to
 *
 * A capture destroys nothing: an existing file must be a capture, empty, a FIFO, a pipe or a
 * socket, and no other program may use it. These calls may wait for the file system: they are
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
 * @claim:	keeps other parts of this process off it; NULL if it is no regular file
 */
struct target {
	int fd;
	struct claim *claim;
};

/* Creates the folders on the way to @path, before a sandbox forbids that. Return: 0 or -errno. */
MUST_USE int target_make_folders(const char *path);
/* Opens @path, and creates the folders on the way; truncates a file. A FIFO must have a
 * reader. Return: 0, or -errno with the reason in @err. */
MUST_USE int target_open(struct target *target, const char *path, struct err *err);
/* The same with an open @fd, taken, also on failure; @name is for messages. */
MUST_USE int target_adopt(struct target *target, int fd, const char *name,
			  struct err *err);
/* Fine on a closed target. Return: 0, or -errno if written data may be lost. */
int target_close(struct target *target);

#endif /* USBDEV_PCAP_TARGET_H */
