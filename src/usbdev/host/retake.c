/* SPDX-License-Identifier: MIT
 * retake.c - takes back interfaces that the host has given to its own drivers
 *
 * When the host was suspended and the device lost its state by that, the kernel resets it and
 * gives each interface to whatever driver wants it, as usbfs does not know how to resume
 * (so a disk of the guest becomes one of the host). The kernel does not tell us, but we see
 * traces: the kernel kills transfers that we have not cancelled, it refuses a submission as
 * another driver has the interface, or the host sets its clock, as it does at the end of each
 * suspend. After each of these we check who has the interfaces.
 *
 * Transfers that the kernel had then fail for the guest, whose drivers recover as from any
 * failure. Those that the kernel refused wait, and we try them again.
 */
#include "usbdev/host/retake.h"

#include <errno.h>
#include <string.h>

#include "usbdev/host/reset.h"
#include "usbdev/host/urb/urbs.h"
#include "usbdev/host/wake.h"
#include "util/log.h"

static const char *const state_names[] = {
	[HOST_RETAKE_IDLE] = "IDLE",
	[HOST_RETAKE_RUNNING] = "RUNNING",
	[HOST_RETAKE_RUNNING_AGAIN] = "RUNNING_AGAIN",
};

static void set_state(struct host_retake *retake, enum host_retake_state state)
{
	log_trace("%s: retake: %s -> %s", retake->core->name, state_names[retake->state],
		  state_names[state]);
	retake->state = state;
}

static void run_retake(struct host_job *job)
{
	struct host_retake *retake = CONTAINER_OF(job, struct host_retake, job);

	retake->result = handle_retake(retake->core->handle);
}

static void check_result(struct host_retake *retake)
{
	struct host_core *core = retake->core;
	int result = retake->result;

	if (result == -ENODEV) {
		host_lost(core);
	} else if (result < 0) {
		log_limited(LOG_LEVEL_WARN,
			    "%s: a driver of the host has taken an interface and keeps "
			    "it (%s)",
			    core->usbdev.label, strerror(-result));
	} else if (result > 0) {
		log_limited(LOG_LEVEL_WARN,
			    "%s: drivers of the host had taken %d of its interfaces (was "
			    "the host suspended?); the guest has them again",
			    core->usbdev.label, result);
		/* the device is as the host's drivers left it */
		host_touch(core, HOST_USE_TOUCHED);
		host_reset_start_over(retake->reset);
		host_forget_leftovers(core, UINT32_MAX);
		if (retake->wake->suspended)
			host_wake_suspend(retake->wake, true);
	}
}

static void on_retake_done(struct host_job *job)
{
	struct host_retake *retake = CONTAINER_OF(job, struct host_retake, job);
	bool again = retake->state == HOST_RETAKE_RUNNING_AGAIN;

	set_state(retake, HOST_RETAKE_IDLE);
	urbs_claim_checked(retake->core->urbs);
	check_result(retake);
	if (again)
		host_retake(retake);
}

void host_retake(struct host_retake *retake)
{
	struct host_core *core = retake->core;

	if (retake->state != HOST_RETAKE_IDLE) {
		set_state(retake, HOST_RETAKE_RUNNING_AGAIN);
	} else if (core->life != HOST_LIFE_OPEN) {
		urbs_claim_checked(core->urbs);
	} else {
		set_state(retake, HOST_RETAKE_RUNNING);
		host_run_job(core, &retake->job);
	}
}

static void on_clock_set(struct host_clock_listener *listener)
{
	host_retake(CONTAINER_OF(listener, struct host_retake, listener));
}

void host_retake_init(struct host_retake *retake, struct host_core *core,
		      struct host_reset_op *reset, struct host_wake *wake)
{
	retake->core = core;
	retake->reset = reset;
	retake->wake = wake;
	retake->job = (struct host_job){.run = run_retake, .on_done = on_retake_done};
	retake->listener.on_set = on_clock_set;
	list_init(&retake->listener.node);
}

int host_retake_start(struct host_retake *retake)
{
	return host_clock_listen(retake->core->loop, &retake->listener);
}

void host_retake_stop(struct host_retake *retake)
{
	host_clock_unlisten(&retake->listener);
}
