/* SPDX-License-Identifier: MIT
 * conn.h - one connection: bytes and fds in, messages out of them, replies back
 *
 * Receiving is batched: one recvmsg() may bring many messages. The kernel ends
 * a recvmsg() behind the piece of data that carried fds, and a sender attaches
 * fds to the first byte of a message, so fds belong to the last message that
 * begins in the received bytes. While a message is incomplete the connection asks
 * only for its rest, so fds of a later message cannot mix with its own.
 *
 * A message owns its fds. A handler takes one by index (steal_fd); the connection
 * closes the others when the handler returns, on every path. It holds no more than
 * it announced (VUSER_MSG_FDS), and none of an incomplete message for longer than
 * VUSER_DEADLINE_NS. It closes itself if the client sends more fds, or again and
 * again fds that cannot be closed (util/closer.h).
 *
 * Each reply is one sendmsg(): clients read replies with fixed sizes or take
 * a short first read as an error. When the socket is full the rest of that one
 * reply waits, and the connection reads nothing until it has left: so it holds at
 * most one message in each direction.
 */
#ifndef VUSER_CONN_H
#define VUSER_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/list.h"
#include "vuser/irq.h"
#include "vuser/version.h"
#include "vuser/wire.h"

struct loop_timer;
struct loop_watch;
struct vuser_conn;
struct vuser_msg;
struct vuser_service;

/* Bytes asked for at once while no large message is on its way. */
#define VUSER_BATCH_BYTES 16384u
/* Messages handled in one go, then other fds and deferred work get their turn. The connection
 * finishes a received batch, so it may handle a few more. */
#define VUSER_RUN_MESSAGES 256u

/* Time for VERSION, and for the rest of a message whose fds have come. */
#define VUSER_DEADLINE_NS UINT64_C(5000000000)

enum vuser_conn_state {
	VUSER_CONN_STATE_CANDIDATE, /* no VERSION yet */
	VUSER_CONN_STATE_CLIENT,    /* VERSION was agreed: the server's client */
	VUSER_CONN_STATE_CLOSING, /* reads and writes nothing; freed when its run ends */
};

/**
 * struct vuser_conn - a connection and what its client gave us
 * @link:	in the server's list of connections
 * @service:	borrowed, the same for all connections of a server
 * @on_message:	carries out a message; the connection closes the fds that it leaves
 * @fd:		owned
 * @in:		received bytes, VUSER_MSG_MAX of room: a message begins at @in_start,
 *		bytes are valid up to @in_end
 * @fds:	owned: of the last message that has begun; @nfds of them
 * @fds_lost:	the kernel could not deliver all fds of that message
 * @out:	reply being made or sent, VUSER_MSG_MAX of room; bytes from
 *		@out_start to @out_end wait for the socket
 * @deadline:	runs while the client must send something soon, see @timed
 * @timed:	@deadline runs
 * @state:	changed by vuser_conn_become_client() and vuser_conn_close() only
 */
struct vuser_conn {
	struct list link;
	const struct vuser_service *service;
	void (*on_message)(struct vuser_conn *conn, struct vuser_msg *msg);
	struct loop_watch *watch;
	int fd;

	uint8_t *in;
	size_t in_start;
	size_t in_end;
	int fds[VUSER_MSG_FDS];
	unsigned nfds;
	bool fds_lost;

	uint8_t *out;
	size_t out_start;
	size_t out_end;

	struct loop_timer *deadline;
	bool timed;

	enum vuser_client kind;
	enum vuser_conn_state state;
	struct vuser_irqs irqs;
};

/**
 * struct vuser_msg - one complete message
 * @payload:	borrowed, within the connection's buffer
 * @fds:	@nfds of them; take with steal_fd(), the rest will be closed
 */
struct vuser_msg {
	struct vuser_header header;
	const uint8_t *payload;
	size_t payload_len;
	int *fds;
	unsigned nfds;
	bool fds_lost;
};

/* @fd is taken, also on failure. Returns owned (on no list), or NULL without memory. The
 * caller sets @on_message, @watch and @deadline. */
struct vuser_conn *vuser_conn_create(const struct vuser_service *service, int fd);
/* Closes everything that it owns. Calls no callback. NULL is fine. */
void vuser_conn_destroy(struct vuser_conn *conn);

/* CANDIDATE -> CLIENT */
void vuser_conn_become_client(struct vuser_conn *conn);
/* any -> CLOSING */
void vuser_conn_close(struct vuser_conn *conn);

/**
 * vuser_conn_run() - do all that is possible now
 *
 * Sends the waiting bytes, then receives and handles messages until the socket has no
 * more, is full, or VUSER_RUN_MESSAGES were handled. The peer's end, an error,
 * or a message that cannot be right makes it CLOSING; the caller frees it. Bytes
 * left in the socket wake a watch for reading, bytes left to be sent
 * (conn->out_end > 0) one for writing.
 */
void vuser_conn_run(struct vuser_conn *conn);

/* True while fds have come, but not yet the rest of their message. */
bool vuser_conn_holds_fds(const struct vuser_conn *conn);

/**
 * vuser_conn_reply() - answer @request
 * @error:	0, or a positive errno: then an error reply
 * @len:	payload bytes at vuser_conn_reply_payload() that go with it
 *
 * At most once per message, never for a message with no_reply.
 */
void vuser_conn_reply(struct vuser_conn *conn, const struct vuser_header *request,
		      int error, size_t len);
/* Room for a reply's payload: VUSER_MSG_MAX - VUSER_HEADER_SIZE bytes. */
uint8_t *vuser_conn_reply_payload(struct vuser_conn *conn);

#endif /* VUSER_CONN_H */
