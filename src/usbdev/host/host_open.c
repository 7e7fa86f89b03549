/* SPDX-License-Identifier: MIT
 * host_open.c - the life of a real device here: taking it from the host, giving it back
 *
 * Opening is one job of the worker. Closing waits until no other job runs, in the loop
 * destroys the URBs (whose watch on the fd and mappings must go before the fd), and is
 * then one job again: the host's drivers get their interfaces, the fd is closed. The
 * thread ends last.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usbdev/host/host_priv.h"
#include "util/fds.h"
#include "util/log.h"

/* After the worker has nothing of it any more. */
static void free_host(struct host_device *host)
{
	worker_destroy(host->worker);
	host_retake_stop(host);
	close_fd(&host->fd);
	free(host);
}

static void run_close(struct worker_job *job)
{
	struct host_device *host = CONTAINER_OF(job, struct host_device, life_job);

	handle_close(host->handle);
	close_fd(&host->fd);
}

static void close_done(struct worker_job *job)
{
	struct host_device *host = CONTAINER_OF(job, struct host_device, life_job);

	log_debug("%s: given back", host->usbdev.label);
	usbdev_finish(&host->usbdev);
	free_host(host);
}

static void run_nothing(struct worker_job *job)
{
	(void)job;
}

static void nothing_done(struct worker_job *job)
{
	struct host_device *host = CONTAINER_OF(job, struct host_device, life_job);

	host->life_job.run = NULL;
	host_step_soon(host);
}

void host_close_step(struct host_device *host)
{
	if (host->life_job.run || host->reset.running || host->streams_now ||
	    host->retake.running || host->control.state != HOST_CONTROL_IDLE ||
	    host->with_urbs > 0)
		return;
	if (!urbs_quiet(host->urbs)) {
		/* a discard on the worker has not come back: this one comes after it */
		host->life_job =
			(struct worker_job){.run = run_nothing, .done = nothing_done};
	} else {
		urbs_destroy(host->urbs);
		host->urbs = NULL;
		loop_undefer(host->loop, &host->step_task);
		host->life_job =
			(struct worker_job){.run = run_close, .done = close_done};
	}
	worker_submit(host->worker, &host->life_job);
}

/* Nobody has the device yet. */
static void run_open(struct worker_job *job)
{
	struct host_device *host = CONTAINER_OF(job, struct host_device, life_job);

	if (handle_open(host->fd, host->name, &host->handle, &host->info,
			&host->open_err) < 0)
		close_fd(&host->fd); /* may block */
}

static void open_failed(struct host_device *host)
{
	struct err err = host->open_err;
	void (*opened)(void *ctx, struct usbdev *dev, const struct err *err) =
		host->opened;
	void *ctx = host->opened_ctx;

	free_host(host);
	opened(ctx, NULL, &err);
}

static void aborted_close_done(struct worker_job *job)
{
	open_failed(CONTAINER_OF(job, struct host_device, life_job));
}

static void open_done(struct worker_job *job)
{
	struct host_device *host = CONTAINER_OF(job, struct host_device, life_job);
	struct urbs_owner owner = host_urbs_owner;
	bool streams = usbdev_speed_is_usb3(host->info.speed);

	if (!host->handle) {
		open_failed(host);
		return;
	}
	owner.ctx = host;
	host->urbs =
		urbs_create(host->loop, host->fd, host->info.caps, host->worker, &owner);
	if (!host->urbs ||
	    usbdev_init(&host->usbdev, streams ? &host_ops : &host_ops_without_streams,
			host->loop, host->info.speed, host->info.label) < 0) {
		urbs_destroy(host->urbs);
		(void)err_set(&host->open_err, ENOMEM, "%s: no memory", host->name);
		host->life_job =
			(struct worker_job){.run = run_close, .done = aborted_close_done};
		worker_submit(host->worker, &host->life_job);
		return;
	}
	host->usbdev.vendor = host->info.vendor;
	host->usbdev.product = host->info.product;
	host->life_job.run = NULL;
	if (!host->info.uas_works)
		log_info("%s: the host has no streams for UAS; the guest sees the older "
			 "protocol only",
			 host->info.label);
	if (host_retake_start(host) < 0)
		log_debug("%s: nothing tells when the host was suspended",
			  host->info.label);
	host->opened(host->opened_ctx, &host->usbdev, NULL);
}

void host_prepare(void)
{
	handle_prepare();
	if (host_retake_prepare() < 0)
		log_debug("no timer for the host's clock");
}

int host_open(struct loop *loop, const struct host_options *options,
	      void (*opened)(void *ctx, struct usbdev *dev, const struct err *err),
	      void *ctx, struct err *err)
{
	struct host_device *host;
	int r = handle_check(options->fd, options->name, err);

	if (r < 0) {
		(void)close(options->fd);
		return r;
	}
	host = calloc(1, sizeof(*host));
	if (!host) {
		(void)close(options->fd);
		return err_set(err, ENOMEM, "%s: no memory", options->name);
	}
	host_setup(host, loop, options->reset);
	host->fd = options->fd;
	host->opened = opened;
	host->opened_ctx = ctx;
	(void)snprintf(host->name, sizeof(host->name), "%s", options->name);
	host->worker = worker_create(loop, "usb-host");
	if (!host->worker) {
		free_host(host);
		return err_set(err, ENOMEM, "%s: no thread for it", options->name);
	}
	host->life_job = (struct worker_job){.run = run_open, .done = open_done};
	worker_submit(host->worker, &host->life_job);
	return 0;
}
