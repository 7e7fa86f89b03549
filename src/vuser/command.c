/* SPDX-License-Identifier: MIT
 * command.c - the commands of the protocol, from a complete message to its reply
 *
 * Cloud Hypervisor reads a fixed number of bytes as the reply to a command and
 * looks at no flag: an error reply of just a header would leave it waiting for
 * ever, with a vCPU in its hands. For that client an error reply is filled up
 * to the size of the success reply ("padded"). Others get header-only errors, as
 * the specification says; some of them would take the padding for a new message.
 */
#include "vuser/command.h"

#include <errno.h>
#include <string.h>

#include "util/log.h"
#include "vuser/conn.h"
#include "vuser/device.h"
#include "vuser/handlers.h"
#include "vuser/wire.h"

static int handle_set_irqs(struct vuser_conn *conn, struct vuser_msg *msg, uint8_t *reply,
			   size_t *ret_len)
{
	const struct vuser_device *device = conn->service->device;
	struct vuser_irq_set set;
	int r;

	(void)reply;
	(void)ret_len;
	memcpy(&set, msg->payload, sizeof(set));
	log_debug("vfio-user: SET_IRQS index %u flags 0x%x start %u count %u, %u fds",
		  set.index, set.flags, set.start, set.count, msg->nfds);
	r = vuser_irqs_set(&conn->irqs, device->irq_counts, conn->service->num_irqs, &set,
			   msg->payload + sizeof(set), msg->payload_len - sizeof(set),
			   msg->fds, msg->nfds);
	if (r > 0)
		device->irqs_changed(device->ctx, set.index);
	return r < 0 ? r : 0;
}

static int handle_reset(struct vuser_conn *conn, struct vuser_msg *msg, uint8_t *reply,
			size_t *ret_len)
{
	const struct vuser_device *device = conn->service->device;

	(void)msg;
	(void)reply;
	(void)ret_len;
	log_debug("vfio-user: DEVICE_RESET");
	device->reset(device->ctx);
	vuser_irqs_reset(&conn->irqs);
	return 0;
}

/* Migration and the like. The error of the kernel's VFIO for an unknown feature. */
static int handle_feature(struct vuser_conn *conn, struct vuser_msg *msg, uint8_t *reply,
			  size_t *ret_len)
{
	(void)conn;
	(void)msg;
	(void)reply;
	(void)ret_len;
	return -ENOTTY;
}

/**
 * struct command - one command, and the sizes that it has
 * @payload_min:	bytes of its fixed part
 * @reply_fixed:	payload bytes of its success reply, data not counted
 */
struct command {
	const char *name;
	vuser_handler *handle;
	size_t payload_min;
	size_t reply_fixed;
};

#define COMMAND(cmd, handler, payload_bytes, reply_bytes) \
	[VUSER_CMD_##cmd] = {#cmd, handler, payload_bytes, reply_bytes}

static const struct command commands[] = {
	COMMAND(DMA_MAP, vuser_handle_dma_map, 32, 0),
	COMMAND(DMA_UNMAP, vuser_handle_dma_unmap, 24, 24),
	COMMAND(DEVICE_GET_INFO, vuser_handle_device_info, 16, 16),
	COMMAND(DEVICE_GET_REGION_INFO, vuser_handle_region_info, 32, 32),
	COMMAND(DEVICE_GET_REGION_IO_FDS, vuser_handle_region_io_fds, 16, 16),
	COMMAND(DEVICE_GET_IRQ_INFO, vuser_handle_irq_info, 16, 16),
	COMMAND(DEVICE_SET_IRQS, handle_set_irqs, 20, 0),
	COMMAND(REGION_READ, vuser_handle_region_read, 16, 16),
	COMMAND(REGION_WRITE, vuser_handle_region_write, 16, 16),
	COMMAND(DEVICE_RESET, handle_reset, 0, 0),
	COMMAND(REGION_WRITE_MULTI, vuser_handle_region_write_multi, 8, 8),
	COMMAND(DEVICE_FEATURE, handle_feature, 0, 0),
};

/* NULL for commands we do not have; VERSION too, which only a first message may be. */
static const struct command *find_command(uint16_t cmd)
{
	return cmd < ARRAY_SIZE(commands) && commands[cmd].handle ? &commands[cmd] : NULL;
}

/* Fills the payload of a padded error: the request's own fixed part, and ones for the
 * data of a read. Return: its length. */
static size_t pad_error(const struct command *command, const struct vuser_msg *msg,
			uint8_t *reply)
{
	struct vuser_region_access access;
	size_t len = command->reply_fixed;
	size_t echo = MIN_OF(len, msg->payload_len);

	memset(reply, 0, len);
	memcpy(reply, msg->payload, echo);
	if (msg->header.cmd == VUSER_CMD_REGION_READ && echo == sizeof(access)) {
		memcpy(&access, msg->payload, sizeof(access));
		if (access.count <= VUSER_DATA_MAX) {
			memset(reply + len, 0xff, access.count);
			len += access.count;
		}
	}
	return len;
}

static void answer(struct vuser_conn *conn, const struct vuser_msg *msg,
		   const struct command *command, int r, size_t len)
{
	if (r < 0) {
		log_limited(LOG_LEVEL_DEBUG, "vfio-user: %s (command %u) refused: %s",
			    command ? command->name : "message", msg->header.cmd,
			    strerror(-r));
		len = 0;
	}
	if (msg->header.flags & VUSER_FLAG_NO_REPLY)
		return;
	if (r < 0 && command && conn->kind == VUSER_CLIENT_CLOUD_HYPERVISOR)
		len = pad_error(command, msg, vuser_conn_reply_payload(conn));
	vuser_conn_reply(conn, &msg->header, -r, len);
}

void vuser_command_handle(struct vuser_conn *conn, struct vuser_msg *msg)
{
	const struct command *command = find_command(msg->header.cmd);
	size_t len = 0;
	int r;

	if ((msg->header.flags & VUSER_FLAG_TYPE_MASK) != VUSER_FLAG_TYPE_COMMAND) {
		command =
			NULL; /* we never ask anything, so there is nothing to be answered */
		r = -EINVAL;
	} else if (!command || msg->payload_len < command->payload_min) {
		r = -EINVAL;
	} else if (msg->fds_lost) {
		log_limited(LOG_LEVEL_ERROR,
			    "vfio-user: fds of %s were lost: too many open files (see "
			    "ulimit -n)",
			    command->name);
		r = -EMFILE;
	} else {
		r = command->handle(conn, msg, vuser_conn_reply_payload(conn), &len);
	}
	answer(conn, msg, command, r, len);
}
