/* SPDX-License-Identifier: MIT
 * xhci_drv.h - a small xHCI driver for tests and benches
 *
 * Takes every offset and limit from the registers, as real drivers do. Runs in one
 * thread: submit, then wait for events. Unless polling, the driver reads an event ring
 * only after its interrupter's eventfd fired, so a missing interrupt fails the wait. It
 * keeps events in a queue until a test waits for them.
 *
 * Functions that run a command or transfer return its completion code (enum xcc,
 * positive) or -errno: -ETIMEDOUT without an event, or an error of the socket. After a
 * socket error in a register access, all later waits return that error.
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
/* For waits that must time out. */
#define DRV_QUIET_MS 100

struct drv_slot;

enum drv_irq {
	DRV_IRQ_MSIX,
	DRV_IRQ_MSI,
	DRV_IRQ_POLLED, /* no interrupts, like firmware */
};

/* Zero selects the default, Linux' choice. */
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
	bool keep_pending; /* drv_collect() leaves ERDP alone (ring-full tests) */
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
 * struct drv - a controller and its driver
 * @vmm, @ram:	borrowed
 * @error:	first socket error, 0 = none
 * @max_slots, @max_ports, @max_interrupters, @context_bytes, @scratchpads: from the
 *		registers
 * @queue:	circle of events taken from the rings; no test has waited for them yet
 * @signals:	signals read from the eventfds, by interrupter
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
/* Any width 1-8 (QEMU's dialect posts writes). Return: 0 or -errno. */
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
 * @drv:	initialised; drv_finish() frees it
 * @vmm:	after vmm_boot(); drv_start() enables interrupts
 *
 * Reads capabilities, halts and resets the controller, sets up memory,
 * interrupts, and runs. Return: 0 or -errno.
 */
MUST_USE int drv_start(struct drv *drv, struct vmm *vmm, struct guest_ram *ram,
		       const struct drv_options *options);
/* The parts of drv_start(), for tests with another order. */
MUST_USE int drv_init(struct drv *drv, struct vmm *vmm, struct guest_ram *ram,
		      const struct drv_options *options);
MUST_USE int drv_halt(struct drv *drv);  /* clears RS, waits for HCH */
MUST_USE int drv_reset(struct drv *drv); /* sets HCRST, waits until it and CNR clear */
void drv_setup(struct drv *drv); /* empties rings; DCBAAP, CRCR, CONFIG, event rings */
MUST_USE int drv_run(struct drv *drv); /* sets RS and INTE, waits until HCH clears */
/* Frees our memory; leaves the controller alone. */
void drv_finish(struct drv *drv);

/* Polls the register until (register & mask) == value: for the few bits that raise no
 * event. Return: 0, -ETIMEDOUT. */
MUST_USE int drv_wait_register(struct drv *drv, uint32_t offset, uint32_t mask,
			       uint32_t value);

/* Events. */

/* Moves the interrupter's events to the queue and acknowledges them (USBSTS.EINT, ERDP
 * with EHB) as Linux' interrupt handler does. Return: their number. */
unsigned drv_collect(struct drv *drv, unsigned interrupter);
typedef bool drv_match(const struct drv_event *event, const void *ctx);
/* Takes the first matching event (NULL: any), waits for interrupts up to @timeout_ms.
 * Return: 0 or -errno. */
MUST_USE int drv_wait(struct drv *drv, drv_match *match, const void *ctx,
		      struct drv_event *ret_event, int timeout_ms);
/* Waits for a transfer event of an endpoint (@dci 0: any) for @trb (0: any). Event Data
 * events match by their parameter. Return: completion code or -errno. */
MUST_USE int drv_wait_transfer(struct drv *drv, unsigned slot_id, unsigned dci,
			       uint64_t trb, struct drv_event *ret_event);
/* Collects events without waiting. Return: queued events of @type (0: all). */
unsigned drv_pending(struct drv *drv, unsigned type);
/* Empties the queue. */
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
/* Appends without ringing the doorbell. Return: the TRB's address. */
uint64_t drv_command_push(struct drv *drv, struct drv_trb trb);
/* Waits for the completion of the command at @trb. */
MUST_USE int drv_command_wait(struct drv *drv, uint64_t trb, struct drv_event *ret_event);
/* Appends, rings the doorbell and waits. @ret_event may be NULL. */
MUST_USE int drv_command(struct drv *drv, struct drv_trb trb,
			 struct drv_event *ret_event);
MUST_USE int drv_command_slot(struct drv *drv, enum xtrb type, unsigned slot_id,
			      uint64_t parameter, uint32_t flags);

/* Ports, 1-based. */

uint32_t drv_portsc_offset(const struct drv *drv, unsigned port);
uint32_t drv_portsc(struct drv *drv, unsigned port);
/* Writes PORTSC so that only @set changes. */
void drv_port_set(struct drv *drv, unsigned port, uint32_t set);
/* Clears change bits. */
void drv_port_clear(struct drv *drv, unsigned port, uint32_t changes);
/* Writes the link state with LWS. */
void drv_port_link(struct drv *drv, unsigned port, enum xport_link state);
/* Waits for port events until (PORTSC & mask) == value. */
MUST_USE int drv_port_wait(struct drv *drv, unsigned port, uint32_t mask, uint32_t value);
/* Sets PR (or WPR), waits for the reset to end, clears the change bits. */
MUST_USE int drv_port_reset(struct drv *drv, unsigned port, bool warm);
/* Waits for a connected port. Return: the first with CCS from @from on, or -errno. */
MUST_USE int drv_port_connected(struct drv *drv, unsigned from);

#endif /* TESTS_LIB_XHCI_DRV_H */
