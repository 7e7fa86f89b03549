/* SPDX-License-Identifier: MIT
 * buffer.h - memory that data of transfers lies in while the kernel has them
 *
 * Guest memory may go at any time, so what is filled or read later is never guest
 * memory but one of these. They come in powers of two and are used again. Of two kinds:
 *
 *   of the heap  the kernel has memory of its own for each URB, and copies
 *   mapped       usbfs' memory: the controller works on it while an URB has it, and the
 *                kernel copies nothing and allocates nothing
 *
 * usbfs has 16 MiB for all devices and processes, and a mapping counts as long as it
 * exists. So mapped ones that lie spare are given back soon (urb_buffers_trim()), and at
 * once when memory is short. What cannot be mapped is of the heap.
 */
#ifndef USBDEV_HOST_URB_BUFFER_H
#define USBDEV_HOST_URB_BUFFER_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"

#define URB_BUFFER_BYTES_MIN 512u
#define URB_BUFFER_CLASSES   12u
/* 1 MiB */
#define URB_BUFFER_BYTES_MAX (URB_BUFFER_BYTES_MIN << (URB_BUFFER_CLASSES - 1))
/* Up to this size they are never mapped: a page each, and little to copy. */
#define URB_BUFFER_HEAP_BYTES 4096u
/* Of a device, lying unused, of each kind; more than this is given back. As much as an
 * endpoint has with the kernel: they may all come back before any is needed again. */
#define URB_BUFFER_SPARE_BYTES_MAX (4u << 20)
/* If usbfs refuses to map a size, that one and larger ones are not tried again before. */
#define URB_BUFFER_REFUSED_NS UINT64_C(1000000000)

/**
 * struct urb_buffer
 * @next:	spare ones of the same size
 * @size_class:	its size is URB_BUFFER_BYTES_MIN << this
 * @is_old:	spare since before the last urb_buffers_trim()
 * @data:	where it begins
 */
struct urb_buffer {
	struct urb_buffer *next;
	unsigned size_class;
	bool is_mapped;
	bool is_old;
	uint8_t *data;
};

/* Spare ones, the last put first. */
struct urb_buffer_spares {
	struct urb_buffer *first[URB_BUFFER_CLASSES];
	uint32_t bytes;
};

/**
 * struct urb_buffers - those of one device
 * @fd:		usbfs, borrowed, or -1: none is mapped
 * @refused_class: usbfs refused this size, last, and @refused_until_ns has not come
 * @refused_told: that was logged
 */
struct urb_buffers {
	int fd;
	struct urb_buffer_spares heap;
	struct urb_buffer_spares mapped;
	unsigned refused_class;
	uint64_t refused_until_ns;
	bool refused_told;
};

/* @fd: as there. */
void urb_buffers_init(struct urb_buffers *buffers, int fd);
/* Frees and unmaps the spare ones; all must be back. The fd may be closed then, but not
 * before: the kernel would keep the device open. */
void urb_buffers_finish(struct urb_buffers *buffers);

/* One with room for @bytes (at most URB_BUFFER_BYTES_MAX), not cleared, mapped if that can be.
 * Returns owned, or NULL without memory. */
struct urb_buffer *urb_buffer_get(struct urb_buffers *buffers, uint32_t bytes);
/* The same of one kind only. */
struct urb_buffer *urb_buffer_get_mapped(struct urb_buffers *buffers, uint32_t bytes);
struct urb_buffer *urb_buffer_get_heap(struct urb_buffers *buffers, uint32_t bytes);
/* When its URB is back; one of the heap with OUT data already when that is submitted.
 * NULL is fine. */
void urb_buffer_put(struct urb_buffers *buffers, struct urb_buffer *buffer);

static inline bool urb_buffers_has_mapped_spares(const struct urb_buffers *buffers)
{
	return buffers->mapped.bytes > 0;
}

/* Unmaps those that have been spare since the last call. */
void urb_buffers_trim(struct urb_buffers *buffers);
/* Unmaps all that are spare. Return: whether there were any. */
bool urb_buffers_unmap_spares(struct urb_buffers *buffers);
/* The same, and from now on none is mapped and those put are unmapped: the device is
 * gone, and the controller may not have let go of what they are for. */
void urb_buffers_stop_mapping(struct urb_buffers *buffers);

#endif /* USBDEV_HOST_URB_BUFFER_H */
