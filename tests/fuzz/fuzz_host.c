/* SPDX-License-Identifier: MIT
 * fuzz_host.c - transfers of a host device, with a kernel and a device that lie
 *
 * The input submits and cancels transfers of every type. As the kernel it completes URBs in any
 * order with any status and length, fails calls with any error, reports foreign URBs, and says that
 * the device is gone. The worker may be late and memory short. Each transfer must complete exactly
 * once, with no more bytes than it has room for, and nothing may be left at the end.
 */
#include "fuzz.h"

#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kernel_urbs.h"
#include "tests/unit/allocs.h"
#include "usbdev/host/urb/leftover.h"
#include "usbdev/host/urb/urbs.h"
#include "usbdev/usbdev.h"
#include "util/bytes.h"
#include "util/compiler.h"
#include "util/loop.h"
#include "util/worker.h"
#include "worker.h"

#define TRANSFERS 64u

void *__real_malloc(size_t bytes);

/* ---- the guest ---- */

/* @submitted: and not yet completed */
struct xfer {
	struct usbdev_transfer transfer;
	uint8_t *data;
	uint32_t closed_from;
	bool submitted;
};

static struct xfer xfers[TRANSFERS];
static struct urbs *urbs;
static unsigned gone;
static bool checks_later;

static int xfer_iov(struct usbdev_transfer *transfer, uint32_t offset, uint32_t len,
		    struct iovec *iov, int iov_max)
{
	struct xfer *x = CONTAINER_OF(transfer, struct xfer, transfer);
	uint32_t half = transfer->length_bytes / 2;

	CHECK(iov_max > 0 && len <= transfer->length_bytes &&
	      offset <= transfer->length_bytes - len);
	if (offset >= x->closed_from)
		return -EFAULT;
	len = MIN_OF(len, x->closed_from - offset);
	/* the buffer has two pieces, and each call returns one */
	if (offset < half)
		len = MIN_OF(len, half - offset);
	if (len == 0)
		return 0;
	iov[0] = (struct iovec){x->data + offset, len};
	return 1;
}

static void on_completed(void *ctx, struct usbdev_transfer *transfer,
			 enum usbdev_status status, uint32_t actual_bytes)
{
	struct xfer *x = CONTAINER_OF(transfer, struct xfer, transfer);

	(void)ctx;
	CHECK(x->submitted);
	CHECK(actual_bytes <= transfer->length_bytes);
	CHECK(status <= USBDEV_STATUS_MEMORY);
	x->submitted = false;
	free(x->data);
	x->data = NULL;
}

static void on_claim_suspect(void *ctx)
{
	(void)ctx;
	if (!checks_later)
		urbs_claim_checked(urbs);
}

static void on_gone(void *ctx)
{
	(void)ctx;
	CHECK(gone == 0);
	gone++;
}

/* An endpoint always has the same type. */
static void submit(struct input *in)
{
	static const uint32_t lengths[8] = {0, 1, 64, 512, 1500, 4096, 70000, 1200000};
	struct xfer *x = NULL;
	uint8_t ep = take_u8(in), how = take_u8(in);
	struct usbdev_transfer *transfer;

	for (unsigned i = 0; i < TRANSFERS && !x; i++)
		if (!xfers[i].submitted)
			x = &xfers[i];
	if (!x)
		return;
	memset(x, 0, sizeof(*x));
	transfer = &x->transfer;
	list_init(&transfer->node);
	transfer->iov = xfer_iov;
	transfer->length_bytes = lengths[how & 7];
	switch (ep & 7) {
	case 0:
		transfer->type = USBDEV_TYPE_CONTROL;
		transfer->length_bytes = MIN_OF(transfer->length_bytes, 65535u);
		transfer->setup = (struct usbdev_setup){
			.request_type = ep & 0x80,
			.length = (uint16_t)(how & 8 ? take_u16(in)
						     : transfer->length_bytes),
		};
		break;
	case 5:
		transfer->type = USBDEV_TYPE_INTERRUPT;
		break;
	case 6:
	case 7:
		transfer->type = USBDEV_TYPE_ISOCHRONOUS;
		transfer->length_bytes = MIN_OF(transfer->length_bytes, 70000u);
		break;
	default:
		transfer->type = USBDEV_TYPE_BULK;
		transfer->stream_id = (ep & 7) == 4 ? ep >> 3 & 15 : 0;
		break;
	}
	if ((ep & 7) != 0)
		transfer->ep_addr = ep & 0x87;
	x->data = __real_malloc(transfer->length_bytes + 1);
	CHECK(x->data);
	memset(x->data, 0xa5, transfer->length_bytes);
	x->closed_from = how & 0x30 ? UINT32_MAX : transfer->length_bytes / 3;
	x->submitted = true;
	urbs_submit(urbs, transfer);
}

static void cancel(unsigned index)
{
	if (xfers[index % TRANSFERS].submitted)
		urbs_cancel(urbs, &xfers[index % TRANSFERS].transfer);
}

static void finish_one(struct input *in)
{
	unsigned index = take_u8(in);
	uint8_t how = take_u8(in);

	kernel_complete_some(index, how, how >> 4 == 0 ? take_u32(in) : 0);
}

static void name_foreign(struct input *in)
{
	static struct usbdevfs_urb other;
	uint8_t which = take_u8(in);
	struct usbdevfs_urb *usb = &other;

	if (which & 1)
		usb = (struct usbdevfs_urb *)(uintptr_t)take_uint(in, 8);
	other.usercontext = &other;
	kernel_name_foreign(usb);
}

static void rare(struct input *in, unsigned *freezes)
{
	uint8_t which = take_u8(in);

	switch (which & 15) {
	case 0:
		kernel.reap_error = kernel_refusals[(which >> 4) % KERNEL_REFUSALS];
		break;
	case 1:
		kernel.gone = true;
		break;
	case 2:
	case 3:
		if (*freezes < 3) {
			urbs_freeze(urbs);
			(*freezes)++;
		}
		break;
	case 4:
	case 5:
	case 6:
		if (*freezes > 0) {
			urbs_thaw(urbs);
			(*freezes)--;
		}
		break;
	case 7:
		urbs_cancel_all(urbs);
		break;
	case 8:
		urbs_forget_leftovers(urbs, (uint8_t)(take_u8(in) & 0x87));
		break;
	case 9:
		kernel.map_errors = which >> 4;
		break;
	case 10:
		checks_later = !checks_later;
		break;
	case 11:
		urbs_claim_checked(urbs);
		break;
	case 12:
		kernel.discard_error = which & 0x10 ? -ENODEV : 0;
		break;
	case 13:
		name_foreign(in);
		break;
	case 14:
		allocs_fail(which >> 5, which & 0x10 ? 1 : 20);
		break;
	default:
		kernel.lies = take_u32(in);
	}
}

static bool any_submitted(void)
{
	for (unsigned i = 0; i < TRANSFERS; i++)
		if (xfers[i].submitted)
			return true;
	return false;
}

/* Ends the run: the kernel behaves well from now on, and the guest submits no more transfers. */
static void end(unsigned freezes)
{
	unsigned rounds = 0;

	(void)allocs_work();
	kernel_tells_the_truth();
	while (freezes-- > 0)
		urbs_thaw(urbs);
	urbs_claim_checked(urbs);
	checks_later = false;
	urbs_cancel_all(urbs);
	while (any_submitted() || !urbs_quiet(urbs)) {
		CHECK(++rounds < 2000);
		(void)fuzz_worker_step();
		fuzz_run(1);
		/* a URB that could not be discarded completes by itself */
		kernel_complete_all();
	}
	CHECK(kernel.count == 0 || gone || kernel.gone);
}

void fuzz_set_up(void)
{
	kernel.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	CHECK(kernel.fd >= 0);
}

void fuzz_one(struct input *in)
{
	static const struct urbs_owner owner = {
		.completed = on_completed,
		.claim_suspect = on_claim_suspect,
		.gone = on_gone,
	};
	unsigned freezes = 0, steps = 0;

	kernel_init(kernel.fd);
	gone = 0;
	checks_later = false;
	urbs = urbs_create(fuzz_loop, kernel.fd, take_u8(in),
			   worker_create(fuzz_loop, "fuzz"), &owner);
	CHECK(urbs);
	while (in->left > 0 && steps++ < 400) {
		uint8_t op = take_u8(in);

		switch (op & 15) {
		case 0:
		case 1:
		case 2:
		case 3:
		case 4:
			submit(in);
			break;
		case 5:
			cancel(op >> 4);
			break;
		case 6:
		case 7:
		case 8:
			finish_one(in);
			break;
		case 9:
			kernel.submit_error =
				kernel_refusals[take_u8(in) % KERNEL_REFUSALS];
			kernel.submit_errors = op >> 4;
			break;
		case 10:
		case 11:
			(void)fuzz_worker_step();
			break;
		case 12:
			rare(in, &freezes);
			break;
		default:
			fuzz_run(1);
		}
	}
	end(freezes);
	urbs_destroy(urbs);
	fuzz_run(1);
	CHECK(kernel.mapped == 0);
	CHECK(fuzz_worker_is_idle());
}
