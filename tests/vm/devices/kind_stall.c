/* SPDX-License-Identifier: MIT
 * kind_stall.c - bulk endpoints that fail on demand
 *
 * Bulk OUT 0x01 and bulk IN 0x81 carry a pattern that continues across transfers, so a byte that an
 * error loses or repeats shows. Vendor request 0x01 OUT (no data) arms a fault: wIndex = endpoint
 * address, low byte of wValue = which fault, high byte = how many transfers succeed before it. The
 * control FIFO takes the same: "fault EP WHAT AFTER" with numbers.
 *   1 stall (halt until cleared)   2 transaction error (-EPROTO)   3 short packet (half the data)
 *   4 babble: more data than requested (-EOVERFLOW)   5 no answer until unlinked
 *   6 zero-length packet   7 a stall after half the data
 * Vendor request 0x02 IN: 0x81's position in its pattern and the number of bytes that 0x01 has
 * taken (both le32).
 */
#include <errno.h>
#include <string.h>

#include "tests/vm/devices/device.h"
#include "util/bytes.h"

enum fault {
	FAULT_NONE = 0,
	FAULT_STALL,
	FAULT_ERROR,
	FAULT_SHORT,
	FAULT_BABBLE,
	FAULT_SILENT,
	FAULT_ZERO,
	FAULT_MIDDLE,
};

struct armed {
	enum fault what;
	unsigned after;
};

static struct armed armed_in, armed_out;
static uint32_t place_in, taken_out, wrong_out, faults;

static struct armed *armed_of(uint8_t ep_addr)
{
	return ep_addr & 0x80 ? &armed_in : &armed_out;
}

/* Moves @len bytes of the pattern, in the direction of @urb. */
static void move(struct urb *urb, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		if (urb->ep_addr & 0x80)
			urb->data[i] = (uint8_t)(place_in++ * 7u);
		else
			wrong_out += urb->data[i] != (uint8_t)(taken_out++ * 7u);
	}
}

static void fail(struct device *dev, struct endpoint *ep, struct urb *urb,
		 enum fault what)
{
	uint32_t half = urb->len / 2;

	faults++;
	switch (what) {
	case FAULT_STALL:
		device_halt(dev, ep);
		return;
	case FAULT_MIDDLE:
		move(urb, half);
		ep->halted = true;
		device_complete(dev, urb, -EPIPE, half);
		device_halt(dev, ep);
		return;
	case FAULT_ERROR:
		device_complete(dev, urb, -EPROTO, 0);
		return;
	case FAULT_SHORT:
		move(urb, half);
		device_complete(dev, urb, 0, half);
		return;
	case FAULT_BABBLE:
		move(urb, urb->len);
		device_complete(dev, urb, -EOVERFLOW, urb->len);
		return;
	case FAULT_ZERO:
		device_complete(dev, urb, 0, 0);
		return;
	case FAULT_SILENT:
	case FAULT_NONE:
		return;
	}
}

static void kick(struct device *dev, struct endpoint *ep)
{
	struct armed *armed = armed_of(ep->addr);
	struct urb *urb;

	while ((urb = endpoint_first(ep))) {
		if (armed->what != FAULT_NONE && armed->after-- == 0) {
			enum fault what = armed->what;

			armed->after = 0;
			if (what == FAULT_SILENT)
				return;
			armed->what = FAULT_NONE;
			fail(dev, ep, urb, what);
			continue;
		}
		move(urb, urb->len);
		device_complete(dev, urb, 0, urb->len);
	}
}

static bool arm(struct device *dev, unsigned ep_addr, unsigned what, unsigned after)
{
	struct armed *armed = armed_of((uint8_t)ep_addr);

	if ((ep_addr & 0x7f) != 1 || what > FAULT_MIDDLE)
		return false;
	*armed = (struct armed){.what = what, .after = after};
	if (what == FAULT_NONE)
		kick(dev, device_endpoint(dev, (uint8_t)ep_addr));
	return true;
}

static enum control_answer control(struct device *dev, struct urb *urb)
{
	uint8_t places[8];

	if (urb->setup[0] == 0xc0 && urb->setup[1] == 2) {
		put_le32(places, place_in);
		put_le32(places + 4, taken_out);
		control_reply(dev, urb, places, sizeof(places));
		return CONTROL_DONE;
	}
	if (urb->setup[0] != 0x40 || urb->setup[1] != 1)
		return CONTROL_STANDARD;
	if (arm(dev, urb->setup[4], urb->setup[2], urb->setup[3]))
		device_complete(dev, urb, 0, urb->len);
	else
		device_complete(dev, urb, -EPIPE, 0);
	return CONTROL_DONE;
}

static bool command(struct device *dev, const char *line)
{
	unsigned ep_addr, what, after;

	return sscanf(line, "fault %x %u %u", &ep_addr, &what, &after) == 3 &&
	       arm(dev, ep_addr, what, after);
}

static void stats(struct device *dev, FILE *out)
{
	(void)dev;
	(void)fprintf(out, " place_in=%u taken_out=%u wrong_out=%u faults=%u", place_in,
		      taken_out, wrong_out, faults);
}

static int init(struct device *dev)
{
	struct descr_set *set = &dev->descr;

	if (dev->speed == USB_SPEED_LOW)
		return -EINVAL;
	descr_begin(set, dev->speed, 0x1209, 0x57a1);
	set->strings[2] = "stalls and errors";
	(void)descr_config(set, 1);
	descr_interface(set, 0, 0, NULL);
	descr_endpoint(set, (struct descr_ep){.addr = 0x01, .type = EP_BULK});
	descr_endpoint(set, (struct descr_ep){.addr = 0x81, .type = EP_BULK});
	return 0;
}

const struct kind kind_stall = {
	.name = "stall",
	.summary =
		"1209:57a1 bulk 0x01 0x81 that fail on demand: request 0x01 or command "
		"\"fault EP WHAT AFTER\"; 1 stall 2 error 3 short 4 babble 5 silent 6 "
		"zero 7 middle",
	.init = init,
	.control = control,
	.kick = kick,
	.command = command,
	.stats = stats,
};
