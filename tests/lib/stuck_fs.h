/* SPDX-License-Identifier: MIT
 * stuck_fs.h - a file system that answers no more (FUSE)
 *
 * A process of its own mounts it in a mount namespace of its own, and serves it without any
 * library. It has one file.
 */
#ifndef TESTS_LIB_STUCK_FS_H
#define TESTS_LIB_STUCK_FS_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/compiler.h"

/* The file, as the server sees it. */
#define STUCK_FS_FILE "/tmp/file"

/**
 * struct stuck_fs
 * @server:	the process
 * @mute_fd:	closed, the server stops answering
 * @fd:		the file, open for reading and writing. close() waits while it is mute
 */
struct stuck_fs {
	pid_t server;
	int mute_fd;
	int fd;
};

/* Return: 0; -ENOENT: this machine has no /dev/fuse; -errno. */
MUST_USE int stuck_fs_start(struct stuck_fs *fs);
/* From now on nothing is answered. */
void stuck_fs_mute(struct stuck_fs *fs);
/* From now on requests wait; or they are answered again, those that waited as well. */
void stuck_fs_hold(struct stuck_fs *fs, bool hold);
/* Ends the server: whoever waits for it gets an error. */
void stuck_fs_stop(struct stuck_fs *fs);

#endif /* TESTS_LIB_STUCK_FS_H */
