/* SPDX-License-Identifier: MIT
 * kernel_urbs.c - usbfs URBs without a kernel: a fuzz target completes them
 *
 * Replaces usbfs.c.
 */
#include "kernel_urbs.h"

#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "usbdev/host/urb/usbfs.h"
#include "util/compiler.h"

#define SETUP_BYTES 8u

void *__real_malloc(size_t bytes);

struct kernel kernel;

const int kernel_statuses[KERNEL_STATUSES] = {
	0,          0,       0,       -EREMOTEIO, -ENOENT, -ECONNRESET,
	-EPIPE,     -EPROTO, -EILSEQ, -EOVERFLOW, -ETIME,  -ENODEV,
	-ESHUTDOWN, -EXDEV,  -ENOSPC, 4711};
const int kernel_refusals[KERNEL_REFUSALS] = {-ENOMEM, -ENODEV, -EBUSY, -EINVAL,
					      -ENOENT, -EINTR,  -EPERM, -ENOSPC,
					      -EFAULT, -EPIPE,  -EIO,   -ESHUTDOWN};

static bool is_in(const struct usbdevfs_urb *usb)
{
	if (usb->type == USBDEVFS_URB_TYPE_CONTROL)
		return ((uint8_t *)usb->buffer)[0] & 0x80;
	return usb->endpoint & 0x80;
}

int usbfs_submit(int fd, struct usbdevfs_urb *usb)
{
	const volatile uint8_t *data = usb->buffer;

	CHECK(fd == kernel.fd);
	if (kernel.submit_errors > 0) {
		kernel.submit_errors--;
		return kernel.submit_error;
	}
	if (kernel.gone)
		return -ENODEV;
	if (kernel.count == KERNEL_URBS)
		return -ENOMEM;
	CHECK(usb->buffer_length >= 0 && (data || usb->buffer_length == 0));
	/* the kernel reads all of it */
	for (int i = 0; i < usb->buffer_length; i += 64)
		(void)data[i];
	if (usb->buffer_length > 0)
		(void)data[usb->buffer_length - 1];
	for (unsigned i = 0; i < kernel.count; i++)
		CHECK(kernel.urbs[i].usb != usb);
	kernel.urbs[kernel.count++] =
		(struct kernel_urb){.usb = usb, .length = usb->buffer_length};
	return 0;
}

void kernel_complete_urb(unsigned index, int status, int actual)
{
	struct kernel_urb urb = kernel.urbs[index];

	urb.completed = true;
	urb.status = status;
	urb.actual = actual;
	memmove(&kernel.urbs[index], &kernel.urbs[index + 1],
		(kernel.count - index - 1) * sizeof(urb));
	kernel.urbs[kernel.count - 1] = urb;
}

static void write_packets(struct usbdevfs_urb *usb)
{
	/* for other types number_of_packets shares its place with the Stream ID */
	int count = usb->type == USBDEVFS_URB_TYPE_ISO ? usb->number_of_packets : 0;

	for (int i = 0; i < count; i++) {
		uint32_t lie = kernel.lies >> (i % 8 * 4);

		usb->iso_frame_desc[i].status = (unsigned)kernel_statuses[lie & 15];
		usb->iso_frame_desc[i].actual_length =
			lie & 8 ? kernel.lies : usb->iso_frame_desc[i].length;
	}
}

int usbfs_reap(int fd, struct usbdevfs_urb **ret_urb)
{
	int error = kernel.reap_error;

	CHECK(fd == kernel.fd);
	kernel.reap_error = 0;
	if (error) {
		kernel.lost = error != -EINTR;
		return error;
	}
	if (kernel.foreign_count > 0) {
		*ret_urb = kernel.foreign[--kernel.foreign_count];
		return 0;
	}
	for (unsigned i = 0; i < kernel.count; i++) {
		struct kernel_urb urb = kernel.urbs[i];
		struct usbdevfs_urb *usb = urb.usb;

		if (!urb.completed)
			continue;
		kernel.count--;
		memmove(&kernel.urbs[i], &kernel.urbs[i + 1],
			(kernel.count - i) * sizeof(urb));
		usb->status = urb.status;
		usb->actual_length = urb.actual;
		write_packets(usb);
		/* the length that it reports may be wrong, but it writes within the URB */
		if (is_in(usb)) {
			int skip =
				usb->type == USBDEVFS_URB_TYPE_CONTROL ? SETUP_BYTES : 0;

			if (usb->buffer_length > skip)
				memset((uint8_t *)usb->buffer + skip, 0x5a,
				       (size_t)(usb->buffer_length - skip));
		}
		*ret_urb = usb;
		return 0;
	}
	if (!kernel.gone)
		return -EAGAIN;
	kernel.lost = true;
	return -ENODEV;
}

int usbfs_discard(int fd, struct usbdevfs_urb *usb)
{
	CHECK(fd == kernel.fd);
	if (kernel.discard_error)
		return kernel.discard_error;
	for (unsigned i = 0; i < kernel.count; i++)
		if (kernel.urbs[i].usb == usb && !kernel.urbs[i].completed) {
			kernel_complete_urb(i, -ENOENT, (int)(kernel.lies % 600));
			return 0;
		}
	return -EINVAL;
}

int usbfs_map(int fd, size_t bytes, void **ret_data)
{
	void *data;

	CHECK(fd == kernel.fd);
	if (kernel.map_errors > 0) {
		kernel.map_errors--;
		return kernel.map_errors & 1 ? -ENOMEM : -EINVAL;
	}
	data = __real_malloc(bytes);
	CHECK(data);
	memset(data, 0, bytes);
	kernel.mapped++;
	*ret_data = data;
	return 0;
}

void usbfs_unmap(void *data, size_t bytes)
{
	(void)bytes;
	CHECK(kernel.mapped > 0);
	kernel.mapped--;
	free(data);
}

void kernel_init(int fd)
{
	memset(&kernel, 0, sizeof(kernel));
	kernel.fd = fd;
}

void kernel_complete_some(unsigned index, uint8_t how, uint32_t any)
{
	int length, actual;

	if (kernel.count == 0)
		return;
	index %= kernel.count;
	if (kernel.urbs[index].completed)
		return;
	length = kernel.urbs[index].length;
	switch (how >> 4) {
	case 0:
		actual = (int)any;
		break;
	case 1:
		actual = 0;
		break;
	case 2:
		actual = length / 2;
		break;
	case 3:
		actual = length - 1;
		break;
	default:
		actual = length;
	}
	kernel_complete_urb(index, kernel_statuses[how & 15], actual);
}

void kernel_complete_all(void)
{
	for (unsigned i = 0; i < kernel.count; i++)
		if (!kernel.urbs[i].completed)
			kernel_complete_urb(i, -ENOENT, 0);
}

void kernel_end(void)
{
	CHECK(kernel.count == 0 || kernel.lost);
	CHECK(kernel.mapped == 0);
	kernel.count = 0;
	kernel.foreign_count = 0;
	kernel.fd = -1;
}

void kernel_name_foreign(struct usbdevfs_urb *usb)
{
	/* the kernel still has this URB, so it would not be foreign */
	for (unsigned i = 0; i < kernel.count; i++)
		if (kernel.urbs[i].usb == usb)
			return;
	if (kernel.foreign_count < ARRAY_SIZE(kernel.foreign))
		kernel.foreign[kernel.foreign_count++] = usb;
}

void kernel_tells_the_truth(void)
{
	kernel.submit_errors = 0;
	kernel.reap_error = 0;
	kernel.discard_error = 0;
	kernel.map_errors = 0;
}
