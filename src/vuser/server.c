/* SPDX-License-Identifier: MIT
 * server.c - accepting connections, choosing the client, and the end of both
 *
 * Every connection starts as a candidate and may send one message, VERSION. A good
 * one makes it the client. While there is a client, the server answers others with
 * EBUSY and closes them, so that no VMM waits for an answer that never comes. A
 * connection that sends nothing holds one of VUSER_CONNS_MAX places until a newer
 * connection needs it, and VUSER_DEADLINE_NS at most.
 */
#include "vuser/server.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mem/guest_mem.h"
#include "util/acceptor.h"
#include "util/closer.h"
#include "util/fds.h"
#include "util/list.h"
#include "util/log.h"
#include "util/loop.h"
#include "vuser/command.h"
#include "vuser/conn.h"
#include "vuser/signaller.h"
#include "vuser/version.h"
#include "vuser/wire.h"

/* Runs of the present client before the server refuses a newcomer. */
#define DRAIN_RUNS 16u
/* INTx, MSI, MSI-X: clients insist on these, even with a count of 0. */
#define IRQS_MIN 3u

/**
 * struct vuser_server
 * @service:	what its connections serve
 * @acceptor:	not started if the server was given a connected socket
 * @conns:	struct vuser_conn.link, oldest first; @nconns of them
 * @client:	the one in @conns whose VERSION was agreed, or NULL
 */
struct vuser_server {
	struct loop *loop;
	struct vuser_service service;
	struct acceptor acceptor;
	struct list conns;
	unsigned nconns;
	struct vuser_conn *client;
};

static struct vuser_server *server_of(const struct vuser_conn *conn)
{
	return CONTAINER_OF(conn->service, struct vuser_server, service);
}

/* ---- running a connection ---- */

/* Frees @conn, and notifies the owner if it was the client. */
static void drop_conn(struct vuser_conn *conn)
{
	struct vuser_server *server = server_of(conn);
	bool was_client = server->client == conn;

	server->nconns--;
	vuser_conn_destroy(conn);
	if (was_client) {
		server->client = NULL;
		guest_mem_unmap_all(server->service.mem);
		log_limited(LOG_LEVEL_INFO, "vfio-user: client disconnected");
	}
	/* with a connected socket this is also the end of the server's use */
	if (was_client || server->acceptor.fd < 0)
		server->service.device->client(server->service.device->ctx, false);
}

static void on_deadline(void *ctx)
{
	struct vuser_conn *conn = ctx;

	log_limited(LOG_LEVEL_WARN,
		    "vfio-user: closing a connection that has sent %s for %u s",
		    conn->state == VUSER_CONN_STATE_CLIENT ? "no more of its message"
							   : "no VERSION",
		    (unsigned)(VUSER_DEADLINE_NS / 1000000000u));
	drop_conn(conn);
}

/* Whether the client must send something soon: VERSION (not on a socket that was handed to
 * us connected: no other client can be waiting), or the rest of a message that has fds. */
static bool owes(const struct vuser_conn *conn)
{
	return (conn->state == VUSER_CONN_STATE_CANDIDATE &&
		vuser_server_listening(server_of(conn))) ||
	       vuser_conn_holds_fds(conn);
}

static void watch_deadline(struct vuser_conn *conn)
{
	bool timed = owes(conn);

	if (timed == conn->timed)
		return;
	if (timed)
		loop_timer_set(conn->deadline, VUSER_DEADLINE_NS);
	else
		loop_timer_stop(conn->deadline);
	conn->timed = timed;
}

/* Runs @conn, then waits for the right event or drops it. */
static void run_conn(struct vuser_conn *conn)
{
	vuser_conn_run(conn);
	if (conn->state != VUSER_CONN_STATE_CLOSING) {
		unsigned events = conn->out_end > 0 ? LOOP_WRITE : LOOP_READ;

		watch_deadline(conn);
		if (loop_watch_set(conn->watch, events) == 0)
			return;
		log_error("vfio-user: cannot wait for the client: out of memory");
	}
	drop_conn(conn);
}

static void on_conn(void *ctx, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	run_conn(ctx);
}

/* ---- choosing the client ---- */

/* True if the socket has bytes for us, or has been closed. */
static bool has_news(const struct vuser_conn *conn)
{
	return peek_byte(conn->fd) != -EAGAIN;
}

/*
 * @conn wants to be the client. First run the present client, which may have gone: a VMM
 * that restarts its guest closes one connection and opens the next, and we may see the
 * second event first. Return: 0, -EACCES or -EBUSY.
 */
static int admit(struct vuser_server *server, struct vuser_conn *conn)
{
	if (server->service.device->allow &&
	    !server->service.device->allow(server->service.device->ctx, conn->fd))
		return -EACCES;
	for (unsigned n = 0; n < DRAIN_RUNS && server->client; n++) {
		if (!has_news(server->client))
			break;
		run_conn(server->client);
	}
	if (server->client)
		return -EBUSY;
	vuser_conn_become_client(conn);
	server->client = conn;
	return 0;
}

/* Notifies the owner of the client just admitted. */
static void announce(const struct vuser_server *server)
{
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);

	if (getsockopt(server->client->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		cred = (struct ucred){0};
	log_limited(LOG_LEVEL_INFO, "vfio-user: client connected: %s, pid %d, uid %u",
		    vuser_client_name(server->client->kind), (int)cred.pid,
		    (unsigned)cred.uid);
	server->service.device->client(server->service.device->ctx, true);
}

static const char *refusal_text(int r)
{
	if (r == -EBUSY)
		return "another one is connected";
	return r == -EACCES ? "it may not be the client" : "no valid VERSION message";
}

/* The first message of a connection: anything but a good VERSION ends it. */
static void handle_first(struct vuser_server *server, struct vuser_conn *conn,
			 struct vuser_msg *msg)
{
	bool reply_wanted = !(msg->header.flags & VUSER_FLAG_NO_REPLY);
	size_t len = 0;
	int r = -EINVAL;

	if (msg->header.cmd == VUSER_CMD_VERSION &&
	    (msg->header.flags & VUSER_FLAG_TYPE_MASK) == VUSER_FLAG_TYPE_COMMAND &&
	    msg->nfds == 0 && !msg->fds_lost && reply_wanted)
		r = vuser_version_agree(msg->payload, msg->payload_len,
					vuser_conn_reply_payload(conn), &len,
					&conn->kind);
	if (r == 0)
		r = admit(server, conn);
	if (r < 0) {
		log_limited(LOG_LEVEL_WARN, "vfio-user: client refused: %s",
			    refusal_text(r));
		if (reply_wanted)
			vuser_conn_reply(conn, &msg->header, -r, 0);
		vuser_conn_close(conn);
		return;
	}
	vuser_conn_reply(conn, &msg->header, 0, len);
	announce(server);
}

static void on_message(struct vuser_conn *conn, struct vuser_msg *msg)
{
	if (conn->state == VUSER_CONN_STATE_CLIENT)
		vuser_command_handle(conn, msg);
	else
		handle_first(server_of(conn), conn, msg);
}

/* ---- accepting ---- */

static int add_conn(struct vuser_server *server, int fd)
{
	struct vuser_conn *conn = vuser_conn_create(&server->service, fd);

	if (!conn)
		return -ENOMEM;
	conn->on_message = on_message;
	conn->watch = loop_watch_fd(server->loop, fd, LOOP_READ, on_conn, conn);
	conn->deadline = loop_timer_create(server->loop, on_deadline, conn);
	if (!conn->watch || !conn->deadline) {
		vuser_conn_destroy(conn);
		return -ENOMEM;
	}
	watch_deadline(conn);
	list_append(&server->conns, &conn->link);
	server->nconns++;
	return 0;
}

/* Makes room for a newcomer: drops the oldest connection that is not the client. */
static void evict_candidate(struct vuser_server *server)
{
	struct list *pos;

	LIST_FOREACH(pos, &server->conns) {
		struct vuser_conn *conn = LIST_ENTRY(pos, struct vuser_conn, link);

		if (conn != server->client) {
			log_limited(LOG_LEVEL_WARN,
				    "vfio-user: closing a connection that "
				    "does not say anything");
			drop_conn(conn);
			return;
		}
	}
}

static void on_turned_away(void *ctx, int fd)
{
	(void)ctx;
	log_limited(LOG_LEVEL_ERROR,
		    "vfio-user: no file descriptor left for a new client");
	closer_close_socket(&fd);
}

static void on_accepted(void *ctx, int fd)
{
	struct vuser_server *server = ctx;

	if (server->nconns == VUSER_CONNS_MAX)
		evict_candidate(server);
	if (add_conn(server, fd) < 0)
		log_limited(LOG_LEVEL_ERROR, "vfio-user: no memory for a new client");
}

static uint32_t count_irqs(const struct vuser_device *device)
{
	uint32_t n = VUSER_IRQS;

	while (n > IRQS_MIN && device->irq_counts[n - 1] == 0)
		n--;
	return n;
}

/* ---- life ---- */

/* @fd is taken. */
static int start(struct vuser_server *server, int fd)
{
	int listening = socket_is_listening(fd);
	int r = listening < 0 ? listening : set_nonblock_cloexec(fd);

	if (r < 0) {
		close_fd(&fd);
		return r;
	}
	return listening ? acceptor_start(&server->acceptor, server->loop, fd)
			 : add_conn(server, fd);
}

struct vuser_server *vuser_server_create(struct loop *loop, int fd,
					 const struct vuser_device *device,
					 struct guest_mem *mem, struct err *err)
{
	struct vuser_server *server = calloc(1, sizeof(*server));
	int r;

	for (unsigned i = 0; i < VUSER_IRQS; i++)
		assert(device->irq_counts[i] <= VUSER_VECTORS_MAX);
	if (!server) {
		close_fd(&fd);
		err_set(err, ENOMEM, "vfio-user: out of memory");
		return NULL;
	}
	server->loop = loop;
	server->service = (struct vuser_service){
		.device = device, .mem = mem, .num_irqs = count_irqs(device)};
	server->acceptor = (struct acceptor){
		.accepted = on_accepted, .turned_away = on_turned_away, .ctx = server};
	acceptor_init(&server->acceptor);
	list_init(&server->conns);

	(void)closer_start();
	r = signaller_prepare(true);
	if (r == 0)
		r = start(server, fd);
	else
		close_fd(&fd);
	if (r < 0) {
		err_set(err, -r, "vfio-user: cannot serve on fd %d: %s", fd,
			strerror(-r));
		vuser_server_destroy(server);
		return NULL;
	}
	return server;
}

void vuser_server_destroy(struct vuser_server *server)
{
	struct list *pos, *next;

	if (!server)
		return;
	LIST_FOREACH_SAFE(pos, next, &server->conns)
		vuser_conn_destroy(LIST_ENTRY(pos, struct vuser_conn, link));
	if (server->client)
		guest_mem_unmap_all(server->service.mem);
	acceptor_finish(&server->acceptor);
	free(server);
}

void vuser_irq_raise(struct vuser_server *server, unsigned index, unsigned vector)
{
	if (!server->client || index >= VUSER_IRQS ||
	    vector >= server->service.device->irq_counts[index])
		return;
	vuser_irqs_raise(&server->client->irqs, index, vector);
}

bool vuser_server_listening(const struct vuser_server *server)
{
	return server->acceptor.fd >= 0;
}
