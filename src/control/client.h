/* SPDX-License-Identifier: MIT
 * client.h - the client's end of the control socket, for programs that may wait
 *
 * Blocking, with a time limit for everything; for command-line programs, not for the
 * loop. The client bounds what the daemon sends: a line by CONTROL_ANSWER_MAX, events
 * before an answer by CONTROL_CLIENT_EVENTS_MAX.
 */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/protocol.h"
#include "util/compiler.h"
#include "util/err.h"

struct control_client;
struct json_object;

#define CONTROL_CLIENT_TIMEOUT_MS 30000
/* Events that the client keeps while it waits for an answer; it drops older ones. */
#define CONTROL_CLIENT_EVENTS_MAX 64u

/**
 * control_connect() - connect to the daemon at @path
 * @timeout_ms:	for each later call that has no timeout of its own; 0 =
 *		CONTROL_CLIENT_TIMEOUT_MS
 *
 * Sends nothing yet. Return: owned, or NULL with @err filled.
 */
struct control_client *control_connect(const char *path, int timeout_ms, struct err *err);
/* NULL is fine. */
void control_disconnect(struct control_client *client);

/**
 * control_call() - send a request and wait for the answer
 * @request:	object with "verb" and its fields, without "id"; borrowed
 * @fd:		goes with it, borrowed; -1 = none
 * @ret_answer:	the answer, owned by the caller: "ok" is true or, if refused, false
 *
 * Return: 0 with an answer; -errno with @err filled without one: then the
 * connection is unusable.
 */
MUST_USE int control_call(struct control_client *client, struct json_object *request,
			  int fd, struct json_object **ret_answer, struct err *err);

/**
 * control_call_ok() - as control_call(), but a refusal is an error
 *
 * Return: 0; -errno as control_call(), or -EREMOTEIO if refused, with message and hint
 * in @err. Then *@ret_answer is the refusal, owned by the caller.
 */
MUST_USE int control_call_ok(struct control_client *client, struct json_object *request,
			     int fd, struct json_object **ret_answer, struct err *err);

/**
 * control_next_event() - wait for an event, after "watch"
 * @timeout_ms:	-1 = for ever
 *
 * Return: 0 with an owned event, or -errno with @err filled: -ETIMEDOUT, or
 * -ECONNRESET if the daemon has gone.
 */
MUST_USE int control_next_event(struct control_client *client, int timeout_ms,
				struct json_object **ret_event, struct err *err);

/* For poll(), together with control_client_has_event(). Borrowed. */
int control_client_fd(const struct control_client *client);
/* True if control_next_event() can return an event without reading from the socket. */
bool control_client_has_event(struct control_client *client);

/* How the legacy dialect names a device. */
struct control_address {
	uint8_t bus;
	uint8_t address;
};

/**
 * control_legacy_call() - send one command of the legacy dialect, on its own connection
 * @fd:		attach only: the usbfs node, borrowed; else -1
 * @list, @ret_count: list only: room for 255; else NULL
 *
 * Return: the answer's byte (enum control_legacy, or an unknown one), or -errno with @err
 * filled: no connection, no answer in time, or the daemon closed it without an answer.
 */
MUST_USE int control_legacy_call(const char *path, int timeout_ms,
				 enum control_legacy_cmd command,
				 struct control_address address, int fd,
				 struct control_address *list, unsigned *ret_count,
				 struct err *err);
/* The meaning of the answer's byte. */
const char *control_legacy_text(int answer);

#endif /* CONTROL_CLIENT_H */
