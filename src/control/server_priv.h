/* SPDX-License-Identifier: MIT
 * server_priv.h - the control server as the files of this folder see it
 */
#ifndef CONTROL_SERVER_PRIV_H
#define CONTROL_SERVER_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/request.h"
#include "control/server.h"
#include "util/acceptor.h"
#include "util/compiler.h"
#include "util/list.h"
#include "util/loop.h"

struct json_object;

/* Every event there is. */
#define CONTROL_EVENTS_ALL ((1u << CONTROL_EVENTS) - 1)

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

/**
 * struct control_line_fd - what came by SCM_RIGHTS with one line
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
 * struct control_conn - one connection
 * @in:		CONTROL_LINE_MAX of room; bytes from @in_start to @in_end are to be handled
 * @in_scanned:	no newline is from @in_start up to here
 * @in_base:	bytes of the connection that came before @in[0]
 * @fds:	of the line being received, and of the last one that came with it
 * @out:	@out_room bytes; those from @out_start to @out_end are to be sent
 * @pending:	the request being answered, NULL = none
 * @events:	bit mask of enum control_event the client watches
 * @lost:	events there was no room for since the last one
 * @eof:	the client sends no more
 * @ending:	nothing is read any more; closed when @out has left
 * @broken:	closed as soon as nobody is at work with it
 */
struct control_conn {
	struct list link;
	struct control_server *server;
	int fd;
	struct loop_watch *watch;
	struct loop_timer *timer;
	struct loop_task task;
	enum control_dialect dialect;
	enum control_role role;
	pid_t pid;
	uid_t uid;

	char *in;
	size_t in_start;
	size_t in_end;
	size_t in_scanned;
	uint64_t in_base;
	struct control_line_fd fds[2];

	char *out;
	size_t out_start;
	size_t out_end;
	size_t out_room;

	struct control_pending *pending;
	unsigned events;
	uint64_t lost;
	bool eof;
	bool ending;
	bool broken;
};

/**
 * struct control_pending - a request with what only this folder needs to know
 * @conn:	NULL when it has gone
 * @root:	owned: the strings of @req are its; NULL with the legacy dialect
 * @id:		to be echoed: borrowed from @root, NULL = none
 * @events:	of watch
 * @text:	room for req.target.text of the legacy dialect
 */
struct control_pending {
	struct control_request req;
	struct control_conn *conn;
	struct json_object *root;
	struct json_object *id;
	unsigned events;
	char text[16];
};

/* Why a request is refused. */
struct control_refusal {
	enum control_code code;
	char text[256];
};

/* ---- parse.c ---- */

/**
 * control_parse() - a line of JSON into a request
 * @line:	@len bytes without the newline; a NUL follows
 * @pending:	->req.fd is set already; the rest is filled as far as it goes, ->id also
 *		if the request is refused
 *
 * Return: 0 or -1 with @refusal filled.
 */
MUST_USE int control_parse(struct control_pending *pending, const char *line, size_t len,
			   struct control_refusal *refusal);

/* ---- speak.c ---- */

/* Handles the first request in the input. Return: true if there was one; false if more
 * has to come, or conn->ending or conn->broken has been set. */
bool control_conn_handle_next(struct control_conn *conn);

/* White space of JSON. */
static inline bool control_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ---- server.c ---- */

/* @conn is destroyed and its place free. */
void control_server_drop(struct control_conn *conn);

/* ---- answer.c ---- */

/* A request of @conn, not parsed. Freed when it is answered; NULL without memory. */
struct control_pending *control_pending_create(struct control_conn *conn);
/* An error line without a request: what cannot be told whose it is. */
void control_conn_complain(struct control_conn *conn, enum control_code code,
			   const char *text);
/* The answer to "hello", owned; NULL without memory. */
struct json_object *control_hello(const char *daemon);
/* An error line as text with its newline, owned; NULL without memory. */
char *control_error_line(enum control_code code, const char *text);

/* ---- conn.c ---- */

/* @fd is taken, also on failure. Returns owned, on no list; NULL without memory. */
struct control_conn *control_conn_create(struct control_server *server, int fd);
/* NULL is fine. A request that is being answered lives on. */
void control_conn_destroy(struct control_conn *conn);
/* Sends what the socket takes: before the server ends. */
void control_conn_flush(struct control_conn *conn);
/* Does what can be done now, and waits for the right thing or destroys @conn. */
void control_conn_run(struct control_conn *conn);
/* Has its time been used up? Then its client is told, if it can be, and it is ended. */
void control_conn_timeout(struct control_conn *conn);
/* True if nothing at all has come from its client, or the client has gone. */
bool control_conn_may_go(const struct control_conn *conn);
/* Appends to what is to be sent, and has it sent soon. */
void control_conn_put(struct control_conn *conn, const void *bytes, size_t len);
/* The fd that came with the line that begins at @line (see struct control_line_fd), which
 * becomes the caller's; -1 = none. */
int control_conn_take_fd(struct control_conn *conn, uint64_t line, bool *ret_many);
/* The request has been answered: the next may come. */
void control_conn_answered(struct control_conn *conn);
/* True if something is to be sent. */
static inline bool control_conn_has_output(const struct control_conn *conn)
{
	return conn->out_start < conn->out_end;
}

#endif /* CONTROL_SERVER_PRIV_H */
