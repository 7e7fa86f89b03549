/* SPDX-License-Identifier: MIT
 * descr.h - what is looked up in a real device's descriptors
 *
 * The bytes are those that usbfs lets read from the node: the device descriptor,
 * then each configuration with all that belongs to it, in the order of their
 * indices. They come from the device and may lie about every length; a part that
 * leads nowhere ends its configuration, and what comes before it counts.
 * Pure functions, any thread.
 */
#ifndef USBDEV_HOST_DESCR_H
#define USBDEV_HOST_DESCR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

#define DESCR_DEVICE_BYTES   18u
#define DESCR_CONFIGS_MAX    8u  /* as many as the kernel takes */
#define DESCR_INTERFACES_MAX 32u /* likewise, and so many fit the bitmaps */
#define DESCR_UAS_MAX        16u /* alternate settings remembered */

/* Bit of an endpoint in a bitmap: OUT 0-15, IN 16-31. */
static inline uint32_t descr_ep_bit(uint8_t ep_addr)
{
	return UINT32_C(1) << ((ep_addr & 0x0fu) | (ep_addr & 0x80u ? 16u : 0));
}

static inline uint8_t descr_ep_addr(unsigned bit)
{
	return (uint8_t)((bit & 0x0fu) | (bit & 16u ? 0x80u : 0));
}

/* Interface numbers of the configuration with bConfigurationValue @config, as a bitmap. */
uint32_t descr_interfaces(const uint8_t *raw, size_t len, uint8_t config);
/* Endpoints of all alternate settings of an interface, as a bitmap. */
uint32_t descr_endpoints(const uint8_t *raw, size_t len, uint8_t config,
			 uint8_t interface);

/* The fewest streams that one of these endpoints has, in whichever alternate setting it
 * has most; 0 = one has none, or there are no endpoints. */
unsigned descr_streams(const uint8_t *raw, size_t len, uint8_t config,
		       const uint8_t *ep_addrs, unsigned ep_count);

/**
 * struct descr_uas - an alternate setting that speaks USB Attached SCSI
 * @config_index: what GET_DESCRIPTOR(CONFIGURATION) calls its configuration
 * @config:	bConfigurationValue of it
 * @offset:	where in the configuration its interface descriptor begins
 * @streams:	the fewest streams one of its endpoints with streams has; 0 = none has
 * @ep_addrs:	those endpoints
 */
struct descr_uas {
	uint8_t config_index;
	uint8_t config;
	uint8_t interface;
	uint8_t alt;
	uint16_t offset;
	unsigned streams;
	uint8_t ep_addrs[30];
	unsigned ep_count;
};

/* All of them, in all configurations. Returns how many @list got. */
unsigned descr_find_uas(const uint8_t *raw, size_t len,
			struct descr_uas list[DESCR_UAS_MAX]);

#endif /* USBDEV_HOST_DESCR_H */
