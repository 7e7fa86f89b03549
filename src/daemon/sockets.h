/* SPDX-License-Identifier: MIT
 * sockets.h - the listening sockets at the paths of the command line
 */
#ifndef DAEMON_SOCKETS_H
#define DAEMON_SOCKETS_H

#include <stdbool.h>

#include "util/compiler.h"

struct options;

/**
 * struct socket_file - one of them
 * @path:	NULL: there is none, or it was removed
 * @is_taken:	a server owns @fd
 */
struct socket_file {
	const char *path;
	int fd;
	bool is_taken;
};

/* All zero at first: there is none. */
struct sockets {
	struct socket_file vmm;
	struct socket_file control;
};

/* Makes those that @options (borrowed for ever) names. Return: 0, or -errno, logged. */
MUST_USE int sockets_listen(struct sockets *sockets, const struct options *options);
/* Gives the files to the user that --user names: that user and root can connect, as the modes
 * say. Return: 0, or -errno, logged. */
MUST_USE int sockets_give(struct sockets *sockets, const struct options *options);
/* The descriptor of @file, for a server, which owns it from now on. */
int sockets_take(struct socket_file *file);
/* No new clients: removes the files, and closes the sockets that no server has taken. Logs a file
 * that cannot be removed. Fine at any time. */
void sockets_remove(struct sockets *sockets);

#endif /* DAEMON_SOCKETS_H */
