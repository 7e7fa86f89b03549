/* SPDX-License-Identifier: MIT
 * plug.c - attach and detach: the owner puts devices into ports and pulls them
 *
 * A port is free as soon as its device was pulled. The controller releases the device later
 * (struct xhci_release): when its last transfer has completed, and it has answered its reset
 * and its requests for streams.
 */
#include "xhci/plug.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "usbdev/usbdev.h"
#include "xhci/controller.h"
#include "xhci/port.h"
#include "xhci/slot.h"
#include "xhci/stream_request.h"

/**
 * struct xhci_release - a device that was pulled and is still busy
 * @node:	among xhci->releases
 * @resetting:	the device has not answered a reset; its answer kicks
 * @on_released: see xhci_detach()
 *
 * The events of the device come here until xhci_releases_run() frees it.
 */
struct xhci_release {
	struct list node;
	struct xhci *xhci;
	struct usbdev *dev;
	bool resetting;
	void (*on_released)(void *ctx, struct usbdev *dev);
	void *ctx;
};

/* The first free port that suits @dev, or the one wanted. */
static int port_choose(struct xhci *xhci, const struct usbdev *dev, unsigned wanted,
		       struct xhci_port **ret_port, struct err *err)
{
	bool usb3 = usbdev_speed_is_usb3(dev->speed);
	const char *kind = usb3 ? "USB 3" : "USB 2";

	if (wanted) {
		struct xhci_port *port = xhci_port(xhci, wanted);

		if (!port)
			return err_set(err, EINVAL, "there is no port %u, the last is %u",
				       wanted, xhci_port_count(xhci));
		if (port->usb3 != usb3)
			return err_set(err, EINVAL, "port %u is not for %s devices",
				       wanted, kind);
		if (port->dev)
			return err_set(err, EBUSY, "port %u is taken by %s", wanted,
				       port->dev->label);
		*ret_port = port;
		return 0;
	}
	for (unsigned i = 0; i < xhci_port_count(xhci); i++) {
		if (xhci->ports[i].usb3 == usb3 && !xhci->ports[i].dev) {
			*ret_port = &xhci->ports[i];
			return 0;
		}
	}
	return err_set(err, ENOSPC, "all %u %s ports are taken", xhci->ports_per_kind,
		       kind);
}

int xhci_attach(struct xhci *xhci, struct usbdev *dev, unsigned port_wanted,
		struct err *err)
{
	struct xhci_port *port = NULL;
	struct xhci_release *release;
	int r;

	assert(!dev->events); /* else it is plugged in elsewhere */

	if (dev->speed == USBDEV_SPEED_UNKNOWN)
		return err_set(err, EINVAL, "the speed of %s is unknown", dev->label);
	r = port_choose(xhci, dev, port_wanted, &port, err);
	if (r < 0)
		return r;
	release = calloc(1, sizeof(*release));
	if (!release)
		return err_set(err, ENOMEM, "out of memory");

	list_init(&release->node);
	port->release = release;
	xhci_port_plug(port, dev);
	log_debug("xhci: port %u: %s plugged in", port->number, dev->label);
	return (int)port->number;
}

static void on_reset_done(void *ctx, int result)
{
	struct xhci_release *release = ctx;

	(void)result;
	release->resetting = false;
	xhci_kick(release->xhci);
}

static const struct usbdev_events release_events = {
	.reset_done = on_reset_done,
};

int xhci_detach(struct xhci *xhci, unsigned port_number,
		void (*on_released)(void *ctx, struct usbdev *dev), void *ctx)
{
	struct xhci_port *port = xhci_port(xhci, port_number);
	struct xhci_release *release;
	struct usbdev *dev;

	if (!port || !port->dev)
		return -ENOENT;

	release = port->release;
	release->xhci = xhci;
	release->resetting = port->resetting;
	release->on_released = on_released;
	release->ctx = ctx;
	port->release = NULL;
	dev = release->dev = xhci_port_unplug(port);
	usbdev_set_events(dev, &release_events, release);
	list_append(&xhci->releases, &release->node);
	xhci_stream_request_device_gone(xhci, dev);
	xhci_slots_device_gone(xhci, dev);
	log_debug("xhci: port %u: %s pulled out", port->number, dev->label);
	xhci_kick(xhci);
	return 0;
}

void xhci_releases_run(struct xhci *xhci)
{
	struct list *node;
	struct list *tmp;

	LIST_FOREACH_SAFE(node, tmp, &xhci->releases) {
		struct xhci_release *release =
			LIST_ENTRY(node, struct xhci_release, node);

		if (release->dev->in_flight > 0 || release->resetting ||
		    xhci_stream_requests_pending(xhci, release->dev))
			continue;
		list_remove(node);
		usbdev_set_events(release->dev, NULL, NULL);
		if (release->on_released)
			release->on_released(release->ctx, release->dev);
		free(release);
	}
}

void xhci_on_gone(struct xhci *xhci, void (*on_gone)(void *ctx, unsigned port), void *ctx)
{
	xhci->on_gone = on_gone;
	xhci->on_gone_ctx = ctx;
}
