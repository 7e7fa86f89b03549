/* SPDX-License-Identifier: MIT
 * stick.c - life of a stick, its descriptors and class requests
 */
#include "usbdev/stick/stick.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "usbdev/stick/bot.h"
#include "usbdev/stick/data.h"
#include "usbdev/stick/device.h"
#include "util/log.h"

/* The ids of Linux' file-backed storage gadget, which is the same kind of device. */
#define VENDOR_ID  0x0525u
#define PRODUCT_ID 0xa4a5u
#define BCD_DEVICE 0x0100u

#define CLASS_MASS_STORAGE 0x08u
#define SUBCLASS_SCSI      0x06u
#define PROTOCOL_BULK_ONLY 0x50u

#define REQUEST_RESET       0xffu
#define REQUEST_GET_MAX_LUN 0xfeu

static const struct emulated_ep_info eps[] = {
	{
		.addr = STICK_EP_IN,
		.attributes = USBDEV_TYPE_BULK,
		.max_packet = {64, 512, 1024},
		.burst = 15,
	},
	{
		.addr = STICK_EP_OUT,
		.attributes = USBDEV_TYPE_BULK,
		.max_packet = {64, 512, 1024},
		.burst = 15,
	},
};

static const struct emulated_interface_info interfaces[] = {
	{
		.class = CLASS_MASS_STORAGE,
		.subclass = SUBCLASS_SCSI,
		.protocol = PROTOCOL_BULK_ONLY,
		.n_eps = ARRAY_SIZE(eps),
		.eps = eps,
	},
};

static const struct emulated_config_info configs[] = {
	{
		.value = 1,
		.attributes = EMULATED_CONFIG_SELF_POWERED,
		.max_power_ma = 96,
		.n_interfaces = ARRAY_SIZE(interfaces),
		.interfaces = interfaces,
	},
};

static struct stick *from_emulated(struct emulated *emu)
{
	return CONTAINER_OF(emu, struct stick, emu);
}

/* BOT 3.1 and 3.2. */
static int on_request(struct emulated *emu, const struct usbdev_setup *setup,
		      uint8_t *data, uint32_t len)
{
	(void)len;
	if ((setup->request_type & 0x7fu) != EMULATED_RECIPIENT_CLASS_INTERFACE ||
	    setup->index != 0 || setup->value != 0 || emu->configuration == 0)
		return -EPIPE;
	if (setup->request == REQUEST_RESET && !(setup->request_type & USBDEV_DIR_IN)) {
		stick_abort(from_emulated(emu));
		return 0;
	}
	if (setup->request == REQUEST_GET_MAX_LUN &&
	    (setup->request_type & USBDEV_DIR_IN)) {
		data[0] = 0;
		return 1;
	}
	return -EPIPE;
}

static void on_queued(struct emulated *emu, uint8_t ep_addr)
{
	(void)ep_addr;
	stick_pump(from_emulated(emu));
}

static void on_configured(struct emulated *emu)
{
	stick_abort(from_emulated(emu));
}

static bool on_may_clear_halt(struct emulated *emu, uint8_t ep_addr)
{
	(void)ep_addr;
	return from_emulated(emu)->state != STICK_STATE_DEAD;
}

static void on_pump(void *ctx)
{
	struct stick *stick = ctx;

	stick->turn_left = STICK_TURN_BYTES;
	stick_pump(stick);
}

/* Half-built is fine. The worker ends first, because it uses everything else. */
static void stick_free(struct stick *stick)
{
	worker_destroy(stick->worker);
	stick_pieces_finish(&stick->pieces);
	image_close(&stick->image);
	free(stick);
}

/* Closing waits too, for a block device or a server to get the last data. */
static void run_closing(struct worker_job *job)
{
	image_close(&CONTAINER_OF(job, struct stick, closing)->image);
}

static void on_closed(struct worker_job *job)
{
	struct stick *stick = CONTAINER_OF(job, struct stick, closing);

	/* pieces that came back before this job have asked for a pump */
	loop_undefer(stick->emu.usbdev.loop, &stick->pump_task);
	emulated_finish(&stick->emu);
	stick_free(stick);
}

/* The worker may be in a long call: the last job waits for it. */
static void on_destroy(struct emulated *emu)
{
	struct stick *stick = from_emulated(emu);

	stick_abort(stick);
	stick->closing = (struct worker_job){.run = run_closing, .done = on_closed};
	worker_submit(stick->worker, &stick->closing);
}

static const struct emulated_info stick_info = {
	.vendor = VENDOR_ID,
	.product = PRODUCT_ID,
	.bcd_device = BCD_DEVICE,
	.n_configs = ARRAY_SIZE(configs),
	.configs = configs,
	.request = on_request,
	.queued = on_queued,
	.configured = on_configured,
	.may_clear_halt = on_may_clear_halt,
	.destroy = on_destroy,
};

static struct stick *stick_alloc(struct loop *loop)
{
	struct stick *stick = calloc(1, sizeof(*stick));

	if (!stick)
		return NULL;
	stick->image.fd = -1;
	stick->worker = worker_create(loop, "stick");
	stick->pieces.worker = stick->worker;
	stick->pieces.image = &stick->image;
	stick->pieces.disk = &stick->disk;
	stick->pieces.on_back = stick_on_piece_back;
	if (!stick->worker || stick_pieces_init(&stick->pieces) < 0) {
		stick_free(stick);
		return NULL;
	}
	return stick;
}

struct usbdev *stick_create(struct loop *loop, const struct stick_options *options,
			    struct err *err)
{
	enum usbdev_speed speed = options->speed ? options->speed : USBDEV_SPEED_SUPER;
	char label[USBDEV_NAME_BYTES + 64];
	struct stick *stick;
	int r;

	if (speed != USBDEV_SPEED_FULL && speed != USBDEV_SPEED_HIGH &&
	    speed != USBDEV_SPEED_SUPER) {
		err_set(err, EINVAL, "a stick has speed full, high or super");
		return NULL;
	}
	stick = stick_alloc(loop);
	if (!stick) {
		err_set(err, ENOMEM, "no memory or thread for a stick");
		return NULL;
	}
	stick->image = *options->image;
	scsi_init(&stick->disk, stick->image.size_bytes, stick->image.readonly,
		  stick->image.id, stick->image.serial);
	stick->turn_left = STICK_TURN_BYTES;
	stick->pump_task = (struct loop_task){.cb = on_pump, .ctx = stick};
	stick->emu.strings[0] = "usbvfiod";
	stick->emu.strings[1] = "USB Stick";
	stick->emu.strings[2] = stick->image.serial;
	(void)snprintf(label, sizeof(label), "stick:%s", stick->image.name);
	r = emulated_init(&stick->emu, &stick_info, loop, speed, label);
	if (r < 0) {
		err_set(err, -r, "cannot make a stick");
		stick->image = (struct image){.fd = -1};
		stick_free(stick);
		return NULL;
	}
	log_debug("%s: %llu blocks%s", label, (unsigned long long)stick->disk.blocks,
		  stick->image.readonly ? ", read-only" : "");
	*options->image = (struct image){.fd = -1};
	return &stick->emu.usbdev;
}
