/* SPDX-License-Identifier: MIT
 * test_emulated.c - chapter 9, descriptors at every speed, queues and halts,
 * with a device that has alternate settings
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host.h"
#include "usbdev/emulated.h"
#include "util/bytes.h"

#define EP_IN    0x81
#define EP_OUT   0x02
#define EP_ISOCH 0x83

static const struct emulated_ep_info bulk_eps[] = {
	{.addr = EP_IN, .attributes = 2, .max_packet = {64, 512, 1024}, .burst = 3},
	{.addr = EP_OUT, .attributes = 2, .max_packet = {64, 512, 1024}},
};
static const struct emulated_ep_info isoch_eps[] = {
	{.addr = EP_ISOCH,
	 .attributes = 1,
	 .max_packet = {1023, 1024, 1024},
	 .interval = {1, 4, 4},
	 .ss_bytes_per_interval = 1024},
};
static const uint8_t class_descr[] = {5, 0x24, 1, 2, 3};
static const struct emulated_interface_info interfaces[] = {
	{.number = 0, .class = 0xff, .n_eps = 2, .eps = bulk_eps},
	{.number = 1, .class = 0xff, .class_descr = class_descr, .class_descr_bytes = 5},
	{.number = 1, .alternate = 1, .class = 0xff, .n_eps = 1, .eps = isoch_eps},
};
static const struct emulated_config_info configs[] = {
	{.value = 3,
	 .attributes = 0x60,
	 .max_power_ma = 96,
	 .n_interfaces = 3,
	 .interfaces = interfaces},
	{.value = 7, .n_interfaces = 1, .interfaces = interfaces},
};

static struct emulated *device;
static struct host host;
static unsigned configured_calls;
static uint32_t vendor_len;

static int on_request(struct emulated *dev, const struct usbdev_setup *setup,
		      uint8_t *data, uint32_t len)
{
	(void)dev;
	vendor_len = len;
	if (setup->request != 0x5b)
		return -1;
	if (setup->request_type & 0x80)
		memset(data, 0x5b, EMULATED_CONTROL_MAX);
	else if (len > 0 && data[len - 1] != 0x77)
		return -1;
	return setup->request_type & 0x80 ? (int)EMULATED_CONTROL_MAX : 0;
}

static void on_configured(struct emulated *dev)
{
	(void)dev;
	configured_calls++;
}

static void on_destroy(struct emulated *dev)
{
	emulated_finish(dev);
	free(dev);
}

static const struct emulated_info info = {
	.vendor = 0x1234,
	.product = 0x5678,
	.bcd_device = 0x0102,
	.n_configs = 2,
	.configs = configs,
	.request = on_request,
	.configured = on_configured,
	.destroy = on_destroy,
};

static void start(enum usbdev_speed speed)
{
	struct loop *loop = loop_create();

	device = calloc(1, sizeof(*device));
	device->strings[0] = "Maker";
	device->strings[2] = "S\xc3\x9f";
	assert_int_equal(emulated_init(device, &info, loop, speed, "test"), 0);
	host_init(&host, loop, &device->usbdev);
}

static int get_descr(uint8_t type, uint8_t index, uint8_t *buf, uint16_t len)
{
	return host_control(&host, 0x80, 6, (uint16_t)(type << 8 | index), 0x0409, buf,
			    len);
}

static int set(uint8_t recipient, uint8_t request, uint16_t value, uint16_t index)
{
	return host_control(&host, recipient, request, value, index, NULL, 0);
}

static int status_of(uint8_t recipient, uint16_t index)
{
	uint8_t buf[2];
	int n = host_control(&host, 0x80 | recipient, 0, 0, index, buf, 2);

	if (n == HOST_STALL)
		return HOST_STALL;
	assert_int_equal(n, 2);
	return get_le16(buf);
}

static void test_device_descriptor(void **state)
{
	static const struct {
		enum usbdev_speed speed;
		uint16_t usb;
		uint8_t max_packet;
	} expected[] = {
		{USBDEV_SPEED_LOW, 0x0200, 8},
		{USBDEV_SPEED_FULL, 0x0200, 64},
		{USBDEV_SPEED_HIGH, 0x0200, 64},
		{USBDEV_SPEED_SUPER, 0x0300, 9},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		uint8_t d[64];

		start(expected[i].speed);
		assert_int_equal(get_descr(1, 0, d, 64), 18);
		assert_int_equal(get_le16(d + 2), expected[i].usb);
		assert_int_equal(d[7], expected[i].max_packet);
		assert_memory_equal(d + 8, "\x34\x12\x78\x56\x02\x01\1\0\3\2", 10);
		/* short, none at all, and the one that is not there */
		assert_int_equal(get_descr(1, 0, d, 8), 8);
		assert_int_equal(get_descr(1, 0, d, 0), 0);
		assert_int_equal(get_descr(1, 1, d, 64), HOST_STALL);
		host_finish(&host);
	}
}

/* Every descriptor is as long as it says; returns how many of @type. */
static unsigned walk(const uint8_t *d, int total, uint8_t type)
{
	unsigned found = 0;
	int at = 0;

	assert_int_equal(get_le16(d + 2), total);
	for (; at < total; at += d[at]) {
		assert_true(d[at] >= 2);
		found += d[at + 1] == type;
	}
	assert_int_equal(at, total);
	return found;
}

static void test_config_descriptor(void **state)
{
	static const enum usbdev_speed speeds[] = {USBDEV_SPEED_FULL, USBDEV_SPEED_HIGH,
						   USBDEV_SPEED_SUPER};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint8_t d[EMULATED_CONFIG_MAX];
		int n;

		start(speeds[i]);
		n = get_descr(2, 0, d, sizeof(d));
		assert_int_equal(walk(d, n, 4), 3);
		assert_int_equal(walk(d, n, 5), 3);
		assert_int_equal(walk(d, n, 0x24), 1);
		assert_int_equal(walk(d, n, 48), i == 2 ? 3 : 0);
		assert_memory_equal(d + 4, i == 2 ? "\2\3\0\xe0\x0c" : "\2\3\0\xe0\x30",
				    5);
		assert_int_equal(get_le16(d + 9 + 9 + 4), bulk_eps[0].max_packet[i]);
		n = get_descr(2, 1, d, sizeof(d));
		assert_int_equal(walk(d, n, 4), 1);
		assert_int_equal(get_descr(2, 2, d, sizeof(d)), HOST_STALL);
		/* another speed, at high speed only */
		n = get_descr(7, 0, d, sizeof(d));
		if (i != 1) {
			assert_int_equal(n, HOST_STALL);
		} else {
			walk(d, n, 4);
			assert_int_equal(get_le16(d + 9 + 9 + 4), 64);
		}
		assert_int_equal(get_descr(6, 0, d, 64), i == 1 ? 10 : HOST_STALL);
		n = get_descr(15, 0, d, 64);
		if (i == 2)
			assert_int_equal(walk(d, n, 16), d[4]);
		else
			assert_int_equal(n, HOST_STALL);
		host_finish(&host);
	}
}

static void test_strings(void **state)
{
	uint8_t d[255];

	(void)state;
	start(USBDEV_SPEED_HIGH);
	assert_int_equal(get_descr(3, 0, d, 255), 4);
	assert_memory_equal(d, "\4\3\x09\x04", 4);
	assert_int_equal(get_descr(3, 1, d, 255), 12);
	assert_memory_equal(d, "\x0c\3M\0a\0k\0e\0r\0", 12);
	assert_int_equal(get_descr(3, 2, d, 255), HOST_STALL);
	assert_int_equal(get_descr(3, 3, d, 255), 8);
	assert_memory_equal(d, "\x08\3S\0?\0?\0", 8);
	assert_int_equal(get_descr(3, 4, d, 255), HOST_STALL);
	assert_int_equal(get_descr(3, 1, d, 2), 2);
	host_finish(&host);
}

static void test_configuration(void **state)
{
	uint8_t b;

	(void)state;
	start(USBDEV_SPEED_SUPER);
	assert_int_equal(host_control(&host, 0x80, 8, 0, 0, &b, 1), 1);
	assert_int_equal(b, 0);
	assert_int_equal(host_control(&host, 0x81, 10, 0, 0, &b, 1), HOST_STALL);
	assert_int_equal(set(0, 9, 5, 0), HOST_STALL);
	assert_int_equal(set(0, 5, 12, 0), 0); /* SET_ADDRESS */
	configured_calls = 0;
	assert_int_equal(set(0, 9, 3, 0), 0);
	assert_int_equal(configured_calls, 1);
	assert_int_equal(host_control(&host, 0x80, 8, 0, 0, &b, 1), 1);
	assert_int_equal(b, 3);
	/* alternate settings */
	assert_int_equal(host_control(&host, 0x81, 10, 0, 1, &b, 1), 1);
	assert_int_equal(b, 0);
	assert_int_equal(status_of(2, EP_ISOCH), HOST_STALL);
	assert_int_equal(set(1, 11, 1, 1), 0);
	assert_int_equal(status_of(2, EP_ISOCH), 0);
	assert_int_equal(host_control(&host, 0x81, 10, 0, 1, &b, 1), 1);
	assert_int_equal(b, 1);
	assert_int_equal(set(1, 11, 1, 0), HOST_STALL);
	assert_int_equal(set(1, 11, 2, 1), HOST_STALL);
	assert_int_equal(set(1, 11, 0, 2), HOST_STALL);
	assert_int_equal(set(1, 11, 0, 0x101), HOST_STALL);
	assert_int_equal(host_control(&host, 0x81, 10, 0, 0x101, &b, 1), HOST_STALL);
	/* the other configuration knows no interface 1, and this one starts over */
	assert_int_equal(set(0, 9, 7, 0), 0);
	assert_int_equal(set(1, 11, 1, 1), HOST_STALL);
	assert_int_equal(set(0, 9, 3, 0), 0);
	assert_int_equal(host_control(&host, 0x81, 10, 0, 1, &b, 1), 1);
	assert_int_equal(b, 0);
	host_reset(&host);
	assert_int_equal(host_control(&host, 0x80, 8, 0, 0, &b, 1), 1);
	assert_int_equal(b, 0);
	host_finish(&host);
}

static void test_features_super(void **state)
{
	uint8_t sel[6] = {0};

	(void)state;
	start(USBDEV_SPEED_SUPER);
	assert_int_equal(host_control(&host, 0x00, 48, 0, 0, sel, 6), 6);
	assert_int_equal(set(0, 49, 40, 0), 0);
	assert_int_equal(set(0, 3, 48, 0), HOST_STALL); /* not configured */
	set(0, 9, 3, 0);
	assert_int_equal(status_of(0, 0), 0x01);
	assert_int_equal(set(0, 3, 48, 0), 0);
	assert_int_equal(set(0, 3, 49, 0), 0);
	assert_int_equal(set(0, 3, 50, 0), 0);
	assert_int_equal(status_of(0, 0), 0x1d);
	assert_int_equal(set(0, 1, 48, 0), 0);
	assert_int_equal(set(0, 1, 49, 0), 0);
	assert_int_equal(set(0, 1, 50, 0), 0);
	assert_int_equal(status_of(0, 0), 0x01);
	assert_int_equal(set(0, 3, 1, 0), HOST_STALL); /* is per function here */
	/* function suspend, with and without wake-up */
	assert_int_equal(status_of(1, 0), 0x01);
	assert_int_equal(set(1, 3, 0, 0x0300), 0);
	assert_int_equal(status_of(1, 0), 0x03);
	assert_false(emulated_may_wake(device));
	usbdev_suspend(host.dev, true);
	assert_true(emulated_may_wake(device));
	assert_int_equal(set(1, 3, 0, 0x0000), 0);
	assert_false(emulated_may_wake(device));
	/* forgotten with a reset */
	assert_int_equal(set(1, 3, 0, 0x0300), 0);
	host_reset(&host);
	set(0, 9, 3, 0);
	assert_int_equal(status_of(1, 0), 0x01);
	assert_int_equal(set(1, 3, 0, 0x0303), HOST_STALL);
	assert_int_equal(status_of(1, 5), HOST_STALL);
	assert_int_equal(status_of(3, 0), HOST_STALL);
	host_finish(&host);
}

static void test_features_high(void **state)
{
	uint8_t sel[6] = {0};

	(void)state;
	start(USBDEV_SPEED_HIGH);
	set(0, 9, 3, 0);
	assert_int_equal(host_control(&host, 0x00, 48, 0, 0, sel, 6), HOST_STALL);
	assert_int_equal(set(0, 3, 48, 0), HOST_STALL);
	assert_int_equal(set(0, 3, 2, 0x0100), HOST_STALL); /* test mode */
	assert_int_equal(set(1, 3, 0, 0x0300), HOST_STALL);
	assert_int_equal(set(0, 3, 1, 0), 0);
	assert_int_equal(status_of(0, 0), 0x03);
	usbdev_suspend(host.dev, true);
	assert_true(emulated_may_wake(device));
	assert_int_equal(set(0, 1, 1, 0), 0);
	assert_false(emulated_may_wake(device));
	/* this configuration has no wake-up */
	set(0, 9, 7, 0);
	assert_int_equal(set(0, 3, 1, 0), HOST_STALL);
	host_finish(&host);
}

static void test_halt(void **state)
{
	struct urb urbs[3];

	(void)state;
	start(USBDEV_SPEED_HIGH);
	set(0, 9, 3, 0);
	for (unsigned i = 0; i < 3; i++)
		urb_init(&urbs[i], &host, EP_IN, 10);
	urb_submit(&urbs[0]);
	urb_submit(&urbs[1]);
	assert_int_equal(set(2, 3, 0, EP_IN), 0);
	assert_int_equal(urbs[0].transfer.status, USBDEV_STATUS_STALL);
	assert_int_equal(urbs[1].transfer.status, USBDEV_STATUS_STALL);
	assert_true(urbs[0].order < urbs[1].order);
	assert_int_equal(status_of(2, EP_IN), 1);
	assert_int_equal(status_of(2, EP_OUT), 0);
	urb_submit(&urbs[2]);
	urb_wait(&urbs[2]);
	assert_int_equal(urbs[2].transfer.status, USBDEV_STATUS_STALL);
	assert_int_equal(set(2, 1, 0, EP_IN), 0);
	assert_int_equal(status_of(2, EP_IN), 0);
	urb_submit(&urbs[2]);
	host_settle(&host);
	assert_int_equal(urbs[2].order, 0);
	/* SET_INTERFACE of another interface leaves it, its own does not */
	assert_int_equal(set(1, 11, 0, 1), 0);
	assert_int_equal(urbs[2].order, 0);
	assert_int_equal(set(1, 11, 0, 0), 0);
	assert_int_equal(urbs[2].transfer.status, USBDEV_STATUS_ERROR);
	assert_int_not_equal(urbs[2].order, 0);
	/* endpoint 0 and those that are not there */
	assert_int_equal(set(2, 3, 0, 0), 0);
	assert_int_equal(status_of(2, 0), 0);
	assert_int_equal(set(2, 3, 0, 0x85), HOST_STALL);
	assert_int_equal(set(2, 3, 1, EP_IN), HOST_STALL);
	for (unsigned i = 0; i < 3; i++)
		urb_finish(&urbs[i]);
	host_finish(&host);
}

static void test_cancel_order(void **state)
{
	static const unsigned calls[] = {3, 0, 2};
	struct urb urbs[5];

	(void)state;
	start(USBDEV_SPEED_HIGH);
	set(0, 9, 3, 0);
	for (unsigned i = 0; i < 5; i++) {
		urb_init(&urbs[i], &host, EP_OUT, 10);
		urb_submit(&urbs[i]);
	}
	for (unsigned i = 0; i < 3; i++)
		urb_cancel(&urbs[calls[i]]);
	urb_wait(&urbs[3]);
	assert_true(urbs[0].order < urbs[2].order && urbs[2].order < urbs[3].order);
	assert_int_equal(urbs[0].transfer.status, USBDEV_STATUS_CANCELLED);
	assert_int_equal(urbs[1].order + urbs[4].order, 0);
	assert_ptr_equal(emulated_first(device, EP_OUT), &urbs[1].transfer);
	urb_cancel(&urbs[1]);
	host_reset(&host);
	assert_true(urbs[1].order < urbs[4].order);
	assert_int_equal(urbs[4].transfer.status, USBDEV_STATUS_CANCELLED);
	for (unsigned i = 0; i < 5; i++)
		urb_finish(&urbs[i]);
	/* each reset is answered */
	usbdev_reset(host.dev);
	usbdev_reset(host.dev);
	host_settle(&host);
	assert_int_equal(host.resets, 3);
	host_finish(&host);
}

static void test_vendor_requests(void **state)
{
	uint8_t *buf = calloc(1, 65535);
	struct urb urb;

	(void)state;
	start(USBDEV_SPEED_HIGH);
	/* longer than the answer, and as long as can be asked */
	assert_int_equal(host_control(&host, 0xc0, 0x5b, 0, 0, buf, 65535),
			 EMULATED_CONTROL_MAX);
	assert_int_equal(host_control(&host, 0xc0, 0x5b, 0, 0, buf, 3), 3);
	assert_int_equal(buf[2], 0x5b);
	assert_int_equal(host_control(&host, 0xc0, 0x5c, 0, 0, buf, 3), HOST_STALL);
	buf[EMULATED_CONTROL_MAX - 1] = 0x77;
	assert_int_equal(host_control(&host, 0x40, 0x5b, 0, 0, buf, EMULATED_CONTROL_MAX),
			 EMULATED_CONTROL_MAX);
	assert_int_equal(
		host_control(&host, 0x40, 0x5b, 0, 0, buf, EMULATED_CONTROL_MAX + 1),
		HOST_STALL);
	assert_int_equal(host_control(&host, 0x40, 0x5b, 0, 0, NULL, 0), 0);
	/* a data stage shorter than wLength, in both directions */
	for (unsigned in = 0; in < 2; in++) {
		urb_init(&urb, &host, 0, 5);
		memset(urb.data, 0x77, 5);
		urb.transfer.type = USBDEV_TYPE_CONTROL;
		urb.transfer.setup = (struct usbdev_setup){
			.request_type = in ? 0xc0 : 0x40, .request = 0x5b, .length = 100};
		urb_submit(&urb);
		urb_wait(&urb);
		assert_int_equal(urb.transfer.status, USBDEV_STATUS_OK);
		assert_int_equal(urb.transfer.actual_bytes, 5);
		assert_int_equal(vendor_len, 5);
		urb.fault = true;
		urb_submit(&urb);
		urb_wait(&urb);
		assert_int_equal(urb.transfer.status, USBDEV_STATUS_MEMORY);
		urb_finish(&urb);
	}
	/* a control endpoint that is not 0 */
	urb_init(&urb, &host, 5, 0);
	urb.transfer.type = USBDEV_TYPE_CONTROL;
	urb_submit(&urb);
	urb_wait(&urb);
	assert_int_equal(urb.transfer.status, USBDEV_STATUS_ERROR);
	urb_finish(&urb);
	host_finish(&host);
	free(buf);
}

/* Every setup packet of a kind gets an answer. */
static void test_any_setup(void **state)
{
	uint8_t buf[16] = {0};
	unsigned seed = 99;

	(void)state;
	start(USBDEV_SPEED_SUPER);
	for (unsigned type = 0; type < 256; type++) {
		for (unsigned request = 0; request < 256; request++) {
			uint16_t value = (uint16_t)(rand_r(&seed) & 0x31ff);
			uint16_t index = (uint16_t)(rand_r(&seed) & 0x1ff);

			(void)host_control(&host, (uint8_t)type, (uint8_t)request, value,
					   index, buf, 16);
		}
	}
	host_finish(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_descriptor),
		cmocka_unit_test(test_config_descriptor),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_configuration),
		cmocka_unit_test(test_features_super),
		cmocka_unit_test(test_features_high),
		cmocka_unit_test(test_halt),
		cmocka_unit_test(test_cancel_order),
		cmocka_unit_test(test_vendor_requests),
		cmocka_unit_test(test_any_setup),
	};

	return cmocka_run_group_tests_name("emulated", tests, NULL, NULL);
}
