/* SPDX-License-Identifier: MIT
 * safe_path.h - files opened by name where other users can put things, too
 *
 * In a folder that others may write to, a name can be a link of theirs to a file of ours, or
 * a file of theirs that waits for what we write. So what lies at the name counts only if it
 * belongs to us (the effective user), to root, or to the owner of its folder: links on the
 * way are followed by that rule one by one. fs.protected_symlinks and its kin of the kernel
 * do alike, but only in sticky folders, and not everywhere. Folders on the way are as they
 * are: who can write to those can do anything.
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
 * struct safe_path - a name that has been looked at
 * @folder:	what @name is in (O_PATH); owned, see safe_path_finish()
 * @exists:	something is there: @st tells what. Never a link, but in procfs
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
 * safe_path_find() - look at what is at @path, all links followed
 * @anyone:	it may belong to anyone, but for links
 * @sp:		filled, with any result: for safe_path_finish()
 *
 * Return: 0, or -errno with the reason in @err: -ENOENT its folder is not there, -EPERM
 * another user has put something there.
 */
MUST_USE int safe_path_find(struct safe_path *sp, const char *path, bool anyone,
			    struct err *err);

/**
 * safe_path_open() - open what safe_path_find() has seen, and nothing else
 * @flags:	as open(2); O_CLOEXEC, O_NOCTTY and O_NONBLOCK are added. Not O_TRUNC: the
 *		caller has not decided yet. With O_CREAT it is made if nothing was there
 *
 * Return: fd, owned, or -errno (in errno too): -EAGAIN something else has come there.
 */
MUST_USE int safe_path_open(struct safe_path *sp, int flags, mode_t mode);

void safe_path_finish(struct safe_path *sp);

#endif /* UTIL_SAFE_PATH_H */
