/* SPDX-License-Identifier: MIT
 * device.c - a real device of the host: its parts, its operations, its end
 *
 * Closing waits until no job runs and no transfer is left. It destroys the URBs in the loop,
 * as their watch on the fd and their mappings must go before the fd. Then one job of the
 * worker gives the host's drivers their interfaces and closes the fd. The thread ends last.
 */
#include "usbdev/host/device.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "usbdev/host/urb/urbs.h"
#include "util/fds.h"
#include "util/log.h"

static struct host_device *host_from_usbdev(struct usbdev *dev)
{
	return CONTAINER_OF(dev, struct host_device, core.usbdev);
}

/* ---- reports of the URBs ---- */

static void on_urbs_completed(void *ctx, struct usbdev_transfer *transfer,
			      enum usbdev_status status, uint32_t actual_bytes)
{
	struct host_device *host = ctx;
	struct host_core *core = &host->core;

	assert(core->with_urbs > 0);
	core->with_urbs--;
	if (core->pauses > 0 || host_is_closing(core))
		host_step_soon(core);
	if (transfer->type == USBDEV_TYPE_CONTROL)
		host_control_on_completed(&host->control, transfer, status, actual_bytes);
	else if (!host_wake_on_completed(&host->wake, transfer, status))
		usbdev_complete(&core->usbdev, transfer, status, actual_bytes);
}

static void on_urbs_gone(void *ctx)
{
	struct host_device *host = ctx;

	host_lost(&host->core);
}

static void on_claim_suspect(void *ctx)
{
	struct host_device *host = ctx;

	host_retake(&host->retake);
}

/* ---- operations ---- */

static void submit(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	struct host_device *host = host_from_usbdev(dev);

	transfer->backend = NULL;
	if (host_is_gone(&host->core))
		host_step_soon(
			&host->core); /* reports it if there was no listener before */
	if (transfer->type == USBDEV_TYPE_CONTROL)
		host_control_submit(&host->control, transfer);
	else
		host_data_submit(&host->data, transfer);
}

static void cancel(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	struct host_device *host = host_from_usbdev(dev);

	if (transfer->type == USBDEV_TYPE_CONTROL)
		host_control_cancel(&host->control, transfer);
	else
		host_data_cancel(&host->data, transfer);
}

static void reset(struct usbdev *dev)
{
	host_reset_submit(&host_from_usbdev(dev)->reset);
}

static void suspend(struct usbdev *dev, bool suspended)
{
	host_wake_suspend(&host_from_usbdev(dev)->wake, suspended);
}

static void streams(struct usbdev *dev, struct usbdev_streams *request)
{
	host_streams_submit(&host_from_usbdev(dev)->streams, request);
}

static void destroy(struct usbdev *dev)
{
	struct host_device *host = host_from_usbdev(dev);

	host_set_life(&host->core, HOST_LIFE_CLOSING);
	host_wake_stop(&host->wake);
	host_step_soon(&host->core);
}

static const struct usbdev_ops ops = {
	.name = "host",
	.submit = submit,
	.cancel = cancel,
	.reset = reset,
	.suspend = suspend,
	.streams = streams,
	.destroy = destroy,
};

/* Slower than SuperSpeed. */
static const struct usbdev_ops ops_without_streams = {
	.name = "host",
	.submit = submit,
	.cancel = cancel,
	.reset = reset,
	.suspend = suspend,
	.destroy = destroy,
};

/* ---- closing ---- */

void host_device_free(struct host_device *host)
{
	worker_destroy(host->core.worker);
	host_retake_stop(&host->retake);
	close_fd(&host->core.fd);
	free(host);
}

static void run_close(struct worker_job *job)
{
	struct host_device *host = CONTAINER_OF(job, struct host_device, close_job);

	host_core_close(&host->core);
}

static void on_closed(struct worker_job *job)
{
	struct host_device *host = CONTAINER_OF(job, struct host_device, close_job);

	log_debug("%s: given back", host->core.usbdev.label);
	usbdev_finish(&host->core.usbdev);
	host_device_free(host);
}

static void run_nothing(struct worker_job *job)
{
	(void)job;
}

static void on_nothing_done(struct worker_job *job)
{
	struct host_device *host = CONTAINER_OF(job, struct host_device, close_job);

	host->close_job.run = NULL;
	host_step_soon(&host->core);
}

static bool has_work(const struct host_device *host)
{
	return host->close_job.run || host->reset.running || host->streams.current ||
	       host->retake.state != HOST_RETAKE_IDLE ||
	       !host_control_is_idle(&host->control) || host->core.with_urbs > 0;
}

/* Closes when nothing runs any more. */
static void close_step(struct host_device *host)
{
	struct host_core *core = &host->core;

	if (has_work(host))
		return;
	if (!urbs_quiet(core->urbs)) {
		/* the worker still unlinks: this job comes after that one */
		host->close_job =
			(struct worker_job){.run = run_nothing, .done = on_nothing_done};
	} else {
		/* the clock may be set while the worker closes: that must find no device */
		host_retake_stop(&host->retake);
		urbs_destroy(core->urbs);
		core->urbs = NULL;
		loop_undefer(core->loop, &core->step_task);
		host->close_job =
			(struct worker_job){.run = run_close, .done = on_closed};
	}
	worker_submit(core->worker, &host->close_job);
}

/* Deferred. Each part checks whether its wait is over. */
static void on_step(void *ctx)
{
	struct host_device *host = ctx;

	host_notify_gone(&host->core);
	host_control_step(&host->control);
	host_reset_step(&host->reset);
	if (host_is_closing(&host->core))
		close_step(host);
}

/* ---- opening ---- */

/* Sets up the parts of a zeroed struct. */
static void set_up(struct host_device *host, enum host_reset policy)
{
	struct host_core *core = &host->core;

	core->step_task = (struct loop_task){.cb = on_step, .ctx = host};
	host->wake.core = core;
	host->data.core = core;
	host->data.wake = &host->wake;
	list_init(&host->data.paused);
	host->control.core = core;
	host->control.data = &host->data;
	host->control.wake = &host->wake;
	list_init(&host->control.queue);
	host->reset.core = core;
	host->reset.data = &host->data;
	host->reset.control = &host->control;
	host->reset.wake = &host->wake;
	host->reset.policy = policy;
	host_streams_init(&host->streams, core);
	host_retake_init(&host->retake, core, &host->reset, &host->wake);
}

struct host_device *host_device_create(struct loop *loop, int fd, const char *name,
				       enum host_reset policy)
{
	struct host_device *host = calloc(1, sizeof(*host));

	if (!host) {
		close_fd(&fd);
		errno = ENOMEM;
		return NULL;
	}
	host_core_init(&host->core, loop, fd, name);
	set_up(host, policy);
	host->core.worker = worker_create(loop, "usb-host");
	if (!host->core.worker) {
		host_device_free(host);
		errno = EAGAIN;
		return NULL;
	}
	return host;
}

int host_device_start(struct host_device *host)
{
	struct host_core *core = &host->core;
	struct handle_info *info = &core->info;
	bool has_streams = usbdev_speed_is_usb3(info->speed);
	struct urbs_owner owner = {
		.ctx = host,
		.completed = on_urbs_completed,
		.claim_suspect = on_claim_suspect,
		.gone = on_urbs_gone,
	};

	core->urbs = urbs_create(core->loop, core->fd, info->caps, core->worker, &owner);
	if (!core->urbs)
		return -ENOMEM;
	if (usbdev_init(&core->usbdev, has_streams ? &ops : &ops_without_streams,
			core->loop, info->speed, info->label) < 0) {
		urbs_destroy(core->urbs);
		core->urbs = NULL;
		return -ENOMEM;
	}
	core->usbdev.vendor = info->vendor;
	core->usbdev.product = info->product;
	host_set_life(core, HOST_LIFE_OPEN);
	if (!info->uas_works)
		log_info("%s: the host has no streams for UAS; the guest sees the "
			 "bulk-only protocol",
			 info->label);
	if (host_retake_start(&host->retake) < 0)
		log_debug("%s: no news of a suspended host", info->label);
	return 0;
}
