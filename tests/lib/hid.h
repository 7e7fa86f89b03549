/* SPDX-License-Identifier: MIT
 * hid.h - a boot keyboard on the test driver
 */
#ifndef TESTS_LIB_HID_H
#define TESTS_LIB_HID_H

#include <stdint.h>

#include "tests/lib/drv_device.h"

#define HID_REPORT_BYTES 8u
#define HID_REPORTS      16u

/**
 * struct hid - a keyboard
 * @reports:	buffers of the TDs in flight, used in a circle
 * @queued, @taken: number of TDs submitted and completed
 * @trbs:	addresses of the TDs
 */
struct hid {
	struct drv_device *device;
	struct guest_buf reports[HID_REPORTS];
	uint64_t trbs[HID_REPORTS];
	unsigned queued;
	unsigned taken;
};

/* SET_PROTOCOL(boot), SET_IDLE(0). Return: 0 or -errno. */
MUST_USE int hid_init(struct hid *hid, struct drv_device *device);
/* Submits @count TDs of one report (at most HID_REPORTS in flight). */
void hid_queue(struct hid *hid, unsigned count);
/* Waits for the oldest TD and copies its @report. Return: completion code or -errno. */
MUST_USE int hid_wait(struct hid *hid, uint8_t report[HID_REPORT_BYTES], int timeout_ms);

#endif /* TESTS_LIB_HID_H */
