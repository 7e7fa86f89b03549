/* SPDX-License-Identifier: MIT
 * controlled.c - a control server with an owner that records its requests
 */
#include "controlled.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/fds.h"
#include "util/log.h"

#define WAIT_MS   10000
#define RUN_TURNS 12
#define HASTY_NS  20000000u
#define LIST_MAX  200u

static void answer_list(struct controlled *c, struct control_request *req)
{
	static char ids[LIST_MAX][8];
	struct control_device devices[LIST_MAX];
	const struct control_port ports[] = {{1, "usb2", "d0"}, {2, "usb3", NULL}};
	const struct control_vmm vmm = {.connected = true, .memory_shared = 4096};

	const struct control_sandbox sandbox = {.mode = "off", .user = 7};

	assert_true(c->list_devices <= LIST_MAX);
	for (unsigned i = 0; i < c->list_devices; i++) {
		snprintf(ids[i], sizeof(ids[i]), "d%u", i);
		devices[i] = (struct control_device)CONTROL_DEVICE_INIT;
		devices[i].id = ids[i];
		/* every third device is emulated, so it has no place on the host */
		if (i % 3 != 2) {
			devices[i].bus = 3;
			devices[i].address = 10 + i;
		}
	}
	control_answer_list(req, &(struct control_list){
					 .devices = devices,
					 .ndevices = c->list_devices,
					 .ports = ports,
					 .nports = ARRAY_SIZE(ports),
					 .vmm = &vmm,
					 .sandbox = &sandbox,
				 });
}

static void answer(struct controlled *c, struct control_request *req)
{
	struct control_device device = CONTROL_DEVICE_INIT;
	struct json_object *result;

	device.id = "d0";
	switch (req->verb) {
	case CONTROL_VERB_LIST:
		answer_list(c, req);
		return;
	case CONTROL_VERB_ATTACH:
	case CONTROL_VERB_DETACH:
	case CONTROL_VERB_RESET:
		control_answer_device(req, &device);
		return;
	case CONTROL_VERB_STATS:
	case CONTROL_VERB_CAPTURE:
	case CONTROL_VERB_LOG:
	case CONTROL_VERB_RULES:
	case CONTROL_VERB_HELLO:
	case CONTROL_VERB_WATCH:
		break;
	}
	result = json_object_new_object();
	json_object_object_add(result, "done",
			       json_object_new_string(control_verb_name(req->verb)));
	control_answer(req, result);
}

static void on_request(void *ctx, struct control_request *req)
{
	struct controlled *c = ctx;

	assert_int_not_equal(req->verb, CONTROL_VERB_HELLO);
	assert_int_not_equal(req->verb, CONTROL_VERB_WATCH);
	assert_int_equal(req->pid, getpid());
	assert_int_equal(req->uid, getuid());
	assert_non_null(req->target.text);
	c->nrequests++;
	c->last_verb = req->verb;
	if (req->fd >= 0) {
		close_fd(&c->last_fd);
		c->last_fd = steal_fd(&req->fd);
	}
	switch (c->mode) {
	case OWNER_ANSWERS:
		answer(c, req);
		break;
	case OWNER_KEEPS:
		assert_true(c->nkept < REQUESTS_MAX);
		c->kept[c->nkept++] = req;
		break;
	case OWNER_REFUSES:
		control_refuse(req, c->code, "try another", "no %d", 7);
		break;
	}
}

static int setup(void **state, uint64_t timeout_ns)
{
	struct controlled *c = calloc(1, sizeof(*c));
	struct control_options options = {.daemon = "usbvfiod 0.1.0",
					  .request = on_request,
					  .ctx = c,
					  .timeout_ns = timeout_ns};

	assert_non_null(c);
	log_init(LOG_LEVEL_ERROR, false);
	c->fds_at_start = count_open_fds();
	c->last_fd = -1;
	c->list_devices = 3;
	c->loop = loop_create();
	assert_non_null(c->loop);
	strcpy(c->dir, "/tmp/control-test-XXXXXX");
	assert_non_null(mkdtemp(c->dir));
	snprintf(c->path, sizeof(c->path), "%s/sock", c->dir);
	c->server = control_server_create(c->loop, listen_at(c->path), &options, NULL);
	assert_non_null(c->server);
	*state = c;
	return 0;
}

int controlled_setup(void **state)
{
	return setup(state, 0);
}

int controlled_setup_hasty(void **state)
{
	return setup(state, HASTY_NS);
}

int controlled_teardown(void **state)
{
	struct controlled *c = *state;

	control_server_destroy(c->server);
	for (unsigned i = 0; i < c->nkept; i++) {
		if (c->kept[i])
			answer(c, c->kept[i]);
	}
	close_fd(&c->last_fd);
	loop_destroy(c->loop);
	unlink(c->path);
	rmdir(c->dir);
	assert_int_equal(count_open_fds(), c->fds_at_start);
	free(c);
	return 0;
}

void run(struct controlled *c)
{
	for (int i = 0; i < RUN_TURNS; i++)
		assert_int_equal(loop_turn(c->loop, false), 0);
}

void run_until_readable(struct controlled *c, int fd)
{
	uint64_t start_ns = clock_now_ns();

	for (;;) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

		assert_true(clock_now_ns() - start_ns < WAIT_MS * UINT64_C(1000000));
		assert_int_equal(loop_turn(c->loop, false), 0);
		assert_true(poll(&poll_fd, 1, 1) >= 0);
		if (poll_fd.revents)
			return;
	}
}

int connect_client(struct controlled *c)
{
	return connect_to(c->path);
}

void send_fds(int fd, const void *bytes, size_t len, int passed, unsigned nfds)
{
	int fds[SOCKETS_FDS_MAX];

	assert_true(nfds <= SOCKETS_FDS_MAX);
	for (unsigned i = 0; i < nfds; i++)
		fds[i] = passed;
	send_bytes(fd, bytes, len, fds, nfds);
}

void send_text(int fd, const char *text)
{
	send_fds(fd, text, strlen(text), -1, 0);
}

void send_text_fd(int fd, const char *text, int passed, unsigned nfds)
{
	send_fds(fd, text, strlen(text), passed, nfds);
}

const char *take_line(int fd)
{
	static char line[CONTROL_ANSWER_MAX];
	size_t len = 0;

	for (;; len++) {
		assert_true(len < sizeof(line));
		assert_int_equal(recv(fd, line + len, 1, MSG_DONTWAIT), 1);
		if (line[len] == '\n')
			break;
	}
	line[len] = '\0';
	return line;
}

void expect_line(int fd, const char *wanted)
{
	assert_string_equal(take_line(fd), wanted);
}

void expect_part(int fd, const char *part)
{
	const char *line = take_line(fd);

	if (!strstr(line, part))
		fail_msg("'%s' is not in '%s'", part, line);
}

const char *ask(struct controlled *c, int fd, const char *text)
{
	send_text(fd, text);
	send_text(fd, "\n");
	run(c);
	return take_line(fd);
}

void ask_refused(struct controlled *c, int fd, const char *text, const char *code,
		 const char *part)
{
	const char *line = ask(c, fd, text);
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "\"error\":{\"code\":\"%s\"", code);
	if (strncmp(line, "{\"ok\":false", 11) != 0 || !strstr(line, wanted) ||
	    !strstr(line, part))
		fail_msg("'%s' does not refuse with %s, '%s'", line, code, part);
}

void expect_alive(struct controlled *c, int fd)
{
	enum owner_mode mode = c->mode;
	unsigned before = c->nrequests;

	c->mode = OWNER_ANSWERS;
	assert_string_equal(ask(c, fd, "{\"verb\":\"stats\",\"id\":4711}"),
			    "{\"ok\":true,\"id\":4711,\"done\":\"stats\"}");
	assert_int_equal(c->nrequests, before + 1);
	c->mode = mode;
}

void expect_json(struct json_object *json, const char *wanted)
{
	assert_non_null(json);
	assert_string_equal(
		json_object_to_json_string_ext(
			json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
		wanted);
	json_object_put(json);
}
