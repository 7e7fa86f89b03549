/* SPDX-License-Identifier: MIT
 * attach_order.c - devices attached, detached and looked at while the controller runs
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/attach_priv.h"
#include "util/closer.h"
#include "util/log.h"

static const char *state_name(enum attach_state state)
{
	switch (state) {
	case ATTACH_PLUGGED:
		return "plugged";
	case ATTACH_AWAY:
		return "away";
	case ATTACH_LEAVING:
	case ATTACH_OUT:
		return "leaving";
	case ATTACH_NODE:
	case ATTACH_WAITING:
	case ATTACH_OPENING:
	case ATTACH_HELD:
	default:
		return "opening";
	}
}

static struct attach_info describe(const struct attachment *at)
{
	struct attach_info info = {
		.id = at->id,
		.state = state_name(at->state),
		.text = at->text,
		.label = at->label,
		.rule = at->rule,
		.place = at->node.place,
		.real = at->real,
		.port = at->port,
		.bus = at->node.bus,
		.number = at->node.number,
		.speed = at->speed,
		.since = at->since,
		.vendor = at->vendor,
		.product = at->product,
		.host = at->hostdev_known ? &at->hostdev : NULL,
	};

	if (at->plugged)
		info.stats = at->plugged->stats;
	return info;
}

void attachment_tell(struct attachment *at, enum attach_event event,
		     const struct err *why)
{
	const struct attach_options *options = &at->attach->options;
	struct attach_info info = describe(at);

	info.why = why;
	at->shown = event == ATTACH_EVENT_ATTACHED || event == ATTACH_EVENT_RETURNED;
	if (options->event && !at->attach->stopping)
		options->event(options->ctx, event, &info);
}

void attach_each(const struct attach *attach,
		 void (*each)(void *ctx, const struct attach_info *info), void *ctx)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments) {
		struct attach_info info = describe(attachment_of(pos));

		if (attachment_of(pos)->state != ATTACH_OUT)
			each(ctx, &info);
	}
}

/* --- out --- */

static bool has_device(const struct attachment *at)
{
	return at->state == ATTACH_OPENING || at->state == ATTACH_HELD ||
	       at->state == ATTACH_PLUGGED || at->state == ATTACH_LEAVING;
}

struct attachment *attachment_rival(const struct attachment *at)
{
	struct list *pos;

	LIST_FOREACH(pos, &at->attach->attachments) {
		struct attachment *other = attachment_of(pos);

		if (other != at && other->real && has_device(other) &&
		    at->node.bus != 0 && other->node.bus == at->node.bus &&
		    other->node.number == at->node.number)
			return other;
	}
	return NULL;
}

/* Those that waited for @gone look again. */
static void go_on(struct attach *attach, const struct attachment *gone)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments) {
		struct attachment *at = attachment_of(pos);

		if (at->state == ATTACH_WAITING && at->before == gone)
			attachment_open_device(at);
	}
}

/* It has been given back, to be had again. */
static void open_again(struct attachment *at)
{
	char path[NODE_PATH_BYTES];

	at->again = false;
	if (at->real && at->host.fd >= 0) {
		attachment_open_device(at);
	} else if (at->real) {
		/* as it is called now: a link may lead elsewhere */
		node_path(at->node.bus, at->node.number, path);
		(void)snprintf(at->path, sizeof(at->path), "%s", path);
		attachment_open(at);
	} else if (attachment_make(at) < 0) {
		attachment_log_failure(at);
		attachment_tell(at, ATTACH_EVENT_FAILED, &at->err);
		attachment_end(at);
	}
}

void attachment_left(struct attachment *at)
{
	struct attach *attach = at->attach;
	void (*left)(void *ctx) = at->left;

	at->left = NULL;
	if (at->again && !at->cancelled && !attach->stopping) {
		open_again(at);
		return;
	}
	attachment_end(at);
	if (left && !attach->stopping)
		left(at->left_ctx);
	go_on(attach, at);
	attach_check_all(attach);
}

void attachment_unplugged(struct vm_unplug *unplug)
{
	attachment_left(CONTAINER_OF(unplug, struct attachment, unplug));
}

static void unplug(struct attachment *at)
{
	at->plugged = NULL;
	at->since = 0;
	at->unplug.done = attachment_unplugged;
	at->state = ATTACH_LEAVING;
	if (vm_unplug(at->attach->options.vm, at->port, &at->unplug) < 0)
		attachment_left(at);
}

static void cancel(struct attachment *at)
{
	(void)err_set(&at->err, ECANCELED, "it has been detached meanwhile");
	at->hint[0] = '\0';
	at->cancelled = true;
}

void attachment_leave(struct attachment *at)
{
	cancel(at);
	switch (at->state) {
	case ATTACH_PLUGGED:
		attachment_tell(at, ATTACH_EVENT_DETACHED, NULL);
		unplug(at);
		break;
	case ATTACH_HELD:
		attachment_give_back(at, attachment_let_go(at));
		break;
	case ATTACH_AWAY:
		loop_timer_stop(at->timer);
		attachment_tell(at, ATTACH_EVENT_DETACHED, NULL);
		attachment_left(at);
		break;
	case ATTACH_WAITING:
		closer_close(&at->node.fd);
		attachment_left(at);
		break;
	case ATTACH_NODE:
	case ATTACH_OPENING:
		/* when that has ended */
		break;
	case ATTACH_LEAVING:
	case ATTACH_OUT:
	default:
		assert(false);
	}
}

int attach_detach(struct attach *attach, unsigned id, void (*done)(void *ctx), void *ctx)
{
	struct list *pos;

	LIST_FOREACH(pos, &attach->attachments) {
		struct attachment *at = attachment_of(pos);

		if (at->id != id || at->state == ATTACH_OUT)
			continue;
		if (at->cancelled || (at->state == ATTACH_LEAVING && !at->again))
			return -EALREADY;
		at->left = done;
		at->left_ctx = ctx;
		if (at->state == ATTACH_LEAVING)
			cancel(at);
		else
			attachment_leave(at);
		return 0;
	}
	return -ENOENT;
}

int attach_again(struct attach *attach, unsigned id, attach_done *done, void *ctx,
		 struct err *err)
{
	struct list *pos;

	LIST_FOREACH(pos, &attach->attachments) {
		struct attachment *at = attachment_of(pos);

		if (at->id != id || at->state == ATTACH_OUT)
			continue;
		if (at->state != ATTACH_PLUGGED)
			return err_set(err, EBUSY, "it is not plugged in at the moment");
		if (at->real && at->host.fd >= 0 &&
		    node_copy(&at->node, at->host.fd, err) < 0)
			return -err->code;
		at->again = true;
		at->returning = false;
		at->done = done;
		at->done_ctx = ctx;
		unplug(at);
		return 0;
	}
	return err_set(err, ENOENT, "there is no such device");
}

/* --- in --- */

static unsigned count_all(const struct attach *attach)
{
	struct list *pos;
	unsigned count = 0;

	LIST_FOREACH(pos, &attach->attachments)
		count += attachment_of(pos)->state != ATTACH_OUT;
	return count;
}

/* The file of an emulated device. A client's relative path would be looked for where we
 * are. */
static int prepare_file(struct attachment *at, const struct attach_order *order,
			struct err *err)
{
	at->needs_file = device_needs_file(order->text, at->path);
	if (order->fd >= 0 && !at->needs_file)
		return err_set(err, EINVAL, "%.64s has no use for a file descriptor",
			       order->text);
	if (at->needs_file && order->fd < 0 && at->path[0] != '/')
		return err_set(err, EINVAL,
			       "'%.128s' is a relative path, and usbvfiod stands in "
			       "another folder than you: say all of it",
			       at->path);
	at->file_fd = order->fd;
	return 0;
}

/* Takes apart what is wanted; opens nothing. Return: 0, or -errno: then the descriptors are
 * the caller's still. */
static int prepare(struct attachment *at, const struct attach_order *order,
		   struct err *err)
{
	int r;

	at->port = order->port;
	at->careful = !order->force;
	if (order->name)
		(void)snprintf(at->name, sizeof(at->name), "%s", order->name);
	(void)snprintf(at->rule, sizeof(at->rule), "%s", order->rule ? order->rule : "");
	if (order->fd >= 0 && !order->fd_is_file) {
		at->real = true;
		at->host.fd = order->fd;
		at->host.reset = order->reset;
		at->giver_uid = order->giver_uid;
		(void)snprintf(at->name, sizeof(at->name), "%s", order->text);
		return 0;
	}
	r = device_is_host(order->text, &at->host, err);
	if (r < 0)
		return r;
	if (r == 0)
		return prepare_file(at, order, err);
	if (order->fd >= 0)
		return err_set(err, EINVAL,
			       "a device of the host is named by its node, or "
			       "by a file descriptor, not by both");
	/* numbers of fds mean nothing in somebody else's message */
	if (at->host.fd >= 0) {
		r = err_set(err, EINVAL, "fd=%d: an fd is sent along with the request",
			    at->host.fd);
		at->host.fd = -1;
		return r;
	}
	at->real = true;
	at->careful = !order->force && !at->host.force;
	if (!order->name)
		(void)snprintf(at->name, sizeof(at->name), "%s", at->host.path);
	(void)snprintf(at->path, sizeof(at->path), "%s", at->host.path);
	return 0;
}

/* NULL: not possible, @err says why; the descriptors are the caller's still. */
static struct attachment *add(struct attach *attach, const struct attach_order *order,
			      struct err *err)
{
	struct attachment *at;

	if (attach->stopping) {
		(void)err_set(err, ESHUTDOWN, "usbvfiod is stopping");
		return NULL;
	}
	if (count_all(attach) >= ATTACH_MAX) {
		(void)err_set(err, ENOSPC, "more than %u devices", ATTACH_MAX);
		return NULL;
	}
	at = attachment_add(attach, order->text);
	if (!at) {
		(void)err_set(err, ENOMEM, "not enough memory");
		return NULL;
	}
	if (prepare(at, order, err) < 0) {
		attachment_end(at);
		return NULL;
	}
	return at;
}

int attach_order(struct attach *attach, const struct attach_order *order, struct err *err)
{
	struct attachment *at;

	assert(attach->options.loop);
	at = add(attach, order, err);
	if (!at) {
		int fd = order->fd;

		closer_close(&fd);
		return -err->code;
	}
	at->done = order->done;
	at->done_ctx = order->ctx;
	if (!at->real && attachment_make(at) < 0) {
		*err = at->err;
		at->done = NULL;
		attachment_end(at);
		return -err->code;
	}
	if (at->real) {
		attach_listen(attach);
		attachment_open(at);
	}
	return (int)at->id;
}
