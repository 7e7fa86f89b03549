/* SPDX-License-Identifier: MIT
 * emulated_control.c - endpoint 0 of emulated devices (USB 3.2 9.4)
 *
 * Every handler returns the bytes of its answer, 0 if there is none, or a
 * negative value to stall the request. The next SETUP ends a stall of endpoint 0
 * (8.5.3.4 of USB 2.0), so it leaves no trace.
 */
#include "usbdev/emulated_control.h"

#include <assert.h>
#include <errno.h>

#include "usbdev/emulated_descr.h"
#include "usbdev/emulated_ep.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define STALL (-EPIPE)

/* wIndex high byte of SET_FEATURE(FUNCTION_SUSPEND) (table 9-7) */
#define FUNCTION_SUSPEND_WAKEUP 0x02u

static bool is_usb3(const struct emulated *dev)
{
	return usbdev_speed_is_usb3(dev->usbdev.speed);
}

static bool has_interface(const struct emulated *dev, uint8_t number, uint8_t alternate)
{
	const struct emulated_config_info *config = emulated_config(dev);

	for (unsigned i = 0; config && i < config->n_interfaces; i++) {
		if (config->interfaces[i].number == number &&
		    config->interfaces[i].alternate == alternate)
			return true;
	}
	return false;
}

static bool can_wake(const struct emulated *dev)
{
	const struct emulated_config_info *config = emulated_config(dev);

	if (!config)
		config = &dev->info->configs[0];
	return (config->attributes & EMULATED_CONFIG_REMOTE_WAKEUP) != 0;
}

static bool is_ep0(const struct usbdev_setup *setup)
{
	return (setup->index & 0x7fu) == 0;
}

static int device_status(const struct emulated *dev)
{
	const struct emulated_config_info *config = emulated_config(dev);
	int status = 0;

	if (config && (config->attributes & EMULATED_CONFIG_SELF_POWERED))
		status |= 0x01;
	if (dev->remote_wakeup)
		status |= 0x02;
	if (dev->u1_enabled)
		status |= 0x04;
	if (dev->u2_enabled)
		status |= 0x08;
	if (dev->ltm_enabled)
		status |= 0x10;
	return status;
}

static int get_status(struct emulated *dev, uint8_t recipient,
		      const struct usbdev_setup *setup, uint8_t *data)
{
	struct emulated_ep *ep;
	int status = 0;

	switch (recipient) {
	case EMULATED_RECIPIENT_STANDARD_DEVICE:
		status = device_status(dev);
		break;
	case EMULATED_RECIPIENT_STANDARD_INTERFACE:
		if (!has_interface(dev, (uint8_t)setup->index, 0))
			return STALL;
		if (is_usb3(dev) && can_wake(dev))
			status = dev->function_wakeup ? 0x03 : 0x01;
		break;
	case EMULATED_RECIPIENT_STANDARD_ENDPOINT:
		if (is_ep0(setup))
			break;
		ep = emulated_ep(dev, (uint8_t)setup->index);
		if (!ep)
			return STALL;
		status = ep->halted ? 1 : 0;
		break;
	default:
		return STALL;
	}
	put_le16(data, (uint16_t)status);
	return 2;
}

static int device_feature(struct emulated *dev, const struct usbdev_setup *setup,
			  bool set)
{
	switch (setup->value) {
	case EMULATED_FEATURE_REMOTE_WAKEUP:
		if (!can_wake(dev) || is_usb3(dev))
			return STALL;
		dev->remote_wakeup = set;
		return 0;
	case EMULATED_FEATURE_U1_ENABLE:
	case EMULATED_FEATURE_U2_ENABLE:
	case EMULATED_FEATURE_LTM_ENABLE:
		if (!is_usb3(dev) || dev->configuration == 0)
			return STALL;
		if (setup->value == EMULATED_FEATURE_U1_ENABLE)
			dev->u1_enabled = set;
		else if (setup->value == EMULATED_FEATURE_U2_ENABLE)
			dev->u2_enabled = set;
		else
			dev->ltm_enabled = set;
		return 0;
	default:
		return STALL;
	}
}

static int interface_feature(struct emulated *dev, const struct usbdev_setup *setup,
			     bool set)
{
	if (!is_usb3(dev) || setup->value != EMULATED_FEATURE_FUNCTION_SUSPEND ||
	    !has_interface(dev, (uint8_t)setup->index, 0))
		return STALL;
	dev->function_wakeup =
		set && can_wake(dev) && ((setup->index >> 8) & FUNCTION_SUSPEND_WAKEUP);
	return 0;
}

static int endpoint_feature(struct emulated *dev, const struct usbdev_setup *setup,
			    bool set)
{
	uint8_t ep_addr = (uint8_t)setup->index;
	struct emulated_ep *ep;

	if (setup->value != EMULATED_FEATURE_ENDPOINT_HALT)
		return STALL;
	if (is_ep0(setup))
		return 0;
	ep = emulated_ep(dev, ep_addr);
	/* an isochronous endpoint has no handshake to stall with (USB 2.0 9.4.9) */
	if (!ep || (ep->info->attributes & 3u) == USBDEV_TYPE_ISOCHRONOUS)
		return STALL;
	if (set) {
		emulated_halt(dev, ep_addr);
		return 0;
	}
	if (dev->info->may_clear_halt && !dev->info->may_clear_halt(dev, ep_addr))
		return 0;
	ep->halted = false;
	return 0;
}

static int feature(struct emulated *dev, uint8_t recipient,
		   const struct usbdev_setup *setup, bool set)
{
	switch (recipient) {
	case EMULATED_RECIPIENT_STANDARD_DEVICE:
		return device_feature(dev, setup, set);
	case EMULATED_RECIPIENT_STANDARD_INTERFACE:
		return interface_feature(dev, setup, set);
	case EMULATED_RECIPIENT_STANDARD_ENDPOINT:
		return endpoint_feature(dev, setup, set);
	default:
		return STALL;
	}
}

static int set_configuration(struct emulated *dev, const struct usbdev_setup *setup)
{
	uint8_t value = (uint8_t)setup->value;
	bool known = value == 0;

	for (unsigned i = 0; i < dev->info->n_configs; i++)
		known |= dev->info->configs[i].value == value;
	if (!known)
		return STALL;
	emulated_set_config(dev, value, USBDEV_STATUS_ERROR);
	return 0;
}

static int set_interface(struct emulated *dev, const struct usbdev_setup *setup)
{
	if (setup->index > UINT8_MAX || setup->value > UINT8_MAX ||
	    !has_interface(dev, (uint8_t)setup->index, (uint8_t)setup->value))
		return STALL;
	emulated_set_alternate(dev, (uint8_t)setup->index, (uint8_t)setup->value);
	return 0;
}

static int get_interface(struct emulated *dev, const struct usbdev_setup *setup,
			 uint8_t *data)
{
	if (setup->index > UINT8_MAX || !has_interface(dev, (uint8_t)setup->index, 0))
		return STALL;
	data[0] = dev->alternates[setup->index];
	return 1;
}

static int other_request(struct emulated *dev, const struct usbdev_setup *setup,
			 uint8_t *data, uint32_t len)
{
	return dev->info->request ? dev->info->request(dev, setup, data, len) : STALL;
}

/* The case label has the direction, because one number may mean two requests. */
#define IN(request)  (0x100u | (request))
#define OUT(request) (request)

static int standard_request(struct emulated *dev, const struct usbdev_setup *setup,
			    uint8_t *data, uint32_t len)
{
	uint8_t recipient = setup->request_type & 0x1fu;
	bool in = (setup->request_type & USBDEV_DIR_IN) != 0;
	int r;

	switch ((in ? 0x100u : 0u) | setup->request) {
	case IN(EMULATED_REQUEST_GET_STATUS):
		return get_status(dev, recipient, setup, data);
	case OUT(EMULATED_REQUEST_CLEAR_FEATURE):
		return feature(dev, recipient, setup, false);
	case OUT(EMULATED_REQUEST_SET_FEATURE):
		return feature(dev, recipient, setup, true);
	case OUT(EMULATED_REQUEST_SET_ADDRESS):
		return 0; /* the xHC handles it; harmless here */
	case IN(EMULATED_REQUEST_GET_DESCRIPTOR):
		if (recipient != EMULATED_RECIPIENT_STANDARD_DEVICE)
			return other_request(dev, setup, data, len);
		r = emulated_descr_get(dev, (uint8_t)(setup->value >> 8),
				       (uint8_t)setup->value, data);
		return r < 0 ? STALL : r;
	case IN(EMULATED_REQUEST_GET_CONFIGURATION):
		data[0] = dev->configuration;
		return 1;
	case OUT(EMULATED_REQUEST_SET_CONFIGURATION):
		return set_configuration(dev, setup);
	case IN(EMULATED_REQUEST_GET_INTERFACE):
		return get_interface(dev, setup, data);
	case OUT(EMULATED_REQUEST_SET_INTERFACE):
		return set_interface(dev, setup);
	case OUT(EMULATED_REQUEST_SET_SEL):
	case OUT(EMULATED_REQUEST_SET_ISOCH_DELAY):
		return is_usb3(dev) ? 0 : STALL;
	default:
		return other_request(dev, setup, data, len);
	}
}

void emulated_control(struct emulated *dev, struct usbdev_transfer *transfer)
{
	const struct usbdev_setup *setup = &transfer->setup;
	uint32_t len = MIN_OF(transfer->length_bytes, (uint32_t)setup->length);
	bool in = usbdev_transfer_is_in(transfer);
	int r;

	if (!in) {
		if (len > EMULATED_CONTROL_MAX) {
			emulated_complete(dev, transfer, USBDEV_STATUS_STALL);
			return;
		}
		r = usbdev_transfer_read(transfer, 0, dev->control_data, len);
		if (r < 0) {
			emulated_complete(dev, transfer, USBDEV_STATUS_MEMORY);
			return;
		}
	}
	if ((setup->request_type & 0x60u) == 0)
		r = standard_request(dev, setup, dev->control_data, len);
	else
		r = other_request(dev, setup, dev->control_data, len);
	if (r < 0) {
		emulated_complete(dev, transfer, USBDEV_STATUS_STALL);
		return;
	}
	if (in) {
		assert(r <= (int)EMULATED_CONTROL_MAX);
		len = MIN_OF(len, (uint32_t)r);
		r = usbdev_transfer_write(transfer, 0, dev->control_data, len);
		if (r < 0) {
			emulated_complete(dev, transfer, USBDEV_STATUS_MEMORY);
			return;
		}
	}
	transfer->actual_bytes = len;
	emulated_complete(dev, transfer, USBDEV_STATUS_OK);
}
