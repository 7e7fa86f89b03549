/* SPDX-License-Identifier: MIT
 * kind_counter.c - isochronous packets that contain a counter
 *
 * Interface 0, alternate setting 1: isochronous IN 0x81 and OUT 0x01. Each packet holds a counter
 * (32 bits, little-endian), its own length (16 bits, if there is room) and then byte counter + i
 * at offset i. The device counts gaps and repetitions in the host's counter.
 * With option lossy the IN counter counts intervals, so an interval without a request is a gap too;
 * without it, only packets lost between device and guest are gaps.
 * Options: size=BYTES of a packet, vary (each packet has another length), interval=N (bInterval),
 * transactions=1..3 (high speed), burst=0..15 mult=0..2 (super speed), max=BYTES (wMaxPacketSize),
 * bad-every=N: every n-th IN packet fails with -EILSEQ.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vm/devices/device.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define PRODUCT_ID 0xc0de

static uint32_t in_counter, in_packets, size_max;
static unsigned long size, bad_every;
static bool vary, lossy;

static struct {
	bool started;
	uint32_t first, last, packets, lost, repeated, empty, bad;
} heard;

static uint32_t packet_length(uint32_t counter, uint32_t room)
{
	uint32_t length = (uint32_t)size;

	if (vary && size > 8)
		length = 8 + (counter * 37u) % (uint32_t)(size - 7);
	return MIN_OF(length, room);
}

static void send_packet(struct endpoint *ep, struct iso_packet *packet, uint8_t *data)
{
	uint32_t counter;

	if (lossy)
		in_counter += ep->missed;
	ep->missed = 0;
	counter = in_counter++;
	in_packets++;
	packet->actual = packet_length(counter, packet->length);
	if (bad_every && in_packets % bad_every == 0) {
		packet->status = -EILSEQ;
		packet->actual = 0;
		return;
	}
	for (uint32_t i = 0; i < packet->actual; i++)
		data[i] = (uint8_t)(counter + i);
	if (packet->actual >= 4)
		put_le32(data, counter);
	if (packet->actual >= 6)
		put_le16(data + 4, (uint16_t)packet->actual);
}

static bool good_bytes(const uint8_t *data, uint32_t length, uint32_t counter)
{
	if (length >= 6 && get_le16(data + 4) != (uint16_t)length)
		return false;
	for (uint32_t i = 6; i < length; i++) {
		if (data[i] != (uint8_t)(counter + i))
			return false;
	}
	return true;
}

static void hear_packet(const uint8_t *data, uint32_t length)
{
	uint32_t counter, step;

	if (length < 4) {
		heard.empty++;
		return;
	}
	counter = get_le32(data);
	heard.bad += !good_bytes(data, length, counter);
	step = counter - heard.last;
	if (!heard.started)
		heard.first = counter;
	else if (step == 0 || step > UINT32_MAX / 2)
		heard.repeated++;
	else
		heard.lost += step - 1;
	heard.started = true;
	heard.last = counter;
	heard.packets++;
}

static void packet(struct device *dev, struct endpoint *ep, struct iso_packet *packet,
		   uint8_t *data)
{
	(void)dev;
	if (ep->addr & 0x80)
		send_packet(ep, packet, data);
	else
		hear_packet(data, packet->length);
}

static bool command(struct device *dev, const char *line)
{
	(void)dev;
	if (strcmp(line, "restart") != 0)
		return false;
	memset(&heard, 0, sizeof(heard));
	in_counter = in_packets = 0;
	return true;
}

static void stats(struct device *dev, FILE *out)
{
	(void)dev;
	(void)fprintf(
		out,
		" in_packets=%u in_counter=%u out_packets=%u out_first=%u out_last=%u "
		"out_lost=%u out_repeated=%u out_empty=%u out_bad=%u",
		in_packets, in_counter, heard.packets, heard.first, heard.last,
		heard.lost, heard.repeated, heard.empty, heard.bad);
}

static int init(struct device *dev)
{
	struct descr_set *set = &dev->descr;
	struct descr_ep ep = {.type = EP_ISO};
	unsigned long transactions = option_number(dev, "transactions", 1);
	unsigned long max =
		option_number(dev, "max", dev->speed == USB_SPEED_FULL ? 1023 : 1024);

	if (dev->speed == USB_SPEED_LOW || transactions < 1 || transactions > 3)
		return -EINVAL;
	size_max = (uint32_t)max;
	ep.interval = (uint8_t)option_number(dev, "interval", 1);
	ep.max_packet = (uint16_t)max;
	if (dev->speed == USB_SPEED_HIGH) {
		size_max *= (uint32_t)transactions;
		ep.max_packet = (uint16_t)(max | (transactions - 1) << 11);
	} else if (dev->speed >= USB_SPEED_SUPER) {
		ep.burst = (uint8_t)option_number(dev, "burst", 0);
		ep.mult = (uint8_t)option_number(dev, "mult", 0);
		size_max *= (ep.burst + 1u) * (ep.mult + 1u);
	}
	size = option_number(dev, "size", size_max);
	bad_every = option_number(dev, "bad-every", 0);
	vary = option_text(dev, "vary");
	lossy = option_text(dev, "lossy");
	descr_begin(set, dev->speed, 0x1209, PRODUCT_ID);
	set->strings[2] = "isochronous counter";
	(void)descr_config(set, 1);
	descr_interface(set, 0, 0, NULL);
	descr_interface(set, 0, 1, NULL);
	ep.addr = 0x81;
	descr_endpoint(set, ep);
	ep.addr = 0x01;
	descr_endpoint(set, ep);
	return 0;
}

const struct kind kind_counter = {
	.name = "counter",
	.summary =
		"1209:c0de isochronous counter in 0x81, out 0x01, in alternate setting "
		"1; options "
		"size= vary lossy interval= transactions= burst= mult= max= bad-every=; "
		"command restart",
	.init = init,
	.packet = packet,
	.command = command,
	.stats = stats,
};
