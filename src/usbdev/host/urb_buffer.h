/* SPDX-License-Identifier: MIT
 * urb_buffer.h - memory that the kernel copies data of transfers to and from
 *
 * Guest memory may go at any time, so what the kernel fills later is never guest
 * memory but one of these. They come in powers of two and are used again.
 */
#ifndef USBDEV_HOST_URB_BUFFER_H
#define USBDEV_HOST_URB_BUFFER_H

#include <stdint.h>

#include "util/compiler.h"

#define URB_BUFFER_BYTES_MIN 512u
#define URB_BUFFER_CLASSES   12u
/* 1 MiB */
#define URB_BUFFER_BYTES_MAX (URB_BUFFER_BYTES_MIN << (URB_BUFFER_CLASSES - 1))
/* Of a device, lying unused; more than this goes back to libc. */
#define URB_BUFFER_SPARE_BYTES_MAX (4u << 20)

/**
 * struct urb_buffer
 * @next:	spare ones of the same size
 * @size_class:	its size is URB_BUFFER_BYTES_MIN << this
 * @data:	where it begins
 */
struct urb_buffer {
	struct urb_buffer *next;
	unsigned size_class;
	uint8_t *data;
};

/* All zeros is an empty one. */
struct urb_buffers {
	struct urb_buffer *spare[URB_BUFFER_CLASSES];
	uint32_t spare_bytes;
};

/* One with room for @bytes (at most URB_BUFFER_BYTES_MAX), not cleared. Returns owned, or
 * NULL without memory. */
struct urb_buffer *urb_buffer_get(struct urb_buffers *buffers, uint32_t bytes);
/* NULL is fine. */
void urb_buffer_put(struct urb_buffers *buffers, struct urb_buffer *buffer);
/* Frees the spare ones; all must be back. */
void urb_buffers_finish(struct urb_buffers *buffers);

#endif /* USBDEV_HOST_URB_BUFFER_H */
