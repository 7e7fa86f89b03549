/* SPDX-License-Identifier: MIT
 * server_priv.h - the server as the files of this folder see it
 */
#ifndef VUSER_SERVER_PRIV_H
#define VUSER_SERVER_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "util/acceptor.h"
#include "util/compiler.h"
#include "util/list.h"
#include "vuser/server.h"

struct loop;
struct vuser_conn;

/* Connections at one time: the client, and some that have not sent VERSION yet. */
#define VUSER_CONNS_MAX 4u

/**
 * struct vuser_server
 * @acceptor:	not started if the server was given a connected socket
 * @conns:	struct vuser_conn.link, oldest first; @nconns of them
 * @client:	the one in @conns whose VERSION was agreed, or NULL
 * @num_irqs:	interrupt indexes told to clients
 */
struct vuser_server {
	struct loop *loop;
	const struct vuser_device *device;
	struct guest_mem *mem;
	struct acceptor acceptor;
	struct list conns;
	unsigned nconns;
	struct vuser_conn *client;
	uint32_t num_irqs;
};

/**
 * vuser_server_admit() - @conn wants to be the client
 *
 * A client that is there already is first given the chance to be found gone: a
 * VMM that starts its guest again closes one connection and opens the next, and
 * we may see the second event first. Return: 0 or -EBUSY.
 */
MUST_USE int vuser_server_admit(struct vuser_server *server, struct vuser_conn *conn);
/* Tells the owner of a client just admitted. */
void vuser_server_announce(struct vuser_server *server);

#endif /* VUSER_SERVER_PRIV_H */
