/* SPDX-License-Identifier: MIT
 * kind_big_control.c - control transfers of up to 65535 bytes
 *
 * Vendor request 0x01 IN: byte i is wValue + i * 7 + i / 256. For recipient device, a wIndex other
 * than 0 limits the answer, which makes it short. 0x01 OUT: counts and checks the same pattern,
 * which starts with wValue; wrong data stalls. Both for any recipient. 0x5b and 0x5c: gadget zero's
 * requests, of any length.
 */
#include <errno.h>

#include "tests/vm/devices/device.h"
#include "util/bytes.h"
#include "util/compiler.h"

static uint32_t bytes_in, bytes_out, wrong;

static uint8_t pattern(uint16_t start, uint32_t i)
{
	return (uint8_t)(start + i * 7 + i / 256);
}

static enum control_answer control(struct device *dev, struct urb *urb)
{
	uint16_t start = get_le16(urb->setup + 2);
	uint32_t limit = get_le16(urb->setup + 4);
	uint32_t len = urb->len;

	if (control_echo(dev, urb))
		return CONTROL_DONE;
	if ((urb->setup[0] & 0x60) != 0x40 || urb->setup[1] != 1)
		return CONTROL_STANDARD;
	if (urb->setup[0] & 0x80) {
		if ((urb->setup[0] & 0x1f) == 0 && limit)
			len = MIN_OF(len, limit);
		for (uint32_t i = 0; i < len; i++)
			urb->data[i] = pattern(start, i);
		bytes_in += len;
		device_complete(dev, urb, 0, len);
		return CONTROL_DONE;
	}
	for (uint32_t i = 0; i < len; i++) {
		if (urb->data[i] != pattern(start, i)) {
			wrong++;
			device_complete(dev, urb, -EPIPE, 0);
			return CONTROL_DONE;
		}
	}
	bytes_out += len;
	device_complete(dev, urb, 0, len);
	return CONTROL_DONE;
}

static void stats(struct device *dev, FILE *out)
{
	(void)dev;
	(void)fprintf(out, " bytes_in=%u bytes_out=%u wrong=%u", bytes_in, bytes_out,
		      wrong);
}

static int init(struct device *dev)
{
	struct descr_set *set = &dev->descr;

	descr_begin(set, dev->speed, 0x1209, 0xb16c);
	set->strings[2] = "big control transfers";
	(void)descr_config(set, 1);
	descr_interface(set, 0, 0, NULL);
	descr_endpoint(set, (struct descr_ep){
				    .addr = 0x81, .type = EP_INTERRUPT, .interval = 10});
	return 0;
}

const struct kind kind_big_control = {
	.name = "big-control",
	.summary = "1209:b16c request 0x01 IN and OUT of up to 65535 bytes with a "
		   "pattern; 0x5b 0x5c",
	.init = init,
	.control = control,
	.stats = stats,
};
