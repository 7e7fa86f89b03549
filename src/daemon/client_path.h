/* SPDX-License-Identifier: MIT
 * client_path.h - paths that clients of the control socket name
 */
#ifndef DAEMON_CLIENT_PATH_H
#define DAEMON_CLIENT_PATH_H

#include "util/compiler.h"
#include "util/err.h"

/* A client's relative path would mean a file in our folder, not in the client's.
 * Return: 0 for an absolute path, else -EINVAL with the reason in @err. */
MUST_USE int client_path_check(const char *path, struct err *err);

#endif /* DAEMON_CLIENT_PATH_H */
