/* SPDX-License-Identifier: MIT
 * attach.c - the start, orders, the end
 */
#include "daemon/attach/attach.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/attach/attachment.h"
#include "daemon/attach/node.h"
#include "daemon/attach/steps.h"
#include "util/closer.h"
#include "util/log.h"

/* How long the start waits for devices. */
#define START_MAX_NS UINT64_C(5000000000)

/**
 * struct attach
 * @uevents:	NULL: the kernel's reports do not come in
 * @patience:	limits the time of the start
 * @last_id:	the last that was given
 * @awaited:	see attach_await()
 */
struct attach {
	struct attach_options options;
	struct attachments all;
	struct uevents *uevents;
	struct loop_timer *patience;
	unsigned last_id;
	bool awaited;
};

static struct attachment *find(const struct attach *attach, unsigned id)
{
	struct list *pos;

	LIST_FOREACH(pos, &attach->all.list) {
		if (attachment_of(pos)->id == id &&
		    attachment_is_there(attachment_of(pos)))
			return attachment_of(pos);
	}
	return NULL;
}

static void sweep(struct attach *attach)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &attach->all.list) {
		if (attachment_of(pos)->state == ATTACH_STATE_OUT)
			attachment_free(attachment_of(pos));
	}
}

/* --- the start --- */

static bool start_is_over(const struct attach *attach)
{
	struct list *pos;

	if (attach->all.start_result < 0)
		return true;
	if (attach->awaited)
		return false;
	LIST_FOREACH(pos, &attach->all.list) {
		if (attachment_is_opening(attachment_of(pos)))
			return false;
	}
	return true;
}

/* Gives all held devices their ports, in order. */
static void settle(struct attach *attach)
{
	struct list *pos, *tmp;
	int result = attach->all.start_result;

	attach->all.phase = ATTACH_PHASE_RUNNING;
	loop_timer_stop(attach->patience);
	if (result < 0) {
		attach->options.settled(attach->options.ctx, result);
		return;
	}
	LIST_FOREACH_SAFE(pos, tmp, &attach->all.list) {
		struct attachment *at = attachment_of(pos);
		int r = at->state == ATTACH_STATE_HELD ? attachment_plug(at) : 0;

		if (r < 0 && !wanted_is_host(&at->wanted))
			result = r;
	}
	attach->options.settled(attach->options.ctx, result);
}

static void on_changed(void *ctx)
{
	struct attach *attach = ctx;

	sweep(attach);
	if (attach->all.phase == ATTACH_PHASE_STARTING && start_is_over(attach)) {
		settle(attach);
	} else if (attach->all.phase == ATTACH_PHASE_STOPPING && attach_is_idle(attach)) {
		attach->all.phase = ATTACH_PHASE_IDLE;
		attach->options.idle(attach->options.ctx);
	}
}

static void on_patience_over(void *ctx)
{
	struct attach *attach = ctx;
	struct list *pos;

	LIST_FOREACH(pos, &attach->all.list) {
		const struct attachment *at = attachment_of(pos);

		if (attachment_is_opening(at))
			log_warn("%s%s: still not there; it will be plugged in when it "
				 "is",
				 attachment_prefix(at), at->wanted.text);
	}
	settle(attach);
}

struct attach *attach_create(void)
{
	struct attach *attach = calloc(1, sizeof(*attach));

	if (!attach)
		return NULL;
	list_init(&attach->all.list);
	attach->all.changed = (struct loop_task){.cb = on_changed, .ctx = attach};
	return attach;
}

void attach_destroy(struct attach *attach)
{
	struct list *pos, *tmp;

	if (!attach)
		return;
	assert(attach_is_idle(attach));
	LIST_FOREACH_SAFE(pos, tmp, &attach->all.list)
		attachment_free(attachment_of(pos));
	uevents_destroy(attach->uevents);
	loop_timer_destroy(attach->patience);
	if (attach->all.loop)
		loop_undefer(attach->all.loop, &attach->all.changed);
	free(attach);
}

/* Takes an inherited fd, or leaves it alone if it is no node. */
static void adopt(struct attachment *at)
{
	struct err err = {0};

	if (node_adopt(at->wanted.fd, &at->node, &err) < 0)
		log_error("--device %s: %s", at->wanted.text, err.text);
	at->wanted.fd = -1;
}

int attach_add(struct attach *attach, const char *text)
{
	struct wanted wanted;
	struct attachment *at;
	int r = wanted_from_option(text, &wanted);

	if (r < 0)
		return r;
	at = attachment_create(&attach->all, ++attach->last_id, &wanted);
	if (!at) {
		wanted.fd = -1;
		wanted_finish(&wanted);
		return -ENOMEM;
	}
	if (wanted.kind == ATTACH_KIND_FD)
		adopt(at);
	return 0;
}

static void on_uevent(void *ctx, const struct uevent *event)
{
	struct attach *attach = ctx;
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &attach->all.list)
		attachment_hear(attachment_of(pos), event);
}

/* Before a device is opened, so that no report is missed. */
static void hear_kernel(struct attach *attach)
{
	if (!attach->uevents)
		attach->uevents = uevents_create(attach->all.loop, on_uevent, attach);
	attach->all.hears_kernel = attach->uevents != NULL;
}

static int start_one(struct attach *attach, struct attachment *at)
{
	int r;

	/* adopt() has logged why */
	if (at->wanted.kind == ATTACH_KIND_FD && at->node.fd < 0)
		return 0;
	if (at->wanted.kind == ATTACH_KIND_NODE)
		hear_kernel(attach);
	r = attachment_start(at);
	if (r < 0)
		log_error("--device %s: %s", at->wanted.text, at->failure.err.text);
	return r;
}

int attach_start(struct attach *attach, const struct attach_options *options)
{
	struct list *pos, *tmp;

	attach->options = *options;
	attach->all.loop = options->loop;
	attach->all.vm = options->vm;
	attach->all.event = options->event;
	attach->all.ctx = options->ctx;
	attach->patience = loop_timer_create(options->loop, on_patience_over, attach);
	if (!attach->patience) {
		log_error("not enough memory");
		return -ENOMEM;
	}
	LIST_FOREACH_SAFE(pos, tmp, &attach->all.list) {
		int r = start_one(attach, attachment_of(pos));

		if (r < 0)
			return r;
	}
	attach->all.phase = ATTACH_PHASE_STARTING;
	loop_timer_set(attach->patience, START_MAX_NS);
	loop_defer(attach->all.loop, &attach->all.changed);
	return 0;
}

void attach_await(struct attach *attach, bool awaited)
{
	attach->awaited = awaited;
	if (!awaited && attach->all.loop)
		loop_defer(attach->all.loop, &attach->all.changed);
}

/* --- orders --- */

static unsigned count_all(const struct attach *attach)
{
	struct list *pos;
	unsigned count = 0;

	LIST_FOREACH(pos, &attach->all.list)
		count += attachment_is_there(attachment_of(pos));
	return count;
}

/* Return: NULL with the reason in @err: then the descriptors are still the caller's. */
static struct attachment *add(struct attach *attach, const struct attach_order *order,
			      struct err *err)
{
	struct wanted wanted;
	struct attachment *at;

	if (attachments_are_stopping(&attach->all)) {
		(void)err_set(err, ESHUTDOWN, "usbvfiod is stopping");
		return NULL;
	}
	if (count_all(attach) >= ATTACH_MAX) {
		(void)err_set(err, ENOSPC, "more than %u devices", ATTACH_MAX);
		return NULL;
	}
	if (wanted_from_order(order, &wanted, err) < 0)
		return NULL;
	at = attachment_create(&attach->all, ++attach->last_id, &wanted);
	if (!at) {
		wanted.fd = -1;
		wanted_finish(&wanted);
		(void)err_set(err, ENOMEM, "not enough memory");
	}
	return at;
}

int attach_order(struct attach *attach, const struct attach_order *order, struct err *err)
{
	struct attachment *at;

	assert(attach->all.loop);
	at = add(attach, order, err);
	if (!at) {
		int fd = order->fd;

		closer_close(&fd);
		return -err->code;
	}
	at->order.done = order->done;
	at->order.ctx = order->ctx;
	if (wanted_is_host(&at->wanted))
		hear_kernel(attach);
	if (attachment_start(at) < 0) {
		*err = at->failure.err;
		return -err->code;
	}
	return (int)at->id;
}

int attach_detach(struct attach *attach, unsigned id, void (*done)(void *ctx), void *ctx)
{
	struct attachment *at = find(attach, id);

	if (attachments_are_stopping(&attach->all))
		return -ESHUTDOWN;
	return at ? attachment_detach(at, done, ctx) : -ENOENT;
}

int attach_reset(struct attach *attach, unsigned id, attach_done *done, void *ctx,
		 struct err *err)
{
	struct attachment *at = find(attach, id);

	return at ? attachment_reset(at, done, ctx, err)
		  : err_set(err, ENOENT, "there is no such device");
}

void attach_gone(struct attach *attach, unsigned port)
{
	struct list *pos;

	LIST_FOREACH(pos, &attach->all.list) {
		struct attachment *at = attachment_of(pos);

		if (at->state == ATTACH_STATE_PLUGGED && at->port == port) {
			attachment_lost(at);
			return;
		}
	}
}

void attach_each(const struct attach *attach,
		 void (*each)(void *ctx, const struct attach_info *info), void *ctx)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &attach->all.list) {
		struct attach_info info = attachment_describe(attachment_of(pos));

		if (attachment_is_there(attachment_of(pos)))
			each(ctx, &info);
	}
}

unsigned attach_count(const struct attach *attach)
{
	struct list *pos;
	unsigned count = 0;

	LIST_FOREACH(pos, &attach->all.list)
		count += attachment_of(pos)->state == ATTACH_STATE_PLUGGED;
	return count;
}

/* --- the end --- */

void attach_stop(struct attach *attach)
{
	struct list *pos, *tmp;

	attach->all.phase = ATTACH_PHASE_STOPPING;
	uevents_destroy(attach->uevents);
	attach->uevents = NULL;
	attach->all.hears_kernel = false;
	if (attach->patience)
		loop_timer_stop(attach->patience);
	LIST_FOREACH_SAFE(pos, tmp, &attach->all.list)
		attachment_stop(attachment_of(pos));
	if (attach->all.loop)
		loop_defer(attach->all.loop, &attach->all.changed);
}

bool attach_is_idle(const struct attach *attach)
{
	struct list *pos;

	LIST_FOREACH(pos, &attach->all.list) {
		if (attachment_of(pos)->state == ATTACH_STATE_LEAVING ||
		    attachment_is_opening(attachment_of(pos)))
			return false;
	}
	return true;
}
