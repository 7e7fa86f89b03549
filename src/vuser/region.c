/* SPDX-License-Identifier: MIT
 * region.c - REGION_READ, REGION_WRITE, REGION_WRITE_MULTI
 *
 * An access outside a region, or one that the region does not allow, is an error
 * (EINVAL). Only Cloud Hypervisor gets what hardware would do: it reads ones, and
 * its writes vanish; it ignores errors, and the guest makes such accesses.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "util/log.h"
#include "vuser/conn.h"
#include "vuser/device.h"
#include "vuser/handlers.h"
#include "vuser/wire.h"

/* True if all of the access lies within its region, however large the numbers. */
static bool access_inside(const struct vuser_region *region, uint64_t offset,
			  uint32_t count)
{
	return offset <= region->size && count <= region->size - offset;
}

/* Return: 1 to carry it out, 0 to ignore it, -EINVAL. */
static int check_access(struct vuser_conn *conn, uint32_t index, uint64_t offset,
			uint32_t count, bool write)
{
	const struct vuser_region *region;

	if (index >= VUSER_REGIONS || count > VUSER_DATA_MAX)
		return -EINVAL;
	if (count == 0)
		return 0;
	region = &conn->service->device->regions[index];
	if (access_inside(region, offset, count) &&
	    (write ? region->writable : region->readable))
		return 1;
	log_limited(LOG_LEVEL_DEBUG,
		    "vfio-user: %s of %u bytes at 0x%" PRIx64 " of region %u is outside",
		    write ? "write" : "read", count, offset, index);
	return conn->kind == VUSER_CLIENT_CLOUD_HYPERVISOR ? 0 : -EINVAL;
}

int vuser_handle_region_read(struct vuser_conn *conn, struct vuser_msg *msg,
			     uint8_t *reply, size_t *ret_len)
{
	const struct vuser_device *device = conn->service->device;
	struct vuser_region_access access;
	uint8_t *data = reply + sizeof(access);
	int r;

	memcpy(&access, msg->payload, sizeof(access));
	r = check_access(conn, access.region, access.offset, access.count, false);
	if (r < 0)
		return r;
	if (r > 0)
		device->region_read(device->ctx, access.region, access.offset, data,
				    access.count);
	else
		memset(data, 0xff, access.count);
	memcpy(reply, &access, sizeof(access));
	*ret_len = sizeof(access) + access.count;
	return 0;
}

int vuser_handle_region_write(struct vuser_conn *conn, struct vuser_msg *msg,
			      uint8_t *reply, size_t *ret_len)
{
	const struct vuser_device *device = conn->service->device;
	struct vuser_region_access access;
	int r;

	memcpy(&access, msg->payload, sizeof(access));
	if (msg->payload_len - sizeof(access) != access.count)
		return -EINVAL;
	r = check_access(conn, access.region, access.offset, access.count, true);
	if (r < 0)
		return r;
	if (r > 0)
		device->region_write(device->ctx, access.region, access.offset,
				     msg->payload + sizeof(access), access.count);
	memcpy(reply, &access, sizeof(access));
	*ret_len = sizeof(access);
	return 0;
}

/*
 * Several writes of the guest in one message, in its order. First check the message
 * as a whole; then each write stands for itself, as in a message of its own: one that
 * fails does not stop the others. The reply says how many succeeded.
 */
int vuser_handle_region_write_multi(struct vuser_conn *conn, struct vuser_msg *msg,
				    uint8_t *reply, size_t *ret_len)
{
	const struct vuser_device *device = conn->service->device;
	struct vuser_write_multi_entry entry;
	struct vuser_write_multi multi;
	const uint8_t *entries = msg->payload + sizeof(multi);
	uint64_t done = 0;

	memcpy(&multi, msg->payload, sizeof(multi));
	if (multi.count > VUSER_MULTI_MAX ||
	    msg->payload_len - sizeof(multi) != multi.count * sizeof(entry))
		return -EINVAL;
	for (uint64_t n = 0; n < multi.count; n++) {
		memcpy(&entry, entries + n * sizeof(entry), sizeof(entry));
		if (entry.count > sizeof(entry.data))
			return -EINVAL;
	}
	for (uint64_t n = 0; n < multi.count; n++) {
		int r;

		memcpy(&entry, entries + n * sizeof(entry), sizeof(entry));
		r = check_access(conn, entry.region, entry.offset, entry.count, true);
		if (r > 0)
			device->region_write(device->ctx, entry.region, entry.offset,
					     entry.data, entry.count);
		if (r >= 0)
			done++;
	}
	multi.count = done;
	memcpy(reply, &multi, sizeof(multi));
	*ret_len = sizeof(multi);
	return 0;
}
