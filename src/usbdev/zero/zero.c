/* SPDX-License-Identifier: MIT
 * zero.c - life of the test device, its descriptors and vendor requests
 */
#include "usbdev/zero/zero.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "usbdev/zero/data.h"
#include "usbdev/zero/device.h"
#include "usbdev/zero/pace.h"

/* The ids of Linux' gadget zero, which its drivers know. */
#define VENDOR_ID  0x0525u
#define PRODUCT_ID 0xa4a0u
#define BCD_DEVICE 0x0100u

#define CLASS_VENDOR 0xffu

#define REQUEST_KEEP      0x5bu /* vendor, device, OUT */
#define REQUEST_GIVE_BACK 0x5cu /* vendor, device, IN */
#define VENDOR_OUT        0x40u
#define VENDOR_IN         0xc0u

/* clang-format off */
#define BULK(address) { \
	.addr = (address), .attributes = USBDEV_TYPE_BULK, \
	.max_packet = {64, 512, 1024}, .burst = 15 }
#define ISO(address) { \
	.addr = (address), .attributes = USBDEV_TYPE_ISOCHRONOUS, \
	.max_packet = {1023, 1024, 1024}, .interval = {1, 4, 4}, \
	.ss_bytes_per_interval = 1024 }
#define INTERRUPT(address) { \
	.addr = (address), .attributes = USBDEV_TYPE_INTERRUPT, \
	.max_packet = {64, 1024, 1024}, .interval = {1, 4, 4}, \
	.ss_bytes_per_interval = 1024 }
/* high: bits 12:11 two more packets; super: 3 bursts of 16 packets */
#define ISO_WIDE(address) { \
	.addr = (address), .attributes = USBDEV_TYPE_ISOCHRONOUS, \
	.max_packet = {1023, 2u << 11 | 1024, 1024}, .interval = {1, 1, 4}, \
	.burst = 15, .ss_attributes = 2, .ss_bytes_per_interval = 49152 }
/* clang-format on */

static const struct emulated_ep_info eps_bulk[] = {
	BULK(ZERO_EP_BULK_IN),
	BULK(ZERO_EP_BULK_OUT),
};
static const struct emulated_ep_info eps_iso[] = {
	BULK(ZERO_EP_BULK_IN),
	BULK(ZERO_EP_BULK_OUT),
	ISO(ZERO_EP_ISO_IN),
	ISO(ZERO_EP_ISO_OUT),
};
static const struct emulated_ep_info eps_interrupt[] = {
	BULK(ZERO_EP_BULK_IN),
	BULK(ZERO_EP_BULK_OUT),
	INTERRUPT(ZERO_EP_INT_IN),
	INTERRUPT(ZERO_EP_INT_OUT),
};
static const struct emulated_ep_info eps_iso_wide[] = {
	BULK(ZERO_EP_BULK_IN),
	BULK(ZERO_EP_BULK_OUT),
	ISO_WIDE(ZERO_EP_ISO_IN),
	ISO_WIDE(ZERO_EP_ISO_OUT),
};

#define SETTING(number, endpoints)                                  \
	{                                                           \
		.alternate = (number), .class = CLASS_VENDOR,       \
		.n_eps = ARRAY_SIZE(endpoints), .eps = (endpoints), \
	}

static const struct emulated_interface_info interfaces[] = {
	SETTING(0, eps_bulk),
	SETTING(1, eps_iso),
	SETTING(2, eps_interrupt),
	SETTING(3, eps_iso_wide),
};

static const struct emulated_config_info configs[] = {
	{
		.value = 1,
		.attributes = EMULATED_CONFIG_SELF_POWERED,
		.max_power_ma = 2,
		.n_interfaces = ARRAY_SIZE(interfaces),
		.interfaces = interfaces,
	},
};

static int on_request(struct emulated *emu, const struct usbdev_setup *setup,
		      uint8_t *data, uint32_t len)
{
	struct zero *zero = zero_from_emulated(emu);

	if (setup->value != 0 || setup->index != 0 ||
	    setup->length > EMULATED_CONTROL_MAX)
		return -EPIPE;
	if (setup->request == REQUEST_KEEP && setup->request_type == VENDOR_OUT) {
		memcpy(zero->scratch, data, len);
		zero->scratch_bytes = len;
		return 0;
	}
	if (setup->request == REQUEST_GIVE_BACK && setup->request_type == VENDOR_IN) {
		memcpy(data, zero->scratch, zero->scratch_bytes);
		return (int)zero->scratch_bytes;
	}
	return -EPIPE;
}

static void on_queued(struct emulated *emu, uint8_t ep_addr)
{
	struct zero *zero = zero_from_emulated(emu);

	if (ep_addr == ZERO_EP_BULK_IN || ep_addr == ZERO_EP_BULK_OUT)
		loop_defer(emu->usbdev.loop, &zero->bulk_task);
	else
		zero_pace_start(zero, ep_addr);
}

static void on_configured(struct emulated *emu)
{
	zero_paces_configure(zero_from_emulated(emu));
}

/* Half-built is fine. */
static void zero_free(struct zero *zero)
{
	loop_timer_destroy(zero->timer);
	free(zero);
}

static void on_destroy(struct emulated *emu)
{
	struct zero *zero = zero_from_emulated(emu);

	loop_undefer(emu->usbdev.loop, &zero->bulk_task);
	emulated_finish(emu);
	zero_free(zero);
}

static const struct emulated_info zero_info = {
	.vendor = VENDOR_ID,
	.product = PRODUCT_ID,
	.bcd_device = BCD_DEVICE,
	.class = CLASS_VENDOR,
	.n_configs = ARRAY_SIZE(configs),
	.configs = configs,
	.request = on_request,
	.queued = on_queued,
	.configured = on_configured,
	.destroy = on_destroy,
};

struct usbdev *zero_create(struct loop *loop, const struct zero_options *options,
			   struct err *err)
{
	enum usbdev_speed speed = options->speed ? options->speed : USBDEV_SPEED_SUPER;
	struct zero *zero;
	int r;

	if (speed != USBDEV_SPEED_FULL && speed != USBDEV_SPEED_HIGH &&
	    speed != USBDEV_SPEED_SUPER) {
		err_set(err, EINVAL, "zero has speed full, high or super");
		return NULL;
	}
	zero = calloc(1, sizeof(*zero));
	if (zero)
		zero->timer = loop_timer_create(loop, zero_paces_tick, zero);
	if (!zero || !zero->timer) {
		err_set(err, ENOMEM, "no memory for zero");
		free(zero);
		return NULL;
	}
	zero->pattern = options->pattern;
	zero->frame_zero_ns = clock_now_ns();
	zero->bulk_task = (struct loop_task){.cb = zero_move_bulk, .ctx = zero};
	zero->emu.strings[0] = "usbvfiod";
	zero->emu.strings[1] = "Gadget Zero";
	r = emulated_init(&zero->emu, &zero_info, loop, speed, "zero");
	if (r < 0) {
		err_set(err, -r, "cannot make zero");
		zero_free(zero);
		return NULL;
	}
	zero_paces_configure(zero);
	return &zero->emu.usbdev;
}
