/* SPDX-License-Identifier: MIT
 * emulated_ep.c - endpoints of an emulated device: which there are, their queues and halts
 */
#include "usbdev/emulated_ep.h"

#include <assert.h>
#include <string.h>

#include "usbdev/emulated_descr.h"
#include "util/compiler.h"

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

/* Completes all waiting transfers of @ep. */
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

/* Updates dev->eps to the configuration and alternate settings. Endpoints of
 * @interface (-1: of any), old or new, start over without transfers. */
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

void emulated_set_config(struct emulated *dev, uint8_t value, enum usbdev_status status)
{
	dev->configuration = value;
	memset(dev->alternates, 0, sizeof(dev->alternates));
	dev->function_wakeup = false;
	start_endpoints(dev, -1, status);
}

void emulated_set_alternate(struct emulated *dev, uint8_t interface, uint8_t alternate)
{
	assert(interface < EMULATED_INTERFACES_MAX);
	dev->alternates[interface] = alternate;
	start_endpoints(dev, interface, USBDEV_STATUS_ERROR);
}
