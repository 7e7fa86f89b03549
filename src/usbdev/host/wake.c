/* SPDX-License-Identifier: MIT
 * wake.c - remote wake-up by a real device whose port the guest has suspended
 *
 * usbfs can suspend a device, but it cannot let the device wake the host up then. So the
 * device stays awake. While the guest's port is suspended and the device may wake it, the
 * back end listens on the IN endpoints where the guest did: where the guest cancelled its
 * last transfer. Data that comes wakes the guest. These transfers have no memory for it, so
 * it becomes leftover data (urb/leftover.h) for the guest's next transfer.
 */
#include "usbdev/host/wake.h"

#include "usbdev/host/core.h"
#include "usbdev/host/urb/urbs.h"
#include "util/log.h"

/* USB 2.0 table 9-6, USB 3.2 tables 9-6 and 9-7; bmRequestType without type bits */
#define TO_DEVICE          0x00u
#define TO_INTERFACE       0x01u
#define CLEAR_FEATURE      1u
#define SET_FEATURE        3u
#define FUNCTION_SUSPEND   0u
#define REMOTE_WAKEUP      1u
#define FUNCTION_LOW_POWER 0x0100u /* in wIndex, beside the interface */
#define FUNCTION_WAKEUP    0x0200u

/* Enough for all packets of one interval of an interrupt endpoint. */
#define INTERRUPT_BYTES_MAX 3072u

static const char *const ear_names[] = {
	[HOST_EAR_DEAF] = "DEAF",
	[HOST_EAR_LISTENING] = "LISTENING",
	[HOST_EAR_ENDING] = "ENDING",
	[HOST_EAR_ENDING_AGAIN] = "ENDING_AGAIN",
};

static unsigned ear_number(const struct host_wake *wake, const struct host_ear *ear)
{
	return (unsigned)(ear - wake->ears) + 1;
}

static void set_ear(struct host_wake *wake, struct host_ear *ear,
		    enum host_ear_state state)
{
	log_trace("%s: ear %u: %s -> %s", wake->core->name, ear_number(wake, ear),
		  ear_names[ear->state], ear_names[state]);
	if (ear->state == HOST_EAR_DEAF && state != HOST_EAR_DEAF)
		wake->listening++;
	else if (ear->state != HOST_EAR_DEAF && state == HOST_EAR_DEAF)
		wake->listening--;
	ear->state = state;
}

/* The ear of an IN endpoint of bulk or interrupt type; else NULL. */
static struct host_ear *ear_of(struct host_wake *wake,
			       const struct usbdev_transfer *transfer)
{
	unsigned number = transfer->ep_addr & 0x0fu;

	if (number == 0 || !usbdev_transfer_is_in(transfer) ||
	    (transfer->type != USBDEV_TYPE_BULK &&
	     transfer->type != USBDEV_TYPE_INTERRUPT))
		return NULL;
	return &wake->ears[number - 1];
}

static bool may_wake(const struct host_wake *wake)
{
	return wake->device || wake->functions != 0;
}

/* A packet, full or not, completes the transfer. Never more than the guest asked for. */
static uint32_t listen_bytes(const struct host_wake *wake, const struct host_ear *ear)
{
	enum usbdev_speed speed = wake->core->info.speed;
	uint32_t most = INTERRUPT_BYTES_MAX;

	if (ear->type == USBDEV_TYPE_BULK && usbdev_speed_is_usb3(speed))
		most = 1024;
	else if (ear->type == USBDEV_TYPE_BULK)
		most = speed == USBDEV_SPEED_HIGH ? 512 : 64;
	return MIN_OF(ear->length_bytes, most);
}

static void listen(struct host_wake *wake, struct host_ear *ear)
{
	ear->transfer = (struct usbdev_transfer){
		.ep_addr = (uint8_t)(USBDEV_DIR_IN | ear_number(wake, ear)),
		.type = ear->type,
		.length_bytes = listen_bytes(wake, ear),
	};
	list_init(&ear->transfer.node);
	set_ear(wake, ear, HOST_EAR_LISTENING);
	host_to_urbs(wake->core, &ear->transfer);
}

void host_wake_stop(struct host_wake *wake)
{
	for (unsigned i = 0; i < HOST_EARS && wake->listening > 0; i++) {
		struct host_ear *ear = &wake->ears[i];

		if (ear->state == HOST_EAR_LISTENING) {
			set_ear(wake, ear, HOST_EAR_ENDING);
			urbs_cancel(wake->core->urbs, &ear->transfer);
		} else if (ear->state == HOST_EAR_ENDING_AGAIN) {
			set_ear(wake, ear, HOST_EAR_ENDING);
		}
	}
}

/* The port is suspended, and no reset or change of configuration needs the device. */
static bool may_listen(const struct host_wake *wake)
{
	return wake->suspended && wake->core->pauses == 0 &&
	       wake->core->life == HOST_LIFE_OPEN;
}

void host_wake_suspend(struct host_wake *wake, bool suspended)
{
	wake->suspended = suspended;
	host_wake_stop(wake);
	if (!may_wake(wake) || !may_listen(wake))
		return;
	for (unsigned i = 0; i < HOST_EARS; i++) {
		struct host_ear *ear = &wake->ears[i];

		if (ear->length_bytes == 0)
			continue;
		if (ear->state == HOST_EAR_DEAF)
			listen(wake, ear);
		else
			set_ear(wake, ear, HOST_EAR_ENDING_AGAIN);
	}
}

void host_wake_forget(struct host_wake *wake, bool reset)
{
	if (reset)
		wake->device = false;
	wake->functions = 0;
	for (unsigned i = 0; i < HOST_EARS; i++)
		wake->ears[i].length_bytes = 0;
}

static void ear_completed(struct host_wake *wake, struct host_ear *ear,
			  enum usbdev_status status)
{
	enum host_ear_state before = ear->state;

	set_ear(wake, ear, HOST_EAR_DEAF);
	if (status == USBDEV_STATUS_CANCELLED && before == HOST_EAR_ENDING_AGAIN &&
	    may_listen(wake))
		listen(wake, ear);
	else if (wake->suspended && before == HOST_EAR_LISTENING &&
		 !host_is_closing(wake->core) &&
		 (status == USBDEV_STATUS_OK || status == USBDEV_STATUS_MEMORY))
		usbdev_wake(&wake->core->usbdev);
}

bool host_wake_on_completed(struct host_wake *wake, struct usbdev_transfer *transfer,
			    enum usbdev_status status)
{
	struct host_ear *ear = ear_of(wake, transfer);

	if (!ear)
		return false;
	if (transfer == &ear->transfer) {
		ear_completed(wake, ear, status);
		return true;
	}
	ear->type = transfer->type;
	/* the device sends data of a stream to that stream's transfers only: the ear
	 * could not know which */
	ear->length_bytes = status == USBDEV_STATUS_CANCELLED && transfer->stream_id == 0
				    ? transfer->length_bytes
				    : 0;
	return false;
}

void host_wake_filter(struct usbdev_setup *setup)
{
	/* a device that sleeps would not send its data */
	if (setup->request_type == TO_INTERFACE && setup->request == SET_FEATURE &&
	    setup->value == FUNCTION_SUSPEND)
		setup->index &= (uint16_t)~FUNCTION_LOW_POWER;
}

void host_wake_requested(struct host_wake *wake, const struct usbdev_setup *setup)
{
	bool set = setup->request == SET_FEATURE;
	uint32_t bit = UINT32_C(1) << (setup->index & 0x1f);

	if (!set && setup->request != CLEAR_FEATURE)
		return;
	if (setup->request_type == TO_DEVICE && setup->value == REMOTE_WAKEUP) {
		wake->device = set;
	} else if (setup->request_type == TO_INTERFACE &&
		   setup->value == FUNCTION_SUSPEND) {
		wake->functions &= ~bit;
		if (set && (setup->index & FUNCTION_WAKEUP))
			wake->functions |= bit;
	}
}
