/* SPDX-License-Identifier: MIT
 * test_speak_legacy.c - the original program's 3-byte commands, byte for byte
 */
#include "controlled.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* All bytes that came until the connection closed. */
static void expect_bytes(struct controlled *c, int fd, const void *wanted, size_t len)
{
	uint8_t got[600];
	ssize_t n;

	run(c);
	n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
	assert_int_equal(n, len);
	assert_memory_equal(got, wanted, len);
	expect_closed(fd);
	close(fd);
	run(c);
	assert_int_equal(control_server_clients(c->server), 0);
}

static void expect_byte(struct controlled *c, int fd, uint8_t wanted)
{
	expect_bytes(c, fd, &wanted, 1);
}

static void attach(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	c->mode = OWNER_KEEPS;
	send_fds(fd, "\x00\x03\x0a", 3, null, 1);
	run(c);
	assert_int_equal(c->nkept, 1);
	assert_int_equal(c->last_verb, CONTROL_VERB_ATTACH);
	assert_true(c->last_fd >= 0);
	assert_int_equal(c->kept[0]->attach.bus, 3);
	assert_int_equal(c->kept[0]->attach.address, 10);
	assert_null(c->kept[0]->attach.spec);
	expect_silence(fd);
	control_answer_device(c->kept[--c->nkept],
			      &(struct control_device)CONTROL_DEVICE_INIT);
	expect_byte(c, fd, 0);
	close(null);
}

static void detach(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	c->mode = OWNER_KEEPS;
	send_fds(fd, "\x01\x03\xff", 3, -1, 0);
	run(c);
	assert_int_equal(c->nkept, 1);
	assert_int_equal(c->last_verb, CONTROL_VERB_DETACH);
	assert_int_equal(c->kept[0]->target.kind, CONTROL_TARGET_KIND_ADDRESS);
	assert_int_equal(c->kept[0]->target.bus, 3);
	assert_int_equal(c->kept[0]->target.address, 255);
	assert_string_equal(c->kept[0]->target.text, "003:255");
	control_answer(c->kept[--c->nkept], NULL);
	expect_byte(c, fd, 0);
}

/* Of five, two are not of the host. */
static void list(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	c->list_devices = 5;
	send_fds(fd, "\x02\x00\x00", 3, -1, 0);
	expect_bytes(c, fd, "\x01\x04\x03\x0a\x03\x0b\x03\x0d\x03\x0e", 10);
}

static void list_of_none(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	c->list_devices = 0;
	send_fds(fd, "\x02\x00\x00", 3, -1, 0);
	expect_bytes(c, fd, "\x01\x00", 2);
}

static void list_is_bounded(void **state)
{
	struct controlled *c = *state;
	uint8_t wanted[2 + 2 * CONTROL_LEGACY_LIST_MAX] = {1, CONTROL_LEGACY_LIST_MAX};
	int fd = connect_client(c);
	size_t len = 2;

	c->list_devices = 200;
	for (unsigned i = 0; len < sizeof(wanted); i++) {
		if (i % 3 != 2) {
			wanted[len++] = 3;
			wanted[len++] = (uint8_t)(10 + i);
		}
	}
	send_fds(fd, "\x02\x00\x00", 3, -1, 0);
	expect_bytes(c, fd, wanted, sizeof(wanted));
}

/* Every code of the owner's has its byte, in attach, detach and list. */
static void owner_refuses(void **state)
{
	struct controlled *c = *state;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	c->mode = OWNER_REFUSES;
	for (unsigned code = 0; code < CONTROL_CODES; code++) {
		for (uint8_t command = 0; command <= 2; command++) {
			uint8_t bytes[3] = {command, 1, 2};
			int fd = connect_client(c);

			c->code = code;
			send_fds(fd, bytes, 3, null, command == 0 ? 1 : 0);
			expect_byte(c, fd, (uint8_t)control_code_legacy(code));
		}
	}
	assert_int_equal(c->nrequests, 3 * CONTROL_CODES);
	close(null);
}

static void wrong_fds(void **state)
{
	struct controlled *c = *state;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	static const unsigned counts[3][4] = {
		{0, 2, 4, 40}, {1, 2, 5, 40}, {1, 2, 5, 40}};

	for (uint8_t command = 0; command <= 2; command++) {
		for (unsigned i = 0; i < 4; i++) {
			uint8_t bytes[3] = {command, 1, 2};
			int fd = connect_client(c);

			send_fds(fd, bytes, 3, null, counts[command][i]);
			expect_byte(c, fd, 4);
		}
	}
	assert_int_equal(c->nrequests, 0);
	close(null);
}

/* Answered by their first byte, whatever they are. */
static void unknown_commands(void **state)
{
	struct controlled *c = *state;

	for (unsigned command = 3; command <= 255; command++) {
		uint8_t byte = (uint8_t)command;
		int fd;

		if (strchr("{ \t\r\n", (int)command))
			continue;
		fd = connect_client(c);
		send_fds(fd, &byte, 1, -1, 0);
		expect_byte(c, fd, 4);
	}
	assert_int_equal(c->nrequests, 0);
}

static void byte_by_byte(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	send_fds(fd, "\x00", 1, null, 1);
	run(c);
	send_fds(fd, "\x0a", 1, -1, 0);
	run(c);
	expect_silence(fd);
	send_fds(fd, "\x0a", 1, -1, 0);
	expect_byte(c, fd, 0);
	assert_int_equal(c->nrequests, 1);
	/* the fd may come with any of them */
	fd = connect_client(c);
	send_fds(fd, "\x00\x0a", 2, -1, 0);
	run(c);
	send_fds(fd, "\x0a", 1, null, 1);
	expect_byte(c, fd, 0);
	assert_int_equal(c->nrequests, 2);
	close(null);
}

/* One command per connection: the server ignores more bytes. */
static void more_bytes(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	send_fds(fd, "\x02\x00\x00\x02\x00\x00\x02", 7, -1, 0);
	expect_bytes(c, fd, "\x01\x02\x03\x0a\x03\x0b", 6);
	assert_int_equal(c->nrequests, 1);
}

static void short_commands(void **state)
{
	struct controlled *c = *state;

	for (size_t len = 1; len <= 2; len++) {
		int fd = connect_client(c);

		send_fds(fd, "\x01\x03", len, -1, 0);
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		expect_byte(c, fd, 4);
	}
	assert_int_equal(c->nrequests, 0);
}

/* The writing side is closed at once, as shells do. */
static void closed_behind_command(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	send_fds(fd, "\x02\x00\x00", 3, -1, 0);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	expect_bytes(c, fd, "\x01\x02\x03\x0a\x03\x0b", 6);
}

static void half_command_times_out(void **state)
{
	struct controlled *c = *state;
	int half = connect_client(c), silent = connect_client(c);
	uint8_t byte;

	send_fds(half, "\x01\x03", 2, -1, 0);
	run_until_readable(c, half);
	assert_int_equal(recv(half, &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(byte, 4);
	run_until_readable(c, half);
	expect_closed(half);
	run_until_readable(c, silent);
	expect_closed(silent);
	assert_int_equal(control_server_clients(c->server), 0);
	close(half);
	close(silent);
}

/* ... but not while its owner takes long. */
static void slow_owner_does_not_time_out(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c), silent;

	c->mode = OWNER_KEEPS;
	send_fds(fd, "\x01\x03\x04", 3, -1, 0);
	run(c);
	silent = connect_client(c);
	run_until_readable(c, silent);
	expect_closed(silent);
	close(silent);
	expect_silence(fd);
	control_refuse(c->kept[--c->nkept], CONTROL_CODE_NO_SUCH_DEVICE, NULL, "none");
	expect_byte(c, fd, 5);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, controlled_setup, controlled_teardown)
#define TEST_HASTY(name) \
	cmocka_unit_test_setup_teardown(name, controlled_setup_hasty, controlled_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(attach),
		TEST(detach),
		TEST(list),
		TEST(list_of_none),
		TEST(list_is_bounded),
		TEST(owner_refuses),
		TEST(wrong_fds),
		TEST(unknown_commands),
		TEST(byte_by_byte),
		TEST(more_bytes),
		TEST(short_commands),
		TEST(closed_behind_command),
		TEST_HASTY(half_command_times_out),
		TEST_HASTY(slow_owner_does_not_time_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
