/* SPDX-License-Identifier: MIT
 * fuzz_vuser.c - hostile clients of the vfio-user server
 *
 * The input is a program of small operations: connect, close, send bytes or well-framed messages
 * with and without fds, receive replies, raise interrupts, run the loop. Besides the sanitizers'
 * checks, the target checks that the server never accesses the device outside its regions, that it
 * sends a sequence of whole replies, and that no memory range and no fd is left at the end.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "mem/guest_mem.h"
#include "tests/lib/pass_fds.h"
#include "util/fds.h"
#include "vuser/server.h"
#include "vuser/signaller.h"
#include "vuser/wire.h"

#define CLIENTS      3
#define OPS_MAX      400
#define FDS_MAX      32
#define REPLY_BUFFER (1u << 16)

enum op {
	OP_CONNECT,
	OP_CLOSE,
	OP_VERSION, /* of QEMU, Cloud Hypervisor, SPDK or an unknown client */
	OP_BYTES,
	OP_MESSAGE,
	OP_MESSAGE_FDS,
	OP_TAKE, /* read replies */
	OP_RAISE,
	OP_RUN,
	OP_COUNT,
};

/**
 * struct client - our end of a connection
 * @fd:		-1 = none
 * @reply_left:	bytes of a reply's payload still to come
 */
struct client {
	int fd;
	uint32_t reply_left;
	uint8_t header[16];
	size_t header_have;
};

static struct guest_mem *mem;
static struct client clients[CLIENTS];
static int eventfd_fd, memory_fd, pipe_fds[2];
static bool client_there;

static const struct vuser_device device;

/* ---- the device ---- */

static void on_read(void *ctx, unsigned region, uint64_t offset, void *buf, size_t count)
{
	(void)ctx;
	CHECK(region < VUSER_REGIONS && count > 0 && device.regions[region].readable);
	CHECK(offset < device.regions[region].size);
	CHECK(count <= device.regions[region].size - offset);
	memset(buf, 0x5a, count);
}

static void on_write(void *ctx, unsigned region, uint64_t offset, const void *buf,
		     size_t count)
{
	static volatile uint8_t sum;

	(void)ctx;
	CHECK(region < VUSER_REGIONS && count > 0 && device.regions[region].writable);
	CHECK(offset < device.regions[region].size);
	CHECK(count <= device.regions[region].size - offset);
	for (size_t i = 0; i < count; i++)
		sum = (uint8_t)(sum + ((const uint8_t *)buf)[i]);
}

static void on_reset(void *ctx)
{
	(void)ctx;
}

static void on_dma(void *ctx)
{
	uint8_t bytes[8];

	(void)ctx;
	if (guest_mem_read(mem, 0, bytes, sizeof(bytes)) == 0)
		(void)!guest_mem_write(mem, 0, bytes, sizeof(bytes));
}

static void on_irqs(void *ctx, unsigned index)
{
	(void)ctx;
	CHECK(index < VUSER_IRQS);
}

static void on_client(void *ctx, bool connected)
{
	(void)ctx;
	CHECK(connected != client_there);
	CHECK(guest_mem_count(mem) == 0);
	client_there = connected;
}

static const struct vuser_device device = {
	.regions = {[0] = {65536, true, true},
		    [2] = {4096, true, false},
		    [7] = {4096, true, true}},
	.irq_counts = {0, 8, 64, 0, 0},
	.region_read = on_read,
	.region_write = on_write,
	.reset = on_reset,
	.dma_changed = on_dma,
	.irqs_changed = on_irqs,
	.client = on_client,
};

/* ---- the clients ---- */

static struct vuser_server *start_server(void)
{
	int fd = fuzz_listen("vuser");
	struct vuser_server *server;

	server = vuser_server_create(fuzz_loop, fd, &device, mem, NULL);
	CHECK(server);
	return server;
}

static void connect_client(struct client *client)
{
	if (client->fd < 0)
		*client = (struct client){.fd = fuzz_connect("vuser")};
}

static void send_all(const struct client *client, const uint8_t *head, size_t head_len,
		     const uint8_t *bytes, size_t len, const int *fds, unsigned nfds)
{
	struct iovec iov[2] = {{(void *)head, head_len}, {(void *)bytes, len}};

	/* drop the bytes that do not fit, as a confused client would */
	if (client->fd >= 0)
		(void)!pass_fds(client->fd, iov, 2, fds, nfds);
}

static void send_message(struct client *client, struct input *in, unsigned nfds)
{
	struct vuser_header header = {.id = 7};
	int fds[FDS_MAX];
	const uint8_t *payload;
	size_t len;

	header.cmd = take_u8(in);
	header.flags = take_u8(in);
	len = take_bytes(in, take_u16(in), &payload);
	header.size = (uint32_t)(sizeof(header) + len);
	for (unsigned i = 0; i < nfds; i++) {
		unsigned kind = take_u8(in);

		fds[i] = kind == 1 ? memory_fd : kind == 2 ? pipe_fds[1] : eventfd_fd;
	}
	send_all(client, (const uint8_t *)&header, sizeof(header), payload, len, fds,
		 nfds);
}

static void send_version(struct client *client, unsigned who)
{
	static const char *const json[] = {
		"\0\0\0\0{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":"
		"1048576,"
		"\"pgsizes\":4096,\"max_dma_maps\":65535,\"write_multiple\":true,"
		"\"migration\""
		":{\"pgsize\":4096,\"max_bitmap_size\":268435456}}}",
		"\0\0\1\0{\"capabilities\":{\"max_msg_fds\":1,\"max_data_xfer_size\":"
		"1048576,"
		"\"migration\":{\"pgsize\":4096}}}",
		"\0\0\1\0{}",
	};
	struct vuser_header header = {.id = 7, .cmd = VUSER_CMD_VERSION};
	const char *text = json[who % ARRAY_SIZE(json)];
	size_t len = 4 + strlen(text + 4) + 1;

	if (who % 4 == 3)
		len = 4;
	header.size = (uint32_t)(sizeof(header) + len);
	send_all(client, (const uint8_t *)&header, sizeof(header), (const uint8_t *)text,
		 len, NULL, 0);
}

/* Receives replies; each must begin where the previous one ended. */
static void take_replies(struct client *client)
{
	static uint8_t buffer[REPLY_BUFFER];
	ssize_t n;

	if (client->fd < 0)
		return;
	n = recv(client->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	for (ssize_t at = 0; at < n;) {
		struct vuser_header header;
		size_t step;

		if (client->reply_left) {
			step = MIN_OF((size_t)(n - at), client->reply_left);
			client->reply_left -= (uint32_t)step;
			at += (ssize_t)step;
			continue;
		}
		client->header[client->header_have++] = buffer[at++];
		if (client->header_have < sizeof(header))
			continue;
		memcpy(&header, client->header, sizeof(header));
		CHECK(header.size >= sizeof(header) && header.size <= VUSER_MSG_MAX);
		CHECK((header.flags & ~VUSER_FLAG_ERROR) == VUSER_FLAG_TYPE_REPLY);
		CHECK(!header.error == !(header.flags & VUSER_FLAG_ERROR));
		client->header_have = 0;
		client->reply_left = header.size - (uint32_t)sizeof(header);
	}
}

/* ---- the program ---- */

static void step(struct vuser_server *server, struct input *in)
{
	uint8_t code = take_u8(in);
	struct client *client = &clients[(code >> 4) % CLIENTS];
	const uint8_t *bytes;
	size_t len;
	unsigned index;

	switch ((enum op)((code & 0xf) % OP_COUNT)) {
	case OP_CONNECT:
		connect_client(client);
		break;
	case OP_CLOSE:
		close_fd(&client->fd);
		break;
	case OP_VERSION:
		connect_client(client);
		send_version(client, take_u8(in));
		break;
	case OP_BYTES:
		len = take_bytes(in, take_u16(in), &bytes);
		send_all(client, NULL, 0, bytes, len, NULL, 0);
		break;
	case OP_MESSAGE:
		send_message(client, in, 0);
		break;
	case OP_MESSAGE_FDS:
		send_message(client, in, take_u8(in) % (FDS_MAX + 1));
		break;
	case OP_TAKE:
		take_replies(client);
		break;
	case OP_RAISE:
		index = take_u8(in);
		vuser_irq_raise(server, index, take_u8(in));
		break;
	case OP_RUN:
	case OP_COUNT:
		fuzz_run(1);
		break;
	}
}

void fuzz_set_up(void)
{
	fuzz_counts_fds = true;
	CHECK(signaller_prepare(true) == 0); /* lasts as long as the process */
	mem = guest_mem_create();
	eventfd_fd = eventfd(0, EFD_CLOEXEC);
	memory_fd = memfd_create("guest", MFD_CLOEXEC);
	CHECK(mem && eventfd_fd >= 0 && memory_fd >= 0);
	CHECK(ftruncate(memory_fd, 16 * 4096) == 0 && pipe(pipe_fds) == 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
}

void fuzz_one(struct input *in)
{
	struct vuser_server *server;

	client_there = false;
	server = start_server();
	for (unsigned i = 0; i < OPS_MAX && in->left; i++)
		step(server, in);
	fuzz_run(3);
	for (unsigned i = 0; i < CLIENTS; i++) {
		take_replies(&clients[i]);
		close_fd(&clients[i].fd);
	}
	fuzz_run(3);
	vuser_server_destroy(server);
	CHECK(guest_mem_count(mem) == 0);
}
