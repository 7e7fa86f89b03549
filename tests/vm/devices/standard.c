/* SPDX-License-Identifier: MIT
 * standard.c - the standard requests of a test device (USB 2.0 9.4, USB 3.2 9.4)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vm/devices/device.h"
#include "util/bytes.h"
#include "util/compiler.h"

enum request {
	REQUEST_GET_STATUS = 0,
	REQUEST_CLEAR_FEATURE = 1,
	REQUEST_SET_FEATURE = 3,
	REQUEST_GET_DESCRIPTOR = 6,
	REQUEST_GET_CONFIGURATION = 8,
	REQUEST_SET_CONFIGURATION = 9,
	REQUEST_GET_INTERFACE = 10,
	REQUEST_SET_INTERFACE = 11,
	REQUEST_SET_SEL = 48,
	REQUEST_SET_ISOCH_DELAY = 49,
};

enum recipient {
	RECIPIENT_DEVICE = 0,
	RECIPIENT_INTERFACE = 1,
	RECIPIENT_ENDPOINT = 2,
};

#define FEATURE_ENDPOINT_HALT 0

void control_reply(struct device *dev, struct urb *urb, const void *data, size_t len)
{
	len = MIN_OF(len, urb->len);
	if (len > 0)
		memcpy(urb->data, data, len);
	device_complete(dev, urb, 0, (uint32_t)len);
}

static void stall(struct device *dev, struct urb *urb)
{
	device_complete(dev, urb, -EPIPE, 0);
}

static void done(struct device *dev, struct urb *urb)
{
	device_complete(dev, urb, 0, urb->ep_addr & 0x80 ? 0 : urb->len);
}

static void get_descriptor(struct device *dev, struct urb *urb)
{
	uint16_t value = get_le16(urb->setup + 2);
	uint8_t index = (uint8_t)value;
	uint8_t buf[256];
	size_t len = 0;

	switch (value >> 8) {
	case DESCR_DEVICE:
		control_reply(dev, urb, dev->descr.device, sizeof(dev->descr.device));
		return;
	case DESCR_CONFIGURATION:
		if (index >= dev->descr.config_count)
			break;
		control_reply(dev, urb, dev->descr.configs[index].bytes,
			      dev->descr.configs[index].len);
		return;
	case DESCR_OTHER_SPEED:
		if (index >= dev->descr.config_count || dev->speed != USB_SPEED_HIGH)
			break;
		memcpy(buf, dev->descr.configs[index].bytes, 9);
		buf[1] = DESCR_OTHER_SPEED;
		put_le16(buf + 2, 9);
		buf[4] = 0;
		len = 9;
		break;
	case DESCR_STRING:
		len = descr_string(&dev->descr, index, buf);
		break;
	case DESCR_BOS:
		len = descr_bos(&dev->descr, buf);
		break;
	case DESCR_QUALIFIER:
		len = descr_qualifier(&dev->descr, buf);
		break;
	default:
		break;
	}
	if (len > 0)
		control_reply(dev, urb, buf, len);
	else
		stall(dev, urb);
}

/* Resets all endpoints: no halt, no stream. */
static void restart_endpoints(struct device *dev)
{
	for (unsigned i = 1; i < ENDPOINT_COUNT; i++) {
		dev->in[i].halted = dev->out[i].halted = false;
		dev->in[i].next_ns = dev->out[i].next_ns = 0;
	}
	if (dev->kind->changed)
		dev->kind->changed(dev);
}

static void set_configuration(struct device *dev, struct urb *urb)
{
	uint8_t value = urb->setup[2];

	if (value != 0 && !descr_find_config(&dev->descr, value)) {
		stall(dev, urb);
		return;
	}
	dev->configuration = value;
	memset(dev->alternate, 0, sizeof(dev->alternate));
	dev->counts.set_configuration++;
	dev->counts.last_configuration = value;
	restart_endpoints(dev);
	done(dev, urb);
}

static void set_interface(struct device *dev, struct urb *urb)
{
	uint8_t number = urb->setup[4];
	uint8_t alternate = urb->setup[2];

	if (!descr_has_interface(&dev->descr, dev->configuration, number, alternate)) {
		stall(dev, urb);
		return;
	}
	dev->alternate[number] = alternate;
	dev->counts.set_interface++;
	dev->counts.last_interface = (uint32_t)number << 8 | alternate;
	restart_endpoints(dev);
	done(dev, urb);
}

static void endpoint_feature(struct device *dev, struct urb *urb, bool set)
{
	uint8_t ep_addr = urb->setup[4];
	struct endpoint *ep = device_endpoint(dev, ep_addr);

	if (get_le16(urb->setup + 2) != FEATURE_ENDPOINT_HALT) {
		stall(dev, urb);
		return;
	}
	if ((ep_addr & 0xf) == 0) {
		done(dev, urb);
		return;
	}
	if (!descr_find_endpoint(&dev->descr, dev->configuration, dev->alternate,
				 ep_addr)) {
		stall(dev, urb);
		return;
	}
	if (set) {
		dev->counts.set_halt++;
		device_halt(dev, ep);
	} else {
		dev->counts.clear_halt++;
		dev->counts.last_cleared = ep_addr;
		ep->halted = false;
	}
	if (dev->kind->changed)
		dev->kind->changed(dev);
	done(dev, urb);
}

static void get_status(struct device *dev, struct urb *urb)
{
	uint8_t status[2] = {0};
	enum recipient recipient = urb->setup[0] & 0x1f;

	if (recipient == RECIPIENT_DEVICE) {
		const struct descr_config *config =
			descr_find_config(&dev->descr, dev->configuration);

		status[0] = config && (config->bytes[7] & 0x40) ? 1 : 0;
	} else if (recipient == RECIPIENT_ENDPOINT) {
		status[0] = device_endpoint(dev, urb->setup[4])->halted;
	}
	control_reply(dev, urb, status, sizeof(status));
}

static void feature(struct device *dev, struct urb *urb)
{
	if ((urb->setup[0] & 0x1f) == RECIPIENT_ENDPOINT)
		endpoint_feature(dev, urb, urb->setup[1] == REQUEST_SET_FEATURE);
	else
		done(dev, urb);
}

void standard_control(struct device *dev, struct urb *urb)
{
	if ((urb->setup[0] & 0x60) != 0) {
		stall(dev, urb);
		return;
	}
	switch (urb->setup[1]) {
	case REQUEST_GET_STATUS:
		get_status(dev, urb);
		return;
	case REQUEST_CLEAR_FEATURE:
	case REQUEST_SET_FEATURE:
		feature(dev, urb);
		return;
	case REQUEST_GET_DESCRIPTOR:
		get_descriptor(dev, urb);
		return;
	case REQUEST_GET_CONFIGURATION:
		control_reply(dev, urb, &dev->configuration, 1);
		return;
	case REQUEST_SET_CONFIGURATION:
		set_configuration(dev, urb);
		return;
	case REQUEST_GET_INTERFACE:
		if (!descr_has_interface(&dev->descr, dev->configuration, urb->setup[4],
					 0))
			stall(dev, urb);
		else
			control_reply(dev, urb, &dev->alternate[urb->setup[4]], 1);
		return;
	case REQUEST_SET_INTERFACE:
		set_interface(dev, urb);
		return;
	case REQUEST_SET_SEL:
	case REQUEST_SET_ISOCH_DELAY:
		done(dev, urb);
		return;
	default:
		stall(dev, urb);
	}
}

bool control_echo(struct device *dev, struct urb *urb)
{
	static uint8_t kept[65536];
	size_t len = get_le16(urb->setup + 6);

	if (urb->setup[0] == 0x40 && urb->setup[1] == 0x5b) {
		memcpy(kept, urb->data, MIN_OF(len, urb->len));
		done(dev, urb);
		return true;
	}
	if (urb->setup[0] == 0xc0 && urb->setup[1] == 0x5c) {
		control_reply(dev, urb, kept, len);
		return true;
	}
	return false;
}
