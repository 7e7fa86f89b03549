/* SPDX-License-Identifier: MIT
 * fd_kind.h - what a descriptor of somebody else is, asking the kernel only; names of kinds
 *
 * fstat(), fstatfs(), mmap() and close() of a file may ask the file's server (FUSE, a
 * network file system), who may be the very one that sent it, and never answers. What is
 * called here asks no file system: F_GET_SEALS, which the kernel answers for its own
 * memory files and refuses for others, and the name of a descriptor in /proc.
 */
#ifndef UTIL_FD_KIND_H
#define UTIL_FD_KIND_H

#include <sys/types.h>

/**
 * enum fd_kind
 * @FD_KIND_MEMORY:	memfd, a file of tmpfs or hugetlbfs: may be fstat()ed, mapped and
 *			touched. Closing the last descriptor of one frees its memory, which
 *			takes long if that is large
 * @FD_KIND_EVENTFD:	likewise harmless, close() too
 * @FD_KIND_FILE:	something with a path; nothing is known of it
 * @FD_KIND_OTHER:	a socket, pipe, whatever; or no /proc to ask
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
