/* SPDX-License-Identifier: MIT
 * emulated_descr.c - descriptors of emulated devices (USB 2.0 9.6, USB 3.2 9.6)
 */
#include "usbdev/emulated_descr.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "util/bytes.h"
#include "util/compiler.h"

#define LANGUAGE_ENGLISH_US 0x0409u
#define CAPABILITY_USB2_EXT 2u
#define CAPABILITY_SUPER    3u

enum emulated_column emulated_column(enum usbdev_speed speed)
{
	if (usbdev_speed_is_usb3(speed))
		return EMULATED_COLUMN_SUPER;
	return speed == USBDEV_SPEED_HIGH ? EMULATED_COLUMN_HIGH : EMULATED_COLUMN_FULL;
}

/* bMaxPacketSize0; an exponent at SuperSpeed (9.6.1) */
static uint8_t max_packet0(enum usbdev_speed speed)
{
	if (usbdev_speed_is_usb3(speed))
		return 9;
	return speed == USBDEV_SPEED_LOW ? 8 : 64;
}

static int put_device(const struct emulated *dev, uint8_t *d)
{
	const struct emulated_info *info = dev->info;

	d[0] = 18;
	d[1] = EMULATED_DESCR_DEVICE;
	put_le16(d + 2, usbdev_speed_is_usb3(dev->usbdev.speed) ? 0x0300 : 0x0200);
	d[4] = info->class;
	d[5] = info->subclass;
	d[6] = info->protocol;
	d[7] = max_packet0(dev->usbdev.speed);
	put_le16(d + 8, info->vendor);
	put_le16(d + 10, info->product);
	put_le16(d + 12, info->bcd_device);
	for (unsigned i = 0; i < EMULATED_STRINGS; i++)
		d[14 + i] = dev->strings[i] ? (uint8_t)(i + 1) : 0;
	d[17] = (uint8_t)info->n_configs;
	return 18;
}

/* Only at high speed: at full speed it would claim that the device could be
 * faster in another port, and at SuperSpeed there is none (9.6.2). */
static int put_qualifier(const struct emulated *dev, uint8_t *d)
{
	const struct emulated_info *info = dev->info;

	if (dev->usbdev.speed != USBDEV_SPEED_HIGH)
		return -EINVAL;
	d[0] = 10;
	d[1] = EMULATED_DESCR_QUALIFIER;
	put_le16(d + 2, 0x0200);
	d[4] = info->class;
	d[5] = info->subclass;
	d[6] = info->protocol;
	d[7] = max_packet0(USBDEV_SPEED_FULL);
	d[8] = (uint8_t)info->n_configs;
	d[9] = 0;
	return 10;
}

static unsigned put_ep(const struct emulated_ep_info *ep, enum emulated_column column,
		       uint8_t *d)
{
	d[0] = 7;
	d[1] = EMULATED_DESCR_ENDPOINT;
	d[2] = ep->addr;
	d[3] = ep->attributes;
	put_le16(d + 4, ep->max_packet[column]);
	d[6] = ep->interval[column];
	if (column != EMULATED_COLUMN_SUPER)
		return 7;
	d[7] = 6;
	d[8] = EMULATED_DESCR_SS_COMPANION;
	d[9] = ep->burst;
	d[10] = ep->ss_attributes;
	put_le16(d + 11, ep->ss_bytes_per_interval);
	return 13;
}

static unsigned put_interface(const struct emulated_interface_info *in,
			      enum emulated_column column, uint8_t *d)
{
	unsigned len = 9;

	d[0] = 9;
	d[1] = EMULATED_DESCR_INTERFACE;
	d[2] = in->number;
	d[3] = in->alternate;
	d[4] = (uint8_t)in->n_eps;
	d[5] = in->class;
	d[6] = in->subclass;
	d[7] = in->protocol;
	d[8] = in->string;
	if (in->class_descr_bytes > 0) {
		memcpy(d + len, in->class_descr, in->class_descr_bytes);
		len += in->class_descr_bytes;
	}
	for (unsigned i = 0; i < in->n_eps; i++)
		len += put_ep(&in->eps[i], column, d + len);
	return len;
}

static int put_config(const struct emulated *dev, uint8_t type, uint8_t index,
		      enum emulated_column column, uint8_t *d)
{
	const struct emulated_config_info *config;
	unsigned power_unit_ma = column == EMULATED_COLUMN_SUPER ? 8 : 2;
	unsigned len = 9;
	uint8_t interfaces = 0;

	if (index >= dev->info->n_configs)
		return -EINVAL;
	config = &dev->info->configs[index];
	for (unsigned i = 0; i < config->n_interfaces; i++) {
		const struct emulated_interface_info *in = &config->interfaces[i];

		assert(in->number < EMULATED_INTERFACES_MAX);
		interfaces = MAX_OF(interfaces, (uint8_t)(in->number + 1));
		len += put_interface(in, column, d + len);
	}
	assert(len <= EMULATED_CONFIG_MAX);
	d[0] = 9;
	d[1] = type;
	put_le16(d + 2, (uint16_t)len);
	d[4] = interfaces;
	d[5] = config->value;
	d[6] = config->string;
	d[7] = 0x80u | config->attributes;
	d[8] = (uint8_t)(config->max_power_ma / power_unit_ma);
	return (int)len;
}

/* The configuration as it would be at the other of full and high speed. */
static int put_other_speed(const struct emulated *dev, uint8_t index, uint8_t *d)
{
	if (dev->usbdev.speed != USBDEV_SPEED_HIGH)
		return -EINVAL;
	return put_config(dev, EMULATED_DESCR_OTHER_SPEED, index, EMULATED_COLUMN_FULL,
			  d);
}

static int put_string(const struct emulated *dev, uint8_t index, uint8_t *d)
{
	const char *s;
	unsigned len = 2;

	d[1] = EMULATED_DESCR_STRING;
	if (index == 0) {
		d[0] = 4;
		put_le16(d + 2, LANGUAGE_ENGLISH_US);
		return 4;
	}
	if (index > EMULATED_STRINGS || !dev->strings[index - 1])
		return -EINVAL;
	for (s = dev->strings[index - 1]; *s && len < 254; s++, len += 2)
		put_le16(d + len, (unsigned char)*s < 0x80 ? (unsigned char)*s : '?');
	d[0] = (uint8_t)len;
	return (int)len;
}

/* Exit latencies of 0: U1 and U2 would save nothing, so the host should not use them. */
static int put_bos(const struct emulated *dev, uint8_t *d)
{
	if (!usbdev_speed_is_usb3(dev->usbdev.speed))
		return -EINVAL; /* bcdUSB 2.00 */
	memset(d, 0, 22);
	d[0] = 5;
	d[1] = EMULATED_DESCR_BOS;
	put_le16(d + 2, 22);
	d[4] = 2;
	d[5] = 7; /* 9.6.2.1; SuperSpeed devices must have LPM */
	d[6] = EMULATED_DESCR_CAPABILITY;
	d[7] = CAPABILITY_USB2_EXT;
	put_le32(d + 8, 0x2);
	d[12] = 10; /* 9.6.2.2 */
	d[13] = EMULATED_DESCR_CAPABILITY;
	d[14] = CAPABILITY_SUPER;
	put_le16(d + 16, 0x0e); /* works at full, high and super speed */
	d[18] = 1;              /* fully functional at full speed and above */
	return 22;
}

int emulated_descr_get(const struct emulated *dev, uint8_t type, uint8_t index,
		       uint8_t *buf)
{
	switch (type) {
	case EMULATED_DESCR_DEVICE:
		return index == 0 ? put_device(dev, buf) : -EINVAL;
	case EMULATED_DESCR_CONFIG:
		return put_config(dev, type, index, emulated_column(dev->usbdev.speed),
				  buf);
	case EMULATED_DESCR_STRING:
		return put_string(dev, index, buf);
	case EMULATED_DESCR_QUALIFIER:
		return index == 0 ? put_qualifier(dev, buf) : -EINVAL;
	case EMULATED_DESCR_OTHER_SPEED:
		return put_other_speed(dev, index, buf);
	case EMULATED_DESCR_BOS:
		return index == 0 ? put_bos(dev, buf) : -EINVAL;
	default:
		return -EINVAL;
	}
}
