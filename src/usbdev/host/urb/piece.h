/* SPDX-License-Identifier: MIT
 * piece.h - control, bulk and interrupt transfers as URBs
 */
#ifndef USBDEV_HOST_URB_PIECE_H
#define USBDEV_HOST_URB_PIECE_H

#include <stdbool.h>
#include <stdint.h>

struct urb;
struct urb_queue;
struct urbs;
struct usbdev_transfer;

/* The most that one URB carries of a transfer: with a host controller that gathers, with one
 * block of kernel memory for it, and on a kernel that takes no more. All are multiples of every
 * maximum packet size of a bulk endpoint. */
#define URB_PIECE_BYTES_MAX (1u << 20)
#define URB_PIECE_BYTES_ONE (64u << 10)
#define URB_PIECE_BYTES_OLD (16u << 10)
/* The smallest piece to try when the kernel has no memory. */
#define URB_PIECE_BYTES_MIN (4u << 10)

/* Sets the sizes of pieces, by the capabilities of usbfs. */
void urb_piece_init(struct urbs *urbs, uint32_t caps);
/* Submits the next piece of @transfer, or ends it. Return: false if neither it nor those behind
 * it can be submitted now. */
bool urb_piece_submit(struct urb_queue *queue, struct usbdev_transfer *transfer);
/* @urb is back and its transfer is the first. Return: true if the transfer is over or waits again;
 * false if the URBs behind must come back first. */
bool urb_piece_complete(struct urb *urb);

#endif /* USBDEV_HOST_URB_PIECE_H */
