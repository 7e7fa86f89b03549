/* SPDX-License-Identifier: MIT
 * urb_buffer.c - memory that the kernel copies data of transfers to and from
 */
#include "usbdev/host/urb_buffer.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>

#define HEAD_BYTES                                                \
	((sizeof(struct urb_buffer) + alignof(max_align_t) - 1) & \
	 ~(alignof(max_align_t) - 1))

static uint32_t size_of(unsigned size_class)
{
	return URB_BUFFER_BYTES_MIN << size_class;
}

struct urb_buffer *urb_buffer_get(struct urb_buffers *buffers, uint32_t bytes)
{
	unsigned size_class = 0;
	struct urb_buffer *buffer;

	assert(bytes <= URB_BUFFER_BYTES_MAX);
	while (size_of(size_class) < bytes)
		size_class++;
	buffer = buffers->spare[size_class];
	if (buffer) {
		buffers->spare[size_class] = buffer->next;
		buffers->spare_bytes -= size_of(size_class);
		return buffer;
	}
	buffer = malloc(HEAD_BYTES + size_of(size_class));
	if (!buffer)
		return NULL;
	buffer->size_class = size_class;
	buffer->data = (uint8_t *)buffer + HEAD_BYTES;
	return buffer;
}

void urb_buffer_put(struct urb_buffers *buffers, struct urb_buffer *buffer)
{
	uint32_t bytes;

	if (!buffer)
		return;
	bytes = size_of(buffer->size_class);
	if (buffers->spare_bytes + bytes > URB_BUFFER_SPARE_BYTES_MAX) {
		free(buffer);
		return;
	}
	buffer->next = buffers->spare[buffer->size_class];
	buffers->spare[buffer->size_class] = buffer;
	buffers->spare_bytes += bytes;
}

void urb_buffers_finish(struct urb_buffers *buffers)
{
	for (unsigned i = 0; i < URB_BUFFER_CLASSES; i++) {
		while (buffers->spare[i]) {
			struct urb_buffer *buffer = buffers->spare[i];

			buffers->spare[i] = buffer->next;
			free(buffer);
		}
	}
	buffers->spare_bytes = 0;
}
