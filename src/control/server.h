/* SPDX-License-Identifier: MIT
 * server.h - the control socket: many clients, two dialects, one owner that answers
 *
 * A connection whose first byte is '{' or white space speaks JSON, any other the
 * 3-byte commands of the original program. The owner gets a struct control_request and
 * need not know the dialect. Loop thread only; never waits for a client.
 *
 * A client can have one pending request, CONTROL_LINE_MAX bytes of input, CONTROL_OUT_MAX of
 * unread events and one answer. The server handles its next request when the last answer
 * has left.
 */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include <stdint.h>

#include "control/options.h"
#include "control/protocol.h"
#include "util/compiler.h"
#include "util/err.h"

struct control_device;
struct control_server;
struct loop;

/* Connections at one time; the server refuses more with a message. */
#define CONTROL_CONNS_MAX 32u
/* Time that a client has to show its dialect, to send all of a legacy command, and to read the last
 * answer; then the server closes the connection. */
#define CONTROL_TIMEOUT_NS UINT64_C(5000000000)

/* Makes json-c choose the seed of its hashes now, for which it asks the kernel. Once is
 * enough. */
void control_prepare(void);

/**
 * control_server_create() - serve the control socket
 * @fd:		listening unix stream socket; taken, also on failure
 * @options:	copied
 *
 * Return: owned, or NULL with @err filled.
 */
struct control_server *control_server_create(struct loop *loop, int fd,
					     const struct control_options *options,
					     struct err *err);
/* Sends the answers given before, as far as sockets take them, and closes everything.
 * Pending requests stay valid; their answers go nowhere. NULL is fine. */
void control_server_destroy(struct control_server *server);

/**
 * control_server_event() - send an event to all watchers
 * @device:	its device; NULL = none
 * @message:	more in words; NULL = none
 */
void control_server_event(struct control_server *server, enum control_event event,
			  const struct control_device *device, const char *message);

/* The number of connections; for tests and the log. */
unsigned control_server_clients(const struct control_server *server);

#endif /* CONTROL_SERVER_H */
