/* SPDX-License-Identifier: MIT
 * test_conn_framing.c - lines of the JSON dialect: whole, split, pipelined, with fds, too long
 */
#include "controlled.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATS "{\"verb\":\"stats\"}\n"
#define DONE  "{\"ok\":true,\"done\":\"stats\"}"

static void one_request(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	assert_string_equal(ask(c, fd, "{\"verb\":\"stats\",\"id\":\"a b\"}"),
			    "{\"ok\":true,\"id\":\"a b\",\"done\":\"stats\"}");
	assert_string_equal(ask(c, fd, "{\"verb\":\"stats\",\"id\":1.50}"),
			    "{\"ok\":true,\"id\":1.50,\"done\":\"stats\"}");
	assert_string_equal(ask(c, fd, "{\"verb\":\"stats\"}"), DONE);
	expect_silence(fd);
	close(fd);
	run(c);
	assert_int_equal(control_server_clients(c->server), 0);
}

static void white_space_around(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	send_text(fd, "\n \r\n\t { \"verb\" : \"stats\" } \r\n\n");
	run(c);
	expect_line(fd, DONE);
	expect_silence(fd);
	close(fd);
}

static void byte_by_byte(void **state)
{
	static const char text[] = "{\"verb\":\"stats\",\"id\":12}\n";
	struct controlled *c = *state;
	int fd = connect_client(c);

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		expect_silence(fd);
		send_fds(fd, text + i, 1, -1, 0);
		run(c);
	}
	expect_line(fd, "{\"ok\":true,\"id\":12,\"done\":\"stats\"}");
	close(fd);
}

static void pipelined(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);
	char text[8192] = "", wanted[64];
	size_t len = 0;

	for (unsigned i = 0; i < 100; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"{\"verb\":\"%s\",\"id\":%u}\n",
					i % 7 ? "stats" : "nonsense", i);
	send_text(fd, text);
	run(c);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(wanted, sizeof(wanted), "{\"ok\":%s,\"id\":%u,",
			 i % 7 ? "true" : "false", i);
		expect_part(fd, wanted);
	}
	expect_silence(fd);
	close(fd);
}

/* Answers come in the order of the requests, however late the owner is. */
static void pipelined_waits_for_the_owner(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	c->mode = OWNER_KEEPS;
	send_text(fd,
		  "{\"verb\":\"stats\",\"id\":1}\n{\"verb\":\"hello\",\"id\":2}\n" STATS);
	run(c);
	assert_int_equal(c->nkept, 1);
	expect_silence(fd);
	control_answer(c->kept[0], NULL);
	run(c);
	expect_line(fd, "{\"ok\":true,\"id\":1}");
	expect_part(fd, "{\"ok\":true,\"id\":2,\"version\":1,");
	assert_int_equal(c->nkept, 2);
	control_refuse(c->kept[1], CONTROL_CODE_BUSY, "wait", "the %s is taken", "stick");
	run(c);
	expect_line(
		fd,
		"{\"ok\":false,\"error\":{\"code\":\"busy\",\"message\":\"the stick is "
		"taken\",\"hint\":\"wait\"}}");
	c->nkept = 0;
	close(fd);
}

static void longest_line(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);
	char *text = malloc(CONTROL_LINE_MAX);

	assert_non_null(text);
	memset(text, ' ', CONTROL_LINE_MAX);
	memcpy(text, STATS, strlen(STATS) - 1);
	text[CONTROL_LINE_MAX - 1] = '\n';
	send_fds(fd, text, CONTROL_LINE_MAX, -1, 0);
	run(c);
	expect_line(fd, DONE);
	expect_alive(c, fd);
	free(text);
	close(fd);
}

static void too_long_line(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);
	char *text = malloc(CONTROL_LINE_MAX + 1);

	assert_non_null(text);
	memset(text, ' ', CONTROL_LINE_MAX + 1);
	memcpy(text, STATS, strlen(STATS) - 1);
	text[CONTROL_LINE_MAX] = '\n';
	send_fds(fd, text, CONTROL_LINE_MAX + 1, -1, 0);
	run(c);
	expect_part(
		fd,
		"{\"ok\":false,\"error\":{\"code\":\"too-large\",\"message\":\"the line");
	expect_closed(fd);
	assert_int_equal(c->nrequests, 0);
	free(text);
	close(fd);
}

static void end_without_newline(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	send_text(fd, STATS "{\"verb\":\"stats\"}");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	run(c);
	expect_line(fd, DONE);
	expect_part(
		fd,
		"\"code\":\"bad-request\",\"message\":\"the last line has no newline");
	expect_closed(fd);
	assert_int_equal(c->nrequests, 1);
	close(fd);
}

/* The writing side is closed at once: all is answered nevertheless. */
static void end_behind_requests(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	c->mode = OWNER_KEEPS;
	send_text(fd, STATS STATS);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	for (unsigned i = 0; i < 2; i++) {
		run(c);
		assert_int_equal(c->nkept, i + 1);
		control_answer(c->kept[i], NULL);
	}
	c->nkept = 0;
	run(c);
	expect_line(fd, "{\"ok\":true}");
	expect_line(fd, "{\"ok\":true}");
	expect_closed(fd);
	close(fd);
}

/* ---- fds ---- */

#define ATTACH "{\"verb\":\"attach\"}\n"
#define DEVICE "{\"ok\":true,\"device\":{\"id\":\"d0\"}}"

static bool is_dev_null(int fd)
{
	struct stat got, wanted;

	return fd >= 0 && fstat(fd, &got) == 0 && stat("/dev/null", &wanted) == 0 &&
	       got.st_rdev == wanted.st_rdev;
}

static void attach_with_fd(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	send_text_fd(fd, ATTACH, null, 1);
	run(c);
	expect_line(fd, DEVICE);
	assert_true(is_dev_null(c->last_fd));
	assert_int_equal(fcntl(c->last_fd, F_GETFD), FD_CLOEXEC);
	close(null);
	close(fd);
}

/* An fd goes with the line it was sent with, whatever is before or behind. */
static void fd_goes_with_its_line(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	send_text(fd, STATS STATS "{\"verb\":");
	send_text_fd(fd, "\"attach\"}\n", null, 1);
	send_text(fd, STATS);
	send_text_fd(fd, ATTACH, null, 1);
	send_text_fd(fd, ATTACH, null, 1);
	send_text(fd, ATTACH);
	run(c);
	expect_line(fd, DONE);
	expect_line(fd, DONE);
	expect_line(fd, DEVICE);
	expect_line(fd, DONE);
	expect_line(fd, DEVICE);
	expect_line(fd, DEVICE);
	expect_part(fd, "\"code\":\"bad-request\",\"message\":\"the field \\\"spec\\\", "
			"or a file "
			"descriptor, is missing\"");
	close(null);
	close(fd);
}

/* Two lines with fds, received before the first is handled. */
static void two_lines_with_fds_at_once(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	send_text_fd(fd, "{\"verb\":", null, 1);
	run(c);
	send_text_fd(fd, "\"attach\"}\n{\"verb\":\"att", null, 1);
	run(c);
	expect_line(fd, DEVICE);
	expect_silence(fd);
	send_text(fd, "ach\"}\n");
	run(c);
	expect_line(fd, DEVICE);
	close(null);
	close(fd);
}

static void more_than_one_fd(void **state)
{
	static const unsigned counts[] = {2, 3, 4, 5, 40};
	struct controlled *c = *state;
	int fd = connect_client(c), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int before = 0;

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		send_text_fd(fd, ATTACH, null, counts[i]);
		run(c);
		expect_part(fd,
			    "\"code\":\"bad-request\",\"message\":\"more than one file "
			    "descriptor");
		if (!before)
			before = count_open_fds();
		assert_int_equal(count_open_fds(), before);
	}
	/* one with each byte is more than one too */
	for (const char *at = ATTACH; *at; at++)
		send_fds(fd, at, 1, null, 1);
	run(c);
	expect_part(fd, "more than one file descriptor");
	assert_int_equal(c->nrequests, 0);
	assert_int_equal(count_open_fds(), before);
	expect_alive(c, fd);
	close(null);
	close(fd);
}

static void fd_where_none_belongs(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	send_text_fd(fd, STATS, null, 1);
	run(c);
	expect_part(fd, "\"message\":\"a file descriptor does not go with this\"");
	send_text_fd(fd, "\n", null, 1);
	run(c);
	expect_part(fd, "\"code\":\"bad-request\"");
	assert_int_equal(c->nrequests, 0);
	expect_alive(c, fd);
	/* one whose line never ends is closed with the connection */
	send_text_fd(fd, "{", null, 1);
	run(c);
	close(null);
	close(fd);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, controlled_setup, controlled_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(one_request),
		TEST(white_space_around),
		TEST(byte_by_byte),
		TEST(pipelined),
		TEST(pipelined_waits_for_the_owner),
		TEST(longest_line),
		TEST(too_long_line),
		TEST(end_without_newline),
		TEST(end_behind_requests),
		TEST(attach_with_fd),
		TEST(fd_goes_with_its_line),
		TEST(two_lines_with_fds_at_once),
		TEST(more_than_one_fd),
		TEST(fd_where_none_belongs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
