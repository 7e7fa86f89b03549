/* SPDX-License-Identifier: MIT
 * usbfs.h - the calls of Linux' usbfs that carry transfers
 *
 * Only the system calls, so that tests can replace them. The kernel documents them in
 * Documentation/driver-api/usb/usb.rst, except mapping.
 */
#ifndef USBDEV_HOST_URB_USBFS_H
#define USBDEV_HOST_URB_USBFS_H

#include <stddef.h>

#include "util/compiler.h"

struct usbdevfs_urb;

/* SUBMITURB. The kernel copies OUT data inside the call. It writes @urb, its buffer and its packets
 * only inside usbfs_reap(), but see usbfs_map(). @urb's address is its name until it is reaped.
 * Return: 0, or -errno if the kernel refused it. */
MUST_USE int usbfs_submit(int fd, struct usbdevfs_urb *urb);
/* REAPURBNDELAY. Return: 0 with an URB that is back; -EAGAIN if there is none; -ENODEV if there is
 * none and the device is gone; or another -errno. */
MUST_USE int usbfs_reap(int fd, struct usbdevfs_urb **ret_urb);
/* DISCARDURB: unlinks @urb and waits until it is back, to be reaped. Any thread; holds the device's
 * lock meanwhile. Return: 0, -EINVAL if it was back already, or another -errno. */
int usbfs_discard(int fd, struct usbdevfs_urb *urb);

/* Maps memory of usbfs (capability USBDEVFS_CAP_MMAP): @bytes, whole pages, cleared. If the buffer
 * of an URB lies in one such mapping, the controller reads or writes it there, from usbfs_submit()
 * on until the URB is back. usbfs charges the memory until it is unmapped. Takes no lock of the
 * device. Return: 0, -ENOMEM if there is no such block of memory, or another -errno. */
MUST_USE int usbfs_map(int fd, size_t bytes, void **ret_data);
/* Fine while an URB has it: the kernel keeps the memory for that URB. */
void usbfs_unmap(void *data, size_t bytes);

#endif /* USBDEV_HOST_URB_USBFS_H */
