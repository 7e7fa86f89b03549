/* SPDX-License-Identifier: MIT
 * control.c - the default control pipe of a real device: one request at a time
 *
 * Some requests change state that the kernel keeps about the device: its address, its
 * configuration, alternate settings, data toggles. These do not go to the device as the
 * guest made them. We ask the kernel, which sends them itself. They take their turn among
 * the others. All else goes to the device as it is.
 *
 * The next request starts when the one before is over, and a cancelled one ends in its
 * turn: so they end in order.
 */
#include "usbdev/host/control.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "usbdev/host/data.h"
#include "usbdev/host/urb/urbs.h"
#include "usbdev/host/wake.h"
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

/* Notes what this request does to the device. Questions, and requests that a driver sends before
 * SET_CONFIGURATION, leave the interfaces as they are. */
static void note_use(struct host_core *core, const struct usbdev_setup *setup)
{
	if (is_get_descriptor(setup) || is_request(setup, TO_DEVICE, REQUEST_SET_ADDRESS))
		return;
	if ((setup->request_type & TYPE_MASK) == 0 &&
	    ((setup->request_type & USBDEV_DIR_IN) ||
	     is_request(setup, TO_DEVICE, REQUEST_SET_CONFIGURATION) ||
	     is_request(setup, TO_DEVICE, REQUEST_SET_SEL) ||
	     is_request(setup, TO_DEVICE, REQUEST_SET_ISOCH_DELAY)))
		host_touch(core, HOST_USE_TOUCHED);
	else
		host_touch(core, HOST_USE_CHANGED);
}

static const char *const state_names[] = {
	[HOST_CONTROL_IDLE] = "IDLE",
	[HOST_CONTROL_URBS] = "URBS",
	[HOST_CONTROL_DRAIN] = "DRAIN",
	[HOST_CONTROL_JOB] = "JOB",
};

/* @transfer is the current one from now on; NULL if @state is IDLE. */
static void set_state(struct host_control *control, enum host_control_state state,
		      struct usbdev_transfer *transfer)
{
	assert((state == HOST_CONTROL_IDLE) == (transfer == NULL));
	log_trace("%s: control: %s -> %s", control->core->name,
		  state_names[control->state], state_names[state]);
	control->state = state;
	control->current = transfer;
}

/* On the worker; the loop leaves the transfer alone meanwhile. */
static void run_request(struct host_job *job)
{
	struct host_control *control = CONTAINER_OF(job, struct host_control, job);
	const struct usbdev_setup *setup = &control->current->setup;
	struct handle *handle = control->core->handle;
	uint8_t index = (uint8_t)setup->index;

	switch (setup->request) {
	case REQUEST_SET_CONFIGURATION:
		control->result = handle_set_configuration(handle, (uint8_t)setup->value);
		control->endpoints = UINT32_MAX;
		break;
	case REQUEST_SET_INTERFACE:
		control->result =
			handle_set_interface(handle, index, (uint8_t)setup->value);
		control->endpoints = handle_endpoints(handle, index);
		break;
	default:
		control->result = handle_clear_halt(handle, index);
		control->endpoints = descr_ep_bit(index);
		break;
	}
}

static void end_current(struct host_control *control, enum usbdev_status status,
			uint32_t actual_bytes)
{
	struct usbdev_transfer *transfer = control->current;

	set_state(control, HOST_CONTROL_IDLE, NULL);
	usbdev_complete(&control->core->usbdev, transfer, status, actual_bytes);
	host_control_step(control);
}

static void on_request_done(struct host_job *job)
{
	struct host_control *control = CONTAINER_OF(job, struct host_control, job);
	const struct usbdev_setup setup = control->current->setup;
	enum usbdev_status status = USBDEV_STATUS_OK;
	struct host_core *core = control->core;
	int result = control->result;

	host_forget_leftovers(core, control->endpoints);
	if (result == -ENODEV)
		status = USBDEV_STATUS_GONE;
	else if (result < 0)
		status = USBDEV_STATUS_STALL;
	if (result < 0)
		log_limited(LOG_LEVEL_DEBUG, "%s: request %u value %u index %u: %d",
			    core->usbdev.label, setup.request, setup.value, setup.index,
			    result);
	if (setup.request == REQUEST_SET_CONFIGURATION) {
		host_set_use(core, result == 0 ? HOST_USE_TOUCHED : HOST_USE_CHANGED);
		if (result == 0)
			core->info.config = (uint8_t)setup.value;
		host_wake_forget(control->wake, false);
		host_data_resume(control->data);
	}
	end_current(control, status, 0);
	if (result == -ENODEV)
		host_lost(core);
}

static void run_current(struct host_control *control)
{
	set_state(control, HOST_CONTROL_JOB, control->current);
	control->job = (struct host_job){.run = run_request, .on_done = on_request_done};
	host_run_job(control->core, &control->job);
}

/* A request for the kernel. Return: false if the device would refuse it, for fields that the
 * request does not have. */
static bool is_sound(const struct usbdev_setup *setup)
{
	return setup->length == 0 && setup->index <= 0xff && setup->value <= 0xff;
}

/* Sends @transfer on its way. */
static void start_for_kernel(struct host_control *control,
			     struct usbdev_transfer *transfer)
{
	if (is_request(&transfer->setup, TO_DEVICE, REQUEST_SET_CONFIGURATION)) {
		set_state(control, HOST_CONTROL_DRAIN, transfer);
		host_data_pause(control->data);
		urbs_cancel_all(control->core->urbs);
		host_control_step(control);
	} else {
		control->current = transfer;
		run_current(control);
	}
}

static void start_for_device(struct host_control *control,
			     struct usbdev_transfer *transfer)
{
	set_state(control, HOST_CONTROL_URBS, transfer);
	host_wake_filter(&transfer->setup);
	host_to_urbs(control->core, transfer);
}

/* Starts @transfer, which is on no list any more. One that is over at once leaves the pipe
 * idle. */
static void start(struct host_control *control, struct usbdev_transfer *transfer)
{
	const struct usbdev_setup *setup = &transfer->setup;
	bool configure = is_request(setup, TO_DEVICE, REQUEST_SET_CONFIGURATION);
	bool ask_kernel = configure || is_clear_halt(setup) ||
			  is_request(setup, TO_INTERFACE, REQUEST_SET_INTERFACE);
	enum usbdev_status status = USBDEV_STATUS_OK;
	struct host_core *core = control->core;

	if (transfer->cancelled) {
		status = USBDEV_STATUS_CANCELLED;
	} else if (host_is_gone(core)) {
		status = USBDEV_STATUS_GONE;
	} else if (ask_kernel && !is_sound(setup)) {
		status = USBDEV_STATUS_STALL;
	} else {
		bool nothing_to_do = configure && core->use < HOST_USE_CHANGED &&
				     core->info.config == setup->value;

		note_use(core, setup);
		if (!nothing_to_do &&
		    !is_request(setup, TO_DEVICE, REQUEST_SET_ADDRESS)) {
			if (ask_kernel)
				start_for_kernel(control, transfer);
			else
				start_for_device(control, transfer);
			return;
		}
	}
	usbdev_complete_soon(&core->usbdev, transfer, status, 0);
}

void host_control_step(struct host_control *control)
{
	struct list *node;

	if (control->state == HOST_CONTROL_DRAIN && control->core->with_urbs == 0)
		run_current(control);
	while (host_control_is_idle(control) && (node = list_first(&control->queue))) {
		struct usbdev_transfer *transfer =
			LIST_ENTRY(node, struct usbdev_transfer, node);

		/* those cancelled by the pause come first; the rest is for after it */
		if (control->paused && !transfer->cancelled)
			break;
		list_remove(node);
		start(control, transfer);
	}
}

void host_control_submit(struct host_control *control, struct usbdev_transfer *transfer)
{
	list_append(&control->queue, &transfer->node);
	host_control_step(control);
}

/* Ends the current one unless it is too late for that. */
static void cancel_current(struct host_control *control)
{
	struct usbdev_transfer *transfer = control->current;
	struct host_core *core = control->core;

	switch (control->state) {
	case HOST_CONTROL_IDLE:
		return;
	case HOST_CONTROL_URBS:
		urbs_cancel(core->urbs, transfer);
		return;
	case HOST_CONTROL_JOB:
		if (!host_withdraw_job(core, &control->job))
			return;
		break;
	case HOST_CONTROL_DRAIN:
		break;
	}
	if (is_request(&transfer->setup, TO_DEVICE, REQUEST_SET_CONFIGURATION))
		host_data_resume(control->data);
	set_state(control, HOST_CONTROL_IDLE, NULL);
	usbdev_complete_soon(&core->usbdev, transfer, USBDEV_STATUS_CANCELLED, 0);
	host_step_soon(core);
}

void host_control_cancel(struct host_control *control, struct usbdev_transfer *transfer)
{
	/* one that waits ends in its turn, as usbdev_cancel() has marked it */
	if (transfer == control->current)
		cancel_current(control);
}

void host_control_pause(struct host_control *control)
{
	struct list *node;

	control->paused = true;
	LIST_FOREACH(node, &control->queue)
		LIST_ENTRY(node, struct usbdev_transfer, node)->cancelled = true;
	cancel_current(control);
}

void host_control_resume(struct host_control *control)
{
	control->paused = false;
	host_control_step(control);
}

/* Makes alternate settings that the guest must not use look like none that it knows; only where
 * the answer agrees with the descriptors that we read before, as it is the device's answer. */
static void hide_uas(struct host_core *core, struct usbdev_transfer *transfer,
		     uint32_t len)
{
	static const uint8_t uas[3] = {8, 6, 0x62};
	static const uint8_t vendor[3] = {CLASS_VENDOR, CLASS_VENDOR, CLASS_VENDOR};
	const struct usbdev_setup *setup = &transfer->setup;

	if (core->info.uas_works || !is_get_descriptor(setup) ||
	    setup->value >> 8 != DESCR_CONFIGURATION)
		return;
	for (unsigned i = 0; i < core->info.uas_count; i++) {
		uint32_t at = core->info.uas[i].offset + DESCR_INTERFACE_CODE;
		uint8_t found[3];
		uint32_t n;

		if (core->info.uas[i].config_index != (setup->value & 0xff) || at >= len)
			continue;
		n = MIN_OF(len - at, (uint32_t)sizeof(found));
		if (usbdev_transfer_read(transfer, at, found, n) == 0 &&
		    memcmp(found, uas, n) == 0 &&
		    usbdev_transfer_write(transfer, at, vendor, n) < 0)
			log_limited(LOG_LEVEL_WARN, "%s: cannot hide UAS: no memory",
				    core->usbdev.label);
	}
}

void host_control_on_completed(struct host_control *control,
			       struct usbdev_transfer *transfer,
			       enum usbdev_status status, uint32_t actual_bytes)
{
	assert(transfer == control->current);
	hide_uas(control->core, transfer, actual_bytes);
	if (status == USBDEV_STATUS_OK)
		host_wake_requested(control->wake, &transfer->setup);
	end_current(control, status, actual_bytes);
}
