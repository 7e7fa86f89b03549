/* SPDX-License-Identifier: MIT
 * kind_hostile.c - devices whose descriptors lie
 *
 * Option variant=NAME chooses the lie; "vhci-device --kind hostile --option variant=list" lists
 * them. Bulk IN endpoints return zeros, bulk OUT endpoints take all data, and interrupt transfers
 * never complete.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vm/devices/device.h"
#include "util/bytes.h"
#include "util/compiler.h"

struct variant {
	const char *name;
	void (*build)(struct device *dev);
};

static const struct variant *variant;
static uint32_t reads;

static void bulk(struct descr_set *set, uint8_t addr)
{
	descr_endpoint(set, (struct descr_ep){.addr = addr, .type = EP_BULK});
}

static void ordinary(struct device *dev)
{
	(void)descr_config(&dev->descr, 1);
	descr_interface(&dev->descr, 0, 0, NULL);
	bulk(&dev->descr, 0x81);
	bulk(&dev->descr, 0x01);
}

static void build_zero_ep0(struct device *dev)
{
	ordinary(dev);
	dev->descr.device[7] = 0;
}

/* Sets wMaxPacketSize of all endpoints to @size, and bInterval to @interval. */
static void all_packets(struct device *dev, uint16_t size, uint8_t interval)
{
	struct descr_config *config = &dev->descr.configs[0];

	for (size_t at = 0; at + 7 <= config->len; at += config->bytes[at]) {
		if (config->bytes[at + 1] != DESCR_ENDPOINT)
			continue;
		put_le16(config->bytes + at + 4, size);
		config->bytes[at + 6] = interval;
	}
}

static void all_types(struct device *dev)
{
	ordinary(dev);
	descr_endpoint(
		&dev->descr,
		(struct descr_ep){.addr = 0x82, .type = EP_INTERRUPT, .interval = 4});
	descr_interface(&dev->descr, 0, 1, NULL);
	descr_endpoint(&dev->descr,
		       (struct descr_ep){.addr = 0x83, .type = EP_ISO, .interval = 1});
	descr_endpoint(&dev->descr,
		       (struct descr_ep){.addr = 0x03, .type = EP_ISO, .interval = 1});
}

static void build_zero_packets(struct device *dev)
{
	all_types(dev);
	all_packets(dev, 0, 0);
}

static void build_big_packets(struct device *dev)
{
	all_types(dev);
	all_packets(dev, 0xffff, 255);
}

static void build_long_total(struct device *dev)
{
	ordinary(dev);
	put_le16(dev->descr.configs[0].bytes + 2, 4096);
}

static void build_short_total(struct device *dev)
{
	ordinary(dev);
	put_le16(dev->descr.configs[0].bytes + 2, 9 + 9 + 3);
}

static void build_head_only(struct device *dev)
{
	ordinary(dev);
	put_le16(dev->descr.configs[0].bytes + 2, 9);
}

/* Puts a descriptor that claims @len bytes into the middle of an otherwise good configuration. */
static void middle(struct device *dev, uint8_t len)
{
	uint8_t bytes[8] = {len, 0x24, 1, 2, 3, 4, 5, 6};

	ordinary(dev);
	descr_raw(&dev->descr, bytes, sizeof(bytes));
	descr_interface(&dev->descr, 1, 0, NULL);
	bulk(&dev->descr, 0x82);
}

static void build_length_zero(struct device *dev)
{
	middle(dev, 0);
}

static void build_length_one(struct device *dev)
{
	middle(dev, 1);
}

static void build_length_over(struct device *dev)
{
	middle(dev, 255);
}

static void build_garbage(struct device *dev)
{
	uint32_t seed = (uint32_t)option_number(dev, "seed", 1);

	ordinary(dev);
	for (unsigned i = 0; i < 2000; i++) {
		uint8_t byte;

		seed = seed * 1664525u + 1013904223u;
		byte = (uint8_t)(seed >> 24);
		descr_raw(&dev->descr, &byte, 1);
	}
}

static void build_endless(struct device *dev)
{
	static const uint8_t nonsense[3] = {3, 0x24, 0};

	ordinary(dev);
	while (dev->descr.configs[0].len + sizeof(nonsense) <= DESCR_BYTES_MAX)
		descr_raw(&dev->descr, nonsense, sizeof(nonsense));
}

static void build_duplicates(struct device *dev)
{
	ordinary(dev);
	bulk(&dev->descr, 0x81);
	descr_endpoint(
		&dev->descr,
		(struct descr_ep){.addr = 0x81, .type = EP_INTERRUPT, .interval = 1});
	descr_interface(&dev->descr, 1, 0, NULL);
	bulk(&dev->descr, 0x81);
	bulk(&dev->descr, 0x01);
}

static void build_conflicts(struct device *dev)
{
	ordinary(dev);
	for (uint8_t i = 0; i < 4; i++) {
		descr_interface(&dev->descr, 0, (uint8_t)(i + 1), NULL);
		descr_endpoint(&dev->descr, (struct descr_ep){
						    .addr = 0x81,
						    .type = (enum ep_type)i,
						    .interval = 1,
						    .max_packet = 64,
					    });
	}
}

static void build_odd_numbers(struct device *dev)
{
	static const uint8_t numbers[] = {3, 7, 200};

	(void)descr_config(&dev->descr, 1);
	for (uint8_t i = 0; i < sizeof(numbers); i++) {
		descr_interface(&dev->descr, numbers[i], 0, NULL);
		bulk(&dev->descr, (uint8_t)(0x81 + i));
		descr_interface(&dev->descr, numbers[i], 5, NULL);
		bulk(&dev->descr, (uint8_t)(0x81 + i));
	}
}

static void build_no_alternate_zero(struct device *dev)
{
	(void)descr_config(&dev->descr, 1);
	descr_interface(&dev->descr, 0, 1, NULL);
	bulk(&dev->descr, 0x81);
	descr_interface(&dev->descr, 0, 2, NULL);
	bulk(&dev->descr, 0x82);
	dev->descr.configs[0].bytes[4] = 1;
}

static void build_many_interfaces(struct device *dev)
{
	(void)descr_config(&dev->descr, 1);
	for (uint8_t i = 0; i < 32; i++) {
		descr_interface(&dev->descr, i, 0, NULL);
		if (i < 15)
			bulk(&dev->descr, (uint8_t)(0x81 + i));
	}
}

static void build_many_alternates(struct device *dev)
{
	(void)descr_config(&dev->descr, 1);
	for (unsigned i = 0; i < 256; i++) {
		descr_interface(&dev->descr, 0, (uint8_t)i, NULL);
		bulk(&dev->descr, (uint8_t)(0x81 + i % 15));
	}
}

static void build_config_zero(struct device *dev)
{
	ordinary(dev);
	dev->descr.configs[0].bytes[5] = 0;
}

static void build_hub(struct device *dev)
{
	static const uint8_t hub_class[3] = {9, 0, 0};

	dev->descr.device[4] = 9;
	(void)descr_config(&dev->descr, 1);
	descr_interface(&dev->descr, 0, 0, hub_class);
	descr_endpoint(&dev->descr, (struct descr_ep){
					    .addr = 0x81,
					    .type = EP_INTERRUPT,
					    .interval = 12,
					    .max_packet = 1,
				    });
}

static void build_counts_lie(struct device *dev)
{
	ordinary(dev);
	dev->descr.configs[0].bytes[4] = 30;     /* bNumInterfaces */
	dev->descr.configs[0].bytes[9 + 4] = 30; /* bNumEndpoints */
}

static void build_no_configurations(struct device *dev)
{
	ordinary(dev);
	dev->descr.device[17] = 0;
}

static void build_many_configurations(struct device *dev)
{
	ordinary(dev);
	dev->descr.device[17] = 255;
}

static void build_odd_addresses(struct device *dev)
{
	static const uint8_t addresses[] = {0x00, 0x80, 0x91, 0x7f, 0xff};

	ordinary(dev);
	for (size_t i = 0; i < sizeof(addresses); i++)
		bulk(&dev->descr, addresses[i]);
}

static void build_strange_classes(struct device *dev)
{
	static const uint8_t uas[3] = {8, 6, 0x62};

	(void)descr_config(&dev->descr, 1);
	descr_interface(&dev->descr, 0, 0, uas);
	descr_interface(&dev->descr, 0, 1, uas);
	bulk(&dev->descr, 0x81);
}

static const struct variant VARIANTS[] = {
	{"zero-ep0", build_zero_ep0},
	{"zero-packets", build_zero_packets},
	{"big-packets", build_big_packets},
	{"long-total", build_long_total},
	{"short-total", build_short_total},
	{"head-only", build_head_only},
	{"length-zero", build_length_zero},
	{"length-one", build_length_one},
	{"length-over", build_length_over},
	{"garbage", build_garbage},
	{"endless", build_endless},
	{"changing", all_types},
	{"duplicates", build_duplicates},
	{"conflicts", build_conflicts},
	{"odd-numbers", build_odd_numbers},
	{"no-alternate-zero", build_no_alternate_zero},
	{"many-interfaces", build_many_interfaces},
	{"many-alternates", build_many_alternates},
	{"config-zero", build_config_zero},
	{"hub", build_hub},
	{"counts-lie", build_counts_lie},
	{"no-configurations", build_no_configurations},
	{"many-configurations", build_many_configurations},
	{"odd-addresses", build_odd_addresses},
	{"strange-classes", build_strange_classes},
	{"endless-strings", ordinary},
	{"short-strings", ordinary},
	{"long-answers", ordinary},
	{"another-after-reset", ordinary},
	{"changed-after-reset", ordinary},
	{"gone-after-reset", ordinary},
};

static bool is_variant(const char *name)
{
	return strcmp(variant->name, name) == 0;
}

static void kick(struct device *dev, struct endpoint *ep)
{
	const uint8_t *d = descr_find_endpoint(&dev->descr, dev->configuration,
					       dev->alternate, ep->addr);
	struct urb *urb;

	while ((urb = endpoint_first(ep)) && d && (d[3] & 3) == EP_BULK) {
		bool babble = is_variant("long-answers") && (ep->addr & 0x80);

		device_complete(dev, urb, babble ? -EOVERFLOW : 0, urb->len);
	}
}

/* Changes the serial number and the endpoints for each read. */
static void change(struct device *dev)
{
	struct descr_config *config = &dev->descr.configs[0];

	reads++;
	dev->descr.device[12] = (uint8_t)reads;
	dev->descr.strings[3] = reads & 1 ? "0002" : "0001";
	config->bytes[9 + 9 + 2] = reads & 2 ? 0x84 : 0x81;
	config->bytes[9 + 9 + 3] = reads & 4 ? EP_INTERRUPT : EP_BULK;
}

static enum control_answer bad_string(struct device *dev, struct urb *urb)
{
	uint8_t text[255];

	memset(text, 0xd8, sizeof(text)); /* halves of surrogate pairs */
	text[0] = is_variant("short-strings") ? (uint8_t)(reads++ % 4) : 255;
	text[1] = DESCR_STRING;
	control_reply(dev, urb, text, sizeof(text));
	return CONTROL_DONE;
}

static enum control_answer control(struct device *dev, struct urb *urb)
{
	uint8_t type = urb->setup[3];
	bool read = urb->setup[0] == 0x80 && urb->setup[1] == 6;

	if (read && type == DESCR_STRING && urb->setup[2] != 0 &&
	    (is_variant("endless-strings") || is_variant("short-strings")))
		return bad_string(dev, urb);
	if (read && is_variant("changing") && type <= DESCR_CONFIGURATION)
		change(dev);
	if (is_variant("many-configurations") && read && type == DESCR_CONFIGURATION)
		urb->setup[2] = 0;
	if (is_variant("long-answers") && urb->setup[0] == 0xc0) {
		device_complete(dev, urb, -EOVERFLOW, urb->len);
		return CONTROL_DONE;
	}
	return CONTROL_STANDARD;
}

static void reset(struct device *dev)
{
	if (is_variant("another-after-reset")) {
		put_le16(dev->descr.device + 10, 0xbad1);
		dev->descr.strings[2] = "another";
		dev->descr.strings[3] = "0009";
	}
	if (is_variant("changed-after-reset") && dev->descr.config_count == 1) {
		descr_interface(&dev->descr, 1, 0, NULL);
		bulk(&dev->descr, 0x82);
	}
	if (is_variant("gone-after-reset"))
		dev->gone = true;
}

static void stats(struct device *dev, FILE *out)
{
	(void)dev;
	(void)fprintf(out, " variant=%s reads=%u", variant->name, reads);
}

static int init(struct device *dev)
{
	const char *name = option_text(dev, "variant");

	for (size_t i = 0; i < ARRAY_SIZE(VARIANTS); i++) {
		if (name && strcmp(name, "list") == 0)
			say("%s", VARIANTS[i].name);
		if (name && strcmp(name, VARIANTS[i].name) == 0)
			variant = &VARIANTS[i];
	}
	if (!variant)
		return -EINVAL;
	descr_begin(&dev->descr, dev->speed, 0x1209, 0xbad0);
	dev->descr.strings[2] = variant->name;
	variant->build(dev);
	return 0;
}

const struct kind kind_hostile = {
	.name = "hostile",
	.summary = "1209:bad0 descriptors that lie; option variant=NAME, variant=list",
	.init = init,
	.control = control,
	.kick = kick,
	.reset = reset,
	.stats = stats,
};
