/* SPDX-License-Identifier: MIT
 * usbfs.c - the calls of Linux' usbfs that carry transfers
 */
#include "usbdev/host/usbfs.h"

#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>

int usbfs_submit(int fd, struct usbdevfs_urb *urb)
{
	return ioctl(fd, USBDEVFS_SUBMITURB, urb) < 0 ? -errno : 0;
}

int usbfs_reap(int fd, struct usbdevfs_urb **ret_urb)
{
	void *urb;

	if (ioctl(fd, USBDEVFS_REAPURBNDELAY, &urb) < 0)
		return -errno;
	*ret_urb = urb;
	return 0;
}

int usbfs_discard(int fd, struct usbdevfs_urb *urb)
{
	return ioctl(fd, USBDEVFS_DISCARDURB, urb) < 0 ? -errno : 0;
}
