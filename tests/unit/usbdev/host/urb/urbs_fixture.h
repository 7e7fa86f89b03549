/* SPDX-License-Identifier: MIT
 * urbs_fixture.h - URBs on a fake usbfs, with a real loop and worker, and transfers
 */
#ifndef URBS_FIXTURE_H
#define URBS_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "usbdev/host/urb/urbs.h"
#include "usbdev/usbdev.h"

/* A transfer and what became of it. */
struct xfer {
	struct usbdev_transfer transfer;
	uint8_t *data;
	bool closed;          /* its iov answers -EFAULT */
	uint32_t closed_from; /* ... from this byte on, 0 = all is well */
	uint32_t piece_bytes; /* its iov comes in pieces of this; 0 = one */
	uint32_t gap_bytes;   /* host memory between the pieces */
	unsigned lookups;     /* calls of iov */
	unsigned order;       /* completed as the n-th; 0 = not yet */
	enum usbdev_status status;
	uint32_t actual;
	void (*on_completed)(struct xfer *x);
};

struct fixture {
	struct loop *loop;
	struct worker *worker;
	struct urbs *urbs;
	int fd;
	unsigned completed;
	unsigned gone;
	unsigned claim_checks; /* the owner was asked for */
	bool checks_later;     /* answers later */
	unsigned completed_when_gone;
	bool in_call;
};

extern struct fixture f;

/* For cmocka, with the capabilities of a newer kernel. fixture_create(): with others. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_create(uint32_t caps);

/* Data is 0, 1, 2... (OUT) or 0xee (IN). */
void xfer_init(struct xfer *x, enum usbdev_type type, uint8_t ep_addr, uint32_t len);
void xfer_init_control(struct xfer *x, uint8_t request_type, uint16_t wlength,
		       uint32_t len);
void xfer_submit(struct xfer *x);
void xfer_cancel(struct xfer *x);
void xfer_free(struct xfer *x);
/* Checks that it has completed so. */
void xfer_check(const struct xfer *x, enum usbdev_status status, uint32_t actual);
/* Checks that [@from, @to) of the data is @byte. */
void xfer_check_bytes(const struct xfer *x, uint32_t from, uint32_t to, uint8_t byte);
void xfer_wait(struct xfer *x);
/* Turns of the loop until nothing is left to do at once. */
void settle(void);
/* Turns until @condition() holds. */
void turn_until(bool (*condition)(void));

#endif /* URBS_FIXTURE_H */
