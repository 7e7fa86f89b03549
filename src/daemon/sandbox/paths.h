/* SPDX-License-Identifier: MIT
 * paths.h - makes and opens the named paths, by a process that may be left behind
 */
#ifndef DAEMON_SANDBOX_PATHS_H
#define DAEMON_SANDBOX_PATHS_H

#include <stdbool.h>

#include "util/compiler.h"

/**
 * struct sandbox_path - a path that the command line or a feature named
 * @resolved:	the path with all links followed, "" if not known; NULL until it was opened
 * @access:	SANDBOX_READ...; 0: only to be made
 * @make, @made: see sandbox_make()
 * @fd:		the path, by O_PATH; -1: not there, or its file system did not answer in time
 * @is_open:	the open succeeded, so Landlock allows its use
 * @is_silent:	left out, since its file system does not answer
 * @of_others:	only CAP_DAC_OVERRIDE gives us the wanted access
 */
struct sandbox_path {
	char *path;
	char *resolved;
	unsigned access;
	bool (*make)(const char *path);
	void (*made)(const char *path);
	int fd;
	bool is_open;
	bool is_silent;
	bool is_folder;
	bool of_others;
};

/* Makes and opens @paths in this order. Leaves out a path whose file system does not answer in
 * time, see @is_silent. Before the first thread, with SIGTERM and SIGINT blocked. Return: 0 or
 * -errno: -ECANCELED one of these has come. */
MUST_USE int sandbox_paths_open(struct sandbox_path *paths, unsigned count);

#endif /* DAEMON_SANDBOX_PATHS_H */
