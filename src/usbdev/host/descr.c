/* SPDX-License-Identifier: MIT
 * descr.c - lookups in the descriptors of a real device
 */
#include "usbdev/host/descr.h"

#include <string.h>

#include "util/bytes.h"

/* USB 3.2 table 9-6; offsets of 9.6.3, 9.6.5, 9.6.6, 9.6.7 */
enum descr_type {
	DESCR_TYPE_CONFIG = 2,
	DESCR_TYPE_INTERFACE = 4,
	DESCR_TYPE_ENDPOINT = 5,
	DESCR_TYPE_SS_COMPANION = 0x30,
};

#define CONFIG_BYTES    9u
#define INTERFACE_BYTES 9u
#define ENDPOINT_BYTES  7u
#define COMPANION_BYTES 6u

#define CLASS_STORAGE 8u
#define SUBCLASS_SCSI 6u
#define PROTOCOL_UAS  0x62u

/* One configuration: @at is its first byte. */
struct config {
	const uint8_t *at;
	size_t len;
	uint8_t index;
	uint8_t value;
};

/* Moves @config to the next configuration, or to the first if its @at is NULL. */
static bool next_config(const uint8_t *raw, size_t len, struct config *config)
{
	const uint8_t *at;
	size_t left;

	if (len < DESCR_DEVICE_BYTES)
		return false;
	at = config->at ? config->at + config->len : raw + DESCR_DEVICE_BYTES;
	left = len - (size_t)(at - raw);
	if (left < CONFIG_BYTES || at[0] < CONFIG_BYTES || at[1] != DESCR_TYPE_CONFIG)
		return false;
	config->index = config->at ? config->index + 1 : 0;
	if (config->index >= DESCR_CONFIGS_MAX || get_le16(at + 2) < CONFIG_BYTES)
		return false;
	config->at = at;
	config->len = MIN_OF(left, get_le16(at + 2));
	config->value = at[5];
	return true;
}

static bool find_config(const uint8_t *raw, size_t len, uint8_t value,
			struct config *config)
{
	*config = (struct config){0};
	while (next_config(raw, len, config)) {
		if (config->value == value)
			return true;
	}
	return false;
}

/* The descriptor behind @descr within @config (NULL: the first behind the configuration descriptor),
 * or NULL. All its bLength bytes are there; at least two. */
static const uint8_t *next_descr(const struct config *config, const uint8_t *descr)
{
	size_t at = descr ? (size_t)(descr - config->at) + descr[0] : config->at[0];

	if (at + 2 > config->len || config->at[at] < 2 ||
	    at + config->at[at] > config->len)
		return NULL;
	return config->at + at;
}

static bool is_interface(const uint8_t *descr)
{
	return descr[1] == DESCR_TYPE_INTERFACE && descr[0] >= INTERFACE_BYTES;
}

static bool is_endpoint(const uint8_t *descr)
{
	return descr[1] == DESCR_TYPE_ENDPOINT && descr[0] >= ENDPOINT_BYTES &&
	       (descr[2] & 0x0f) != 0;
}

uint32_t descr_interfaces(const uint8_t *raw, size_t len, uint8_t config)
{
	const uint8_t *descr = NULL;
	struct config c;
	uint32_t bits = 0;

	if (!find_config(raw, len, config, &c))
		return 0;
	while ((descr = next_descr(&c, descr))) {
		if (is_interface(descr) && descr[2] < DESCR_INTERFACES_MAX)
			bits |= UINT32_C(1) << descr[2];
	}
	return bits;
}

uint32_t descr_endpoints(const uint8_t *raw, size_t len, uint8_t config,
			 uint8_t interface)
{
	const uint8_t *descr = NULL;
	bool within = false;
	struct config c;
	uint32_t bits = 0;

	if (!find_config(raw, len, config, &c))
		return 0;
	while ((descr = next_descr(&c, descr))) {
		if (is_interface(descr))
			within = descr[2] == interface;
		else if (within && is_endpoint(descr))
			bits |= descr_ep_bit(descr[2]);
	}
	return bits;
}

/* The number of streams of the bulk endpoint at @ep. MaxStreams of the companion that follows it is
 * an exponent (USB 3.2 table 9-27). */
static unsigned streams_of(const struct config *config, const uint8_t *ep)
{
	const uint8_t *companion = next_descr(config, ep);
	unsigned exponent;

	if ((ep[3] & 3) != 2 || !companion || companion[1] != DESCR_TYPE_SS_COMPANION ||
	    companion[0] < COMPANION_BYTES)
		return 0;
	exponent = companion[3] & 0x1f;
	return exponent > 0 && exponent <= 16 ? 1u << exponent : 0;
}

static unsigned most_streams(const struct config *config, uint8_t ep_addr)
{
	const uint8_t *descr = NULL;
	unsigned most = 0;

	while ((descr = next_descr(config, descr))) {
		if (is_endpoint(descr) && descr[2] == ep_addr)
			most = MAX_OF(most, streams_of(config, descr));
	}
	return most;
}

unsigned descr_streams(const uint8_t *raw, size_t len, uint8_t config,
		       const uint8_t *ep_addrs, unsigned ep_count)
{
	unsigned fewest = 0;
	struct config c;

	if (!find_config(raw, len, config, &c))
		return 0;
	for (unsigned i = 0; i < ep_count; i++) {
		unsigned streams = most_streams(&c, ep_addrs[i]);

		fewest = i == 0 ? streams : MIN_OF(fewest, streams);
	}
	return fewest;
}

/* Adds the endpoints of the alternate setting that starts at @descr. */
static void find_streams(const struct config *config, const uint8_t *descr,
			 struct descr_uas *uas)
{
	while ((descr = next_descr(config, descr)) && !is_interface(descr)) {
		unsigned streams = is_endpoint(descr) ? streams_of(config, descr) : 0;

		if (streams == 0 || uas->ep_count == ARRAY_SIZE(uas->ep_addrs))
			continue;
		uas->ep_addrs[uas->ep_count++] = descr[2];
		if (uas->streams == 0 || streams < uas->streams)
			uas->streams = streams;
	}
}

unsigned descr_find_uas(const uint8_t *raw, size_t len,
			struct descr_uas list[DESCR_UAS_MAX])
{
	struct config config = {0};
	unsigned count = 0;

	while (next_config(raw, len, &config)) {
		const uint8_t *descr = NULL;

		while (count < DESCR_UAS_MAX && (descr = next_descr(&config, descr))) {
			if (!is_interface(descr) || descr[5] != CLASS_STORAGE ||
			    descr[6] != SUBCLASS_SCSI || descr[7] != PROTOCOL_UAS)
				continue;
			list[count] = (struct descr_uas){
				.config_index = config.index,
				.config = config.value,
				.interface = descr[2],
				.alt = descr[3],
				.offset = (uint16_t)(descr - config.at),
			};
			find_streams(&config, descr, &list[count]);
			count++;
		}
	}
	return count;
}
