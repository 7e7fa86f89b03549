/* SPDX-License-Identifier: MIT
 * vfu_wire.c - vfio-user client: bytes, messages and fds on the socket
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/lib/pass_fds.h"
#include "tests/lib/vfu_client.h"
#include "tests/lib/vfu_wire.h"
#include "util/fds.h"

/* No valid reply is longer. */
#define MESSAGE_MAX (VFU_DATA_MAX + 4096u)

void vfu_adopt(struct vfu_client *client, int fd, enum vfu_dialect dialect)
{
	*client = (struct vfu_client){
		.fd = fd,
		.dialect = dialect,
		.timeout_ms = VFU_TIMEOUT_MS,
		.next_id = 1,
	};
}

int vfu_connect(struct vfu_client *client, const char *path, enum vfu_dialect dialect)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	vfu_adopt(client, -1, dialect);
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	client->fd = fd;
	return 0;
}

void vfu_close(struct vfu_client *client)
{
	if (client->fd >= 0)
		(void)close(client->fd);
	client->fd = -1;
}

static int wait_for(struct vfu_client *client, short events)
{
	struct pollfd p = {.fd = client->fd, .events = events};
	int r;

	do {
		r = poll(&p, 1, client->timeout_ms);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

int vfu_send_bytes(struct vfu_client *client, const void *buf, size_t len, const int *fds,
		   unsigned fd_count)
{
	size_t done = 0;

	while (done < len) {
		struct iovec iov = {.iov_base = (char *)buf + done,
				    .iov_len = len - done};
		ssize_t n = pass_fds(client->fd, &iov, 1, fds, done ? 0 : fd_count);

		if (n == -EAGAIN) {
			int r = wait_for(client, POLLOUT);

			if (r < 0)
				return r;
			continue;
		}
		if (n == -EINTR)
			continue;
		if (n < 0)
			return n == -EPIPE ? -ECONNRESET : (int)n;
		done += (size_t)n;
	}
	return 0;
}

int vfu_send(struct vfu_client *client, uint16_t command, uint32_t flags,
	     const void *payload, size_t payload_bytes, const int *fds, unsigned fd_count)
{
	uint8_t small[256];
	uint8_t *message = small;
	struct vfu_header header = {
		.id = client->next_id++,
		.command = command,
		.size_bytes = (uint32_t)(VFU_HEADER_BYTES + payload_bytes),
		.flags = flags,
	};
	int r;

	if (VFU_HEADER_BYTES + payload_bytes > sizeof(small))
		message = malloc(VFU_HEADER_BYTES + payload_bytes);
	if (!message)
		return -ENOMEM;
	memcpy(message, &header, sizeof(header));
	if (payload_bytes > 0)
		memcpy(message + VFU_HEADER_BYTES, payload, payload_bytes);
	r = vfu_send_bytes(client, message, VFU_HEADER_BYTES + payload_bytes, fds,
			   fd_count);
	if (message != small)
		free(message);
	client->sent++;
	return r;
}

static int take_fds(struct msghdr *msg, int *fds, unsigned *count)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		unsigned n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		if (*count + n > VFU_FDS_MAX)
			return -EPROTO;
		memcpy(fds + *count, CMSG_DATA(c), n * sizeof(int));
		*count += n;
	}
	return 0;
}

/* One recvmsg(). Return: bytes or -errno. */
static ssize_t recv_once(struct vfu_client *client, void *buf, size_t len, int *fds,
			 unsigned *fd_count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * VFU_FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n;
	int r;

	for (;;) {
		n = recvmsg(client->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (n >= 0)
			break;
		if (errno == EAGAIN) {
			r = wait_for(client, POLLIN);
			if (r < 0)
				return r;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	if (n == 0)
		return -ECONNRESET;
	r = take_fds(&msg, fds, fd_count);
	return r < 0 ? r : n;
}

int vfu_recv_bytes(struct vfu_client *client, void *buf, size_t len, bool at_once,
		   int *fds, unsigned *fd_count)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
			recv_once(client, (char *)buf + done, len - done, fds, fd_count);

		if (n < 0)
			return (int)n;
		done += (size_t)n;
		if (at_once && done < len)
			return -EPROTO;
	}
	return 0;
}

int vfu_recv(struct vfu_client *client, struct vfu_reply *ret_reply)
{
	struct vfu_reply reply = {.payload = NULL};
	int r;

	r = vfu_recv_bytes(client, &reply.header, sizeof(reply.header), true, reply.fds,
			   &reply.fd_count);
	if (r < 0)
		goto fail;
	r = -EPROTO;
	if (reply.header.size_bytes < VFU_HEADER_BYTES ||
	    reply.header.size_bytes > MESSAGE_MAX)
		goto fail;
	reply.payload_bytes = reply.header.size_bytes - VFU_HEADER_BYTES;
	r = -ENOMEM;
	reply.payload = malloc(reply.payload_bytes + 1);
	if (!reply.payload)
		goto fail;
	r = vfu_recv_bytes(client, reply.payload, reply.payload_bytes, false, reply.fds,
			   &reply.fd_count);
	if (r < 0)
		goto fail;
	client->received++;
	*ret_reply = reply;
	return 0;
fail:
	vfu_reply_finish(&reply);
	return r;
}

void vfu_reply_finish(struct vfu_reply *reply)
{
	for (unsigned i = 0; i < reply->fd_count; i++)
		(void)close(reply->fds[i]);
	free(reply->payload);
	*reply = (struct vfu_reply){.payload = NULL};
}

int vfu_call(struct vfu_client *client, uint16_t command, const void *payload,
	     size_t payload_bytes, const int *fds, unsigned fd_count,
	     struct vfu_reply *ret_reply)
{
	uint16_t id = client->next_id;
	struct vfu_reply reply;
	int r;

	if (ret_reply)
		*ret_reply = (struct vfu_reply){.payload = NULL};
	r = vfu_send(client, command, 0, payload, payload_bytes, fds, fd_count);
	if (r < 0)
		return r;
	r = vfu_recv(client, &reply);
	if (r < 0)
		return r;
	if (reply.header.id != id || reply.header.command != command ||
	    (reply.header.flags & 0xf) != VFU_FLAG_REPLY) {
		r = -EPROTO;
	} else if (reply.header.flags & VFU_FLAG_ERROR) {
		r = reply.header.error ? -(int)reply.header.error : -EIO;
	}
	if (ret_reply && r != -EPROTO)
		*ret_reply = reply;
	else
		vfu_reply_finish(&reply);
	return r;
}

int vfu_wait_closed(struct vfu_client *client)
{
	uint8_t byte;
	int fds[VFU_FDS_MAX];
	unsigned count = 0;
	ssize_t n = recv_once(client, &byte, 1, fds, &count);

	for (unsigned i = 0; i < count; i++)
		(void)close(fds[i]);
	if (n == -ECONNRESET || n == -EPIPE)
		return 0;
	return n < 0 ? (int)n : -EPROTO;
}

bool vfu_silent(struct vfu_client *client)
{
	struct pollfd p = {.fd = client->fd, .events = POLLIN};

	return poll(&p, 1, 0) == 0;
}
