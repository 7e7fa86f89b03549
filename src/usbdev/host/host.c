/* SPDX-License-Identifier: MIT
 * host.c - a real USB device of the host: its operations, and who may have the device
 *
 * See host_priv.h for how it works.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "usbdev/host/host_priv.h"
#include "util/log.h"

static void job_run(struct worker_job *worker_job)
{
	struct host_job *job = CONTAINER_OF(worker_job, struct host_job, worker_job);

	job->run(job);
}

static void job_done(struct worker_job *worker_job)
{
	struct host_job *job = CONTAINER_OF(worker_job, struct host_job, worker_job);
	struct host_device *host = job->host;

	job->done(job);
	urbs_thaw(host->urbs);
	host_step_soon(host);
}

void host_run_job(struct host_device *host, struct host_job *job)
{
	job->host = host;
	job->worker_job = (struct worker_job){.run = job_run, .done = job_done};
	urbs_freeze(host->urbs);
	worker_submit(host->worker, &job->worker_job);
}

bool host_withdraw_job(struct host_device *host, struct host_job *job)
{
	if (!worker_withdraw(host->worker, &job->worker_job))
		return false;
	urbs_thaw(host->urbs);
	return true;
}

void host_to_urbs(struct host_device *host, struct usbdev_transfer *transfer)
{
	transfer->backend = NULL;
	host->with_urbs++;
	urbs_submit(host->urbs, transfer);
}

/* On another endpoint than 0. */
static void to_device(struct host_device *host, struct usbdev_transfer *transfer)
{
	host->used = true;
	host->pristine = false;
	/* what comes from now on is for the guest itself */
	host_wake_stop(host);
	host_to_urbs(host, transfer);
}

void host_hold(struct host_device *host)
{
	host->holds++;
}

/* Those cancelled while they were held go the same way, so that they do not overtake
 * others of their endpoint; frozen, so that the device never sees them. */
void host_unhold(struct host_device *host)
{
	struct list *node;

	assert(host->holds > 0);
	if (--host->holds > 0)
		return;
	urbs_freeze(host->urbs);
	while ((node = list_first(&host->held))) {
		struct usbdev_transfer *transfer =
			LIST_ENTRY(node, struct usbdev_transfer, node);

		list_remove(node);
		if (transfer->cancelled) {
			host_to_urbs(host, transfer);
			urbs_cancel(host->urbs, transfer);
		} else {
			to_device(host, transfer);
		}
	}
	urbs_thaw(host->urbs);
}

void host_step_soon(struct host_device *host)
{
	loop_defer(host->loop, &host->step_task);
}

void host_forget_leftovers(struct host_device *host, uint32_t endpoints)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		if (endpoints & UINT32_C(1) << bit)
			urbs_forget_leftovers(host->urbs, descr_ep_addr(bit));
	}
}

/* Told when there is somebody to hear it, and once. */
static void tell_gone(struct host_device *host)
{
	if (!host->gone || host->gone_told || host->destroying || !host->usbdev.events)
		return;
	host->gone_told = true;
	usbdev_gone(&host->usbdev);
}

void host_lost(struct host_device *host)
{
	if (!host->gone)
		log_info("%s is gone", host->usbdev.label);
	host->gone = true;
	host_step_soon(host);
	tell_gone(host);
}

static void on_urbs_completed(void *ctx, struct usbdev_transfer *transfer,
			      enum usbdev_status status, uint32_t actual_bytes)
{
	struct host_device *host = ctx;

	assert(host->with_urbs > 0);
	host->with_urbs--;
	if (host->holds > 0 || host->destroying)
		host_step_soon(host);
	if (transfer->type == USBDEV_TYPE_CONTROL)
		host_control_finished(host, transfer, status, actual_bytes);
	else if (!host_wake_finished(host, transfer, status))
		usbdev_complete(&host->usbdev, transfer, status, actual_bytes);
}

static void on_urbs_gone(void *ctx)
{
	host_lost(ctx);
}

static void on_claim_suspect(void *ctx)
{
	host_retake(ctx);
}

const struct urbs_owner host_urbs_owner = {
	.completed = on_urbs_completed,
	.claim_suspect = on_claim_suspect,
	.gone = on_urbs_gone,
};

static void submit(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	struct host_device *host = host_from_usbdev(dev);

	transfer->backend = NULL;
	if (host->gone)
		host_step_soon(host); /* tells if nobody could hear it before */
	if (transfer->type == USBDEV_TYPE_CONTROL) {
		host_control_submit(host, transfer);
	} else if (host->holds > 0) {
		transfer->backend = &host->held;
		list_append(&host->held, &transfer->node);
	} else if (host->gone && host->with_urbs == 0) {
		usbdev_complete_soon(dev, transfer, USBDEV_STATUS_GONE, 0);
	} else {
		to_device(host, transfer);
	}
}

static void cancel(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	struct host_device *host = host_from_usbdev(dev);

	if (transfer->type == USBDEV_TYPE_CONTROL)
		host_control_cancel(host, transfer);
	else if (transfer->backend != &host->held) /* else: see host_unhold() */
		urbs_cancel(host->urbs, transfer);
}

static void reset(struct usbdev *dev)
{
	host_reset_submit(host_from_usbdev(dev));
}

static void suspend(struct usbdev *dev, bool suspended)
{
	host_wake_suspend(host_from_usbdev(dev), suspended);
}

static void next_streams(struct host_device *host)
{
	struct list *node = list_first(&host->streams);

	host->streams_now = node ? LIST_ENTRY(node, struct usbdev_streams, node) : NULL;
	if (!node)
		return;
	host->used = true;
	host_run_job(host, &host->streams_job);
}

static void run_streams(struct host_job *job)
{
	struct host_device *host = job->host;
	const struct usbdev_streams *request = host->streams_now;

	host->streams_result =
		handle_set_streams(host->handle, request->ep_addrs, request->ep_count,
				   request->stream_count);
}

static void streams_done(struct host_job *job)
{
	struct host_device *host = job->host;
	int result = host->streams_result;

	usbdev_streams_done(host->streams_now, result);
	next_streams(host);
	if (result == -ENODEV)
		host_lost(host);
}

static void streams(struct usbdev *dev, struct usbdev_streams *request)
{
	struct host_device *host = host_from_usbdev(dev);

	list_append(&host->streams, &request->node);
	if (!host->streams_now)
		next_streams(host);
}

static void destroy(struct usbdev *dev)
{
	struct host_device *host = host_from_usbdev(dev);

	host->destroying = true;
	host_wake_stop(host);
	host_step_soon(host);
}

const struct usbdev_ops host_ops = {
	.name = "host",
	.submit = submit,
	.cancel = cancel,
	.reset = reset,
	.suspend = suspend,
	.streams = streams,
	.destroy = destroy,
};

/* Slower than SuperSpeed. */
const struct usbdev_ops host_ops_without_streams = {
	.name = "host",
	.submit = submit,
	.cancel = cancel,
	.reset = reset,
	.suspend = suspend,
	.destroy = destroy,
};

/* Deferred. Each part looks whether its wait is over. */
static void on_step(void *ctx)
{
	struct host_device *host = ctx;

	tell_gone(host);
	host_control_step(host);
	host_reset_step(host);
	if (host->destroying)
		host_close_step(host); /* may free @host */
}

void host_setup(struct host_device *host, struct loop *loop, enum host_reset policy)
{
	host->loop = loop;
	/* the host's driver, or a guest before this one, had it */
	host->used = true;
	host->pristine = true;
	host->reset.policy = policy;
	list_init(&host->retake.in_clock);
	list_init(&host->held);
	list_init(&host->streams);
	list_init(&host->control.queue);
	host->streams_job = (struct host_job){.run = run_streams, .done = streams_done};
	host->step_task = (struct loop_task){.cb = on_step, .ctx = host};
}
