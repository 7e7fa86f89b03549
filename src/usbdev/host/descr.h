/* SPDX-License-Identifier: MIT
 * descr.h - lookups in the descriptors of a real device
 *
 * usbfs shows the bytes at its node: the device descriptor, then each configuration with
 * all that belongs to it, by index. They come from the device and may lie about every
 * length. A broken part ends its configuration; the parts before it count.
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
#define DESCR_INTERFACES_MAX 32u /* as many as the kernel takes; the bits of a bitmap */
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

/* The fewest streams of these endpoints, each in the alternate setting where it has most; 0 if one
 * has none, or if there are no endpoints. */
unsigned descr_streams(const uint8_t *raw, size_t len, uint8_t config,
		       const uint8_t *ep_addrs, unsigned ep_count);

/**
 * struct descr_uas - an alternate setting that speaks USB Attached SCSI
 * @config_index: of its configuration, for GET_DESCRIPTOR(CONFIGURATION)
 * @config:	bConfigurationValue of that
 * @offset:	of its interface descriptor in the configuration
 * @streams:	the fewest streams of its endpoints that have streams; 0 = none has
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

/* Finds them in all configurations. Returns how many @list got. */
unsigned descr_find_uas(const uint8_t *raw, size_t len,
			struct descr_uas list[DESCR_UAS_MAX]);

#endif /* USBDEV_HOST_DESCR_H */
