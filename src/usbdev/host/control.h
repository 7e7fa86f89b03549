/* SPDX-License-Identifier: MIT
 * control.h - the default control pipe of a real device: one request at a time
 *
 *   IDLE  -- a request for the device ------------------> URBS
 *   IDLE  -- SET_CONFIGURATION: pause all other data ---> DRAIN
 *   IDLE  -- another request for the kernel ------------> JOB
 *   DRAIN -- no transfer is left with the URBs ---------> JOB
 *   URBS, JOB -- it is over ----------------------------> IDLE
 *   DRAIN, JOB not yet started -- it is cancelled ------> IDLE
 */
#ifndef USBDEV_HOST_CONTROL_H
#define USBDEV_HOST_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/host/core.h"
#include "usbdev/usbdev.h"
#include "util/list.h"

struct host_data;
struct host_wake;

enum host_control_state {
	HOST_CONTROL_IDLE,
	HOST_CONTROL_URBS,  /* the current transfer is with the kernel */
	HOST_CONTROL_DRAIN, /* SET_CONFIGURATION waits for the other transfers to end */
	HOST_CONTROL_JOB,   /* the worker does it */
};

/**
 * struct host_control
 * @queue:	transfers behind @current
 * @current:	NULL if and only if @state is IDLE
 * @paused:	until host_control_resume(), only cancelled requests start: to end
 * @endpoints:	@job: endpoints whose data toggles it sets to their start, see descr_ep_bit()
 * @result:	@job: 0 or -errno
 */
struct host_control {
	struct host_core *core;
	struct host_data *data;
	struct host_wake *wake;
	struct list queue;
	enum host_control_state state;
	struct usbdev_transfer *current;
	bool paused;
	struct host_job job;
	uint32_t endpoints;
	int result;
};

static inline bool host_control_is_idle(const struct host_control *control)
{
	return control->state == HOST_CONTROL_IDLE;
}

void host_control_submit(struct host_control *control, struct usbdev_transfer *transfer);
void host_control_cancel(struct host_control *control, struct usbdev_transfer *transfer);
/* Cancels all requests; those submitted from now on wait. */
void host_control_pause(struct host_control *control);
void host_control_resume(struct host_control *control);
/* urbs has completed the current one. */
void host_control_on_completed(struct host_control *control,
			       struct usbdev_transfer *transfer,
			       enum usbdev_status status, uint32_t actual_bytes);
/* Goes on if it can. */
void host_control_step(struct host_control *control);

#endif /* USBDEV_HOST_CONTROL_H */
