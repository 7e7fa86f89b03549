/* SPDX-License-Identifier: MIT
 * kind_source_sink.c - gadget zero's source and sink, which Linux's usbtest needs
 *
 * Interface 0, alternate setting 0: bulk IN 0x81, OUT 0x01; 1: the same, interrupt 0x82 0x02 and
 * isochronous 0x83 0x03. Option empty-alt0: setting 0 has no endpoints, so that usbtest takes
 * setting 1 by itself (without this option, its parameter alt=1 does that). Option pattern=1: sends
 * and demands the pattern mod63 of usbtest's parameter pattern; 0: zeros.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vm/devices/device.h"
#include "util/bytes.h"

static unsigned long pattern;
static uint32_t wrong_bytes;

static uint16_t packet_size(const struct device *dev, uint8_t ep_addr)
{
	const uint8_t *d = descr_find_endpoint(&dev->descr, dev->configuration,
					       dev->alternate, ep_addr);

	return d && get_le16(d + 4) ? get_le16(d + 4) : 64;
}

/* Uses the raw wMaxPacketSize because usbtest does. */
static uint8_t pattern_byte(uint32_t i, uint16_t size)
{
	return pattern == 0 ? 0 : (uint8_t)(i % size % 63);
}

static void source_or_sink(const struct device *dev, uint8_t ep_addr, uint8_t *data,
			   uint32_t len)
{
	uint16_t size = packet_size(dev, ep_addr);

	for (uint32_t i = 0; i < len; i++) {
		if (ep_addr & 0x80)
			data[i] = pattern_byte(i, size);
		else
			wrong_bytes += data[i] != pattern_byte(i, size);
	}
}

static void kick(struct device *dev, struct endpoint *ep)
{
	struct urb *urb;

	while ((urb = endpoint_first(ep)) && urb->packet_count == 0) {
		source_or_sink(dev, ep->addr, urb->data, urb->len);
		device_complete(dev, urb, 0, urb->len);
	}
}

static void packet(struct device *dev, struct endpoint *ep, struct iso_packet *packet,
		   uint8_t *data)
{
	source_or_sink(dev, ep->addr, data, packet->length);
}

static enum control_answer control(struct device *dev, struct urb *urb)
{
	return control_echo(dev, urb) ? CONTROL_DONE : CONTROL_STANDARD;
}

static void stats(struct device *dev, FILE *out)
{
	(void)dev;
	(void)fprintf(out, " wrong_bytes=%u", wrong_bytes);
}

static void bulk_pair(struct descr_set *set)
{
	descr_endpoint(set, (struct descr_ep){.addr = 0x81, .type = EP_BULK});
	descr_endpoint(set, (struct descr_ep){.addr = 0x01, .type = EP_BULK});
}

static int init(struct device *dev)
{
	struct descr_set *set = &dev->descr;
	uint8_t interval = dev->speed == USB_SPEED_FULL ? 1 : 4;

	if (dev->speed == USB_SPEED_LOW)
		return -EINVAL;
	pattern = option_number(dev, "pattern", 0);
	descr_begin(set, dev->speed, 0x0525, 0xa4a0);
	set->strings[2] = "source and sink";
	(void)descr_config(set, 1);
	descr_interface(set, 0, 0, NULL);
	if (!option_text(dev, "empty-alt0"))
		bulk_pair(set);
	descr_interface(set, 0, 1, NULL);
	bulk_pair(set);
	for (uint8_t addr = 0x02; addr; addr = addr == 0x02 ? 0x82 : 0)
		descr_endpoint(set, (struct descr_ep){
					    .addr = addr,
					    .type = EP_INTERRUPT,
					    .interval = interval,
				    });
	for (uint8_t addr = 0x03; addr; addr = addr == 0x03 ? 0x83 : 0)
		descr_endpoint(
			set,
			(struct descr_ep){
				.addr = addr,
				.type = EP_ISO,
				.interval = interval,
				.max_packet = dev->speed == USB_SPEED_FULL ? 1023 : 1024,
			});
	return 0;
}

const struct kind kind_source_sink = {
	.name = "source-sink",
	.summary = "0525:a4a0 like gadget zero, for usbtest; options pattern=0|1, "
		   "empty-alt0",
	.init = init,
	.control = control,
	.kick = kick,
	.packet = packet,
	.stats = stats,
};
