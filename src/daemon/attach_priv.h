/* SPDX-License-Identifier: MIT
 * attach_priv.h - shared by the files of attach
 *
 * The way of a real device:
 *
 *	NODE -> OPENING -> HELD -> PLUGGED -> AWAY -> NODE ...
 *
 * NODE: its node is being opened by a worker, since that may wait for a device that
 * is being reset or probed. OPENING: host_open() has the fd. HELD: it is there and
 * waits, at the start, for those that were named before it. AWAY: it has gone; if
 * within a time limit a device appears at the same place, that one is opened: as far
 * as the guest is concerned a firmware loader or a reset that changes descriptors is
 * a disconnect and a connect. Whatever fails ends in OUT, from AWAY when the time is
 * over. Emulated devices go from HELD to PLUGGED.
 *
 * Where a device sits is asked of sysfs once when its node is opened; that it comes
 * back is told by the kernel, or seen in sysfs if it was there again before we
 * noticed that it had gone.
 */
#ifndef DAEMON_ATTACH_PRIV_H
#define DAEMON_ATTACH_PRIV_H

#include <stdint.h>

#include "daemon/attach.h"
#include "daemon/devices.h"
#include "daemon/node.h"
#include "util/list.h"
#include "util/loop.h"
#include "util/worker.h"

#define ATTACH_NAME_BYTES 64u

enum attach_state {
	ATTACH_OUT,
	ATTACH_NODE,
	ATTACH_OPENING,
	ATTACH_HELD,
	ATTACH_PLUGGED,
	ATTACH_AWAY,
};

/**
 * struct attachment - one --device
 * @text:	what the user wrote
 * @name:	for log lines
 * @real:	@host describes it; else it is emulated
 * @path:	of the node to open
 * @worker:	while NODE: has @job, and what is in @path, @node, @err, @hint
 * @result:	of @job
 * @node:	fd: owned between NODE and OPENING; the rest is kept
 * @dev:	while HELD
 * @port:	while PLUGGED; afterwards the one to come back to
 * @returning:	it was plugged in before
 * @seen_bus, @seen_number: the last device known at its place
 * @appeared:	while AWAY: that one is new, but its node cannot be opened yet
 * @until_ns:	while AWAY: when to give it up
 * @timer:	while AWAY; NULL until it is needed
 */
struct attachment {
	struct list node_in_attach;
	struct attach *attach;
	enum attach_state state;
	const char *text;
	char name[ATTACH_NAME_BYTES];
	bool real;
	struct device_host host;
	char path[PATH_MAX];
	struct worker *worker;
	struct worker_job job;
	int result;
	struct node node;
	struct err err;
	char hint[NODE_HINT_BYTES];
	struct usbdev *dev;
	unsigned port;
	bool returning;
	unsigned seen_bus;
	unsigned seen_number;
	bool appeared;
	uint64_t until_ns;
	struct loop_timer *timer;
};

/**
 * struct attach
 * @attachments: in the order added
 * @uevents:	NULL: nobody tells us
 * @patience:	limits the time until settled
 * @tell:	deferred: settled or idle
 * @destroying:	devices that were not plugged in, and are being given back
 * @settled:	the start is over
 */
struct attach {
	struct attach_options options;
	struct list attachments;
	struct uevents *uevents;
	struct loop_timer *patience;
	struct loop_task tell;
	unsigned destroying;
	bool settled;
	bool stopping;
};

/* attach.c: opens @at->path and what follows from that. */
void attachment_open(struct attachment *at);
/* attach_return.c: @at was PLUGGED, and has gone. */
void attachment_gone(struct attachment *at);
/* Its node could not be opened (@at->result, @at->err, @at->hint), or not used. */
void attachment_not_back(struct attachment *at);
/* News of devices; NULL: some may have been lost. */
void attach_on_uevent(void *ctx, const struct uevent *event);

#endif /* DAEMON_ATTACH_PRIV_H */
