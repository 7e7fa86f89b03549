/* SPDX-License-Identifier: MIT
 * server.h - the vfio-user server: one device, served to a VMM over a socket
 *
 * Frames messages, answers them in order, and keeps what the client gave us:
 * DMA ranges (in a struct guest_mem) and interrupt eventfds. Knows nothing of
 * PCI, USB, xHCI: regions and interrupts are numbers described by the owner.
 * Loop thread only. A reply never waits for anything but memory.
 */
#ifndef VUSER_SERVER_H
#define VUSER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/err.h"

struct guest_mem;
struct loop;
struct vuser_server;

#define VUSER_REGIONS     9u  /* BAR0-5, ROM, config, VGA */
#define VUSER_IRQS        5u  /* INTx, MSI, MSI-X, ERR, REQ */
#define VUSER_VECTORS_MAX 64u /* per interrupt index */

struct vuser_region {
	uint64_t size; /* bytes; 0 = does not exist */
	bool readable;
	bool writable;
};

/**
 * struct vuser_device - what is served, and what the owner wants to hear
 *
 * Callbacks run in the loop, inside the handling of one message. They must not
 * block nor do the work a write asks for: record and return; the reply leaves
 * when they return. None may destroy the server.
 *
 * @region_read:	fill @count bytes (offset + count is within the region)
 * @region_write:	take @count bytes
 * @reset:		DEVICE_RESET; the whole function goes to its power-on state
 * @dma_changed:	ranges were mapped or unmapped (called once per message)
 * @irqs_changed:	eventfds of interrupt @index changed
 * @allow:		whether the process at the other end of @fd may be the client; NULL:
 *			whoever can connect
 * @client:		a client has connected (true: VERSION was agreed) or gone
 *			(false: its memory and eventfds are already dropped)
 */
struct vuser_device {
	struct vuser_region regions[VUSER_REGIONS];
	uint32_t irq_counts[VUSER_IRQS]; /* vectors per index, 0 = none */
	void *ctx;
	void (*region_read)(void *ctx, unsigned region, uint64_t offset, void *buf,
			    size_t count);
	void (*region_write)(void *ctx, unsigned region, uint64_t offset, const void *buf,
			     size_t count);
	void (*reset)(void *ctx);
	void (*dma_changed)(void *ctx);
	void (*irqs_changed)(void *ctx, unsigned index);
	bool (*allow)(void *ctx, int fd);
	void (*client)(void *ctx, bool connected);
};

/**
 * vuser_server_create() - serve @device on @fd
 * @fd:		listening or connected unix stream socket (told apart); taken, also
 *		on failure
 * @device:	borrowed, must outlive the server
 * @mem:	filled from DMA_MAP (borrowed)
 *
 * With a connected @fd there is no next client: when it goes, @client(false)
 * is the last call. Return: owned, or NULL with @err filled.
 */
struct vuser_server *vuser_server_create(struct loop *loop, int fd,
					 const struct vuser_device *device,
					 struct guest_mem *mem, struct err *err);
/* Closes everything; no callback is called. NULL is fine. */
void vuser_server_destroy(struct vuser_server *server);

/**
 * vuser_irq_raise() - signal interrupt @index vector @vector
 *
 * Without an eventfd for it the signal is remembered and given when one comes
 * (dropped by "disable index", reset or disconnect).
 */
void vuser_irq_raise(struct vuser_server *server, unsigned index, unsigned vector);

/* True while a listening socket is open, i.e. another client may come. */
bool vuser_server_listening(const struct vuser_server *server);

#endif /* VUSER_SERVER_H */
