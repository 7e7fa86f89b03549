/* SPDX-License-Identifier: MIT
 * submit.h - one URB to the kernel, and back
 */
#ifndef USBDEV_HOST_URB_SUBMIT_H
#define USBDEV_HOST_URB_SUBMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"

struct urb;
struct urbs;

/* Submits @urb, filled in, with @data; its transfers then have it. Return: 0 or -errno, and then
 * nothing has changed. */
MUST_USE int urb_submit(struct urb *urb, void *data, uint32_t bytes);
/* Reaps one URB that is back. Return: 0 with the URB, or with NULL if it was foreign; -EAGAIN
 * if none is back; or another -errno, see usbfs_reap(). */
MUST_USE int urb_reap(struct urbs *urbs, struct urb **ret_urb);
/* The device is gone and the kernel will never return @urb: its transfers are over. */
void urb_lose(struct urb *urb);
/* @urb is back with a status that may mean that the device is gone. */
bool urb_looks_gone(const struct urb *urb);

#endif /* USBDEV_HOST_URB_SUBMIT_H */
