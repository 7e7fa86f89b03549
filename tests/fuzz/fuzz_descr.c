/* SPDX-License-Identifier: MIT
 * fuzz_descr.c - descriptors of devices that lie, and requests to emulated devices
 *
 * The first byte chooses between descriptors of a host device, which are the rest of the input, and
 * an emulated device, which gets control requests from the rest.
 */
#include "fuzz.h"

#include <string.h>

#include "usbdev/host/descr.h"
#include "usbdev/keyboard/keyboard.h"
#include "usbdev/usbdev.h"
#include "usbdev/zero/zero.h"
#include "util/compiler.h"
#include "util/loop.h"

#define REQUESTS_MAX 32u

static void look_up(const uint8_t *raw, size_t len)
{
	static const uint8_t all[30] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
					0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x81,
					0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
					0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f};
	struct descr_uas list[DESCR_UAS_MAX];
	unsigned count = descr_find_uas(raw, len, list);

	CHECK(count <= DESCR_UAS_MAX);
	for (unsigned i = 0; i < count; i++) {
		const struct descr_uas *uas = &list[i];

		CHECK(uas->config_index < DESCR_CONFIGS_MAX);
		CHECK(uas->ep_count <= ARRAY_SIZE(uas->ep_addrs));
		CHECK((uas->ep_count > 0) == (uas->streams > 0));
		/* there is an interface descriptor at the offset */
		CHECK(DESCR_DEVICE_BYTES + (size_t)uas->offset + 9 <= len);
	}
	for (unsigned config = 0; config < 4; config++) {
		uint32_t interfaces = descr_interfaces(raw, len, (uint8_t)config);

		for (unsigned i = 0; i < 4; i++) {
			uint32_t eps =
				descr_endpoints(raw, len, (uint8_t)config, (uint8_t)i);

			/* endpoints belong to an interface */
			CHECK(eps == 0 || interfaces & UINT32_C(1) << i);
		}
		for (unsigned n = 0; n <= ARRAY_SIZE(all); n += 5)
			(void)descr_streams(raw, len, (uint8_t)config, all + (30 - n), n);
	}
}

/* ---- control requests ---- */

static uint8_t *data;
static unsigned in_flight;

static int on_iov(struct usbdev_transfer *transfer, uint32_t offset, uint32_t len,
		  struct iovec *iov, int iov_max)
{
	CHECK(iov_max > 0 && len <= transfer->length_bytes &&
	      offset <= transfer->length_bytes - len);
	iov[0] = (struct iovec){data + offset, len};
	return len > 0;
}

static void on_done(struct usbdev_transfer *transfer)
{
	CHECK(in_flight == 1);
	CHECK(transfer->actual_bytes <= transfer->length_bytes);
	CHECK(transfer->status == USBDEV_STATUS_OK ||
	      transfer->status == USBDEV_STATUS_STALL);
	in_flight--;
}

static void request(struct usbdev *dev, struct input *in)
{
	struct usbdev_transfer transfer = {
		.type = USBDEV_TYPE_CONTROL,
		.iov = on_iov,
		.done = on_done,
	};
	const uint8_t *bytes;
	size_t len;

	list_init(&transfer.node);
	transfer.setup.request_type = take_u8(in);
	transfer.setup.request = take_u8(in);
	transfer.setup.value = take_u16(in);
	transfer.setup.index = take_u16(in);
	transfer.setup.length = take_u16(in);
	transfer.length_bytes = transfer.setup.length;
	if (take_u8(in) & 1)
		transfer.length_bytes = take_u16(in);
	data = calloc(1, transfer.length_bytes + 1);
	CHECK(data);
	if (!(transfer.setup.request_type & USBDEV_DIR_IN)) {
		len = take_bytes(in, MIN_OF(transfer.length_bytes, 64u), &bytes);
		memcpy(data, bytes, len);
	}
	in_flight = 1;
	usbdev_submit(dev, &transfer);
	fuzz_run(2);
	CHECK(in_flight == 0);
	free(data);
}

static void ask(struct usbdev *dev, struct input *in)
{
	CHECK(dev);
	for (unsigned n = 0; in->left > 0 && n < REQUESTS_MAX; n++) {
		if (take_u8(in) & 15)
			request(dev, in);
		else
			usbdev_reset(dev);
		fuzz_run(1);
	}
	usbdev_destroy(dev, NULL, NULL);
	fuzz_run(2);
}

void fuzz_set_up(void)
{
}

void fuzz_one(struct input *in)
{
	static const enum usbdev_speed speeds[] = {USBDEV_SPEED_FULL, USBDEV_SPEED_HIGH,
						   USBDEV_SPEED_SUPER};
	uint8_t what = take_u8(in);
	enum usbdev_speed speed = speeds[what / 4 % ARRAY_SIZE(speeds)];
	struct zero_options zero = {.speed = speed};
	struct keyboard_options keyboard = {.speed = MIN_OF(speed, USBDEV_SPEED_HIGH)};
	struct err err = {0};
	uint8_t *raw;

	switch (what % 4) {
	case 0:
		ask(zero_create(fuzz_loop, &zero, &err), in);
		break;
	case 1:
		ask(keyboard_create(fuzz_loop, &keyboard, &err), in);
		break;
	default:
		/* of the exact size, so that sanitizers see a read beyond the end */
		raw = malloc(in->left + 1);
		CHECK(raw);
		memcpy(raw, in->at, in->left);
		raw = realloc(raw, in->left > 0 ? in->left : 1);
		look_up(raw, in->left);
		free(raw);
	}
}
