/* SPDX-License-Identifier: MIT
 * usbfs.c - the calls of Linux' usbfs that carry transfers
 */
#include "usbdev/host/urb/usbfs.h"

#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

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

int usbfs_map(int fd, size_t bytes, void **ret_data)
{
	void *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (data == MAP_FAILED)
		return -errno;
	*ret_data = data;
	return 0;
}

void usbfs_unmap(void *data, size_t bytes)
{
	(void)munmap(data, bytes);
}
