/* SPDX-License-Identifier: MIT
 * server.h - the control socket: many clients, two dialects, one owner that answers
 *
 * A connection whose first byte is '{' or white space speaks JSON, any other the
 * 3-byte commands of the original program. The owner sees struct control_request
 * and needs not know which it was. Loop thread only; never waits for a client.
 *
 * What a client can have: one request being answered, CONTROL_LINE_MAX bytes of input,
 * CONTROL_OUT_MAX of events not yet read plus one answer. Its next request is looked
 * at when the answer to the last has left.
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

/* Connections at one time; more are told so and closed. */
#define CONTROL_CONNS_MAX 32u
/* What has not shown its dialect, or not sent all of a legacy command, or not taken
 * the last answer before its connection ends, is closed after this time. */
#define CONTROL_TIMEOUT_NS UINT64_C(5000000000)

/* Has json-c choose the seed of its hashes now, for which it asks the kernel. Once is enough. */
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
/* Closes everything; answers given before are sent, as far as sockets take them. Requests not answered yet stay good, their answers go nowhere.
 * NULL is fine. */
void control_server_destroy(struct control_server *server);

/**
 * control_server_event() - tell all watchers
 * @device:	what it is about; NULL = nothing particular
 * @message:	more in words, NULL = nothing
 */
void control_server_event(struct control_server *server, enum control_event event,
			  const struct control_device *device, const char *message);

/* Connections there are; for tests and the log. */
unsigned control_server_clients(const struct control_server *server);

#endif /* CONTROL_SERVER_H */
