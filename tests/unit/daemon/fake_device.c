/* SPDX-License-Identifier: MIT
 * fake_device.c - devices that can only be plugged in and destroyed
 */
#include "fake_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

unsigned destroyed;
bool destroy_later;
struct usbdev *destroying;

void device_finish(struct usbdev *dev)
{
	usbdev_finish(dev);
	free(dev);
	destroyed++;
}

static void device_destroy(struct usbdev *dev)
{
	if (destroy_later)
		destroying = dev;
	else
		device_finish(dev);
}

/* Never called: the fakes that could submit transfers submit none. */
static void device_transfer(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	(void)dev;
	(void)transfer;
	fail();
}

static void device_reset(struct usbdev *dev)
{
	(void)dev;
	fail();
}

static const struct usbdev_ops device_ops = {
	.name = "fake",
	.submit = device_transfer,
	.cancel = device_transfer,
	.reset = device_reset,
	.destroy = device_destroy,
};

struct usbdev *device_new(struct loop *loop, enum usbdev_speed speed, const char *label)
{
	struct usbdev *dev = calloc(1, sizeof(*dev));

	assert_non_null(dev);
	assert_int_equal(usbdev_init(dev, &device_ops, loop, speed, label), 0);
	return dev;
}
