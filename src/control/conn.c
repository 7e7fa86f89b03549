/* SPDX-License-Identifier: MIT
 * conn.c - one connection: bytes and fds in, answers and events out, and its state
 *
 * Fds: a recvmsg() ends behind data that carried fds, so they belong to the line of the last
 * byte received. While a line is incomplete the connection receives more, which may end the
 * line and begin others; then it receives nothing until these are handled. So at most two
 * lines have fds: the first and the last in the buffer.
 */
#include "control/conn.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "control/pending.h"
#include "util/closer.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/peers.h"

/* A request may carry one; room for more, to notice an excess. */
#define RECEIVE_FDS 4u
/* Bytes of @out that an idle connection keeps. */
#define OUT_ROOM_KEPT 4096u

/* Changes the state; BROKEN is for ever. */
static void enter(struct control_conn *conn, enum control_conn_state state)
{
	static const char *const names[] = {
		[CONTROL_CONN_STATE_RECEIVING] = "RECEIVING",
		[CONTROL_CONN_STATE_ANSWERING] = "ANSWERING",
		[CONTROL_CONN_STATE_SENDING] = "SENDING",
		[CONTROL_CONN_STATE_ENDING] = "ENDING",
		[CONTROL_CONN_STATE_BROKEN] = "BROKEN",
	};

	if (state == conn->state || conn->state == CONTROL_CONN_STATE_BROKEN)
		return;
	log_trace("control: pid %d: %s -> %s", (int)conn->pid, names[conn->state],
		  names[state]);
	conn->state = state;
}

void control_conn_end(struct control_conn *conn)
{
	enter(conn, CONTROL_CONN_STATE_ENDING);
}

void control_conn_break(struct control_conn *conn)
{
	enter(conn, CONTROL_CONN_STATE_BROKEN);
}

static enum control_role role_of(const struct control_options *options, int fd,
				 const struct ucred *peer)
{
	if ((!options->operators && !options->readers) || peer_is_ours(peer))
		return CONTROL_ROLE_OPERATOR;
	if (options->operators && peers_have(options->operators, fd, peer))
		return CONTROL_ROLE_OPERATOR;
	if (options->readers && peers_have(options->readers, fd, peer))
		return CONTROL_ROLE_READER;
	return CONTROL_ROLE_NONE;
}

struct control_conn *control_conn_create(struct loop *loop,
					 const struct control_options *options, int fd)
{
	struct control_conn *conn = calloc(1, sizeof(*conn));
	struct ucred cred = {0};

	if (!conn) {
		close_fd(&fd);
		return NULL;
	}
	list_init(&conn->link);
	conn->loop = loop;
	conn->options = options;
	conn->fd = fd;
	for (size_t i = 0; i < ARRAY_SIZE(conn->in.fds); i++)
		conn->in.fds[i].fd = -1;
	if (peer_read(fd, &cred) < 0)
		cred = (struct ucred){.uid = (uid_t)-1, .gid = (gid_t)-1};
	conn->pid = cred.pid;
	conn->uid = cred.uid;
	conn->role = role_of(options, fd, &cred);
	/* pages become real memory when first used */
	conn->in.bytes = malloc(CONTROL_LINE_MAX);
	if (!conn->in.bytes) {
		control_conn_destroy(conn);
		return NULL;
	}
	return conn;
}

void control_conn_destroy(struct control_conn *conn)
{
	if (!conn)
		return;
	if (conn->pending)
		conn->pending->conn = NULL;
	loop_undefer(conn->loop, &conn->task);
	loop_timer_destroy(conn->timer);
	loop_unwatch(conn->watch);
	list_remove(&conn->link);
	for (size_t i = 0; i < ARRAY_SIZE(conn->in.fds); i++)
		closer_close(&conn->in.fds[i].fd);
	closer_close_socket(&conn->fd);
	free(conn->in.bytes);
	free(conn->out.bytes);
	free(conn);
}

/* ---- sending ---- */

void control_conn_put(struct control_conn *conn, const void *bytes, size_t len)
{
	loop_defer(conn->loop, &conn->task);
	if (conn->out.start > 0) {
		conn->out.end -= conn->out.start;
		memmove(conn->out.bytes, conn->out.bytes + conn->out.start,
			conn->out.end);
		conn->out.start = 0;
	}
	if (conn->out.room - conn->out.end < len) {
		size_t room = MAX_OF(2 * conn->out.room, conn->out.end + len);
		char *out = realloc(conn->out.bytes, room);

		if (!out) {
			control_conn_break(conn);
			return;
		}
		conn->out.bytes = out;
		conn->out.room = room;
	}
	memcpy(conn->out.bytes + conn->out.end, bytes, len);
	conn->out.end += len;
	if (conn->state == CONTROL_CONN_STATE_RECEIVING)
		enter(conn, CONTROL_CONN_STATE_SENDING);
}

void control_conn_put_event(struct control_conn *conn, const char *line, size_t len)
{
	/* After losing one event, drop all until the client knows, so that the gap is
	 * contiguous. */
	if (line && !conn->lost &&
	    conn->out.end - conn->out.start + len <= CONTROL_OUT_MAX) {
		control_conn_put(conn, line, len);
		return;
	}
	if (!conn->lost)
		log_limited(LOG_LEVEL_WARN, "control: pid %d does not read its events",
			    (int)conn->pid);
	conn->lost++;
}

/* All output is sent. */
static void on_sent(struct control_conn *conn)
{
	char line[64];
	int len;

	conn->out.start = 0;
	conn->out.end = 0;
	if (conn->out.room > OUT_ROOM_KEPT) {
		free(conn->out.bytes);
		conn->out.bytes = NULL;
		conn->out.room = 0;
	}
	if (conn->state == CONTROL_CONN_STATE_SENDING)
		enter(conn, CONTROL_CONN_STATE_RECEIVING);
	if (!conn->lost || conn->state == CONTROL_CONN_STATE_ENDING)
		return;
	len = snprintf(line, sizeof(line), "{\"event\":\"lost\",\"count\":%" PRIu64 "}\n",
		       conn->lost);
	conn->lost = 0;
	control_conn_put(conn, line, (size_t)len);
}

void control_conn_flush(struct control_conn *conn)
{
	while (control_conn_has_output(conn) &&
	       conn->state != CONTROL_CONN_STATE_BROKEN) {
		ssize_t n = send_now(conn->fd, conn->out.bytes + conn->out.start,
				     conn->out.end - conn->out.start);

		if (n >= 0) {
			conn->out.start += (size_t)n;
			if (!control_conn_has_output(conn))
				on_sent(conn);
		} else if (n == -EAGAIN) {
			return;
		} else {
			control_conn_break(conn);
		}
	}
	if (conn->lost && !control_conn_has_output(conn))
		on_sent(conn);
}

/* ---- answering ---- */

void control_conn_begin(struct control_conn *conn, struct control_pending *pending)
{
	assert(conn->state == CONTROL_CONN_STATE_RECEIVING);
	conn->pending = pending;
	enter(conn, CONTROL_CONN_STATE_ANSWERING);
}

void control_conn_answered(struct control_conn *conn)
{
	conn->pending = NULL;
	if (conn->dialect == CONTROL_DIALECT_LEGACY)
		control_conn_end(conn);
	else if (control_conn_has_output(conn))
		enter(conn, CONTROL_CONN_STATE_SENDING);
	else
		enter(conn, CONTROL_CONN_STATE_RECEIVING);
	loop_defer(conn->loop, &conn->task);
}

/* ---- fds ---- */

/* Keeps @fd, taken, which came with the line that begins at @line. */
static void keep_fd(struct control_conn *conn, uint64_t line, int fd)
{
	struct control_line_fd *unused = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(conn->in.fds); i++) {
		struct control_line_fd *entry = &conn->in.fds[i];

		if (entry->fd < 0) {
			unused = entry;
		} else if (entry->line == line) {
			entry->many = true;
			closer_close(&fd);
			return;
		}
	}
	assert(unused);
	*unused = (struct control_line_fd){.line = line, .fd = fd};
}

int control_conn_take_fd(struct control_conn *conn, uint64_t line, bool *ret_many)
{
	*ret_many = false;
	for (size_t i = 0; i < ARRAY_SIZE(conn->in.fds); i++) {
		struct control_line_fd *entry = &conn->in.fds[i];

		if (entry->fd >= 0 && entry->line == line) {
			*ret_many = entry->many;
			return steal_fd(&entry->fd);
		}
	}
	return -1;
}

/* Offset in the stream of the line that holds the last received byte. */
static uint64_t last_line(const struct control_conn *conn)
{
	const char *start = conn->in.bytes + conn->in.start;
	size_t len = conn->in.end - conn->in.start - 1;
	const char *newline = NULL;

	/* a legacy command may hold the byte of a newline */
	if (conn->dialect == CONTROL_DIALECT_JSON)
		newline = memrchr(start, '\n', len);
	return conn->in.base + conn->in.start +
	       (newline ? (size_t)(newline - start) + 1 : 0);
}

/* ---- receiving ---- */

static void learn_dialect(struct control_conn *conn)
{
	if (conn->dialect != CONTROL_DIALECT_UNKNOWN)
		return;
	if (conn->in.bytes[0] == '{' || control_is_blank(conn->in.bytes[0])) {
		conn->dialect = CONTROL_DIALECT_JSON;
		loop_timer_stop(conn->timer);
	} else {
		conn->dialect = CONTROL_DIALECT_LEGACY;
	}
}

bool control_conn_receive(struct control_conn *conn)
{
	int fds[RECEIVE_FDS];
	bool lost = false;
	size_t nfds;
	ssize_t n;

	if (conn->in.start > 0) {
		conn->in.end -= conn->in.start;
		conn->in.scanned -= conn->in.start;
		conn->in.base += conn->in.start;
		memmove(conn->in.bytes, conn->in.bytes + conn->in.start, conn->in.end);
		conn->in.start = 0;
	}
	n = receive_fds(conn->fd, conn->in.bytes + conn->in.end,
			CONTROL_LINE_MAX - conn->in.end, fds, RECEIVE_FDS, &nfds, &lost);
	if (n <= 0) {
		for (size_t i = 0; i < nfds; i++)
			closer_close(&fds[i]);
		if (n == 0)
			conn->in.eof = true;
		else if (n != -EAGAIN)
			control_conn_break(conn);
		return n == 0;
	}
	conn->in.end += (size_t)n;
	learn_dialect(conn);
	for (size_t i = 0; i < nfds; i++)
		keep_fd(conn, last_line(conn), fds[i]);
	if (nfds > 0 && closer_is_far_behind()) {
		log_limited(
			LOG_LEVEL_WARN,
			"control: %u descriptors that were sent wait for being closed: "
			"closing the connection of pid %d, user %u",
			closer_waiting(), (int)conn->pid, (unsigned)conn->uid);
		control_conn_break(conn);
	}
	return true;
}

bool control_conn_may_go(const struct control_conn *conn)
{
	int n = peek_byte(conn->fd);

	/* while the owner has a request, the loop does not watch for the client's end */
	if (n >= 0)
		return n == 0;
	return n != -EAGAIN || conn->dialect == CONTROL_DIALECT_UNKNOWN;
}
