/* SPDX-License-Identifier: MIT
 * descr.h - builds the descriptors of a test device
 *
 * These functions fill in lengths and counts, so a kind lists only its own endpoints. The hostile
 * kind changes the bytes afterwards.
 */
#ifndef DEVICES_DESCR_H
#define DEVICES_DESCR_H

#include <stddef.h>
#include <stdint.h>

/* The numbers of Linux and of vhci's attach file. */
enum usb_speed {
	USB_SPEED_LOW = 1,
	USB_SPEED_FULL = 2,
	USB_SPEED_HIGH = 3,
	USB_SPEED_SUPER = 5,
	USB_SPEED_SUPER_PLUS = 6,
};

enum descr_type {
	DESCR_DEVICE = 1,
	DESCR_CONFIGURATION = 2,
	DESCR_STRING = 3,
	DESCR_INTERFACE = 4,
	DESCR_ENDPOINT = 5,
	DESCR_QUALIFIER = 6,
	DESCR_OTHER_SPEED = 7,
	DESCR_BOS = 15,
	DESCR_CAPABILITY = 16,
	DESCR_COMPANION = 48,
};

enum ep_type {
	EP_CONTROL = 0,
	EP_ISO = 1,
	EP_BULK = 2,
	EP_INTERRUPT = 3,
};

#define DESCR_BYTES_MAX   65535u
#define DESCR_CONFIGS_MAX 2u
#define DESCR_STRINGS_MAX 4u

struct descr_config {
	uint8_t bytes[DESCR_BYTES_MAX];
	size_t len;
};

struct descr_set {
	enum usb_speed speed;
	uint8_t device[18];
	struct descr_config configs[DESCR_CONFIGS_MAX];
	unsigned config_count;
	const char *strings[DESCR_STRINGS_MAX]; /* by index; 0 is not used */
};

struct descr_ep {
	uint8_t addr;
	enum ep_type type;
	uint16_t max_packet; /* 0: the speed's default; with bits 12:11 at high speed */
	uint8_t interval;
	uint8_t burst; /* bMaxBurst, super speed */
	uint8_t mult;  /* Mult, super speed isochronous */
};

/* Starts a set: a device descriptor with these ids, and no configuration. */
void descr_begin(struct descr_set *set, enum usb_speed speed, uint16_t vendor_id,
		 uint16_t product_id);

/* Appends a configuration; append its interfaces next. Return: the configuration, to change its
 * bytes */
struct descr_config *descr_config(struct descr_set *set, uint8_t value);

/* Appends an interface (class 0xff if @class_code is NULL) to the last configuration; append its
 * endpoints next. */
void descr_interface(struct descr_set *set, uint8_t number, uint8_t alternate,
		     const uint8_t class_code[3]);

/* Appends an endpoint, at super speed with its companion descriptor. */
void descr_endpoint(struct descr_set *set, struct descr_ep ep);

/* Appends any bytes. */
void descr_raw(struct descr_set *set, const void *bytes, size_t len);

/* The maximum packet size of bulk endpoints. */
uint16_t descr_bulk_packet(enum usb_speed speed);

/* The endpoint descriptor of @ep_addr in this configuration and these alternate settings.
 * Return: its bytes, NULL if there is none */
const uint8_t *descr_find_endpoint(const struct descr_set *set, uint8_t configuration,
				   const uint8_t *alternate, uint8_t ep_addr);

/* Whether this configuration has that interface and alternate setting. */
int descr_has_interface(const struct descr_set *set, uint8_t configuration,
			uint8_t number, uint8_t alternate);

/* The configuration with this bConfigurationValue, NULL if there is none. */
const struct descr_config *descr_find_config(const struct descr_set *set, uint8_t value);

/* Put a string, BOS or qualifier descriptor into @buf of 256 bytes. Return: length, 0 if there is
 * none */
size_t descr_string(const struct descr_set *set, uint8_t index, uint8_t *buf);
size_t descr_bos(const struct descr_set *set, uint8_t *buf);
size_t descr_qualifier(const struct descr_set *set, uint8_t *buf);

#endif /* DEVICES_DESCR_H */
