/* SPDX-License-Identifier: MIT
 * xhci.h - an xHCI 1.0 controller model
 *
 * Registers in, interrupts out, guest memory at the side, USB devices below.
 * Knows no transport: the whole model runs on a byte array with fake devices.
 * A register write only records; the work is done in xhci_run(), which the
 * owner calls when asked by the kick callback, after the write was answered.
 * Loop thread only.
 */
#ifndef XHCI_XHCI_H
#define XHCI_XHCI_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/err.h"

struct guest_mem;
struct usbdev;
struct xhci;

#define XHCI_BAR_SIZE_BYTES 0x10000u
#define XHCI_BAR_MSIX_TABLE 0x8000u /* pages the PCI side may use in the BAR */
#define XHCI_BAR_MSIX_PBA   0x9000u
#define XHCI_INTERRUPTERS   8u
#define XHCI_PORTS_DEFAULT  8u /* of each kind: USB 2 and USB 3 */
#define XHCI_PORTS_MAX      15u

/**
 * struct xhci_env - the surroundings of the controller
 * @now_ns:	monotonic time
 * @wake_at:	call xhci_run() once the clock reaches @at_ns (replaces an earlier
 *		request); 0 = no wake-up needed
 * @kick:	call xhci_run() soon: in this loop turn, after what is being
 *		answered has left. Many kicks, one run
 * @interrupt:	an edge on interrupt vector @vector
 */
struct xhci_env {
	void *ctx;
	uint64_t (*now_ns)(void *ctx);
	void (*wake_at)(void *ctx, uint64_t at_ns);
	void (*kick)(void *ctx);
	void (*interrupt)(void *ctx, unsigned vector);
};

/* @ports: of each kind, 1..XHCI_PORTS_MAX. @env is copied, @mem borrowed.
 * Returns owned, or NULL without memory. */
struct xhci *xhci_create(const struct xhci_env *env, struct guest_mem *mem,
			 unsigned ports);
/* Cancels nothing and waits for nothing: all devices must have been detached
 * and xhci_idle() be true. NULL is fine. */
void xhci_destroy(struct xhci *xhci);

/* BAR0 registers. @size 1, 2, 4 or 8, @offset at any alignment; bytes outside
 * every register read as 0 and are not written. Never fails. */
uint64_t xhci_mmio_read(struct xhci *xhci, uint32_t offset, unsigned size);
void xhci_mmio_write(struct xhci *xhci, uint32_t offset, uint64_t value, unsigned size);

/* Does a bounded amount of the pending work; kicks again if more is left. */
void xhci_run(struct xhci *xhci);

/* PCI-level reset, or a new guest: the same as HCRST. Ports with devices show them as newly
 * connected. Registers have their reset values at once; transfers in flight are cancelled,
 * and their results dropped. */
void xhci_reset(struct xhci *xhci);
/* COMMAND.BME: without it no guest memory is touched, everything waits. */
void xhci_set_bus_master(struct xhci *xhci, bool enabled);
/* Guest memory was mapped or unmapped: a parked controller tries again. */
void xhci_memory_changed(struct xhci *xhci);
/* Raises the vector of each interrupter that has an interrupt pending: for an owner that has
 * just learnt where vectors go. */
void xhci_replay_interrupts(struct xhci *xhci);

/**
 * xhci_attach() - plug @dev into a free port of its kind
 * @dev:	must outlive its being attached; the controller takes its events
 * @port:	1-based root hub port wanted, or 0 for the first free one
 *
 * Return: the port's number (1-based), or -ENOSPC no free port, -EBUSY port
 * taken, -EINVAL port of the other kind, speed unknown, -ENOMEM.
 */
MUST_USE int xhci_attach(struct xhci *xhci, struct usbdev *dev, unsigned port,
			 struct err *err);

/**
 * xhci_detach() - pull the device out of @port
 * @on_released: called in xhci_run() when no transfer of the device is in flight any more and
 *		nothing here refers to it: it may be destroyed then. May be NULL
 *
 * The guest sees a disconnect; transfers are cancelled. Return: 0, -ENOENT no
 * device there.
 */
MUST_USE int xhci_detach(struct xhci *xhci, unsigned port,
			 void (*on_released)(void *ctx, struct usbdev *dev), void *ctx);
/* @on_gone: called when a device reports itself gone, so that the owner can xhci_detach() it.
 * Set once after create. */
void xhci_on_gone(struct xhci *xhci, void (*on_gone)(void *ctx, unsigned port),
		  void *ctx);
/* The device in @port, or NULL. */
struct usbdev *xhci_port_device(const struct xhci *xhci, unsigned port);
unsigned xhci_port_count(const struct xhci *xhci);
/* Whether @port is for USB 3 devices; the others are for USB 2 ones. */
bool xhci_port_is_usb3(const struct xhci *xhci, unsigned port);

/* True if no transfer is in flight and no detached device awaits release. */
bool xhci_idle(const struct xhci *xhci);

#endif /* XHCI_XHCI_H */
