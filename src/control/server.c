/* SPDX-License-Identifier: MIT
 * server.c - the clients of the control socket: accepted, run, and their end
 *
 * There are CONTROL_CONNS_MAX places. A client that connects and sends nothing holds one for
 * a short time only, and loses it earlier if a newcomer needs it. Clients that speak JSON
 * may stay for ever; if they have all places, the server refuses newcomers with a message.
 */
#include "control/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <json-c/json.h>

#include "control/answer.h"
#include "control/conn.h"
#include "control/json.h"
#include "control/line.h"
#include "control/speak.h"
#include "util/acceptor.h"
#include "util/closer.h"
#include "util/fds.h"
#include "util/log.h"

/* Requests handled in one go, then others get their turn. */
#define RUN_REQUESTS 16u

/**
 * struct control_server
 * @conns:	struct control_conn.link, oldest first; @nconns of them
 */
struct control_server {
	struct loop *loop;
	struct control_options options;
	struct acceptor acceptor;
	struct list conns;
	unsigned nconns;
};

static struct control_conn *conn_of(struct list *node)
{
	return LIST_ENTRY(node, struct control_conn, link);
}

/* ---- running a connection ---- */

/* Destroys @conn and frees its place. */
static void drop(struct control_conn *conn)
{
	CONTAINER_OF(conn->options, struct control_server, options)->nconns--;
	control_conn_destroy(conn);
}

/* Handles and receives until there is no more, or another must act first. */
static void work(struct control_conn *conn)
{
	unsigned handled = 0;

	control_conn_flush(conn);
	while (conn->state == CONTROL_CONN_STATE_RECEIVING) {
		if (handled == RUN_REQUESTS) {
			loop_defer_next_turn(conn->loop, &conn->task);
			return;
		}
		if (control_speak_next(conn)) {
			handled++;
			control_conn_flush(conn);
			continue;
		}
		if (conn->state != CONTROL_CONN_STATE_RECEIVING)
			break;
		if (conn->in.eof)
			control_conn_end(conn);
		else if (!control_conn_receive(conn))
			return;
	}
	control_conn_flush(conn);
}

static unsigned wanted_events(const struct control_conn *conn)
{
	if (control_conn_has_output(conn))
		return LOOP_WRITE;
	return conn->state == CONTROL_CONN_STATE_RECEIVING ? LOOP_READ : 0;
}

/* Runs @conn, then waits for the right event or drops it. */
static void run(struct control_conn *conn)
{
	work(conn);
	if (conn->state == CONTROL_CONN_STATE_ENDING) {
		if (control_conn_has_output(conn))
			loop_timer_set(conn->timer, conn->options->timeout_ns);
		else
			control_conn_break(conn);
	}
	if (conn->state == CONTROL_CONN_STATE_BROKEN ||
	    loop_watch_set(conn->watch, wanted_events(conn)) < 0)
		drop(conn);
}

static void on_task(void *ctx)
{
	run(ctx);
}

static void on_conn(void *ctx, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	run(ctx);
}

/* The client has used up its time. It gets an answer if it has asked for something. */
static void on_timer(void *ctx)
{
	struct control_conn *conn = ctx;

	if (conn->dialect != CONTROL_DIALECT_LEGACY ||
	    conn->state == CONTROL_CONN_STATE_ENDING) {
		drop(conn);
		return;
	}
	control_complain(conn, CONTROL_CODE_BAD_REQUEST, "");
	control_conn_end(conn);
	run(conn);
}

/* ---- accepting ---- */

/* Sends the reason of a refusal to the client at @fd, which is taken. */
static void send_refusal(int fd, enum control_code code, const char *text)
{
	char *line = control_error_line(code, text);

	if (line)
		(void)!send_now(fd, line, strlen(line));
	free(line);
	closer_close_socket(&fd);
}

/* Refuses a user who is neither operator nor reader. @conn is taken. */
static void refuse_peer(struct control_conn *conn)
{
	char text[128];

	log_limited(LOG_LEVEL_WARN,
		    "control: pid %d of user %u may not use the control socket",
		    (int)conn->pid, (unsigned)conn->uid);
	(void)snprintf(text, sizeof(text),
		       "user %u may not use this control socket: whoever starts usbvfiod "
		       "can allow it by --control-peers or --control-readers",
		       (unsigned)conn->uid);
	send_refusal(steal_fd(&conn->fd), CONTROL_CODE_NOT_ALLOWED, text);
	control_conn_destroy(conn);
}

/* @fd is taken. */
static void add_conn(struct control_server *server, int fd)
{
	struct control_conn *conn =
		control_conn_create(server->loop, &server->options, fd);

	if (conn) {
		conn->task = (struct loop_task){.cb = on_task, .ctx = conn};
		conn->watch = loop_watch_fd(server->loop, fd, LOOP_READ, on_conn, conn);
		conn->timer = loop_timer_create(server->loop, on_timer, conn);
	}
	if (!conn || !conn->watch || !conn->timer) {
		log_limited(LOG_LEVEL_ERROR, "control: no memory for a new client");
		control_conn_destroy(conn);
		return;
	}
	if (conn->role == CONTROL_ROLE_NONE) {
		refuse_peer(conn);
		return;
	}
	loop_timer_set(conn->timer, server->options.timeout_ns);
	list_append(&server->conns, &conn->link);
	server->nconns++;
}

/* Makes room by closing the oldest connection that has sent nothing, or whose client has
 * gone. Return: true if there was one. */
static bool evict(struct control_server *server)
{
	struct list *pos;

	LIST_FOREACH(pos, &server->conns) {
		if (control_conn_may_go(conn_of(pos))) {
			drop(conn_of(pos));
			return true;
		}
	}
	return false;
}

/* Refuses the client at @fd, which is taken: there is no room. */
static void refuse_client(int fd, const char *why)
{
	log_limited(LOG_LEVEL_WARN, "control: a client was refused: %s", why);
	send_refusal(fd, CONTROL_CODE_TOO_MANY, why);
}

static void on_turned_away(void *ctx, int fd)
{
	(void)ctx;
	refuse_client(fd, "the daemon has no file descriptor left");
}

static void on_accepted(void *ctx, int fd)
{
	struct control_server *server = ctx;

	if (server->nconns == CONTROL_CONNS_MAX && !evict(server))
		refuse_client(fd, "too many clients of the control socket");
	else
		add_conn(server, fd);
}

/* ---- life ---- */

/* @fd is taken. */
static int start(struct control_server *server, int fd)
{
	int listening = socket_is_listening(fd);
	int r = listening < 0 ? listening : set_nonblock_cloexec(fd);

	if (r == 0 && !listening)
		r = -EINVAL;
	if (r < 0) {
		close_fd(&fd);
		return r;
	}
	return acceptor_start(&server->acceptor, server->loop, fd);
}

void control_prepare(void)
{
	struct json_object *object = json_object_new_object();

	(void)control_add_text(object, "seed", "now");
	json_object_put(object);
}

struct control_server *control_server_create(struct loop *loop, int fd,
					     const struct control_options *options,
					     struct err *err)
{
	struct control_server *server = calloc(1, sizeof(*server));
	int r;

	if (!server) {
		close_fd(&fd);
		err_set(err, ENOMEM, "control socket: out of memory");
		return NULL;
	}
	server->loop = loop;
	server->options = *options;
	if (!server->options.timeout_ns)
		server->options.timeout_ns = CONTROL_TIMEOUT_NS;
	server->acceptor = (struct acceptor){
		.accepted = on_accepted,
		.turned_away = on_turned_away,
		.ctx = server,
		.patient = true,
	};
	acceptor_init(&server->acceptor);
	list_init(&server->conns);
	r = start(server, fd);
	if (r < 0) {
		err_set(err, -r,
			"control socket: cannot serve on fd %d: %s; it must be a "
			"listening unix stream socket",
			fd, strerror(-r));
		control_server_destroy(server);
		return NULL;
	}
	return server;
}

void control_server_destroy(struct control_server *server)
{
	struct list *pos, *next;

	if (!server)
		return;
	LIST_FOREACH_SAFE(pos, next, &server->conns) {
		/* answers for clients that waited until the end */
		control_conn_flush(conn_of(pos));
		drop(conn_of(pos));
	}
	acceptor_finish(&server->acceptor);
	free(server);
}

unsigned control_server_clients(const struct control_server *server)
{
	return server->nconns;
}

/* ---- events ---- */

void control_server_event(struct control_server *server, enum control_event event,
			  const struct control_device *device, const char *message)
{
	struct json_object *json = NULL;
	struct list *pos;
	size_t len = 0;
	char *line = NULL;

	LIST_FOREACH(pos, &server->conns) {
		struct control_conn *conn = conn_of(pos);

		if (!(conn->events & (1u << event)) ||
		    conn->state == CONTROL_CONN_STATE_ENDING)
			continue;
		if (!json) {
			json = control_new_event(event, device, message);
			line = control_to_line(json, &len);
		}
		control_conn_put_event(conn, line, len);
	}
	json_object_put(json);
	free(line);
}
