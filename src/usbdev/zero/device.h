/* SPDX-License-Identifier: MIT
 * device.h - the test device, as the files of this folder share it
 *
 * A deferred task moves bulk transfers, as fast as it can but a bounded number of
 * bytes in each turn of the loop. Periodic endpoints (pace.c) move one
 * payload in each of their service intervals.
 */
#ifndef USBDEV_ZERO_DEVICE_H
#define USBDEV_ZERO_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/emulated.h"
#include "usbdev/zero/pattern.h"
#include "util/loop.h"

#define ZERO_EP_BULK_IN  0x81u
#define ZERO_EP_BULK_OUT 0x01u
#define ZERO_EP_ISO_IN   0x82u
#define ZERO_EP_ISO_OUT  0x02u
#define ZERO_EP_INT_IN   0x83u
#define ZERO_EP_INT_OUT  0x03u

#define ZERO_PACES 4u

/**
 * struct zero_pace - the service intervals of a periodic endpoint
 * @interval_ns, @payload_bytes: of the present setting
 * @next_ns:	start of its next interval, while @running
 * @running:	a transfer waits, or did when the last interval began
 */
struct zero_pace {
	uint8_t ep_addr;
	bool isochronous;
	bool running;
	uint64_t interval_ns;
	uint32_t payload_bytes;
	uint64_t next_ns;
};

/**
 * struct zero - the device
 * @scratch, @scratch_bytes: the data of vendor request 0x5b
 * @bulk_task:	moves bulk data
 * @frame_zero_ns: start of its frame 0, from which service intervals count
 */
struct zero {
	struct emulated emu;
	enum zero_pattern pattern;
	struct loop_task bulk_task;
	struct loop_timer *timer;
	uint64_t frame_zero_ns;
	struct zero_pace paces[ZERO_PACES];
	uint8_t scratch[EMULATED_CONTROL_MAX];
	uint32_t scratch_bytes;
};

static inline struct zero *zero_from_emulated(struct emulated *emu)
{
	return CONTAINER_OF(emu, struct zero, emu);
}

#endif /* USBDEV_ZERO_DEVICE_H */
