/* SPDX-License-Identifier: MIT
 * served.c - a server with a device that records its calls
 */
#include "served.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/closer.h"
#include "util/fds.h"
#include "util/log.h"
#include "vuser/signaller.h"

#define MSG_ID 0x4711

static void on_read(void *ctx, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct served *s = ctx;

	s->nreads++;
	assert_true(region < VUSER_REGIONS);
	assert_true(offset + count <= s->device.regions[region].size);
	if (region == REGION_BAR0)
		memcpy(buf, s->bar0 + offset, count);
	else if (region == REGION_CONFIG)
		memcpy(buf, s->config + offset, count);
	else
		memset(buf, 0xa5, count);
}

static void on_write(void *ctx, unsigned region, uint64_t offset, const void *buf,
		     size_t count)
{
	struct served *s = ctx;
	struct served_write *w = &s->writes[s->nwrites % SERVED_WRITES_MAX];

	assert_true(region < VUSER_REGIONS);
	assert_true(offset + count <= s->device.regions[region].size);
	*w = (struct served_write){.region = region, .offset = offset, .count = count};
	memcpy(&w->value, buf, MIN_OF(count, sizeof(w->value)));
	s->nwrites++;
	if (region == REGION_BAR0)
		memcpy(s->bar0 + offset, buf, count);
	else if (region == REGION_CONFIG)
		memcpy(s->config + offset, buf, count);
	if (s->defer_on_write)
		loop_defer(s->loop, s->defer_on_write);
}

static void on_reset(void *ctx)
{
	((struct served *)ctx)->nresets++;
}

static void on_dma(void *ctx)
{
	((struct served *)ctx)->ndma++;
}

static void on_irqs(void *ctx, unsigned index)
{
	struct served *s = ctx;

	s->nirqs++;
	s->irqs_index = index;
}

static void on_client(void *ctx, bool connected)
{
	struct served *s = ctx;

	if (connected) {
		s->nclient_up++;
		return;
	}
	s->nclient_down++;
	assert_int_equal(guest_mem_count(s->mem), 0);
}

static struct served *served_new(void)
{
	struct served *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	log_init(LOG_LEVEL_ERROR, false);
	assert_int_equal(signaller_prepare(true), 0);
	s->fds_at_start = served_count_fds();
	s->client = -1;
	s->loop = loop_create();
	s->mem = guest_mem_create();
	assert_non_null(s->loop);
	assert_non_null(s->mem);
	s->device = (struct vuser_device){
		.regions = {[REGION_BAR0] = {SERVED_BAR0_BYTES, true, true},
			    [REGION_READ_ONLY] = {8192, true, false},
			    [REGION_WRITE_ONLY] = {4096, false, true},
			    [REGION_LARGE] = {SERVED_LARGE_BYTES, true, true},
			    [REGION_CONFIG] = {SERVED_CONFIG_BYTES, true, true}},
		.irq_counts = {[IRQ_MSI] = SERVED_MSI, [IRQ_MSIX] = SERVED_MSIX},
		.ctx = s,
		.region_read = on_read,
		.region_write = on_write,
		.reset = on_reset,
		.dma_changed = on_dma,
		.irqs_changed = on_irqs,
		.client = on_client,
	};
	return s;
}

int served_setup_pair(void **state)
{
	struct served *s = served_new();
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	s->client = pair[0];
	s->server = vuser_server_create(s->loop, pair[1], &s->device, s->mem, NULL);
	assert_non_null(s->server);
	*state = s;
	return 0;
}

static int setup_agreed(void **state, enum who who)
{
	static struct reply reply;
	struct served *s;

	served_setup_pair(state);
	s = *state;
	send_version(s->client, who);
	served_run(s);
	take_reply(s->client, &reply);
	assert_int_equal(reply.header.flags, VUSER_FLAG_TYPE_REPLY);
	assert_int_equal(s->nclient_up, 1);
	return 0;
}

int served_setup_qemu(void **state)
{
	return setup_agreed(state, WHO_QEMU);
}

int served_setup_ch(void **state)
{
	return setup_agreed(state, WHO_CH);
}

int served_setup_listening(void **state)
{
	struct served *s = served_new();

	strcpy(s->dir, "/tmp/vuser-test-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/sock", s->dir);
	s->server = vuser_server_create(s->loop, listen_at(s->path), &s->device, s->mem,
					NULL);
	assert_non_null(s->server);
	*state = s;
	return 0;
}

int served_teardown(void **state)
{
	struct served *s = *state;
	unsigned calls =
		s->nclient_up + s->nclient_down + s->ndma + s->nirqs + s->nresets;

	vuser_server_destroy(s->server);
	assert_int_equal(calls, s->nclient_up + s->nclient_down + s->ndma + s->nirqs +
					s->nresets);
	assert_int_equal(guest_mem_count(s->mem), 0);
	close_fd(&s->client);
	if (s->path[0]) {
		unlink(s->path);
		rmdir(s->dir);
	}
	guest_mem_destroy(s->mem);
	loop_destroy(s->loop);
	assert_int_equal(served_count_fds(), s->fds_at_start);
	free(s);
	return 0;
}

int served_count_fds(void)
{
	assert_true(closer_wait(5000));
	return count_open_fds();
}

int served_connect(struct served *s)
{
	return connect_to(s->path);
}

void served_run(struct served *s)
{
	for (int i = 0; i < 8; i++)
		assert_int_equal(loop_turn(s->loop, false), 0);
}

void served_hang_up(struct served *s)
{
	close_fd(&s->client);
	served_run(s);
}

void send_msg_fds(int fd, unsigned cmd, uint32_t flags, const void *payload, size_t len,
		  const int *fds, unsigned nfds)
{
	struct vuser_header header = {.id = MSG_ID,
				      .cmd = (uint16_t)cmd,
				      .size = (uint32_t)(sizeof(header) + len),
				      .flags = flags};
	uint8_t *bytes = malloc(header.size);

	assert_non_null(bytes);
	memcpy(bytes, &header, sizeof(header));
	if (len)
		memcpy(bytes + sizeof(header), payload, len);
	send_bytes(fd, bytes, header.size, fds, nfds);
	free(bytes);
}

void send_msg(int fd, unsigned cmd, uint32_t flags, const void *payload, size_t len)
{
	send_msg_fds(fd, cmd, flags, payload, len, NULL, 0);
}

void send_version_json(int fd, unsigned major, unsigned minor, const char *json)
{
	uint8_t payload[8192];
	struct vuser_version version = {(uint16_t)major, (uint16_t)minor};
	size_t len = sizeof(version);

	memcpy(payload, &version, sizeof(version));
	if (json) {
		assert_true(strlen(json) + 1 < sizeof(payload) - len);
		memcpy(payload + len, json, strlen(json) + 1);
		len += strlen(json) + 1;
	}
	send_msg(fd, VUSER_CMD_VERSION, 0, payload, len);
}

void send_version(int fd, enum who who)
{
	switch (who) {
	case WHO_QEMU: /* padded to the 214 bytes that QEMU sends */
		send_version_json(
			fd, 0, 0,
			"{\"capabilities\": {\"migration\": {\"max_bitmap_size\": "
			"268435456, "
			"\"pgsize\": 4096}, \"max_msg_fds\": 8, \"pgsizes\": 4096,   "
			"\"max_dma_maps\": 65535, \"max_data_xfer_size\": 1048576, "
			"\"write_multiple\": true}}");
		return;
	case WHO_CH:
		send_version_json(
			fd, 0, 1,
			"{\"capabilities\":{\"max_msg_fds\":1,\"max_data_xfer_size\":"
			"1048576,\"migration\":{\"pgsize\":4096}}}");
		return;
	case WHO_SPDK:
		send_version_json(fd, 0, 1, NULL);
		return;
	case WHO_OTHER:
		send_version_json(fd, 0, 1, "{\"capabilities\":{\"max_msg_fds\":8}}");
		return;
	}
}

static size_t read_fully(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = recv(fd, (uint8_t *)buf + done, len - done, MSG_DONTWAIT);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

void take_reply(int fd, struct reply *reply)
{
	assert_int_equal(read_fully(fd, &reply->header, sizeof(reply->header)),
			 sizeof(reply->header));
	assert_in_range(reply->header.size, sizeof(reply->header), VUSER_MSG_MAX);
	reply->len = reply->header.size - sizeof(reply->header);
	assert_int_equal(read_fully(fd, reply->payload, reply->len), reply->len);
	assert_int_equal(reply->header.id, MSG_ID);
}

void expect_reply(int fd, unsigned cmd, size_t len, struct reply *ret_reply)
{
	static struct reply local;
	struct reply *reply = ret_reply ? ret_reply : &local;

	take_reply(fd, reply);
	assert_int_equal(reply->header.flags, VUSER_FLAG_TYPE_REPLY);
	assert_int_equal(reply->header.error, 0);
	assert_int_equal(reply->header.cmd, cmd);
	assert_int_equal(reply->len, len);
}

void expect_error(int fd, unsigned cmd, int error)
{
	static struct reply reply;

	take_reply(fd, &reply);
	assert_int_equal(reply.header.flags, VUSER_FLAG_TYPE_REPLY | VUSER_FLAG_ERROR);
	assert_int_equal(reply.header.error, error);
	assert_int_equal(reply.header.cmd, cmd);
	assert_int_equal(reply.len, 0);
}

void expect_alive(struct served *s, int fd)
{
	struct vuser_device_info info = {.argsz = sizeof(info)};

	expect_silence(fd);
	send_msg(fd, VUSER_CMD_DEVICE_GET_INFO, 0, &info, sizeof(info));
	served_run(s);
	expect_reply(fd, VUSER_CMD_DEVICE_GET_INFO, sizeof(info), NULL);
	expect_silence(fd);
}

void ask(struct served *s, unsigned cmd, const void *payload, size_t len,
	 size_t reply_len, struct reply *ret_reply)
{
	send_msg(s->client, cmd, 0, payload, len);
	served_run(s);
	expect_reply(s->client, cmd, reply_len, ret_reply);
	expect_silence(s->client);
}

void ask_error(struct served *s, unsigned cmd, const void *payload, size_t len, int error)
{
	send_msg(s->client, cmd, 0, payload, len);
	served_run(s);
	expect_error(s->client, cmd, error);
	expect_silence(s->client);
}

size_t make_region_write(uint8_t *payload, unsigned region, uint64_t offset,
			 const void *data, uint32_t count)
{
	struct vuser_region_access access = {offset, region, count};

	memcpy(payload, &access, sizeof(access));
	memcpy(payload + sizeof(access), data, count);
	return sizeof(access) + count;
}

size_t put_msg(uint8_t *at, unsigned cmd, uint32_t flags, const void *payload, size_t len)
{
	struct vuser_header header = {
		.id = 0x4711,
		.cmd = (uint16_t)cmd,
		.size = (uint32_t)(sizeof(header) + len),
		.flags = flags,
	};

	memcpy(at, &header, sizeof(header));
	if (len)
		memcpy(at + sizeof(header), payload, len);
	return header.size;
}

size_t put_info(uint8_t *at)
{
	struct vuser_device_info info = {.argsz = sizeof(info)};

	return put_msg(at, VUSER_CMD_DEVICE_GET_INFO, 0, &info, sizeof(info));
}

size_t put_posted_write(uint8_t *at, uint32_t value)
{
	uint8_t payload[32];
	size_t len = make_region_write(payload, REGION_BAR0, 0, &value, sizeof(value));

	return put_msg(at, VUSER_CMD_REGION_WRITE, VUSER_FLAG_NO_REPLY, payload, len);
}

int make_memory_page(const char *text)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SERVED_PAGE), 0);
	assert_int_equal(pwrite(fd, text, 4, 0), 4);
	return fd;
}

size_t put_map(uint8_t *at, uint64_t iova)
{
	struct vuser_dma_map map = {
		.argsz = 32, .flags = 3, .iova = iova, .size = SERVED_PAGE};

	return put_msg(at, VUSER_CMD_DMA_MAP, 0, &map, sizeof(map));
}

void send_long(struct served *s, const uint8_t *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(s->client, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
		assert_true(n > 0 || errno == EAGAIN);
		served_run(s);
	}
}
