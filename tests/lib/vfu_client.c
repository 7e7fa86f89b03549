/* SPDX-License-Identifier: MIT
 * vfu_client.c - vfio-user client: the commands, as QEMU and Cloud Hypervisor send them
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/vfu_client.h"
#include "tests/lib/vfu_wire.h"
#include "util/bytes.h"

#define QEMU_VERSION_BYTES 214u /* of QEMU's whole VERSION message */

/* One command with a reply of known size. */
struct command {
	uint16_t number;
	const void *request;
	size_t request_bytes;
	const int *fds;
	unsigned fd_count;
	void *reply; /* payload */
	size_t reply_bytes;
	int *ret_fd; /* NULL: the caller wants no fd */
};

/* QEMU: a good reply has exactly the expected size; checks the header; an error reply may
 * be short. */
static int run_qemu(struct vfu_client *client, const struct command *cmd)
{
	struct vfu_reply reply;
	int r;

	r = vfu_call(client, cmd->number, cmd->request, cmd->request_bytes, cmd->fds,
		     cmd->fd_count, &reply);
	if (r == -EPROTO || r == -ETIMEDOUT || r == -ECONNRESET)
		return r;
	if (r == 0 && reply.payload_bytes != cmd->reply_bytes)
		r = -EPROTO;
	if (r == 0 && cmd->reply_bytes > 0)
		memcpy(cmd->reply, reply.payload, cmd->reply_bytes);
	if (r == 0 && cmd->ret_fd && reply.fd_count > 0) {
		*cmd->ret_fd = reply.fds[0];
		reply.fds[0] = reply.fds[--reply.fd_count];
	}
	vfu_reply_finish(&reply);
	return r;
}

/* Cloud Hypervisor: reads a fixed number of bytes, ignores the header. */
static int run_ch(struct vfu_client *client, const struct command *cmd)
{
	uint8_t header[VFU_HEADER_BYTES];
	int fds[VFU_FDS_MAX];
	unsigned count = 0;
	int r;

	r = vfu_send(client, cmd->number, 0, cmd->request, cmd->request_bytes, cmd->fds,
		     cmd->fd_count);
	if (r == 0)
		r = vfu_recv_bytes(client, header, sizeof(header), false, fds, &count);
	if (r == 0 && cmd->reply_bytes > 0)
		r = vfu_recv_bytes(client, cmd->reply, cmd->reply_bytes, false, fds,
				   &count);
	client->received++;
	for (unsigned i = 0; i < count; i++) {
		if (r == 0 && i == 0 && cmd->ret_fd)
			*cmd->ret_fd = fds[i];
		else
			(void)close(fds[i]);
	}
	return r;
}

static int run(struct vfu_client *client, const struct command *cmd)
{
	return client->dialect == VFU_DIALECT_QEMU ? run_qemu(client, cmd)
						   : run_ch(client, cmd);
}

static int check_version(const struct vfu_reply *reply, size_t reply_max)
{
	const char *json = (const char *)reply->payload + 4;
	size_t len = reply->payload_bytes - 4;

	if (reply->payload_bytes < 4 || reply->payload_bytes > reply_max)
		return -EPROTO;
	if (get_le16(reply->payload) != 0)
		return -EPROTO;
	/* Cloud Hypervisor panics without a JSON object with "capabilities". */
	if (len == 0 || json[len - 1] != '\0' || !strstr(json, "\"capabilities\""))
		return -EPROTO;
	return 0;
}

int vfu_version(struct vfu_client *client)
{
	static const char ch_json[] = "{\"capabilities\":{\"max_msg_fds\":1,"
				      "\"max_data_xfer_size\":1048576,"
				      "\"migration\":{\"pgsize\":4096}}}";
	static const char qemu_json[] =
		"{\"capabilities\": {\"migration\": {\"max_bitmap_size\": 268435456, "
		"\"pgsize\": 4096}, \"max_dma_maps\": 65535, "
		"\"max_data_xfer_size\": 1048576, \"max_msg_fds\": 8, "
		"\"write_multiple\": true";
	uint8_t payload[QEMU_VERSION_BYTES - VFU_HEADER_BYTES];
	bool qemu = client->dialect == VFU_DIALECT_QEMU;
	size_t bytes = qemu ? sizeof(payload) : 4 + sizeof(ch_json);
	struct vfu_reply reply;
	int r;

	put_le16(payload, 0);
	put_le16(payload + 2, qemu ? 0 : 1);
	if (qemu) {
		/* the real text differs only in its blanks; the size matters */
		memset(payload + 4, ' ', bytes - 4);
		memcpy(payload + 4, qemu_json, sizeof(qemu_json) - 1);
		memcpy(payload + bytes - 3, "}}", 3);
	} else {
		memcpy(payload + 4, ch_json, sizeof(ch_json));
	}
	r = vfu_call(client, VFU_VERSION, payload, bytes, NULL, 0, &reply);
	if (r == 0)
		r = check_version(&reply, qemu ? bytes : VFU_DATA_MAX);
	vfu_reply_finish(&reply);
	return r;
}

int vfu_device_info(struct vfu_client *client, struct vfu_device_info *ret_info)
{
	struct vfu_device_info request = {
		.argsz = client->dialect == VFU_DIALECT_CH ? 32 : 16};
	struct command cmd = {
		.number = VFU_DEVICE_GET_INFO,
		.request = &request,
		.request_bytes = sizeof(request),
		.reply = ret_info,
		.reply_bytes = sizeof(*ret_info),
	};

	return run(client, &cmd);
}

int vfu_region_info(struct vfu_client *client, uint32_t index,
		    struct vfu_region_info *ret_info)
{
	struct vfu_region_info request = {.argsz = 32, .index = index};
	int fd = -1;
	struct command cmd = {
		.number = VFU_DEVICE_GET_REGION_INFO,
		.request = &request,
		.request_bytes = sizeof(request),
		.reply = ret_info,
		.reply_bytes = sizeof(*ret_info),
		.ret_fd = &fd,
	};
	int r = run(client, &cmd);

	if (fd >= 0)
		(void)close(fd);
	return r;
}

int vfu_irq_info(struct vfu_client *client, uint32_t index, struct vfu_irq_info *ret_info)
{
	struct vfu_irq_info request = {.argsz = 16, .index = index};
	struct command cmd = {
		.number = VFU_DEVICE_GET_IRQ_INFO,
		.request = &request,
		.request_bytes = sizeof(request),
		.reply = ret_info,
		.reply_bytes = sizeof(*ret_info),
	};

	return run(client, &cmd);
}

int vfu_set_irqs(struct vfu_client *client, uint32_t flags, uint32_t index,
		 uint32_t start, uint32_t count, const int *fds, unsigned fd_count)
{
	uint32_t request[5] = {20, flags, index, start, count};
	struct command cmd = {
		.number = VFU_DEVICE_SET_IRQS,
		.request = request,
		.request_bytes = sizeof(request),
		.fds = fds,
		.fd_count = fd_count,
	};

	return run(client, &cmd);
}

int vfu_dma_map(struct vfu_client *client, uint64_t iova, uint64_t size, int fd,
		uint64_t fd_offset, uint32_t flags)
{
	uint8_t request[32];
	struct command cmd = {
		.number = VFU_DMA_MAP,
		.request = request,
		.request_bytes = sizeof(request),
		.fds = &fd,
		.fd_count = fd >= 0 ? 1 : 0,
	};

	put_le32(request, sizeof(request));
	put_le32(request + 4, flags);
	put_le64(request + 8, fd_offset);
	put_le64(request + 16, iova);
	put_le64(request + 24, size);
	return run(client, &cmd);
}

static int dma_unmap(struct vfu_client *client, uint32_t flags, uint64_t iova,
		     uint64_t size)
{
	uint8_t request[24];
	uint8_t reply[24];
	uint64_t unmapped;
	struct command cmd = {
		.number = VFU_DMA_UNMAP,
		.request = request,
		.request_bytes = sizeof(request),
		.reply = reply,
		.reply_bytes = sizeof(reply),
	};
	int r;

	put_le32(request, sizeof(request));
	put_le32(request + 4, flags);
	put_le64(request + 8, iova);
	put_le64(request + 16, size);
	r = run(client, &cmd);
	if (r < 0)
		return r;
	unmapped = get_le64(reply + 16);
	if (memcmp(request, reply, 16) != 0 || unmapped > size)
		return -EPROTO;
	return unmapped < 1 && size > 0 ? -ENOENT : 0;
}

int vfu_dma_unmap(struct vfu_client *client, uint64_t iova, uint64_t size)
{
	return dma_unmap(client, 0, iova, size);
}

int vfu_dma_unmap_all(struct vfu_client *client)
{
	return dma_unmap(client, 2, 0, 0);
}

int vfu_device_reset(struct vfu_client *client)
{
	struct command cmd = {.number = VFU_DEVICE_RESET};

	return run(client, &cmd);
}

static void put_access(uint8_t *buf, uint32_t region, uint64_t offset, uint32_t count)
{
	put_le64(buf, offset);
	put_le32(buf + 8, region);
	put_le32(buf + 12, count);
}

int vfu_region_read(struct vfu_client *client, uint32_t region, uint64_t offset,
		    void *buf, uint32_t count)
{
	uint8_t request[16];
	uint8_t small[16 + 64];
	_cleanup_free_ uint8_t *big = NULL;
	struct command cmd = {
		.number = VFU_REGION_READ,
		.request = request,
		.request_bytes = sizeof(request),
		.reply = small,
		.reply_bytes = 16 + (size_t)count,
	};
	int r;

	if (count > VFU_DATA_MAX)
		return -EINVAL;
	if (cmd.reply_bytes > sizeof(small)) {
		cmd.reply = big = malloc(cmd.reply_bytes);
		if (!big)
			return -ENOMEM;
	}
	put_access(request, region, offset, count);
	r = run(client, &cmd);
	if (r == 0 && count > 0)
		memcpy(buf, (uint8_t *)cmd.reply + 16, count);
	return r;
}

int vfu_region_write(struct vfu_client *client, uint32_t region, uint64_t offset,
		     const void *buf, uint32_t count)
{
	_cleanup_free_ uint8_t *request = malloc(16 + (size_t)count);
	uint8_t reply[16];
	struct command cmd = {
		.number = VFU_REGION_WRITE,
		.request = request,
		.request_bytes = 16 + (size_t)count,
		.reply = reply,
		.reply_bytes = sizeof(reply),
	};

	if (!request)
		return -ENOMEM;
	put_access(request, region, offset, count);
	if (count > 0)
		memcpy(request + 16, buf, count);
	return run(client, &cmd);
}

int vfu_region_post(struct vfu_client *client, uint32_t region, uint64_t offset,
		    const void *buf, uint32_t count)
{
	uint8_t small[16 + 64];
	_cleanup_free_ uint8_t *big = NULL;
	uint8_t *request = small;

	if (16 + (size_t)count > sizeof(small))
		request = big = malloc(16 + (size_t)count);
	if (!request)
		return -ENOMEM;
	put_access(request, region, offset, count);
	if (count > 0)
		memcpy(request + 16, buf, count);
	return vfu_send(client, VFU_REGION_WRITE, VFU_FLAG_NO_REPLY, request,
			16 + (size_t)count, NULL, 0);
}

int vfu_bar_write(struct vfu_client *client, uint64_t offset, const void *buf,
		  uint32_t count)
{
	if (client->dialect == VFU_DIALECT_QEMU)
		return vfu_region_post(client, VFU_REGION_BAR0, offset, buf, count);
	return vfu_region_write(client, VFU_REGION_BAR0, offset, buf, count);
}

int vfu_write_multi(struct vfu_client *client, const struct vfu_multi_write *writes,
		    unsigned count, bool posted)
{
	size_t bytes = 8 + (size_t)count * 24;
	_cleanup_free_ uint8_t *request = malloc(bytes);
	uint8_t reply[8];
	struct command cmd = {
		.number = VFU_REGION_WRITE_MULTI,
		.request = request,
		.request_bytes = bytes,
		.reply = reply,
		.reply_bytes = sizeof(reply),
	};
	int r;

	if (!request)
		return -ENOMEM;
	put_le64(request, count);
	for (unsigned i = 0; i < count; i++) {
		uint8_t *entry = request + 8 + (size_t)i * 24;

		put_access(entry, writes[i].region, writes[i].offset, writes[i].count);
		memcpy(entry + 16, writes[i].data, 8);
	}
	if (posted)
		return vfu_send(client, VFU_REGION_WRITE_MULTI, VFU_FLAG_NO_REPLY,
				request, bytes, NULL, 0);
	r = run(client, &cmd);
	if (r == 0 && get_le64(reply) != count)
		return -EPROTO;
	return r;
}
