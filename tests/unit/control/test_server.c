/* SPDX-License-Identifier: MIT
 * test_server.c - connections that come and go, too many of them, and the server's end
 */
#include "controlled.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/err.h"

/* A thousand one after the other, of all kinds. */
static void thousand_connections(void **state)
{
	struct controlled *c = *state;

	for (unsigned i = 0; i < 1000; i++) {
		int fd = connect_client(c);

		switch (i % 5) {
		case 0:
			expect_alive(c, fd);
			break;
		case 1:
			send_fds(fd, "\x02\x00\x00", 3, -1, 0);
			break;
		case 2:
			send_text(fd, "{\"verb\":\"attach\",\"sp");
			break;
		case 3: /* says nothing */
			break;
		case 4:
			send_fds(fd, "\x01", 1, -1, 0);
			break;
		}
		if (i % 2)
			run(c);
		close(fd);
		run(c);
		assert_int_equal(control_server_clients(c->server), 0);
	}
}

static void too_many(void **state)
{
	struct controlled *c = *state;
	int fds[CONTROL_CONNS_MAX], one_more;

	for (unsigned i = 0; i < CONTROL_CONNS_MAX; i++) {
		fds[i] = connect_client(c);
		expect_alive(c, fds[i]);
	}
	assert_int_equal(control_server_clients(c->server), CONTROL_CONNS_MAX);
	for (unsigned i = 0; i < 3; i++) {
		one_more = connect_client(c);
		send_text(one_more, "{\"verb\":\"list\"}\n");
		run(c);
		expect_line(one_more, "{\"ok\":false,\"error\":{\"code\":\"too-many\","
				      "\"message\":\"too "
				      "many clients of the control socket\"}}");
		expect_closed(one_more);
		close(one_more);
	}
	for (unsigned i = 0; i < CONTROL_CONNS_MAX; i++)
		expect_alive(c, fds[i]);
	close(fds[7]);
	run(c);
	fds[7] = connect_client(c);
	expect_alive(c, fds[7]);
	for (unsigned i = 0; i < CONTROL_CONNS_MAX; i++)
		close(fds[i]);
}

/* A silent client makes way; one that has sent a request, or bytes not read yet, does not. */
static void silent_ones_make_way(void **state)
{
	struct controlled *c = *state;
	int fds[2 * CONTROL_CONNS_MAX];

	fds[0] = connect_client(c);
	expect_alive(c, fds[0]);
	for (unsigned i = 1; i < ARRAY_SIZE(fds); i++) {
		fds[i] = connect_client(c);
		run(c);
	}
	assert_int_equal(control_server_clients(c->server), CONTROL_CONNS_MAX);
	expect_alive(c, fds[0]);
	expect_closed(fds[1]);
	expect_alive(c, fds[ARRAY_SIZE(fds) - 1]);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* All at once, more than there are places: each is served or told. */
static void a_crowd(void **state)
{
	struct controlled *c = *state;
	int fds[60];
	unsigned served = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = connect_client(c);
		send_text(fds[i], "{\"verb\":\"stats\"}\n");
	}
	run(c);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
		const char *line = take_line(fds[i]);

		if (strcmp(line, "{\"ok\":true,\"done\":\"stats\"}") == 0)
			served++;
		else
			assert_non_null(strstr(line, "too-many"));
		close(fds[i]);
	}
	assert_in_range(served, CONTROL_CONNS_MAX, ARRAY_SIZE(fds));
	assert_int_equal(served, c->nrequests);
}

/* No fd is left in the process: the client gets a refusal, and the loop does not spin. */
static void no_fd_left(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c), taken[512], refused;
	unsigned ntaken = 0;
	struct rlimit old, small;

	expect_alive(c, fd);
	refused = connect_client(c);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	small = old;
	small.rlim_cur = 256;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
	while (ntaken < ARRAY_SIZE(taken) &&
	       (taken[ntaken] = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0)
		ntaken++;
	assert_int_equal(errno, EMFILE);
	run(c);
	expect_part(refused, "too-many");
	expect_closed(refused);
	expect_alive(c, fd);
	while (ntaken > 0)
		close(taken[--ntaken]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	close(refused);
	close(fd);
	fd = connect_client(c);
	expect_alive(c, fd);
	close(fd);
}

/* Its client has gone: the answer goes nowhere, the request stays good until then. */
static void client_goes_before_the_answer(void **state)
{
	struct controlled *c = *state;

	c->mode = OWNER_KEEPS;
	for (unsigned i = 0; i < 4; i++) {
		int fd = connect_client(c);

		if (i % 2)
			send_text(fd, "{\"verb\":\"detach\",\"device\":\"d0\"}\n");
		else
			send_fds(fd, "\x01\x03\x04", 3, -1, 0);
		run(c);
		close(fd);
		run(c);
	}
	assert_int_equal(c->nkept, 4);
	assert_string_equal(c->kept[0]->target.text, "003:004");
	assert_string_equal(c->kept[1]->target.text, "d0");
	control_answer(c->kept[0], NULL);
	control_answer(c->kept[1], NULL);
	control_refuse(c->kept[2], CONTROL_CODE_BUSY, NULL, "x");
	control_refuse(c->kept[3], CONTROL_CODE_BUSY, NULL, "x");
	c->nkept = 0;
	run(c);
	assert_int_equal(control_server_clients(c->server), 0);
}

/* Clients that do not wait for their answers do not shut others out for ever. */
static void gone_clients_free_their_places(void **state)
{
	struct controlled *c = *state;
	int fd;

	c->mode = OWNER_KEEPS;
	for (unsigned i = 0; i < CONTROL_CONNS_MAX; i++) {
		fd = connect_client(c);
		send_text(fd, "{\"verb\":\"list\"}\n");
		run(c);
		close(fd);
	}
	run(c);
	fd = connect_client(c);
	expect_alive(c, fd);
	close(fd);
}

/* The server goes first. The tear-down answers the pending requests. */
static void server_goes_before_the_answer(void **state)
{
	struct controlled *c = *state;
	int json = connect_client(c), legacy = connect_client(c), watcher;

	watcher = connect_client(c);
	ask(c, watcher, "{\"verb\":\"watch\"}");
	c->mode = OWNER_KEEPS;
	send_text(json, "{\"verb\":\"detach\",\"device\":\"d0\"}\n{\"verb\":\"list\"}\n");
	send_fds(legacy, "\x02\x00\x00", 3, -1, 0);
	run(c);
	assert_int_equal(c->nkept, 2);
	control_server_event(c->server, CONTROL_EVENT_GONE, NULL, NULL);
	control_server_destroy(c->server);
	c->server = NULL;
	expect_closed(json);
	expect_closed(legacy);
	expect_part(watcher, "\"event\":\"gone\"");
	expect_closed(watcher);
	close(json);
	close(legacy);
	close(watcher);
}

/* The server sends the last answer before it closes the connection. */
static void last_answers_are_sent(void **state)
{
	struct controlled *c = *state;
	int json = connect_client(c), legacy = connect_client(c);
	uint8_t byte = 0;

	c->mode = OWNER_KEEPS;
	send_text(json, "{\"verb\":\"detach\",\"device\":\"d0\"}\n");
	send_fds(legacy, "\x02\x00\x00", 3, -1, 0);
	run(c);
	while (c->nkept > 0)
		control_refuse(c->kept[--c->nkept], CONTROL_CODE_STOPPING, NULL, "bye");
	control_server_destroy(c->server);
	c->server = NULL;
	expect_part(json, "\"code\":\"stopping\"");
	expect_closed(json);
	assert_int_equal(recv(legacy, &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(byte, 4);
	expect_closed(legacy);
	close(json);
	close(legacy);
}

static void not_a_listening_socket(void **state)
{
	struct controlled *c = *state;
	struct control_options options = {.daemon = "x"};
	struct err err = {0};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_null(control_server_create(c->loop, pair[0], &options, &err));
	assert_int_equal(err.code, EINVAL);
	close(pair[1]);
	assert_null(control_server_create(
		c->loop, open("/dev/null", O_RDONLY | O_CLOEXEC), &options, &err));
	assert_int_equal(err.code, ENOTSOCK);
}

/* JSON clients may be idle for ever. */
static void idle_client_stays(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c), silent;

	expect_alive(c, fd);
	send_text(fd, "{\"verb\":");
	silent = connect_client(c);
	run_until_readable(c, silent);
	expect_closed(silent);
	send_text(fd, "\"stats\"}\n");
	run(c);
	expect_line(fd, "{\"ok\":true,\"done\":\"stats\"}");
	close(silent);
	close(fd);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, controlled_setup, controlled_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(thousand_connections),
		TEST(too_many),
		TEST(silent_ones_make_way),
		TEST(a_crowd),
		TEST(no_fd_left),
		TEST(client_goes_before_the_answer),
		TEST(gone_clients_free_their_places),
		TEST(server_goes_before_the_answer),
		TEST(last_answers_are_sent),
		TEST(not_a_listening_socket),
		cmocka_unit_test_setup_teardown(idle_client_stays, controlled_setup_hasty,
						controlled_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
