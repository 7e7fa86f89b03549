/* SPDX-License-Identifier: MIT
 * fuzz_host_device.c - a host device from open to close, with a kernel and a device that lie
 *
 * An input is a sequence of records. As the device it changes descriptors. As the kernel it fails
 * calls, gives interfaces to others, completes URBs and says that the device is gone. As the daemon
 * it opens and destroys the device. As the guest it submits transfers and requests, cancels,
 * resets, suspends, and asks for streams. libusb is the real one.
 *
 * In addition to usb_node.h and kernel_urbs.h, the target checks that each transfer, reset and
 * change of streams completes once, that transfers of an endpoint complete in order, that no call
 * blocks the loop, and that at the end the node is closed and the host's drivers have their
 * interfaces again.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kernel_urbs.h"
#include "records.h"
#include "tests/unit/allocs.h"
#include "usb_node.h"
#include "usbdev/host/host.h"
#include "usbdev/usbdev.h"
#include "util/bytes.h"
#include "util/compiler.h"
#include "util/fds.h"
#include "util/loop.h"
#include "worker.h"

#define OPS_MAX    300u
#define TRANSFERS  64u
#define REQUESTS   8u
#define ENDPOINTS  32u
#define ROUNDS_MAX 3000u
#define RESETS_MAX 64u

void *__real_malloc(size_t bytes);

enum phase {
	PHASE_NONE,
	PHASE_OPENING,
	PHASE_OPEN,
	PHASE_CLOSING,
};

/**
 * struct xfer - a transfer of the guest
 * @order:	the transfer with the smallest one on an endpoint and stream must complete next
 * @closed_from: offset where its memory ends
 */
struct xfer {
	struct usbdev_transfer transfer;
	uint8_t *data;
	uint64_t order;
	uint32_t closed_from;
	bool submitted;
};

static struct xfer xfers[TRANSFERS];
static struct usbdev_streams requests[REQUESTS];
static bool requested[REQUESTS];
static enum usbdev_type types[ENDPOINTS];
static struct usbdev *dev;
static enum phase phase;
static uint64_t submissions;
static unsigned gone, resets, destroyed;
static uint32_t found_drivers;
static uint8_t found_config;

/* ---- the guest ---- */

static int xfer_iov(struct usbdev_transfer *transfer, uint32_t offset, uint32_t len,
		    struct iovec *iov, int iov_max)
{
	struct xfer *x = CONTAINER_OF(transfer, struct xfer, transfer);

	CHECK(iov_max > 0 && len <= transfer->length_bytes &&
	      offset <= transfer->length_bytes - len);
	if (offset >= x->closed_from)
		return -EFAULT;
	iov[0] = (struct iovec){x->data + offset, MIN_OF(len, x->closed_from - offset)};
	return iov[0].iov_len > 0;
}

static void on_done(struct usbdev_transfer *transfer)
{
	struct xfer *x = CONTAINER_OF(transfer, struct xfer, transfer);

	CHECK(x->submitted && !fuzz_worker_runs());
	CHECK(transfer->actual_bytes <= transfer->length_bytes);
	CHECK(transfer->status <= USBDEV_STATUS_MEMORY);
	for (unsigned i = 0; i < TRANSFERS; i++)
		CHECK(!xfers[i].submitted || xfers[i].order >= x->order ||
		      xfers[i].transfer.ep_addr != transfer->ep_addr ||
		      xfers[i].transfer.stream_id != transfer->stream_id);
	x->submitted = false;
	free(x->data);
	x->data = NULL;
}

static struct xfer *new_xfer(uint32_t length_bytes, uint32_t closed_from)
{
	struct xfer *x = NULL;

	for (unsigned i = 0; i < TRANSFERS && !x; i++)
		if (!xfers[i].submitted)
			x = &xfers[i];
	if (!x)
		return NULL;
	memset(x, 0, sizeof(*x));
	x->transfer.iov = xfer_iov;
	x->transfer.done = on_done;
	x->transfer.length_bytes = length_bytes;
	x->data = __real_malloc(length_bytes + 1);
	CHECK(x->data);
	memset(x->data, 0xa5, length_bytes);
	x->closed_from = closed_from;
	return x;
}

static void submit(struct xfer *x)
{
	x->order = submissions++;
	x->submitted = true;
	usbdev_submit(dev, &x->transfer);
}

static bool is_in_use(uint8_t ep_addr)
{
	for (unsigned i = 0; i < TRANSFERS; i++)
		if (xfers[i].submitted && xfers[i].transfer.ep_addr == ep_addr)
			return true;
	return false;
}

/* An endpoint's type may change only while it has no transfer. */
static enum usbdev_type type_of(uint8_t ep_addr, unsigned wanted)
{
	static const enum usbdev_type all[4] = {USBDEV_TYPE_BULK, USBDEV_TYPE_INTERRUPT,
						USBDEV_TYPE_ISOCHRONOUS,
						USBDEV_TYPE_BULK};
	enum usbdev_type *type =
		&types[(ep_addr & 15) | (ep_addr & USBDEV_DIR_IN ? 16 : 0)];

	if (!is_in_use(ep_addr))
		*type = all[wanted & 3];
	return *type;
}

static void transfer_on_stream(uint8_t ep_addr, uint32_t length, uint16_t stream_id)
{
	struct xfer *x = new_xfer(length, UINT32_MAX);

	if (!x)
		return;
	x->transfer.type = type_of(ep_addr, 0);
	x->transfer.ep_addr = ep_addr;
	if (x->transfer.type == USBDEV_TYPE_BULK)
		x->transfer.stream_id = stream_id;
	submit(x);
}

static void transfer_data(const struct record *r)
{
	static const uint32_t lengths[8] = {0, 1, 8, 64, 512, 1500, 40000, 600000};
	uint8_t ep_addr = (r->a & USBDEV_DIR_IN) | (uint8_t)(1 + (r->a & 7));
	uint32_t length = lengths[r->b & 7];
	enum usbdev_type type = type_of(ep_addr, r->b >> 3);
	struct xfer *x;

	if (r->c >= 0xc0) {
		/* transfers on many streams */
		for (unsigned i = 0; i < (r->c & 0x3fu); i++)
			transfer_on_stream(ep_addr, MIN_OF(length, 64u),
					   (uint16_t)(1 + (r->arg + i) % 0x3ff));
		return;
	}
	if (type == USBDEV_TYPE_ISOCHRONOUS)
		length = MIN_OF(length, 40000u);
	x = new_xfer(length, r->b & 0x80 ? length / 3 : UINT32_MAX);
	if (!x)
		return;
	x->transfer.type = type;
	x->transfer.ep_addr = ep_addr;
	if (type == USBDEV_TYPE_BULK && r->c & 1)
		x->transfer.stream_id = r->c >> 1 & 3;
	submit(x);
}

/* Submits requests that the back end handles itself, and any others. */
static void control_request(const struct record *r)
{
	static const struct usbdev_setup known[] = {
		{0x00, 9, 1, 0, 0},      /* SET_CONFIGURATION */
		{0x00, 9, 2, 0, 0},      /**/
		{0x00, 9, 0, 0, 0},      /**/
		{0x01, 11, 0, 0, 0},     /* SET_INTERFACE */
		{0x01, 11, 1, 0, 0},     /**/
		{0x01, 11, 1, 1, 0},     /**/
		{0x02, 1, 0, 0x81, 0},   /* CLEAR_FEATURE(ENDPOINT_HALT) */
		{0x80, 6, 0x200, 0, 64}, /* GET_DESCRIPTOR(CONFIGURATION) */
		{0x00, 3, 1, 0, 0},      /* SET_FEATURE(REMOTE_WAKEUP) */
		{0x00, 1, 1, 0, 0},      /**/
		{0x01, 3, 0, 0x300, 0},  /* SET_FEATURE(FUNCTION_SUSPEND) */
		{0x00, 5, 3, 0, 0},      /* SET_ADDRESS */
		{0x21, 10, 0, 0, 0},     /* a class request */
	};
	struct usbdev_setup setup = known[r->a % ARRAY_SIZE(known)];
	uint32_t length;
	struct xfer *x;

	if (r->b & 1)
		setup.value = (uint16_t)r->arg;
	if (r->b & 2)
		setup.index = (uint16_t)(r->arg >> 16);
	if (r->b & 4)
		setup.length = (uint16_t)(r->c * 97u);
	if (r->b & 8)
		setup.request_type = r->c;
	if (r->b & 16)
		setup.request = r->c;
	length = r->b & 32 ? r->c : setup.length;
	x = new_xfer(length, r->b & 64 ? length / 2 : UINT32_MAX);
	if (!x)
		return;
	x->transfer.type = USBDEV_TYPE_CONTROL;
	x->transfer.setup = setup;
	submit(x);
}

static void cancel(unsigned index)
{
	for (unsigned i = 0; i < TRANSFERS; i++) {
		struct xfer *x = &xfers[(index + i) % TRANSFERS];

		if (x->submitted) {
			usbdev_cancel(dev, &x->transfer);
			return;
		}
	}
}

static void on_streams_done(struct usbdev_streams *request, int result)
{
	size_t i = (size_t)(request - requests);

	CHECK(requested[i] && result <= 0);
	requested[i] = false;
}

static void ask_for_streams(const struct record *r)
{
	struct usbdev_streams *request = NULL;

	if (!usbdev_has_streams(dev))
		return;
	for (unsigned i = 0; i < REQUESTS && !request; i++)
		if (!requested[i]) {
			request = &requests[i];
			requested[i] = true;
		}
	if (!request)
		return;
	memset(request, 0, sizeof(*request));
	request->done = on_streams_done;
	request->ep_count = r->a % (USBDEV_STREAM_EPS_MAX + 1);
	for (unsigned i = 0; i < request->ep_count; i++)
		request->ep_addrs[i] = (uint8_t)((r->arg >> (i * 4) % 28 & 7) |
						 (r->arg >> i & 1 ? USBDEV_DIR_IN : 0));
	request->stream_count = r->b & 1 ? (2u << (r->c & 15)) - 1 : r->c & 3;
	usbdev_streams(dev, request);
}

static void on_reset_done(void *ctx, int result)
{
	(void)ctx;
	CHECK(phase == PHASE_OPEN && resets > 0 && result <= 0);
	resets--;
}

static void on_gone(void *ctx)
{
	(void)ctx;
	CHECK(phase == PHASE_OPEN && gone == 0);
	gone++;
}

static void on_wake(void *ctx)
{
	(void)ctx;
	CHECK(phase == PHASE_OPEN);
}

static const struct usbdev_events events = {
	.reset_done = on_reset_done,
	.gone = on_gone,
	.wake = on_wake,
};

/* ---- the daemon ---- */

/* Checks that the host has its device back as it was, unless a call failed. */
static void check_given_back(void)
{
	CHECK(fcntl(usb_node.fd, F_GETFD) < 0);
	kernel_end();
	if (usb_node.refused == 0 && !kernel.gone) {
		CHECK(usb_node.claimed == 0);
		CHECK(usb_node.config == found_config);
		CHECK(usb_node.drivers == found_drivers);
	}
	usb_node.fd = -1;
	usb_node.claimed = 0;
}

static void on_opened(void *ctx, struct usbdev *opened, const struct err *err)
{
	(void)ctx;
	CHECK(phase == PHASE_OPENING && !opened == !!err);
	if (!opened) {
		CHECK(err->code != 0 && err->text[0]);
		check_given_back();
		phase = PHASE_NONE;
		return;
	}
	phase = PHASE_OPEN;
	dev = opened;
	CHECK(dev->speed != USBDEV_SPEED_UNKNOWN && dev->label[0]);
	/* labels are printed to terminals */
	for (const char *c = dev->label; *c; c++)
		CHECK(*c >= ' ' && *c <= '~');
	usbdev_set_events(dev, &events, NULL);
}

static void on_destroyed(void *ctx)
{
	(void)ctx;
	CHECK(phase == PHASE_CLOSING);
	for (unsigned i = 0; i < REQUESTS; i++)
		CHECK(!requested[i]);
	check_given_back();
	phase = PHASE_NONE;
	destroyed++;
}

static void open_device(const struct record *r)
{
	struct host_options options = {
		.name = r->c & 1 ? "fuzz" : "/dev/bus/usb/001/002",
		.reset = (enum host_reset)(r->b % 3),
	};
	struct err err = {0};

	if (phase != PHASE_NONE)
		return;
	usb_node.plain = r->c >> 4 == 15;
	usb_node.fd = r->c >> 4 == 14 ? open("/dev/null", O_RDONLY | O_CLOEXEC)
				      : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	CHECK(usb_node.fd >= 0);
	usb_node.offset =
		r->c & 2 ? 18
			 : 0; /* the program that passed the node may have read from it */
	options.fd = usb_node.fd;
	kernel_init(usb_node.fd);
	gone = 0;
	resets = 0;
	found_drivers = usb_node.drivers;
	found_config = usb_node.config;
	phase = PHASE_OPENING;
	if (host_open(fuzz_loop, &options, on_opened, NULL, &err) < 0) {
		CHECK(err.code != 0 && phase == PHASE_OPENING);
		check_given_back();
		phase = PHASE_NONE;
	}
}

static bool any_submitted(void)
{
	return dev && dev->in_flight > 0;
}

static void destroy_device(void)
{
	if (phase != PHASE_OPEN || any_submitted())
		return;
	phase = PHASE_CLOSING;
	usbdev_destroy(dev, on_destroyed, NULL);
	dev = NULL;
}

/* ---- the kernel and the device ---- */

static void refuse(const struct record *r)
{
	unsigned call = r->a % NODE_CALLS;

	usb_node.refuse[call] = r->b & 3 ? r->b & 7 : 1;
	usb_node.refuse_errno[call] = -kernel_refusals[r->c % KERNEL_REFUSALS];
	if (r->c & 0x40)
		usb_node.refuse_errno[call] = r->c & 0x80 ? ENOTTY : ENODATA;
}

static void take_interface(const struct record *r)
{
	uint32_t bit = UINT32_C(1) << r->a % 32;

	if (r->b & 1) {
		usb_node.claimed &= ~bit;
		usb_node.drivers |= bit;
		usb_node.refused++;
	} else if (!(usb_node.claimed & bit)) {
		usb_node.drivers &= ~bit;
		usb_node.refused++;
	}
}

static void change_descriptors(const struct record *r)
{
	size_t at = r->arg % NODE_RAW_BYTES;

	switch (r->a % 7) {
	case 0:
		if (usb_node.raw_len > 0)
			usb_node.raw[at % usb_node.raw_len] = r->b;
		break;
	case 1:
		usb_node.raw_len = at % (usb_node.raw_len + 1);
		break;
	case 2:
		/* append a copy, as another configuration or whatever it becomes */
		at = MIN_OF(usb_node.raw_len, NODE_RAW_BYTES - usb_node.raw_len);
		memmove(usb_node.raw + usb_node.raw_len, usb_node.raw, at);
		usb_node.raw_len += at;
		break;
	case 3:
		for (unsigned i = 0; i < 4 && usb_node.raw_len < NODE_RAW_BYTES; i++)
			usb_node.raw[usb_node.raw_len++] = (uint8_t)(r->arg >> 8 * i);
		break;
	case 4:
		usb_node.speed = (int)(r->b % 9) - 1;
		usb_node.caps = r->arg;
		break;
	case 5:
		memset(usb_node.text, 0, sizeof(usb_node.text));
		for (unsigned i = 0; i < r->b; i++)
			usb_node.text[i] =
				(char)(i == 0 ? r->arg : r->arg >> (1 + i % 3) * 8);
		break;
	default:
		usb_node.short_reads = r->b;
		usb_node.config = r->c;
		usb_node.refused++;
		usb_node.streams = r->arg & 0x1f;
	}
}

static void lie(const struct record *r)
{
	static struct usbdevfs_urb *const nobody = (struct usbdevfs_urb *)0x1000;

	switch (r->a % 8) {
	case 0:
		kernel.reap_error = kernel_refusals[r->c % KERNEL_REFUSALS];
		break;
	case 1:
		kernel.submit_error = kernel_refusals[r->c % KERNEL_REFUSALS];
		kernel.submit_errors = r->b & 15;
		break;
	case 2:
		kernel.discard_error = r->b & 1 ? -ENODEV : 0;
		break;
	case 3:
		kernel.map_errors = r->b & 15;
		break;
	case 4:
		kernel_name_foreign(nobody);
		break;
	case 5:
		kernel.lies = r->arg;
		break;
	case 6:
		allocs_fail(r->b, r->c & 1 ? 1 : 20);
		usb_node.refused++;
		break;
	default:
		if (r->b % 4 == 0)
			kernel.gone = true;
		else
			kernel_complete_all();
	}
}

/* ---- */

static void guest(const struct record *r)
{
	if (phase != PHASE_OPEN)
		return;
	switch (r->op % 12) {
	case 0:
	case 1:
	case 2:
	case 3:
		transfer_data(r);
		break;
	case 4:
	case 5:
	case 6:
		control_request(r);
		break;
	case 7:
	case 8:
		cancel(r->a);
		break;
	case 9:
		if (resets < RESETS_MAX) {
			resets++;
			usbdev_reset(dev);
		}
		break;
	case 10:
		ask_for_streams(r);
		break;
	default:
		usbdev_suspend(dev, r->a & 1);
	}
}

static void operate(const struct record *r)
{
	if (r->op < 108) {
		guest(r);
		return;
	}
	switch (r->op % 16) {
	case 0:
	case 1:
	case 2:
	case 3:
		kernel_complete_some(r->a, r->b, r->arg);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		for (unsigned i = 0; i <= r->a % 4u; i++)
			(void)fuzz_worker_step();
		break;
	case 8:
		fuzz_run(1 + r->a % 4u);
		break;
	case 9:
		refuse(r);
		break;
	case 10:
		take_interface(r);
		break;
	case 11:
		change_descriptors(r);
		break;
	case 12:
		lie(r);
		break;
	case 13:
		destroy_device();
		break;
	case 14:
		open_device(r);
		break;
	default:
		(void)fuzz_worker_step();
		fuzz_run(1);
	}
}

/* Ends the run: the kernel behaves well from now on, and everything completes. */
static void end(void)
{
	unsigned rounds = 0;

	(void)allocs_work();
	kernel_tells_the_truth();
	node_tells_the_truth();
	while (phase != PHASE_NONE) {
		CHECK(++rounds < ROUNDS_MAX);
		if (phase == PHASE_OPEN && any_submitted())
			for (unsigned i = 0; i < TRANSFERS; i++)
				if (xfers[i].submitted)
					usbdev_cancel(dev, &xfers[i].transfer);
		(void)fuzz_worker_step();
		fuzz_run(1);
		/* a URB that could not be discarded completes by itself */
		kernel_complete_all();
		if (phase == PHASE_OPEN && resets == 0)
			destroy_device();
	}
	CHECK(fuzz_worker_is_idle());
}

void fuzz_set_up(void)
{
	fuzz_counts_fds = true;
	usb_node.fd = -1;
	host_prepare();
}

void fuzz_one(struct input *in)
{
	struct record first = {0}, r;

	(void)take_record(in, &first);
	node_init(first.a);
	memset(types, 0, sizeof(types));
	submissions = 0;
	/* open at once, unless the input prepares something first */
	if (first.op & 1) {
		open_device(&first);
		while (phase == PHASE_OPENING)
			(void)fuzz_worker_step();
	}
	for (unsigned n = 0; n < OPS_MAX && take_record(in, &r); n++)
		operate(&r);
	end();
}
