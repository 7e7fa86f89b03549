/* SPDX-License-Identifier: MIT
 * attach_open.c - devices of the host, and files of emulated ones, are looked at and opened
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/attach_priv.h"
#include "daemon/devices.h"
#include "daemon/sandbox/sandbox.h"
#include "rules/guard.h"
#include "util/apart.h"
#include "util/closer.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/self.h"

const char *attachment_prefix(const struct attachment *at)
{
	return at->option ? "--device " : "";
}

void attachment_log_failure(const struct attachment *at)
{
	const char *prefix = attachment_prefix(at);

	/* clients can cause any number of these, and are told */
	if (at->option)
		log_error("%s%s: %s", prefix, at->text, at->err.text);
	else
		log_limited(LOG_LEVEL_ERROR, "%s: %s", at->text, at->err.text);
	if (at->hint[0] != '\0' && at->option)
		log_info("to mend that: %s", at->hint);
	else if (at->hint[0] != '\0')
		log_limited(LOG_LEVEL_INFO, "to mend that: %s", at->hint);
}

/* Where the file's mode has nothing against it. */
static void explain(struct attachment *at)
{
	char path[PATH_MAX];

	if (at->result != -EACCES || at->hint[0] != '\0')
		return;
	if (at->real)
		(void)snprintf(path, sizeof(path), "%s", at->path);
	else if (!device_needs_file(at->text, path))
		return;
	(void)sandbox_explains(path, at->hint, sizeof(at->hint));
}

/* @at->err says why. */
static void failed(struct attachment *at)
{
	struct attach *attach = at->attach;

	explain(at);
	if (attach->stopping || at->cancelled) {
		/* nobody wants it any more */
		attachment_left(at);
	} else if (at->returning) {
		attachment_not_back(at);
	} else {
		attachment_log_failure(at);
		if (at->option && !at->real && !attach->settled)
			attach->start_result = at->result;
		attachment_tell(at, ATTACH_EVENT_FAILED, &at->err);
		attachment_end(at);
	}
	attach_check_all(attach);
}

/* @dev is taken; NULL: it could not be opened, as @at says. */
static void opened(struct attachment *at, struct usbdev *dev)
{
	if (!dev) {
		failed(at);
	} else if (at->attach->stopping || at->cancelled) {
		attachment_give_back(at, dev);
	} else {
		attachment_hold(at, dev);
		attach_check_all(at->attach);
	}
}

static void on_opened(void *ctx, struct usbdev *dev, const struct err *err)
{
	struct attachment *at = ctx;

	if (!dev) {
		if (!at->cancelled)
			at->err = *err;
		at->result = -err->code;
	}
	opened(at, dev);
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
	if (at->giver_uid == 0 || at->giver_uid == self_uid()) {
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

static void look_at_node(void *arg)
{
	struct attachment *at = arg;

	at->result = 0;
	if (at->node.fd < 0 && at->host.fd >= 0) {
		at->result = node_adopt(at->host.fd, &at->node, &at->err);
		/* to close what is no node may wait, too */
		if (at->result < 0)
			close_fd(&at->host.fd);
	}
	if (at->result == 0 && at->node.fd < 0)
		at->result = node_open(at->path, &at->node, &at->err, at->hint);
	else if (at->result == 0)
		at->result = open_once_more(at);
	if (at->result < 0)
		return;
	at->hostdev_known = at->node.place[0] != '\0' &&
			    hostdev_read("", at->node.place, &at->hostdev) == 0;
	at->guard = 0;
	if (at->careful && at->hostdev_known)
		at->guard = guard_check("", &at->hostdev, &at->err);
}

static void run_node(struct worker_job *job)
{
	run_apart(look_at_node, CONTAINER_OF(job, struct attachment, job));
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
	closer_close(&at->node.fd);
}

static void node_done(struct worker_job *job)
{
	struct attachment *at = CONTAINER_OF(job, struct attachment, job);

	worker_destroy(at->worker);
	at->worker = NULL;
	heed_guard(at);
	if (at->attach->stopping || at->cancelled) {
		if (at->result == 0)
			closer_close(&at->node.fd);
		attachment_left(at);
	} else if (at->result < 0) {
		failed(at);
	} else {
		attachment_open_device(at);
	}
}

/* Return: false, with @at->err: no thread can be had. */
static bool start_job(struct attachment *at, void (*run)(struct worker_job *job),
		      void (*done)(struct worker_job *job))
{
	at->hint[0] = '\0';
	at->job = (struct worker_job){.run = run, .done = done};
	at->worker = worker_create(at->attach->options.loop, "attach");
	if (!at->worker) {
		at->result = err_set(
			&at->err, errno,
			errno == EMFILE
				? "there are too few file descriptors: see ulimit -n"
				: "no memory or thread to open it");
		return false;
	}
	at->state = ATTACH_NODE;
	worker_submit(at->worker, &at->job);
	return true;
}

void attachment_open(struct attachment *at)
{
	if (!start_job(at, run_node, node_done))
		failed(at);
}

/* --- files of emulated devices --- */

static void open_file(void *arg)
{
	struct attachment *at = arg;
	int fd = -1;

	/* the one that was handed over is kept: it may have to be opened again */
	if (at->file_fd >= 0) {
		fd = fcntl(at->file_fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0) {
			at->result = err_set(&at->err, errno, "%s", strerror(errno));
			close_fd(&at->file_fd);
			return;
		}
	}
	at->result = device_file_open(at->text, fd, &at->file, &at->err);
	if (at->result < 0)
		close_fd(&at->file_fd);
}

static void run_file(struct worker_job *job)
{
	run_apart(open_file, CONTAINER_OF(job, struct attachment, job));
}

static int create(struct attachment *at, struct usbdev **ret_dev)
{
	int r = device_create(at->attach->options.loop, at->text, &at->file, ret_dev,
			      &at->err);

	if (r < 0)
		device_file_close(&at->file);
	return r;
}

static void file_done(struct worker_job *job)
{
	struct attachment *at = CONTAINER_OF(job, struct attachment, job);
	struct usbdev *dev = NULL;

	worker_destroy(at->worker);
	at->worker = NULL;
	if (at->result == 0)
		at->result = create(at, &dev);
	opened(at, dev);
}

int attachment_make(struct attachment *at)
{
	struct usbdev *dev = NULL;

	if (at->needs_file)
		return start_job(at, run_file, file_done) ? 0 : at->result;
	at->result = create(at, &dev);
	if (dev)
		attachment_hold(at, dev);
	return at->result;
}
