/* SPDX-License-Identifier: MIT
 * speak.c - requests out of the bytes of a connection, in either dialect
 *
 * Refuses requests that do not need the owner's judgement, always with an answer.
 */
#include "control/speak.h"

#include <stdio.h>
#include <string.h>

#include "control/answer.h"
#include "control/conn.h"
#include "control/parse.h"
#include "control/pending.h"
#include "util/closer.h"
#include "util/log.h"

/* Verbs of readers change nothing. */
static bool may_ask(const struct control_conn *conn, enum control_verb verb)
{
	return conn->role == CONTROL_ROLE_OPERATOR || verb == CONTROL_VERB_HELLO ||
	       verb == CONTROL_VERB_LIST || verb == CONTROL_VERB_STATS ||
	       verb == CONTROL_VERB_WATCH;
}

static void refuse_verb(struct control_conn *conn)
{
	struct control_request *req = &conn->pending->req;

	log_limited(LOG_LEVEL_WARN,
		    "control: pid %d of user %u may not use \"%s\": it may only read",
		    (int)req->pid, (unsigned)req->uid, control_verb_name(req->verb));
	control_refuse(req, CONTROL_CODE_NOT_ALLOWED,
		       "whoever starts usbvfiod can allow it by --control-peers",
		       "user %u may only read, not use \"%s\"", (unsigned)req->uid,
		       control_verb_name(req->verb));
}

static void hand_to_owner(struct control_conn *conn)
{
	struct control_request *req = &conn->pending->req;

	if (!may_ask(conn, req->verb)) {
		refuse_verb(conn);
		return;
	}

	if (req->verb == CONTROL_VERB_ATTACH || req->verb == CONTROL_VERB_DETACH)
		log_limited(LOG_LEVEL_INFO, "control: pid %d, uid %u asks to %s a device",
			    (int)req->pid, (unsigned)req->uid,
			    control_verb_name(req->verb));
	conn->options->request(conn->options->ctx, req);
}

/* Without memory for a request the connection ends. */
static struct control_pending *new_pending(struct control_conn *conn)
{
	struct control_pending *pending = control_pending_create(conn);

	if (!pending) {
		log_limited(LOG_LEVEL_ERROR, "control: no memory for a request");
		control_conn_break(conn);
	}
	return pending;
}

/* Return: true if a request was handled. */
static bool handle_legacy(struct control_conn *conn)
{
	const uint8_t *bytes = (const uint8_t *)conn->in.bytes;
	struct control_pending *pending;
	struct control_request *req;
	bool many;
	int fd;

	if (conn->in.end < CONTROL_LEGACY_REQUEST_BYTES &&
	    bytes[0] <= CONTROL_LEGACY_CMD_LIST) {
		if (conn->in.eof && conn->in.end > 0) {
			control_complain(conn, CONTROL_CODE_BAD_REQUEST, "");
			control_conn_end(conn);
		}
		return false;
	}
	loop_timer_stop(conn->timer);
	fd = control_conn_take_fd(conn, 0, &many);
	/* an fd too many, one missing, or no such command */
	if (many || bytes[0] > CONTROL_LEGACY_CMD_LIST ||
	    (fd >= 0) != (bytes[0] == CONTROL_LEGACY_CMD_ATTACH)) {
		closer_close(&fd);
		control_complain(conn, CONTROL_CODE_CANNOT_OPEN, "");
		control_conn_end(conn);
		return true;
	}
	pending = new_pending(conn);
	if (!pending) {
		closer_close(&fd);
		return false;
	}
	req = &pending->req;
	req->fd = fd;
	req->target.text = "";
	if (bytes[0] == CONTROL_LEGACY_CMD_ATTACH) {
		req->verb = CONTROL_VERB_ATTACH;
		req->attach.bus = bytes[1];
		req->attach.address = bytes[2];
	} else if (bytes[0] == CONTROL_LEGACY_CMD_DETACH) {
		req->verb = CONTROL_VERB_DETACH;
		req->target.kind = CONTROL_TARGET_KIND_ADDRESS;
		req->target.bus = bytes[1];
		req->target.address = bytes[2];
		(void)snprintf(pending->text, sizeof(pending->text), "%03u:%03u",
			       bytes[1], bytes[2]);
		req->target.text = pending->text;
	} else {
		req->verb = CONTROL_VERB_LIST;
	}
	hand_to_owner(conn);
	return true;
}

/* @line: @len bytes and a NUL. */
static void handle_line(struct control_conn *conn, const char *line, size_t len, int fd,
			bool many)
{
	struct control_pending *pending = new_pending(conn);
	struct control_refusal refusal = {.text = ""};

	if (!pending) {
		closer_close(&fd);
		return;
	}
	pending->req.fd = fd;
	if (control_parse(pending, line, len, &refusal) < 0) {
		control_refuse(&pending->req, refusal.code, NULL, "%s", refusal.text);
	} else if (many) {
		control_refuse(&pending->req, CONTROL_CODE_BAD_REQUEST,
			       "send each request that needs one by its own "
			       "sendmsg()",
			       "more than one file descriptor came with this");
	} else if (pending->req.verb == CONTROL_VERB_HELLO) {
		control_answer_hello(pending);
	} else if (pending->req.verb == CONTROL_VERB_WATCH) {
		conn->events = pending->events;
		control_answer(&pending->req, NULL);
	} else {
		hand_to_owner(conn);
	}
}

static bool all_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!control_is_blank(text[i]))
			return false;
	}
	return true;
}

/* Ends the connection if its input will not become a line. Return: false. */
static bool handle_no_line(struct control_conn *conn)
{
	size_t len = conn->in.end - conn->in.start;

	if (len == CONTROL_LINE_MAX) {
		control_complain(conn, CONTROL_CODE_TOO_LARGE,
				 "the line is too long: 65536 bytes are possible");
		control_conn_end(conn);
	} else if (conn->in.eof && !all_blank(conn->in.bytes + conn->in.start, len)) {
		control_complain(conn, CONTROL_CODE_BAD_REQUEST,
				 "the last line has no newline at its end");
		control_conn_end(conn);
	}
	return false;
}

/* Return: true if there was a line. */
static bool handle_json(struct control_conn *conn)
{
	char *line = conn->in.bytes + conn->in.start;
	char *newline = memchr(conn->in.bytes + conn->in.scanned, '\n',
			       conn->in.end - conn->in.scanned);
	size_t len;
	bool many;
	int fd;

	if (!newline) {
		conn->in.scanned = conn->in.end;
		return handle_no_line(conn);
	}
	len = (size_t)(newline - line);
	fd = control_conn_take_fd(conn, conn->in.base + conn->in.start, &many);
	conn->in.start += len + 1;
	conn->in.scanned = conn->in.start;
	*newline = '\0';
	/* ignore an empty line; with an fd it is refused as no JSON */
	if (fd >= 0 || !all_blank(line, len))
		handle_line(conn, line, len, fd, many);
	return true;
}

bool control_speak_next(struct control_conn *conn)
{
	switch (conn->dialect) {
	case CONTROL_DIALECT_JSON:
		return handle_json(conn);
	case CONTROL_DIALECT_LEGACY:
		return handle_legacy(conn);
	case CONTROL_DIALECT_UNKNOWN:
		break;
	}
	return false;
}
