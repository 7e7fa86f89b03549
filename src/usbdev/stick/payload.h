/* SPDX-License-Identifier: MIT
 * payload.h - how much of a command's data has moved, and what remains of the host's
 */
#ifndef USBDEV_STICK_PAYLOAD_H
#define USBDEV_STICK_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>

struct stick;
struct usbdev_transfer;

/* @n bytes have gone to or come from @transfer: completes it when it is full. */
void stick_moved(struct stick *stick, struct usbdev_transfer *transfer, uint32_t n);
/* The command's data is over (all of it, or there was an error): what remains of the
 * host's is filled or stalled. */
void stick_payload_end(struct stick *stick);
/* Reading or writing the image failed with -errno @code at @offset: sets sense and status;
 * no more data moves. */
void stick_io_failed(struct stick *stick, bool write, uint64_t offset, int code);

#endif /* USBDEV_STICK_PAYLOAD_H */
