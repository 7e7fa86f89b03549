/* SPDX-License-Identifier: MIT
 * descr.c - builds the descriptors of a test device
 */
#include "tests/vm/devices/descr.h"

#include <assert.h>
#include <string.h>

#include "util/bytes.h"

static struct descr_config *last_config(struct descr_set *set)
{
	assert(set->config_count > 0);
	return &set->configs[set->config_count - 1];
}

void descr_begin(struct descr_set *set, enum usb_speed speed, uint16_t vendor_id,
		 uint16_t product_id)
{
	uint8_t *d = set->device;
	static const uint16_t version[] = {
		[USB_SPEED_LOW] = 0x0110,        [USB_SPEED_FULL] = 0x0110,
		[USB_SPEED_HIGH] = 0x0200,       [USB_SPEED_SUPER] = 0x0300,
		[USB_SPEED_SUPER_PLUS] = 0x0310,
	};

	memset(set, 0, sizeof(*set));
	set->speed = speed;
	d[0] = sizeof(set->device);
	d[1] = DESCR_DEVICE;
	put_le16(d + 2, version[speed]);
	d[7] = speed >= USB_SPEED_SUPER ? 9 : speed == USB_SPEED_LOW ? 8 : 64;
	put_le16(d + 8, vendor_id);
	put_le16(d + 10, product_id);
	put_le16(d + 12, 0x0100);
	d[14] = 1;
	d[15] = 2;
	d[16] = 3;
	set->strings[1] = "usbvfiod tests";
	set->strings[2] = "test device";
	set->strings[3] = "0001";
}

struct descr_config *descr_config(struct descr_set *set, uint8_t value)
{
	struct descr_config *config;
	uint8_t head[9] = {9, DESCR_CONFIGURATION, 9, 0, 0, value, 0, 0x80, 50};

	assert(set->config_count < DESCR_CONFIGS_MAX);
	config = &set->configs[set->config_count++];
	set->device[17] = (uint8_t)set->config_count;
	config->len = 0;
	descr_raw(set, head, sizeof(head));
	return config;
}

void descr_raw(struct descr_set *set, const void *bytes, size_t len)
{
	struct descr_config *config = last_config(set);

	assert(len <= sizeof(config->bytes) - config->len);
	memcpy(config->bytes + config->len, bytes, len);
	config->len += len;
	put_le16(config->bytes + 2, (uint16_t)config->len);
}

void descr_interface(struct descr_set *set, uint8_t number, uint8_t alternate,
		     const uint8_t class_code[3])
{
	uint8_t d[9] = {9, DESCR_INTERFACE, number, alternate, 0, 0xff, 0, 0, 0};

	if (class_code)
		memcpy(d + 5, class_code, 3);
	if (alternate == 0)
		last_config(set)->bytes[4]++;
	descr_raw(set, d, sizeof(d));
}

uint16_t descr_bulk_packet(enum usb_speed speed)
{
	return speed >= USB_SPEED_SUPER ? 1024 : speed == USB_SPEED_HIGH ? 512 : 64;
}

static uint16_t default_packet(enum usb_speed speed, enum ep_type type)
{
	switch (type) {
	case EP_BULK:
		return descr_bulk_packet(speed);
	case EP_ISO:
		return speed == USB_SPEED_FULL ? 1023 : 1024;
	case EP_INTERRUPT:
		return speed == USB_SPEED_LOW ? 8 : 64;
	case EP_CONTROL:
		break;
	}
	return 64;
}

/* Adds one to bNumEndpoints of the last interface descriptor. */
static void count_endpoint(struct descr_config *config)
{
	size_t at = 0;
	uint8_t *interface = NULL;

	while (at + 2 <= config->len && config->bytes[at] >= 2) {
		if (config->bytes[at + 1] == DESCR_INTERFACE)
			interface = config->bytes + at;
		at += config->bytes[at];
	}
	if (interface)
		interface[4]++;
}

void descr_endpoint(struct descr_set *set, struct descr_ep ep)
{
	uint16_t size =
		ep.max_packet ? ep.max_packet : default_packet(set->speed, ep.type);
	uint8_t d[7] = {7, DESCR_ENDPOINT, ep.addr, (uint8_t)ep.type, 0, 0, ep.interval};
	uint8_t companion[6] = {6, DESCR_COMPANION, ep.burst, ep.mult};

	put_le16(d + 4, size);
	descr_raw(set, d, sizeof(d));
	count_endpoint(last_config(set));
	if (set->speed < USB_SPEED_SUPER)
		return;
	if (ep.type == EP_ISO || ep.type == EP_INTERRUPT)
		put_le16(companion + 4,
			 (uint16_t)(size * (ep.burst + 1) * (ep.mult + 1)));
	descr_raw(set, companion, sizeof(companion));
}

const struct descr_config *descr_find_config(const struct descr_set *set, uint8_t value)
{
	for (unsigned i = 0; i < set->config_count; i++) {
		if (set->configs[i].bytes[5] == value)
			return &set->configs[i];
	}
	return NULL;
}

const uint8_t *descr_find_endpoint(const struct descr_set *set, uint8_t configuration,
				   const uint8_t *alternate, uint8_t ep_addr)
{
	const struct descr_config *config = descr_find_config(set, configuration);
	int chosen = 0;

	for (size_t at = 0; config && at + 2 <= config->len && config->bytes[at] >= 2;
	     at += config->bytes[at]) {
		const uint8_t *d = config->bytes + at;

		if (at + d[0] > config->len)
			break;
		if (d[1] == DESCR_INTERFACE && d[0] >= 9)
			chosen = alternate[d[2]] == d[3];
		if (d[1] == DESCR_ENDPOINT && d[0] >= 7 && chosen && d[2] == ep_addr)
			return d;
	}
	return NULL;
}

int descr_has_interface(const struct descr_set *set, uint8_t configuration,
			uint8_t number, uint8_t alternate)
{
	const struct descr_config *config = descr_find_config(set, configuration);

	for (size_t at = 0; config && at + 9 <= config->len && config->bytes[at] >= 2;
	     at += config->bytes[at]) {
		const uint8_t *d = config->bytes + at;

		if (d[1] == DESCR_INTERFACE && d[2] == number && d[3] == alternate)
			return 1;
	}
	return 0;
}

size_t descr_string(const struct descr_set *set, uint8_t index, uint8_t *buf)
{
	const char *text;
	size_t len;

	buf[1] = DESCR_STRING;
	if (index == 0) {
		buf[0] = 4;
		put_le16(buf + 2, 0x0409);
		return 4;
	}
	text = index < DESCR_STRINGS_MAX ? set->strings[index] : NULL;
	if (!text)
		return 0;
	len = strlen(text) < 126 ? strlen(text) : 126;
	buf[0] = (uint8_t)(2 + 2 * len);
	for (size_t i = 0; i < len; i++)
		put_le16(buf + 2 + 2 * i, (uint8_t)text[i]);
	return buf[0];
}

size_t descr_bos(const struct descr_set *set, uint8_t *buf)
{
	static const uint8_t bos[] = {
		5,  DESCR_BOS,        22, 0, 2,          /* two capabilities */
		7,  DESCR_CAPABILITY, 2,  0, 0,    0, 0, /* USB 2.0 extension: no LPM */
		10, DESCR_CAPABILITY, 3,  0, 0x0e, 0, 1, 0, 0, 0, /* super speed */
	};

	if (set->speed < USB_SPEED_SUPER)
		return 0;
	memcpy(buf, bos, sizeof(bos));
	return sizeof(bos);
}

size_t descr_qualifier(const struct descr_set *set, uint8_t *buf)
{
	if (set->speed != USB_SPEED_HIGH)
		return 0;
	memset(buf, 0, 10);
	buf[0] = 10;
	buf[1] = DESCR_QUALIFIER;
	memcpy(buf + 2, set->device + 2, 6); /* version, class, packet size */
	buf[8] = set->device[17];
	return 10;
}
