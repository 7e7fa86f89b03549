/* SPDX-License-Identifier: MIT
 * test_client.c - the blocking client, against the server
 *
 * The client runs in a thread of its own, the server here.
 */
#include "controlled.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/client.h"
#include "util/fds.h"

#define TIMEOUT_MS 10000
#define HASTY_MS   50

/**
 * struct job - a call of the client's thread, and its result
 */
struct job {
	void (*run)(struct job *job);
	const char *path;
	struct controlled *c;
	int timeout_ms;
	atomic_bool done;
	int result;
	struct err err;
	char text[2048];
	unsigned count;
	struct control_address list[255];
};

static void *thread_main(void *ctx)
{
	struct job *job = ctx;

	job->run(job);
	atomic_store(&job->done, true);
	return NULL;
}

/* Runs @job in a thread, and meanwhile the server's loop. */
static void do_job(struct controlled *c, struct job *job)
{
	pthread_t thread;
	uint64_t start_ns = clock_now_ns();

	job->path = c->path;
	job->c = c;
	assert_int_equal(pthread_create(&thread, NULL, thread_main, job), 0);
	while (!atomic_load(&job->done)) {
		assert_true(clock_now_ns() - start_ns <
			    2 * TIMEOUT_MS * UINT64_C(1000000));
		assert_int_equal(loop_turn(c->loop, false), 0);
		sched_yield();
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void note(struct job *job, struct json_object *json)
{
	snprintf(job->text, sizeof(job->text), "%s",
		 json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	json_object_put(json);
}

static struct json_object *request(const char *text)
{
	return json_tokener_parse(text);
}

/* ---- against the server ---- */

static void call_twice(struct job *job)
{
	struct control_client *client = control_connect(job->path, TIMEOUT_MS, &job->err);
	struct json_object *ask = request("{\"verb\":\"stats\"}");
	struct json_object *answer = NULL;

	job->result = client ? 0 : -1;
	for (unsigned i = 0; i < 2 && job->result == 0; i++) {
		job->result = control_call(client, ask, -1, &answer, &job->err);
		if (job->result == 0)
			note(job, answer);
	}
	job->count = (unsigned)json_object_object_length(ask);
	json_object_put(ask);
	control_disconnect(client);
}

static void call(void **state)
{
	struct controlled *c = *state;
	struct job job = {.run = call_twice};

	do_job(c, &job);
	assert_int_equal(job.result, 0);
	assert_string_equal(job.text, "{\"ok\":true,\"id\":2,\"done\":\"stats\"}");
	assert_int_equal(job.count, 1); /* the request is as it was */
	assert_int_equal(c->nrequests, 2);
}

static void attach_with_fd(struct job *job)
{
	struct control_client *client = control_connect(job->path, TIMEOUT_MS, &job->err);
	struct json_object *ask = request("{\"verb\":\"attach\"}");
	struct json_object *answer = NULL;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	job->result = control_call_ok(client, ask, fd, &answer, &job->err);
	close(fd);
	note(job, answer);
	json_object_put(ask);
	control_disconnect(client);
}

static void fd_goes_along(void **state)
{
	struct controlled *c = *state;
	struct job job = {.run = attach_with_fd};
	struct stat got, wanted;

	do_job(c, &job);
	assert_int_equal(job.result, 0);
	assert_string_equal(job.text,
			    "{\"ok\":true,\"id\":1,\"device\":{\"id\":\"d0\"}}");
	assert_int_equal(fstat(c->last_fd, &got), 0);
	assert_int_equal(stat("/dev/null", &wanted), 0);
	assert_int_equal(got.st_rdev, wanted.st_rdev);
}

static void refusal_is_an_error(void **state)
{
	struct controlled *c = *state;
	struct job job = {.run = attach_with_fd};

	c->mode = OWNER_REFUSES;
	c->code = CONTROL_CODE_REFUSED;
	do_job(c, &job);
	assert_int_equal(job.result, -EREMOTEIO);
	assert_string_equal(job.err.text, "no 7: try another");
	assert_non_null(strstr(job.text, "\"code\":\"refused\""));
}

/* Connects first, then asks: by then the server has said no, and has closed. */
static void too_many_is_told(void **state)
{
	struct controlled *c = *state;
	struct json_object *ask = request("{\"verb\":\"list\"}"), *answer = NULL;
	struct control_client *client;
	struct err err = {0};
	int fds[CONTROL_CONNS_MAX];

	for (unsigned i = 0; i < CONTROL_CONNS_MAX; i++) {
		fds[i] = connect_client(c);
		expect_alive(c, fds[i]);
	}
	client = control_connect(c->path, TIMEOUT_MS, &err);
	assert_non_null(client);
	run(c);
	assert_int_equal(control_call_ok(client, ask, -1, &answer, &err), -EREMOTEIO);
	assert_string_equal(err.text, "too many clients of the control socket");
	json_object_put(answer);
	json_object_put(ask);
	control_disconnect(client);
	for (unsigned i = 0; i < CONTROL_CONNS_MAX; i++)
		close(fds[i]);
}

/* A request that leaves in pieces. */
static void attach_long(struct job *job)
{
	struct control_client *client = control_connect(job->path, TIMEOUT_MS, &job->err);
	struct json_object *ask = request("{\"verb\":\"attach\"}"), *answer = NULL;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), small = 1;
	char text[4001];

	memset(text, 'x', 4000);
	text[4000] = '\0';
	json_object_object_add(ask, "name", json_object_new_string(text));
	json_object_object_add(ask, "reset", json_object_new_string(text));
	json_object_object_add(ask, "rule_id", json_object_new_string(text));
	job->result = setsockopt(control_client_fd(client), SOL_SOCKET, SO_SNDBUF, &small,
				 sizeof(small));
	if (job->result == 0)
		job->result = control_call_ok(client, ask, fd, &answer, &job->err);
	close(fd);
	note(job, answer);
	json_object_put(ask);
	control_disconnect(client);
}

static void fd_goes_along_once(void **state)
{
	struct controlled *c = *state;
	struct job job = {.run = attach_long};

	do_job(c, &job);
	assert_int_equal(job.result, 0);
	assert_true(c->last_fd >= 0);
}

static void watch_events(struct job *job)
{
	struct control_client *client = control_connect(job->path, TIMEOUT_MS, &job->err);
	struct json_object *ask = request("{\"verb\":\"watch\"}");
	struct json_object *answer = NULL, *event = NULL;

	job->result = control_call_ok(client, ask, -1, &answer, &job->err);
	json_object_put(answer);
	json_object_put(ask);
	/* makes the owner tell its events, before it answers this */
	ask = request("{\"verb\":\"detach\",\"device\":\"x\"}");
	if (job->result == 0)
		job->result = control_call_ok(client, ask, -1, &answer, &job->err);
	json_object_put(answer);
	json_object_put(ask);
	while (job->result == 0 && control_client_has_event(client)) {
		job->result = control_next_event(client, TIMEOUT_MS, &event, &job->err);
		if (job->result < 0)
			break;
		job->count++;
		note(job, event);
	}
	if (job->result == 0)
		job->result = control_next_event(client, HASTY_MS, &event, &job->err);
	control_disconnect(client);
}

/* Events that come before an answer are kept, the newest of them. */
static void events_before_an_answer(void **state)
{
	struct controlled *c = *state;
	struct job job = {.run = watch_events};
	pthread_t thread;

	c->mode = OWNER_KEEPS;
	job.path = c->path;
	assert_int_equal(pthread_create(&thread, NULL, thread_main, &job), 0);
	while (c->nkept == 0)
		assert_int_equal(loop_turn(c->loop, true), 0);
	for (unsigned i = 0; i < CONTROL_CLIENT_EVENTS_MAX + 10; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%u", i);
		control_server_event(c->server, CONTROL_EVENT_GONE, NULL, text);
	}
	control_answer(c->kept[--c->nkept], NULL);
	while (!atomic_load(&job.done))
		assert_int_equal(loop_turn(c->loop, false), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(job.result, -ETIMEDOUT);
	assert_int_equal(job.count, CONTROL_CLIENT_EVENTS_MAX);
	assert_non_null(strstr(job.text, "\"message\":\"73\""));
}

static void nobody_there(void **state)
{
	struct controlled *c = *state;
	struct err err = {0};

	assert_null(control_connect("/nonexistent/sock", 0, &err));
	assert_int_equal(err.code, ENOENT);
	assert_non_null(strstr(err.text, "is the daemon running"));
	control_server_destroy(c->server);
	c->server = NULL;
	assert_null(control_connect(c->path, 0, &err));
	assert_int_equal(err.code, ECONNREFUSED);
	assert_null(control_connect("", 0, &err));
	assert_int_equal(err.code, ENAMETOOLONG);
}

/* ---- the legacy dialect ---- */

static void legacy_list(struct job *job)
{
	job->result = control_legacy_call(job->path, TIMEOUT_MS, CONTROL_LEGACY_CMD_LIST,
					  (struct control_address){0, 0}, -1, job->list,
					  &job->count, &job->err);
}

static void legacy_attach(struct job *job)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	job->result = control_legacy_call(
		job->path, TIMEOUT_MS, CONTROL_LEGACY_CMD_ATTACH,
		(struct control_address){3, 4}, fd, NULL, NULL, &job->err);
	close(fd);
}

static void legacy_detach(struct job *job)
{
	job->result = control_legacy_call(
		job->path, TIMEOUT_MS, CONTROL_LEGACY_CMD_DETACH,
		(struct control_address){3, 4}, -1, NULL, NULL, &job->err);
}

static void legacy(void **state)
{
	struct controlled *c = *state;
	struct job list = {.run = legacy_list}, attach = {.run = legacy_attach},
		   detach = {.run = legacy_detach};

	c->list_devices = 5;
	do_job(c, &list);
	assert_int_equal(list.result, CONTROL_LEGACY_LIST);
	assert_int_equal(list.count, 4);
	assert_int_equal(list.list[3].bus, 3);
	assert_int_equal(list.list[3].address, 14);
	do_job(c, &attach);
	assert_int_equal(attach.result, CONTROL_LEGACY_SUCCESS);
	assert_true(c->last_fd >= 0);
	c->mode = OWNER_REFUSES;
	c->code = CONTROL_CODE_NO_SUCH_DEVICE;
	do_job(c, &detach);
	assert_int_equal(detach.result, CONTROL_LEGACY_NO_SUCH_DEVICE);
	for (int i = 0; i < 7; i++)
		assert_true(strlen(control_legacy_text(i)) > 0);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, controlled_setup, controlled_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(call),
		TEST(fd_goes_along),
		TEST(fd_goes_along_once),
		TEST(refusal_is_an_error),
		TEST(too_many_is_told),
		TEST(events_before_an_answer),
		TEST(nobody_there),
		TEST(legacy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
