/* SPDX-License-Identifier: MIT
 * host.c - a host for tests of devices
 */
#include "host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/compiler.h"

static void on_reset_done(void *ctx, int result)
{
	struct host *host = ctx;

	assert_int_equal(result, 0);
	host->resets++;
}

static void on_wake(void *ctx)
{
	struct host *host = ctx;

	host->wakes++;
}

static const struct usbdev_events host_events = {
	.reset_done = on_reset_done,
	.wake = on_wake,
};

void host_init(struct host *host, struct loop *loop, struct usbdev *dev)
{
	assert_non_null(dev);
	memset(host, 0, sizeof(*host));
	host->loop = loop;
	host->dev = dev;
	usbdev_set_events(dev, &host_events, host);
}

static void on_destroyed(void *ctx)
{
	struct host *host = ctx;

	assert_false(host->destroyed);
	host->destroyed = true;
}

void host_destroy(struct host *host)
{
	assert_int_equal(host->dev->in_flight, 0);
	usbdev_destroy(host->dev, on_destroyed, host);
	host->dev = NULL;
}

void host_finish(struct host *host)
{
	if (host->dev)
		host_destroy(host);
	while (!host->destroyed)
		assert_int_equal(loop_turn(host->loop, true), 0);
	loop_destroy(host->loop);
}

/* Turns more often than any chain of deferred tasks in a device needs. */
void host_settle(struct host *host)
{
	for (int i = 0; i < 64; i++)
		assert_int_equal(loop_turn(host->loop, false), 0);
}

static struct urb *from_transfer(struct usbdev_transfer *transfer)
{
	return CONTAINER_OF(transfer, struct urb, transfer);
}

static int urb_iov(struct usbdev_transfer *transfer, uint32_t offset, uint32_t len,
		   struct iovec *iov, int iov_max)
{
	struct urb *urb = from_transfer(transfer);
	int n = 0;

	if (urb->fault)
		return -EFAULT;
	while (len > 0 && n < iov_max) {
		uint32_t piece = urb->piece_bytes ? MIN_OF(len, urb->piece_bytes) : len;

		iov[n].iov_base = urb->data + offset;
		iov[n].iov_len = piece;
		n++;
		offset += piece;
		len -= piece;
	}
	return n;
}

static void urb_done(struct usbdev_transfer *transfer)
{
	struct urb *urb = from_transfer(transfer);

	assert_int_equal(urb->order, 0); /* a transfer completes only once */
	urb->order = ++urb->host->completed;
}

void urb_init(struct urb *urb, struct host *host, uint8_t ep_addr, uint32_t len)
{
	memset(urb, 0, sizeof(*urb));
	urb->host = host;
	urb->data = calloc(1, len ? len : 1);
	assert_non_null(urb->data);
	urb->transfer.ep_addr = ep_addr;
	urb->transfer.type = USBDEV_TYPE_BULK;
	urb->transfer.length_bytes = len;
	urb->transfer.iov = urb_iov;
	urb->transfer.done = urb_done;
}

void urb_init_data(struct urb *urb, struct host *host, uint8_t ep_addr, const void *data,
		   uint32_t len)
{
	urb_init(urb, host, ep_addr, len);
	if (len > 0)
		memcpy(urb->data, data, len);
}

void urb_submit(struct urb *urb)
{
	unsigned before = urb->host->completed;

	urb->order = 0;
	usbdev_submit(urb->host->dev, &urb->transfer);
	assert_int_equal(urb->host->completed, before); /* never inside the op */
}

void urb_cancel(struct urb *urb)
{
	unsigned before = urb->host->completed;

	usbdev_cancel(urb->host->dev, &urb->transfer);
	assert_int_equal(urb->host->completed, before);
}

void urb_wait(struct urb *urb)
{
	while (urb->order == 0)
		assert_int_equal(loop_turn(urb->host->loop, true), 0);
}

void urb_finish(struct urb *urb)
{
	free(urb->data);
	urb->data = NULL;
}

static uint32_t whole(struct urb *urb, enum usbdev_status *ret_status)
{
	urb_submit(urb);
	urb_wait(urb);
	if (ret_status)
		*ret_status = urb->transfer.status;
	else
		assert_int_equal(urb->transfer.status, USBDEV_STATUS_OK);
	return urb->transfer.actual_bytes;
}

uint32_t host_in(struct host *host, uint8_t ep_addr, void *buf, uint32_t len,
		 enum usbdev_status *ret_status)
{
	struct urb urb;
	uint32_t n;

	urb_init(&urb, host, ep_addr, len);
	n = whole(&urb, ret_status);
	if (n > 0)
		memcpy(buf, urb.data, n);
	urb_finish(&urb);
	return n;
}

uint32_t host_out(struct host *host, uint8_t ep_addr, const void *buf, uint32_t len,
		  enum usbdev_status *ret_status)
{
	struct urb urb;
	uint32_t n;

	urb_init_data(&urb, host, ep_addr, buf, len);
	n = whole(&urb, ret_status);
	urb_finish(&urb);
	return n;
}

int host_control(struct host *host, uint8_t request_type, uint8_t request, uint16_t value,
		 uint16_t index, void *data, uint16_t length)
{
	enum usbdev_status status;
	struct urb urb;
	uint32_t n;

	if (request_type & USBDEV_DIR_IN)
		urb_init(&urb, host, 0, length);
	else
		urb_init_data(&urb, host, 0, data, length);
	urb.transfer.type = USBDEV_TYPE_CONTROL;
	urb.transfer.setup = (struct usbdev_setup){
		.request_type = request_type,
		.request = request,
		.value = value,
		.index = index,
		.length = length,
	};
	n = whole(&urb, &status);
	if (request_type & USBDEV_DIR_IN && n > 0)
		memcpy(data, urb.data, n);
	urb_finish(&urb);
	if (status == USBDEV_STATUS_STALL)
		return HOST_STALL;
	assert_int_equal(status, USBDEV_STATUS_OK);
	return (int)n;
}

void host_configure(struct host *host)
{
	assert_int_equal(host_control(host, 0x00, 9, 1, 0, NULL, 0), 0);
}

void host_reset(struct host *host)
{
	unsigned before = host->resets;

	usbdev_reset(host->dev);
	assert_int_equal(host->resets, before); /* never inside the op */
	while (host->resets == before)
		assert_int_equal(loop_turn(host->loop, true), 0);
}
