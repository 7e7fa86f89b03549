/* SPDX-License-Identifier: MIT
 * test_conn_framing.c - messages in bytes and fds: split, joined, wrong, too many
 */
#include "served.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/fds.h"
#include "vuser/conn.h"

#define PAGE SERVED_PAGE

static struct reply reply;
static uint8_t big[2 * VUSER_MSG_MAX];

static void expect_bytes_at(struct served *s, uint64_t iova, const char *text)
{
	char found[4];

	if (!text) {
		assert_int_equal(guest_mem_read(s->mem, iova, found, 4), -EFAULT);
		return;
	}
	assert_int_equal(guest_mem_read(s->mem, iova, found, 4), 0);
	assert_memory_equal(found, text, 4);
}

static void byte_by_byte(void **state)
{
	struct served *s = *state;
	size_t len = put_info(big);

	for (unsigned round = 0; round < 2; round++) {
		for (size_t i = 0; i < len; i++) {
			expect_silence(s->client);
			send_bytes(s->client, big + i, 1, NULL, 0);
			served_run(s);
		}
		expect_reply(s->client, VUSER_CMD_DEVICE_GET_INFO, 16, NULL);
	}
}

static void many_in_one(void **state)
{
	struct served *s = *state;
	size_t len = 0;

	for (unsigned i = 0; i < 100; i++) {
		len += put_info(big + len);
		len += put_posted_write(big + len, i);
	}
	send_bytes(s->client, big, len, NULL, 0);
	assert_int_equal(loop_turn(s->loop, false), 0);
	for (unsigned i = 0; i < 100; i++) {
		expect_reply(s->client, VUSER_CMD_DEVICE_GET_INFO, 16, NULL);
		assert_int_equal(s->writes[i].value, i);
	}
	assert_int_equal(s->nwrites, 100);
	expect_alive(s, s->client);
}

/* Cuts a stream of messages at every possible place. */
static void cut_anywhere(void **state)
{
	struct served *s = *state;
	size_t len = 0;

	for (unsigned i = 0; i < 3; i++) {
		len += put_posted_write(big + len, i);
		len += put_info(big + len);
	}
	for (size_t cut = 0; cut <= len; cut++) {
		if (cut > 0)
			send_bytes(s->client, big, cut, NULL, 0);
		served_run(s);
		if (cut < len)
			send_bytes(s->client, big + cut, len - cut, NULL, 0);
		served_run(s);
		for (unsigned i = 0; i < 3; i++)
			expect_reply(s->client, VUSER_CMD_DEVICE_GET_INFO, 16, NULL);
		expect_silence(s->client);
		assert_int_equal(s->nwrites, 3 * (cut + 1));
	}
}

/* Everything waits in the socket before the server looks. */
static void fds_find_their_message(void **state)
{
	struct served *s = *state;
	int a = make_memory_page("aaaa"), b = make_memory_page("bbbb"),
	    c = make_memory_page("cccc");
	size_t len;

	len = put_posted_write(big, 1);
	send_bytes(s->client, big, len, NULL, 0);
	len = put_map(big, 0 * PAGE);
	send_bytes(s->client, big, len, &a, 1);
	len = put_map(big, 1 * PAGE); /* none */
	len += put_posted_write(big + len, 2);
	send_bytes(s->client, big, len, NULL, 0);
	len = put_map(big, 2 * PAGE);
	send_bytes(s->client, big, len, &b, 1);
	len = put_map(big, 3 * PAGE);
	send_bytes(s->client, big, len, &c, 1);
	len = put_map(big, 4 * PAGE); /* none */
	send_bytes(s->client, big, len, NULL, 0);
	served_run(s);
	for (unsigned i = 0; i < 5; i++)
		expect_reply(s->client, VUSER_CMD_DMA_MAP, 0, NULL);
	expect_bytes_at(s, 0 * PAGE, "aaaa");
	expect_bytes_at(s, 1 * PAGE, NULL);
	expect_bytes_at(s, 2 * PAGE, "bbbb");
	expect_bytes_at(s, 3 * PAGE, "cccc");
	expect_bytes_at(s, 4 * PAGE, NULL);
	assert_int_equal(s->nwrites, 2);
	close(a);
	close(b);
	close(c);
}

/* fds with the header, or with the payload, of a message that comes in parts. */
static void fds_of_a_split_message(void **state)
{
	struct served *s = *state;
	int a = make_memory_page("aaaa"), b = make_memory_page("bbbb"),
	    c = make_memory_page("cccc");
	size_t len = put_map(big, 0);

	send_bytes(s->client, big, 16, &a, 1);
	served_run(s);
	send_bytes(s->client, big + 16, len - 16, NULL, 0);
	served_run(s);
	expect_reply(s->client, VUSER_CMD_DMA_MAP, 0, NULL);
	expect_bytes_at(s, 0, "aaaa");

	len = put_map(big, PAGE);
	send_bytes(s->client, big, 7, NULL, 0);
	served_run(s);
	send_bytes(s->client, big + 7, len - 7, &b, 1);
	/* the next one, with its own, is there already */
	put_map(big + len, 2 * PAGE);
	send_bytes(s->client, big + len, len, &c, 1);
	served_run(s);
	expect_reply(s->client, VUSER_CMD_DMA_MAP, 0, NULL);
	expect_reply(s->client, VUSER_CMD_DMA_MAP, 0, NULL);
	expect_bytes_at(s, PAGE, "bbbb");
	expect_bytes_at(s, 2 * PAGE, "cccc");

	/* half a header with fds, then the rest and the next message at once */
	put_map(big, 3 * PAGE);
	send_bytes(s->client, big, 7, &a, 1);
	served_run(s);
	send_bytes(s->client, big + 7, len - 7, NULL, 0);
	put_map(big, 4 * PAGE);
	send_bytes(s->client, big, len, &b, 1);
	served_run(s);
	expect_reply(s->client, VUSER_CMD_DMA_MAP, 0, NULL);
	expect_reply(s->client, VUSER_CMD_DMA_MAP, 0, NULL);
	expect_bytes_at(s, 3 * PAGE, "aaaa");
	expect_bytes_at(s, 4 * PAGE, "bbbb");
	close(a);
	close(b);
	close(c);
}

/* fds behind a batch that ends in the middle of a message. */
static void fds_after_a_full_batch(void **state)
{
	struct served *s = *state;
	int a = make_memory_page("aaaa");
	size_t len = 0;
	unsigned writes = 0;

	while (len <= VUSER_BATCH_BYTES) {
		len += put_posted_write(big + len, writes);
		writes++;
	}
	send_bytes(s->client, big, len, NULL, 0);
	len = put_map(big, 0);
	send_bytes(s->client, big, len, &a, 1);
	served_run(s);
	expect_reply(s->client, VUSER_CMD_DMA_MAP, 0, NULL);
	expect_bytes_at(s, 0, "aaaa");
	assert_int_equal(s->nwrites, writes);
	close(a);
}

static void bad_size(struct served *s, uint32_t size)
{
	struct vuser_header header = {
		.id = 0x4711, .cmd = VUSER_CMD_DEVICE_GET_INFO, .size = size};

	send_bytes(s->client, &header, sizeof(header), NULL, 0);
	served_run(s);
	expect_error(s->client, VUSER_CMD_DEVICE_GET_INFO, EINVAL);
	expect_closed(s->client);
	assert_int_equal(s->nclient_down, 1);
}

static void size_zero(void **state)
{
	bad_size(*state, 0);
}

static void size_15(void **state)
{
	bad_size(*state, 15);
}

static void size_above_max(void **state)
{
	bad_size(*state, VUSER_MSG_MAX + 1);
}

static void size_huge(void **state)
{
	bad_size(*state, UINT32_MAX);
}

static void bad_size_posted(void **state)
{
	struct served *s = *state;
	struct vuser_header header = {.size = 15, .flags = VUSER_FLAG_NO_REPLY};

	send_bytes(s->client, &header, sizeof(header), NULL, 0);
	served_run(s);
	expect_closed(s->client);
}

/* The largest message is taken in full, whatever it is. */
static void size_max(void **state)
{
	struct served *s = *state;
	size_t len = put_msg(big, 99, 0, big + VUSER_MSG_MAX, VUSER_MSG_MAX - 16);

	len += put_info(big + len);
	send_long(s, big, len);
	expect_error(s->client, 99, EINVAL);
	expect_reply(s->client, VUSER_CMD_DEVICE_GET_INFO, 16, NULL);
	expect_alive(s, s->client);
}

static void unknown_commands(void **state)
{
	static const unsigned einval[] = {
		0,
		VUSER_CMD_DMA_READ,
		VUSER_CMD_DMA_WRITE,
		VUSER_CMD_DIRTY_PAGES,
		VUSER_CMD_MIG_DATA_READ,
		VUSER_CMD_MIG_DATA_WRITE,
		19,
		0xffff,
	};
	uint8_t payload[64] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(einval); i++)
		ask_error(*state, einval[i], payload, i * 8, EINVAL);
	ask_error(*state, VUSER_CMD_DEVICE_FEATURE, payload, 8, ENOTTY);
	ask_error(*state, VUSER_CMD_DEVICE_FEATURE, payload, 64, ENOTTY);
}

/* We never asked anything, so nothing can be a reply; but it is a message. */
static void wrong_type(void **state)
{
	struct served *s = *state;
	struct vuser_device_info info = {.argsz = sizeof(info)};

	for (uint32_t type = 1; type < 16; type++) {
		send_msg(s->client, VUSER_CMD_DEVICE_GET_INFO, type, &info, sizeof(info));
		served_run(s);
		expect_error(s->client, VUSER_CMD_DEVICE_GET_INFO, EINVAL);
	}
	expect_alive(s, s->client);
}

static void payload_missing(void **state)
{
	for (unsigned cmd = VUSER_CMD_DMA_MAP; cmd <= VUSER_CMD_REGION_WRITE_MULTI;
	     cmd++) {
		if (cmd != VUSER_CMD_DEVICE_RESET)
			ask_error(*state, cmd, NULL, 0, EINVAL);
	}
}

static void unasked_fds_are_closed(void **state)
{
	struct served *s = *state;
	int fds[VUSER_MSG_FDS];
	uint8_t payload[32] = {0};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int before;

	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = null;
	before = served_count_fds();
	for (unsigned cmd = 0; cmd < 20; cmd++) {
		send_msg_fds(s->client, cmd, 0, payload, sizeof(payload), fds, 2);
		send_msg_fds(s->client, cmd, VUSER_FLAG_NO_REPLY, payload, 3, fds, 7);
		send_msg_fds(s->client, cmd, 0, payload, 0, fds, VUSER_MSG_FDS);
		served_run(s);
		take_reply(s->client, &reply);
		take_reply(s->client, &reply);
		expect_silence(s->client);
		assert_int_equal(served_count_fds(), before);
	}
	/* also those of a message that never ends */
	send_bytes(s->client, big, put_map(big, 0) - 1, fds, 3);
	served_run(s);
	assert_int_equal(served_count_fds(), before + 3);
	served_hang_up(s);
	assert_int_equal(served_count_fds(), before - 2);
	assert_int_equal(s->nclient_down, 1);
	close(null);
}

/* More than was announced, at once or by giving one to each byte of a message. */
static void more_fds_than_announced(void **state)
{
	struct served *s = *state;
	int fds[VUSER_MSG_FDS + 1];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	size_t len = put_map(big, 0);
	int before;

	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = null;
	before = served_count_fds();
	for (unsigned i = 0; i < VUSER_MSG_FDS; i++)
		send_bytes(s->client, big + i, 1, fds, 1);
	served_run(s);
	assert_int_equal(served_count_fds(), before + (int)VUSER_MSG_FDS);
	assert_int_equal(s->nclient_down, 0);
	/* its last part has no fds: it is refused, as it takes one only */
	send_bytes(s->client, big + VUSER_MSG_FDS, len - VUSER_MSG_FDS, NULL, 0);
	served_run(s);
	expect_error(s->client, VUSER_CMD_DMA_MAP, EINVAL);
	assert_int_equal(served_count_fds(), before);
	for (unsigned i = 0; i < VUSER_MSG_FDS; i++)
		send_bytes(s->client, big + i, 1, fds, 1);
	send_bytes(s->client, big + VUSER_MSG_FDS, 1, fds, 1);
	served_run(s);
	expect_closed(s->client);
	assert_int_equal(s->nclient_down, 1);
	assert_int_equal(served_count_fds(), before - 1);
	close(null);
}

static void many_more_fds_at_once(void **state)
{
	struct served *s = *state;
	int fds[RECEIVE_FDS_MAX];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int before;

	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = null;
	before = served_count_fds();
	send_bytes(s->client, big, put_map(big, 0), fds, RECEIVE_FDS_MAX);
	served_run(s);
	expect_closed(s->client);
	assert_int_equal(guest_mem_count(s->mem), 0);
	assert_int_equal(served_count_fds(), before - 1);
	close(null);
}

/* A map whose fd did not arrive must not pass for one that has none. */
static void no_fd_left_for_ours(void **state)
{
	struct served *s = *state;
	int a = make_memory_page("aaaa");
	struct rlimit limit, low;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)a + 1; /* the lowest unused one is above */
	send_bytes(s->client, big, put_map(big, 0), &a, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(loop_turn(s->loop, false), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	expect_error(s->client, VUSER_CMD_DMA_MAP, EMFILE);
	assert_int_equal(guest_mem_count(s->mem), 0);
	send_bytes(s->client, big, put_map(big, 0), &a, 1);
	served_run(s);
	expect_reply(s->client, VUSER_CMD_DMA_MAP, 0, NULL);
	expect_bytes_at(s, 0, "aaaa");
	close(a);
}

static void half_message_at_the_end(void **state)
{
	struct served *s = *state;

	send_bytes(s->client, big, put_posted_write(big, 1), NULL, 0);
	send_bytes(s->client, big, put_posted_write(big, 2) - 1, NULL, 0);
	served_hang_up(s);
	assert_int_equal(s->nwrites, 1);
	assert_int_equal(s->nclient_down, 1);
}

/* A socket handed over may have been told to send credentials along. */
static void with_credentials(void **state)
{
	struct served *s;
	int pair[2], one = 1;
	int a;

	served_setup_pair(state);
	s = *state;
	vuser_server_destroy(s->server);
	close(s->client);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)),
			 0);
	s->client = pair[0];
	s->server = vuser_server_create(s->loop, pair[1], &s->device, s->mem, NULL);
	assert_non_null(s->server);
	send_version(s->client, WHO_QEMU);
	served_run(s);
	take_reply(s->client, &reply);
	a = make_memory_page("aaaa");
	send_bytes(s->client, big, put_posted_write(big, 1), NULL, 0);
	send_bytes(s->client, big, put_map(big, 0), &a, 1);
	served_run(s);
	expect_reply(s->client, VUSER_CMD_DMA_MAP, 0, NULL);
	expect_bytes_at(s, 0, "aaaa");
	close(a);
	served_teardown(state);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, served_setup_qemu, served_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(byte_by_byte),
		TEST(many_in_one),
		TEST(cut_anywhere),
		TEST(fds_find_their_message),
		TEST(fds_of_a_split_message),
		TEST(fds_after_a_full_batch),
		TEST(size_zero),
		TEST(size_15),
		TEST(size_above_max),
		TEST(size_huge),
		TEST(bad_size_posted),
		TEST(size_max),
		TEST(unknown_commands),
		TEST(wrong_type),
		TEST(payload_missing),
		TEST(unasked_fds_are_closed),
		TEST(more_fds_than_announced),
		TEST(many_more_fds_at_once),
		TEST(no_fd_left_for_ours),
		TEST(half_message_at_the_end),
		cmocka_unit_test(with_credentials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
