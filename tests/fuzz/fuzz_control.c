/* SPDX-License-Identifier: MIT
 * fuzz_control.c - hostile clients of the control socket
 *
 * The input is a program of small operations: connect, close, send bytes or known requests with
 * and without fds, receive answers, make the owner answer late, send events, run the loop. It also
 * combines the protocol's words into requests. Clients run as several users, with or without lists
 * of operators and readers. Besides the sanitizers' checks, the target checks that answers are
 * whole objects or known bytes, that requests keep the promises of the header, that no order from a
 * reader and nothing from a stranger reaches the owner, and that no connection and no fd is left at
 * the end.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "control/request.h"
#include "control/server.h"
#include "fd_kinds.h"
#include "tests/lib/pass_fds.h"
#include "util/fds.h"
#include "util/peers.h"

#define CLIENTS       3
#define OPS_MAX       400
#define FDS_MAX       6
#define KEPT_MAX      64
#define END_TURNS     64
#define ANSWER_BUFFER (1u << 16)
#define FIRST_UID     3000000000u
#define FIRST_GID     3000001000u
#define FIRST_PID     1000000

enum op {
	OP_CONNECT,
	OP_CLOSE,
	OP_SHUTDOWN,
	OP_BYTES,
	OP_BYTES_FDS,
	OP_LINE, /* one of requests[] */
	OP_TAKE, /* read answers */
	OP_MODE, /* answer at once or later; may stop a file system */
	OP_ANSWER,
	OP_EVENT,
	OP_RUN,
	OP_MADE, /* a request made of words[] and values[] */
	OP_COUNT,
};

/* The user of a client, according to the kernel. */
enum who {
	WHO_ROOT,
	WHO_OPERATOR, /* also in the list of readers */
	WHO_OPERATOR_BY_GROUP,
	WHO_READER,
	WHO_READER_BY_GROUP,
	WHO_STRANGER,
	WHO_COUNT,
};

enum role {
	ROLE_NONE,
	ROLE_READER,
	ROLE_OPERATOR,
};

static const char *const requests[] = {
	"{\"verb\":\"hello\"}\n",
	"{\"verb\":\"watch\"}\n",
	"{\"verb\":\"list\",\"id\":1}\n",
	"{\"verb\":\"attach\"}\n",
	"{\"verb\":\"attach\",\"spec\":\"zero\",\"port\":3}\n",
	"{\"verb\":\"detach\",\"device\":\"port 1\"}\n",
	"{\"verb\":\"stats\"}\n",
	"{\"verb\":\"capture\",\"action\":\"start\"}\n",
	"{\"verb\":\"rules\",\"action\":\"list\"}\n",
	"{\"verb\":\"log\",\"level\":\"info\"}\n",
};

static const char *const verbs[] = {
	"hello", "watch",   "list", "stats", "attach", "detach",
	"reset", "capture", "log",  "rules", "",       "ATTACH",
};
static const char *const words[] = {
	"spec",    "name",   "reset",   "port", "force", "rule_id",   "bus",
	"address", "device", "action",  "path", "level", "subsystem", "rule",
	"events",  "id",     "version", "verb", "x",     "",
};
static const char *const values[] = {
	"null",
	"true",
	"false",
	"0",
	"1",
	"255",
	"256",
	"-1",
	"1e300",
	"18446744073709551616",
	"0.5",
	"\"\"",
	"\"x\"",
	"\"zero\"",
	"\"001:002\"",
	"\"port 1\"",
	"\"usb:any\"",
	"\"start\"",
	"\"stop\"",
	"\"add\"",
	"\"list\"",
	"\"remove\"",
	"\"always\"",
	"\"debug\"",
	"\"xhci\"",
	"\"a\\u0000b\"",
	"\"\\ud800\"",
	"\"/dev/bus/usb/001/002\"",
	"[]",
	"[\"attached\"]",
	"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
	"{}",
	"{\"verb\":\"list\"}",
	"\"/tmp/../x\"",
};

/**
 * struct client - our end of a connection
 * @fd:		-1 = none
 * @first:	the first byte sent, -1 = none yet
 * @role:	of the user who has connected
 * @parser:	for the line being received
 */
struct client {
	int fd;
	int first;
	enum role role;
	struct json_tokener *parser;
};

static struct client clients[CLIENTS];
/* Which lists the server has, and whether the kernel names a client's user. */
static bool has_operators, has_readers, kernel_tells;
static bool keeps;
static struct control_request *kept[KEPT_MAX];
static unsigned nkept;

/* ---- who is who ---- */

int __wrap_peer_read(int fd, struct ucred *ret_peer);

/* Reads the user from the name of the socket that the client has connected from. */
int __wrap_peer_read(int fd, struct ucred *ret_peer)
{
	struct sockaddr_un addr = {0};
	socklen_t len = sizeof(addr) - 1;
	unsigned who;

	if (!kernel_tells || getpeername(fd, (struct sockaddr *)&addr, &len) < 0)
		return -ENOTCONN;
	CHECK(sscanf(addr.sun_path + 1, "fuzz-peer-%u-", &who) == 1);
	*ret_peer = (struct ucred){
		.pid = FIRST_PID + (pid_t)who,
		.uid = who == WHO_ROOT ? 0 : FIRST_UID + who,
		.gid = who == WHO_ROOT ? 0 : FIRST_GID + who,
	};
	return 0;
}

static enum role role_of(enum who who)
{
	bool operates = who == WHO_OPERATOR || who == WHO_OPERATOR_BY_GROUP;
	bool reads =
		who == WHO_OPERATOR || who == WHO_READER || who == WHO_READER_BY_GROUP;

	if ((!has_operators && !has_readers) || (who == WHO_ROOT && kernel_tells))
		return ROLE_OPERATOR;
	if (!kernel_tells)
		return ROLE_NONE;
	if (operates && has_operators)
		return ROLE_OPERATOR;
	return reads && has_readers ? ROLE_READER : ROLE_NONE;
}

/* ---- the owner ---- */

static void answer(struct control_request *req, unsigned how)
{
	struct control_device device = CONTROL_DEVICE_INIT;
	const struct control_port port = {1, "usb2", "x"};

	device.id = "x";
	device.bus = 1;
	device.address = 2;
	device.label = req->target.text;
	device.product = req->attach.spec;
	if (how % 4 == 0)
		control_refuse(req, (enum control_code)(how % CONTROL_CODES),
			       req->attach.name, "refused %s", req->target.text);
	else if (req->verb == CONTROL_VERB_LIST)
		control_answer_list(req, &(struct control_list){
						 .devices = &device,
						 .ndevices = 1,
						 .ports = &port,
						 .nports = 1,
					 });
	else if (how % 4 == 1)
		control_answer(req, NULL);
	else
		control_answer_device(req, &device);
}

static void check_role(const struct control_request *req)
{
	enum who who = WHO_STRANGER;
	enum role role;

	if (kernel_tells) {
		CHECK(req->pid >= FIRST_PID && req->pid < FIRST_PID + WHO_COUNT);
		who = (enum who)(req->pid - FIRST_PID);
	}
	role = role_of(who);
	CHECK(role != ROLE_NONE);
	if (role == ROLE_READER)
		CHECK(req->verb == CONTROL_VERB_LIST || req->verb == CONTROL_VERB_STATS);
}

/* Checks the promises of control/request.h. */
static void check(const struct control_request *req)
{
	bool fd = req->fd >= 0;

	check_role(req);
	CHECK(req->target.text);
	CHECK(!fd || req->verb == CONTROL_VERB_ATTACH ||
	      req->verb == CONTROL_VERB_CAPTURE);
	if (req->verb == CONTROL_VERB_ATTACH)
		CHECK(fd || req->attach.spec);
	if (req->verb == CONTROL_VERB_DETACH || req->verb == CONTROL_VERB_RESET)
		CHECK(req->target.kind != CONTROL_TARGET_KIND_NONE);
	if (req->verb == CONTROL_VERB_CAPTURE)
		CHECK((req->capture.action == CONTROL_CAPTURE_ACTION_START) ==
		      (fd || req->capture.path));
	if (req->verb == CONTROL_VERB_LOG)
		CHECK(req->log.level);
	if (req->verb == CONTROL_VERB_RULES) {
		CHECK((req->rules.action == CONTROL_RULES_ACTION_ADD) ==
		      !!req->rules.rule);
		CHECK(req->rules.action != CONTROL_RULES_ACTION_REMOVE || req->rules.id);
	}
	CHECK(req->attach.port <= 255);
	CHECK(!req->attach.spec ||
	      strnlen(req->attach.spec, CONTROL_STRING_MAX + 1) <= CONTROL_STRING_MAX);
}

static void on_request(void *ctx, struct control_request *req)
{
	static unsigned how;

	(void)ctx;
	check(req);
	if (keeps && nkept < ARRAY_SIZE(kept))
		kept[nkept++] = req;
	else
		answer(req, how++);
}

/* ---- the clients ---- */

static struct control_server *start_server(void)
{
	static const struct peers operators = {
		.uid_count = 1,
		.uids = {FIRST_UID + WHO_OPERATOR},
		.gid_count = 1,
		.gids = {FIRST_GID + WHO_OPERATOR_BY_GROUP},
	};
	static const struct peers readers = {
		.uid_count = 2,
		.uids = {FIRST_UID + WHO_READER, FIRST_UID + WHO_OPERATOR},
		.gid_count = 1,
		.gids = {FIRST_GID + WHO_READER_BY_GROUP},
	};
	const struct control_options options = {
		.daemon = "fuzz",
		.request = on_request,
		.operators = has_operators ? &operators : NULL,
		.readers = has_readers ? &readers : NULL,
	};
	int fd = fuzz_listen("control");
	struct control_server *server;

	server = control_server_create(fuzz_loop, fd, &options, NULL);
	CHECK(server);
	return server;
}

static void connect_client(struct client *client, enum who who)
{
	char from[16];

	if (client->fd >= 0)
		return;
	client->first = -1;
	client->role = role_of(who);
	snprintf(from, sizeof(from), "peer-%u", (unsigned)who);
	client->fd = fuzz_connect_from("control", from);
	json_tokener_reset(client->parser);
}

/* Sends bytes with @nfds descriptors, of kind @kind and the following kinds. */
static void send_all(struct client *client, const void *bytes, size_t len, unsigned nfds,
		     unsigned kind)
{
	struct iovec iov = {(void *)bytes, len};
	int fds[FDS_MAX];

	if (client->fd < 0 || len == 0)
		return;
	for (unsigned i = 0; i < nfds; i++)
		fds[i] = fd_of(kind + i);
	/* drop the bytes that do not fit, as a confused client would */
	if (pass_fds(client->fd, &iov, 1, fds, nfds) > 0 && client->first < 0)
		client->first = *(const uint8_t *)bytes;
}

static bool speaks_json(const struct client *client)
{
	if (client->role == ROLE_NONE)
		return true;
	return client->first >= 0 && strchr("{ \t\r\n", client->first) &&
	       client->first != 0;
}

/* Each line must be an object with "ok" or "event"; a stranger gets only "ok": false. */
static void check_line(const struct client *client, struct json_object *json)
{
	struct json_object *ok = NULL;

	if (json_object_object_get_ex(json, "ok", &ok))
		CHECK(client->role != ROLE_NONE || !json_object_get_boolean(ok));
	else
		CHECK(client->role != ROLE_NONE &&
		      json_object_object_get_ex(json, "event", NULL));
}

/* Receives answers and checks their lines. */
static void take_answers(struct client *client)
{
	static char buffer[ANSWER_BUFFER];
	ssize_t n;

	if (client->fd < 0)
		return;
	n = recv(client->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	if (!speaks_json(client)) {
		if (n > 0)
			CHECK(buffer[0] >= 0 && buffer[0] <= 5);
		return;
	}
	for (ssize_t at = 0; at < n;) {
		char *end = memchr(buffer + at, '\n', (size_t)(n - at));
		size_t len = end ? (size_t)(end - (buffer + at)) + 1 : (size_t)(n - at);
		struct json_object *json =
			json_tokener_parse_ex(client->parser, buffer + at, (int)len);

		CHECK(json ||
		      json_tokener_get_error(client->parser) == json_tokener_continue);
		at += (ssize_t)len;
		if (!end) {
			/* json-c may see the end of an object before its newline */
			json_object_put(json);
			continue;
		}
		if (json) {
			check_line(client, json);
			json_object_put(json);
			json_tokener_reset(client->parser);
		}
	}
}

/* ---- the program ---- */

static void answer_one(unsigned how)
{
	unsigned i;

	if (nkept == 0)
		return;
	i = how % nkept;
	answer(kept[i], how);
	kept[i] = kept[--nkept];
}

static void tell_event(struct control_server *server, uint8_t which)
{
	struct control_device device = CONTROL_DEVICE_INIT;

	device.id = "x";
	device.serial = "\xff\xfe";
	control_server_event(server, (enum control_event)(which % CONTROL_EVENTS),
			     which & 0x80 ? &device : NULL,
			     which & 0x40 ? "it is so" : NULL);
}

/* Sends an object with a verb and up to seven fields, and maybe an fd. */
static void send_made(struct client *client, struct input *in)
{
	uint8_t what = take_u8(in), fields = take_u8(in);
	char line[2048];
	size_t used = (size_t)snprintf(line, sizeof(line), "{\"verb\":\"%s\"",
				       verbs[what % ARRAY_SIZE(verbs)]);

	for (unsigned i = 0; i < (fields & 7u); i++) {
		uint8_t word = take_u8(in), value = take_u8(in);

		used += (size_t)snprintf(line + used, sizeof(line) - used, ",\"%s\":%s",
					 words[word % ARRAY_SIZE(words)],
					 values[value % ARRAY_SIZE(values)]);
	}
	used += (size_t)snprintf(line + used, sizeof(line) - used, "}\n");
	CHECK(used < sizeof(line));
	send_all(client, line, used, fields & 0x40 ? 1 : 0, what / 4);
}

static void step(struct control_server *server, struct input *in)
{
	uint8_t code = take_u8(in);
	struct client *client = &clients[(code >> 4) % CLIENTS];
	enum who who = (enum who)((code >> 4) / CLIENTS % WHO_COUNT);
	const char *request;
	const uint8_t *bytes;
	size_t len;
	unsigned nfds, kind;

	switch ((enum op)((code & 0xf) % OP_COUNT)) {
	case OP_CONNECT:
		connect_client(client, who);
		break;
	case OP_CLOSE:
		close_fd(&client->fd);
		break;
	case OP_SHUTDOWN:
		if (client->fd >= 0)
			(void)shutdown(client->fd, SHUT_WR);
		break;
	case OP_BYTES:
		connect_client(client, who);
		len = take_bytes(in, take_u8(in), &bytes);
		send_all(client, bytes, len, 0, 0);
		break;
	case OP_BYTES_FDS:
		connect_client(client, who);
		kind = take_u8(in);
		nfds = kind % (FDS_MAX + 1);
		len = take_bytes(in, take_u8(in), &bytes);
		send_all(client, bytes, len, nfds, kind / (FDS_MAX + 1));
		break;
	case OP_LINE:
		connect_client(client, who);
		nfds = take_u8(in);
		request = requests[nfds % ARRAY_SIZE(requests)];
		send_all(client, request, strlen(request), nfds & 0x80 ? 1 : 0, nfds / 4);
		break;
	case OP_TAKE:
		take_answers(client);
		break;
	case OP_MODE:
		keeps = !keeps;
		if (code & 0x80)
			fd_kinds_hold();
		break;
	case OP_ANSWER:
		answer_one(take_u8(in));
		break;
	case OP_EVENT:
		tell_event(server, take_u8(in));
		break;
	case OP_MADE:
		connect_client(client, who);
		send_made(client, in);
		break;
	case OP_RUN:
	case OP_COUNT:
		fuzz_run(1);
		break;
	}
}

void fuzz_set_up(void)
{
	fuzz_counts_fds = true;
	fd_kinds_make();
	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i].fd = -1;
		clients[i].parser = json_tokener_new();
		CHECK(clients[i].parser);
	}
}

void fuzz_one(struct input *in)
{
	struct control_server *server;
	uint8_t how = take_u8(in);
	bool server_first = how & 1;

	keeps = false;
	has_operators = how & 4;
	has_readers = how & 8;
	kernel_tells = !(how & 16);
	server = start_server();
	/* begin with three well-behaved clients: two say hello, one watches */
	for (unsigned i = 0; how & 2 && i < CLIENTS; i++) {
		const char *request = requests[i == 0 ? 1 : 0];

		connect_client(&clients[i], (enum who)(((how >> 5) + i) % WHO_COUNT));
		send_all(&clients[i], request, strlen(request), 0, 0);
		fuzz_run(2);
		take_answers(&clients[i]);
	}
	for (unsigned i = 0; i < OPS_MAX && in->left; i++)
		step(server, in);
	fuzz_run(3);
	keeps = false;
	if (server_first)
		control_server_destroy(server);
	while (nkept > 0)
		answer_one(nkept);
	for (unsigned i = 0; i < CLIENTS; i++) {
		take_answers(&clients[i]);
		close_fd(&clients[i].fd);
	}
	if (!server_first) {
		/* the server still handles what clients have sent, a part in each turn */
		fuzz_run(END_TURNS);
		CHECK(control_server_clients(server) == 0);
		control_server_destroy(server);
	}
	fd_kinds_restore();
}
