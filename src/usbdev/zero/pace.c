/* SPDX-License-Identifier: MIT
 * pace.c - interrupt and isochronous endpoints keep time
 *
 * Each periodic endpoint has service intervals, all counted from one frame_zero_ns on
 * the monotonic clock. An endpoint begins to run in the first interval that starts
 * after a transfer was queued, moves one payload in each, and stops when an interval
 * finds no transfer. An isochronous transfer is one payload; an interrupt transfer may
 * take several.
 *
 * One timer serves all, at most once per millisecond, with all intervals that have begun
 * by then. After a sleep of the process it serves the missed intervals late, up to
 * CATCH_UP of them; after a longer sleep the endpoint starts over.
 */
#include "usbdev/zero/pace.h"

#include "usbdev/emulated_descr.h"
#include "usbdev/zero/data.h"
#include "usbdev/zero/device.h"
#include "util/log.h"

#define FRAME_NS    UINT64_C(1000000)
#define UFRAME_NS   UINT64_C(125000)
#define CATCH_UP    512u
#define PACKET_MASK 0x7ffu

static uint64_t since_zero(const struct zero *zero, uint64_t ns)
{
	return ns - zero->frame_zero_ns;
}

/* The first multiple of @step_ns of the device's time that is later than @ns. */
static uint64_t next_multiple(const struct zero *zero, uint64_t ns, uint64_t step_ns)
{
	return zero->frame_zero_ns + (since_zero(zero, ns) / step_ns + 1) * step_ns;
}

/* bInterval: a power of two (of microframes above full speed), but plain frames
 * for interrupt endpoints at full speed (USB 2.0 9.6.6). */
static uint64_t interval_ns(enum emulated_column column,
			    const struct emulated_ep_info *info)
{
	uint8_t interval = info->interval[column];

	if (column != EMULATED_COLUMN_FULL)
		return UFRAME_NS << (interval - 1);
	if ((info->attributes & 3u) == USBDEV_TYPE_ISOCHRONOUS)
		return FRAME_NS << (interval - 1);
	return FRAME_NS * interval;
}

static uint32_t payload_bytes(enum emulated_column column,
			      const struct emulated_ep_info *info)
{
	uint32_t max_packet = info->max_packet[column];

	if (column == EMULATED_COLUMN_SUPER)
		return info->ss_bytes_per_interval;
	return (max_packet & PACKET_MASK) * (1 + (max_packet >> 11 & 3u));
}

void zero_paces_configure(struct zero *zero)
{
	static const uint8_t addrs[ZERO_PACES] = {ZERO_EP_ISO_IN, ZERO_EP_ISO_OUT,
						  ZERO_EP_INT_IN, ZERO_EP_INT_OUT};
	enum emulated_column column = emulated_column(zero->emu.usbdev.speed);

	loop_timer_stop(zero->timer);
	for (unsigned i = 0; i < ZERO_PACES; i++) {
		struct zero_pace *pace = &zero->paces[i];
		const struct emulated_ep *ep = emulated_ep(&zero->emu, addrs[i]);

		*pace = (struct zero_pace){.ep_addr = addrs[i]};
		if (!ep)
			continue;
		pace->isochronous =
			(ep->info->attributes & 3u) == USBDEV_TYPE_ISOCHRONOUS;
		pace->interval_ns = interval_ns(column, ep->info);
		pace->payload_bytes = payload_bytes(column, ep->info);
	}
}

/* Sets the timer for the end of the millisecond in which the next interval begins. */
static void arm(struct zero *zero, uint64_t now_ns)
{
	uint64_t at_ns = UINT64_MAX;

	for (unsigned i = 0; i < ZERO_PACES; i++)
		if (zero->paces[i].running)
			at_ns = MIN_OF(at_ns, zero->paces[i].next_ns);
	if (at_ns == UINT64_MAX)
		return;
	at_ns = next_multiple(zero, at_ns - 1, FRAME_NS);
	loop_timer_set(zero->timer, at_ns > now_ns ? at_ns - now_ns : 0);
}

void zero_pace_start(struct zero *zero, uint8_t ep_addr)
{
	uint64_t now_ns = clock_now_ns();

	for (unsigned i = 0; i < ZERO_PACES; i++) {
		struct zero_pace *pace = &zero->paces[i];

		if (pace->ep_addr != ep_addr || pace->running)
			continue;
		pace->running = true;
		pace->next_ns = next_multiple(zero, now_ns, pace->interval_ns);
		arm(zero, now_ns);
	}
}

/* One service interval. False: no transfer waits. */
static bool serve(struct zero *zero, const struct zero_pace *pace)
{
	struct usbdev_transfer *transfer = emulated_first(&zero->emu, pace->ep_addr);
	uint32_t len;
	bool good;

	if (!transfer)
		return false;
	len = MIN_OF(transfer->length_bytes - transfer->actual_bytes,
		     pace->payload_bytes);
	if (zero_move(zero, transfer, len, &good) < 0) {
		emulated_complete(&zero->emu, transfer, USBDEV_STATUS_MEMORY);
		return true;
	}
	if (!good)
		log_limited(LOG_LEVEL_WARN, "%s: wrong data for endpoint 0x%02x",
			    zero->emu.usbdev.label, pace->ep_addr);
	if (pace->isochronous || transfer->actual_bytes == transfer->length_bytes)
		emulated_complete(&zero->emu, transfer, USBDEV_STATUS_OK);
	if (!good && !pace->isochronous)
		emulated_halt(&zero->emu, pace->ep_addr);
	return true;
}

static void catch_up(struct zero *zero, struct zero_pace *pace, uint64_t now_ns)
{
	for (unsigned n = 0; pace->running && pace->next_ns <= now_ns; n++) {
		if (n == CATCH_UP) {
			pace->next_ns = next_multiple(zero, now_ns, pace->interval_ns);
			return;
		}
		pace->running = serve(zero, pace);
		pace->next_ns += pace->interval_ns;
	}
}

void zero_paces_tick(void *ctx)
{
	struct zero *zero = ctx;
	uint64_t now_ns = clock_now_ns();

	for (unsigned i = 0; i < ZERO_PACES; i++)
		catch_up(zero, &zero->paces[i], now_ns);
	arm(zero, now_ns);
}
