/* SPDX-License-Identifier: MIT
 * attach.c - devices on their way into the controller
 */
#include "daemon/attach.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/attach_priv.h"
#include "daemon/vm.h"
#include "usbdev/usbdev.h"
#include "util/closer.h"
#include "util/log.h"
#include "util/self.h"

/* How long the devices may take before we are ready without them. */
#define START_MAX_NS UINT64_C(5000000000)

static bool any_opening(const struct attach *attach)
{
	struct list *pos;

	if (attach->start_result < 0)
		return false;
	if (attach->awaited)
		return true;
	LIST_FOREACH(pos, &attach->attachments) {
		if (attachment_is_opening(attachment_of(pos)))
			return true;
	}
	return false;
}

void attach_check_all(struct attach *attach)
{
	if (attach->stopping ? attach_is_idle(attach)
			     : !attach->settled && !any_opening(attach))
		loop_defer(attach->options.loop, &attach->tell);
}

static void answer(struct attachment *at, unsigned port)
{
	attach_done *done = at->done;

	at->done = NULL;
	if (done && !at->attach->stopping)
		done(at->done_ctx, at->id, port, port ? NULL : &at->err, at->hint);
}

void attachment_end(struct attachment *at)
{
	at->state = ATTACH_OUT;
	/* while it was opened anew */
	if (at->shown)
		attachment_tell(at, ATTACH_EVENT_DETACHED, NULL);
	answer(at, 0);
	if (at->attach->options.loop)
		loop_defer(at->attach->options.loop, &at->attach->sweep);
}

static void attachment_free(struct attachment *at)
{
	assert(!at->dev && !at->worker);
	list_remove(&at->node_in_attach);
	closer_close(&at->node.fd);
	closer_close(&at->file_fd);
	loop_timer_destroy(at->timer);
	free(at->text);
	free(at);
}

static void on_sweep(void *ctx)
{
	struct attach *attach = ctx;
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments) {
		if (attachment_of(pos)->state == ATTACH_OUT)
			attachment_free(attachment_of(pos));
	}
}

/* --- into the controller --- */

static void on_destroyed(void *ctx)
{
	attachment_left(ctx);
}

void attachment_give_back(struct attachment *at, struct usbdev *dev)
{
	at->state = ATTACH_LEAVING;
	usbdev_destroy(dev, on_destroyed, at);
}

struct usbdev *attachment_let_go(struct attachment *at)
{
	struct usbdev *dev = at->dev;

	usbdev_set_events(dev, NULL, NULL);
	at->dev = NULL;
	return dev;
}

/* Pulled before it was plugged in. */
static void on_held_gone(void *ctx)
{
	struct attachment *at = ctx;

	(void)err_set(&at->err, ENODEV, "the device has gone");
	at->hint[0] = '\0';
	attachment_log_failure(at);
	attachment_give_back(at, attachment_let_go(at));
}

static const struct usbdev_events held_events = {.gone = on_held_gone};

/* Return: 0 or -errno, logged. */
static int plug(struct attachment *at)
{
	struct usbdev *dev = attachment_let_go(at);
	struct vm_kept kept;
	int port;

	(void)snprintf(at->label, sizeof(at->label), "%s", dev->label);
	at->speed = device_speed_name(dev->speed);
	at->vendor = dev->vendor;
	at->product = dev->product;
	attachment_choose_port(at, &kept);
	port = vm_plug(at->attach->options.vm, dev, at->port, &kept, &at->err);
	if (port < 0) {
		attachment_log_failure(at);
		attachment_tell(at, ATTACH_EVENT_FAILED, &at->err);
		attachment_end(at);
		return port;
	}
	at->state = ATTACH_PLUGGED;
	at->port = (unsigned)port;
	attachment_use_port(at);
	at->plugged = dev;
	at->since = time(NULL);
	if (at->returning)
		log_limited(LOG_LEVEL_INFO, "port %d: %s, %s speed, is back", port,
			    at->label, at->speed);
	else if (at->option)
		log_info("port %d: %s, %s speed", port, at->label, at->speed);
	else
		log_limited(LOG_LEVEL_INFO, "port %d: %s, %s speed", port, at->label,
			    at->speed);
	attachment_tell(at, at->returning ? ATTACH_EVENT_RETURNED : ATTACH_EVENT_ATTACHED,
			NULL);
	answer(at, at->port);
	return 0;
}

void attachment_hold(struct attachment *at, struct usbdev *dev)
{
	at->state = ATTACH_HELD;
	at->dev = dev;
	if (!at->real && at->name[0] != '\0')
		(void)snprintf(dev->label, sizeof(dev->label), "%s", at->name);
	usbdev_set_events(dev, &held_events, at);
	if (at->attach->settled)
		(void)plug(at);
}

/* All that are there get their ports, in order. */
static void settle(struct attach *attach)
{
	struct list *pos, *tmp;
	int result = attach->start_result;

	attach->settled = true;
	loop_timer_stop(attach->patience);
	if (result < 0) {
		attach->options.settled(attach->options.ctx, result);
		return;
	}
	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments) {
		struct attachment *at = attachment_of(pos);
		int r = at->state == ATTACH_HELD ? plug(at) : 0;

		if (r < 0 && !at->real)
			result = r;
	}
	attach->options.settled(attach->options.ctx, result);
}

static void on_tell(void *ctx)
{
	struct attach *attach = ctx;

	if (attach->stopping && attach_is_idle(attach))
		attach->options.idle(attach->options.ctx);
	else if (!attach->stopping && !attach->settled && !any_opening(attach))
		settle(attach);
}

static void on_patience_over(void *ctx)
{
	struct attach *attach = ctx;
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments) {
		const struct attachment *at = attachment_of(pos);

		if (attachment_is_opening(at))
			log_warn("%s%s: still not there; it will be plugged in when it "
				 "is",
				 attachment_prefix(at), at->text);
	}
	settle(attach);
}

/* --- start and end --- */

struct attach *attach_create(void)
{
	struct attach *attach = calloc(1, sizeof(*attach));

	if (!attach)
		return NULL;
	list_init(&attach->attachments);
	attach->tell = (struct loop_task){.cb = on_tell, .ctx = attach};
	attach->sweep = (struct loop_task){.cb = on_sweep, .ctx = attach};
	return attach;
}

void attach_destroy(struct attach *attach)
{
	struct list *pos, *tmp;

	if (!attach)
		return;
	assert(attach_is_idle(attach));
	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments)
		attachment_free(attachment_of(pos));
	uevents_destroy(attach->uevents);
	loop_timer_destroy(attach->patience);
	if (attach->options.loop) {
		loop_undefer(attach->options.loop, &attach->tell);
		loop_undefer(attach->options.loop, &attach->sweep);
	}
	free(attach);
}

struct attachment *attachment_add(struct attach *attach, const char *text)
{
	struct attachment *at = calloc(1, sizeof(*at));

	if (at)
		at->text = strdup(text);
	if (!at || !at->text) {
		free(at);
		return NULL;
	}
	at->attach = attach;
	at->id = ++attach->last_id;
	at->node.fd = -1;
	at->host.fd = -1;
	at->file_fd = -1;
	device_file_init(&at->file);
	at->speed = "";
	list_append(&attach->attachments, &at->node_in_attach);
	return at;
}

int attach_add(struct attach *attach, const char *text)
{
	struct attachment *at = attachment_add(attach, text);
	struct err err = {0};
	int r;

	if (!at)
		return -ENOMEM;
	at->option = true;
	r = device_is_host(text, &at->host, &err);
	assert(r >= 0); /* device_check() has accepted it */
	at->real = r == 1;
	at->needs_file = !at->real && device_needs_file(text, at->path);
	if (!at->real)
		return 0;
	at->careful = !at->host.force;
	if (at->host.fd < 0) {
		(void)snprintf(at->name, sizeof(at->name), "%s", at->host.path);
		(void)snprintf(at->path, sizeof(at->path), "%s", at->host.path);
		return 0;
	}
	/* whoever has started us */
	at->giver_uid = self_uid();
	(void)snprintf(at->name, sizeof(at->name), "fd %d", at->host.fd);
	if (node_adopt(at->host.fd, &at->node, &err) < 0)
		log_error("--device %s: %s", text, err.text);
	return 0;
}

static int start_one(struct attachment *at)
{
	int r = 0;

	if (!at->real) {
		r = attachment_make(at);
		if (r < 0)
			log_error("--device %s: %s", at->text, at->err.text);
		return r;
	}
	if (at->host.fd < 0 || at->node.fd >= 0)
		attachment_open(at);
	return r;
}

void attach_listen(struct attach *attach)
{
	if (!attach->uevents)
		attach->uevents =
			uevents_create(attach->options.loop, attach_on_uevent, attach);
}

int attach_start(struct attach *attach, const struct attach_options *options)
{
	struct list *pos, *tmp;

	attach->options = *options;
	attach->patience = loop_timer_create(options->loop, on_patience_over, attach);
	if (!attach->patience) {
		log_error("not enough memory");
		return -ENOMEM;
	}
	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments) {
		struct attachment *at = attachment_of(pos);
		int r;

		/* before the first is opened, so that nothing is missed */
		if (at->real && at->host.fd < 0)
			attach_listen(attach);
		r = start_one(at);
		if (r < 0)
			return r;
	}
	loop_timer_set(attach->patience, START_MAX_NS);
	attach_check_all(attach);
	return 0;
}

void attach_stop(struct attach *attach)
{
	struct list *pos, *tmp;

	attach->stopping = true;
	uevents_destroy(attach->uevents);
	attach->uevents = NULL;
	if (attach->patience)
		loop_timer_stop(attach->patience);
	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments) {
		struct attachment *at = attachment_of(pos);

		if (at->timer)
			loop_timer_stop(at->timer);
		if (at->state == ATTACH_HELD)
			attachment_give_back(at, attachment_let_go(at));
		else if (at->state == ATTACH_WAITING || at->state == ATTACH_PLUGGED ||
			 at->state == ATTACH_AWAY)
			/* the vm pulls what is plugged in */
			attachment_end(at);
	}
	if (attach->options.loop)
		attach_check_all(attach);
}

bool attach_is_idle(const struct attach *attach)
{
	struct list *pos;

	LIST_FOREACH(pos, &attach->attachments) {
		if (attachment_of(pos)->state == ATTACH_LEAVING ||
		    attachment_is_opening(attachment_of(pos)))
			return false;
	}
	return true;
}

void attach_await(struct attach *attach, bool awaited)
{
	attach->awaited = awaited;
	if (!awaited && attach->options.loop)
		attach_check_all(attach);
}

unsigned attach_count(const struct attach *attach)
{
	struct list *pos;
	unsigned count = 0;

	LIST_FOREACH(pos, &attach->attachments)
		count += attachment_of(pos)->state == ATTACH_PLUGGED;
	return count;
}

void attach_gone(struct attach *attach, unsigned port)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments) {
		struct attachment *at = attachment_of(pos);

		if (at->state == ATTACH_PLUGGED && at->port == port) {
			at->plugged = NULL;
			attachment_gone(at);
			return;
		}
	}
}
