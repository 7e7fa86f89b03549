/* SPDX-License-Identifier: MIT
 * core.h - the ground of a host device: its states, jobs for its worker, transfers to its URBs
 *
 * Transfers go to urb/urbs.h in the loop. Calls that block (handle.h) are jobs of the
 * device's worker; while one is there the URBs are frozen (host_run_job()). Jobs run one
 * after the other, so a later one finds the device as the one before left it.
 *
 * Decisions that end a wait (a reset starts or is over, a device is destroyed) are made in
 * the step task, never inside an op or a callback of the URBs.
 *
 * Life:
 *
 *   OPENING       -- the worker has opened it ----------------------> OPEN
 *   OPEN          -- a call says -ENODEV, or the URBs do -----------> GONE
 *   GONE          -- somebody listens: usbdev_gone() ---------------> GONE_NOTIFIED
 *   OPEN, GONE, GONE_NOTIFIED -- the owner destroys it -------------> CLOSING
 *
 * Use since the last reset, which decides what a reset or SET_CONFIGURATION does:
 *
 *   any           -- the device was reset --------------------------> FRESH
 *   FRESH         -- streams, or a request that leaves interfaces
 *                    alone; a driver of the host had it ------------> TOUCHED
 *   FRESH, TOUCHED -- a transfer to an endpoint, any other request,
 *                    a failed reset or SET_CONFIGURATION -----------> CHANGED
 *   CHANGED       -- SET_CONFIGURATION succeeded -------------------> TOUCHED
 *
 * Loop thread, but for the run() of jobs, which use core->handle and their own struct.
 */
#ifndef USBDEV_HOST_CORE_H
#define USBDEV_HOST_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/host/handle.h"
#include "usbdev/usbdev.h"
#include "util/compiler.h"
#include "util/loop.h"
#include "util/worker.h"

struct host_core;
struct urbs;

enum host_life {
	HOST_LIFE_OPENING,
	HOST_LIFE_OPEN,
	HOST_LIFE_GONE,          /* the device is pulled; there was no listener yet */
	HOST_LIFE_GONE_NOTIFIED, /* whoever plugged it in knows */
	HOST_LIFE_CLOSING,       /* it is being destroyed */
};

/* What happened since the last reset of the device. */
enum host_use {
	HOST_USE_FRESH, /* nothing: a reset would undo nothing */
	/* something, but each alternate setting is 0 and each data toggle at its start */
	HOST_USE_TOUCHED,
	HOST_USE_CHANGED, /* alternate settings or data toggles may have changed */
};

/**
 * struct host_job - a blocking call, embedded in its owner
 * @run:	on the worker
 * @on_done:	in the loop, the URBs still frozen
 */
struct host_job {
	void (*run)(struct host_job *job);
	void (*on_done)(struct host_job *job);
	struct host_core *core;
	struct worker_job worker_job;
};

/**
 * struct host_core
 * @handle:	NULL until it is open
 * @name:	for messages
 * @fd:		usbfs node, owned
 * @with_urbs:	transfers that urbs has and has not completed
 * @pauses:	see host_data_pause()
 * @step_task:	each part checks whether its wait is over
 */
struct host_core {
	struct usbdev usbdev;
	struct loop *loop;
	struct worker *worker;
	struct urbs *urbs;
	struct handle *handle;
	struct handle_info info;
	char name[64];
	int fd;
	enum host_life life;
	enum host_use use;
	unsigned with_urbs;
	unsigned pauses;
	struct loop_task step_task;
};

/* Of a zeroed struct. Takes @fd. */
void host_core_init(struct host_core *core, struct loop *loop, int fd, const char *name);
/* On the worker: gives the interfaces back to the host's drivers and closes the node. */
void host_core_close(struct host_core *core);

void host_set_life(struct host_core *core, enum host_life life);
static inline bool host_is_gone(const struct host_core *core)
{
	return core->life == HOST_LIFE_GONE || core->life == HOST_LIFE_GONE_NOTIFIED;
}

static inline bool host_is_closing(const struct host_core *core)
{
	return core->life == HOST_LIFE_CLOSING;
}

void host_set_use(struct host_core *core, enum host_use use);
/* At least @use. */
void host_touch(struct host_core *core, enum host_use use);

/* Freezes the URBs, calls job->run on the worker, thaws them after job->on_done. */
void host_run_job(struct host_core *core, struct host_job *job);
/* Return: true if @job had not begun and never will; the URBs are thawed. */
MUST_USE bool host_withdraw_job(struct host_core *core, struct host_job *job);

void host_to_urbs(struct host_core *core, struct usbdev_transfer *transfer);
/* Drops leftover data of all endpoints in @endpoints, see descr_ep_bit(). */
void host_forget_leftovers(struct host_core *core, uint32_t endpoints);
void host_step_soon(struct host_core *core);
/* The device is gone. From a loop callback that is no op. */
void host_lost(struct host_core *core);
/* Reports that, once, as soon as somebody listens. */
void host_notify_gone(struct host_core *core);

#endif /* USBDEV_HOST_CORE_H */
