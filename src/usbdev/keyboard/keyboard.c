/* SPDX-License-Identifier: MIT
 * keyboard.c - an emulated boot-protocol USB keyboard (HID 1.11)
 *
 * The pressed keys are a set of usages; each change of it makes a report, and
 * reports wait in a ring of fixed size until an interrupt transfer takes them.
 * Both protocols have the same report, so the keyboard only remembers SET_PROTOCOL.
 * It only remembers the idle rate too: hosts that can count time need no repeated
 * reports, which would cost wake-ups.
 */
#include "usbdev/keyboard/keyboard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "usbdev/emulated.h"
#include "usbdev/keyboard/input.h"
#include "usbdev/keyboard/typist.h"
#include "util/log.h"

/* The HID gadget of Linux. */
#define VENDOR_ID  0x0525u
#define PRODUCT_ID 0xa4acu
#define BCD_DEVICE 0x0100u

#define EP_IN            0x81u
#define REPORT_BYTES     8u
#define REPORT_KEYS      6u
#define USAGE_FIRST      0x04u
#define USAGE_MODIFIERS  0xe0u
#define USAGE_LEFT_SHIFT 0xe1u
#define USAGE_LAST       0xe7u
#define USAGE_ROLLOVER   0x01u
#define PROTOCOL_REPORT  1u
#define IDLE_START       125u /* 500 ms, HID 7.2.4 */

enum hid_request {
	HID_REQUEST_GET_REPORT = 0x01,
	HID_REQUEST_GET_IDLE = 0x02,
	HID_REQUEST_GET_PROTOCOL = 0x03,
	HID_REQUEST_SET_REPORT = 0x09,
	HID_REQUEST_SET_IDLE = 0x0a,
	HID_REQUEST_SET_PROTOCOL = 0x0b,
};

enum hid_descr {
	HID_DESCR_HID = 0x21,
	HID_DESCR_REPORT = 0x22,
};

enum hid_report {
	HID_REPORT_INPUT = 1,
	HID_REPORT_OUTPUT = 2,
};

/* HID 1.11 appendix B.1, with the whole usage page. */
static const uint8_t report_descr[] = {
	0x05, 0x01,       /* Usage Page (Generic Desktop) */
	0x09, 0x06,       /* Usage (Keyboard) */
	0xa1, 0x01,       /* Collection (Application) */
	0x05, 0x07,       /*   Usage Page (Keyboard) */
	0x19, 0xe0,       /*   Usage Minimum (Left Control) */
	0x29, 0xe7,       /*   Usage Maximum (Right GUI) */
	0x15, 0x00,       /*   Logical Minimum (0) */
	0x25, 0x01,       /*   Logical Maximum (1) */
	0x75, 0x01,       /*   Report Size (1) */
	0x95, 0x08,       /*   Report Count (8) */
	0x81, 0x02,       /*   Input (Data, Variable, Absolute) */
	0x75, 0x08,       /*   Report Size (8) */
	0x95, 0x01,       /*   Report Count (1) */
	0x81, 0x01,       /*   Input (Constant) */
	0x05, 0x08,       /*   Usage Page (LEDs) */
	0x19, 0x01,       /*   Usage Minimum (Num Lock) */
	0x29, 0x05,       /*   Usage Maximum (Kana) */
	0x75, 0x01,       /*   Report Size (1) */
	0x95, 0x05,       /*   Report Count (5) */
	0x91, 0x02,       /*   Output (Data, Variable, Absolute) */
	0x75, 0x03,       /*   Report Size (3) */
	0x95, 0x01,       /*   Report Count (1) */
	0x91, 0x01,       /*   Output (Constant) */
	0x05, 0x07,       /*   Usage Page (Keyboard) */
	0x19, 0x00,       /*   Usage Minimum (0) */
	0x2a, 0xff, 0x00, /*   Usage Maximum (255) */
	0x15, 0x00,       /*   Logical Minimum (0) */
	0x26, 0xff, 0x00, /*   Logical Maximum (255) */
	0x75, 0x08,       /*   Report Size (8) */
	0x95, 0x06,       /*   Report Count (6) */
	0x81, 0x00,       /*   Input (Data, Array) */
	0xc0,             /* End Collection */
};

/* HID 6.2.1 */
static const uint8_t hid_descr[] = {
	9, HID_DESCR_HID, 0x11, 0x01, 0, 1, HID_DESCR_REPORT, sizeof(report_descr), 0,
};

static const struct emulated_ep_info eps[] = {
	{
		.addr = EP_IN,
		.attributes = USBDEV_TYPE_INTERRUPT,
		.max_packet = {REPORT_BYTES, REPORT_BYTES, REPORT_BYTES},
		.interval = {10, 7, 7}, /* 10 ms; 2^6 microframes are 8 ms */
		.ss_bytes_per_interval = REPORT_BYTES,
	},
};

static const struct emulated_interface_info interfaces[] = {
	{
		.class = 3,
		.subclass = 1,
		.protocol = 1,
		.class_descr = hid_descr,
		.class_descr_bytes = sizeof(hid_descr),
		.n_eps = ARRAY_SIZE(eps),
		.eps = eps,
	},
};

static const struct emulated_config_info configs[] = {
	{
		.value = 1,
		.attributes = EMULATED_CONFIG_REMOTE_WAKEUP,
		.max_power_ma = 100,
		.n_interfaces = ARRAY_SIZE(interfaces),
		.interfaces = interfaces,
	},
};

/**
 * struct keyboard - a keyboard
 * @down:	usages of the keys that are pressed
 * @reports:	ring of @report_count reports from @report_first on
 * @input:	the FIFO, if there is one
 */
struct keyboard {
	struct emulated emu;
	bool down[256];
	uint8_t reports[KEYBOARD_REPORTS_MAX][REPORT_BYTES];
	unsigned report_first;
	unsigned report_count;
	uint8_t leds;
	uint8_t idle;
	uint8_t protocol;
	struct keyboard_input input;
	struct loop_watch *fifo_watch;
};

static struct keyboard *from_emulated(struct emulated *emu)
{
	return CONTAINER_OF(emu, struct keyboard, emu);
}

/* Watches the FIFO only while there is room for its text. */
static void update_watch(struct keyboard *keyboard)
{
	bool room = KEYBOARD_REPORTS_MAX - keyboard->report_count >= 2;
	bool wanted = room && keyboard->emu.configuration != 0;

	if (keyboard->fifo_watch &&
	    loop_watch_set(keyboard->fifo_watch, wanted ? LOOP_READ : 0) < 0)
		log_limited(LOG_LEVEL_ERROR, "%s: cannot watch %s",
			    keyboard->emu.usbdev.label, keyboard->input.path);
}

/* HID 8.3 and appendix C: at most six keys; roll-over if there are more. */
static void make_report(const struct keyboard *keyboard, uint8_t report[REPORT_BYTES])
{
	unsigned keys = 0;

	memset(report, 0, REPORT_BYTES);
	for (unsigned usage = USAGE_MODIFIERS; usage <= USAGE_LAST; usage++) {
		if (keyboard->down[usage])
			report[0] |= (uint8_t)(1u << (usage - USAGE_MODIFIERS));
	}
	for (unsigned usage = USAGE_FIRST; usage < USAGE_MODIFIERS; usage++) {
		if (!keyboard->down[usage])
			continue;
		if (keys == REPORT_KEYS) {
			memset(report + 2, USAGE_ROLLOVER, REPORT_KEYS);
			return;
		}
		report[2 + keys++] = (uint8_t)usage;
	}
}

/* Delivers reports while there are reports and transfers. */
static void deliver(struct keyboard *keyboard)
{
	struct usbdev_transfer *transfer;

	while (keyboard->report_count > 0 &&
	       (transfer = emulated_first(&keyboard->emu, EP_IN))) {
		const uint8_t *report = keyboard->reports[keyboard->report_first];
		enum usbdev_status status = USBDEV_STATUS_OK;

		if (transfer->length_bytes < REPORT_BYTES)
			status = USBDEV_STATUS_BABBLE;
		else if (usbdev_transfer_write(transfer, 0, report, REPORT_BYTES) < 0)
			status = USBDEV_STATUS_MEMORY;
		else
			transfer->actual_bytes = REPORT_BYTES;
		emulated_complete(&keyboard->emu, transfer, status);
		if (status != USBDEV_STATUS_OK)
			continue; /* the host has not got the report */
		keyboard->report_first =
			(keyboard->report_first + 1) % KEYBOARD_REPORTS_MAX;
		keyboard->report_count--;
	}
	update_watch(keyboard);
}

/* Appends a report with the present keys; there is room. */
static void queue_report(struct keyboard *keyboard)
{
	unsigned at =
		(keyboard->report_first + keyboard->report_count) % KEYBOARD_REPORTS_MAX;

	make_report(keyboard, keyboard->reports[at]);
	keyboard->report_count++;
}

static void wake_host(struct keyboard *keyboard)
{
	if (emulated_may_wake(&keyboard->emu))
		usbdev_wake(&keyboard->emu.usbdev);
}

int keyboard_key(struct usbdev *dev, uint8_t hid_usage, bool pressed)
{
	struct keyboard *keyboard =
		from_emulated(CONTAINER_OF(dev, struct emulated, usbdev));

	if (hid_usage < USAGE_FIRST || hid_usage > USAGE_LAST)
		return -EINVAL;
	if (keyboard->emu.configuration == 0)
		return -EHOSTDOWN;
	if (keyboard->down[hid_usage] == pressed)
		return 0;
	if (keyboard->report_count == KEYBOARD_REPORTS_MAX)
		return -ENOSPC;
	keyboard->down[hid_usage] = pressed;
	queue_report(keyboard);
	deliver(keyboard);
	wake_host(keyboard);
	return 0;
}

/* Types @c by two reports: the key, with Shift if necessary, and the keys as before. */
static void type(struct keyboard *keyboard, unsigned char c)
{
	uint8_t usage;
	bool shift;
	bool *left_shift = &keyboard->down[USAGE_LEFT_SHIFT];
	bool shift_before = *left_shift;

	if (!typist_key(c, &usage, &shift) || keyboard->down[usage])
		return;
	keyboard->down[usage] = true;
	*left_shift = shift;
	queue_report(keyboard);
	keyboard->down[usage] = false;
	*left_shift = shift_before;
	queue_report(keyboard);
}

static void on_fifo(void *ctx, int fd, unsigned events)
{
	struct keyboard *keyboard = ctx;
	char text[KEYBOARD_REPORTS_MAX / 2];
	size_t room = (KEYBOARD_REPORTS_MAX - keyboard->report_count) / 2;
	ssize_t n;

	(void)events;
	if (room == 0 || keyboard->emu.configuration == 0)
		return;
	n = read(fd, text, room);
	if (n <= 0)
		return;
	for (ssize_t i = 0; i < n; i++)
		type(keyboard, (unsigned char)text[i]);
	deliver(keyboard);
	if (keyboard->report_count > 0)
		wake_host(keyboard);
}

static int get_report(const struct keyboard *keyboard, uint8_t type_id, uint8_t *data)
{
	switch (type_id) {
	case HID_REPORT_INPUT:
		make_report(keyboard, data);
		return REPORT_BYTES;
	case HID_REPORT_OUTPUT:
		data[0] = keyboard->leds;
		return 1;
	default:
		return -EPIPE;
	}
}

static int get_descriptor(const struct usbdev_setup *setup, uint8_t *data)
{
	switch (setup->value >> 8) {
	case HID_DESCR_HID:
		memcpy(data, hid_descr, sizeof(hid_descr));
		return sizeof(hid_descr);
	case HID_DESCR_REPORT:
		memcpy(data, report_descr, sizeof(report_descr));
		return sizeof(report_descr);
	default:
		return -EPIPE;
	}
}

static int hid_in(struct keyboard *keyboard, const struct usbdev_setup *setup,
		  uint8_t *data)
{
	switch (setup->request) {
	case HID_REQUEST_GET_REPORT:
		return get_report(keyboard, (uint8_t)(setup->value >> 8), data);
	case HID_REQUEST_GET_IDLE:
		data[0] = keyboard->idle;
		return 1;
	case HID_REQUEST_GET_PROTOCOL:
		data[0] = keyboard->protocol;
		return 1;
	default:
		return -EPIPE;
	}
}

static int hid_out(struct keyboard *keyboard, const struct usbdev_setup *setup,
		   const uint8_t *data, uint32_t len)
{
	switch (setup->request) {
	case HID_REQUEST_SET_REPORT:
		if (setup->value >> 8 != HID_REPORT_OUTPUT || len < 1)
			return -EPIPE;
		keyboard->leds = data[0];
		log_limited(LOG_LEVEL_DEBUG, "%s: LEDs %02x", keyboard->emu.usbdev.label,
			    data[0]);
		return 0;
	case HID_REQUEST_SET_IDLE:
		keyboard->idle = (uint8_t)(setup->value >> 8);
		return 0;
	case HID_REQUEST_SET_PROTOCOL:
		if (setup->value > PROTOCOL_REPORT)
			return -EPIPE;
		keyboard->protocol = (uint8_t)setup->value;
		return 0;
	default:
		return -EPIPE;
	}
}

static int on_request(struct emulated *emu, const struct usbdev_setup *setup,
		      uint8_t *data, uint32_t len)
{
	struct keyboard *keyboard = from_emulated(emu);
	bool in = (setup->request_type & USBDEV_DIR_IN) != 0;

	if (setup->index != 0)
		return -EPIPE;
	switch (setup->request_type & 0x7fu) {
	case EMULATED_RECIPIENT_STANDARD_INTERFACE:
		if (in && setup->request == EMULATED_REQUEST_GET_DESCRIPTOR)
			return get_descriptor(setup, data);
		return -EPIPE;
	case EMULATED_RECIPIENT_CLASS_INTERFACE:
		return in ? hid_in(keyboard, setup, data)
			  : hid_out(keyboard, setup, data, len);
	default:
		return -EPIPE;
	}
}

static void on_queued(struct emulated *emu, uint8_t ep_addr)
{
	(void)ep_addr;
	deliver(from_emulated(emu));
}

static void on_configured(struct emulated *emu)
{
	struct keyboard *keyboard = from_emulated(emu);

	memset(keyboard->down, 0, sizeof(keyboard->down));
	keyboard->report_first = 0;
	keyboard->report_count = 0;
	keyboard->leds = 0;
	keyboard->idle = IDLE_START;
	keyboard->protocol = PROTOCOL_REPORT;
	update_watch(keyboard);
}

/* Half-built is fine. */
static void keyboard_free(struct keyboard *keyboard)
{
	loop_unwatch(keyboard->fifo_watch);
	keyboard_input_close(&keyboard->input);
	free(keyboard);
}

static void on_destroy(struct emulated *emu)
{
	emulated_finish(emu);
	keyboard_free(from_emulated(emu));
}

static const struct emulated_info keyboard_info = {
	.vendor = VENDOR_ID,
	.product = PRODUCT_ID,
	.bcd_device = BCD_DEVICE,
	.n_configs = ARRAY_SIZE(configs),
	.configs = configs,
	.request = on_request,
	.queued = on_queued,
	.configured = on_configured,
	.destroy = on_destroy,
};

struct usbdev *keyboard_create(struct loop *loop, const struct keyboard_options *options,
			       struct err *err)
{
	enum usbdev_speed speed = options->speed ? options->speed : USBDEV_SPEED_FULL;
	struct keyboard *keyboard;

	if (usbdev_speed_is_usb3(speed)) {
		err_set(err, EINVAL, "a keyboard has speed low, full or high");
		return NULL;
	}
	keyboard = calloc(1, sizeof(*keyboard));
	if (!keyboard) {
		err_set(err, ENOMEM, "no memory for a keyboard");
		return NULL;
	}
	keyboard->input.fd = -1;
	if (options->input)
		keyboard->fifo_watch =
			loop_watch_fd(loop, options->input->fd, 0, on_fifo, keyboard);
	keyboard->emu.strings[0] = "usbvfiod";
	keyboard->emu.strings[1] = "USB Keyboard";
	if ((options->input && !keyboard->fifo_watch) ||
	    emulated_init(&keyboard->emu, &keyboard_info, loop, speed, "keyboard") < 0) {
		err_set(err, ENOMEM, "cannot make a keyboard");
		keyboard_free(keyboard);
		return NULL;
	}
	if (options->input) {
		keyboard->input = *options->input;
		*options->input = (struct keyboard_input){.fd = -1};
	}
	on_configured(&keyboard->emu);
	return &keyboard->emu.usbdev;
}
