/* SPDX-License-Identifier: MIT
 * dma.c - DMA_MAP and DMA_UNMAP
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "mem/guest_mem.h"
#include "util/fds.h"
#include "util/log.h"
#include "vuser/conn.h"
#include "vuser/device.h"
#include "vuser/handlers.h"
#include "vuser/wire.h"

static unsigned prot_of_flags(uint32_t flags)
{
	return (flags & VUSER_DMA_FLAG_READ ? GUEST_MEM_READ : 0) |
	       (flags & VUSER_DMA_FLAG_WRITE ? GUEST_MEM_WRITE : 0);
}

/*
 * QEMU maps memory that it cannot share (ROMs, memory-backend without share=on) without
 * an fd, and Cloud Hypervisor ignores a refusal. So memory that we cannot reach is no
 * error but a range that DMA finds unreachable.
 */
int vuser_handle_dma_map(struct vuser_conn *conn, struct vuser_msg *msg, uint8_t *reply,
			 size_t *ret_len)
{
	const struct vuser_device *device = conn->service->device;
	struct guest_mem *mem = conn->service->mem;
	struct vuser_dma_map map;
	unsigned before;
	int r;

	(void)reply;
	(void)ret_len;
	memcpy(&map, msg->payload, sizeof(map));
	if (map.argsz < sizeof(map) || msg->nfds > 1 ||
	    (map.flags & ~(VUSER_DMA_FLAG_READ | VUSER_DMA_FLAG_WRITE)))
		return -EINVAL;

	log_debug("vfio-user: DMA_MAP 0x%" PRIx64 " + 0x%" PRIx64 " flags %u%s", map.iova,
		  map.size, map.flags, msg->nfds ? "" : ", no fd");
	before = guest_mem_count(mem);
	r = guest_mem_map(mem, map.iova, map.size, msg->nfds ? msg->fds[0] : -1,
			  map.offset, prot_of_flags(map.flags));
	if (r == 0 && msg->nfds)
		close_fd(&msg->fds[0]); /* harmless now, and thousands may come */
	if (r < 0 && guest_mem_count(mem) == before)
		return r;
	if (r < 0)
		log_limited(LOG_LEVEL_ERROR,
			    "vfio-user: guest memory 0x%" PRIx64 " + 0x%" PRIx64
			    " cannot be mapped: %s; the device cannot reach it",
			    map.iova, map.size, strerror(-r));
	device->dma_changed(device->ctx);
	return 0;
}

int vuser_handle_dma_unmap(struct vuser_conn *conn, struct vuser_msg *msg, uint8_t *reply,
			   size_t *ret_len)
{
	const struct vuser_device *device = conn->service->device;
	struct guest_mem *mem = conn->service->mem;
	struct vuser_dma_unmap unmap;
	int r;

	memcpy(&unmap, msg->payload, sizeof(unmap));
	if (unmap.argsz < sizeof(unmap) || unmap.argsz > VUSER_DATA_MAX ||
	    (unmap.flags & ~VUSER_UNMAP_FLAG_ALL))
		return -EINVAL;
	log_debug("vfio-user: DMA_UNMAP 0x%" PRIx64 " + 0x%" PRIx64 " flags %u",
		  unmap.iova, unmap.size, unmap.flags);
	if (unmap.flags & VUSER_UNMAP_FLAG_ALL) {
		if (unmap.iova || unmap.size)
			return -EINVAL;
		guest_mem_unmap_all(mem);
	} else {
		r = guest_mem_unmap(mem, unmap.iova, unmap.size, &unmap.size);
		if (r < 0)
			return r;
	}
	memcpy(reply, &unmap, sizeof(unmap));
	*ret_len = sizeof(unmap);
	device->dma_changed(device->ctx);
	return 0;
}
