/* SPDX-License-Identifier: MIT
 * core.c - the ground of a host device: its states, jobs for its worker, transfers to its URBs
 */
#include "usbdev/host/core.h"

#include <stdio.h>

#include "usbdev/host/urb/urbs.h"
#include "util/fds.h"
#include "util/log.h"

static const char *const life_names[] = {
	[HOST_LIFE_OPENING] = "OPENING", [HOST_LIFE_OPEN] = "OPEN",
	[HOST_LIFE_GONE] = "GONE",       [HOST_LIFE_GONE_NOTIFIED] = "GONE_NOTIFIED",
	[HOST_LIFE_CLOSING] = "CLOSING",
};

static const char *const use_names[] = {
	[HOST_USE_FRESH] = "FRESH",
	[HOST_USE_TOUCHED] = "TOUCHED",
	[HOST_USE_CHANGED] = "CHANGED",
};

void host_core_init(struct host_core *core, struct loop *loop, int fd, const char *name)
{
	core->loop = loop;
	core->fd = fd;
	(void)snprintf(core->name, sizeof(core->name), "%s", name);
	core->life = HOST_LIFE_OPENING;
	/* the host's driver had it, or a guest before this one */
	core->use = HOST_USE_TOUCHED;
}

void host_core_close(struct host_core *core)
{
	handle_close(core->handle);
	close_fd(&core->fd);
}

void host_set_life(struct host_core *core, enum host_life life)
{
	log_trace("%s: %s -> %s", core->name, life_names[core->life], life_names[life]);
	core->life = life;
}

void host_set_use(struct host_core *core, enum host_use use)
{
	if (core->use == use)
		return;
	log_trace("%s: %s -> %s", core->name, use_names[core->use], use_names[use]);
	core->use = use;
}

void host_touch(struct host_core *core, enum host_use use)
{
	if (core->use < use)
		host_set_use(core, use);
}

static void run_job(struct worker_job *worker_job)
{
	struct host_job *job = CONTAINER_OF(worker_job, struct host_job, worker_job);

	job->run(job);
}

static void on_job_done(struct worker_job *worker_job)
{
	struct host_job *job = CONTAINER_OF(worker_job, struct host_job, worker_job);
	struct host_core *core = job->core;

	job->on_done(job);
	urbs_thaw(core->urbs);
	host_step_soon(core);
}

void host_run_job(struct host_core *core, struct host_job *job)
{
	job->core = core;
	job->worker_job = (struct worker_job){.run = run_job, .done = on_job_done};
	urbs_freeze(core->urbs);
	worker_submit(core->worker, &job->worker_job);
}

bool host_withdraw_job(struct host_core *core, struct host_job *job)
{
	if (!worker_withdraw(core->worker, &job->worker_job))
		return false;
	urbs_thaw(core->urbs);
	return true;
}

void host_to_urbs(struct host_core *core, struct usbdev_transfer *transfer)
{
	transfer->backend = NULL;
	core->with_urbs++;
	urbs_submit(core->urbs, transfer);
}

void host_forget_leftovers(struct host_core *core, uint32_t endpoints)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		if (endpoints & UINT32_C(1) << bit)
			urbs_forget_leftovers(core->urbs, descr_ep_addr(bit));
	}
}

void host_step_soon(struct host_core *core)
{
	loop_defer(core->loop, &core->step_task);
}

void host_notify_gone(struct host_core *core)
{
	if (core->life != HOST_LIFE_GONE || !core->usbdev.events)
		return;
	host_set_life(core, HOST_LIFE_GONE_NOTIFIED);
	usbdev_gone(&core->usbdev);
}

void host_lost(struct host_core *core)
{
	if (core->life == HOST_LIFE_OPEN) {
		log_info("%s is gone", core->usbdev.label);
		host_set_life(core, HOST_LIFE_GONE);
	}
	host_step_soon(core);
	host_notify_gone(core);
}
