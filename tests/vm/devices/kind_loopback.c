/* SPDX-License-Identifier: MIT
 * kind_loopback.c - returns the bytes sent to bulk OUT 0x01 on bulk IN 0x81, in order
 *
 * Bytes wait in a ring of 1 MiB; OUT transfers that do not fit wait. A short packet that ends an
 * OUT transfer also ends an IN transfer, unless option stream is given. Interrupt IN 0x82 reports,
 * as eight bytes, how many bytes have arrived and their checksum (Adler-32), each time these
 * change. At low speed there is no bulk: interrupt OUT 0x03 takes the bytes, and 0x82 reports them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vm/devices/device.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define RING_BYTES (1u << 20)
#define ENDS_MAX   4096u

static uint8_t ring[RING_BYTES];
static uint64_t ring_in, ring_out;
/* positions where a short OUT transfer ended, and so an IN transfer will */
static uint64_t ends[ENDS_MAX];
static uint32_t ends_in, ends_out;
static bool stream, news;
static uint32_t sum_a = 1, sum_b;

static void take_byte(uint8_t byte)
{
	ring[ring_in++ % RING_BYTES] = byte;
	sum_a = (sum_a + byte) % 65521;
	sum_b = (sum_b + sum_a) % 65521;
}

static bool take_out(struct device *dev, struct endpoint *ep)
{
	uint16_t size = descr_bulk_packet(dev->speed);
	struct urb *urb = endpoint_first(ep);

	if (!urb || urb->len > RING_BYTES - (ring_in - ring_out) ||
	    ends_in - ends_out == ENDS_MAX)
		return false;
	for (uint32_t i = 0; i < urb->len; i++)
		take_byte(urb->data[i]);
	if (!stream && (urb->len % size != 0 || urb->len == 0 || (urb->flags & 0x40)))
		ends[ends_in++ % ENDS_MAX] = ring_in;
	news = true;
	device_complete(dev, urb, 0, urb->len);
	return true;
}

static bool give_in(struct device *dev)
{
	struct urb *urb = endpoint_first(&dev->in[1]);
	uint16_t size = descr_bulk_packet(dev->speed);
	bool ended = ends_in != ends_out;
	uint64_t len = (ended ? ends[ends_out % ENDS_MAX] : ring_in) - ring_out;

	if (!urb || (len == 0 && !ended))
		return false;
	/* without an end, send only bytes that fill the request */
	if (len > urb->len) {
		len = urb->len;
		ended = false;
	} else if (len == urb->len && len % size == 0 && ended && len > 0) {
		/* the next request gets the short packet that ends the transfer */
		ended = false;
	} else if (!ended && len < urb->len && !stream) {
		return false;
	}
	for (uint64_t i = 0; i < len; i++)
		urb->data[i] = ring[ring_out++ % RING_BYTES];
	if (ended)
		ends_out++;
	device_complete(dev, urb, 0, (uint32_t)len);
	return true;
}

static void tell(struct device *dev)
{
	struct urb *urb = endpoint_first(&dev->in[2]);
	uint8_t note[8];

	if (!urb || !news)
		return;
	put_le32(note, (uint32_t)ring_in);
	put_le32(note + 4, sum_b << 16 | sum_a);
	memcpy(urb->data, note, MIN_OF(urb->len, sizeof(note)));
	news = false;
	device_complete(dev, urb, 0, MIN_OF(urb->len, (uint32_t)sizeof(note)));
}

static void kick(struct device *dev, struct endpoint *ep)
{
	bool moved = true;

	(void)ep;
	while (moved) {
		moved = take_out(dev, &dev->out[1]);
		if (take_out(dev, &dev->out[3])) {
			moved = true;
			ring_out = ring_in;
			ends_out = ends_in;
		}
		moved |= give_in(dev);
	}
	tell(dev);
}

static void changed(struct device *dev)
{
	if (dev->configuration != 0)
		return;
	ring_out = ring_in = 0;
	ends_out = ends_in = 0;
	sum_a = 1;
	sum_b = 0;
	news = false;
}

static void stats(struct device *dev, FILE *out)
{
	(void)dev;
	(void)fprintf(out, " looped=%llu waiting=%llu checksum=%08x",
		      (unsigned long long)ring_in,
		      (unsigned long long)(ring_in - ring_out), sum_b << 16 | sum_a);
}

static int init(struct device *dev)
{
	struct descr_set *set = &dev->descr;
	uint8_t interval = dev->speed <= USB_SPEED_FULL ? 1 : 4;

	stream = option_text(dev, "stream");
	descr_begin(set, dev->speed, 0x1209, 0x100b);
	set->strings[2] = "loopback";
	(void)descr_config(set, 1);
	descr_interface(set, 0, 0, NULL);
	if (dev->speed != USB_SPEED_LOW) {
		descr_endpoint(set, (struct descr_ep){.addr = 0x01, .type = EP_BULK});
		descr_endpoint(set, (struct descr_ep){.addr = 0x81, .type = EP_BULK});
	} else {
		interval = 10;
	}
	descr_endpoint(set, (struct descr_ep){
				    .addr = 0x82,
				    .type = EP_INTERRUPT,
				    .max_packet = 8,
				    .interval = interval,
			    });
	if (dev->speed == USB_SPEED_LOW)
		descr_endpoint(set, (struct descr_ep){
					    .addr = 0x03,
					    .type = EP_INTERRUPT,
					    .interval = interval,
				    });
	return 0;
}

static enum control_answer control(struct device *dev, struct urb *urb)
{
	return control_echo(dev, urb) ? CONTROL_DONE : CONTROL_STANDARD;
}

const struct kind kind_loopback = {
	.name = "loopback",
	.summary = "1209:100b bulk OUT 0x01 to bulk IN 0x81, interrupt IN 0x82 reports "
		   "length and "
		   "Adler-32; option stream (transfers have no ends)",
	.init = init,
	.control = control,
	.kick = kick,
	.changed = changed,
	.stats = stats,
};
