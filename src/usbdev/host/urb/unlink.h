/* SPDX-License-Identifier: MIT
 * unlink.h - asks the kernel to give URBs back before they are done
 *
 * URBs to unlink are marked. Unless a freeze is in force, one job of the worker takes all
 * that are marked by then, the last submitted first, so that no transfer overtakes one that
 * is unlinked. The job is a freeze itself: while it names an URB, the loop can neither reap
 * that URB nor submit another one at its address.
 */
#ifndef USBDEV_HOST_URB_UNLINK_H
#define USBDEV_HOST_URB_UNLINK_H

struct urb;
struct urb_queue;
struct urbs;

/* Marks @urb, which is with the kernel. */
void urb_unlink(struct urb *urb);
/* Marks all URBs of @queue that are with the kernel. */
void urb_unlink_queue(struct urb_queue *queue);
/* Starts a job for those marked, unless frozen. */
void urb_unlink_start(struct urbs *urbs);
/* Goes on where a freeze has stopped everything, if none is left. */
void urb_unlink_resume(struct urbs *urbs);

#endif /* USBDEV_HOST_URB_UNLINK_H */
