/* SPDX-License-Identifier: MIT
 * device.h - the device that a server serves, as its owner describes it
 *
 * Regions and interrupts are numbers here: this layer knows nothing of PCI, USB, xHCI.
 */
#ifndef VUSER_DEVICE_H
#define VUSER_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest_mem;

#define VUSER_REGIONS     9u  /* BAR0-5, ROM, config, VGA */
#define VUSER_IRQS        5u  /* INTx, MSI, MSI-X, ERR, REQ */
#define VUSER_VECTORS_MAX 64u /* per interrupt index */

struct vuser_region {
	uint64_t size; /* bytes; 0 = does not exist */
	bool readable;
	bool writable;
};

/**
 * struct vuser_device - the device, and its owner's callbacks
 *
 * Callbacks run in the loop, inside the handling of one message. They must not
 * block, nor do the work that a write asks for: record it and return; the reply
 * leaves when they return. None may destroy the server.
 *
 * @region_read:	fill @count bytes (offset + count is within the region)
 * @region_write:	take @count bytes
 * @reset:		DEVICE_RESET; the whole function goes to its power-on state
 * @dma_changed:	ranges were mapped or unmapped (called once per message)
 * @irqs_changed:	eventfds of interrupt @index changed
 * @allow:		whether the process at the other end of @fd may be the client; NULL:
 *			any process that can connect
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
 * struct vuser_service - what every connection of a server serves
 * @device:	borrowed
 * @mem:	the guest's memory, filled from DMA_MAP; borrowed
 * @num_irqs:	interrupt indexes that clients see
 */
struct vuser_service {
	const struct vuser_device *device;
	struct guest_mem *mem;
	uint32_t num_irqs;
};

#endif /* VUSER_DEVICE_H */
