/* SPDX-License-Identifier: MIT
 * kind_alternate.c - interfaces whose endpoints depend on the alternate setting
 *
 * Configuration 1: interface 0 with no endpoints in setting 0, bulk 0x81 0x01 in setting 1, and in
 * setting 2 the same addresses as interrupt endpoints; interface 1 with interrupt IN 0x82 in
 * setting 0 and bulk 0x82 0x02 in setting 1; interface 2 with bulk 0x83 0x03. Configuration 2:
 * interface 0 with bulk 0x84 0x04.
 * IN transfers return bytes that name their source: configuration, alternate setting of the
 * interface, endpoint address, and a counter that each SET_INTERFACE, SET_CONFIGURATION and
 * CLEAR_FEATURE(ENDPOINT_HALT) sets to 0, as a data toggle; then zeros. The device only counts OUT
 * transfers.
 */
#include <errno.h>
#include <string.h>

#include "tests/vm/devices/device.h"

static uint8_t sequence[ENDPOINT_COUNT];

static uint8_t interface_of(const struct device *dev, uint8_t ep_addr)
{
	static const uint8_t interfaces[ENDPOINT_COUNT] = {[2] = 1, [3] = 2};

	return dev->configuration == 1 ? interfaces[ep_addr & 0xf] : 0;
}

static void kick(struct device *dev, struct endpoint *ep)
{
	struct urb *urb;

	while ((urb = endpoint_first(ep))) {
		uint8_t number = ep->addr & 0xf;
		uint8_t answer[4] = {
			dev->configuration,
			dev->alternate[interface_of(dev, ep->addr)],
			ep->addr,
			0,
		};

		if (!(ep->addr & 0x80)) {
			device_complete(dev, urb, 0, urb->len);
			continue;
		}
		answer[3] = sequence[number]++;
		memcpy(urb->data, answer, urb->len < 4 ? urb->len : 4);
		device_complete(dev, urb, 0, urb->len);
	}
}

static void changed(struct device *dev)
{
	(void)dev;
	memset(sequence, 0, sizeof(sequence));
}

static void pair(struct descr_set *set, uint8_t number, enum ep_type type)
{
	uint8_t interval = type == EP_INTERRUPT ? 4 : 0;

	descr_endpoint(set, (struct descr_ep){
				    .addr = number | 0x80,
				    .type = type,
				    .interval = interval,
			    });
	descr_endpoint(set, (struct descr_ep){
				    .addr = number,
				    .type = type,
				    .interval = interval,
			    });
}

static int init(struct device *dev)
{
	struct descr_set *set = &dev->descr;

	if (dev->speed == USB_SPEED_LOW)
		return -EINVAL;
	descr_begin(set, dev->speed, 0x1209, 0xa175);
	set->strings[2] = "alternate settings";
	(void)descr_config(set, 1);
	descr_interface(set, 0, 0, NULL);
	descr_interface(set, 0, 1, NULL);
	pair(set, 1, EP_BULK);
	descr_interface(set, 0, 2, NULL);
	pair(set, 1, EP_INTERRUPT);
	descr_interface(set, 1, 0, NULL);
	descr_endpoint(set, (struct descr_ep){
				    .addr = 0x82, .type = EP_INTERRUPT, .interval = 4});
	descr_interface(set, 1, 1, NULL);
	pair(set, 2, EP_BULK);
	descr_interface(set, 2, 0, NULL);
	pair(set, 3, EP_BULK);
	(void)descr_config(set, 2);
	descr_interface(set, 0, 0, NULL);
	pair(set, 4, EP_BULK);
	return 0;
}

const struct kind kind_alternate = {
	.name = "alternate",
	.summary =
		"1209:a175 three interfaces with alternate settings, two configurations",
	.init = init,
	.kick = kick,
	.changed = changed,
};
