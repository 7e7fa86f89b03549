/* SPDX-License-Identifier: MIT
 * transfer.h - the states of a transfer on its queue, and how it ends
 *
 * The backend pointer of a transfer says in which of three states it is:
 *
 *   WAITING (NULL)          -- submitted -----------------------> WITH AN URB
 *   WAITING                 -- refused, cancelled --------------> OVER
 *   WITH AN URB (the URB)   -- the next piece follows ----------> WAITING
 *   WITH AN URB             -- completed, failed, unlinked -----> OVER
 *   OVER (URB_OVER)         -- its turn has come: completes
 *
 * With an URB: the URB is with the kernel, or it is back and waits for its turn. Over: status
 * and actual_bytes are final, and the transfer completes after all those before it on its
 * queue. actual_bytes counts all bytes moved so far.
 */
#ifndef USBDEV_HOST_URB_TRANSFER_H
#define USBDEV_HOST_URB_TRANSFER_H

#include <stdbool.h>

#include "usbdev/usbdev.h"
#include "util/list.h"

struct urb;
struct urb_queue;

extern char urb_over_mark[];
#define URB_OVER ((void *)urb_over_mark)

static inline bool urb_transfer_is_over(const struct usbdev_transfer *transfer)
{
	return transfer->backend == URB_OVER;
}

/* NULL: waiting. Not for one that is over. */
static inline struct urb *urb_of(const struct usbdev_transfer *transfer)
{
	return transfer->backend;
}

static inline bool urb_transfer_is_waiting(const struct usbdev_transfer *transfer)
{
	return transfer->backend == NULL;
}

static inline bool urb_transfer_has_urb(const struct usbdev_transfer *transfer)
{
	return !urb_transfer_is_waiting(transfer) && !urb_transfer_is_over(transfer);
}

static inline struct usbdev_transfer *urb_transfer_of(struct list *node)
{
	return LIST_ENTRY(node, struct usbdev_transfer, node);
}

/* Changes of state. */
void urb_transfer_set_waiting(struct urb_queue *queue, struct usbdev_transfer *transfer);
void urb_transfer_set_urb(struct urb_queue *queue, struct usbdev_transfer *transfer,
			  struct urb *urb);
void urb_transfer_set_over(struct urb_queue *queue, struct usbdev_transfer *transfer,
			   enum usbdev_status status);

/* What the kernel's status of an URB or of a packet means for its transfer. @gone: the device
 * is. */
enum usbdev_status urb_status(int kernel_status, bool gone);
/* True if nothing behind @transfer may move before the guest knows that it ended with @status:
 * an error of a bulk or interrupt transfer, which the kernel does not stop at. */
bool urb_is_failure(const struct usbdev_transfer *transfer, enum usbdev_status status);

#endif /* USBDEV_HOST_URB_TRANSFER_H */
