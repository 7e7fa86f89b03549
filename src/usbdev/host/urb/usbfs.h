/* SPDX-License-Identifier: MIT
 * usbfs.h - the calls of Linux' usbfs that carry transfers
 *
 * Nothing but the system calls, so that tests can put their own in their place.
 * Documented by the kernel in Documentation/driver-api/usb/usb.rst, but for mapping.
 */
#ifndef USBDEV_HOST_URB_USBFS_H
#define USBDEV_HOST_URB_USBFS_H

#include <stddef.h>

#include "util/compiler.h"

struct usbdevfs_urb;

/* SUBMITURB. The kernel copies OUT data inside the call; it writes @urb, its buffer
 * and its packets only inside usbfs_reap(), but see usbfs_map(). @urb's address is its name until it has been
 * reaped. Return: 0 or -errno, nothing being submitted then. */
MUST_USE int usbfs_submit(int fd, struct usbdevfs_urb *urb);
/* REAPURBNDELAY. Return: 0 with an URB that is back; -EAGAIN there is none; -ENODEV the
 * device is gone and there is none; or another -errno. */
MUST_USE int usbfs_reap(int fd, struct usbdevfs_urb **ret_urb);
/* DISCARDURB: waits until @urb is back, it then is to be reaped. Any thread; holds the
 * device's lock meanwhile. Return: 0, -EINVAL it was back already, or another -errno. */
int usbfs_discard(int fd, struct usbdevfs_urb *urb);

/* Maps memory of usbfs (capability USBDEVFS_CAP_MMAP), @bytes being whole pages. An URB whose
 * buffer lies in one such mapping has its data there: the controller reads or writes it from
 * usbfs_submit() on until the URB is back. Charged until unmapped; cleared. Takes no lock
 * of the device. Return: 0, -ENOMEM there is not so much in one piece, or -errno. */
MUST_USE int usbfs_map(int fd, size_t bytes, void **ret_data);
/* Also under an URB: the kernel keeps the memory for it. */
void usbfs_unmap(void *data, size_t bytes);

#endif /* USBDEV_HOST_URB_USBFS_H */
