/* SPDX-License-Identifier: MIT
 * kind_slow.c - slow control requests
 *
 * Vendor request 0x01, IN or OUT: answers after wValue milliseconds, IN with the bytes 0, 1, 2...
 * Vendor request 0x02, IN or OUT: never answers; the host has to unlink it. Later requests wait for
 * it, as they do on a real control endpoint. Bulk IN 0x81: each transfer completes after the time
 * in option bulk-ms= or command "bulk-ms N".
 */
#include <errno.h>

#include "tests/vm/devices/device.h"
#include "util/bytes.h"

static uint64_t bulk_ns;
static uint32_t waited;

static enum control_answer control(struct device *dev, struct urb *urb)
{
	if ((urb->setup[0] & 0x7f) != 0x40 || urb->setup[1] < 1 || urb->setup[1] > 2)
		return CONTROL_STANDARD;
	if (!urb->due_ns) {
		waited++;
		urb->due_ns = urb->setup[1] == 2
				      ? UINT64_MAX
				      : now_ns() + get_le16(urb->setup + 2) * 1000000ull;
		say("WAITING request=%u ms=%u", urb->setup[1], get_le16(urb->setup + 2));
		return CONTROL_KEPT;
	}
	for (uint32_t i = 0; i < urb->len && (urb->ep_addr & 0x80); i++)
		urb->data[i] = (uint8_t)i;
	device_complete(dev, urb, 0, urb->len);
	return CONTROL_DONE;
}

/* Completes one transfer each bulk_ns. */
static void kick(struct device *dev, struct endpoint *ep)
{
	struct urb *urb = endpoint_first(ep);
	uint64_t now = now_ns();

	if (!urb)
		return;
	if (ep->next_ns == 0) {
		ep->next_ns = now + bulk_ns;
	} else if (ep->next_ns <= now) {
		ep->next_ns = now + bulk_ns;
		device_complete(dev, urb, 0, urb->len);
	}
	if (endpoint_first(ep))
		ep->wake_ns = ep->next_ns;
	else
		ep->next_ns = 0;
}

static bool command(struct device *dev, const char *line)
{
	unsigned ms;

	(void)dev;
	if (sscanf(line, "bulk-ms %u", &ms) != 1)
		return false;
	bulk_ns = ms * 1000000ull;
	return true;
}

static void stats(struct device *dev, FILE *out)
{
	(void)dev;
	(void)fprintf(out, " waited=%u", waited);
}

static int init(struct device *dev)
{
	struct descr_set *set = &dev->descr;

	if (dev->speed == USB_SPEED_LOW)
		return -EINVAL;
	bulk_ns = option_number(dev, "bulk-ms", 1000) * 1000000ull;
	descr_begin(set, dev->speed, 0x1209, 0x510e);
	set->strings[2] = "slow";
	(void)descr_config(set, 1);
	descr_interface(set, 0, 0, NULL);
	descr_endpoint(set, (struct descr_ep){.addr = 0x81, .type = EP_BULK});
	return 0;
}

const struct kind kind_slow = {
	.name = "slow",
	.summary = "1209:510e request 0x01 answers after wValue ms, 0x02 never; bulk IN "
		   "0x81 after "
		   "bulk-ms= (option, command)",
	.init = init,
	.control = control,
	.kick = kick,
	.command = command,
	.stats = stats,
};
