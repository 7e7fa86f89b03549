/* SPDX-License-Identifier: MIT
 * attach.c - devices on their way into the controller
 */
#include "daemon/attach.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/attach_priv.h"
#include "daemon/vm.h"
#include "usbdev/usbdev.h"
#include "util/fds.h"
#include "util/log.h"

/* How long the devices may take before we are ready without them. */
#define START_MAX_NS UINT64_C(5000000000)

static bool is_opening(const struct attachment *at)
{
	return at->state == ATTACH_NODE || at->state == ATTACH_OPENING;
}

static bool any_opening(const struct attach *attach)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments) {
		if (is_opening(LIST_ENTRY(pos, struct attachment, node_in_attach)))
			return true;
	}
	return false;
}

/* Something has come to an end: perhaps all has. */
static void check_all(struct attach *attach)
{
	if (attach->stopping ? attach_is_idle(attach)
			     : !attach->settled && !any_opening(attach))
		loop_defer(attach->options.loop, &attach->tell);
}

/* --- into the controller --- */

static void on_destroyed(void *ctx)
{
	struct attach *attach = ctx;

	attach->destroying--;
	check_all(attach);
}

static void give_back(struct attach *attach, struct usbdev *dev)
{
	attach->destroying++;
	usbdev_destroy(dev, on_destroyed, attach);
}

static struct usbdev *let_go(struct attachment *at)
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

	log_error("--device %s: the device has gone", at->text);
	at->state = ATTACH_OUT;
	give_back(at->attach, let_go(at));
}

static const struct usbdev_events held_events = {.gone = on_held_gone};

static void hold(struct attachment *at, struct usbdev *dev)
{
	at->state = ATTACH_HELD;
	at->dev = dev;
	usbdev_set_events(dev, &held_events, at);
}

/* Return: 0 or -errno, logged. */
static int plug(struct attachment *at)
{
	char label[USBDEV_NAME_BYTES];
	const char *speed = device_speed_name(at->dev->speed);
	struct err err = {0};
	int port;

	(void)snprintf(label, sizeof(label), "%s", at->dev->label);
	port = vm_plug(at->attach->options.vm, let_go(at), at->port, &err);
	if (port < 0) {
		at->state = ATTACH_OUT;
		log_error("--device %s: %s", at->text, err.text);
		return port;
	}
	at->state = ATTACH_PLUGGED;
	at->port = (unsigned)port;
	if (at->returning)
		log_limited(LOG_LEVEL_INFO, "port %d: %s, %s speed, is back", port, label,
			    speed);
	else
		log_info("port %d: %s, %s speed", port, label, speed);
	return 0;
}

/* All that are there get their ports, in order. */
static void settle(struct attach *attach)
{
	struct list *pos, *tmp;
	int result = 0;

	attach->settled = true;
	loop_timer_stop(attach->patience);
	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments) {
		struct attachment *at =
			LIST_ENTRY(pos, struct attachment, node_in_attach);
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
		const struct attachment *at =
			LIST_ENTRY(pos, struct attachment, node_in_attach);

		if (is_opening(at))
			log_warn("--device %s: still not there; it will be plugged in "
				 "when it is",
				 at->text);
	}
	settle(attach);
}

/* --- real devices --- */

/* @at->err says why. */
static void failed(struct attachment *at)
{
	at->state = ATTACH_OUT;
	if (at->attach->stopping) {
		/* nobody wants it any more */
	} else if (at->returning) {
		attachment_not_back(at);
	} else {
		log_error("--device %s: %s", at->text, at->err.text);
		if (at->hint[0] != '\0')
			log_info("to mend that: %s", at->hint);
	}
	check_all(at->attach);
}

static void on_opened(void *ctx, struct usbdev *dev, const struct err *err)
{
	struct attachment *at = ctx;
	struct attach *attach = at->attach;

	if (!dev) {
		at->err = *err;
		at->result = -err->code;
		failed(at);
		return;
	}
	at->state = ATTACH_OUT;
	if (attach->stopping) {
		give_back(attach, dev);
		return;
	}
	hold(at, dev);
	if (attach->settled)
		(void)plug(at);
	else
		check_all(attach);
}

static void open_device(struct attachment *at)
{
	struct host_options options = {
		.fd = steal_fd(&at->node.fd),
		.name = at->name,
		.reset = at->host.reset,
	};

	at->state = ATTACH_OPENING;
	at->hint[0] = '\0';
	at->err = (struct err){0};
	at->result =
		host_open(at->attach->options.loop, &options, on_opened, at, &at->err);
	if (at->result < 0)
		failed(at);
}

static void run_node(struct worker_job *job)
{
	struct attachment *at = CONTAINER_OF(job, struct attachment, job);

	at->result = node_open(at->path, &at->node, &at->err, at->hint);
}

static void node_done(struct worker_job *job)
{
	struct attachment *at = CONTAINER_OF(job, struct attachment, job);

	worker_destroy(at->worker);
	at->worker = NULL;
	if (at->attach->stopping) {
		if (at->result == 0)
			close_fd(&at->node.fd);
		at->state = ATTACH_OUT;
		check_all(at->attach);
	} else if (at->result < 0) {
		failed(at);
	} else {
		open_device(at);
	}
}

void attachment_open(struct attachment *at)
{
	at->state = ATTACH_NODE;
	at->hint[0] = '\0';
	at->node.fd = -1;
	at->job = (struct worker_job){.run = run_node, .done = node_done};
	at->worker = worker_create(at->attach->options.loop, "attach");
	if (!at->worker) {
		at->result = err_set(&at->err, ENOMEM, "no memory or thread to open it");
		failed(at);
		return;
	}
	worker_submit(at->worker, &at->job);
}

/* --- start and end --- */

struct attach *attach_create(void)
{
	struct attach *attach = calloc(1, sizeof(*attach));

	if (!attach)
		return NULL;
	list_init(&attach->attachments);
	attach->tell = (struct loop_task){.cb = on_tell, .ctx = attach};
	return attach;
}

void attach_destroy(struct attach *attach)
{
	struct list *pos, *tmp;

	if (!attach)
		return;
	assert(attach_is_idle(attach));
	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments) {
		struct attachment *at =
			LIST_ENTRY(pos, struct attachment, node_in_attach);

		assert(!at->dev);
		close_fd(&at->node.fd);
		loop_timer_destroy(at->timer);
		free(at);
	}
	uevents_destroy(attach->uevents);
	loop_timer_destroy(attach->patience);
	if (attach->options.loop)
		loop_undefer(attach->options.loop, &attach->tell);
	free(attach);
}

int attach_add(struct attach *attach, const char *text)
{
	struct attachment *at = calloc(1, sizeof(*at));
	struct err err = {0};
	int r;

	if (!at)
		return -ENOMEM;
	at->attach = attach;
	at->text = text;
	at->node.fd = -1;
	list_append(&attach->attachments, &at->node_in_attach);
	r = device_is_host(text, &at->host, &err);
	assert(r >= 0); /* device_check() has accepted it */
	at->real = r == 1;
	if (!at->real)
		return 0;
	if (at->host.fd < 0) {
		(void)snprintf(at->name, sizeof(at->name), "%s", at->host.path);
		(void)snprintf(at->path, sizeof(at->path), "%s", at->host.path);
		return 0;
	}
	(void)snprintf(at->name, sizeof(at->name), "fd %d", at->host.fd);
	if (node_adopt(at->host.fd, &at->node, &err) < 0)
		log_error("--device %s: %s", text, err.text);
	return 0;
}

static int start_one(struct attachment *at)
{
	struct attach *attach = at->attach;
	struct usbdev *dev = NULL;
	struct err err = {0};
	int r = 0;

	if (!at->real) {
		r = device_create(attach->options.loop, at->text, &dev, &err);
		if (r < 0)
			log_error("--device %s: %s", at->text, err.text);
		else
			hold(at, dev);
		return r;
	}
	if (at->host.fd < 0)
		attachment_open(at);
	else if (at->node.fd >= 0)
		open_device(at);
	return r;
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
		struct attachment *at =
			LIST_ENTRY(pos, struct attachment, node_in_attach);
		int r;

		/* before the first is opened, so that nothing is missed */
		if (at->real && at->host.fd < 0 && !attach->uevents)
			attach->uevents =
				uevents_create(options->loop, attach_on_uevent, attach);
		r = start_one(at);
		if (r < 0)
			return r;
	}
	loop_timer_set(attach->patience, START_MAX_NS);
	check_all(attach);
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
		struct attachment *at =
			LIST_ENTRY(pos, struct attachment, node_in_attach);

		if (at->timer)
			loop_timer_stop(at->timer);
		if (at->state == ATTACH_HELD)
			give_back(attach, let_go(at));
		if (!is_opening(at))
			at->state = ATTACH_OUT;
	}
	if (attach->options.loop)
		check_all(attach);
}

bool attach_is_idle(const struct attach *attach)
{
	return attach->destroying == 0 && !any_opening(attach);
}

unsigned attach_count(const struct attach *attach)
{
	struct list *pos, *tmp;
	unsigned count = 0;

	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments) {
		if (LIST_ENTRY(pos, struct attachment, node_in_attach)->state ==
		    ATTACH_PLUGGED)
			count++;
	}
	return count;
}

void attach_gone(struct attach *attach, unsigned port)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE(pos, tmp, &attach->attachments) {
		struct attachment *at =
			LIST_ENTRY(pos, struct attachment, node_in_attach);

		if (at->state == ATTACH_PLUGGED && at->port == port) {
			attachment_gone(at);
			return;
		}
	}
}
