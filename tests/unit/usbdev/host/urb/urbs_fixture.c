/* SPDX-License-Identifier: MIT
 * urbs_fixture.c - URBs on a fake usbfs, with a real loop and worker, and transfers
 */
#include "urbs_fixture.h"

#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_usbfs.h"
#include "util/loop.h"
#include "util/worker.h"

struct fixture f;

static void on_completed(void *ctx, struct usbdev_transfer *transfer,
			 enum usbdev_status status, uint32_t actual_bytes)
{
	struct xfer *x = CONTAINER_OF(transfer, struct xfer, transfer);

	assert_ptr_equal(ctx, &f);
	assert_false(f.in_call);
	assert_int_equal(x->order, 0);
	assert_true(actual_bytes <= transfer->length_bytes);
	x->order = ++f.completed;
	x->status = status;
	x->actual = actual_bytes;
	if (x->on_completed)
		x->on_completed(x);
}

static void on_gone(void *ctx)
{
	assert_ptr_equal(ctx, &f);
	assert_false(f.in_call);
	f.gone++;
	f.completed_when_gone = f.completed;
}

static void on_claim_suspect(void *ctx)
{
	assert_ptr_equal(ctx, &f);
	assert_false(f.in_call);
	f.claim_checks++;
	if (!f.checks_later)
		urbs_claim_checked(f.urbs);
}

void fixture_create(uint32_t caps)
{
	static const struct urbs_owner owner = {
		.ctx = &f,
		.completed = on_completed,
		.claim_suspect = on_claim_suspect,
		.gone = on_gone,
	};

	urbs_destroy(f.urbs);
	f.urbs = urbs_create(f.loop, f.fd, caps, f.worker, &owner);
	assert_non_null(f.urbs);
}

int fixture_setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	f.loop = loop_create();
	assert_non_null(f.loop);
	f.worker = worker_create(f.loop, "test");
	assert_non_null(f.worker);
	f.fd = fake_start();
	fixture_create(USBDEVFS_CAP_BULK_SCATTER_GATHER |
		       USBDEVFS_CAP_NO_PACKET_SIZE_LIM | USBDEVFS_CAP_MMAP);
	return 0;
}

int fixture_teardown(void **state)
{
	(void)state;
	assert_int_equal(fake.violations, 0);
	if (f.urbs) {
		urbs_cancel_all(f.urbs);
		while (!urbs_quiet(f.urbs))
			assert_int_equal(loop_turn(f.loop, true), 0);
		urbs_destroy(f.urbs);
		assert_int_equal(fake.mapped_bytes, 0);
	}
	worker_destroy(f.worker);
	loop_destroy(f.loop);
	fake_end();
	return 0;
}

static int xfer_iov(struct usbdev_transfer *transfer, uint32_t offset, uint32_t len,
		    struct iovec *iov, int iov_max)
{
	struct xfer *x = CONTAINER_OF(transfer, struct xfer, transfer);
	int n = 0;

	x->lookups++;
	if (x->closed || (x->closed_from && offset >= x->closed_from))
		return -EFAULT;
	if (x->closed_from)
		len = MIN_OF(len, x->closed_from - offset);
	while (len > 0 && n < iov_max) {
		uint32_t index = x->piece_bytes ? offset / x->piece_bytes : 0;
		uint32_t piece =
			x->piece_bytes
				? MIN_OF(len, x->piece_bytes * (index + 1) - offset)
				: len;

		iov[n].iov_base = x->data + offset + (size_t)index * x->gap_bytes;
		iov[n].iov_len = piece;
		n++;
		offset += piece;
		len -= piece;
	}
	return n;
}

void xfer_init(struct xfer *x, enum usbdev_type type, uint8_t ep_addr, uint32_t len)
{
	memset(x, 0, sizeof(*x));
	x->data = malloc(2 * (size_t)len + 1);
	assert_non_null(x->data);
	x->transfer.type = type;
	x->transfer.ep_addr = ep_addr;
	x->transfer.length_bytes = len;
	x->transfer.iov = xfer_iov;
	list_init(&x->transfer.node);
	for (size_t i = 0; i < 2 * (size_t)len; i++)
		x->data[i] = ep_addr & 0x80 ? 0xee : (uint8_t)i;
}

void xfer_init_control(struct xfer *x, uint8_t request_type, uint16_t wlength,
		       uint32_t len)
{
	xfer_init(x, USBDEV_TYPE_CONTROL, 0, len);
	if (request_type & 0x80)
		memset(x->data, 0xee, 2 * (size_t)len);
	x->transfer.setup = (struct usbdev_setup){.request_type = request_type,
						  .request = 0x12,
						  .value = 0x3456,
						  .index = 0x789a,
						  .length = wlength};
}

void xfer_submit(struct xfer *x)
{
	x->order = 0;
	x->transfer.cancelled = false;
	f.in_call = true;
	urbs_submit(f.urbs, &x->transfer);
	f.in_call = false;
}

void xfer_cancel(struct xfer *x)
{
	f.in_call = true;
	urbs_cancel(f.urbs, &x->transfer);
	f.in_call = false;
}

void xfer_free(struct xfer *x)
{
	free(x->data);
	x->data = NULL;
}

void xfer_check(const struct xfer *x, enum usbdev_status status, uint32_t actual)
{
	assert_int_not_equal(x->order, 0);
	assert_int_equal(x->status, status);
	assert_int_equal(x->actual, actual);
}

void xfer_check_bytes(const struct xfer *x, uint32_t from, uint32_t to, uint8_t byte)
{
	for (uint32_t i = from; i < to; i++)
		assert_int_equal(x->data[i], byte);
}

void xfer_wait(struct xfer *x)
{
	while (x->order == 0)
		assert_int_equal(loop_turn(f.loop, true), 0);
}

void settle(void)
{
	for (int i = 0; i < 16; i++)
		assert_int_equal(loop_turn(f.loop, false), 0);
}

void turn_until(bool (*condition)(void))
{
	while (!condition())
		assert_int_equal(loop_turn(f.loop, true), 0);
}
