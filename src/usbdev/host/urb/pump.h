/* SPDX-License-Identifier: MIT
 * pump.h - moves the transfers of one queue along: submits, completes, cancels
 */
#ifndef USBDEV_HOST_URB_PUMP_H
#define USBDEV_HOST_URB_PUMP_H

#include <stdbool.h>

struct urb_queue;
struct usbdev_transfer;

/* Transfers of one queue completed at a time. */
#define URB_COMPLETIONS_MAX 256u

/* Submits waiting transfers, as far as that goes now. Calls no owner. */
void urb_pump_submit(struct urb_queue *queue);
/* Takes URBs that are back, and completes transfers that are over, both in the order of the queue.
 * The owner may do anything meanwhile; if it destroys the URBs, that happens later. Transfers that
 * can be submitted after it are left to the task. */
void urb_pump_complete(struct urb_queue *queue);
/* True if the first transfer is over. */
bool urb_pump_has_completion(const struct urb_queue *queue);
/* Cancels a transfer that is not over, or unlinks its URB. */
void urb_pump_cancel(struct urb_queue *queue, struct usbdev_transfer *transfer);

#endif /* USBDEV_HOST_URB_PUMP_H */
