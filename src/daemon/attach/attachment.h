/* SPDX-License-Identifier: MIT
 * attachment.h - one --device or order, and the states on its way into the controller and out
 *
 * attachment.c has the drawing of the states.
 */
#ifndef DAEMON_ATTACH_ATTACHMENT_H
#define DAEMON_ATTACH_ATTACHMENT_H

#include <stdbool.h>
#include <time.h>

#include "daemon/attach/away.h"
#include "daemon/attach/info.h"
#include "daemon/attach/node.h"
#include "daemon/attach/open.h"
#include "daemon/attach/order.h"
#include "daemon/attach/ports.h"
#include "daemon/vm.h"
#include "rules/hostdev.h"
#include "util/list.h"
#include "util/loop.h"

enum attach_state {
	ATTACH_STATE_NEW,
	ATTACH_STATE_NODE,
	ATTACH_STATE_WAITING,
	ATTACH_STATE_OPENING,
	ATTACH_STATE_HELD,
	ATTACH_STATE_PLUGGED,
	ATTACH_STATE_AWAY,
	ATTACH_STATE_LEAVING,
	ATTACH_STATE_OUT,
};

/* Where an attachment is going. */
enum attach_goal {
	ATTACH_GOAL_PLUGGED,
	ATTACH_GOAL_OUT, /* detached, pulled or stopped: for good */
};

enum attach_phase {
	ATTACH_PHASE_NEW,
	ATTACH_PHASE_STARTING, /* devices are held, to get their ports in order */
	ATTACH_PHASE_RUNNING,
	ATTACH_PHASE_STOPPING, /* callbacks of orders and events have ended */
	ATTACH_PHASE_IDLE,     /* all have been released */
};

/**
 * struct attachments - data that all attachments share
 * @list:	in the order added
 * @changed:	deferred when an attachment changes its state
 * @hears_kernel: reports of the kernel come in (attachment_hear())
 * @start_result: 0, or -errno of an emulated device of the start that cannot be made
 */
struct attachments {
	struct loop *loop;
	struct vm *vm;
	void (*event)(void *ctx, enum attach_event event, const struct attach_info *info);
	void *ctx;
	struct list list;
	struct loop_task changed;
	enum attach_phase phase;
	bool hears_kernel;
	int start_result;
	struct port_reserves reserves;
};

/* A device's description of itself, see struct attach_info. */
struct attach_facts {
	char label[USBDEV_NAME_BYTES];
	const char *speed;
	unsigned vendor;
	unsigned product;
	bool hostdev_known;
	struct hostdev hostdev;
};

/**
 * struct attachment
 * @goal:	OUT: when the step under way ends, the device is released
 * @wanted:	the --device or order; @name follows a device that comes back
 * @opening:	NODE: the worker's
 * @node:	the last that was opened; fd: owned in WAITING; also in LEAVING if a device that was
 *		handed over open is being reset
 * @rival:	WAITING: the one that has to leave
 * @dev:	HELD: ours; PLUGGED: the vm's; else NULL
 * @dev_fd:	PLUGGED, if the device was handed over open: its own descriptor
 * @port:	PLUGGED: where; afterwards the one to come back to
 * @since:	PLUGGED: see struct attach_info
 * @unplug:	LEAVING the vm
 * @away:	AWAY, and until it is PLUGGED again
 * @returning:	it has been AWAY, and has not been reset since
 * @announced:	the last event said that it is plugged in
 * @order:	answered once: when it is PLUGGED or OUT
 * @detach:	called when it is OUT
 * @failure:	why it is not PLUGGED
 */
struct attachment {
	struct list node_in_list;
	struct attachments *all;
	unsigned id;
	enum attach_state state;
	enum attach_goal goal;
	struct wanted wanted;
	struct opening opening;
	struct node node;
	struct attach_facts facts;
	struct attachment *rival;
	struct usbdev *dev;
	int dev_fd;
	unsigned port;
	time_t since;
	struct vm_unplug unplug;
	struct away away;
	bool returning;
	bool announced;
	struct {
		attach_done *done;
		void *ctx;
	} order;
	struct {
		void (*done)(void *ctx);
		void *ctx;
	} detach;
	struct attach_failure failure;
};

static inline struct attachment *attachment_of(struct list *node)
{
	return LIST_ENTRY(node, struct attachment, node_in_list);
}

/* A new one at the end of the list, which takes @wanted; or NULL without memory: then
 * @wanted is still the caller's. */
struct attachment *attachment_create(struct attachments *all, unsigned id,
				     const struct wanted *wanted);
/* NEW or OUT. */
void attachment_free(struct attachment *at);

/* The only function that changes @at->state. Ends what belongs to the old state, logs the step and
 * defers @all->changed. */
void attachment_enter(struct attachment *at, enum attach_state state);
/* Enters OUT: @at has no device any more. Its order, if not answered yet, fails with
 * @at->failure. */
void attachment_finish(struct attachment *at);
/* Answers the order of @at, unless that was done. @port 0: the order fails with @at->failure. */
void attachment_answer(struct attachment *at, unsigned port);
/* Reports @event. @why: NULL unless the event has a reason. */
void attachment_notify(struct attachment *at, enum attach_event event,
		       const struct err *why);
/* Fills @at->failure, without a hint; logs it. */
void attachment_fail(struct attachment *at, int code, const char *text);
void attachment_log_failure(const struct attachment *at);

struct attach_info attachment_describe(const struct attachment *at);
/* On its way in, plugged in, away or leaving. */
bool attachment_is_there(const struct attachment *at);
/* On its way to HELD. */
bool attachment_is_opening(const struct attachment *at);
/* "--device " before the text of a --device, or "". */
const char *attachment_prefix(const struct attachment *at);

/* The start is not over: devices stay HELD. */
bool attachments_are_starting(const struct attachments *all);
/* Callbacks of orders and events have ended. */
bool attachments_are_stopping(const struct attachments *all);

#endif /* DAEMON_ATTACH_ATTACHMENT_H */
