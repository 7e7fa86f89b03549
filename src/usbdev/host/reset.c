/* SPDX-License-Identifier: MIT
 * reset.c - a USB reset by the guest, and what it does to the real device
 *
 * For the guest it is always a reset: all transfers end, and what it submits from now
 * on comes after it. The real device is reset if the policy has it and there is
 * anything to undo; else its configuration and alternate settings stay, and the
 * SET_CONFIGURATION that follows sets them to their start (control.c).
 */
#include <errno.h>
#include <string.h>

#include "usbdev/host/host_priv.h"
#include "util/log.h"

static void run_reset(struct host_job *job)
{
	job->host->reset.result = handle_reset(job->host->handle);
}

static bool is_real(const struct host_device *host)
{
	if (!host->used)
		return false;
	switch (host->reset.policy) {
	case HOST_RESET_ALWAYS:
		return true;
	case HOST_RESET_FIRST:
		return !host->reset.done_once;
	case HOST_RESET_NEVER:
		break;
	}
	return false;
}

/* Answers all that was asked. May have the device destroyed, not freed. */
static void finish(struct host_device *host, int result)
{
	unsigned answers = host->reset.wanted;

	host->reset.wanted = 0;
	host_forget_leftovers(host, UINT32_MAX);
	host_wake_forget(host, true);
	host_unhold(host);
	host_control_step(host);
	while (answers-- > 0 && !host->destroying)
		usbdev_reset_done(&host->usbdev, result);
	if (result == -ENODEV)
		host_lost(host);
}

static void reset_done(struct host_job *job)
{
	struct host_device *host = job->host;
	int result = host->reset.result;

	host->reset.running = false;
	if (result == 0) {
		host->used = false;
		host->pristine = true;
		host->reset.done_once = true;
	} else if (result != -ENODEV) {
		log_limited(LOG_LEVEL_WARN, "%s: cannot be reset (%s); goes on without",
			    host->usbdev.label, strerror(-result));
		host->pristine = false;
		result = 0;
	}
	finish(host, result);
}

void host_reset_submit(struct host_device *host)
{
	struct list *node;

	if (host->reset.wanted++ == 0)
		host_hold(host);
	host_control_cancel_all(host);
	LIST_FOREACH(node, &host->held)
		LIST_ENTRY(node, struct usbdev_transfer, node)->cancelled = true;
	urbs_cancel_all(host->urbs);
	host_step_soon(host);
}

void host_reset_step(struct host_device *host)
{
	if (host->reset.wanted == 0 || host->reset.running || host->destroying ||
	    host->with_urbs > 0 || host->control.state != HOST_CONTROL_IDLE)
		return;
	if (host->gone) {
		finish(host, -ENODEV);
	} else if (is_real(host)) {
		host->reset.running = true;
		host->reset.job = (struct host_job){.run = run_reset, .done = reset_done};
		host_run_job(host, &host->reset.job);
	} else {
		finish(host, 0);
	}
}
