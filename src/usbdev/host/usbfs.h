/* SPDX-License-Identifier: MIT
 * usbfs.h - the calls of Linux' usbfs that carry transfers
 *
 * Nothing but the system calls, so that tests can put their own in their place.
 * Documented by the kernel in Documentation/driver-api/usb/usb.rst.
 */
#ifndef USBDEV_HOST_USBFS_H
#define USBDEV_HOST_USBFS_H

#include "util/compiler.h"

struct usbdevfs_urb;

/* SUBMITURB. The kernel copies OUT data inside the call; it writes @urb, its buffer
 * and its packets only inside usbfs_reap(). @urb's address is its name until it has been
 * reaped. Return: 0 or -errno, nothing being submitted then. */
MUST_USE int usbfs_submit(int fd, struct usbdevfs_urb *urb);
/* REAPURBNDELAY. Return: 0 with an URB that is back; -EAGAIN there is none; -ENODEV the
 * device is gone and there is none; or another -errno. */
MUST_USE int usbfs_reap(int fd, struct usbdevfs_urb **ret_urb);
/* DISCARDURB: waits until @urb is back, it then is to be reaped. Any thread; holds the
 * device's lock meanwhile. Return: 0, -EINVAL it was back already, or another -errno. */
int usbfs_discard(int fd, struct usbdevfs_urb *urb);

#endif /* USBDEV_HOST_USBFS_H */
