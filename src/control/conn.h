/* SPDX-License-Identifier: MIT
 * conn.h - one connection: bytes and fds in, answers and events out, and its state
 *
 *	RECEIVING  -> ANSWERING   control_conn_begin()
 *	RECEIVING  -> SENDING     there are bytes to send: an event, an error
 *	ANSWERING  -> SENDING     control_conn_answered()
 *	ANSWERING  -> RECEIVING   the same, but the socket has taken all bytes already
 *	ANSWERING  -> ENDING      the same: a connection of the legacy dialect has one request
 *	SENDING    -> RECEIVING   the socket has taken all bytes
 *	RECEIVING, SENDING -> ENDING   control_conn_end()
 *	any        -> BROKEN      control_conn_break()
 *
 * Only RECEIVING reads requests, so a client that does not read its answers stalls itself. Events
 * come in any state and are bounded.
 */
#ifndef CONTROL_CONN_H
#define CONTROL_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/options.h"
#include "control/protocol.h"
#include "util/list.h"
#include "util/loop.h"

struct control_pending;

enum control_dialect {
	CONTROL_DIALECT_UNKNOWN, /* nothing has come yet */
	CONTROL_DIALECT_JSON,
	CONTROL_DIALECT_LEGACY,
};

enum control_role {
	CONTROL_ROLE_NONE,
	CONTROL_ROLE_READER,
	CONTROL_ROLE_OPERATOR,
};

enum control_conn_state {
	CONTROL_CONN_STATE_RECEIVING, /* no complete request is there yet */
	CONTROL_CONN_STATE_ANSWERING, /* the owner has a request */
	CONTROL_CONN_STATE_SENDING, /* the client must take bytes before its next request */
	CONTROL_CONN_STATE_ENDING, /* closed when the client has taken all bytes */
	CONTROL_CONN_STATE_BROKEN, /* closed as soon as its run ends */
};

/**
 * struct control_line_fd - an fd that came with one line
 * @line:	where the line begins, in bytes since the start of the connection
 * @fd:		owned, -1 = entry not in use
 * @many:	there was more than one; the others are closed
 */
struct control_line_fd {
	uint64_t line;
	int fd;
	bool many;
};

/**
 * struct control_input - bytes that a client has sent
 * @bytes:	CONTROL_LINE_MAX of room; those from @start to @end are not handled yet
 * @scanned:	no newline is from @start up to here
 * @base:	bytes of the connection that came before @bytes[0]
 * @fds:	for the first and the last line in @bytes, see conn.c
 * @eof:	the client sends no more
 */
struct control_input {
	char *bytes;
	size_t start;
	size_t end;
	size_t scanned;
	uint64_t base;
	struct control_line_fd fds[2];
	bool eof;
};

/**
 * struct control_output - bytes for a client
 * @bytes:	@room bytes; those from @start to @end wait for the socket
 */
struct control_output {
	char *bytes;
	size_t start;
	size_t end;
	size_t room;
};

/**
 * struct control_conn - one connection
 * @options:	of the server, borrowed
 * @watch, @timer, @task: set by the server, which runs the connection by them
 * @state:	changed in conn.c only
 * @pending:	the request being answered: while ANSWERING
 * @events:	bit mask of enum control_event the client watches
 * @lost:	events dropped for want of room since the last one that the client got
 */
struct control_conn {
	struct list link;
	struct loop *loop;
	const struct control_options *options;
	int fd;
	struct loop_watch *watch;
	struct loop_timer *timer;
	struct loop_task task;
	enum control_dialect dialect;
	enum control_role role;
	pid_t pid;
	uid_t uid;
	enum control_conn_state state;
	struct control_input in;
	struct control_output out;
	struct control_pending *pending;
	unsigned events;
	uint64_t lost;
};

/* @fd is taken, also on failure. Returns owned, on no list; NULL without memory. */
struct control_conn *control_conn_create(struct loop *loop,
					 const struct control_options *options, int fd);
/* NULL is fine. A request that is being answered lives on. */
void control_conn_destroy(struct control_conn *conn);

/* ---- receiving ---- */

/* While RECEIVING. Return: true if bytes have come, or the client's end. */
bool control_conn_receive(struct control_conn *conn);
/* The fd that came with the line that begins at @line (see struct control_line_fd), which
 * becomes the caller's; -1 = none. */
int control_conn_take_fd(struct control_conn *conn, uint64_t line, bool *ret_many);
/* White space of JSON. */
static inline bool control_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
/* True if the client has sent nothing, or has gone. */
bool control_conn_may_go(const struct control_conn *conn);

/* ---- answering ---- */

/* RECEIVING -> ANSWERING @pending, which is borrowed until control_conn_answered(). */
void control_conn_begin(struct control_conn *conn, struct control_pending *pending);
/* The request has its answer: the next may come. */
void control_conn_answered(struct control_conn *conn);

/* ---- sending ---- */

/* Appends bytes to the output; the connection sends them soon. */
void control_conn_put(struct control_conn *conn, const void *bytes, size_t len);
/* The same with an event, which the client loses if it does not read. @line: NULL without
 * memory. */
void control_conn_put_event(struct control_conn *conn, const char *line, size_t len);
/* Sends what the socket takes. */
void control_conn_flush(struct control_conn *conn);
/* True if there is output. */
static inline bool control_conn_has_output(const struct control_conn *conn)
{
	return conn->out.start < conn->out.end;
}

/* ---- its end ---- */

/* Stops reading; the connection closes when all output is sent. */
void control_conn_end(struct control_conn *conn);
/* Closes the connection at once. */
void control_conn_break(struct control_conn *conn);

#endif /* CONTROL_CONN_H */
