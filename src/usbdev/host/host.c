/* SPDX-License-Identifier: MIT
 * host.c - opens a real device: takes it from the host's drivers, by one job of its worker
 */
#include "usbdev/host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "usbdev/host/clock.h"
#include "usbdev/host/device.h"
#include "usbdev/host/handle.h"
#include "util/fds.h"
#include "util/log.h"

/**
 * struct opening - a device on its way, and who waits for it
 * @err:	why it failed
 */
struct opening {
	struct host_device *host;
	struct worker_job job;
	struct err err;
	void (*opened)(void *ctx, struct usbdev *dev, const struct err *err);
	void *ctx;
};

static void fail(struct opening *opening)
{
	host_device_free(opening->host);
	opening->opened(opening->ctx, NULL, &opening->err);
	free(opening);
}

/* On the worker; the loop leaves @opening and its device alone. */
static void run_open(struct worker_job *job)
{
	struct opening *opening = CONTAINER_OF(job, struct opening, job);
	struct host_core *core = &opening->host->core;

	if (handle_open(core->fd, core->name, &core->handle, &core->info, &opening->err) <
	    0)
		close_fd(&core->fd); /* may block */
}

static void run_close(struct worker_job *job)
{
	host_core_close(&CONTAINER_OF(job, struct opening, job)->host->core);
}

static void on_closed(struct worker_job *job)
{
	fail(CONTAINER_OF(job, struct opening, job));
}

static void on_open_done(struct worker_job *job)
{
	struct opening *opening = CONTAINER_OF(job, struct opening, job);
	struct host_core *core = &opening->host->core;

	if (!core->handle) {
		fail(opening);
		return;
	}
	if (host_device_start(opening->host) < 0) {
		(void)err_set(&opening->err, ENOMEM, "%s: no memory", core->name);
		opening->job = (struct worker_job){.run = run_close, .done = on_closed};
		worker_submit(core->worker, &opening->job);
		return;
	}
	opening->opened(opening->ctx, &core->usbdev, NULL);
	free(opening);
}

void host_prepare(void)
{
	handle_prepare();
	if (host_clock_prepare() < 0)
		log_debug("no timer for the host's clock");
}

int host_open(struct loop *loop, const struct host_options *options,
	      void (*opened)(void *ctx, struct usbdev *dev, const struct err *err),
	      void *ctx, struct err *err)
{
	struct opening *opening;
	int r = handle_check(options->fd, options->name, err);

	if (r < 0) {
		(void)close(options->fd);
		return r;
	}
	opening = calloc(1, sizeof(*opening));
	if (!opening) {
		(void)close(options->fd);
		return err_set(err, ENOMEM, "%s: no memory", options->name);
	}
	opening->opened = opened;
	opening->ctx = ctx;
	opening->host =
		host_device_create(loop, options->fd, options->name, options->reset);
	if (!opening->host) {
		bool no_memory = errno == ENOMEM;

		free(opening);
		return err_set(err, ENOMEM, "%s: no %s", options->name,
			       no_memory ? "memory" : "thread for it");
	}
	opening->job = (struct worker_job){.run = run_open, .done = on_open_done};
	worker_submit(opening->host->core.worker, &opening->job);
	return 0;
}
