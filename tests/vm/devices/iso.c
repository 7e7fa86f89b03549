/* SPDX-License-Identifier: MIT
 * iso.c - isochronous transfers take as long as on a real bus
 *
 * An endpoint has a cursor: the bus time of its next packet. Each URB takes the next intervals and
 * completes when the last of them has passed, so a host that keeps URBs queued sees one packet each
 * interval, however late this process runs. A URB that comes after the cursor has passed is an
 * underrun: the bus passed an interval without a packet. We count it and move the cursor on to now.
 */
#include <errno.h>

#include "tests/vm/devices/device.h"
#include "util/compiler.h"

#define FRAME_NS      1000000u
#define MICROFRAME_NS 125000u
/* After a longer pause, a new stream begins. */
#define PAUSE_NS 500000000u

static uint64_t interval_ns(const struct device *dev, const struct urb *urb)
{
	uint64_t unit = dev->speed <= USB_SPEED_FULL ? FRAME_NS : MICROFRAME_NS;

	return unit * (urb->interval ? urb->interval : 1);
}

static void start_stream(struct endpoint *ep, uint64_t now, uint64_t interval)
{
	ep->next_ns = (now / interval + 2) * interval;
	ep->missed = 0;
}

static void catch_up(struct endpoint *ep, uint64_t now, uint64_t interval)
{
	uint64_t late = now - ep->next_ns;

	if (late > PAUSE_NS) {
		start_stream(ep, now, interval);
		return;
	}
	ep->missed += (uint32_t)(late / interval + 1);
	ep->next_ns += (late / interval + 1) * interval;
	ep->count_underruns++;
	ep->underrun_max_ns = MAX_OF(ep->underrun_max_ns, late);
}

void iso_submitted(struct device *dev, struct endpoint *ep, struct urb *urb)
{
	uint64_t now = now_ns();
	uint64_t interval = interval_ns(dev, urb);

	if (!ep->next_ns)
		start_stream(ep, now, interval);
	else if (ep->next_ns < now && endpoint_first(ep) == urb)
		catch_up(ep, now, interval);
	urb->start_frame = (uint32_t)(ep->next_ns / FRAME_NS) & 0x7ff;
	ep->next_ns += urb->packet_count * interval;
	urb->due_ns = ep->next_ns;
}

static void run_packets(struct device *dev, struct endpoint *ep, struct urb *urb)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < urb->packet_count; i++) {
		struct iso_packet *packet = &urb->packets[i];

		packet->actual = packet->length;
		packet->status = 0;
		if (dev->kind->packet)
			dev->kind->packet(dev, ep, packet, urb->data + packet->offset);
		packet->actual = MIN_OF(packet->actual, packet->length);
		sum += packet->actual;
	}
	device_complete(dev, urb, 0, sum);
}

void iso_run(struct device *dev, struct endpoint *ep)
{
	uint64_t now = now_ns();
	struct urb *urb;

	while ((urb = endpoint_first(ep)) && urb->packet_count > 0 && urb->due_ns <= now)
		run_packets(dev, ep, urb);
}
