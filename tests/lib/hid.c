/* SPDX-License-Identifier: MIT
 * hid.c - a boot keyboard on the test driver
 */
#include <errno.h>
#include <string.h>

#include "tests/lib/hid.h"

#define HID_SET_IDLE     0x0au
#define HID_SET_PROTOCOL 0x0bu

int hid_init(struct hid *hid, struct drv_device *device)
{
	struct drv_setup protocol = {.request_type = 0x21, .request = HID_SET_PROTOCOL};
	struct drv_setup idle = {.request_type = 0x21, .request = HID_SET_IDLE};

	*hid = (struct hid){.device = device};
	if (device->interface_class != 3 || device->interrupt_in == 0)
		return -ENODEV;
	for (unsigned i = 0; i < HID_REPORTS; i++)
		hid->reports[i] = guest_alloc(device->slot->drv->ram, GUEST_RAM_ZONE_HIGH,
					      HID_REPORT_BYTES, 8);
	if (drv_control(device->slot, &protocol, 0, NULL) != XCC_SUCCESS ||
	    drv_control(device->slot, &idle, 0, NULL) != XCC_SUCCESS)
		return -EIO;
	return 0;
}

void hid_queue(struct hid *hid, unsigned count)
{
	for (unsigned i = 0; i < count && hid->queued - hid->taken < HID_REPORTS; i++) {
		unsigned at = hid->queued++ % HID_REPORTS;

		memset(hid->reports[at].ptr, 0xee, HID_REPORT_BYTES);
		hid->trbs[at] = drv_push_normal(
			hid->device->slot, hid->device->interrupt_in,
			hid->reports[at].iova, HID_REPORT_BYTES, XTRB_IOC | XTRB_ISP);
	}
	drv_endpoint_doorbell(hid->device->slot, hid->device->interrupt_in);
}

int hid_wait(struct hid *hid, uint8_t report[HID_REPORT_BYTES], int timeout_ms)
{
	struct drv *drv = hid->device->slot->drv;
	unsigned at = hid->taken % HID_REPORTS;
	struct drv_event event;
	int saved = drv->timeout_ms;
	int r;

	drv->timeout_ms = timeout_ms;
	r = drv_wait_transfer(drv, hid->device->slot->id, hid->device->interrupt_in,
			      hid->trbs[at], &event);
	drv->timeout_ms = saved;
	if (r < 0)
		return r;
	hid->taken++;
	memcpy(report, hid->reports[at].ptr, HID_REPORT_BYTES);
	return r;
}
