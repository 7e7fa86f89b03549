/* SPDX-License-Identifier: MIT
 * test_conn_flow.c - events, and clients that do not read or never stop
 */
#include "controlled.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void tell(struct controlled *c, enum control_event event, const char *id)
{
	struct control_device device = CONTROL_DEVICE_INIT;

	device.id = id;
	control_server_event(c->server, event, &device, NULL);
}

/* The event without its time, which is checked for its form only. */
static const char *take_event(int fd)
{
	static char text[4096];
	const char *line = take_line(fd);
	const char *at = strstr(line, "\"at\":\"20");

	assert_non_null(at);
	/* "at":"2026-01-31T12:34:56Z", */
	assert_int_equal(at[6 + 19], 'Z');
	snprintf(text, sizeof(text), "%.*s%s", (int)(at - line), line, at + 28);
	return text;
}

static void watch(void **state)
{
	struct controlled *c = *state;
	int watcher = connect_client(c), other = connect_client(c);

	tell(c, CONTROL_EVENT_GONE, "before");
	assert_string_equal(ask(c, watcher, "{\"verb\":\"watch\",\"id\":1}"),
			    "{\"ok\":true,\"id\":1}");
	expect_alive(c, other);
	tell(c, CONTROL_EVENT_ATTACHED, "a");
	control_server_event(c->server, CONTROL_EVENT_FAILED, NULL, "no \"port\"");
	run(c);
	assert_string_equal(take_event(watcher),
			    "{\"event\":\"attached\",\"device\":{\"id\":\"a\"}}");
	assert_string_equal(take_event(watcher),
			    "{\"event\":\"failed\",\"message\":\"no \\\"port\\\"\"}");
	expect_silence(watcher);
	expect_silence(other);
	/* it still may ask */
	expect_alive(c, watcher);
	close(watcher);
	close(other);
	tell(c, CONTROL_EVENT_ATTACHED, "b");
	run(c);
	assert_int_equal(control_server_clients(c->server), 0);
}

static void watch_some(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	ask(c, fd, "{\"verb\":\"watch\",\"events\":[\"gone\",\"rule-held\"]}");
	for (unsigned i = 0; i < CONTROL_EVENTS; i++)
		tell(c, i, "x");
	run(c);
	assert_string_equal(take_event(fd),
			    "{\"event\":\"gone\",\"device\":{\"id\":\"x\"}}");
	assert_string_equal(take_event(fd),
			    "{\"event\":\"rule-held\",\"device\":{\"id\":\"x\"}}");
	expect_silence(fd);
	ask(c, fd, "{\"verb\":\"watch\",\"events\":[]}");
	tell(c, CONTROL_EVENT_GONE, "x");
	run(c);
	expect_silence(fd);
	close(fd);
}

/* Events are whole lines between answers, also while a request waits. */
static void events_while_a_request_waits(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	ask(c, fd, "{\"verb\":\"watch\"}");
	c->mode = OWNER_KEEPS;
	send_text(fd, "{\"verb\":\"stats\",\"id\":9}\n");
	run(c);
	tell(c, CONTROL_EVENT_GONE, "x");
	run(c);
	take_event(fd);
	control_answer(c->kept[--c->nkept], NULL);
	run(c);
	expect_line(fd, "{\"ok\":true,\"id\":9}");
	close(fd);
}

/* Up to the end of a line. Return: bytes, 0 there are none; true in @ret_whole if it ends there. */
static size_t take_part(int fd, char *part, size_t room, bool *ret_whole)
{
	ssize_t n = recv(fd, part, room, MSG_DONTWAIT | MSG_PEEK);
	const char *end;

	*ret_whole = false;
	if (n < 0) {
		assert_int_equal(errno, EAGAIN);
		return 0;
	}
	assert_int_not_equal(n, 0);
	end = memchr(part, '\n', (size_t)n);
	*ret_whole = end != NULL;
	if (end)
		n = end + 1 - part;
	assert_int_equal(recv(fd, part, (size_t)n, MSG_DONTWAIT), n);
	return (size_t)n;
}

/* A line that may not be there in full yet. */
static void take_line_slowly(struct controlled *c, int fd)
{
	static char part[65536];
	bool whole = false;

	while (!whole) {
		if (take_part(fd, part, sizeof(part), &whole) == 0)
			run(c);
	}
}

/* Reads lines as long as there are any; the last must be whole, and none "late". Return: how many; the
 * last that says "lost" into @ret_lost, lines behind it counted in @ret_behind. */
static unsigned drain(struct controlled *c, int fd, uint64_t *ret_lost,
		      unsigned *ret_behind)
{
	unsigned nlines = 0;
	uint64_t lost;
	char byte;

	*ret_lost = 0;
	*ret_behind = 0;
	while (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1) {
		char line[512];
		size_t len = 0;
		bool whole = false;

		while (!whole) {
			size_t n = take_part(fd, line + len, sizeof(line) - len, &whole);

			len += n;
			assert_true(whole || len < sizeof(line));
			if (n == 0)
				run(c);
		}
		line[len - 1] = '\0';
		assert_null(strstr(line, "late"));
		nlines++;
		(*ret_behind)++;
		if (sscanf(line, "{\"event\":\"lost\",\"count\":%lu}", &lost) == 1) {
			*ret_lost += lost;
			*ret_behind = 0;
		}
		run(c);
	}
	return nlines;
}

/* A watcher that does not read costs a bounded amount, disturbs nobody, and is told how
 * much it has missed. */
static void watcher_does_not_read(void **state)
{
	struct controlled *c = *state;
	int lazy = connect_client(c), busy = connect_client(c);
	unsigned told = 20000, got, behind;
	uint64_t lost;

	ask(c, lazy, "{\"verb\":\"watch\"}");
	ask(c, busy, "{\"verb\":\"watch\"}");
	for (unsigned i = 0; i < told; i++) {
		tell(c, CONTROL_EVENT_GONE, "x");
		assert_int_equal(loop_turn(c->loop, false), 0);
		take_event(busy);
	}
	expect_alive(c, busy);
	/* there is room again, but the client does not know yet that events are lost */
	for (unsigned i = 0; i < 1000; i++)
		take_line_slowly(c, lazy);
	run(c);
	tell(c, CONTROL_EVENT_GONE, "late");
	run(c);
	take_event(busy);
	got = 1000 + drain(c, lazy, &lost, &behind);
	assert_true(lost > 0);
	/* all but the lost events, and the line that says so */
	assert_int_equal(got - 1 + lost, told + 1);
	assert_int_equal(behind, 0);
	tell(c, CONTROL_EVENT_GONE, "y");
	run(c);
	take_event(lazy);
	expect_alive(c, lazy);
	close(lazy);
	close(busy);
}

/* A client that asks and never reads is not asked any more; others are served. */
static void client_does_not_read(void **state)
{
	struct controlled *c = *state;
	int lazy = connect_client(c), other = connect_client(c);
	static char block[65536];
	unsigned sent = 0, seen, got;

	c->list_devices = 200;
	for (;;) {
		ssize_t n = send(lazy, "{\"verb\":\"list\"}\n", 16,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n != 16)
			break;
		sent++;
		if (sent % 16 == 0)
			run(c);
		if (sent % 256 == 0)
			expect_alive(c, other);
	}
	run(c);
	seen = c->nrequests;
	assert_in_range(seen, 1, sent - 1);
	run(c);
	assert_int_equal(c->nrequests, seen);
	expect_alive(c, other);
	for (got = 0; got < sent;) {
		ssize_t n = recv(lazy, block, sizeof(block), MSG_DONTWAIT);

		for (ssize_t i = 0; i < n; i++)
			got += block[i] == '\n';
		if (n < 0)
			run(c);
	}
	assert_int_equal(got, sent);
	expect_silence(lazy);
	close(lazy);
	close(other);
}

/* A client that does not read gets no further answers. */
static void answers_wait_for_room(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);
	const char *request = "{\"verb\":\"list\"}\n";
	unsigned asked = 1000;
	char text[1000 * 16];

	c->list_devices = 200;
	for (unsigned i = 0; i < asked; i++)
		memcpy(text + i * strlen(request), request, strlen(request));
	send_fds(fd, text, asked * strlen(request), -1, 0);
	for (unsigned i = 0; i < 20; i++)
		run(c);
	/* some KiB each, and the socket holds some 200 */
	assert_in_range(c->nrequests, 2, 200);
	for (unsigned i = 0; i < asked; i++) {
		run_until_readable(c, fd);
		take_line_slowly(c, fd);
	}
	assert_int_equal(c->nrequests, asked);
	close(fd);
}

/* A client that never stops asking leaves others their turn. */
static void client_never_stops(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);
	char text[16 * 1024];
	size_t len = 0;

	while (len + 17 < sizeof(text)) {
		memcpy(text + len, "{\"verb\":\"stats\"}\n", 17);
		len += 17;
	}
	send_fds(fd, text, len, -1, 0);
	/* one to accept, one to serve */
	assert_int_equal(loop_turn(c->loop, false), 0);
	assert_int_equal(loop_turn(c->loop, false), 0);
	assert_in_range(c->nrequests, 1, 100);
	for (size_t i = 0; i < len / 17; i++) {
		run(c);
		expect_line(fd, "{\"ok\":true,\"done\":\"stats\"}");
	}
	assert_int_equal(c->nrequests, len / 17);
	close(fd);
}

/* So many devices that the answer is not one that clients take. */
static void answer_too_large(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);
	struct control_device *devices = calloc(400, sizeof(*devices));
	char *label = malloc(4001);

	assert_non_null(devices);
	assert_non_null(label);
	memset(label, 'l', 4000);
	label[4000] = '\0';
	for (unsigned i = 0; i < 400; i++) {
		devices[i] = (struct control_device)CONTROL_DEVICE_INIT;
		devices[i].id = "x";
		devices[i].label = label;
	}
	c->mode = OWNER_KEEPS;
	send_text(fd, "{\"verb\":\"list\",\"id\":1}\n");
	run(c);
	control_answer_list(c->kept[--c->nkept],
			    &(struct control_list){.devices = devices, .ndevices = 400});
	run(c);
	expect_line(fd, "{\"ok\":false,\"id\":1,\"error\":{\"code\":\"too-large\","
			"\"message\":\"the answer is too large\"}}");
	expect_alive(c, fd);
	free(devices);
	free(label);
	close(fd);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, controlled_setup, controlled_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(watch),
		TEST(watch_some),
		TEST(events_while_a_request_waits),
		TEST(watcher_does_not_read),
		TEST(client_does_not_read),
		TEST(answers_wait_for_room),
		TEST(client_never_stops),
		TEST(answer_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
