/* SPDX-License-Identifier: MIT
 * memory_file.h - which files a monitor may hand over as guest memory
 *
 * We touch guest memory in the loop's thread. A page of a file comes from its file system,
 * and one that the monitor serves itself (FUSE, a network file system) need not answer, ever.
 * So only what is known is taken: memfd and files of tmpfs and hugetlbfs, which the kernel
 * names itself (util/fd_kind.h), and files of file systems on a list. Which file system a
 * file is of is read in /proc, as fstatfs() would ask it.
 * Decision 14 (docs/decisions/014-which-descriptors-may-be-memory.md).
 */
#ifndef MEM_MEMORY_FILE_H
#define MEM_MEMORY_FILE_H

#include "util/compiler.h"
#include "util/err.h"

/* Local ones, which an unprivileged user cannot mount. */
#define MEMORY_FILE_SYSTEMS "bcachefs,btrfs,ext2,ext3,ext4,f2fs,xfs,zfs"

/**
 * memory_file_check() - may @fd be mapped, touched and closed in the loop?
 * @file_systems:	names as in /proc/filesystems, with commas between; "fuse" stands
 *			for "fuse.NAME" too. "any": whatever it is
 *
 * Asks no file system. Return: 0, or -EPERM with the reason in @err.
 */
MUST_USE int memory_file_check(int fd, const char *file_systems, struct err *err);

#endif /* MEM_MEMORY_FILE_H */
