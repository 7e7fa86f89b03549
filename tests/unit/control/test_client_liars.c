/* SPDX-License-Identifier: MIT
 * test_client_liars.c - the blocking client, against daemons that lie
 *
 * A scripted daemon runs in a thread of its own, the client here.
 */
#include "controlled.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/client.h"
#include "util/fds.h"

#define TIMEOUT_MS 10000
#define HASTY_MS   50

/**
 * struct liar - a daemon that says @text, @times times, to whoever connects
 * @stays:	and keeps the connection open
 */
struct liar {
	const char *text;
	size_t len;
	unsigned times;
	bool stays;
	int result;
	int result_legacy;
};

/* Short only where the time is to be used up: a machine may be slow. */
static int time_for(int result)
{
	return result == -ETIMEDOUT ? HASTY_MS : TIMEOUT_MS;
}

/* The liar's end, in the thread: accept, read something, speak. */
struct liar_thread {
	const struct liar *liar;
	int listen_fd;
	atomic_bool over;
};

static void *liar_main(void *ctx)
{
	struct liar_thread *t = ctx;
	int fd = accept4(t->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	char buf[4096];

	(void)!recv(fd, buf, sizeof(buf), 0);
	for (unsigned i = 0; i < t->liar->times; i++) {
		if (send(fd, t->liar->text, t->liar->len, MSG_NOSIGNAL) < 0)
			break;
	}
	if (!t->liar->stays)
		close_fd(&fd);
	/* its client goes first */
	while (fd >= 0 && recv(fd, buf, sizeof(buf), 0) > 0)
		;
	close_fd(&fd);
	return NULL;
}

static int listen_again(struct controlled *c)
{
	struct err err;
	int fd;

	control_server_destroy(c->server);
	c->server = NULL;
	unlink(c->path);
	fd = listen_unix(c->path, &err);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	return fd;
}

#define BYTES(text) (text), sizeof(text) - 1

static void liars(void **state)
{
	static char long_text[64 * 1024], events[4096 * 14];
	const struct liar cases[] = {
		{BYTES(""), 0, false, -ECONNRESET, -ECONNRESET},
		{BYTES(""), 0, true, -ETIMEDOUT, -ETIMEDOUT},
		{BYTES("{\"ok\":tr"), 1, false, -ECONNRESET, -EUSERS},
		{BYTES("{\"ok\":tr"), 1, true, -ETIMEDOUT, -EUSERS},
		{BYTES("hello\n"), 1, true, -EPROTO, 'h'},
		{BYTES("[]\n"), 1, true, -EPROTO, '['},
		{BYTES("\x00\n"), 1, true, -EPROTO, 0},
		{BYTES("\n"), 1, true, -EPROTO, '\n'},
		{BYTES("{}\n"), 1, true, -EPROTO, -EUSERS},
		{BYTES("{\"ok\":1}\n"), 1, true, -EPROTO, -EUSERS},
		{BYTES("{\"ok\":true,\"id\":2}\n"), 1, true, -EPROTO, -EUSERS},
		{BYTES("{\"ok\":true,\"id\":\"1\"}\n"), 1, true, -EPROTO, -EUSERS},
		{BYTES("{\"ok\":true,\"id\":1}\n"), 1, true, 0, -EUSERS},
		{events, sizeof(events), UINT_MAX, true, -ETIMEDOUT, -EUSERS},
		{long_text, sizeof(long_text), 64, true, -EMSGSIZE, ' '},
		{BYTES("\x01\xff\x01\x02"), 1, false, -ECONNRESET, -ECONNRESET},
		{BYTES("\x01\xff\x01\x02"), 1, true, -ETIMEDOUT, -ETIMEDOUT},
		{BYTES("\x01\x01\x05\x06\x07"), 1, false, -ECONNRESET, 1},
	};
	struct controlled *c = *state;
	int listen_fd = listen_again(c);
	struct json_object *ask = json_tokener_parse("{\"verb\":\"stats\"}");

	memset(long_text, ' ', sizeof(long_text));
	for (size_t i = 0; i < sizeof(events); i += 14)
		memcpy(events + i, "{\"event\":\"x\"}\n", 14);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		struct liar_thread t = {.liar = &cases[i / 2], .listen_fd = listen_fd};
		struct json_object *answer = NULL;
		struct err err = {0};
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, liar_main, &t), 0);
		if (i % 2) {
			struct control_address list[255];
			unsigned count = 0;

			assert_int_equal(control_legacy_call(
						 c->path, time_for(t.liar->result_legacy),
						 CONTROL_LEGACY_CMD_LIST,
						 (struct control_address){0, 0}, -1, list,
						 &count, &err),
					 t.liar->result_legacy);
		} else {
			struct control_client *client =
				control_connect(c->path, time_for(t.liar->result), &err);

			assert_non_null(client);
			assert_int_equal(control_call(client, ask, -1, &answer, &err),
					 t.liar->result);
			control_disconnect(client);
			json_object_put(answer);
		}
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	json_object_put(ask);
	unlink_unix(c->path, listen_fd);
	close(listen_fd);
}

/* Nobody accepts, and the queue is full. */
static void connecting_has_a_limit(void **state)
{
	struct controlled *c = *state;
	int listen_fd = listen_again(c), queued[32];
	struct control_client *client = NULL;
	struct err err = {0};
	unsigned n = 0;

	while (n < ARRAY_SIZE(queued)) {
		client = control_connect(c->path, HASTY_MS, &err);
		if (!client)
			break;
		queued[n++] = dup(control_client_fd(client));
		control_disconnect(client);
	}
	assert_null(client);
	assert_int_equal(err.code, ETIMEDOUT);
	while (n > 0)
		close(queued[--n]);
	unlink_unix(c->path, listen_fd);
	close(listen_fd);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, controlled_setup, controlled_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(liars),
		TEST(connecting_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
