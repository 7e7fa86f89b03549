/* SPDX-License-Identifier: MIT
 * fd_kind.h - find out what a received descriptor is, asking only the kernel
 *
 * fstat(), fstatfs(), mmap() and close() of a file may ask the file's server (FUSE, a network
 * file system). That server may be the very party that sent the descriptor, and never answer.
 * This file asks no file system: it uses F_GET_SEALS, which the kernel answers for its own memory
 * files and refuses for others, and the descriptor's name in /proc.
 */
#ifndef UTIL_FD_KIND_H
#define UTIL_FD_KIND_H

#include <sys/types.h>

/**
 * enum fd_kind
 * @FD_KIND_MEMORY:	memfd, or a file of tmpfs or hugetlbfs: safe to fstat(), map and touch.
 *			Closing its last descriptor frees the memory, which takes long for a
 *			large file
 * @FD_KIND_EVENTFD:	safe, also to close
 * @FD_KIND_FILE:	anything with a path; may be unsafe
 * @FD_KIND_OTHER:	a socket, a pipe...; or there is no /proc to ask
 */
enum fd_kind {
	FD_KIND_MEMORY,
	FD_KIND_EVENTFD,
	FD_KIND_FILE,
	FD_KIND_OTHER,
};

/* Never waits. System calls: fcntl(F_GET_SEALS), readlink. Any thread. */
enum fd_kind fd_kind(int fd);

/* "a FIFO", "a block device"... */
const char *file_kind_name(mode_t mode);

#endif /* UTIL_FD_KIND_H */
