/* SPDX-License-Identifier: MIT
 * server.c - accepting clients of the control socket, and their end
 *
 * There are CONTROL_CONNS_MAX places. Who connects and says nothing holds one for a
 * short time only, and gives it up earlier if a newcomer needs it. Clients that speak
 * JSON may stay for ever; if they have all places, newcomers are told so.
 */
#include "control/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "control/server_priv.h"
#include "util/fds.h"
#include "util/log.h"

/* Connections accepted in one go. */
#define ACCEPT_BATCH 8u

void control_server_drop(struct control_conn *conn)
{
	conn->server->nconns--;
	control_conn_destroy(conn);
}

static void on_conn(void *ctx, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	control_conn_run(ctx);
}

static void on_timer(void *ctx)
{
	control_conn_timeout(ctx);
}

/* @fd is taken. */
static void add_conn(struct control_server *server, int fd)
{
	struct control_conn *conn = control_conn_create(server, fd);

	if (conn) {
		conn->watch = loop_watch_fd(server->loop, fd, LOOP_READ, on_conn, conn);
		conn->timer = loop_timer_create(server->loop, on_timer, conn);
	}
	if (!conn || !conn->watch || !conn->timer) {
		log_limited(LOG_LEVEL_ERROR, "control: no memory for a new client");
		control_conn_destroy(conn);
		return;
	}
	loop_timer_set(conn->timer, server->options.timeout_ns);
	list_append(&server->conns, &conn->link);
	server->nconns++;
}

/* Makes room by closing the oldest connection that has said nothing, or whose client
 * has gone. Return: true if there was one. */
static bool evict(struct control_server *server)
{
	struct list *pos;

	LIST_FOREACH(pos, &server->conns) {
		struct control_conn *conn = LIST_ENTRY(pos, struct control_conn, link);

		if (control_conn_may_go(conn)) {
			control_server_drop(conn);
			return true;
		}
	}
	return false;
}

/* Tells the client at @fd, which is taken, that there is no room. */
static void refuse_client(int fd)
{
	char *line = control_error_line(CONTROL_CODE_TOO_MANY,
					"too many clients of the control socket");

	log_limited(LOG_LEVEL_WARN, "control: a client was refused: %u are connected",
		    CONTROL_CONNS_MAX);
	if (line)
		(void)!send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
	free(line);
	close_fd(&fd);
}

/* Without an fd for it a connection would stay in the queue, and the listening socket
 * ready for ever: take it with the fd kept for this. */
static void turn_away(struct control_server *server)
{
	int fd;

	log_limited(LOG_LEVEL_ERROR, "control: no file descriptor left for a new client");
	close_fd(&server->spare_fd);
	fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		refuse_client(fd);
	server->spare_fd = fcntl(server->listen_fd, F_DUPFD_CLOEXEC, 0);
}

static void on_listen(void *ctx, int listen_fd, unsigned events)
{
	struct control_server *server = ctx;

	(void)events;
	for (unsigned n = 0; n < ACCEPT_BATCH; n++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE)
				turn_away(server);
			return;
		}
		if (server->nconns == CONTROL_CONNS_MAX && !evict(server))
			refuse_client(fd);
		else
			add_conn(server, fd);
	}
}

static int start(struct control_server *server)
{
	int listening = socket_is_listening(server->listen_fd);
	int r = listening < 0 ? listening : set_nonblock_cloexec(server->listen_fd);

	if (r < 0)
		return r;
	if (!listening)
		return -EINVAL;
	server->spare_fd = fcntl(server->listen_fd, F_DUPFD_CLOEXEC, 0);
	if (server->spare_fd < 0)
		return -errno;
	server->listen_watch = loop_watch_fd(server->loop, server->listen_fd, LOOP_READ,
					     on_listen, server);
	return server->listen_watch ? 0 : -ENOMEM;
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
	server->listen_fd = fd;
	server->spare_fd = -1;
	list_init(&server->conns);
	r = start(server);
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
		struct control_conn *conn = LIST_ENTRY(pos, struct control_conn, link);

		/* the answers to who waited until the end */
		control_conn_flush(conn);
		control_server_drop(conn);
	}
	loop_unwatch(server->listen_watch);
	close_fd(&server->spare_fd);
	close_fd(&server->listen_fd);
	free(server);
}

unsigned control_server_clients(const struct control_server *server)
{
	return server->nconns;
}
