/* SPDX-License-Identifier: MIT
 * state_device.c - the devices of state.h: fakes and real back ends
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "state.h"
#include "usbdev/keyboard/keyboard.h"
#include "usbdev/stick/image.h"
#include "usbdev/stick/stick.h"
#include "usbdev/zero/zero.h"
#include "util/compiler.h"

#define IMAGE_BYTES (64u * 1024)

/* ---- fakes ---- */

static struct fake *fake_of(struct usbdev *dev)
{
	return CONTAINER_OF(dev, struct fake, dev);
}

static void fake_submit(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	struct fake *fake = fake_of(dev);

	if (fake->answers)
		usbdev_complete_soon(dev, transfer, USBDEV_STATUS_OK,
				     transfer->length_bytes);
	else
		list_append(&fake->held, &transfer->node);
}

static bool is_same_queue(const struct usbdev_transfer *one,
			  const struct usbdev_transfer *other)
{
	return one->ep_addr == other->ep_addr && one->stream_id == other->stream_id;
}

/* The first transfer of the same endpoint or stream: they must complete in order. */
static struct usbdev_transfer *first_of(struct fake *fake,
					const struct usbdev_transfer *transfer)
{
	for (struct list *node = fake->held.next; node != &fake->held;
	     node = node->next) {
		struct usbdev_transfer *other =
			LIST_ENTRY(node, struct usbdev_transfer, node);

		if (is_same_queue(transfer, other))
			return other;
	}
	return NULL;
}

static void give_back(struct fake *fake, struct usbdev_transfer *transfer)
{
	struct usbdev_transfer *first;

	/* earlier ones were cancelled, or will be: drivers may cancel the last one first */
	while ((first = first_of(fake, transfer)) != NULL && first->cancelled)
		usbdev_complete_soon(&fake->dev, first, USBDEV_STATUS_CANCELLED, 0);
}

static void fake_cancel(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	struct fake *fake = fake_of(dev);

	if (fake->cancelled_at_once)
		give_back(fake, transfer);
}

static void fake_reset(struct usbdev *dev)
{
	struct fake *fake = fake_of(dev);

	fake->resets++;
	while (!list_empty(&fake->held))
		usbdev_complete_soon(
			dev,
			LIST_ENTRY(list_first(&fake->held), struct usbdev_transfer, node),
			USBDEV_STATUS_CANCELLED, 0);
}

static void fake_streams(struct usbdev *dev, struct usbdev_streams *request)
{
	CHECK(request->ep_count > 0 && request->ep_count <= USBDEV_STREAM_EPS_MAX);
	list_append(&fake_of(dev)->stream_requests, &request->node);
}

static void fake_suspend(struct usbdev *dev, bool suspended)
{
	(void)dev;
	(void)suspended;
}

static void fake_endpoint_reset(struct usbdev *dev, uint8_t ep_addr)
{
	(void)dev;
	CHECK((ep_addr & 0x70) == 0);
}

static void fake_destroy(struct usbdev *dev)
{
	struct fake *fake = fake_of(dev);

	CHECK(list_empty(&fake->held) && list_empty(&fake->stream_requests));
	usbdev_finish(dev);
	free(fake);
}

static const struct usbdev_ops fake_ops = {
	.name = "fake",
	.submit = fake_submit,
	.cancel = fake_cancel,
	.endpoint_reset = fake_endpoint_reset,
	.reset = fake_reset,
	.suspend = fake_suspend,
	.streams = fake_streams,
	.destroy = fake_destroy,
};

static void move_data(struct usbdev_transfer *transfer, uint32_t actual)
{
	uint8_t bytes[256];
	uint32_t len = MIN_OF(actual, (uint32_t)sizeof(bytes));
	struct iovec iov[4];
	int n;

	memset(bytes, 0x5a, sizeof(bytes));
	/* the first bytes and the last ones */
	if (usbdev_transfer_is_in(transfer)) {
		(void)!usbdev_transfer_write(transfer, 0, bytes, len);
		(void)!usbdev_transfer_write(transfer, actual - len, bytes, len);
	} else {
		(void)!usbdev_transfer_read(transfer, 0, bytes, len);
		(void)!usbdev_transfer_read(transfer, actual - len, bytes, len);
	}
	n = actual > 0 ? usbdev_transfer_iov(transfer, 0, actual, iov, 4) : 0;
	CHECK(n <= 4);
}

void fake_complete(struct fake *fake, unsigned which, unsigned status, uint32_t actual)
{
	struct list *node = list_first(&fake->held);
	struct usbdev_transfer *transfer;

	for (; node && which > 0 && node->next != &fake->held; which--)
		node = node->next;
	if (!node)
		return;
	transfer = first_of(fake, LIST_ENTRY(node, struct usbdev_transfer, node));
	status %= USBDEV_STATUS_MEMORY + 1;
	actual = status == USBDEV_STATUS_OK && actual == UINT32_MAX
			 ? transfer->length_bytes
			 : actual % (transfer->length_bytes + 1);
	move_data(transfer, actual);
	usbdev_complete(&fake->dev, transfer, (enum usbdev_status)status, actual);
}

void fake_answer_streams(struct fake *fake, int result)
{
	struct list *node = list_first(&fake->stream_requests);

	if (node)
		usbdev_streams_done(LIST_ENTRY(node, struct usbdev_streams, node),
				    result);
}

void fake_reset_done(struct fake *fake, int result)
{
	if (fake->resets == 0)
		return;
	fake->resets--;
	usbdev_reset_done(&fake->dev, result);
}

static struct usbdev *make_fake(struct place *place)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	CHECK(fake);
	list_init(&fake->held);
	list_init(&fake->stream_requests);
	CHECK(usbdev_init(&fake->dev, &fake_ops, fuzz_loop, place->speed, "fake") == 0);
	place->fake = fake;
	return &fake->dev;
}

/* ---- real devices ---- */

static struct usbdev *make_stick(struct place *place)
{
	struct image image;
	struct stick_options options = {.image = &image, .speed = place->speed};
	struct err err;
	int fd = memfd_create("stick", MFD_CLOEXEC);

	CHECK(fd >= 0 && ftruncate(fd, IMAGE_BYTES) == 0);
	CHECK(image_adopt(&image, fd, "stick", false, &err) == 0);
	return stick_create(fuzz_loop, &options, &err);
}

static struct usbdev *make_device(struct place *place)
{
	struct keyboard_options keyboard = {.speed = place->speed};
	struct zero_options zero = {.speed = place->speed};
	struct err err;

	switch (place->kind) {
	case DEVICE_STICK:
		return make_stick(place);
	case DEVICE_KEYBOARD:
		return keyboard_create(fuzz_loop, &keyboard, &err);
	case DEVICE_ZERO:
		return zero_create(fuzz_loop, &zero, &err);
	case DEVICE_FAKE:
		break;
	}
	return make_fake(place);
}

/* ---- places ---- */

static const uint8_t fake_dcis[] = {2, 3, 4, 5, LINEAR_DCI, TREE_DCI, 8, 9};
static const uint8_t low_dcis[] = {2, 3};
static const uint8_t stick_dcis[] = {3, 4};
static const uint8_t keyboard_dcis[] = {3};
static const uint8_t zero_dcis[] = {2, 3, 4, 5, 6, 7};

unsigned place_dcis(const struct place *place, const uint8_t **ret_dcis)
{
	switch (place->kind) {
	case DEVICE_STICK:
		*ret_dcis = stick_dcis;
		return ARRAY_SIZE(stick_dcis);
	case DEVICE_KEYBOARD:
		*ret_dcis = keyboard_dcis;
		return ARRAY_SIZE(keyboard_dcis);
	case DEVICE_ZERO:
		*ret_dcis = zero_dcis;
		return ARRAY_SIZE(zero_dcis);
	case DEVICE_FAKE:
		break;
	}
	if (place->speed == USBDEV_SPEED_LOW) {
		*ret_dcis = low_dcis;
		return ARRAY_SIZE(low_dcis);
	}
	*ret_dcis = fake_dcis;
	return ARRAY_SIZE(fake_dcis);
}

enum xhci_ep_type place_ep_type(const struct place *place, unsigned dci)
{
	bool in = dci & 1;

	if (dci == 1)
		return XHCI_EP_TYPE_CONTROL;
	if (place->kind == DEVICE_KEYBOARD || place->speed == USBDEV_SPEED_LOW)
		return in ? XHCI_EP_TYPE_INTERRUPT_IN : XHCI_EP_TYPE_INTERRUPT_OUT;
	if (place->kind == DEVICE_STICK)
		return in ? XHCI_EP_TYPE_BULK_IN : XHCI_EP_TYPE_BULK_OUT;
	/* zero: 2 and 3 bulk, 4 and 5 isochronous, 6 and 7 interrupt */
	if (place->kind == DEVICE_ZERO && dci >= 6)
		return in ? XHCI_EP_TYPE_INTERRUPT_IN : XHCI_EP_TYPE_INTERRUPT_OUT;
	if (place->kind == DEVICE_ZERO)
		return dci >= 4 ? (in ? XHCI_EP_TYPE_ISOCH_IN : XHCI_EP_TYPE_ISOCH_OUT)
				: (in ? XHCI_EP_TYPE_BULK_IN : XHCI_EP_TYPE_BULK_OUT);
	if (dci == 4 || dci == 9)
		return in ? XHCI_EP_TYPE_ISOCH_IN : XHCI_EP_TYPE_ISOCH_OUT;
	if (dci == 5 || dci == 8)
		return in ? XHCI_EP_TYPE_INTERRUPT_IN : XHCI_EP_TYPE_INTERRUPT_OUT;
	return in ? XHCI_EP_TYPE_BULK_IN : XHCI_EP_TYPE_BULK_OUT;
}

static void on_submitted(struct usbdev_tap *tap, struct usbdev *dev,
			 struct usbdev_transfer *transfer)
{
	(void)dev;
	(void)transfer;
	CONTAINER_OF(tap, struct place, tap)->submitted++;
}

static void on_completed(struct usbdev_tap *tap, struct usbdev *dev,
			 struct usbdev_transfer *transfer)
{
	struct place *place = CONTAINER_OF(tap, struct place, tap);

	(void)dev;
	CHECK(transfer->actual_bytes <= transfer->length_bytes);
	place->completed++;
	CHECK(place->completed <= place->submitted);
}

void place_plug(struct place *place)
{
	struct err err;
	int port;

	if (place->state != PLACE_EMPTY)
		return;
	place->fake = NULL;
	place->dev = make_device(place);
	if (!place->dev)
		return;
	place->tap = (struct usbdev_tap){on_submitted, on_completed};
	usbdev_set_tap(place->dev, &place->tap);
	port = xhci_attach(place->world->xhci, place->dev, 0, &err);
	CHECK(port > 0); /* there are as many ports as places */
	place->port = (unsigned)port;
	place->state = PLACE_PLUGGED;
}

static void on_destroyed(void *ctx)
{
	struct place *place = ctx;

	place->state = PLACE_EMPTY;
	place->dev = NULL;
	place->fake = NULL;
}

static void on_released(void *ctx, struct usbdev *dev)
{
	struct place *place = ctx;

	CHECK(place->state == PLACE_LEAVING && place->dev == dev && dev->in_flight == 0);
	place->state = PLACE_DYING;
	usbdev_destroy(dev, on_destroyed, place);
}

void place_pull(struct place *place)
{
	if (place->state != PLACE_PLUGGED)
		return;
	place->state = PLACE_LEAVING;
	CHECK(xhci_detach(place->world->xhci, place->port, on_released, place) == 0);
}
