/* SPDX-License-Identifier: MIT
 * emulated.c - queues, halts and life of the emulated devices
 */
#include "usbdev/emulated.h"

#include <assert.h>
#include <string.h>

static unsigned ep_slot(uint8_t ep_addr)
{
	return (ep_addr & 0x0fu) | ((ep_addr & USBDEV_DIR_IN) ? 16u : 0u);
}

struct emulated_ep *emulated_ep(struct emulated *dev, uint8_t ep_addr)
{
	struct emulated_ep *ep = &dev->eps[ep_slot(ep_addr)];

	return ep->info ? ep : NULL;
}

struct usbdev_transfer *emulated_first(struct emulated *dev, uint8_t ep_addr)
{
	struct list *node = list_first(&dev->eps[ep_slot(ep_addr)].queue);

	return node ? LIST_ENTRY(node, struct usbdev_transfer, node) : NULL;
}

void emulated_complete(struct emulated *dev, struct usbdev_transfer *transfer,
		       enum usbdev_status status)
{
	usbdev_complete_soon(&dev->usbdev, transfer, status, transfer->actual_bytes);
}

/* Completes all that waits on @ep. */
static void drain(struct emulated *dev, struct emulated_ep *ep, enum usbdev_status status)
{
	struct list *node;

	while ((node = list_first(&ep->queue)))
		emulated_complete(dev, LIST_ENTRY(node, struct usbdev_transfer, node),
				  status);
}

void emulated_halt(struct emulated *dev, uint8_t ep_addr)
{
	struct emulated_ep *ep = &dev->eps[ep_slot(ep_addr)];

	ep->halted = true;
	drain(dev, ep, USBDEV_STATUS_STALL);
}

uint16_t emulated_max_packet(const struct emulated *dev, uint8_t ep_addr)
{
	const struct emulated_ep_info *info = dev->eps[ep_slot(ep_addr)].info;

	return info ? info->max_packet[emulated_column(dev->usbdev.speed)] : 0;
}

bool emulated_may_wake(const struct emulated *dev)
{
	bool allowed = usbdev_speed_is_usb3(dev->usbdev.speed) ? dev->function_wakeup
							       : dev->remote_wakeup;

	return dev->suspended && allowed;
}

const struct emulated_config_info *emulated_config(const struct emulated *dev)
{
	for (unsigned i = 0; i < dev->info->n_configs; i++) {
		if (dev->info->configs[i].value == dev->configuration)
			return &dev->info->configs[i];
	}
	return NULL;
}

static bool interface_is_set(const struct emulated *dev,
			     const struct emulated_interface_info *interface)
{
	return dev->alternates[interface->number] == interface->alternate;
}

/* Makes dev->eps follow the configuration and alternate settings. Endpoints
 * that were or are of @interface (-1: of any) start anew, without transfers. */
static void start_endpoints(struct emulated *dev, int interface,
			    enum usbdev_status status)
{
	const struct emulated_config_info *config = emulated_config(dev);
	const struct emulated_ep_info *now[ARRAY_SIZE(dev->eps)] = {0};
	bool fresh[ARRAY_SIZE(dev->eps)] = {0};

	for (unsigned i = 0; config && i < config->n_interfaces; i++) {
		const struct emulated_interface_info *in = &config->interfaces[i];

		for (unsigned e = 0; e < in->n_eps; e++) {
			unsigned slot = ep_slot(in->eps[e].addr);

			fresh[slot] |= in->number == interface;
			if (interface_is_set(dev, in))
				now[slot] = &in->eps[e];
		}
	}
	for (unsigned slot = 0; slot < ARRAY_SIZE(dev->eps); slot++) {
		if (interface >= 0 && !fresh[slot])
			continue;
		dev->eps[slot].info = now[slot];
		dev->eps[slot].halted = false;
		drain(dev, &dev->eps[slot], status);
	}
	if (dev->info->configured)
		dev->info->configured(dev);
}

void emulated_set_config(struct emulated *dev, uint8_t value)
{
	dev->configuration = value;
	memset(dev->alternates, 0, sizeof(dev->alternates));
	dev->function_wakeup = false;
	start_endpoints(dev, -1, USBDEV_STATUS_ERROR);
}

void emulated_set_alternate(struct emulated *dev, uint8_t interface, uint8_t alternate)
{
	assert(interface < EMULATED_INTERFACES_MAX);
	dev->alternates[interface] = alternate;
	start_endpoints(dev, interface, USBDEV_STATUS_ERROR);
}

static struct emulated *from_usbdev(struct usbdev *usbdev)
{
	return CONTAINER_OF(usbdev, struct emulated, usbdev);
}

static void op_submit(struct usbdev *usbdev, struct usbdev_transfer *transfer)
{
	struct emulated *dev = from_usbdev(usbdev);
	struct emulated_ep *ep;

	if (transfer->type == USBDEV_TYPE_CONTROL) {
		/* no device here has another control endpoint than 0 */
		if ((transfer->ep_addr & 0x0fu) == 0)
			emulated_control(dev, transfer);
		else
			emulated_complete(dev, transfer, USBDEV_STATUS_ERROR);
		return;
	}
	ep = emulated_ep(dev, transfer->ep_addr);
	if (!ep) {
		/* nobody answers at this address */
		emulated_complete(dev, transfer, USBDEV_STATUS_ERROR);
		return;
	}
	if (ep->halted) {
		emulated_complete(dev, transfer, USBDEV_STATUS_STALL);
		return;
	}
	list_append(&ep->queue, &transfer->node);
	if (dev->info->queued)
		dev->info->queued(dev, transfer->ep_addr);
}

static void op_cancel(struct usbdev *usbdev, struct usbdev_transfer *transfer)
{
	struct emulated *dev = from_usbdev(usbdev);

	(void)transfer; /* its mark is enough */
	loop_defer(usbdev->loop, &dev->cancel_task);
}

/* Deferred, so that several cancelled in one turn, in whatever order, complete
 * in the order of the queue. */
static void on_cancel(void *ctx)
{
	struct emulated *dev = ctx;
	struct list *pos;
	struct list *tmp;

	for (unsigned i = 0; i < ARRAY_SIZE(dev->eps); i++) {
		LIST_FOREACH_SAFE(pos, tmp, &dev->eps[i].queue) {
			struct usbdev_transfer *transfer =
				LIST_ENTRY(pos, struct usbdev_transfer, node);

			if (transfer->cancelled)
				emulated_complete(dev, transfer, USBDEV_STATUS_CANCELLED);
		}
	}
}

static void on_reset(void *ctx)
{
	struct emulated *dev = ctx;

	while (dev->resets_pending > 0) {
		bool last = --dev->resets_pending == 0;

		usbdev_reset_done(&dev->usbdev, 0);
		if (last)
			return; /* the user may have destroyed us */
	}
}

static void op_reset(struct usbdev *usbdev)
{
	struct emulated *dev = from_usbdev(usbdev);

	dev->configuration = 0;
	memset(dev->alternates, 0, sizeof(dev->alternates));
	dev->remote_wakeup = false;
	dev->function_wakeup = false;
	dev->u1_enabled = false;
	dev->u2_enabled = false;
	dev->ltm_enabled = false;
	dev->suspended = false;
	start_endpoints(dev, -1, USBDEV_STATUS_CANCELLED);
	dev->resets_pending++;
	loop_defer(usbdev->loop, &dev->reset_task);
}

static void op_suspend(struct usbdev *usbdev, bool suspended)
{
	from_usbdev(usbdev)->suspended = suspended;
}

static void op_destroy(struct usbdev *usbdev)
{
	struct emulated *dev = from_usbdev(usbdev);

	dev->info->destroy(dev);
}

static const struct usbdev_ops emulated_ops = {
	.name = "emulated",
	.submit = op_submit,
	.cancel = op_cancel,
	.reset = op_reset,
	.suspend = op_suspend,
	.destroy = op_destroy,
};

int emulated_init(struct emulated *dev, const struct emulated_info *info,
		  struct loop *loop, enum usbdev_speed speed, const char *label)
{
	int r;

	assert(speed != USBDEV_SPEED_UNKNOWN && speed <= USBDEV_SPEED_SUPER);

	dev->info = info;
	dev->reset_task = (struct loop_task){.cb = on_reset, .ctx = dev};
	dev->cancel_task = (struct loop_task){.cb = on_cancel, .ctx = dev};
	for (unsigned i = 0; i < ARRAY_SIZE(dev->eps); i++)
		list_init(&dev->eps[i].queue);
	r = usbdev_init(&dev->usbdev, &emulated_ops, loop, speed, label);
	dev->usbdev.vendor = info->vendor;
	dev->usbdev.product = info->product;
	return r;
}

void emulated_finish(struct emulated *dev)
{
	loop_undefer(dev->usbdev.loop, &dev->reset_task);
	loop_undefer(dev->usbdev.loop, &dev->cancel_task);
	usbdev_finish(&dev->usbdev);
}
