/* SPDX-License-Identifier: MIT
 * fake_usbfs.h - usbfs.h without a device: the test decides what the kernel says
 *
 * Linked in place of usbfs.c. Like that of usbfs, its fd is "writable" when there is an URB
 * to reap or the device is gone. Data moves as there: OUT inside submit, IN inside reap; in
 * mapped memory, which is unreadable once unmapped, both when the URB completes. Discards come
 * on the worker's thread, all else on the loop's.
 */
#ifndef FAKE_USBFS_H
#define FAKE_USBFS_H

#include <stdbool.h>
#include <stdint.h>

struct usbdevfs_urb;

/* One URB between submit and reap. */
struct fake_urb {
	struct usbdevfs_urb *usb;
	uint8_t *data; /* OUT: as submitted; IN: what reaping will copy */
	uint32_t bytes;
	void *buffer;
	bool in;
	bool mapped;      /* @buffer is */
	uint32_t partial; /* bytes moved if it is discarded */
	int status;
	uint32_t actual;
	struct fake_urb *next;
};

/* Counters for tests to check, and switches. */
struct fake {
	unsigned submits, refused, reaps, eagains, discards;
	unsigned pending; /* with the "kernel" */
	int submit_error; /* refuses the next @submit_errors submissions */
	unsigned submit_errors;
	uint32_t bytes_max;  /* longer URBs and mappings get -ENOMEM; 0 = none */
	uint32_t memory_max; /* of all together; 0 = no limit */
	int map_error;       /* refuses the next @map_errors mappings */
	unsigned map_errors;
	unsigned maps, unmaps, maps_refused;
	uint32_t mapped_bytes;
	int discard_status; /* of a discarded URB: -ENOENT */
	bool closed;        /* counts each call in @violations */
	unsigned
		violations; /* calls while @closed, or while a discard ran; memory unmapped
			      * under an URB of a device that is there */
	const struct usbdevfs_urb *discarded[8]; /* in the order discarded */
};

extern struct fake fake;

/* Starts afresh. Returns the fd. */
int fake_start(void);
/* Frees; forgets URBs still there. */
void fake_end(void);
/* The @index-th pending one, in the order submitted. */
struct fake_urb *fake_pending(unsigned index);
/* Completes it: IN data is @byte repeated. */
void fake_complete(struct fake_urb *urb, int status, uint32_t actual, uint8_t byte);
/* The same with data that the test has set. */
void fake_complete_filled(struct fake_urb *urb, int status, uint32_t actual);
/* The same with data and packets that the test has set. */
void fake_complete_packets(struct fake_urb *urb, int status);
/* The device is pulled; a reap says so after all completed URBs. */
void fake_gone(void);
/* The same, but the fd does not become ready. */
void fake_gone_silently(void);
/* Discards wait until fake_open_gate(). */
void fake_close_gate(void);
void fake_open_gate(void);
/* An URB of another program on the same fd has completed. */
void fake_complete_foreign(struct usbdevfs_urb *usb);

#endif /* FAKE_USBFS_H */
