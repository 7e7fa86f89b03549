/* SPDX-License-Identifier: MIT
 * isoch.h - isochronous transfers as the packets of URBs
 */
#ifndef USBDEV_HOST_URB_ISOCH_H
#define USBDEV_HOST_URB_ISOCH_H

#include <stdbool.h>

struct urb;
struct urb_queue;
struct usbdev_transfer;

/* How long transfers wait for memory. */
#define URB_ISOCH_WAIT_NS 100000000u
/* The kernel takes no longer packet (96 data packets of 1024: SuperSpeedPlus). */
#define URB_PACKET_BYTES_MAX 98304u
/* All packets of an URB: the kernel needs one block of memory for them. */
#define URB_ISOCH_BYTES_MAX (128u << 10)

/* Submits @first and waiting transfers behind it, as many as go into one URB, or ends them.
 * Return: false if neither they nor those behind them can be submitted now. */
bool urb_isoch_submit(struct urb_queue *queue, struct usbdev_transfer *first);
/* @urb is back: all its transfers are over or wait again. Puts @urb. */
void urb_isoch_complete(struct urb *urb);

#endif /* USBDEV_HOST_URB_ISOCH_H */
