/* SPDX-License-Identifier: MIT
 * fake_usbfs.c - usbfs.h without a device: the test plays the kernel
 */
#include "fake_usbfs.h"

#include <assert.h>
#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "usbdev/host/urb/usbfs.h"
#include "util/compiler.h"

#define SETUP_BYTES  8
#define MAPPINGS_MAX 512

struct fake fake;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool gate_closed;
static unsigned discards_running;
static struct fake_urb *pending, *finished;
static int fd = -1;
static bool gone, ready;
static struct mapping {
	uint8_t *data; /* NULL = unused */
	size_t bytes;
} mappings[MAPPINGS_MAX];

/* Makes the fd writable if there is something to reap: a full eventfd is not writable. */
static void update_ready(void)
{
	bool want = gone || finished;
	uint64_t full = UINT64_MAX - 1, count;

	if (want == ready)
		return;
	if (want)
		assert(read(fd, &count, sizeof(count)) == sizeof(count));
	else
		assert(write(fd, &full, sizeof(full)) == sizeof(full));
	ready = want;
}

int fake_start(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.discard_status = -ENOENT;
	memset(mappings, 0, sizeof(mappings));
	fd = eventfd(0, EFD_CLOEXEC);
	assert(fd >= 0);
	gone = false;
	ready = true;
	update_ready();
	return fd;
}

static void free_list(struct fake_urb **list)
{
	while (*list) {
		struct fake_urb *urb = *list;

		*list = urb->next;
		free(urb->data);
		free(urb);
	}
}

void fake_end(void)
{
	free_list(&pending);
	free_list(&finished);
	(void)close(fd);
	fd = -1;
}

static void append(struct fake_urb **list, struct fake_urb *urb)
{
	while (*list)
		list = &(*list)->next;
	urb->next = NULL;
	*list = urb;
}

static void unlink_pending(struct fake_urb *urb)
{
	struct fake_urb **at = &pending;

	while (*at != urb)
		at = &(*at)->next;
	*at = urb->next;
	fake.pending--;
}

/* Called with the lock held. */
static void note_call(void)
{
	if (fake.closed || discards_running > 0)
		fake.violations++;
}

/* The mapping that contains @buffer. */
static struct mapping *mapping_of(const void *buffer)
{
	for (unsigned i = 0; i < MAPPINGS_MAX; i++) {
		struct mapping *mapping = &mappings[i];

		if (mapping->data && (const uint8_t *)buffer >= mapping->data &&
		    (const uint8_t *)buffer < mapping->data + mapping->bytes)
			return mapping;
	}
	return NULL;
}

/* Memory charged to URBs and mappings. */
static uint32_t used_bytes(void)
{
	uint32_t bytes = fake.mapped_bytes;

	for (const struct fake_urb *urb = pending; urb; urb = urb->next)
		bytes += urb->mapped ? 0 : urb->bytes;
	return bytes;
}

static bool is_too_much(uint32_t bytes)
{
	return (fake.bytes_max && bytes > fake.bytes_max) ||
	       (fake.memory_max && used_bytes() + bytes > fake.memory_max);
}

int usbfs_map(int at_fd, size_t bytes, void **ret_data)
{
	struct mapping *mapping = mappings;
	int r = 0;

	assert(at_fd == fd);
	pthread_mutex_lock(&lock);
	if (fake.closed)
		fake.violations++;
	if (fake.map_errors > 0) {
		fake.map_errors--;
		r = fake.map_error;
	} else if (is_too_much((uint32_t)bytes)) {
		r = -ENOMEM;
	}
	if (r == 0) {
		while (mapping->data)
			mapping++;
		assert(mapping < mappings + MAPPINGS_MAX);
		mapping->bytes = bytes;
		mapping->data = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert(mapping->data != MAP_FAILED);
		fake.maps++;
		fake.mapped_bytes += (uint32_t)bytes;
		*ret_data = mapping->data;
	} else {
		fake.maps_refused++;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

void usbfs_unmap(void *data, size_t bytes)
{
	struct mapping *mapping;

	pthread_mutex_lock(&lock);
	mapping = mapping_of(data);
	assert(mapping && mapping->data == data && mapping->bytes == bytes);
	for (const struct fake_urb *urb = pending; urb; urb = urb->next)
		if (urb->mapped && mapping_of(urb->buffer) == mapping && !gone)
			fake.violations++;
	if (fake.closed)
		fake.violations++;
	(void)munmap(data, bytes);
	mapping->data = NULL;
	fake.unmaps++;
	fake.mapped_bytes -= (uint32_t)bytes;
	pthread_mutex_unlock(&lock);
}

/* Moves the data of a completing URB in mapped memory, as the controller does. */
static void move_mapped(struct fake_urb *urb)
{
	if (!urb->mapped)
		return;
	if (urb->in)
		memcpy(urb->buffer, urb->data, MIN_OF(urb->actual, urb->bytes));
	else
		memcpy(urb->data, urb->buffer, urb->bytes);
}

int usbfs_submit(int at_fd, struct usbdevfs_urb *usb)
{
	struct mapping *mapping;
	struct fake_urb *urb;
	int r = 0;

	assert(at_fd == fd);
	pthread_mutex_lock(&lock);
	note_call();
	mapping = mapping_of(usb->buffer);
	if (mapping)
		assert((uint8_t *)usb->buffer + usb->buffer_length <=
		       mapping->data + mapping->bytes);
	if (fake.submit_errors > 0) {
		fake.submit_errors--;
		r = fake.submit_error;
	} else if (!mapping && is_too_much((uint32_t)usb->buffer_length)) {
		r = -ENOMEM;
	} else if (gone) {
		r = -ENODEV;
	}
	if (r < 0) {
		fake.refused++;
		pthread_mutex_unlock(&lock);
		return r;
	}
	fake.submits++;
	fake.pending++;
	urb = calloc(1, sizeof(*urb));
	urb->usb = usb;
	urb->bytes = (uint32_t)usb->buffer_length;
	urb->buffer = usb->buffer;
	urb->mapped = mapping != NULL;
	urb->in = (usb->endpoint & 0x80) != 0;
	urb->data = calloc(1, urb->bytes + 1);
	if (usb->type == USBDEVFS_URB_TYPE_CONTROL) {
		memcpy(urb->data, usb->buffer, urb->bytes);
		urb->in = (urb->data[0] & 0x80) != 0;
		assert(urb->bytes == SETUP_BYTES + urb->data[6] + urb->data[7] * 256u);
		if (urb->in) {
			urb->bytes -= SETUP_BYTES;
			urb->buffer = (uint8_t *)urb->buffer + SETUP_BYTES;
		}
	} else if (!urb->in && urb->bytes > 0) {
		memcpy(urb->data, usb->buffer, urb->bytes);
	}
	/* the kernel's initial status of packets */
	if (usb->type == USBDEVFS_URB_TYPE_ISO)
		for (int i = 0; i < usb->number_of_packets; i++)
			usb->iso_frame_desc[i].status = (unsigned)-EXDEV;
	append(&pending, urb);
	pthread_mutex_unlock(&lock);
	return 0;
}

int usbfs_reap(int at_fd, struct usbdevfs_urb **ret_urb)
{
	struct fake_urb *urb;

	assert(at_fd == fd);
	pthread_mutex_lock(&lock);
	note_call();
	urb = finished;
	if (!urb) {
		fake.eagains++;
		pthread_mutex_unlock(&lock);
		return gone ? -ENODEV : -EAGAIN;
	}
	fake.reaps++;
	finished = urb->next;
	update_ready();
	pthread_mutex_unlock(&lock);
	*ret_urb = urb->usb;
	if (urb->data) { /* NULL: a foreign URB */
		urb->usb->status = urb->status;
		urb->usb->actual_length = (int)urb->actual;
		if (urb->in && urb->actual > 0 && !urb->mapped)
			memcpy(urb->buffer, urb->data, MIN_OF(urb->actual, urb->bytes));
	}
	free(urb->data);
	free(urb);
	return 0;
}

int usbfs_discard(int at_fd, struct usbdevfs_urb *usb)
{
	struct fake_urb *urb;

	assert(at_fd == fd);
	pthread_mutex_lock(&lock);
	if (fake.closed)
		fake.violations++;
	discards_running++;
	while (gate_closed)
		pthread_cond_wait(&gate_moved, &lock);
	urb = pending;
	while (urb && urb->usb != usb)
		urb = urb->next;
	if (fake.discards < ARRAY_SIZE(fake.discarded))
		fake.discarded[fake.discards] = usb;
	fake.discards++;
	if (urb) {
		unlink_pending(urb);
		urb->status = fake.discard_status;
		urb->actual = urb->partial;
		move_mapped(urb);
		append(&finished, urb);
		update_ready();
	}
	discards_running--;
	pthread_mutex_unlock(&lock);
	return urb ? 0 : -EINVAL;
}

struct fake_urb *fake_pending(unsigned index)
{
	struct fake_urb *urb;

	pthread_mutex_lock(&lock);
	urb = pending;
	while (urb && index-- > 0)
		urb = urb->next;
	pthread_mutex_unlock(&lock);
	assert(urb);
	return urb;
}

static void finish(struct fake_urb *urb, int status)
{
	pthread_mutex_lock(&lock);
	unlink_pending(urb);
	urb->status = status;
	move_mapped(urb);
	append(&finished, urb);
	update_ready();
	pthread_mutex_unlock(&lock);
}

void fake_complete(struct fake_urb *urb, int status, uint32_t actual, uint8_t byte)
{
	urb->actual = actual;
	if (urb->in)
		memset(urb->data, byte, MIN_OF(actual, urb->bytes));
	finish(urb, status);
}

void fake_complete_filled(struct fake_urb *urb, int status, uint32_t actual)
{
	urb->actual = actual;
	finish(urb, status);
}

void fake_complete_packets(struct fake_urb *urb, int status)
{
	urb->actual = urb->bytes;
	finish(urb, status);
}

void fake_complete_foreign(struct usbdevfs_urb *usb)
{
	struct fake_urb *urb = calloc(1, sizeof(*urb));

	urb->usb = usb;
	pthread_mutex_lock(&lock);
	append(&finished, urb);
	update_ready();
	pthread_mutex_unlock(&lock);
}

void fake_gone(void)
{
	pthread_mutex_lock(&lock);
	gone = true;
	update_ready();
	pthread_mutex_unlock(&lock);
}

void fake_gone_silently(void)
{
	pthread_mutex_lock(&lock);
	gone = true;
	pthread_mutex_unlock(&lock);
}

void fake_close_gate(void)
{
	pthread_mutex_lock(&lock);
	gate_closed = true;
	pthread_mutex_unlock(&lock);
}

void fake_open_gate(void)
{
	pthread_mutex_lock(&lock);
	gate_closed = false;
	pthread_cond_broadcast(&gate_moved);
	pthread_mutex_unlock(&lock);
}
