/* SPDX-License-Identifier: MIT
 * host.h - a host for tests of devices, with transfers on byte buffers
 */
#ifndef TESTS_UNIT_USBDEV_HOST_H
#define TESTS_UNIT_USBDEV_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/usbdev.h"
#include "util/loop.h"

/* @resets, @wakes: events received. @completed: transfers so far */
struct host {
	struct loop *loop;
	struct usbdev *dev;
	unsigned resets;
	unsigned wakes;
	unsigned completed;
	bool destroyed;
};

/**
 * struct urb - a transfer with its data
 * @data:	exactly as long as the transfer, so that sanitizers see an access beyond it
 * @piece_bytes: bytes in one iovec; 0 = all
 * @fault:	the memory cannot be reached
 * @order:	completed as the n-th; 0 = not yet
 */
struct urb {
	struct usbdev_transfer transfer;
	struct host *host;
	uint8_t *data;
	uint32_t piece_bytes;
	bool fault;
	unsigned order;
};

/* Takes @dev; NULL fails the test. */
void host_init(struct host *host, struct loop *loop, struct usbdev *dev);
/* Destroys the device; sets host->destroyed when that is done. */
void host_destroy(struct host *host);
/* Destroys device and loop. */
void host_finish(struct host *host);
/* Turns the loop until nothing is left to do at once. */
void host_settle(struct host *host);

/* A bulk or interrupt transfer of @len bytes, zeroed. */
void urb_init(struct urb *urb, struct host *host, uint8_t ep_addr, uint32_t len);
void urb_init_data(struct urb *urb, struct host *host, uint8_t ep_addr, const void *data,
		   uint32_t len);
void urb_submit(struct urb *urb);
void urb_cancel(struct urb *urb);
/* Turns the loop until the transfer has completed. */
void urb_wait(struct urb *urb);
void urb_finish(struct urb *urb);

/* Run a whole transfer. If @ret_status is NULL the status must be OK. Return: bytes */
uint32_t host_in(struct host *host, uint8_t ep_addr, void *buf, uint32_t len,
		 enum usbdev_status *ret_status);
uint32_t host_out(struct host *host, uint8_t ep_addr, const void *buf, uint32_t len,
		  enum usbdev_status *ret_status);

#define HOST_STALL (-1)

/* Runs a control transfer; @data has @length bytes. Return: bytes or HOST_STALL */
int host_control(struct host *host, uint8_t request_type, uint8_t request, uint16_t value,
		 uint16_t index, void *data, uint16_t length);
/* SET_CONFIGURATION 1 */
void host_configure(struct host *host);
/* Resets the device and waits for the result. */
void host_reset(struct host *host);

#endif /* TESTS_UNIT_USBDEV_HOST_H */
