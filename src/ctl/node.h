/* SPDX-License-Identifier: MIT
 * node.h - the nodes of the host's USB devices, opened here to be handed over
 */
#ifndef CTL_NODE_H
#define CTL_NODE_H

#include <limits.h>
#include <stdbool.h>

#include "ctl/ctl.h"
#include "util/compiler.h"

/**
 * struct ctl_node - what a SPEC for attach says of a device of the host
 * @is_node:	false = the SPEC is another kind: the daemon is sent its text
 * @path:	as given; empty = @fd_number is open already
 * @reset:	empty = not said
 * @force:	also if the host would miss it
 */
struct ctl_node {
	bool is_node;
	char path[PATH_MAX];
	char reset[32];
	bool force;
	int fd_number;
};

/* A path, "host:path=PATH[,reset=RESET][,force]" or "host:fd=N[,...]" into @node. A backslash takes
 * the next character as it is. Return: CTL_STATUS_USAGE if it is wrong, which has been said. */
MUST_USE enum ctl_status ctl_node_parse(struct ctl_node *node, const char *spec);

/**
 * ctl_node_open() - open the real file at @path for reading and writing
 * @ret_bus, @ret_address: 0 = cannot be told
 *
 * Return: fd, owned by the caller, or -1, the reason having been said.
 */
MUST_USE int ctl_node_open(const char *path, unsigned *ret_bus, unsigned *ret_address);

#endif /* CTL_NODE_H */
