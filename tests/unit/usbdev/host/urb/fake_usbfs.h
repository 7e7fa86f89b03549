/* SPDX-License-Identifier: MIT
 * fake_usbfs.h - usbfs.h without a device: the test plays the kernel
 *
 * Linked in place of usbfs.c. Like usbfs's fd, its fd is "writable" when there is a URB to reap or
 * the device is gone. Data moves at the same times as in usbfs: OUT data in submit, IN data in
 * reap; data in mapped memory when the URB completes. Unmapped memory becomes unreadable. The
 * worker's thread discards; the loop's thread makes all other calls.
 */
#ifndef FAKE_USBFS_H
#define FAKE_USBFS_H

#include <stdbool.h>
#include <stdint.h>

struct usbdevfs_urb;

/* A URB between submit and reap. */
struct fake_urb {
	struct usbdevfs_urb *usb;
	uint8_t *data; /* OUT: the submitted data; IN: the data for the reap to copy */
	uint32_t bytes;
	void *buffer;
	bool in;
	bool mapped;      /* @buffer is mapped memory */
	uint32_t partial; /* bytes moved if the URB is discarded */
	int status;
	uint32_t actual;
	struct fake_urb *next;
};

/* Counters for tests to check, and switches. */
struct fake {
	unsigned submits, refused, reaps, eagains, discards;
	unsigned pending; /* URBs that the "kernel" has */
	int submit_error; /* result of the next @submit_errors submissions */
	unsigned submit_errors;
	uint32_t bytes_max;  /* longer URBs and mappings get -ENOMEM; 0 = no limit */
	uint32_t memory_max; /* limit of all URBs and mappings together; 0 = no limit */
	int map_error;       /* result of the next @map_errors mappings */
	unsigned map_errors;
	unsigned maps, unmaps, maps_refused;
	uint32_t mapped_bytes;
	int discard_status; /* of a discarded URB: -ENOENT */
	bool closed;        /* count each call in @violations */
	unsigned
		violations; /* calls while @closed, or while a discard ran; memory unmapped
			      * under an URB of a device that is there */
	const struct usbdevfs_urb *discarded[8]; /* in the order discarded */
};

extern struct fake fake;

/* Starts with a new state. Returns the fd. */
int fake_start(void);
/* Frees everything, and drops remaining URBs. */
void fake_end(void);
/* Pending URB number @index, in the order of submission. */
struct fake_urb *fake_pending(unsigned index);
/* Completes @urb; IN data is @byte repeated. */
void fake_complete(struct fake_urb *urb, int status, uint32_t actual, uint8_t byte);
/* The same, with data that the test has set. */
void fake_complete_filled(struct fake_urb *urb, int status, uint32_t actual);
/* The same, with data and packets that the test has set. */
void fake_complete_packets(struct fake_urb *urb, int status);
/* Unplugs the device; a reap reports that after all completed URBs. */
void fake_gone(void);
/* The same, but the fd does not become ready. */
void fake_gone_silently(void);
/* Makes discards wait until fake_open_gate(). */
void fake_close_gate(void);
void fake_open_gate(void);
/* Completes a URB of another program on the same fd. */
void fake_complete_foreign(struct usbdevfs_urb *usb);

#endif /* FAKE_USBFS_H */
