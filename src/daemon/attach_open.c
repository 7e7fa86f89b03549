/* SPDX-License-Identifier: MIT
 * attach_open.c - devices of the host are looked at and opened
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/attach_priv.h"
#include "rules/guard.h"
#include "util/fds.h"
#include "util/log.h"

const char *attachment_prefix(const struct attachment *at)
{
	return at->option ? "--device " : "";
}

/* @at->err says why. */
static void failed(struct attachment *at)
{
	struct attach *attach = at->attach;

	if (attach->stopping || at->cancelled) {
		/* nobody wants it any more */
		attachment_left(at);
	} else if (at->returning) {
		attachment_not_back(at);
	} else {
		log_error("%s%s: %s", attachment_prefix(at), at->text, at->err.text);
		if (at->hint[0] != '\0')
			log_info("to mend that: %s", at->hint);
		attachment_tell(at, ATTACH_EVENT_FAILED, &at->err);
		attachment_end(at);
	}
	attach_check_all(attach);
}

static void on_opened(void *ctx, struct usbdev *dev, const struct err *err)
{
	struct attachment *at = ctx;

	if (!dev) {
		if (!at->cancelled)
			at->err = *err;
		at->result = -err->code;
		failed(at);
	} else if (at->attach->stopping || at->cancelled) {
		attachment_give_back(at, dev);
	} else {
		attachment_hold(at, dev);
		attach_check_all(at->attach);
	}
}

void attachment_open_device(struct attachment *at)
{
	struct host_options options = {
		.name = at->name,
		.reset = at->host.reset,
	};

	at->before = attachment_rival(at);
	if (at->before) {
		log_debug("%s: is attached already, and given back first", at->name);
		at->state = ATTACH_WAITING;
		if (at->port == 0)
			at->port = at->before->port;
		if (at->before->state != ATTACH_LEAVING)
			attachment_leave(at->before);
		return;
	}
	at->state = ATTACH_OPENING;
	at->hint[0] = '\0';
	/* a second time: it may have another number by now, which the fd does not know */
	if (at->host.fd >= 0 && at->shown)
		(void)snprintf(at->hint, sizeof(at->hint),
			       "it was handed over open: have it attached anew");
	at->err = (struct err){0};
	options.fd = steal_fd(&at->node.fd);
	if (at->host.fd >= 0)
		at->host.fd = options.fd;
	at->result =
		host_open(at->attach->options.loop, &options, on_opened, at, &at->err);
	if (at->result < 0)
		failed(at);
}

/* @at->node was handed over. Return: 0 or -errno, in @at->err; its fd is closed then. */
static int open_once_more(struct attachment *at)
{
	int r = node_reopen(&at->node);

	if (r == 0)
		return 0;
	/* these could write into our memory anyway */
	if (at->giver_uid == 0 || at->giver_uid == geteuid()) {
		log_info("%s: is used as it was handed over; it cannot be opened here: "
			 "%s",
			 at->name, strerror(-r));
		return 0;
	}
	close_fd(&at->node.fd);
	(void)snprintf(at->hint, sizeof(at->hint),
		       "let usbvfiod open the node itself, or have root or the user it "
		       "runs as hand it over");
	return err_set(&at->err, -r,
		       "who keeps a descriptor that is handed over can write into "
		       "usbvfiod's memory; so it is opened once more, and that fails: %s",
		       strerror(-r));
}

static void run_node(struct worker_job *job)
{
	struct attachment *at = CONTAINER_OF(job, struct attachment, job);

	if (at->node.fd < 0)
		at->result = node_open(at->path, &at->node, &at->err, at->hint);
	else
		at->result = open_once_more(at);
	if (at->result < 0)
		return;
	at->hostdev_known = at->node.place[0] != '\0' &&
			    hostdev_read("", at->node.place, &at->hostdev) == 0;
	at->guard = 0;
	if (at->careful && at->hostdev_known)
		at->guard = guard_check("", &at->hostdev, &at->err);
}

/* What the host has against it does not count if we have it already. */
static void heed_guard(struct attachment *at)
{
	if (at->result < 0 || at->guard == 0 || attachment_rival(at))
		return;
	at->result = at->guard;
	if (at->option)
		(void)snprintf(at->hint, sizeof(at->hint),
			       "--device host:path=%.200s,force takes it all the same",
			       at->path[0] != '\0' ? at->path : "NODE");
	close_fd(&at->node.fd);
}

static void node_done(struct worker_job *job)
{
	struct attachment *at = CONTAINER_OF(job, struct attachment, job);

	worker_destroy(at->worker);
	at->worker = NULL;
	heed_guard(at);
	if (at->attach->stopping || at->cancelled) {
		if (at->result == 0)
			close_fd(&at->node.fd);
		attachment_left(at);
	} else if (at->result < 0) {
		failed(at);
	} else {
		attachment_open_device(at);
	}
}

void attachment_open(struct attachment *at)
{
	at->state = ATTACH_NODE;
	at->hint[0] = '\0';
	at->job = (struct worker_job){.run = run_node, .done = node_done};
	at->worker = worker_create(at->attach->options.loop, "attach");
	if (!at->worker) {
		at->result = err_set(&at->err, ENOMEM, "no memory or thread to open it");
		failed(at);
		return;
	}
	worker_submit(at->worker, &at->job);
}
