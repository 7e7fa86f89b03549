/* SPDX-License-Identifier: MIT
 * data.c - transfers on all endpoints but 0, and pausing them
 */
#include "usbdev/host/data.h"

#include <assert.h>

#include "usbdev/host/core.h"
#include "usbdev/host/urb/urbs.h"
#include "usbdev/host/wake.h"

static void to_device(struct host_data *data, struct usbdev_transfer *transfer)
{
	host_touch(data->core, HOST_USE_CHANGED);
	/* data that comes from now on is for the guest itself */
	host_wake_stop(data->wake);
	host_to_urbs(data->core, transfer);
}

void host_data_submit(struct host_data *data, struct usbdev_transfer *transfer)
{
	struct host_core *core = data->core;

	if (core->pauses > 0) {
		transfer->backend = &data->paused;
		list_append(&data->paused, &transfer->node);
	} else if (host_is_gone(core) && core->with_urbs == 0) {
		usbdev_complete_soon(&core->usbdev, transfer, USBDEV_STATUS_GONE, 0);
	} else {
		to_device(data, transfer);
	}
}

void host_data_cancel(struct host_data *data, struct usbdev_transfer *transfer)
{
	/* a paused one is marked: see host_data_resume() */
	if (transfer->backend != &data->paused)
		urbs_cancel(data->core->urbs, transfer);
}

void host_data_cancel_all(struct host_data *data)
{
	struct list *node;

	LIST_FOREACH(node, &data->paused)
		LIST_ENTRY(node, struct usbdev_transfer, node)->cancelled = true;
	urbs_cancel_all(data->core->urbs);
}

void host_data_pause(struct host_data *data)
{
	data->core->pauses++;
}

/* Cancelled transfers go the same way, so that they overtake no other of their endpoint; and
 * frozen, so that the device never sees them. */
void host_data_resume(struct host_data *data)
{
	struct host_core *core = data->core;
	struct list *node;

	assert(core->pauses > 0);
	if (--core->pauses > 0)
		return;
	urbs_freeze(core->urbs);
	while ((node = list_first(&data->paused))) {
		struct usbdev_transfer *transfer =
			LIST_ENTRY(node, struct usbdev_transfer, node);

		list_remove(node);
		if (transfer->cancelled) {
			host_to_urbs(core, transfer);
			urbs_cancel(core->urbs, transfer);
		} else {
			to_device(data, transfer);
		}
	}
	urbs_thaw(core->urbs);
}
