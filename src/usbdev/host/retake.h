/* SPDX-License-Identifier: MIT
 * retake.h - takes back interfaces that the host has given to its own drivers
 */
#ifndef USBDEV_HOST_RETAKE_H
#define USBDEV_HOST_RETAKE_H

#include "usbdev/host/clock.h"
#include "usbdev/host/core.h"

struct host_reset_op;
struct host_wake;

/*
 *   IDLE          -- host_retake() --------------------> RUNNING
 *   RUNNING       -- host_retake() --------------------> RUNNING_AGAIN
 *   RUNNING       -- the worker is done ---------------> IDLE
 *   RUNNING_AGAIN -- the worker is done: once more ----> RUNNING
 *
 * Once more, as a trace that comes while a check runs may have come too late for it.
 */
enum host_retake_state {
	HOST_RETAKE_IDLE,
	HOST_RETAKE_RUNNING, /* the worker has @job */
	HOST_RETAKE_RUNNING_AGAIN,
};

struct host_retake {
	struct host_core *core;
	struct host_reset_op *reset;
	struct host_wake *wake;
	enum host_retake_state state;
	int result;
	struct host_job job;
	struct host_clock_listener listener;
};

void host_retake_init(struct host_retake *retake, struct host_core *core,
		      struct host_reset_op *reset, struct host_wake *wake);
/* Listens to the host's clock while the device is open. Return: 0 or -errno; stopping is fine
 * without. */
MUST_USE int host_retake_start(struct host_retake *retake);
void host_retake_stop(struct host_retake *retake);
/* Checks soon whether another driver has an interface, and claims it again. */
void host_retake(struct host_retake *retake);

#endif /* USBDEV_HOST_RETAKE_H */
