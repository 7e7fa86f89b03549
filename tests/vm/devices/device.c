/* SPDX-License-Identifier: MIT
 * device.c - a USB device's queues: one per endpoint, and one for control requests
 *
 * The device answers control requests one after the other, as a real control endpoint does. Bulk
 * and interrupt transfers wait on their endpoint's queue until the kind completes the first one;
 * isochronous transfers wait there until they are due (iso.c).
 */
#include "tests/vm/devices/device.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/vm/devices/usbip.h"
#include "util/bytes.h"
#include "util/compiler.h"

/* A transfer's flags, from Linux's include/linux/usb.h. */
#define URB_SHORT_NOT_OK 0x0001u
#define URB_ZERO_PACKET  0x0040u

uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	(void)putchar('\n');
	(void)fflush(stdout);
}

const char *option_text(const struct device *dev, const char *name)
{
	size_t len = strlen(name);

	for (const char *const *o = dev->options; o && *o; o++) {
		if (strncmp(*o, name, len) != 0)
			continue;
		if ((*o)[len] == '\0')
			return "";
		if ((*o)[len] == '=')
			return *o + len + 1;
	}
	return NULL;
}

unsigned long option_number(const struct device *dev, const char *name,
			    unsigned long otherwise)
{
	const char *text = option_text(dev, name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

void device_init(struct device *dev, const struct kind *kind, enum usb_speed speed,
		 const char *const *options)
{
	memset(dev, 0, sizeof(*dev));
	dev->kind = kind;
	dev->speed = speed;
	dev->options = options;
	dev->fd = -1;
	list_init(&dev->control);
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++) {
		dev->out[i].addr = (uint8_t)i;
		dev->in[i].addr = (uint8_t)(i | 0x80);
		list_init(&dev->out[i].urbs);
		list_init(&dev->in[i].urbs);
	}
}

static void free_urb(struct urb *urb)
{
	list_remove(&urb->node);
	free(urb->data);
	free(urb->packets);
	free(urb);
}

static void drop_queue(struct list *queue)
{
	while (!list_empty(queue))
		free_urb(LIST_ENTRY(list_first(queue), struct urb, node));
}

void device_finish(struct device *dev)
{
	drop_queue(&dev->control);
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++) {
		drop_queue(&dev->in[i].urbs);
		drop_queue(&dev->out[i].urbs);
	}
}

static void forget_state(struct device *dev)
{
	dev->configuration = 0;
	memset(dev->alternate, 0, sizeof(dev->alternate));
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++) {
		dev->in[i].halted = dev->out[i].halted = false;
		dev->in[i].next_ns = dev->out[i].next_ns = 0;
		dev->in[i].wake_ns = dev->out[i].wake_ns = 0;
	}
	if (dev->kind->changed)
		dev->kind->changed(dev);
}

void device_connected(struct device *dev, int fd)
{
	device_finish(dev);
	dev->fd = fd;
	dev->gone = false;
	forget_state(dev);
}

void device_reset(struct device *dev)
{
	dev->counts.resets++;
	say("RESET count=%u", dev->counts.resets);
	forget_state(dev);
	if (dev->kind->reset)
		dev->kind->reset(dev);
}

struct endpoint *device_endpoint(struct device *dev, uint8_t ep_addr)
{
	return ep_addr & 0x80 ? &dev->in[ep_addr & 0xf] : &dev->out[ep_addr & 0xf];
}

struct urb *endpoint_first(const struct endpoint *ep)
{
	struct list *node = list_first(&ep->urbs);

	return node ? LIST_ENTRY(node, struct urb, node) : NULL;
}

void device_complete(struct device *dev, struct urb *urb, int status, uint32_t actual)
{
	struct endpoint *ep = device_endpoint(dev, urb->ep_addr);

	if (actual > urb->len)
		actual = urb->len;
	if (status == 0 && actual < urb->len && (urb->ep_addr & 0x80) &&
	    (urb->flags & URB_SHORT_NOT_OK) && urb->packet_count == 0)
		status = -EREMOTEIO;
	ep->count_urbs++;
	ep->count_bytes += actual;
	ep->last_ns = now_ns();
	if (status == -EPIPE)
		dev->counts.stalls++;
	usbip_reply(dev, urb, status, actual);
	free_urb(urb);
}

void device_halt(struct device *dev, struct endpoint *ep)
{
	struct urb *urb;

	ep->halted = true;
	while ((urb = endpoint_first(ep)))
		device_complete(dev, urb, -EPIPE, 0);
}

static void run_control(struct device *dev)
{
	while (!list_empty(&dev->control)) {
		struct urb *urb = LIST_ENTRY(list_first(&dev->control), struct urb, node);
		enum control_answer answer = CONTROL_STANDARD;

		if (urb->due_ns > now_ns())
			return;
		if (urb->setup[0] == 0xc0 && urb->setup[1] == REQUEST_COUNTS) {
			uint32_t words[COUNTS_WORDS];

			memcpy(words, &dev->counts, sizeof(words));
			for (size_t i = 0; i < COUNTS_WORDS; i++)
				put_le32(&words[i], words[i]);
			control_reply(dev, urb, words, sizeof(words));
			continue;
		}
		if (urb->setup[0] == 0x40 && urb->setup[1] == REQUEST_BECOME) {
			put_le16(dev->descr.device + 10, get_le16(urb->setup + 2));
			device_complete(dev, urb, 0, 0);
			dev->leaves = true;
			continue;
		}
		if (dev->kind->control)
			answer = dev->kind->control(dev, urb);
		if (answer == CONTROL_STANDARD)
			standard_control(dev, urb);
	}
}

static bool must_zero_packet(const struct urb *urb, const uint8_t *descr)
{
	uint32_t size = descr ? get_le16(descr + 4) & 0x7ffu : 0;

	return urb->len == 0 ||
	       ((urb->flags & URB_ZERO_PACKET) && size && urb->len % size == 0);
}

static uint32_t queue_length(const struct list *queue)
{
	const struct list *node;
	uint32_t length = 0;

	LIST_FOREACH(node, queue)
		length++;
	return length;
}

void device_submit(struct device *dev, struct urb *urb)
{
	struct endpoint *ep = device_endpoint(dev, urb->ep_addr);
	const uint8_t *descr;

	if ((urb->ep_addr & 0xf) == 0) {
		dev->counts.controls++;
		list_append(&dev->control, &urb->node);
		run_control(dev);
		return;
	}
	descr = descr_find_endpoint(&dev->descr, dev->configuration, dev->alternate,
				    urb->ep_addr);
	list_append(&ep->urbs, &urb->node);
	dev->counts.busiest_queue =
		MAX_OF(dev->counts.busiest_queue, queue_length(&ep->urbs));
	if (!descr) {
		dev->counts.wrong_endpoint++;
		device_complete(dev, urb, -EPROTO, 0);
	} else if (urb->packet_count > 0) {
		iso_submitted(dev, ep, urb);
	} else if (ep->halted) {
		device_complete(dev, urb, -EPIPE, 0);
	} else {
		if (!(urb->ep_addr & 0x80) && must_zero_packet(urb, descr))
			ep->count_zero_packets++;
		if (dev->kind->kick)
			dev->kind->kick(dev, ep);
	}
}

static struct urb *find_urb(struct list *queue, uint32_t seqnum)
{
	struct list *node;

	LIST_FOREACH(node, queue) {
		struct urb *urb = LIST_ENTRY(node, struct urb, node);

		if (urb->seqnum == seqnum)
			return urb;
	}
	return NULL;
}

void device_unlink(struct device *dev, uint32_t seqnum, uint32_t urb_seqnum)
{
	struct urb *urb = find_urb(&dev->control, urb_seqnum);
	struct endpoint *ep = NULL;

	for (unsigned i = 1; i < ENDPOINT_COUNT && !urb; i++) {
		ep = &dev->in[i];
		urb = find_urb(&ep->urbs, urb_seqnum);
		if (!urb) {
			ep = &dev->out[i];
			urb = find_urb(&ep->urbs, urb_seqnum);
		}
	}
	dev->counts.unlinks++;
	usbip_reply_unlink(dev, seqnum, urb ? -ECONNRESET : 0);
	if (!urb)
		return;
	free_urb(urb);
	if (!ep) {
		run_control(dev);
		return;
	}
	ep->count_unlinked++;
	if (list_empty(&ep->urbs))
		ep->next_ns = 0;
}

static void run_endpoint(struct device *dev, struct endpoint *ep, uint64_t now)
{
	struct urb *first = endpoint_first(ep);

	if (first && first->packet_count > 0)
		iso_run(dev, ep);
	if (ep->wake_ns && ep->wake_ns <= now) {
		ep->wake_ns = 0;
		if (dev->kind->kick)
			dev->kind->kick(dev, ep);
	}
}

static uint64_t endpoint_next(const struct endpoint *ep)
{
	const struct urb *first = endpoint_first(ep);
	uint64_t next = ep->wake_ns ? ep->wake_ns : UINT64_MAX;

	if (first && first->packet_count > 0)
		next = MIN_OF(next, first->due_ns);
	return next;
}

uint64_t device_run(struct device *dev)
{
	uint64_t now = now_ns();
	uint64_t next = UINT64_MAX;

	run_control(dev);
	if (!list_empty(&dev->control))
		next = LIST_ENTRY(list_first(&dev->control), struct urb, node)->due_ns;
	for (unsigned i = 1; i < ENDPOINT_COUNT; i++) {
		run_endpoint(dev, &dev->in[i], now);
		run_endpoint(dev, &dev->out[i], now);
		next = MIN_OF(next, endpoint_next(&dev->in[i]));
		next = MIN_OF(next, endpoint_next(&dev->out[i]));
	}
	return next;
}
