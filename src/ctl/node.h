/* SPDX-License-Identifier: MIT
 * node.h - open the nodes of the host's USB devices, to hand them over
 */
#ifndef CTL_NODE_H
#define CTL_NODE_H

#include <limits.h>
#include <stdbool.h>

#include "ctl/ctl.h"
#include "util/compiler.h"

/**
 * struct ctl_node - a SPEC for attach that names a device of the host
 * @is_node:	false = the SPEC is another kind: send the daemon its text
 * @path:	as given; empty = @fd_number is open already
 * @reset:	empty = none given
 * @force:	even if the guard refuses
 */
struct ctl_node {
	bool is_node;
	char path[PATH_MAX];
	char reset[32];
	bool force;
	int fd_number;
};

/* Parses a path, "host:path=PATH[,reset=RESET][,force]" or "host:fd=N[,...]". A backslash takes
 * the next character as it is. Return: CTL_STATUS_USAGE after a complaint. */
MUST_USE enum ctl_status ctl_node_parse(struct ctl_node *node, const char *spec);

/**
 * ctl_node_open() - open the real file at @path for reading and writing
 * @ret_bus, @ret_address: 0 = unknown
 *
 * Return: fd, owned by the caller, or -1 after a complaint.
 */
MUST_USE int ctl_node_open(const char *path, unsigned *ret_bus, unsigned *ret_address);

#endif /* CTL_NODE_H */
