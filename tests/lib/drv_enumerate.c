/* SPDX-License-Identifier: MIT
 * drv_enumerate.c - the test driver: from a port to a configured device
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/drv_device.h"
#include "util/bytes.h"

#define SCRATCH_BYTES 1024u

int drv_get_descriptor(struct drv_slot *slot, unsigned type, unsigned index,
		       uint64_t iova, uint16_t length, uint32_t *ret_actual)
{
	struct drv_setup setup = {
		.request_type = USB_DIR_IN,
		.request = USB_GET_DESCRIPTOR,
		.value = (uint16_t)((type << 8) | index),
		.index = type == USB_DESC_STRING && index > 0 ? 0x0409 : 0,
		.length = length,
	};

	return drv_control(slot, &setup, iova, ret_actual);
}

static int must(const char *what, int r)
{
	if (r == XCC_SUCCESS)
		return 0;
	(void)fprintf(stderr, "enumeration: %s: %s %d\n", what,
		      r < 0 ? "error" : "completion code", r);
	return r < 0 ? r : -EIO;
}

/* Interval exponent of an interrupt endpoint context (6.2.3.6). */
static uint8_t interval_of(unsigned speed, unsigned interval)
{
	uint8_t log2 = 3;

	if (speed == XSPEED_HIGH || speed >= XSPEED_SUPER)
		return (uint8_t)(interval > 0 && interval <= 16 ? interval - 1 : 0);
	while (log2 < 10 && (8u << (log2 - 2)) <= interval * 8)
		log2++;
	return log2;
}

uint32_t drv_parse_config(struct drv_device *device)
{
	struct drv_slot *slot = device->slot;
	unsigned dci_last = 0;
	uint32_t mask = 0;

	for (unsigned at = 0; at + 2 <= device->config_bytes; at += device->config[at]) {
		const uint8_t *d = device->config + at;

		if (d[0] < 2 || at + d[0] > device->config_bytes)
			break;
		if (d[1] == USB_DESC_INTERFACE && d[0] >= 9) {
			device->interface_class = d[5];
			device->interface_subclass = d[6];
			device->interface_protocol = d[7];
		} else if (d[1] == USB_DESC_ENDPOINT && d[0] >= 7) {
			unsigned kind = d[3] & 3;
			bool in = (d[2] & USB_DIR_IN) != 0;
			enum xep_type type = (enum xep_type)(kind + (in ? 4 : 0));

			dci_last = drv_endpoint_add(
				slot, d[2], type, get_le16(d + 4) & 0x7ff,
				kind == 3 ? interval_of(slot->speed, d[6]) : 0, 0);
			mask |= 1u << dci_last;
			if (kind == 2 && in)
				device->bulk_in = dci_last;
			else if (kind == 2)
				device->bulk_out = dci_last;
			else if (kind == 3 && in)
				device->interrupt_in = dci_last;
		} else if (d[1] == 0x30 && dci_last) { /* endpoint companion */
			slot->endpoints[dci_last].burst = d[2];
		}
	}
	return mask;
}

/* USB 2: the first 8 bytes of the descriptor tell the packet size of endpoint 0. */
static int learn_packet_size(struct drv_slot *slot, struct guest_buf scratch)
{
	uint32_t actual = 0;
	int r = must("Address Device, BSR", drv_address_device(slot, true));

	if (r == 0)
		r = must("first 8 bytes", drv_get_descriptor(slot, USB_DESC_DEVICE, 0,
							     scratch.iova, 8, &actual));
	if (r < 0)
		return r;
	if (actual != 8)
		return -EPROTO;
	slot->endpoints[1].max_packet = scratch.ptr[7];
	drv_input_begin(slot, 2, 0);
	drv_input_endpoint(slot, 1);
	r = must("Evaluate Context", drv_command_slot(slot->drv, XTRB_EVALUATE_CONTEXT,
						      slot->id, slot->input.iova, 0));
	return r;
}

static int read_descriptors(struct drv_device *device, struct guest_buf scratch)
{
	struct drv_slot *slot = device->slot;
	uint32_t actual = 0;
	int r;

	r = must("device descriptor",
		 drv_get_descriptor(slot, USB_DESC_DEVICE, 0, scratch.iova, 18, &actual));
	if (r < 0)
		return r;
	if (actual != 18)
		return -EPROTO;
	memcpy(device->descriptor, scratch.ptr, 18);
	r = must("configuration",
		 drv_get_descriptor(slot, USB_DESC_CONFIG, 0, scratch.iova, 9, &actual));
	if (r < 0)
		return r;
	device->config_bytes = get_le16(scratch.ptr + 2);
	if (device->config_bytes > DRV_CONFIG_MAX)
		return -EPROTO;
	r = must("whole configuration",
		 drv_get_descriptor(slot, USB_DESC_CONFIG, 0, scratch.iova,
				    (uint16_t)device->config_bytes, &actual));
	if (r < 0)
		return r;
	if (actual != device->config_bytes)
		return -EPROTO;
	memcpy(device->config, scratch.ptr, device->config_bytes);
	return 0;
}

int drv_enumerate(struct drv *drv, unsigned port, struct drv_device *ret_device)
{
	struct guest_buf scratch =
		guest_alloc(drv->ram, GUEST_RAM_ZONE_LOW, SCRATCH_BYTES, 1024);
	struct drv_setup set_config = {.request = USB_SET_CONFIGURATION};
	struct drv_device device = {.slot = NULL};
	uint32_t endpoints;
	int r = 0;

	drv_port_clear(drv, port, XPORT_CHANGES);
	if (!(drv_portsc(drv, port) & XPORT_PED))
		r = drv_port_reset(drv, port, false);
	if (r == 0)
		r = must("Enable Slot", drv_slot_enable(drv, port, &device.slot));
	if (r == 0 && device.slot->speed < XSPEED_SUPER)
		r = learn_packet_size(device.slot, scratch);
	if (r == 0)
		r = must("Address Device", drv_address_device(device.slot, false));
	if (r == 0)
		r = read_descriptors(&device, scratch);
	if (r < 0)
		return r;
	endpoints = drv_parse_config(&device);
	set_config.value = device.config[5];
	r = must("Configure Endpoint", drv_configure(device.slot, endpoints, 0));
	if (r == 0)
		r = must("SET_CONFIGURATION",
			 drv_control(device.slot, &set_config, 0, NULL));
	*ret_device = device;
	return r;
}
