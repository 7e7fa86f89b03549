/* SPDX-License-Identifier: MIT
 * reset.c - a USB reset by the guest, and what it does to the real device
 *
 * For the guest it is always a reset: all transfers end, and transfers that it submits from
 * now on come after it. The real device is reset if the policy says so and there is anything
 * to undo. Else its configuration and alternate settings stay, and the SET_CONFIGURATION
 * that follows sets them to their start (control.c).
 */
#include "usbdev/host/reset.h"

#include <errno.h>
#include <string.h>

#include "usbdev/host/control.h"
#include "usbdev/host/data.h"
#include "usbdev/host/wake.h"
#include "util/log.h"

static void run_reset(struct host_job *job)
{
	struct host_reset_op *reset = CONTAINER_OF(job, struct host_reset_op, job);

	reset->result = handle_reset(reset->core->handle);
}

static bool resets_the_device(const struct host_reset_op *reset)
{
	if (reset->core->use == HOST_USE_FRESH)
		return false;
	switch (reset->policy) {
	case HOST_RESET_ALWAYS:
		return true;
	case HOST_RESET_FIRST:
		return !reset->done_once;
	case HOST_RESET_NEVER:
		break;
	}
	return false;
}

/* Answers all requests. The owner may destroy the device meanwhile; it is not freed yet. */
static void finish(struct host_reset_op *reset, int result)
{
	struct host_core *core = reset->core;
	unsigned answers = reset->wanted;

	reset->wanted = 0;
	host_forget_leftovers(core, UINT32_MAX);
	host_wake_forget(reset->wake, true);
	host_data_resume(reset->data);
	host_control_resume(reset->control);
	while (answers-- > 0 && !host_is_closing(core))
		usbdev_reset_done(&core->usbdev, result);
	if (result == -ENODEV)
		host_lost(core);
}

static void on_reset_done(struct host_job *job)
{
	struct host_reset_op *reset = CONTAINER_OF(job, struct host_reset_op, job);
	struct host_core *core = reset->core;
	int result = reset->result;

	reset->running = false;
	if (result == 0) {
		host_set_use(core, HOST_USE_FRESH);
		reset->done_once = true;
	} else if (result != -ENODEV) {
		log_limited(LOG_LEVEL_WARN,
			    "%s: the reset failed (%s); the device goes on without it",
			    core->usbdev.label, strerror(-result));
		host_set_use(core, HOST_USE_CHANGED);
		result = 0;
	}
	finish(reset, result);
}

void host_reset_submit(struct host_reset_op *reset)
{
	if (reset->wanted++ == 0)
		host_data_pause(reset->data);
	host_control_pause(reset->control);
	host_data_cancel_all(reset->data);
	host_step_soon(reset->core);
}

void host_reset_step(struct host_reset_op *reset)
{
	struct host_core *core = reset->core;

	if (reset->wanted == 0 || reset->running || host_is_closing(core) ||
	    core->with_urbs > 0 || !host_control_is_idle(reset->control))
		return;
	if (host_is_gone(core)) {
		finish(reset, -ENODEV);
	} else if (resets_the_device(reset)) {
		reset->running = true;
		reset->job =
			(struct host_job){.run = run_reset, .on_done = on_reset_done};
		host_run_job(core, &reset->job);
	} else {
		finish(reset, 0);
	}
}

void host_reset_start_over(struct host_reset_op *reset)
{
	reset->done_once = false;
}
