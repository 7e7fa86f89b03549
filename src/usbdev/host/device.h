/* SPDX-License-Identifier: MIT
 * device.h - a real device of the host: its parts, its operations, its end
 *
 * From the ground up; a file uses those before it only:
 *
 *   descr, sysfs   lookups in descriptors and in sysfs
 *   handle         management by libusb; blocks, on the worker
 *   urb/urbs.h     transfers
 *   core           states of the device, jobs for the worker, transfers to the URBs
 *   wake           remote wake-up
 *   data           transfers on all endpoints but 0, and pausing them
 *   control        the default control pipe
 *   reset          a reset by the guest
 *   streams        requests for streams
 *   clock, retake  interfaces that the host has taken
 *   device         operations, closing
 *   host           opening
 */
#ifndef USBDEV_HOST_DEVICE_H
#define USBDEV_HOST_DEVICE_H

#include "usbdev/host/control.h"
#include "usbdev/host/core.h"
#include "usbdev/host/data.h"
#include "usbdev/host/reset.h"
#include "usbdev/host/reset_policy.h"
#include "usbdev/host/retake.h"
#include "usbdev/host/streams.h"
#include "usbdev/host/wake.h"
#include "util/compiler.h"
#include "util/worker.h"

/**
 * struct host_device
 * @core:	first, as it begins with the struct usbdev
 * @close_job:	on the worker while its run is not NULL
 */
struct host_device {
	struct host_core core;
	struct host_wake wake;
	struct host_data data;
	struct host_control control;
	struct host_reset_op reset;
	struct host_streams streams;
	struct host_retake retake;
	struct worker_job close_job;
};

/* With its worker, in HOST_LIFE_OPENING. Takes @fd, also on failure. Returns owned, or NULL with
 * errno: no memory, or no thread. */
struct host_device *host_device_create(struct loop *loop, int fd, const char *name,
				       enum host_reset policy);
/* core.handle and core.info are there: the device can be used from now on. Return: 0 or -errno. */
MUST_USE int host_device_start(struct host_device *host);
/* When the worker has nothing of it any more. */
void host_device_free(struct host_device *host);

#endif /* USBDEV_HOST_DEVICE_H */
