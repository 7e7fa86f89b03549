/* SPDX-License-Identifier: MIT
 * guest_ram.h - the RAM of an imaginary guest: one memfd, two DMA ranges
 *
 * Like a VM with more than 3 GiB: one range at the bottom and one above 4 GiB, both in
 * one file. Allocations are zeroed and have both addresses. Tests are short, so nothing
 * frees them.
 */
#ifndef TESTS_LIB_GUEST_RAM_H
#define TESTS_LIB_GUEST_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

struct vfu_client;

#define GUEST_RAM_LOW_IOVA  UINT64_C(0x00100000)
#define GUEST_RAM_HIGH_IOVA UINT64_C(0x180000000) /* 6 GiB */
#define GUEST_RAM_HOLE_IOVA UINT64_C(0xf0000000)  /* never mapped */

/* The range of an allocation. */
enum guest_ram_zone {
	GUEST_RAM_ZONE_LOW,
	GUEST_RAM_ZONE_HIGH,
};

struct guest_range {
	uint64_t iova;
	uint64_t size_bytes;
	uint64_t fd_offset;
	uint64_t used_bytes;
};

/**
 * struct guest_ram - the memory and its ranges
 * @fd:		memfd of all ranges, owned
 * @base:	our mapping of the whole file
 */
struct guest_ram {
	int fd;
	uint8_t *base;
	uint64_t size_bytes;
	struct guest_range ranges[2]; /* by zone */
};

struct guest_buf {
	uint64_t iova;
	uint8_t *ptr;
	size_t size_bytes;
};

/* Two ranges of @zone_bytes each (a multiple of 4096). Return: 0 or -errno. */
MUST_USE int guest_ram_init(struct guest_ram *ram, uint64_t zone_bytes);
void guest_ram_finish(struct guest_ram *ram);
/* DMA_MAP and DMA_UNMAP of both zones, or of one. */
MUST_USE int guest_ram_map(const struct guest_ram *ram, struct vfu_client *client);
MUST_USE int guest_ram_unmap(const struct guest_ram *ram, struct vfu_client *client);
MUST_USE int guest_ram_map_zone(const struct guest_ram *ram, enum guest_ram_zone zone,
				struct vfu_client *client);
MUST_USE int guest_ram_unmap_zone(const struct guest_ram *ram, enum guest_ram_zone zone,
				  struct vfu_client *client);

/* @align: a power of two. Aborts if the zone is full: the test is wrong. */
struct guest_buf guest_alloc(struct guest_ram *ram, enum guest_ram_zone zone, size_t size,
			     size_t align);
/* Address of @iova in our process, or NULL. */
void *guest_ptr(const struct guest_ram *ram, uint64_t iova, size_t size);

#endif /* TESTS_LIB_GUEST_RAM_H */
