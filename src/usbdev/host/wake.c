/* SPDX-License-Identifier: MIT
 * wake.c - remote wake-up by a real device whose port the guest has suspended
 *
 * By usbfs a device can be suspended, but it cannot be allowed to wake the host up then.
 * So it stays awake, as does what it could tell: while the guest's port is suspended and
 * the device may wake it, the back end listens in the guest's stead where the guest did
 * before, on IN endpoints whose last transfer was taken back. Data that comes wakes the
 * guest and is kept for its next transfer (urb/leftover.h), as those who listen have no memory
 * to put it.
 */
#include "usbdev/host/host_priv.h"

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

/* That of an IN endpoint of bulk or interrupt type; else NULL. */
static struct host_ear *ear_of(struct host_device *host,
			       const struct usbdev_transfer *transfer)
{
	unsigned number = transfer->ep_addr & 0x0fu;

	if (number == 0 || !usbdev_transfer_is_in(transfer) ||
	    (transfer->type != USBDEV_TYPE_BULK &&
	     transfer->type != USBDEV_TYPE_INTERRUPT))
		return NULL;
	return &host->wake.ears[number - 1];
}

static bool may_wake(const struct host_wake *wake)
{
	return wake->device || wake->functions != 0;
}

/* One packet ends it, also if it is a full one; never more than the guest asked for. */
static uint32_t listen_bytes(const struct host_device *host, const struct host_ear *ear)
{
	uint32_t most = INTERRUPT_BYTES_MAX;

	if (ear->type == USBDEV_TYPE_BULK && usbdev_speed_is_usb3(host->info.speed))
		most = 1024;
	else if (ear->type == USBDEV_TYPE_BULK)
		most = host->info.speed == USBDEV_SPEED_HIGH ? 512 : 64;
	return MIN_OF(ear->length_bytes, most);
}

static void listen(struct host_device *host, struct host_ear *ear)
{
	uint8_t number = (uint8_t)(ear - host->wake.ears + 1);

	ear->transfer = (struct usbdev_transfer){
		.ep_addr = USBDEV_DIR_IN | number,
		.type = ear->type,
		.length_bytes = listen_bytes(host, ear),
	};
	list_init(&ear->transfer.node);
	ear->listens = true;
	ear->ends = false;
	host->wake.listening++;
	host_to_urbs(host, &ear->transfer);
}

void host_wake_stop(struct host_device *host)
{
	for (unsigned i = 0; i < HOST_EARS && host->wake.listening > 0; i++) {
		struct host_ear *ear = &host->wake.ears[i];

		if (!ear->listens || ear->ends)
			continue;
		ear->ends = true;
		urbs_cancel(host->urbs, &ear->transfer);
	}
}

void host_wake_suspend(struct host_device *host, bool suspended)
{
	host->wake.suspended = suspended;
	host_wake_stop(host);
	if (!suspended || !may_wake(&host->wake) || host->holds > 0 || host->gone)
		return;
	for (unsigned i = 0; i < HOST_EARS; i++) {
		struct host_ear *ear = &host->wake.ears[i];

		/* one that is just ending begins again when it has */
		ear->again = ear->length_bytes > 0 && ear->listens;
		if (ear->length_bytes > 0 && !ear->listens)
			listen(host, ear);
	}
}

void host_wake_forget(struct host_device *host, bool reset)
{
	if (reset)
		host->wake.device = false;
	host->wake.functions = 0;
	for (unsigned i = 0; i < HOST_EARS; i++)
		host->wake.ears[i].length_bytes = 0;
}

static void ear_finished(struct host_device *host, struct host_ear *ear,
			 enum usbdev_status status)
{
	bool again = ear->again && host->wake.suspended && host->holds == 0 &&
		     !host->gone && !host->destroying;

	host->wake.listening--;
	ear->listens = false;
	ear->again = false;
	if (status == USBDEV_STATUS_CANCELLED && again)
		listen(host, ear);
	else if (host->wake.suspended && !ear->ends && !host->destroying &&
		 (status == USBDEV_STATUS_OK || status == USBDEV_STATUS_MEMORY))
		usbdev_wake(&host->usbdev);
}

bool host_wake_finished(struct host_device *host, struct usbdev_transfer *transfer,
			enum usbdev_status status)
{
	struct host_ear *ear = ear_of(host, transfer);

	if (!ear)
		return false;
	if (transfer == &ear->transfer) {
		ear_finished(host, ear, status);
		return true;
	}
	ear->type = transfer->type;
	/* a stream is asked for data by its own number only: nobody would know which */
	ear->length_bytes = status == USBDEV_STATUS_CANCELLED && transfer->stream_id == 0
				    ? transfer->length_bytes
				    : 0;
	return false;
}

void host_wake_filter(struct usbdev_setup *setup)
{
	/* one that sleeps would not tell what it has */
	if (setup->request_type == TO_INTERFACE && setup->request == SET_FEATURE &&
	    setup->value == FUNCTION_SUSPEND)
		setup->index &= (uint16_t)~FUNCTION_LOW_POWER;
}

void host_wake_requested(struct host_device *host, const struct usbdev_setup *setup)
{
	bool set = setup->request == SET_FEATURE;
	uint32_t bit = UINT32_C(1) << (setup->index & 0x1f);

	if (!set && setup->request != CLEAR_FEATURE)
		return;
	if (setup->request_type == TO_DEVICE && setup->value == REMOTE_WAKEUP) {
		host->wake.device = set;
	} else if (setup->request_type == TO_INTERFACE &&
		   setup->value == FUNCTION_SUSPEND) {
		host->wake.functions &= ~bit;
		if (set && (setup->index & FUNCTION_WAKEUP))
			host->wake.functions |= bit;
	}
}
