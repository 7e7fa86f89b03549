/* SPDX-License-Identifier: MIT
 * node.h - device nodes of usbfs, and where on the host's buses their devices sit
 */
#ifndef DAEMON_ATTACH_NODE_H
#define DAEMON_ATTACH_NODE_H

#include "rules/uevent.h"
#include "util/compiler.h"
#include "util/err.h"

/* "/dev/bus/usb/001/002" */
#define NODE_PATH_BYTES 32u
#define NODE_HINT_BYTES 512u

/**
 * struct node - an open node
 * @fd:		open for reading and writing, close-on-exec
 * @bus, @number: as in /dev/bus/usb/BBB/DDD
 * @place:	see struct uevent; empty if there is no sysfs
 */
struct node {
	int fd;
	unsigned bus;
	unsigned number;
	char place[UEVENT_PLACE_BYTES];
};

/**
 * node_open() - open a node by its path or a symlink to it
 * @ret_node:	fd owned by the caller
 * @err:	why not
 * @ret_hint:	how to fix it; empty if not known
 *
 * May wait, e.g. while the device is being reset: not for the loop thread.
 * Return: 0 or -errno; -EINVAL if it is no node of usbfs.
 */
MUST_USE int node_open(const char *path, struct node *ret_node, struct err *err,
		       char ret_hint[NODE_HINT_BYTES]);

/* The node that was opened as @fd; makes it close-on-exec. Does not wait.
 * Return: 0, or -errno with the reason in @err: then @fd is as it was. */
MUST_USE int node_adopt(int fd, struct node *ret_node, struct err *err);

/**
 * node_reopen() - open @node again, so that only we have it
 * @node:	what node_adopt() found; its fd is closed and another takes its place
 *
 * All who have a descriptor of an open usbfs file share one queue of transfers. The submitter of
 * a transfer chooses the address of its results, but the kernel writes them into the memory of
 * the process that reaps it. So a giver who keeps a copy of the descriptor could write into our
 * memory.
 * May wait: not for the loop thread. Return: 0, or -errno: @node is as it was.
 */
MUST_USE int node_reopen(struct node *node);

/* Makes another descriptor of @node from @fd (borrowed), which is open: into @node->fd,
 * owned by the caller. Return: 0, or -errno with the reason in @err. */
MUST_USE int node_copy(struct node *node, int fd, struct err *err);

/* Which device sits at @place now. Does not wait. Return: 0, or -ENOENT. */
MUST_USE int node_at(const char *place, unsigned *ret_bus, unsigned *ret_number);

/* The path of a device's node. */
void node_path(unsigned bus, unsigned number, char ret_path[NODE_PATH_BYTES]);

#endif /* DAEMON_ATTACH_NODE_H */
