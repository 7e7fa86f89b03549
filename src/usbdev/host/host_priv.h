/* SPDX-License-Identifier: MIT
 * host_priv.h - what the files of the host back end share
 *
 * How it works. Transfers go to urbs.h in the loop. What blocks (handle.h) is a job for
 * the device's worker; while one is there the URBs are frozen (host_run_job()). Jobs
 * run one after the other, so what is submitted later finds the device as the job
 * before left it.
 *
 * Two things need the device for themselves: a reset and a change of configuration.
 * They hold (host_hold()) what is submitted from then on, have what is with the
 * kernel cancelled, and begin when with_urbs has come down to 0. What was held goes
 * to the URBs afterwards, in its order, so that each endpoint completes in order even
 * if some of it has been cancelled meanwhile.
 *
 * Decisions that end somebody's wait (a reset begins or is over, a device is
 * destroyed) are made in host->step_task, never inside an op or a callback of the
 * URBs. Destroying: see host_open.c.
 *
 * Loop thread, but for the run() of jobs, which touch host->handle and themselves.
 */
#ifndef USBDEV_HOST_HOST_PRIV_H
#define USBDEV_HOST_HOST_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/host/handle.h"
#include "usbdev/host/host.h"
#include "usbdev/host/urb/urbs.h"
#include "usbdev/usbdev.h"
#include "util/err.h"
#include "util/list.h"
#include "util/loop.h"
#include "util/worker.h"

struct host_device;

/* A blocking call, embedded in its owner. @run: on the worker; @done: in the loop,
 * the URBs still frozen. */
struct host_job {
	void (*run)(struct host_job *job);
	void (*done)(struct host_job *job);
	struct host_device *host;
	struct worker_job worker_job;
};

enum host_control_state {
	HOST_CONTROL_IDLE,
	HOST_CONTROL_URBS,  /* the current transfer is with the kernel */
	HOST_CONTROL_DRAIN, /* SET_CONFIGURATION waits for the other transfers to end */
	HOST_CONTROL_JOB,   /* the worker does it */
};

/**
 * struct host_control - the default control pipe: one transfer at a time
 * @queue:	transfers behind @current
 * @current:	NULL if and only if @state is idle
 * @endpoints:	@job: whose data toggles begin anew by it, see descr_ep_bit()
 * @result:	@job: 0 or -errno
 */
struct host_control {
	struct list queue;
	enum host_control_state state;
	struct usbdev_transfer *current;
	struct host_job job;
	uint32_t endpoints;
	int result;
};

/**
 * struct host_reset_op - resets that the guest asked for
 * @wanted:	usbdev_reset_done() is owed so many times
 * @done_once:	the real device has been reset since it was attached
 */
struct host_reset_op {
	unsigned wanted;
	bool running;
	bool done_once;
	enum host_reset policy;
	struct host_job job;
	int result;
};

#define HOST_EARS 15u /* IN endpoints 1 to 15 */

/**
 * struct host_ear - an IN endpoint that is listened on for the guest
 * @length_bytes: what the guest listened with when it last took a transfer back; 0 = it
 *		does not listen
 * @transfer:	ours, with urbs while @listens; its data is kept there
 * @ends:	it has been cancelled; @again: another is to follow
 */
struct host_ear {
	enum usbdev_type type;
	uint32_t length_bytes;
	bool listens;
	bool ends;
	bool again;
	struct usbdev_transfer transfer;
};

/**
 * struct host_wake - remote wake-up
 * @suspended:	the guest's port is
 * @device:	the guest has enabled it, USB 2; @functions: USB 3, by interface
 */
struct host_wake {
	bool suspended;
	bool device;
	uint32_t functions;
	unsigned listening; /* ears that do */
	struct host_ear ears[HOST_EARS];
};

/**
 * struct host_retake - looking whether the device's interfaces are still ours
 * @again:	once more after this time
 * @in_clock:	among those that hear of it when the host's clock is set
 */
struct host_retake {
	bool running;
	bool again;
	int result;
	struct host_job job;
	struct list in_clock;
};

/**
 * struct host_device - a real device
 * @gone:	it is not there any more; @gone_told: who plugged it in knows
 * @used:	something happened that a reset would undo
 * @pristine:	all alternate settings are 0, all toggles at their start
 * @with_urbs:	transfers that urbs has and has not finished
 * @holds:	see host_hold()
 * @held:	transfers that wait for that to end
 * @streams:	requests; the worker does @streams_now, the first of them
 */
struct host_device {
	struct usbdev usbdev;
	struct loop *loop;
	struct worker *worker;
	struct urbs *urbs;
	struct handle *handle;
	struct handle_info info;
	char name[64];
	int fd;
	bool gone;
	bool gone_told;
	bool destroying;
	bool used;
	bool pristine;
	unsigned with_urbs;
	unsigned holds;
	struct list held;
	struct host_control control;
	struct host_reset_op reset;
	struct host_wake wake;
	struct host_retake retake;
	struct list streams;
	struct usbdev_streams *streams_now;
	struct host_job streams_job;
	int streams_result;
	struct loop_task step_task;
	struct worker_job life_job; /* opening, closing */
	struct err open_err;
	void (*opened)(void *ctx, struct usbdev *dev, const struct err *err);
	void *opened_ctx;
};

static inline struct host_device *host_from_usbdev(struct usbdev *dev)
{
	return CONTAINER_OF(dev, struct host_device, usbdev);
}

/* host.c */
extern const struct usbdev_ops host_ops;
extern const struct usbdev_ops host_ops_without_streams;
extern const struct urbs_owner host_urbs_owner; /* ctx is to be set */
/* Sets up the parts of a zeroed struct. */
void host_setup(struct host_device *host, struct loop *loop, enum host_reset policy);
/* Freezes the URBs, has job->run called, thaws after job->done. */
void host_run_job(struct host_device *host, struct host_job *job);
/* True: @job had not begun and never will; thawed. */
MUST_USE bool host_withdraw_job(struct host_device *host, struct host_job *job);
void host_to_urbs(struct host_device *host, struct usbdev_transfer *transfer);
/* What is submitted on other endpoints than 0 waits from now on. They count. */
void host_hold(struct host_device *host);
void host_unhold(struct host_device *host);
void host_step_soon(struct host_device *host);
/* Whatever the device has sent too late, for all endpoints in @endpoints. */
void host_forget_leftovers(struct host_device *host, uint32_t endpoints);
/* The device is found to be gone. From a loop callback that is no op. */
void host_lost(struct host_device *host);

/* control.c: the default control pipe */
void host_control_submit(struct host_device *host, struct usbdev_transfer *transfer);
void host_control_cancel(struct host_device *host, struct usbdev_transfer *transfer);
/* All that is queued or running is to end as cancelled. */
void host_control_cancel_all(struct host_device *host);
/* urbs is done with the current one. */
void host_control_finished(struct host_device *host, struct usbdev_transfer *transfer,
			   enum usbdev_status status, uint32_t actual_bytes);
/* Goes on if it can. */
void host_control_step(struct host_device *host);

/* reset.c */
void host_reset_submit(struct host_device *host);
void host_reset_step(struct host_device *host);

/* wake.c: remote wake-up */
void host_wake_suspend(struct host_device *host, bool suspended);
/* Nobody is listened to any more, soon. */
void host_wake_stop(struct host_device *host);
/* The device was reset (@reset) or configured: it begins anew. */
void host_wake_forget(struct host_device *host, bool reset);
/* urbs is done with @transfer, on another endpoint than 0. Return: true if it was one of
 * wake.c itself; all others are the guest's. */
MUST_USE bool host_wake_finished(struct host_device *host,
				 struct usbdev_transfer *transfer,
				 enum usbdev_status status);
/* A control request before it goes to the device, which is not to sleep. */
void host_wake_filter(struct usbdev_setup *setup);
/* ... and when the device has accepted it. */
void host_wake_requested(struct host_device *host, const struct usbdev_setup *setup);

/* retake.c: interfaces that the host has taken */

/* Makes what all devices need of the kernel, if it is not there. Return: 0 or -errno. */
MUST_USE int host_retake_prepare(void);
/* From when the device is open on: 0 or -errno. Stopping is fine without. */
MUST_USE int host_retake_start(struct host_device *host);
void host_retake_stop(struct host_device *host);
/* Looks whether any was, and has it back soon. */
void host_retake(struct host_device *host);

/* host_open.c: closes when nothing runs any more. */
void host_close_step(struct host_device *host);

#endif /* USBDEV_HOST_HOST_PRIV_H */
