/* SPDX-License-Identifier: MIT
 * buffer.c - memory for the data of URBs while the kernel has them
 */
#include "usbdev/host/urb/buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "usbdev/host/urb/usbfs.h"
#include "util/log.h"
#include "util/loop.h"

#define HEAD_BYTES                                                \
	((sizeof(struct urb_buffer) + alignof(max_align_t) - 1) & \
	 ~(alignof(max_align_t) - 1))

static uint32_t size_of(unsigned size_class)
{
	return URB_BUFFER_BYTES_MIN << size_class;
}

static unsigned class_of(uint32_t bytes)
{
	unsigned size_class = 0;

	assert(bytes <= URB_BUFFER_BYTES_MAX);
	while (size_of(size_class) < bytes)
		size_class++;
	return size_class;
}

/* ---- new buffers ---- */

static struct urb_buffer *allocate(unsigned size_class)
{
	struct urb_buffer *buffer = malloc(HEAD_BYTES + size_of(size_class));

	if (!buffer)
		return NULL;
	*buffer = (struct urb_buffer){
		.size_class = size_class,
		.data = (uint8_t *)buffer + HEAD_BYTES,
	};
	return buffer;
}

static void note_refusal(struct urb_buffers *buffers, unsigned size_class, int error)
{
	buffers->refused_class = size_class;
	buffers->refused_until_ns = clock_now_ns() + URB_BUFFER_REFUSED_NS;
	if (!buffers->refused_logged)
		log_debug("usbfs does not map %u bytes: %s; the kernel copies such data",
			  size_of(size_class), strerror(-error));
	buffers->refused_logged = true;
}

static bool was_refused(struct urb_buffers *buffers, unsigned size_class)
{
	if (size_class < buffers->refused_class)
		return false;
	if (clock_now_ns() < buffers->refused_until_ns)
		return true;
	buffers->refused_class = URB_BUFFER_CLASSES;
	return false;
}

static struct urb_buffer *map(struct urb_buffers *buffers, unsigned size_class)
{
	struct urb_buffer *buffer;
	void *data = NULL;
	int r;

	if (was_refused(buffers, size_class))
		return NULL;
	buffer = malloc(sizeof(*buffer));
	if (!buffer)
		return NULL;
	r = usbfs_map(buffers->fd, size_of(size_class), &data);
	if (r == -ENOMEM && urb_buffers_unmap_spares(buffers))
		r = usbfs_map(buffers->fd, size_of(size_class), &data);
	if (r < 0) {
		note_refusal(buffers, size_class, r);
		free(buffer);
		return NULL;
	}
	*buffer = (struct urb_buffer){
		.size_class = size_class,
		.is_mapped = true,
		.data = data,
	};
	return buffer;
}

static void release(struct urb_buffer *buffer)
{
	if (buffer->is_mapped)
		usbfs_unmap(buffer->data, size_of(buffer->size_class));
	free(buffer);
}

/* ---- spare buffers ---- */

static struct urb_buffer *take_spare(struct urb_buffer_spares *spares,
				     unsigned size_class)
{
	struct urb_buffer *buffer = spares->first[size_class];

	if (buffer) {
		spares->first[size_class] = buffer->next;
		spares->bytes -= size_of(size_class);
	}
	return buffer;
}

static void release_spares(struct urb_buffer_spares *spares)
{
	for (unsigned i = 0; i < URB_BUFFER_CLASSES; i++) {
		struct urb_buffer *buffer;

		while ((buffer = take_spare(spares, i)) != NULL)
			release(buffer);
	}
}

/* Releases smaller spare buffers, which are cheap to make again. Return: true if there is room. */
static bool make_room(struct urb_buffer_spares *spares, unsigned size_class)
{
	uint32_t most = URB_BUFFER_SPARE_BYTES_MAX - size_of(size_class);
	struct urb_buffer *smaller;

	for (unsigned i = 0; i < size_class; i++)
		while (spares->bytes > most && (smaller = take_spare(spares, i)) != NULL)
			release(smaller);
	return spares->bytes <= most;
}

void urb_buffers_init(struct urb_buffers *buffers, int fd)
{
	*buffers = (struct urb_buffers){.fd = fd, .refused_class = URB_BUFFER_CLASSES};
}

void urb_buffers_finish(struct urb_buffers *buffers)
{
	release_spares(&buffers->heap);
	release_spares(&buffers->mapped);
}

struct urb_buffer *urb_buffer_get_mapped(struct urb_buffers *buffers, uint32_t bytes)
{
	unsigned size_class = class_of(bytes);
	struct urb_buffer *buffer;

	if (buffers->fd < 0 || bytes <= URB_BUFFER_HEAP_BYTES)
		return NULL;
	buffer = take_spare(&buffers->mapped, size_class);
	return buffer ? buffer : map(buffers, size_class);
}

struct urb_buffer *urb_buffer_get_heap(struct urb_buffers *buffers, uint32_t bytes)
{
	unsigned size_class = class_of(bytes);
	struct urb_buffer *buffer = take_spare(&buffers->heap, size_class);

	return buffer ? buffer : allocate(size_class);
}

struct urb_buffer *urb_buffer_get(struct urb_buffers *buffers, uint32_t bytes)
{
	struct urb_buffer *buffer = urb_buffer_get_mapped(buffers, bytes);

	return buffer ? buffer : urb_buffer_get_heap(buffers, bytes);
}

void urb_buffer_put(struct urb_buffers *buffers, struct urb_buffer *buffer)
{
	struct urb_buffer_spares *spares;

	if (!buffer)
		return;
	spares = buffer->is_mapped ? &buffers->mapped : &buffers->heap;
	if ((buffer->is_mapped && buffers->fd < 0) ||
	    !make_room(spares, buffer->size_class)) {
		release(buffer);
		return;
	}
	buffer->is_old = false;
	buffer->next = spares->first[buffer->size_class];
	spares->first[buffer->size_class] = buffer;
	spares->bytes += size_of(buffer->size_class);
}

/* ---- unmapping ---- */

void urb_buffers_trim(struct urb_buffers *buffers)
{
	struct urb_buffer_spares *spares = &buffers->mapped;

	for (unsigned i = 0; i < URB_BUFFER_CLASSES; i++) {
		struct urb_buffer **at = &spares->first[i];
		struct urb_buffer *old;

		/* buffers put later lie before */
		for (; *at && !(*at)->is_old; at = &(*at)->next)
			(*at)->is_old = true;
		while ((old = *at) != NULL) {
			*at = old->next;
			spares->bytes -= size_of(i);
			release(old);
		}
	}
}

bool urb_buffers_unmap_spares(struct urb_buffers *buffers)
{
	if (!urb_buffers_has_mapped_spares(buffers))
		return false;
	release_spares(&buffers->mapped);
	return true;
}

void urb_buffers_stop_mapping(struct urb_buffers *buffers)
{
	(void)urb_buffers_unmap_spares(buffers);
	buffers->fd = -1;
}
