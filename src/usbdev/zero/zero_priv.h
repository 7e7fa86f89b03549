/* SPDX-License-Identifier: MIT
 * zero_priv.h - shared by the files of the test device
 *
 * Bulk transfers are moved by a deferred task, as fast as it goes but a bounded
 * number of bytes in each turn of the loop. Periodic endpoints (pace.c) move one
 * payload in each of their service intervals.
 */
#ifndef USBDEV_ZERO_ZERO_PRIV_H
#define USBDEV_ZERO_ZERO_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/emulated.h"
#include "usbdev/zero/zero.h"

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
 * @scratch, @scratch_bytes: what vendor request 0x5b left
 * @bulk_task:	moves bulk data
 * @frame_zero_ns: when its frame 0 began: service intervals are counted from there
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

/* data.c */

/* Fills resp. checks the next @len bytes of @transfer and counts them in
 * actual_bytes. @ret_good (OUT): the pattern was right. Return: 0 or -EFAULT. */
MUST_USE int zero_move(struct zero *zero, struct usbdev_transfer *transfer, uint32_t len,
		       bool *ret_good);
/* The bulk task: a turn's share of the bulk transfers. */
void zero_move_bulk(void *ctx);

/* pace.c */

/* The setting has changed, or the device was reset: intervals and payloads anew. */
void zero_paces_configure(struct zero *zero);
/* There is a transfer on a periodic endpoint. */
void zero_pace_start(struct zero *zero, uint8_t ep_addr);
/* The timer. */
void zero_paces_tick(void *ctx);

#endif /* USBDEV_ZERO_ZERO_PRIV_H */
