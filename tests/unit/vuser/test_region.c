/* SPDX-License-Identifier: MIT
 * test_region.c - REGION_READ, REGION_WRITE, REGION_WRITE_MULTI, DEVICE_RESET
 */
#include "served.h"

#include <errno.h>
#include <sys/socket.h>

static struct reply reply;
static uint8_t big[VUSER_MSG_MAX];

static void read_ok(struct served *s, uint32_t region, uint64_t offset, uint32_t count)
{
	struct vuser_region_access access = {offset, region, count};

	ask(s, VUSER_CMD_REGION_READ, &access, sizeof(access), 16 + count, &reply);
	assert_memory_equal(reply.payload, &access, sizeof(access));
}

static void read_error(struct served *s, uint32_t region, uint64_t offset, uint32_t count)
{
	struct vuser_region_access access = {offset, region, count};

	ask_error(s, VUSER_CMD_REGION_READ, &access, sizeof(access), EINVAL);
}

static void write_ok(struct served *s, uint32_t region, uint64_t offset, const void *data,
		     uint32_t count)
{
	size_t len = make_region_write(big, region, offset, data, count);

	ask(s, VUSER_CMD_REGION_WRITE, big, len, 16, &reply);
	assert_memory_equal(reply.payload, big, 16);
}

static void write_error(struct served *s, uint32_t region, uint64_t offset,
			uint32_t count)
{
	static const uint8_t data[8192];
	size_t len = make_region_write(big, region, offset, data, count);

	ask_error(s, VUSER_CMD_REGION_WRITE, big, len, EINVAL);
}

static void reads(void **state)
{
	struct served *s = *state;

	for (unsigned i = 0; i < sizeof(s->bar0); i++)
		s->bar0[i] = (uint8_t)(i * 7);
	for (uint32_t count = 1; count <= 9; count++) {
		read_ok(s, REGION_BAR0, 0x123, count);
		assert_memory_equal(reply.payload + 16, s->bar0 + 0x123, count);
	}
	read_ok(s, REGION_BAR0, SERVED_BAR0_BYTES - 1, 1);
	assert_int_equal(reply.payload[16], s->bar0[SERVED_BAR0_BYTES - 1]);
	read_ok(s, REGION_BAR0, 0, SERVED_BAR0_BYTES);
	assert_memory_equal(reply.payload + 16, s->bar0, SERVED_BAR0_BYTES);
}

static void whole_config_in_one(void **state)
{
	struct served *s = *state;

	for (unsigned i = 0; i < sizeof(s->config); i++)
		s->config[i] = (uint8_t)(i * 3 + 1);
	read_ok(s, REGION_CONFIG, 0, SERVED_CONFIG_BYTES);
	assert_memory_equal(reply.payload + 16, s->config, SERVED_CONFIG_BYTES);
	assert_int_equal(reply.header.size, 32 + 4096);
	assert_int_equal(s->nreads, 1);
}

static void writes(void **state)
{
	struct served *s = *state;
	uint64_t value = 0x8877665544332211;

	for (uint32_t count = 1; count <= 8; count++) {
		write_ok(s, REGION_BAR0, 0x40 + count, &value, count);
		assert_int_equal(s->writes[count - 1].count, count);
		assert_int_equal(s->writes[count - 1].offset, 0x40 + count);
		assert_memory_equal(&s->writes[count - 1].value, &value, count);
	}
	assert_int_equal(s->nwrites, 8);
	memset(big + 100000, 0x5a, SERVED_BAR0_BYTES);
	write_ok(s, REGION_BAR0, 0, big + 100000, SERVED_BAR0_BYTES);
	assert_int_equal(s->bar0[SERVED_BAR0_BYTES - 1], 0x5a);
}

static void nothing_is_fine(void **state)
{
	struct served *s = *state;

	read_ok(s, REGION_BAR0, 0, 0);
	read_ok(s, REGION_BAR0, SERVED_BAR0_BYTES + 1, 0);
	write_ok(s, REGION_BAR0, 0, "", 0);
	assert_int_equal(s->nreads + s->nwrites, 0);
}

static void outside(void **state)
{
	struct served *s = *state;

	read_error(s, REGION_BAR0, UINT64_MAX, 256);
	read_error(s, REGION_BAR0, UINT64_MAX - 255, 256);
	read_error(s, REGION_BAR0, SERVED_BAR0_BYTES, 1);
	read_error(s, REGION_BAR0, SERVED_BAR0_BYTES - 3, 4);
	read_error(s, REGION_BAR0, 0, SERVED_BAR0_BYTES + 1);
	read_error(s, REGION_CONFIG, 4095, 2);
	read_error(s, 1, 0, 4);
	read_error(s, 9, 0, 4);
	read_error(s, 9, 0, 0);
	read_error(s, UINT32_MAX, 0, 4);
	read_error(s, REGION_WRITE_ONLY, 0, 4);
	write_error(s, REGION_BAR0, UINT64_MAX, 256);
	write_error(s, REGION_BAR0, SERVED_BAR0_BYTES, 1);
	write_error(s, REGION_BAR0, SERVED_BAR0_BYTES - 3, 4);
	write_error(s, 1, 0, 4);
	write_error(s, 9, 0, 4);
	write_error(s, REGION_READ_ONLY, 0, 4);
	assert_int_equal(s->nreads + s->nwrites, 0);
}

/* Takes the bytes that have come, and lets the server send the rest. */
static void receive_long(struct served *s, uint8_t *at, size_t len)
{
	while (len) {
		ssize_t n = recv(s->client, at, len, MSG_DONTWAIT);

		assert_true(n > 0 || (n < 0 && errno == EAGAIN));
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
		served_run(s);
	}
	expect_silence(s->client);
}

/* As much as one message may carry, both ways. */
static void largest(void **state)
{
	struct served *s = *state;
	struct vuser_region_access access = {SERVED_LARGE_BYTES - VUSER_DATA_MAX,
					     REGION_LARGE, VUSER_DATA_MAX};
	size_t len = 32 + VUSER_DATA_MAX;
	uint32_t size;

	send_msg(s->client, VUSER_CMD_REGION_READ, 0, &access, sizeof(access));
	receive_long(s, big, len);
	memcpy(&size, big + 4, sizeof(size));
	assert_int_equal(size, len);
	assert_int_equal(big[32], 0xa5);
	assert_int_equal(big[len - 1], 0xa5);
	/* write the same bytes back */
	put_msg(big, VUSER_CMD_REGION_WRITE, 0, NULL, 0);
	size = (uint32_t)len;
	memcpy(big + 4, &size, sizeof(size));
	send_long(s, big, len);
	expect_reply(s->client, VUSER_CMD_REGION_WRITE, 16, NULL);
	assert_int_equal(s->nwrites, 1);
	assert_int_equal(s->writes[0].count, VUSER_DATA_MAX);
}

static void malformed(void **state)
{
	struct served *s = *state;
	struct vuser_region_access access = {0, REGION_LARGE, (1 << 20) + 1};

	ask_error(s, VUSER_CMD_REGION_READ, &access, sizeof(access), EINVAL);
	access.count = UINT32_MAX;
	ask_error(s, VUSER_CMD_REGION_READ, &access, sizeof(access), EINVAL);
	access.count = 4;
	ask_error(s, VUSER_CMD_REGION_READ, &access, 15, EINVAL);
	/* payload and count disagree */
	memset(big, 0, sizeof(big));
	memcpy(big, &access, sizeof(access));
	ask_error(s, VUSER_CMD_REGION_WRITE, big, 16, EINVAL);
	ask_error(s, VUSER_CMD_REGION_WRITE, big, 19, EINVAL);
	ask_error(s, VUSER_CMD_REGION_WRITE, big, 21, EINVAL);
	ask_error(s, VUSER_CMD_REGION_WRITE, big, 15, EINVAL);
	assert_int_equal(s->nreads + s->nwrites, 0);
}

/* A posted write is never answered, right or wrong. */
static void posted(void **state)
{
	struct served *s = *state;
	uint32_t value = 42;
	size_t len = make_region_write(big, REGION_BAR0, 0x80, &value, 4);

	send_msg(s->client, VUSER_CMD_REGION_WRITE, VUSER_FLAG_NO_REPLY, big, len);
	served_run(s);
	expect_silence(s->client);
	assert_int_equal(s->nwrites, 1);
	assert_int_equal(s->writes[0].value, 42);

	make_region_write(big, REGION_BAR0, UINT64_MAX, &value, 4);
	send_msg(s->client, VUSER_CMD_REGION_WRITE, VUSER_FLAG_NO_REPLY, big, len);
	send_msg(s->client, VUSER_CMD_REGION_WRITE, VUSER_FLAG_NO_REPLY, big, 3);
	send_msg(s->client, VUSER_CMD_REGION_READ, VUSER_FLAG_NO_REPLY, big, 16);
	send_msg(s->client, VUSER_CMD_DEVICE_RESET, VUSER_FLAG_NO_REPLY, NULL, 0);
	send_msg(s->client, 99, VUSER_FLAG_NO_REPLY, NULL, 0);
	served_run(s);
	assert_int_equal(s->nresets, 1);
	expect_alive(s, s->client);
	assert_int_equal(s->nwrites, 1);
}

static void ch_outside(void **state)
{
	static const struct {
		uint32_t region;
		uint64_t offset;
	} where[] = {
		{REGION_BAR0, SERVED_BAR0_BYTES}, {REGION_BAR0, SERVED_BAR0_BYTES - 1},
		{REGION_BAR0, UINT64_MAX},        {1, 0},
		{REGION_WRITE_ONLY, 0},           {6, 0},
	};
	struct served *s = *state;
	uint64_t ones = UINT64_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		read_ok(s, where[i].region, where[i].offset, 8);
		assert_memory_equal(reply.payload + 16, &ones, 8);
	}
	write_ok(s, REGION_READ_ONLY, 0, &ones, 4);
	write_ok(s, REGION_BAR0, SERVED_BAR0_BYTES, &ones, 8);
	write_ok(s, 1, 0, &ones, 1);
	assert_int_equal(s->nreads + s->nwrites, 0);
}

/* Errors that remain for Cloud Hypervisor have the size it waits for. */
static void ch_padded_errors(void **state)
{
	struct served *s = *state;
	struct vuser_region_access access = {0, 99, 8};

	send_msg(s->client, VUSER_CMD_REGION_READ, 0, &access, sizeof(access));
	served_run(s);
	take_reply(s->client, &reply);
	assert_int_equal(reply.header.flags, VUSER_FLAG_TYPE_REPLY | VUSER_FLAG_ERROR);
	assert_int_equal(reply.len, 16 + 8);
	assert_int_equal(reply.payload[16], 0xff);
	assert_int_equal(reply.payload[23], 0xff);

	send_msg(s->client, VUSER_CMD_REGION_WRITE, 0, &access, sizeof(access));
	served_run(s);
	take_reply(s->client, &reply);
	assert_int_equal(reply.header.flags, VUSER_FLAG_TYPE_REPLY | VUSER_FLAG_ERROR);
	assert_int_equal(reply.len, 16);

	access.count = UINT32_MAX;
	for (access.region = 0; access.region < 100; access.region += 99) {
		send_msg(s->client, VUSER_CMD_REGION_READ, 0, &access, sizeof(access));
		served_run(s);
		take_reply(s->client, &reply);
		assert_int_equal(reply.header.error, EINVAL);
		assert_int_equal(reply.len, 16);
	}
	expect_alive(s, s->client);
}

static size_t make_multi(const struct vuser_write_multi_entry *entries, uint64_t count)
{
	struct vuser_write_multi multi = {count};

	memcpy(big, &multi, sizeof(multi));
	memcpy(big + sizeof(multi), entries, count * sizeof(*entries));
	return sizeof(multi) + count * sizeof(*entries);
}

static uint64_t multi_done(void)
{
	struct vuser_write_multi multi;

	memcpy(&multi, reply.payload, sizeof(multi));
	return multi.count;
}

static void multi_in_order(void **state)
{
	struct served *s = *state;
	struct vuser_write_multi_entry entries[200] = {{0}};
	size_t len;

	for (unsigned i = 0; i < ARRAY_SIZE(entries); i++) {
		entries[i].offset = i * 8;
		entries[i].region = i % 2 ? REGION_CONFIG : REGION_BAR0;
		entries[i].count = i % 8 + 1;
		entries[i].data[0] = (uint8_t)i;
	}
	len = make_multi(entries, ARRAY_SIZE(entries));
	ask(s, VUSER_CMD_REGION_WRITE_MULTI, big, len, 8, &reply);
	assert_int_equal(multi_done(), ARRAY_SIZE(entries));
	assert_int_equal(s->nwrites, ARRAY_SIZE(entries));
	for (unsigned i = 0; i < ARRAY_SIZE(entries); i++) {
		assert_int_equal(s->writes[i].offset, entries[i].offset);
		assert_int_equal(s->writes[i].region, entries[i].region);
		assert_int_equal(s->writes[i].count, entries[i].count);
		assert_int_equal(s->writes[i].value & 0xff, i);
	}
	/* as QEMU sends it */
	send_msg(s->client, VUSER_CMD_REGION_WRITE_MULTI, VUSER_FLAG_NO_REPLY, big, len);
	served_run(s);
	expect_silence(s->client);
	assert_int_equal(s->nwrites, 2 * ARRAY_SIZE(entries));
}

static void multi_none(void **state)
{
	struct vuser_write_multi_entry entry = {0};

	ask(*state, VUSER_CMD_REGION_WRITE_MULTI, big, make_multi(&entry, 0), 8, &reply);
	assert_int_equal(multi_done(), 0);
}

static void multi_one_goes_nowhere(void **state)
{
	struct served *s = *state;
	struct vuser_write_multi_entry entries[] = {
		{.offset = 0, .region = REGION_BAR0, .count = 4},
		{.offset = SERVED_BAR0_BYTES, .region = REGION_BAR0, .count = 4},
		{.offset = UINT64_MAX, .region = 77, .count = 8},
		{.offset = 8, .region = REGION_BAR0, .count = 4},
	};

	ask(s, VUSER_CMD_REGION_WRITE_MULTI, big, make_multi(entries, 4), 8, &reply);
	assert_int_equal(multi_done(), 2);
	assert_int_equal(s->nwrites, 2);
	assert_int_equal(s->writes[1].offset, 8);
}

static void multi_malformed(void **state)
{
	struct served *s = *state;
	struct vuser_write_multi_entry entries[2] = {{.count = 4}, {.count = 9}};
	struct vuser_write_multi multi = {UINT64_MAX};
	size_t len = make_multi(entries, 2);
	static const uint8_t zeros[16384];

	/* nothing of a message that is wrong anywhere is done */
	ask_error(s, VUSER_CMD_REGION_WRITE_MULTI, big, len, EINVAL);
	entries[1].count = 4;
	make_multi(entries, 2);
	ask_error(s, VUSER_CMD_REGION_WRITE_MULTI, big, len - 1, EINVAL);
	ask_error(s, VUSER_CMD_REGION_WRITE_MULTI, big, len + 1, EINVAL);
	ask_error(s, VUSER_CMD_REGION_WRITE_MULTI, big, 7, EINVAL);
	/* entries whose total size wraps around to the payload's; what is read beyond
	 * it would be zeros, which are good entries */
	ask_error(s, 99, zeros, sizeof(zeros), EINVAL);
	ask_error(s, VUSER_CMD_REGION_WRITE_MULTI, &multi, 8, EINVAL);
	multi.count = UINT64_C(1) << 61;
	ask_error(s, VUSER_CMD_REGION_WRITE_MULTI, &multi, 8, EINVAL);
	assert_int_equal(s->nwrites, 0);
}

static void reset(void **state)
{
	struct served *s = *state;

	ask(s, VUSER_CMD_DEVICE_RESET, NULL, 0, 0, NULL);
	assert_int_equal(s->nresets, 1);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, served_setup_qemu, served_teardown)
#define CH_TEST(name) \
	cmocka_unit_test_setup_teardown(name, served_setup_ch, served_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(reads),
		TEST(whole_config_in_one),
		TEST(writes),
		TEST(nothing_is_fine),
		TEST(outside),
		TEST(largest),
		TEST(malformed),
		TEST(posted),
		CH_TEST(ch_outside),
		CH_TEST(ch_padded_errors),
		TEST(multi_in_order),
		TEST(multi_none),
		TEST(multi_one_goes_nowhere),
		TEST(multi_malformed),
		TEST(reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
