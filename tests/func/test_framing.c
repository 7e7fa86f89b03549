/* SPDX-License-Identifier: MIT
 * test_framing.c - messages as a stream: pieces, batches, invalid sizes, sudden ends
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/func/func.h"
#include "util/bytes.h"

static void put_header(uint8_t *buf, uint16_t id, uint16_t command, uint32_t size,
		       uint32_t flags)
{
	put_le16(buf, id);
	put_le16(buf + 2, command);
	put_le32(buf + 4, size);
	put_le32(buf + 8, flags);
	put_le32(buf + 12, 0);
}

static void put_get_info(uint8_t *buf, uint16_t id)
{
	put_header(buf, id, VFU_DEVICE_GET_INFO, 32, 0);
	memset(buf + 16, 0, 16);
	put_le32(buf + 16, 16);
}

static void expect_info(struct func *f, uint16_t id)
{
	struct vfu_reply reply;

	assert_ok(vfu_recv(&f->vmm.client, &reply));
	assert_int_equal(reply.header.id, id);
	assert_int_equal(reply.header.command, VFU_DEVICE_GET_INFO);
	assert_int_equal(reply.header.flags, VFU_FLAG_REPLY);
	assert_int_equal(reply.payload_bytes, 16);
	vfu_reply_finish(&reply);
}

static void next_client_is_served(struct func *f)
{
	func_disconnect(f);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
}

static void test_message_in_single_bytes(void **state)
{
	struct func *f = *state;
	uint8_t message[32];

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	put_get_info(message, 77);
	for (unsigned i = 0; i < sizeof(message); i++) {
		assert_true(vfu_silent(&f->vmm.client));
		assert_ok(vfu_send_bytes(&f->vmm.client, message + i, 1, NULL, 0));
	}
	expect_info(f, 77);
}

static void test_many_messages_at_once(void **state)
{
	struct func *f = *state;
	uint8_t batch[100 * 32 + 7];

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	for (uint16_t i = 0; i < 100; i++)
		put_get_info(batch + i * 32, i);
	put_get_info(batch + 3200 - 32 + 7, 99); /* overwritten below */
	for (uint16_t i = 0; i < 100; i++)
		put_get_info(batch + i * 32, i);
	/* send the last one in two pieces */
	assert_ok(vfu_send_bytes(&f->vmm.client, batch, 3200 - 5, NULL, 0));
	assert_ok(vfu_send_bytes(&f->vmm.client, batch + 3200 - 5, 5, NULL, 0));
	for (uint16_t i = 0; i < 100; i++)
		expect_info(f, i);
}

/* fds stay with their message, also in a batch. */
static void test_pipelined_maps_keep_their_fds(void **state)
{
	struct func *f = *state;
	uint8_t request[32];
	struct vfu_reply reply;

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	for (unsigned i = 0; i < 50; i++) {
		put_le32(request, 32);
		put_le32(request + 4, 3);
		put_le64(request + 8, 4096 * (uint64_t)i);
		put_le64(request + 16, 0x100000 + 0x10000 * (uint64_t)i);
		put_le64(request + 24, 4096);
		/* every third without an fd */
		assert_ok(vfu_send(&f->vmm.client, VFU_DMA_MAP, 0, request,
				   sizeof(request), &f->ram.fd, i % 3 == 0 ? 0 : 1));
	}
	for (unsigned i = 0; i < 50; i++) {
		assert_ok(vfu_recv(&f->vmm.client, &reply));
		assert_int_equal(reply.header.command, VFU_DMA_MAP);
		assert_int_equal(reply.header.flags, VFU_FLAG_REPLY);
		assert_int_equal(reply.header.size_bytes, 16);
		vfu_reply_finish(&reply);
	}
	assert_alive(f);
}

static void test_unknown_commands_are_refused(void **state)
{
	static const struct {
		uint16_t command;
		int error;
	} cases[] = {
		{0, -EINVAL},
		{VFU_DMA_READ, -EINVAL},
		{VFU_DMA_WRITE, -EINVAL},
		{VFU_DIRTY_PAGES, -EINVAL},
		{VFU_DEVICE_FEATURE, -ENOTTY},
		{VFU_MIG_DATA_READ, -EINVAL},
		{VFU_MIG_DATA_WRITE, -EINVAL},
		{19, -EINVAL},
		{1000, -EINVAL},
		{0xffff, -EINVAL},
	};
	struct func *f = *state;
	uint8_t payload[64] = {64};

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vfu_reply reply;
		int r = vfu_call(&f->vmm.client, cases[i].command, payload,
				 sizeof(payload), NULL, 0, &reply);

		assert_int_equal(r, cases[i].error);
		assert_int_equal(reply.header.size_bytes, VFU_HEADER_BYTES);
		assert_int_equal(reply.header.flags, VFU_FLAG_REPLY | VFU_FLAG_ERROR);
		vfu_reply_finish(&reply);
	}
	assert_alive(f);
}

/* Not even with an error: an unexpected answer puts QEMU out of step for good. */
static void test_no_reply_is_never_answered(void **state)
{
	struct func *f = *state;
	uint8_t payload[64] = {0};

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	for (uint16_t command = 0; command < 24; command++) {
		for (size_t bytes = 0; bytes <= sizeof(payload); bytes += 16)
			assert_ok(vfu_send(&f->vmm.client, command, VFU_FLAG_NO_REPLY,
					   payload, bytes, NULL, 0));
	}
	/* the next answer belongs to this request */
	assert_alive(f);
	assert_true(vfu_silent(&f->vmm.client));
}

static void test_reply_from_client_is_survived(void **state)
{
	struct func *f = *state;

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_ok(
		vfu_send(&f->vmm.client, VFU_DMA_READ, VFU_FLAG_REPLY, NULL, 0, NULL, 0));
	next_client_is_served(f);
}

/* The daemon cannot find the next message, so it must close the connection. */
static void test_impossible_sizes_end_the_connection(void **state)
{
	static const uint32_t sizes[] = {0, 1, 15, 0x7fffffff, 0xffffffff};
	struct func *f = *state;
	uint8_t header[16];

	func_start(f, NULL, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint8_t sink[256];
		ssize_t n;

		func_connect(f, VFU_DIALECT_QEMU);
		put_header(header, 1, VFU_DEVICE_GET_INFO, sizes[i], 0);
		assert_ok(
			vfu_send_bytes(&f->vmm.client, header, sizeof(header), NULL, 0));
		/* an error reply may come first */
		do {
			n = recv(f->vmm.client.fd, sink, sizeof(sink), 0);
		} while (n > 0);
		assert_true(n == 0 || errno == ECONNRESET);
		func_disconnect(f);
	}
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
}

/* The largest legal message has 1 MiB of data; the daemon refuses one byte more. */
static void test_largest_access(void **state)
{
	struct func *f = *state;
	_cleanup_free_ uint8_t *data = calloc(1, VFU_DATA_MAX + 64);

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_non_null(data);
	/* larger than the region: an error reply, and the stream stays in step */
	assert_int_equal(
		vfu_region_write(&f->vmm.client, VFU_REGION_BAR0, 0, data, VFU_DATA_MAX),
		-EINVAL);
	assert_alive(f);
	put_le64(data, 0);
	put_le32(data + 8, VFU_REGION_BAR0);
	put_le32(data + 12, VFU_DATA_MAX + 1);
	assert_int_equal(
		vfu_call(&f->vmm.client, VFU_REGION_READ, data, 16, NULL, 0, NULL),
		-EINVAL);
	assert_alive(f);
}

static void test_disconnect_in_the_middle_of_a_message(void **state)
{
	struct func *f = *state;
	uint8_t message[32];

	func_start(f, NULL, NULL);
	put_get_info(message, 1);
	for (unsigned bytes = 1; bytes < sizeof(message); bytes += 5) {
		func_connect(f, VFU_DIALECT_QEMU);
		assert_ok(vfu_send_bytes(&f->vmm.client, message, bytes, NULL, 0));
		func_disconnect(f);
	}
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
}

/* A client that sends requests and never reads: its socket fills up, but the daemon must
 * not block. */
static void test_client_that_does_not_read(void **state)
{
	struct func *f = *state;
	uint8_t message[32];
	ssize_t n;

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	put_get_info(message, 1);
	for (unsigned i = 0; i < 200000; i++) {
		n = send(f->vmm.client.fd, message, sizeof(message),
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			break;
	}
	/* the daemon still serves the next client */
	func_disconnect(f);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
}

static void test_unused_fds_are_closed(void **state)
{
	struct func *f = *state;
	uint32_t info[4] = {16};
	int fds[16];
	int before;

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
	before = daemon_fd_count(&f->daemon);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = f->ram.fd;
	for (uint16_t command = 2; command < 20; command++) {
		assert_ok(vfu_send(&f->vmm.client, command, VFU_FLAG_NO_REPLY, info,
				   sizeof(info), fds, ARRAY_SIZE(fds)));
		assert_ok(vfu_send(&f->vmm.client, command, VFU_FLAG_NO_REPLY, NULL, 0,
				   fds, 1));
	}
	assert_alive(f);
	assert_int_equal(daemon_fd_count_wait(&f->daemon, before), before);
}

/* fds of an incomplete message. */
static void test_fds_of_half_a_message_are_closed(void **state)
{
	struct func *f = *state;
	uint8_t header[16];
	int before;

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
	before = daemon_fd_count(&f->daemon);
	put_header(header, 1, VFU_DMA_MAP, 48, 0);
	assert_ok(vfu_send_bytes(&f->vmm.client, header, 16, &f->ram.fd, 1));
	next_client_is_served(f);
	assert_int_equal(daemon_fd_count_wait(&f->daemon, before), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_message_in_single_bytes),
		FUNC_TEST(test_many_messages_at_once),
		FUNC_TEST(test_pipelined_maps_keep_their_fds),
		FUNC_TEST(test_unknown_commands_are_refused),
		FUNC_TEST(test_no_reply_is_never_answered),
		FUNC_TEST(test_reply_from_client_is_survived),
		FUNC_TEST(test_impossible_sizes_end_the_connection),
		FUNC_TEST(test_largest_access),
		FUNC_TEST(test_disconnect_in_the_middle_of_a_message),
		FUNC_TEST(test_client_that_does_not_read),
		FUNC_TEST(test_unused_fds_are_closed),
		FUNC_TEST(test_fds_of_half_a_message_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
