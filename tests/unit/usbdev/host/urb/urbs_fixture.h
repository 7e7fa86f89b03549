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

/* A transfer and its result. */
struct xfer {
	struct usbdev_transfer transfer;
	uint8_t *data;
	bool closed;          /* its iov() returns -EFAULT */
	uint32_t closed_from; /* its iov() returns -EFAULT from this byte on; 0 = never */
	uint32_t piece_bytes; /* size of the pieces of its iov(); 0 = one piece */
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
	unsigned claim_checks; /* requests to the owner to check its claims */
	bool checks_later;     /* the owner answers later */
	unsigned completed_when_gone;
	bool in_call;
};

extern struct fixture f;

/* cmocka set-up and tear-down, with the capabilities of a newer kernel. fixture_create() takes
 * others. */
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
/* Demands that the transfer has completed with this result. */
void xfer_check(const struct xfer *x, enum usbdev_status status, uint32_t actual);
/* Demands that bytes [@from, @to) of the data are @byte. */
void xfer_check_bytes(const struct xfer *x, uint32_t from, uint32_t to, uint8_t byte);
void xfer_wait(struct xfer *x);
/* Turns the loop until nothing is left to do at once. */
void settle(void);
/* Turns until @condition() holds. */
void turn_until(bool (*condition)(void));

#endif /* URBS_FIXTURE_H */
