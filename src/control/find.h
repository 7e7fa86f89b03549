/* SPDX-License-Identifier: MIT
 * find.h - finding the control sockets of running daemons
 *
 * They are sockets named *.sock in /run/usbvfiod and $XDG_RUNTIME_DIR/usbvfiod. A daemon's
 * vfio-user socket may be there too: names like *.vfio.sock do not count.
 */
#ifndef CONTROL_FIND_H
#define CONTROL_FIND_H

#include <stddef.h>

#include "util/compiler.h"
#include "util/err.h"

#define CONTROL_FIND_MAX     64u
#define CONTROL_RUN_DIR      "/run/usbvfiod"
#define CONTROL_FIND_PATH    108u /* bytes of a socket's path, with its NUL */
#define CONTROL_FIND_FOLDERS 2u

/* Paths of sockets, sorted. */
struct control_sockets {
	size_t count;
	char paths[CONTROL_FIND_MAX][CONTROL_FIND_PATH];
};

/* The folders to search, NULL if there is none. Borrowed until the next call. */
void control_find_folders(const char *ret_folders[CONTROL_FIND_FOLDERS]);

/**
 * control_find_all() - find all sockets in @folders that a daemon listens on
 * @folders:	@nfolders of them; skips NULL and folders that do not exist
 *
 * At most CONTROL_FIND_MAX.
 */
void control_find_all(const char *const folders[], size_t nfolders,
		      struct control_sockets *ret_sockets);

/* The only socket. Return: 0; -ENOENT if there is none; -ENOTUNIQ, with their list in @err,
 * if there are several. */
MUST_USE int control_find_one(const struct control_sockets *sockets,
			      const char **ret_path, struct err *err);

#endif /* CONTROL_FIND_H */
