/* SPDX-License-Identifier: MIT
 * emulated_info.h - how a kind of emulated device describes itself, and what each one has
 */
#ifndef USBDEV_EMULATED_INFO_H
#define USBDEV_EMULATED_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/usbdev.h"
#include "util/list.h"
#include "util/loop.h"

/* Largest data stage of a control transfer that a device gets. */
#define EMULATED_CONTROL_MAX    4096u
#define EMULATED_INTERFACES_MAX 4u
/* wTotalLength of a configuration; emulated_init() asserts it. */
#define EMULATED_CONFIG_MAX 512u

/* Standard requests, features and descriptor types (USB 3.2 tables 9-5 to 9-9). */
enum emulated_request {
	EMULATED_REQUEST_GET_STATUS = 0,
	EMULATED_REQUEST_CLEAR_FEATURE = 1,
	EMULATED_REQUEST_SET_FEATURE = 3,
	EMULATED_REQUEST_SET_ADDRESS = 5,
	EMULATED_REQUEST_GET_DESCRIPTOR = 6,
	EMULATED_REQUEST_GET_CONFIGURATION = 8,
	EMULATED_REQUEST_SET_CONFIGURATION = 9,
	EMULATED_REQUEST_GET_INTERFACE = 10,
	EMULATED_REQUEST_SET_INTERFACE = 11,
	EMULATED_REQUEST_SET_SEL = 48,
	EMULATED_REQUEST_SET_ISOCH_DELAY = 49,
};

enum emulated_feature {
	EMULATED_FEATURE_ENDPOINT_HALT = 0,
	EMULATED_FEATURE_FUNCTION_SUSPEND = 0, /* recipient interface */
	EMULATED_FEATURE_REMOTE_WAKEUP = 1,
	EMULATED_FEATURE_U1_ENABLE = 48,
	EMULATED_FEATURE_U2_ENABLE = 49,
	EMULATED_FEATURE_LTM_ENABLE = 50,
};

enum emulated_descr {
	EMULATED_DESCR_DEVICE = 1,
	EMULATED_DESCR_CONFIG = 2,
	EMULATED_DESCR_STRING = 3,
	EMULATED_DESCR_INTERFACE = 4,
	EMULATED_DESCR_ENDPOINT = 5,
	EMULATED_DESCR_QUALIFIER = 6,
	EMULATED_DESCR_OTHER_SPEED = 7,
	EMULATED_DESCR_BOS = 15,
	EMULATED_DESCR_CAPABILITY = 16,
	EMULATED_DESCR_SS_COMPANION = 48,
};

/* bmRequestType without the direction: type | recipient. */
enum emulated_recipient {
	EMULATED_RECIPIENT_STANDARD_DEVICE = 0x00,
	EMULATED_RECIPIENT_STANDARD_INTERFACE = 0x01,
	EMULATED_RECIPIENT_STANDARD_ENDPOINT = 0x02,
	EMULATED_RECIPIENT_CLASS_INTERFACE = 0x21,
};

/* Index of the per-speed columns below. */
enum emulated_column {
	EMULATED_COLUMN_FULL, /* low speed too */
	EMULATED_COLUMN_HIGH,
	EMULATED_COLUMN_SUPER,
	EMULATED_COLUMNS,
};

/**
 * struct emulated_ep_info - an endpoint, at every speed
 * @attributes:	bmAttributes
 * @max_packet:	wMaxPacketSize by column
 * @interval:	bInterval by column
 * @burst, @ss_attributes, @ss_bytes_per_interval: of the SuperSpeed companion
 */
struct emulated_ep_info {
	uint8_t addr;
	uint8_t attributes;
	uint16_t max_packet[EMULATED_COLUMNS];
	uint8_t interval[EMULATED_COLUMNS];
	uint8_t burst;
	uint8_t ss_attributes;
	uint16_t ss_bytes_per_interval;
};

/* @class_descr: class-specific descriptors that follow the interface's own */
struct emulated_interface_info {
	uint8_t number;
	uint8_t alternate;
	uint8_t class;
	uint8_t subclass;
	uint8_t protocol;
	uint8_t string;
	uint8_t class_descr_bytes;
	const uint8_t *class_descr;
	unsigned n_eps;
	const struct emulated_ep_info *eps;
};

/* @interfaces: by number, then alternate setting */
struct emulated_config_info {
	uint8_t value;
	uint8_t attributes; /* bmAttributes; bit 7 is always set */
	uint8_t string;
	uint16_t max_power_ma;
	unsigned n_interfaces;
	const struct emulated_interface_info *interfaces;
};

#define EMULATED_CONFIG_SELF_POWERED  0x40u
#define EMULATED_CONFIG_REMOTE_WAKEUP 0x20u

struct emulated;

/**
 * struct emulated_info - what a kind of device is, constant
 * @strings:	numbers of the manufacturer, product and serial number strings
 *		are 1, 2, 3
 * @request:	a class or vendor request, or an unknown standard one. @data has
 *		EMULATED_CONTROL_MAX bytes: IN: fill it; OUT: @len bytes from the
 *		host. Return: bytes of an IN answer (more than requested is fine), 0
 *		for OUT, negative: stall. May be NULL
 * @queued:	there is a new transfer on @ep_addr (never halted). May be NULL
 * @configured:	the host set a configuration or an alternate setting (even the present
 *		one), or reset the device (configuration 0): start over. The queues are
 *		empty already. May be NULL
 * @may_clear_halt: false: @ep_addr stays halted in spite of CLEAR_FEATURE.
 *		NULL: always true
 * @destroy:	as in struct usbdev_ops
 */
struct emulated_info {
	uint16_t vendor;
	uint16_t product;
	uint16_t bcd_device;
	uint8_t class;
	uint8_t subclass;
	uint8_t protocol;
	unsigned n_configs;
	const struct emulated_config_info *configs;
	int (*request)(struct emulated *dev, const struct usbdev_setup *setup,
		       uint8_t *data, uint32_t len);
	void (*queued)(struct emulated *dev, uint8_t ep_addr);
	void (*configured)(struct emulated *dev);
	bool (*may_clear_halt)(struct emulated *dev, uint8_t ep_addr);
	void (*destroy)(struct emulated *dev);
};

#define EMULATED_STRINGS 3u

struct emulated_ep {
	const struct emulated_ep_info *info; /* NULL: not in the present setting */
	bool halted;
	struct list queue; /* of usbdev_transfer.node */
};

/**
 * struct emulated - first member of each emulated device's own struct
 * @strings:	manufacturer, product, serial number; ASCII, borrowed. NULL: none
 * @configuration: value of the present configuration; 0 = not configured
 */
struct emulated {
	struct usbdev usbdev;
	const struct emulated_info *info;
	const char *strings[EMULATED_STRINGS];
	uint8_t configuration;
	uint8_t alternates[EMULATED_INTERFACES_MAX];
	bool remote_wakeup;
	bool function_wakeup;
	bool u1_enabled;
	bool u2_enabled;
	bool ltm_enabled;
	bool suspended;
	unsigned resets_pending;
	struct loop_task reset_task;
	struct loop_task cancel_task;
	struct emulated_ep eps[32];
	uint8_t control_data[EMULATED_CONTROL_MAX];
};

#endif /* USBDEV_EMULATED_INFO_H */
