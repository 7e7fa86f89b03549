/* SPDX-License-Identifier: MIT
 * conn.c - one connection: bytes and fds in, messages out of them, replies back
 */
#include "vuser/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/closer.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/loop.h"

struct vuser_conn *vuser_conn_create(const struct vuser_service *service, int fd)
{
	struct vuser_conn *conn = calloc(1, sizeof(*conn));

	if (!conn) {
		close_fd(&fd);
		return NULL;
	}
	list_init(&conn->link);
	conn->service = service;
	conn->fd = fd;
	vuser_irqs_init(&conn->irqs);
	/* pages of these come into being when first used */
	conn->in = malloc(VUSER_MSG_MAX);
	conn->out = malloc(VUSER_MSG_MAX);
	if (!conn->in || !conn->out) {
		vuser_conn_destroy(conn);
		return NULL;
	}
	return conn;
}

static void enter(struct vuser_conn *conn, enum vuser_conn_state state)
{
	static const char *const names[] = {
		[VUSER_CONN_STATE_CANDIDATE] = "CANDIDATE",
		[VUSER_CONN_STATE_CLIENT] = "CLIENT",
		[VUSER_CONN_STATE_CLOSING] = "CLOSING",
	};

	log_trace("vfio-user: fd %d: %s -> %s", conn->fd, names[conn->state],
		  names[state]);
	conn->state = state;
}

void vuser_conn_become_client(struct vuser_conn *conn)
{
	assert(conn->state == VUSER_CONN_STATE_CANDIDATE);
	enter(conn, VUSER_CONN_STATE_CLIENT);
}

void vuser_conn_close(struct vuser_conn *conn)
{
	if (conn->state != VUSER_CONN_STATE_CLOSING)
		enter(conn, VUSER_CONN_STATE_CLOSING);
}

static bool is_closing(const struct vuser_conn *conn)
{
	return conn->state == VUSER_CONN_STATE_CLOSING;
}

static void close_fds(int *fds, unsigned nfds)
{
	for (unsigned i = 0; i < nfds; i++)
		closer_close(&fds[i]);
}

void vuser_conn_destroy(struct vuser_conn *conn)
{
	if (!conn)
		return;
	list_remove(&conn->link);
	loop_unwatch(conn->watch);
	close_fds(conn->fds, conn->nfds);
	vuser_irqs_finish(&conn->irqs);
	closer_close_socket(&conn->fd);
	loop_timer_destroy(conn->deadline);
	free(conn->in);
	free(conn->out);
	free(conn);
}

/* Sends the waiting bytes. */
static void flush(struct vuser_conn *conn)
{
	while (conn->out_start < conn->out_end && !is_closing(conn)) {
		ssize_t n = send_now(conn->fd, conn->out + conn->out_start,
				     conn->out_end - conn->out_start);

		if (n == -EAGAIN)
			return;
		if (n >= 0)
			conn->out_start += (size_t)n;
		else
			vuser_conn_close(conn);
	}
	conn->out_start = 0;
	conn->out_end = 0;
}

uint8_t *vuser_conn_reply_payload(struct vuser_conn *conn)
{
	return conn->out + VUSER_HEADER_SIZE;
}

void vuser_conn_reply(struct vuser_conn *conn, const struct vuser_header *request,
		      int error, size_t len)
{
	struct vuser_header header = {
		.id = request->id,
		.cmd = request->cmd,
		.size = (uint32_t)(VUSER_HEADER_SIZE + len),
		.flags = VUSER_FLAG_TYPE_REPLY | (error ? VUSER_FLAG_ERROR : 0),
		.error = (uint32_t)error,
	};

	assert(conn->out_end == 0 && !(request->flags & VUSER_FLAG_NO_REPLY));
	assert(len <= VUSER_MSG_MAX - VUSER_HEADER_SIZE);

	memcpy(conn->out, &header, sizeof(header));
	conn->out_end = header.size;
	flush(conn);
}

/* How many bytes to ask for: a batch, or just the rest of an incomplete message. */
static size_t receive_want(const struct vuser_conn *conn)
{
	size_t have = conn->in_end;
	struct vuser_header header;

	if (have == 0)
		return VUSER_BATCH_BYTES;
	if (have < sizeof(header))
		return sizeof(header) - have;
	memcpy(&header, conn->in, sizeof(header));
	return header.size - have;
}

/* @fds are of the message that has begun last. */
static void take_fds(struct vuser_conn *conn, int *fds, unsigned nfds)
{
	if (nfds <= VUSER_MSG_FDS - conn->nfds) {
		memcpy(conn->fds + conn->nfds, fds, nfds * sizeof(*fds));
		conn->nfds += nfds;
		return;
	}
	log_limited(LOG_LEVEL_WARN,
		    "vfio-user: a message with %u descriptors, where %u are announced: "
		    "closing the connection",
		    conn->nfds + nfds, VUSER_MSG_FDS);
	close_fds(fds, nfds);
	vuser_conn_close(conn);
}

/* Return: true if there may be more in the socket. */
static bool receive(struct vuser_conn *conn)
{
	size_t want = receive_want(conn);
	int fds[RECEIVE_FDS_MAX];
	size_t nfds;
	ssize_t n;

	n = receive_fds(conn->fd, conn->in + conn->in_end, want, fds, ARRAY_SIZE(fds),
			&nfds, &conn->fds_lost);
	take_fds(conn, fds, (unsigned)nfds);
	if (n <= 0) {
		if (n != -EAGAIN)
			vuser_conn_close(conn);
		return false;
	}
	conn->in_end += (size_t)n;
	/* fds end it early */
	return (size_t)n == want || nfds > 0 || conn->fds_lost;
}

/* The message at the start of the input. Return: 1 if it is complete, 0 if not,
 * -errno if what claims to be a message cannot be one. */
static int next_message(struct vuser_conn *conn, struct vuser_msg *msg)
{
	size_t have = conn->in_end - conn->in_start;
	size_t size_max = conn->state == VUSER_CONN_STATE_CLIENT ? VUSER_MSG_MAX
								 : VUSER_VERSION_MSG_MAX;
	const uint8_t *at = conn->in + conn->in_start;

	if (have < VUSER_HEADER_SIZE)
		return 0;
	*msg = (struct vuser_msg){0};
	memcpy(&msg->header, at, sizeof(msg->header));
	if (msg->header.size < VUSER_HEADER_SIZE || msg->header.size > size_max)
		return -EINVAL;
	if (have < msg->header.size)
		return 0;
	msg->payload = at + VUSER_HEADER_SIZE;
	msg->payload_len = msg->header.size - VUSER_HEADER_SIZE;
	if (have == msg->header.size) {
		msg->fds = conn->fds;
		msg->nfds = conn->nfds;
		msg->fds_lost = conn->fds_lost;
	}
	return 1;
}

/* The stream cannot be followed any further. */
static void refuse_stream(struct vuser_conn *conn, const struct vuser_header *header,
			  int error)
{
	log_limited(LOG_LEVEL_WARN,
		    "vfio-user: message of %u bytes (command %u) refused, closing the "
		    "connection",
		    header->size, header->cmd);
	if (!(header->flags & VUSER_FLAG_NO_REPLY))
		vuser_conn_reply(conn, header, error, 0);
	vuser_conn_close(conn);
}

/* The last message begun is done with its fds. */
static void release_fds(struct vuser_conn *conn)
{
	bool any = conn->nfds > 0;

	close_fds(conn->fds, conn->nfds);
	conn->nfds = 0;
	conn->fds_lost = false;
	if (!any || !closer_is_behind())
		return;
	log_limited(LOG_LEVEL_WARN,
		    "vfio-user: %u descriptors that were sent for nothing wait for being "
		    "closed: closing the connection",
		    closer_waiting());
	vuser_conn_close(conn);
}

/* Handles the complete messages of the input. Return: how many. */
static unsigned handle_input(struct vuser_conn *conn)
{
	unsigned handled = 0;
	struct vuser_msg msg;

	while (!is_closing(conn) && conn->out_end == 0) {
		int r = next_message(conn, &msg);

		if (r < 0)
			refuse_stream(conn, &msg.header, -r);
		if (r <= 0)
			break;
		conn->on_message(conn, &msg);
		handled++;
		if (msg.fds)
			release_fds(conn);
		conn->in_start += msg.header.size;
	}
	if (conn->out_end == 0 && conn->in_start > 0) {
		/* at most one incomplete message is left: bring it to the front */
		conn->in_end -= conn->in_start;
		memmove(conn->in, conn->in + conn->in_start, conn->in_end);
		conn->in_start = 0;
	}
	return handled;
}

bool vuser_conn_holds_fds(const struct vuser_conn *conn)
{
	return conn->nfds > 0;
}

void vuser_conn_run(struct vuser_conn *conn)
{
	unsigned handled = 0;
	bool more = true;

	flush(conn);
	for (;;) {
		handled += handle_input(conn);
		if (is_closing(conn) || conn->out_end > 0 || !more ||
		    handled >= VUSER_RUN_MESSAGES)
			return;
		more = receive(conn);
	}
}
