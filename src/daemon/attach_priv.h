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
 * over. Emulated devices go from HELD to PLUGGED. LEAVING: it is being given back, then
 * OUT. WAITING: like OPENING, but another attachment of the same device is to be OUT
 * before. What is OUT is swept away soon.
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
#include "daemon/vm.h"
#include "rules/hostdev.h"
#include "util/list.h"
#include "util/loop.h"
#include "util/worker.h"

enum attach_state {
	ATTACH_OUT,
	ATTACH_NODE,
	ATTACH_WAITING,
	ATTACH_OPENING,
	ATTACH_HELD,
	ATTACH_PLUGGED,
	ATTACH_AWAY,
	ATTACH_LEAVING,
};

/**
 * struct attachment - one --device or order
 * @id:		see struct attach_info
 * @option:	it is a --device
 * @text:	what the user wrote; owned
 * @rule:	see struct attach_order; "" if none
 * @done, @done_ctx: of its order, NULL when it has been called
 * @cancelled:	detached while it was being opened
 * @left, @left_ctx: of attach_detach()
 * @before:	while WAITING: the one that has to leave
 * @plugged:	while PLUGGED; the vm's
 * @label, @speed, @since, @vendor, @product: see struct attach_info
 * @careful:	rules/guard.h is asked before it is opened
 * @guard:	what it said
 * @hostdev, @hostdev_known: of its node, read by @worker
 * @shown:	the last that was told of it is that it is plugged in
 * @again:	while LEAVING: it is opened anew afterwards
 * @name:	for log lines; of an emulated device: what it is called, "" = as it says
 * @real:	@host describes it; else it is emulated. @host.fd: handed over open; while
 *		PLUGGED the device's own
 * @giver_uid:	who handed @host.fd over
 * @needs_file:	emulated, with a file
 * @file:	open between NODE and HELD
 * @file_fd:	what was handed over open for it, kept to open it again; -1: none
 * @path:	of the node to open
 * @worker:	while NODE: has @job, and what is in @path, @host.fd, @node, @file, @file_fd,
 *		@err, @hint
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
	unsigned id;
	bool option;
	char *text;
	char rule[ATTACH_RULE_BYTES];
	attach_done *done;
	void *done_ctx;
	bool cancelled;
	void (*left)(void *ctx);
	void *left_ctx;
	struct vm_unplug unplug;
	struct attachment *before;
	struct usbdev *plugged;
	char label[USBDEV_NAME_BYTES];
	const char *speed;
	time_t since;
	unsigned vendor;
	unsigned product;
	bool careful;
	int guard;
	bool hostdev_known;
	struct hostdev hostdev;
	bool shown;
	bool again;
	char name[ATTACH_NAME_BYTES];
	bool real;
	struct device_host host;
	uid_t giver_uid;
	bool needs_file;
	struct device_file file;
	int file_fd;
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
 * struct attach_kept - the device of a rule has gone from a port
 * @rule:	"": none
 * @place:	where on the host it was
 * @since:	counts
 */
struct attach_kept {
	char rule[ATTACH_RULE_BYTES];
	char place[UEVENT_PLACE_BYTES];
	uint64_t since;
};

/**
 * struct attach
 * @attachments: in the order added
 * @kept:	by port; see attach_ports.c
 * @last_since:	given
 * @uevents:	NULL: nobody tells us
 * @patience:	limits the time until settled
 * @tell:	deferred: settled or idle
 * @sweep:	deferred: frees those that are OUT
 * @last_id:	given
 * @awaited:	see attach_await()
 * @start_result: 0, or -errno of an emulated device of the start that cannot be made
 * @settled:	the start is over
 */
struct attach {
	struct attach_options options;
	struct list attachments;
	struct attach_kept kept[VM_PORT_MAX + 1];
	uint64_t last_since;
	struct uevents *uevents;
	struct loop_timer *patience;
	struct loop_task tell;
	struct loop_task sweep;
	unsigned last_id;
	bool awaited;
	int start_result;
	bool settled;
	bool stopping;
};

static inline struct attachment *attachment_of(struct list *node)
{
	return LIST_ENTRY(node, struct attachment, node_in_attach);
}

static inline bool attachment_is_opening(const struct attachment *at)
{
	return at->state == ATTACH_NODE || at->state == ATTACH_WAITING ||
	       at->state == ATTACH_OPENING;
}

/* attach.c: a new one at the end of the list; NULL without memory. */
struct attachment *attachment_add(struct attach *attach, const char *text);
/* attach_ports.c: which ports @at shall not have if there are others. Sets @at->port if it
 * was there before. */
void attachment_choose_port(struct attachment *at, struct vm_kept *ret_kept);
/* @at has gone, or got a port. */
void attachment_keep_port(const struct attachment *at);
void attachment_use_port(const struct attachment *at);
/* @dev, emulated or opened, waits for its port or gets it. */
void attachment_hold(struct attachment *at, struct usbdev *dev);
/* It is OUT: its order, if unanswered, has failed with @at->err. */
void attachment_end(struct attachment *at);
/* Gives @dev back, which is not plugged in; @at is LEAVING, then OUT. */
void attachment_give_back(struct attachment *at, struct usbdev *dev);
/* The device that is held, without its events. */
struct usbdev *attachment_let_go(struct attachment *at);
/* Something has come to an end: perhaps all has. */
void attach_check_all(struct attach *attach);
/* Has the kernel's news listened to, if it is not yet. */
void attach_listen(struct attach *attach);

/* attach_open.c: makes the device of @at, which is emulated, and holds it: later if it needs
 * a file. Return: 0, or -errno at once, in @at->err: then nothing has been told. */
MUST_USE int attachment_make(struct attachment *at);
/* Opens @at->path, or once more what was handed over, looks at what it is, and
 * what follows from that. */
void attachment_open(struct attachment *at);
/* Takes what @at->node has from the host's drivers, or waits until it can. */
void attachment_open_device(struct attachment *at);
/* Says @at->err and how to mend it. */
void attachment_log_failure(const struct attachment *at);
/* "--device " before what a user has written there, or "". */
const char *attachment_prefix(const struct attachment *at);

/* attach_order.c */
void attachment_tell(struct attachment *at, enum attach_event event,
		     const struct err *why);
/* @unplug of one that was PLUGGED. */
void attachment_unplugged(struct vm_unplug *unplug);
/* It has been given back: it is OUT, those that waited for it go on. */
void attachment_left(struct attachment *at);
/* Another attachment of the same device, or NULL. */
struct attachment *attachment_rival(const struct attachment *at);
/* Pulls it, whatever its state but LEAVING and OUT. */
void attachment_leave(struct attachment *at);

/* attach_return.c: @at was PLUGGED, and has gone. */
void attachment_gone(struct attachment *at);
/* Its node could not be opened (@at->result, @at->err, @at->hint), or not used. */
void attachment_not_back(struct attachment *at);
/* News of devices; NULL: some may have been lost. */
void attach_on_uevent(void *ctx, const struct uevent *event);

#endif /* DAEMON_ATTACH_PRIV_H */
