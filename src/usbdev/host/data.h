/* SPDX-License-Identifier: MIT
 * data.h - transfers on all endpoints but 0, and pausing them
 *
 * A reset and a change of configuration need the device for themselves. They pause this:
 * transfers submitted from then on wait here. They have those with the kernel cancelled,
 * and start when core->with_urbs has come down to 0. Afterwards the paused transfers go to
 * the URBs in their order, also those cancelled meanwhile, so that each endpoint completes
 * in order.
 */
#ifndef USBDEV_HOST_DATA_H
#define USBDEV_HOST_DATA_H

#include "usbdev/usbdev.h"
#include "util/list.h"

struct host_core;
struct host_wake;

/**
 * struct host_data
 * @paused:	transfers submitted while core->pauses is not 0
 */
struct host_data {
	struct host_core *core;
	struct host_wake *wake;
	struct list paused;
};

void host_data_submit(struct host_data *data, struct usbdev_transfer *transfer);
void host_data_cancel(struct host_data *data, struct usbdev_transfer *transfer);
/* All transfers of the device, endpoint 0 included if urbs has it. */
void host_data_cancel_all(struct host_data *data);
/* They count. */
void host_data_pause(struct host_data *data);
void host_data_resume(struct host_data *data);

#endif /* USBDEV_HOST_DATA_H */
