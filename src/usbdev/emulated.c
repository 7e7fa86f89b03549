/* SPDX-License-Identifier: MIT
 * emulated.c - life of the emulated devices, and the operations of the boundary
 */
#include "usbdev/emulated.h"

#include <assert.h>

#include "usbdev/emulated_control.h"
#include "util/compiler.h"

bool emulated_may_wake(const struct emulated *dev)
{
	bool allowed = usbdev_speed_is_usb3(dev->usbdev.speed) ? dev->function_wakeup
							       : dev->remote_wakeup;

	return dev->suspended && allowed;
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
		/* no endpoint answers at this address */
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

	(void)transfer; /* the task looks for its mark */
	loop_defer(usbdev->loop, &dev->cancel_task);
}

/* Deferred, so that transfers that are cancelled in one turn complete in the order of the
 * queue, whatever the order of the calls. */
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

	dev->remote_wakeup = false;
	dev->u1_enabled = false;
	dev->u2_enabled = false;
	dev->ltm_enabled = false;
	dev->suspended = false;
	emulated_set_config(dev, 0, USBDEV_STATUS_CANCELLED);
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
