/* SPDX-License-Identifier: MIT
 * find.h - where control sockets of running daemons are
 *
 * Looked for in /run/usbvfiod and $XDG_RUNTIME_DIR/usbvfiod: sockets named *.sock.
 * A daemon's vfio-user socket may lie there too: what is called *.vfio.sock is left out.
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

/* The folders to look into, NULL for one that there is not. Borrowed until the next call. */
void control_find_folders(const char *ret_folders[CONTROL_FIND_FOLDERS]);

/**
 * control_find_all() - all sockets in @folders somebody listens on
 * @folders:	@nfolders of them, NULL entries are skipped; those that are not there too
 *
 * At most CONTROL_FIND_MAX are found.
 */
void control_find_all(const char *const folders[], size_t nfolders,
		      struct control_sockets *ret_sockets);

/* The only socket there is. Return: 0; -ENOENT or -ENOTUNIQ (with their list in @err)
 * if there is none, or are several. */
MUST_USE int control_find_one(const struct control_sockets *sockets,
			      const char **ret_path, struct err *err);

#endif /* CONTROL_FIND_H */
