/* SPDX-License-Identifier: MIT
 * server.h - the vfio-user server: one device, served to a VMM over a socket
 *
 * Frames messages, answers them in order, and keeps the client's DMA ranges (in a
 * struct guest_mem) and interrupt eventfds. Knows nothing of PCI, USB, xHCI: regions
 * and interrupts are numbers that the owner describes. Loop thread only. A reply never
 * waits for anything but memory.
 */
#ifndef VUSER_SERVER_H
#define VUSER_SERVER_H

#include <stdbool.h>

#include "util/compiler.h"
#include "util/err.h"
#include "vuser/device.h"

struct guest_mem;
struct loop;
struct vuser_server;

/* Connections at one time: the client, and some that have not sent VERSION yet. */
#define VUSER_CONNS_MAX 4u

/**
 * vuser_server_create() - serve @device on @fd
 * @fd:		listening or connected unix stream socket (told apart); taken, also
 *		on failure
 * @device:	borrowed, must outlive the server
 * @mem:	filled from DMA_MAP (borrowed)
 *
 * With a connected @fd there is no next client: @client(false) is the last call, when
 * this one goes. Return: owned, or NULL with @err filled.
 */
struct vuser_server *vuser_server_create(struct loop *loop, int fd,
					 const struct vuser_device *device,
					 struct guest_mem *mem, struct err *err);
/* Closes everything; calls no callback. NULL is fine. */
void vuser_server_destroy(struct vuser_server *server);

/**
 * vuser_irq_raise() - signal interrupt @index vector @vector
 *
 * Without an eventfd the signal stays pending until the client sets one ("disable
 * index", reset and disconnect clear it).
 */
void vuser_irq_raise(struct vuser_server *server, unsigned index, unsigned vector);

/* True while a listening socket is open, so another client may come. */
bool vuser_server_listening(const struct vuser_server *server);

#endif /* VUSER_SERVER_H */
