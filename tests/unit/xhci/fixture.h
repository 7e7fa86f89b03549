/* SPDX-License-Identifier: MIT
 * fixture.h - a controller on a byte array, with a clock and devices that the test controls
 *
 * Guest memory is two pieces of FIXTURE_MEM_BYTES: at FIXTURE_LOW_IOVA, and at FIXTURE_HIGH_IOVA
 * above 4 GiB. Nothing happens unless a test runs the controller (run_until_idle) or moves the
 * clock (advance_ns). A fake device keeps its transfers until the test completes them.
 */
#ifndef TESTS_UNIT_XHCI_FIXTURE_H
#define TESTS_UNIT_XHCI_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mem/guest_mem.h"
#include "usbdev/usbdev.h"
#include "xhci/spec.h"
#include "xhci/trb.h"
#include "xhci/xhci.h"

#define FIXTURE_PORTS     4u /* of each kind */
#define FIXTURE_MEM_BYTES 0x100000u
#define FIXTURE_LOW_IOVA  UINT64_C(0x100000)
#define FIXTURE_HIGH_IOVA UINT64_C(0x180000000)
#define FIXTURE_NO_IOVA   UINT64_C(0x700000000) /* unmapped */

/* layout of fixture_start(); tests use memory from FIXTURE_FREE_IOVA on */
#define FIXTURE_DCBAA_IOVA   (FIXTURE_LOW_IOVA + 0x1000)
#define FIXTURE_COMMAND_IOVA (FIXTURE_LOW_IOVA + 0x2000)
#define FIXTURE_ERST_IOVA    (FIXTURE_LOW_IOVA + 0x3000)
#define FIXTURE_EVENTS_IOVA  (FIXTURE_LOW_IOVA + 0x4000)
#define FIXTURE_EVENTS_TRBS  256u
#define FIXTURE_FREE_IOVA    (FIXTURE_LOW_IOVA + 0x10000)

/* offsets in BAR0 */
#define OPER(reg)         (XHCI_OFF_OPER + XHCI_OP_##reg)
#define PORT(n, reg)      (XHCI_OFF_PORTS + ((n)-1) * XHCI_PORT_STRIDE + XHCI_PORT_##reg)
#define INTR(n, reg)      (XHCI_OFF_INTR + (n)*XHCI_INTR_STRIDE + XHCI_INTR_##reg)
#define DOORBELL(slot_id) (XHCI_OFF_DOORBELLS + (slot_id)*4)

/* The guest's side of an event ring of one segment. */
struct event_reader {
	unsigned interrupter;
	uint64_t ring_iova;
	uint32_t trbs;
	uint32_t index;
	bool cycle;
};

struct fixture {
	struct loop *loop;
	struct guest_mem *mem;
	struct xhci *xhci;
	uint8_t *low;
	uint8_t *high;
	uint64_t now_ns;
	uint64_t wake_at_ns;
	bool kicked;
	unsigned runs;
	unsigned interrupts[XHCI_INTERRUPTERS];
	struct event_reader events; /* of interrupter 0; fixture_start() sets it up */
};

/* cmocka set-up and tear-down: a controller after power-on, bus master on. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Sets up the event ring of interrupter 0, IE, INTE, no moderation, DCBAA, command ring, all slots;
 * sets RS. */
void fixture_start(struct fixture *f);

uint32_t read32(struct fixture *f, uint32_t offset);
void write32(struct fixture *f, uint32_t offset, uint32_t value);
void write64(struct fixture *f, uint32_t offset, uint64_t value);

/* Runs the controller and the loop until neither has anything left to do. */
void run_until_idle(struct fixture *f);
/* Moves the clock; runs the controller if it has asked to be woken by then. */
void advance_ns(struct fixture *f, uint64_t ns);

/* Host address of guest memory. */
void *guest(struct fixture *f, uint64_t iova);
void guest_put_trb(struct fixture *f, uint64_t iova, const struct xhci_trb *trb);
struct xhci_trb guest_get_trb(struct fixture *f, uint64_t iova);
/* Writes an entry of an event ring segment table. */
void guest_put_erst(struct fixture *f, uint64_t erst_iova, unsigned index, uint64_t base,
		    uint32_t trbs);

/* Sets up interrupter @number with one segment, IE, IMODI 0, and its reader. */
struct event_reader event_ring_setup(struct fixture *f, unsigned number,
				     uint64_t erst_iova, uint64_t ring_iova,
				     uint32_t trbs);
/* The next event, if there is one; does not write ERDP. */
bool event_next(struct fixture *f, struct event_reader *reader, struct xhci_trb *trb);
/* Writes ERDP with EHB, as an interrupt handler does at its end. */
void event_handled(struct fixture *f, const struct event_reader *reader);
/* Skips all events on the default ring. */
void events_skip(struct fixture *f);
/* Takes the next event of the default ring, which must exist and have this type. */
struct xhci_trb expect_event(struct fixture *f, enum xhci_trb_type type);
/* Demands that the default ring has no more events. */
void expect_no_event(struct fixture *f);

/**
 * struct fake_dev - a device whose transfers complete when the test says so
 * @submitted:	usbdev_transfer.node, in order
 * @hold_cancelled: keep cancelled transfers; otherwise they complete as CANCELLED with 0 bytes
 * @stream_requests: usbdev_streams.node of pending requests, in order;
 *		fake_dev_streams_done() answers the first
 * @resets_pending: number of pending resets; fake_dev_reset_done() answers one
 */
struct fake_dev {
	struct usbdev dev;
	struct list submitted;
	struct list stream_requests;
	bool hold_cancelled;
	unsigned submits;
	unsigned cancels;
	unsigned resets;
	unsigned resets_pending;
	unsigned endpoint_resets;
	unsigned suspends;
	unsigned resumes;
	uint8_t last_endpoint_reset;
	bool released;
};

void fake_dev_init(struct fake_dev *fake, struct fixture *f, enum usbdev_speed speed);
/* The first transfer that the device has for @ep_addr, or NULL. */
struct usbdev_transfer *fake_dev_first(struct fake_dev *fake, uint8_t ep_addr);
unsigned fake_dev_count(struct fake_dev *fake, uint8_t ep_addr);
void fake_dev_complete(struct fake_dev *fake, struct usbdev_transfer *transfer,
		       enum usbdev_status status, uint32_t actual_bytes);
void fake_dev_reset_done(struct fake_dev *fake, int result);
/* Makes the device support streams. */
void fake_dev_with_streams(struct fake_dev *fake);
/* The first pending request for streams, or NULL. */
struct usbdev_streams *fake_dev_streams(struct fake_dev *fake);
/* Answers that request. */
void fake_dev_streams_done(struct fake_dev *fake, int result);
/* Attaches to the first port of its kind. Returns the port number. */
unsigned fake_dev_plug(struct fake_dev *fake, struct fixture *f);
/* Detaches from @port, runs until the device is released, and destroys it. */
void fake_dev_unplug(struct fake_dev *fake, struct fixture *f, unsigned port);
/* The callback for xhci_detach(): sets @released. @ctx unused. */
void fake_dev_released(void *ctx, struct usbdev *dev);

#endif /* TESTS_UNIT_XHCI_FIXTURE_H */
