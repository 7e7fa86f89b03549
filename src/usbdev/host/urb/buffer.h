/* SPDX-License-Identifier: MIT
 * buffer.h - memory for the data of URBs while the kernel has them
 *
 * Guest memory may go at any time, so the kernel never gets guest memory to fill or read
 * later: it gets a buffer. Buffers have sizes in powers of two and are used again. There
 * are two kinds:
 *
 *   heap     the kernel has memory of its own for each URB, and copies
 *   mapped   memory of usbfs: the controller works on it while an URB has it, and the
 *            kernel copies nothing and allocates nothing
 *
 * usbfs has 16 MiB for all devices and processes, and a mapping counts as long as it
 * exists. So spare mapped buffers are unmapped soon (urb_buffers_trim()), and at once when
 * memory is short. If usbfs cannot map, the buffer is of the heap.
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
/* Buffers up to this size are never mapped: a page each, and little to copy. */
#define URB_BUFFER_HEAP_BYTES 4096u
/* Spare buffers of one device, of each kind; more are released. As much as an endpoint has with the
 * kernel: all of them may come back before any is needed again. */
#define URB_BUFFER_SPARE_BYTES_MAX (4u << 20)
/* After usbfs has refused to map a size, how long not to try this or a larger size again. */
#define URB_BUFFER_REFUSED_NS UINT64_C(1000000000)

/**
 * struct urb_buffer
 * @next:	in the list of spare ones of the same size
 * @size_class:	its size is URB_BUFFER_BYTES_MIN << this
 * @is_old:	spare since before the last urb_buffers_trim()
 * @data:	its memory
 */
struct urb_buffer {
	struct urb_buffer *next;
	unsigned size_class;
	bool is_mapped;
	bool is_old;
	uint8_t *data;
};

/* Spare buffers, by size; the last put first. */
struct urb_buffer_spares {
	struct urb_buffer *first[URB_BUFFER_CLASSES];
	uint32_t bytes;
};

/**
 * struct urb_buffers - those of one device
 * @fd:		usbfs, borrowed, or -1: maps none
 * @refused_class: smallest size not to map until @refused_until_ns
 * @refused_logged: a refusal was
 */
struct urb_buffers {
	int fd;
	struct urb_buffer_spares heap;
	struct urb_buffer_spares mapped;
	unsigned refused_class;
	uint64_t refused_until_ns;
	bool refused_logged;
};

/* @fd: see above. */
void urb_buffers_init(struct urb_buffers *buffers, int fd);
/* Frees and unmaps the spare buffers; all must be back. Comes before closing the fd: the kernel
 * keeps the device open for a mapping. */
void urb_buffers_finish(struct urb_buffers *buffers);

/* A buffer with room for @bytes (at most URB_BUFFER_BYTES_MAX), not cleared, mapped if possible.
 * Returns owned, or NULL without memory. */
struct urb_buffer *urb_buffer_get(struct urb_buffers *buffers, uint32_t bytes);
/* The same, of one kind only. */
struct urb_buffer *urb_buffer_get_mapped(struct urb_buffers *buffers, uint32_t bytes);
struct urb_buffer *urb_buffer_get_heap(struct urb_buffers *buffers, uint32_t bytes);
/* Takes a buffer when its URB is back; one of the heap with OUT data as soon as the URB is
 * submitted. NULL is fine. */
void urb_buffer_put(struct urb_buffers *buffers, struct urb_buffer *buffer);

static inline bool urb_buffers_has_mapped_spares(const struct urb_buffers *buffers)
{
	return buffers->mapped.bytes > 0;
}

/* Unmaps buffers that have been spare since the last call. */
void urb_buffers_trim(struct urb_buffers *buffers);
/* Unmaps all spare buffers. Return: true if there were any. */
bool urb_buffers_unmap_spares(struct urb_buffers *buffers);
/* The same; from now on maps none, and unmaps each mapped buffer that is put. For a device that is
 * gone: the controller may still write to the memory. */
void urb_buffers_stop_mapping(struct urb_buffers *buffers);

#endif /* USBDEV_HOST_URB_BUFFER_H */
