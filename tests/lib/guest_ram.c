/* SPDX-License-Identifier: MIT
 * guest_ram.c - the RAM of an imaginary guest
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/lib/guest_ram.h"
#include "tests/lib/vfu_client.h"

int guest_ram_init(struct guest_ram *ram, uint64_t zone_bytes)
{
	void *base;

	*ram = (struct guest_ram){.fd = -1, .size_bytes = 2 * zone_bytes};
	ram->ranges[GUEST_RAM_ZONE_LOW] = (struct guest_range){
		.iova = GUEST_RAM_LOW_IOVA,
		.size_bytes = zone_bytes,
	};
	ram->ranges[GUEST_RAM_ZONE_HIGH] = (struct guest_range){
		.iova = GUEST_RAM_HIGH_IOVA,
		.size_bytes = zone_bytes,
		.fd_offset = zone_bytes,
	};
	ram->fd = memfd_create("guest-ram", MFD_CLOEXEC);
	if (ram->fd < 0)
		return -errno;
	if (ftruncate(ram->fd, (off_t)ram->size_bytes) < 0) {
		guest_ram_finish(ram);
		return -errno;
	}
	base = mmap(NULL, ram->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ram->fd,
		    0);
	if (base == MAP_FAILED) {
		guest_ram_finish(ram);
		return -ENOMEM;
	}
	ram->base = base;
	return 0;
}

void guest_ram_finish(struct guest_ram *ram)
{
	if (ram->base)
		(void)munmap(ram->base, ram->size_bytes);
	if (ram->fd >= 0)
		(void)close(ram->fd);
	*ram = (struct guest_ram){.fd = -1};
}

int guest_ram_map_zone(const struct guest_ram *ram, enum guest_ram_zone zone,
		       struct vfu_client *client)
{
	const struct guest_range *r = &ram->ranges[zone];

	return vfu_dma_map(client, r->iova, r->size_bytes, ram->fd, r->fd_offset,
			   VFU_DMA_READ_FLAG | VFU_DMA_WRITE_FLAG);
}

int guest_ram_unmap_zone(const struct guest_ram *ram, enum guest_ram_zone zone,
			 struct vfu_client *client)
{
	return vfu_dma_unmap(client, ram->ranges[zone].iova,
			     ram->ranges[zone].size_bytes);
}

int guest_ram_map(const struct guest_ram *ram, struct vfu_client *client)
{
	int r = guest_ram_map_zone(ram, GUEST_RAM_ZONE_LOW, client);

	return r < 0 ? r : guest_ram_map_zone(ram, GUEST_RAM_ZONE_HIGH, client);
}

int guest_ram_unmap(const struct guest_ram *ram, struct vfu_client *client)
{
	int r = guest_ram_unmap_zone(ram, GUEST_RAM_ZONE_LOW, client);

	return r < 0 ? r : guest_ram_unmap_zone(ram, GUEST_RAM_ZONE_HIGH, client);
}

struct guest_buf guest_alloc(struct guest_ram *ram, enum guest_ram_zone zone, size_t size,
			     size_t align)
{
	struct guest_range *r = &ram->ranges[zone];
	uint64_t offset = (r->used_bytes + align - 1) & ~((uint64_t)align - 1);
	struct guest_buf buf;

	if (offset + size > r->size_bytes) {
		(void)fprintf(stderr, "guest RAM is used up\n");
		abort();
	}
	r->used_bytes = offset + size;
	buf = (struct guest_buf){
		.iova = r->iova + offset,
		.ptr = ram->base + r->fd_offset + offset,
		.size_bytes = size,
	};
	memset(buf.ptr, 0, size);
	return buf;
}

void *guest_ptr(const struct guest_ram *ram, uint64_t iova, size_t size)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ram->ranges); i++) {
		const struct guest_range *r = &ram->ranges[i];

		if (iova >= r->iova && iova - r->iova <= r->size_bytes &&
		    size <= r->size_bytes - (iova - r->iova))
			return ram->base + r->fd_offset + (iova - r->iova);
	}
	return NULL;
}
