/* SPDX-License-Identifier: MIT
 * xhci_drv.h - a small xHCI driver for tests and benches
 *
 * Takes every offset and limit from the registers, as real drivers do. Runs
 * in one thread: submit, then wait for events. Events are taken from the ring
 * only after the interrupter's eventfd fired (unless polled), so that an
 * interrupt that never comes is a failed wait, and are kept in a queue until
 * someone waits for them.
 *
 * Functions that run a command or transfer return its completion code (enum
 * xcc, positive) or -errno: -ETIMEDOUT no event, or an error of the socket.
 * A socket error in a register access makes all later waits fail with it.
 *
 * The layers: drv_ring.h (memory), this file (registers, events, commands,
 * ports), drv_device.h (slots, contexts, endpoints, transfers, enumeration),
 * bot.h and hid.h (class protocols).
 */
#ifndef TESTS_LIB_XHCI_DRV_H
#define TESTS_LIB_XHCI_DRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/drv_ring.h"
#include "tests/lib/guest_ram.h"
#include "tests/lib/vmm.h"
#include "tests/lib/xhci_regs.h"
#include "util/compiler.h"

#define DRV_INTERRUPTERS_MAX 8u
#define DRV_EVENTS_MAX       16384u
#define DRV_PORTS_MAX        31u
#define DRV_TIMEOUT_MS       10000
/* For waits that are expected to end in nothing. */
#define DRV_QUIET_MS 100

struct drv_slot;

enum drv_irq {
	DRV_IRQ_MSIX,
	DRV_IRQ_MSI,
	DRV_IRQ_POLLED, /* no interrupts, like firmware */
};

/* All zeros are the defaults: what Linux does. */
struct drv_options {
	unsigned interrupters;      /* 1 */
	unsigned event_segments;    /* 1 */
	unsigned event_trbs;        /* 256 per segment */
	unsigned command_trbs;      /* 64 */
	unsigned transfer_segments; /* 2 per endpoint */
	unsigned transfer_trbs;     /* 256 per segment */
	uint32_t imod;              /* 0: no moderation */
	enum drv_irq irq;
	enum guest_ram_zone ring_zone;
	bool keep_pending; /* do not write ERDP on collecting (ring-full tests) */
};

struct drv_event {
	struct drv_trb trb;
	unsigned interrupter;
};

struct drv_port {
	bool usb3;
	bool exists;
};

/**
 * struct drv - a controller being driven
 * @vmm, @ram:	borrowed
 * @error:	first socket error, 0 = none
 * @max_slots, @max_ports, @max_interrupters, @context_bytes, @page_bytes: as the
 *		registers say
 * @queue:	events taken from the rings and waited for by nobody yet; a circle
 * @signals:	eventfd wake-ups seen, by interrupter
 */
struct drv {
	struct vmm *vmm;
	struct guest_ram *ram;
	struct drv_options options;
	int error;
	int timeout_ms;
	uint32_t op, rt, db;
	unsigned max_slots, max_ports, max_interrupters, context_bytes, scratchpads;
	bool ac64;
	uint32_t hci_version;
	struct drv_port ports[DRV_PORTS_MAX + 1]; /* 1-based */
	struct guest_buf dcbaa;
	struct drv_ring command;
	struct drv_event_ring events[DRV_INTERRUPTERS_MAX];
	struct drv_event *queue;
	unsigned queue_head, queue_count;
	uint64_t signals[DRV_INTERRUPTERS_MAX];
	struct drv_slot *slots[256];
};

/* Registers of BAR0 by absolute offset. */
uint32_t drv_read32(struct drv *drv, uint32_t offset);
uint64_t drv_read64(struct drv *drv, uint32_t offset);
void drv_write32(struct drv *drv, uint32_t offset, uint32_t value);
void drv_write64(struct drv *drv, uint32_t offset, uint64_t value);
/* Any width 1-8; true if the access was answered (QEMU's dialect posts writes). */
MUST_USE int drv_read(struct drv *drv, uint32_t offset, void *buf, unsigned size);
MUST_USE int drv_write(struct drv *drv, uint32_t offset, const void *buf, unsigned size);

static inline uint32_t drv_op_read(struct drv *drv, uint32_t reg)
{
	return drv_read32(drv, drv->op + reg);
}

static inline void drv_op_write(struct drv *drv, uint32_t reg, uint32_t value)
{
	drv_write32(drv, drv->op + reg, value);
}

/* Offset of a register of interrupter @n. */
static inline uint32_t drv_ir(const struct drv *drv, unsigned n, uint32_t reg)
{
	return drv->rt + XRT_IR(n) + reg;
}

/**
 * drv_start() - from power-on to a running controller with no slot
 * @drv:	filled; drv_stop() and drv_finish() end it
 * @vmm:	booted (vmm_boot()); interrupts are enabled here
 *
 * Reads capabilities, halts and resets the controller, sets up memory,
 * interrupts, and runs. Return: 0 or -errno.
 */
MUST_USE int drv_start(struct drv *drv, struct vmm *vmm, struct guest_ram *ram,
		       const struct drv_options *options);
/* The parts of drv_start(), for tests that do it otherwise. */
MUST_USE int drv_init(struct drv *drv, struct vmm *vmm, struct guest_ram *ram,
		      const struct drv_options *options);
MUST_USE int drv_halt(struct drv *drv);  /* RS = 0, waits for HCH */
MUST_USE int drv_reset(struct drv *drv); /* HCRST, waits for it and CNR to clear */
void drv_setup(struct drv *drv);         /* DCBAAP, CRCR, CONFIG, event rings: emptied */
MUST_USE int drv_run(struct drv *drv);   /* RS = INTE = 1, waits for HCH = 0 */
/* Frees our memory; the controller is left as it is. */
void drv_finish(struct drv *drv);

/* Waits until (register & mask) == value, by reading it: for the few bits that
 * raise no event. Return: 0, -ETIMEDOUT. */
MUST_USE int drv_wait_register(struct drv *drv, uint32_t offset, uint32_t mask,
			       uint32_t value);

/* Events. */

/* Moves what is in the event rings to the queue and acknowledges it (USBSTS.EINT,
 * ERDP with EHB) as Linux' interrupt handler does. Return: how many. */
unsigned drv_collect(struct drv *drv, unsigned interrupter);
typedef bool drv_match(const struct drv_event *event, const void *ctx);
/* Takes the first queued event that matches (NULL: any), waiting for
 * interrupts up to @timeout_ms. Return: 0 or -errno. */
MUST_USE int drv_wait(struct drv *drv, drv_match *match, const void *ctx,
		      struct drv_event *ret_event, int timeout_ms);
/* A transfer event of an endpoint (dci 0: of any); @trb 0: for any TRB. Event Data
 * events match by their parameter. Return: completion code or -errno. */
MUST_USE int drv_wait_transfer(struct drv *drv, unsigned slot_id, unsigned dci,
			       uint64_t trb, struct drv_event *ret_event);
/* Number of queued events of @type (0: all) after collecting without waiting. */
unsigned drv_pending(struct drv *drv, unsigned type);
/* Forgets the queue. */
void drv_forget(struct drv *drv);

static inline unsigned drv_event_code(const struct drv_event *event)
{
	return event->trb.status >> 24;
}

static inline uint32_t drv_event_length(const struct drv_event *event)
{
	return event->trb.status & 0xffffff;
}

static inline unsigned drv_event_slot(const struct drv_event *event)
{
	return event->trb.control >> 24;
}

static inline unsigned drv_event_dci(const struct drv_event *event)
{
	return (event->trb.control >> 16) & 0x1f;
}

static inline bool drv_event_is_data(const struct drv_event *event)
{
	return (event->trb.control & 4) != 0;
}

/* Commands. */

void drv_doorbell(struct drv *drv, unsigned slot_id, unsigned target, unsigned stream);
/* Appends without ringing. Return: the TRB's address. */
uint64_t drv_command_push(struct drv *drv, struct drv_trb trb);
/* Waits for the completion of the command at @trb. */
MUST_USE int drv_command_wait(struct drv *drv, uint64_t trb, struct drv_event *ret_event);
/* All three. @ret_event may be NULL. */
MUST_USE int drv_command(struct drv *drv, struct drv_trb trb,
			 struct drv_event *ret_event);
MUST_USE int drv_command_slot(struct drv *drv, enum xtrb type, unsigned slot_id,
			      uint64_t parameter, uint32_t flags);

/* Ports, 1-based. */

uint32_t drv_portsc_offset(const struct drv *drv, unsigned port);
uint32_t drv_portsc(struct drv *drv, unsigned port);
/* Writes PORTSC such that nothing but @set changes. */
void drv_port_set(struct drv *drv, unsigned port, uint32_t set);
/* Clears change bits. */
void drv_port_clear(struct drv *drv, unsigned port, uint32_t changes);
/* Writes the link state with LWS. */
void drv_port_link(struct drv *drv, unsigned port, enum xport_link state);
/* Waits, by port events, until (PORTSC & mask) == value. */
MUST_USE int drv_port_wait(struct drv *drv, unsigned port, uint32_t mask, uint32_t value);
/* PR (or WPR), waits for the end, clears the change bits. */
MUST_USE int drv_port_reset(struct drv *drv, unsigned port, bool warm);
/* The first port with CCS at or after @from, waiting for one; or -ETIMEDOUT. */
MUST_USE int drv_port_connected(struct drv *drv, unsigned from);

#endif /* TESTS_LIB_XHCI_DRV_H */
