/* SPDX-License-Identifier: MIT
 * safe_path.h - open files by name in folders that other users can write to
 *
 * In such a folder, a name can be another user's link to a file of ours, or another user's file
 * that waits for what we write. So a file or link counts only if it belongs to us (the effective
 * user), to root, or to the owner of its folder; links are followed one by one by that rule. The
 * kernel's fs.protected_symlinks and its relatives do the same, but only in sticky folders, and
 * not everywhere. The folders on the way are not checked: a user who can write to them can do
 * anything.
 *
 * The calls may wait for a file system: not for the loop thread.
 */
#ifndef UTIL_SAFE_PATH_H
#define UTIL_SAFE_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "util/compiler.h"
#include "util/err.h"

/**
 * struct safe_path - what safe_path_find() found at a name
 * @folder:	what @name is in (O_PATH); owned, see safe_path_finish()
 * @exists:	there is something, described by @st: never a link, except in procfs
 * @by_kernel:	a link in procfs, which only the kernel can follow; @st is its target's
 */
struct safe_path {
	int folder;
	char name[NAME_MAX + 1];
	bool exists;
	bool by_kernel;
	struct stat st;
};

/**
 * safe_path_find() - look at the file at @path, following all links
 * @anyone:	the file may belong to any user; links still may not
 * @sp:		filled, with any result: for safe_path_finish()
 *
 * Return: 0, or -errno with the reason in @err: -ENOENT there is no such folder, -EPERM it
 * belongs to another user.
 */
MUST_USE int safe_path_find(struct safe_path *sp, const char *path, bool anyone,
			    struct err *err);

/**
 * safe_path_open() - open exactly the file that safe_path_find() found
 * @flags:	as open(2); O_CLOEXEC, O_NOCTTY and O_NONBLOCK are added. Not O_TRUNC: the
 *		caller has not decided yet. O_CREAT makes the file if there was none
 *
 * Return: fd, owned, or -errno (in errno too): -EAGAIN there is another file now.
 */
MUST_USE int safe_path_open(struct safe_path *sp, int flags, mode_t mode);

void safe_path_finish(struct safe_path *sp);

#endif /* UTIL_SAFE_PATH_H */
