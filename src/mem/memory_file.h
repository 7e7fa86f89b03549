/* SPDX-License-Identifier: MIT
 * memory_file.h - which files a monitor may hand over as guest memory
 *
 * The loop thread touches guest memory. A page of a file comes from its file system, and one that
 * the monitor serves itself (FUSE, a network file system) may never answer. So we accept memfd and
 * files of tmpfs and hugetlbfs, which the kernel identifies (util/fd_kind.h), and files of the file
 * systems on a list. We read the file system of a file from /proc, because fstatfs() would ask the
 * file system itself.
 * Decision 14 (docs/decisions/014-which-descriptors-may-be-memory.md).
 */
#ifndef MEM_MEMORY_FILE_H
#define MEM_MEMORY_FILE_H

#include "util/compiler.h"
#include "util/err.h"

/* Local file systems that an unprivileged user cannot mount. */
#define MEMORY_FILE_SYSTEMS "bcachefs,btrfs,ext2,ext3,ext4,f2fs,xfs,zfs"

/**
 * memory_file_check() - whether the loop may map, touch and close @fd
 * @file_systems:	names as in /proc/filesystems, separated by commas; "fuse" includes
 *			"fuse.NAME". "any": all
 *
 * Asks no file system. Return: 0, or -EPERM with the reason in @err.
 */
MUST_USE int memory_file_check(int fd, const char *file_systems, struct err *err);

#endif /* MEM_MEMORY_FILE_H */
