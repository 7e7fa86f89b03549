/* SPDX-License-Identifier: MIT
 * reset.h - a USB reset by the guest, and what it does to the real device
 */
#ifndef USBDEV_HOST_RESET_H
#define USBDEV_HOST_RESET_H

#include <stdbool.h>

#include "usbdev/host/core.h"
#include "usbdev/host/reset_policy.h"

struct host_control;
struct host_data;
struct host_wake;

/**
 * struct host_reset_op
 * @wanted:	number of resets to answer, by usbdev_reset_done()
 * @running:	the worker has @job
 * @done_once:	the real device has been reset since it was attached
 */
struct host_reset_op {
	struct host_core *core;
	struct host_data *data;
	struct host_control *control;
	struct host_wake *wake;
	enum host_reset policy;
	unsigned wanted;
	bool running;
	bool done_once;
	struct host_job job;
	int result;
};

void host_reset_submit(struct host_reset_op *reset);
/* Starts the reset when nothing else has the device any more. */
void host_reset_step(struct host_reset_op *reset);
/* HOST_RESET_FIRST: the next one counts as the first again. */
void host_reset_start_over(struct host_reset_op *reset);

#endif /* USBDEV_HOST_RESET_H */
