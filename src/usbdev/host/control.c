/* SPDX-License-Identifier: MIT
 * control.c - the default control pipe of a real device: one request at a time
 *
 * Requests that change what the kernel keeps about the device (its address, its
 * configuration, alternate settings, data toggles) are not sent as the guest made them
 * but asked of the kernel, which sends them itself. They take their turn among the
 * others. All else goes to the device as it is.
 *
 * The next request begins when the one before is over, and a cancelled one ends in
 * its turn: so they end in order.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "usbdev/host/host_priv.h"
#include "util/log.h"

/* USB 2.0 9.4; bmRequestType without the direction */
enum request {
	REQUEST_CLEAR_FEATURE = 1,
	REQUEST_SET_ADDRESS = 5,
	REQUEST_GET_DESCRIPTOR = 6,
	REQUEST_SET_CONFIGURATION = 9,
	REQUEST_SET_INTERFACE = 11,
	REQUEST_SET_SEL = 0x30, /* USB 3.2 9.4.12 */
	REQUEST_SET_ISOCH_DELAY = 0x31,
};

#define TO_DEVICE            0x00u
#define TO_INTERFACE         0x01u
#define TO_ENDPOINT          0x02u
#define TYPE_MASK            0x60u
#define FEATURE_HALT         0u
#define DESCR_CONFIGURATION  2u
#define DESCR_INTERFACE_CODE 5u /* offset of class, subclass and protocol */
#define CLASS_VENDOR         0xffu

static bool is_request(const struct usbdev_setup *setup, unsigned type, unsigned request)
{
	return setup->request_type == type && setup->request == request;
}

static bool is_clear_halt(const struct usbdev_setup *setup)
{
	return is_request(setup, TO_ENDPOINT, REQUEST_CLEAR_FEATURE) &&
	       setup->value == FEATURE_HALT && (setup->index & 0x0f) != 0;
}

static bool is_get_descriptor(const struct usbdev_setup *setup)
{
	return (setup->request_type & (USBDEV_DIR_IN | TYPE_MASK)) == USBDEV_DIR_IN &&
	       setup->request == REQUEST_GET_DESCRIPTOR;
}

/* What this request does to a device that nothing has been done to. Questions, and what
 * a driver sends before SET_CONFIGURATION, leave the interfaces as they are. */
static void note_use(struct host_device *host, const struct usbdev_setup *setup)
{
	if (is_get_descriptor(setup) || is_request(setup, TO_DEVICE, REQUEST_SET_ADDRESS))
		return;
	host->used = true;
	if ((setup->request_type & TYPE_MASK) == 0 &&
	    ((setup->request_type & USBDEV_DIR_IN) ||
	     is_request(setup, TO_DEVICE, REQUEST_SET_CONFIGURATION) ||
	     is_request(setup, TO_DEVICE, REQUEST_SET_SEL) ||
	     is_request(setup, TO_DEVICE, REQUEST_SET_ISOCH_DELAY)))
		return;
	host->pristine = false;
}

/* On the worker; the transfer is left alone by the loop meanwhile. */
static void run_request(struct host_job *job)
{
	struct host_device *host = job->host;
	struct host_control *control = &host->control;
	const struct usbdev_setup *setup = &control->current->setup;
	uint8_t index = (uint8_t)setup->index;

	switch (setup->request) {
	case REQUEST_SET_CONFIGURATION:
		control->result =
			handle_set_configuration(host->handle, (uint8_t)setup->value);
		control->endpoints = UINT32_MAX;
		break;
	case REQUEST_SET_INTERFACE:
		control->result =
			handle_set_interface(host->handle, index, (uint8_t)setup->value);
		control->endpoints = handle_endpoints(host->handle, index);
		break;
	default:
		control->result = handle_clear_halt(host->handle, index);
		control->endpoints = descr_ep_bit(index);
		break;
	}
}

static void end_current(struct host_device *host, enum usbdev_status status,
			uint32_t actual_bytes)
{
	struct host_control *control = &host->control;
	struct usbdev_transfer *transfer = control->current;

	control->current = NULL;
	control->state = HOST_CONTROL_IDLE;
	usbdev_complete(&host->usbdev, transfer, status, actual_bytes);
	host_control_step(host);
}

static void request_done(struct host_job *job)
{
	struct host_device *host = job->host;
	struct host_control *control = &host->control;
	const struct usbdev_setup setup = control->current->setup;
	enum usbdev_status status = USBDEV_STATUS_OK;
	int result = control->result;

	host_forget_leftovers(host, control->endpoints);
	if (result == -ENODEV)
		status = USBDEV_STATUS_GONE;
	else if (result < 0)
		status = USBDEV_STATUS_STALL;
	if (result < 0)
		log_limited(LOG_LEVEL_DEBUG, "%s: request %u value %u index %u: %d",
			    host->usbdev.label, setup.request, setup.value, setup.index,
			    result);
	if (setup.request == REQUEST_SET_CONFIGURATION) {
		host->pristine = result == 0;
		if (result == 0)
			host->info.config = (uint8_t)setup.value;
		host_wake_forget(host, false);
		host_unhold(host);
	}
	end_current(host, status, 0);
	if (result == -ENODEV)
		host_lost(host);
}

static void run_current(struct host_device *host)
{
	host->control.state = HOST_CONTROL_JOB;
	host->control.job = (struct host_job){.run = run_request, .done = request_done};
	host_run_job(host, &host->control.job);
}

/* What the kernel is to do. Returns false if it must be refused: fields that the
 * request does not have. */
static bool is_sound(const struct usbdev_setup *setup)
{
	return setup->length == 0 && setup->index <= 0xff && setup->value <= 0xff;
}

/* Begins @transfer, which is on no list any more. What is over at once leaves the pipe
 * idle. */
static void start(struct host_device *host, struct usbdev_transfer *transfer)
{
	struct host_control *control = &host->control;
	const struct usbdev_setup *setup = &transfer->setup;
	bool configure = is_request(setup, TO_DEVICE, REQUEST_SET_CONFIGURATION);
	bool ask_kernel = configure || is_clear_halt(setup) ||
			  is_request(setup, TO_INTERFACE, REQUEST_SET_INTERFACE);
	enum usbdev_status status = USBDEV_STATUS_OK;

	if (transfer->cancelled) {
		status = USBDEV_STATUS_CANCELLED;
	} else if (host->gone) {
		status = USBDEV_STATUS_GONE;
	} else if (ask_kernel && !is_sound(setup)) {
		status = USBDEV_STATUS_STALL;
	} else {
		bool as_it_is =
			configure && host->pristine && host->info.config == setup->value;

		note_use(host, setup);
		if (!as_it_is && !is_request(setup, TO_DEVICE, REQUEST_SET_ADDRESS)) {
			control->current = transfer;
			if (configure) {
				control->state = HOST_CONTROL_DRAIN;
				host_hold(host);
				urbs_cancel_all(host->urbs);
				host_control_step(host);
			} else if (ask_kernel) {
				run_current(host);
			} else {
				control->state = HOST_CONTROL_URBS;
				host_wake_filter(&transfer->setup);
				host_to_urbs(host, transfer);
			}
			return;
		}
	}
	usbdev_complete_soon(&host->usbdev, transfer, status, 0);
}

void host_control_step(struct host_device *host)
{
	struct host_control *control = &host->control;
	struct list *node;

	if (control->state == HOST_CONTROL_DRAIN && host->with_urbs == 0)
		run_current(host);
	while (control->state == HOST_CONTROL_IDLE &&
	       (node = list_first(&control->queue))) {
		struct usbdev_transfer *transfer =
			LIST_ENTRY(node, struct usbdev_transfer, node);

		/* what the reset cancelled comes first; the rest is for after it */
		if (host->reset.wanted > 0 && !transfer->cancelled)
			break;
		list_remove(node);
		start(host, transfer);
	}
}

void host_control_submit(struct host_device *host, struct usbdev_transfer *transfer)
{
	list_append(&host->control.queue, &transfer->node);
	host_control_step(host);
}

/* Ends the current one unless it is too late for that. */
static void cancel_current(struct host_device *host)
{
	struct host_control *control = &host->control;
	struct usbdev_transfer *transfer = control->current;

	switch (control->state) {
	case HOST_CONTROL_IDLE:
		return;
	case HOST_CONTROL_URBS:
		urbs_cancel(host->urbs, transfer);
		return;
	case HOST_CONTROL_JOB:
		if (!host_withdraw_job(host, &control->job))
			return;
		break;
	case HOST_CONTROL_DRAIN:
		break;
	}
	if (is_request(&transfer->setup, TO_DEVICE, REQUEST_SET_CONFIGURATION))
		host_unhold(host);
	control->current = NULL;
	control->state = HOST_CONTROL_IDLE;
	usbdev_complete_soon(&host->usbdev, transfer, USBDEV_STATUS_CANCELLED, 0);
	host_step_soon(host);
}

void host_control_cancel(struct host_device *host, struct usbdev_transfer *transfer)
{
	/* one that waits ends in its turn, as usbdev_cancel() has marked it */
	if (transfer == host->control.current)
		cancel_current(host);
}

void host_control_cancel_all(struct host_device *host)
{
	struct list *node;

	LIST_FOREACH(node, &host->control.queue)
		LIST_ENTRY(node, struct usbdev_transfer, node)->cancelled = true;
	cancel_current(host);
}

/* An alternate setting that the guest shall not use looks like none it knows. Only where
 * the answer has what was found in the descriptors before: it is the device's to give. */
static void hide_uas(struct host_device *host, struct usbdev_transfer *transfer,
		     uint32_t len)
{
	static const uint8_t uas[3] = {8, 6, 0x62};
	static const uint8_t vendor[3] = {CLASS_VENDOR, CLASS_VENDOR, CLASS_VENDOR};
	const struct usbdev_setup *setup = &transfer->setup;

	if (host->info.uas_works || !is_get_descriptor(setup) ||
	    setup->value >> 8 != DESCR_CONFIGURATION)
		return;
	for (unsigned i = 0; i < host->info.uas_count; i++) {
		uint32_t at = host->info.uas[i].offset + DESCR_INTERFACE_CODE;
		uint8_t found[3];
		uint32_t n;

		if (host->info.uas[i].config_index != (setup->value & 0xff) || at >= len)
			continue;
		n = MIN_OF(len - at, (uint32_t)sizeof(found));
		if (usbdev_transfer_read(transfer, at, found, n) == 0 &&
		    memcmp(found, uas, n) == 0 &&
		    usbdev_transfer_write(transfer, at, vendor, n) < 0)
			log_limited(LOG_LEVEL_WARN, "%s: UAS is not hidden: no memory",
				    host->usbdev.label);
	}
}

void host_control_finished(struct host_device *host, struct usbdev_transfer *transfer,
			   enum usbdev_status status, uint32_t actual_bytes)
{
	assert(transfer == host->control.current);
	hide_uas(host, transfer, actual_bytes);
	if (status == USBDEV_STATUS_OK)
		host_wake_requested(host, &transfer->setup);
	end_current(host, status, actual_bytes);
}
