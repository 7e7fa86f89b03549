/* SPDX-License-Identifier: MIT
 * stuck_fs.h - a FUSE file system that stops answering
 *
 * A child process mounts it in its own mount namespace and serves it without any library.
 * It has one file.
 */
#ifndef TESTS_LIB_STUCK_FS_H
#define TESTS_LIB_STUCK_FS_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/compiler.h"

/* The file's path in the server's mount namespace. */
#define STUCK_FS_FILE "/tmp/file"

/**
 * struct stuck_fs
 * @server: process that mounts and serves it
 * @mute_fd:	control socket of the server; closing it stops the answers
 * @fd:		the file, open for reading and writing; its close() waits while the server
 *		does not answer
 */
struct stuck_fs {
	pid_t server;
	int mute_fd;
	int fd;
};

/* Return: 0; -ENOENT: there is no /dev/fuse; -errno. */
MUST_USE int stuck_fs_start(struct stuck_fs *fs);
/* The server stops answering, for good. */
void stuck_fs_mute(struct stuck_fs *fs);
/* @hold: requests wait. Otherwise the server answers again, also requests that waited. */
void stuck_fs_hold(struct stuck_fs *fs, bool hold);
/* Ends the server: waiting calls fail. */
void stuck_fs_stop(struct stuck_fs *fs);

#endif /* TESTS_LIB_STUCK_FS_H */
