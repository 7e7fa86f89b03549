/* SPDX-License-Identifier: MIT
 * conn.c - one connection: bytes and fds in, requests out of them, answers back
 *
 * A connection is always in one of three states. It receives, while no complete
 * request is there; it waits for its owner's answer, reading nothing; or it sends,
 * reading nothing either. So a client that asks and does not read the answers stops
 * itself. Only events come besides, and they are bounded (answer.c).
 *
 * Fds: a recvmsg() ends behind data that carried some, so they belong to the line that
 * the last byte received is in. While a line is incomplete more is received, which may
 * end it and begin others; then nothing is received until those have been handled. So
 * at most two lines have fds: the first and the last in the buffer.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/server_priv.h"
#include "util/closer.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/peers.h"

/* Requests handled in one go, then others get their turn. */
#define RUN_REQUESTS 16u
/* More than a request can have, so that too many are told from one. */
#define RECEIVE_FDS 4u
/* What an idle connection keeps for sending. */
#define OUT_ROOM_KEPT 4096u

static void on_task(void *ctx)
{
	control_conn_run(ctx);
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

struct control_conn *control_conn_create(struct control_server *server, int fd)
{
	struct control_conn *conn = calloc(1, sizeof(*conn));
	struct ucred cred = {0};

	if (!conn) {
		close_fd(&fd);
		return NULL;
	}
	list_init(&conn->link);
	conn->server = server;
	conn->fd = fd;
	conn->task = (struct loop_task){.cb = on_task, .ctx = conn};
	for (size_t i = 0; i < ARRAY_SIZE(conn->fds); i++)
		conn->fds[i].fd = -1;
	if (peer_read(fd, &cred) < 0)
		cred = (struct ucred){.uid = (uid_t)-1, .gid = (gid_t)-1};
	conn->pid = cred.pid;
	conn->uid = cred.uid;
	conn->role = role_of(&server->options, fd, &cred);
	/* pages of it come into being when first used */
	conn->in = malloc(CONTROL_LINE_MAX);
	if (!conn->in) {
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
	loop_undefer(conn->server->loop, &conn->task);
	loop_timer_destroy(conn->timer);
	loop_unwatch(conn->watch);
	list_remove(&conn->link);
	for (size_t i = 0; i < ARRAY_SIZE(conn->fds); i++)
		closer_close(&conn->fds[i].fd);
	closer_close_socket(&conn->fd);
	free(conn->in);
	free(conn->out);
	free(conn);
}

/* ---- sending ---- */

void control_conn_put(struct control_conn *conn, const void *bytes, size_t len)
{
	loop_defer(conn->server->loop, &conn->task);
	if (conn->out_start > 0) {
		conn->out_end -= conn->out_start;
		memmove(conn->out, conn->out + conn->out_start, conn->out_end);
		conn->out_start = 0;
	}
	if (conn->out_room - conn->out_end < len) {
		size_t room = MAX_OF(2 * conn->out_room, conn->out_end + len);
		char *out = realloc(conn->out, room);

		if (!out) {
			conn->broken = true;
			return;
		}
		conn->out = out;
		conn->out_room = room;
	}
	memcpy(conn->out + conn->out_end, bytes, len);
	conn->out_end += len;
}

/* All has left. */
static void on_sent(struct control_conn *conn)
{
	char line[64];
	int len;

	conn->out_start = 0;
	conn->out_end = 0;
	if (conn->out_room > OUT_ROOM_KEPT) {
		free(conn->out);
		conn->out = NULL;
		conn->out_room = 0;
	}
	if (!conn->lost || conn->ending)
		return;
	len = snprintf(line, sizeof(line), "{\"event\":\"lost\",\"count\":%" PRIu64 "}\n",
		       conn->lost);
	conn->lost = 0;
	control_conn_put(conn, line, (size_t)len);
}

void control_conn_flush(struct control_conn *conn)
{
	while (control_conn_has_output(conn) && !conn->broken) {
		ssize_t n = send_now(conn->fd, conn->out + conn->out_start,
				     conn->out_end - conn->out_start);

		if (n >= 0) {
			conn->out_start += (size_t)n;
			if (!control_conn_has_output(conn))
				on_sent(conn);
		} else if (n == -EAGAIN) {
			return;
		} else {
			conn->broken = true;
		}
	}
	if (conn->lost && !control_conn_has_output(conn))
		on_sent(conn);
}

void control_conn_answered(struct control_conn *conn)
{
	conn->pending = NULL;
	if (conn->dialect == CONTROL_DIALECT_LEGACY)
		conn->ending = true;
	loop_defer(conn->server->loop, &conn->task);
}

/* ---- fds ---- */

/* @fd, taken, came with the line that begins at @line. */
static void keep_fd(struct control_conn *conn, uint64_t line, int fd)
{
	struct control_line_fd *unused = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(conn->fds); i++) {
		struct control_line_fd *entry = &conn->fds[i];

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
	for (size_t i = 0; i < ARRAY_SIZE(conn->fds); i++) {
		struct control_line_fd *entry = &conn->fds[i];

		if (entry->fd >= 0 && entry->line == line) {
			*ret_many = entry->many;
			return steal_fd(&entry->fd);
		}
	}
	return -1;
}

/* Where the line of the last byte received begins, in bytes of the connection. */
static uint64_t last_line(const struct control_conn *conn)
{
	const char *start = conn->in + conn->in_start;
	size_t len = conn->in_end - conn->in_start - 1;
	const char *newline = NULL;

	/* a legacy command may hold the byte of a newline */
	if (conn->dialect == CONTROL_DIALECT_JSON)
		newline = memrchr(start, '\n', len);
	return conn->in_base + conn->in_start +
	       (newline ? (size_t)(newline - start) + 1 : 0);
}

/* ---- receiving ---- */

static void learn_dialect(struct control_conn *conn)
{
	if (conn->dialect != CONTROL_DIALECT_UNKNOWN)
		return;
	if (conn->in[0] == '{' || control_is_blank(conn->in[0])) {
		conn->dialect = CONTROL_DIALECT_JSON;
		loop_timer_stop(conn->timer);
	} else {
		conn->dialect = CONTROL_DIALECT_LEGACY;
	}
}

/* Return: true if something has come, if only the end. */
static bool receive(struct control_conn *conn)
{
	int fds[RECEIVE_FDS];
	bool lost = false;
	size_t nfds;
	ssize_t n;

	if (conn->in_start > 0) {
		conn->in_end -= conn->in_start;
		conn->in_scanned -= conn->in_start;
		conn->in_base += conn->in_start;
		memmove(conn->in, conn->in + conn->in_start, conn->in_end);
		conn->in_start = 0;
	}
	n = receive_fds(conn->fd, conn->in + conn->in_end,
			CONTROL_LINE_MAX - conn->in_end, fds, RECEIVE_FDS, &nfds, &lost);
	if (n <= 0) {
		for (size_t i = 0; i < nfds; i++)
			closer_close(&fds[i]);
		if (n == 0)
			conn->eof = true;
		else if (n != -EAGAIN)
			conn->broken = true;
		return n == 0;
	}
	conn->in_end += (size_t)n;
	learn_dialect(conn);
	for (size_t i = 0; i < nfds; i++)
		keep_fd(conn, last_line(conn), fds[i]);
	if (nfds > 0 && closer_is_far_behind()) {
		log_limited(
			LOG_LEVEL_WARN,
			"control: %u descriptors that were sent wait for being closed: "
			"closing the connection of pid %d, user %u",
			closer_waiting(), (int)conn->pid, (unsigned)conn->uid);
		conn->broken = true;
	}
	return true;
}

/* ---- running ---- */

/* Handles and receives until there is no more, or it is for others to go on. */
static void work(struct control_conn *conn)
{
	unsigned handled = 0;

	control_conn_flush(conn);
	while (!conn->broken && !conn->ending && !conn->pending &&
	       !control_conn_has_output(conn)) {
		if (handled == RUN_REQUESTS) {
			loop_defer_next_turn(conn->server->loop, &conn->task);
			return;
		}
		if (control_conn_handle_next(conn)) {
			handled++;
			control_conn_flush(conn);
			continue;
		}
		if (conn->broken || conn->ending)
			break;
		if (conn->eof)
			conn->ending = true;
		else if (!receive(conn))
			return;
	}
	control_conn_flush(conn);
}

static unsigned wanted_events(const struct control_conn *conn)
{
	if (control_conn_has_output(conn))
		return LOOP_WRITE;
	return conn->pending || conn->ending ? 0 : LOOP_READ;
}

void control_conn_run(struct control_conn *conn)
{
	work(conn);
	if (conn->ending && !conn->pending) {
		if (!control_conn_has_output(conn))
			conn->broken = true;
		else
			loop_timer_set(conn->timer, conn->server->options.timeout_ns);
	}
	if (conn->broken || loop_watch_set(conn->watch, wanted_events(conn)) < 0)
		control_server_drop(conn);
}

void control_conn_timeout(struct control_conn *conn)
{
	if (conn->dialect == CONTROL_DIALECT_LEGACY && !conn->ending) {
		control_conn_complain(conn, CONTROL_CODE_BAD_REQUEST, "");
		conn->ending = true;
		control_conn_run(conn);
		return;
	}
	control_server_drop(conn);
}

bool control_conn_may_go(const struct control_conn *conn)
{
	int n = peek_byte(conn->fd);

	/* while its owner works on an answer the loop does not wait for the client's end */
	if (n >= 0)
		return n == 0;
	return n != -EAGAIN || conn->dialect == CONTROL_DIALECT_UNKNOWN;
}
