/* SPDX-License-Identifier: MIT
 * open.h - opens nodes of the host's devices, and files of emulated ones, on a worker
 */
#ifndef DAEMON_ATTACH_OPEN_H
#define DAEMON_ATTACH_OPEN_H

#include <limits.h>
#include <stdbool.h>

#include "daemon/attach/devices.h"
#include "daemon/attach/node.h"
#include "daemon/attach/order.h"
#include "rules/hostdev.h"
#include "util/compiler.h"
#include "util/err.h"
#include "util/worker.h"

struct loop;

/* A reason, and how to fix it: "" if not known. */
struct attach_failure {
	struct err err;
	char hint[NODE_HINT_BYTES];
};

/**
 * struct opening - an open of a node or file, on a worker; embedded in its owner
 * @on_done:	called once, on the loop, with @failure.err.code 0 or the reason
 * @wanted:	borrowed; the worker takes or closes its fd
 * @path:	of the node
 * @node:	given: fd of a node that was handed over and is known to be one, or -1. At the end:
 *		the node, its fd owned by the caller, -1 after a failure
 * @hostdev, @hostdev_known: sysfs' description of @node
 * @refusal:	why rules/guard.h refuses the device; code 0: it does not
 * @file:	of an emulated device, open after success; the caller's
 */
struct opening {
	void (*on_done)(struct opening *opening);
	struct wanted *wanted;
	struct worker *worker;
	struct worker_job job;
	char path[PATH_MAX];
	struct node node;
	bool hostdev_known;
	struct hostdev hostdev;
	struct err refusal;
	struct device_file file;
	struct attach_failure failure;
};

/* Opens @opening->path, or again the node that was handed over, and reads which device it
 * is. Return: 0, or -errno with the reason in @opening->failure: then there is no thread, and
 * @on_done will not be called. */
MUST_USE int opening_begin_node(struct opening *opening, struct loop *loop);
/* Opens the file of an emulated device. Return: as opening_begin_node(). */
MUST_USE int opening_begin_file(struct opening *opening, struct loop *loop);

#endif /* DAEMON_ATTACH_OPEN_H */
