/* SPDX-License-Identifier: MIT
 * info.c - the regions and interrupts of the device
 *
 * We offer no region for mmap: QEMU posts its writes only to a device without such
 * regions, and that is worth more than any page we could share.
 */
#include <errno.h>
#include <string.h>

#include "vuser/conn.h"
#include "vuser/device.h"
#include "vuser/handlers.h"
#include "vuser/wire.h"

int vuser_handle_device_info(struct vuser_conn *conn, struct vuser_msg *msg,
			     uint8_t *reply, size_t *ret_len)
{
	struct vuser_device_info info;

	memcpy(&info, msg->payload, sizeof(info));
	if (info.argsz < sizeof(info))
		return -EINVAL;
	info = (struct vuser_device_info){
		.argsz = sizeof(info),
		.flags = VUSER_DEVICE_FLAG_RESET | VUSER_DEVICE_FLAG_PCI,
		.num_regions = VUSER_REGIONS,
		.num_irqs = conn->service->num_irqs,
	};
	memcpy(reply, &info, sizeof(info));
	*ret_len = sizeof(info);
	return 0;
}

int vuser_handle_region_info(struct vuser_conn *conn, struct vuser_msg *msg,
			     uint8_t *reply, size_t *ret_len)
{
	const struct vuser_region *region;
	struct vuser_region_info info;

	memcpy(&info, msg->payload, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= VUSER_REGIONS)
		return -EINVAL;
	region = &conn->service->device->regions[info.index];
	info = (struct vuser_region_info){.argsz = sizeof(info), .index = info.index};
	if (region->size) {
		info.size = region->size;
		info.flags = (region->readable ? VUSER_REGION_FLAG_READ : 0) |
			     (region->writable ? VUSER_REGION_FLAG_WRITE : 0);
	}
	memcpy(reply, &info, sizeof(info));
	*ret_len = sizeof(info);
	return 0;
}

int vuser_handle_region_io_fds(struct vuser_conn *conn, struct vuser_msg *msg,
			       uint8_t *reply, size_t *ret_len)
{
	const struct vuser_region *region;
	struct vuser_region_io_fds io_fds;

	memcpy(&io_fds, msg->payload, sizeof(io_fds));
	if (io_fds.argsz < sizeof(io_fds) || io_fds.argsz > VUSER_DATA_MAX ||
	    io_fds.flags || io_fds.count || io_fds.index >= VUSER_REGIONS)
		return -EINVAL;
	region = &conn->service->device->regions[io_fds.index];
	if (!region->size || !(region->readable || region->writable))
		return -EINVAL;
	io_fds.argsz = sizeof(io_fds);
	memcpy(reply, &io_fds, sizeof(io_fds));
	*ret_len = sizeof(io_fds);
	return 0;
}

int vuser_handle_irq_info(struct vuser_conn *conn, struct vuser_msg *msg, uint8_t *reply,
			  size_t *ret_len)
{
	struct vuser_irq_info info;

	memcpy(&info, msg->payload, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= conn->service->num_irqs)
		return -EINVAL;
	info.argsz = sizeof(info);
	info.count = conn->service->device->irq_counts[info.index];
	/* never NORESIZE: QEMU would then disable all vectors to add one */
	info.flags = info.count ? VUSER_IRQ_FLAG_EVENTFD : 0;
	memcpy(reply, &info, sizeof(info));
	*ret_len = sizeof(info);
	return 0;
}
