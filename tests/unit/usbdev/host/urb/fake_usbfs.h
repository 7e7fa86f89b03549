/* SPDX-License-Identifier: MIT
 * fake_usbfs.h - usbfs.h without a device: what the kernel says is the test's to tell
 *
 * Linked in place of usbfs.c. Its fd is "writable" when there is something to be
 * reaped or the device is gone, as usbfs' is. Data moves as there: OUT inside submit,
 * IN inside reap; in mapped memory, which is unreadable once unmapped, both when the URB
 * ends. Discards come on the worker's thread; the rest is for the loop's.
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
	uint32_t partial; /* bytes it has moved if it is discarded */
	int status;
	uint32_t actual;
	struct fake_urb *next;
};

/* Counters, to be looked at; and switches. */
struct fake {
	unsigned submits, refused, reaps, eagains, discards;
	unsigned pending; /* with the "kernel" */
	int submit_error; /* the next @submit_errors submissions are refused with it */
	unsigned submit_errors;
	uint32_t bytes_max;  /* longer ones, and mappings, get -ENOMEM; 0 = any */
	uint32_t memory_max; /* of all there are; 0 = any */
	int map_error;       /* the next @map_errors mappings are refused with it */
	unsigned map_errors;
	unsigned maps, unmaps, maps_refused;
	uint32_t mapped_bytes;
	int discard_status; /* of a discarded URB: -ENOENT */
	bool closed;        /* any call is counted in @violations */
	unsigned
		violations; /* calls while @closed, or while a discard ran; memory unmapped
			      * under an URB of a device that is there */
	const struct usbdevfs_urb *discarded[8]; /* in the order asked for */
};

extern struct fake fake;

/* Starts afresh. Returns the fd. */
int fake_start(void);
/* Frees; URBs still there are forgotten. */
void fake_end(void);
/* The @index-th pending one, in the order submitted. */
struct fake_urb *fake_pending(unsigned index);
/* Ends it: IN data is @byte repeated. */
void fake_finish(struct fake_urb *urb, int status, uint32_t actual, uint8_t byte);
/* The same with its data already set by the test. */
void fake_finish_filled(struct fake_urb *urb, int status, uint32_t actual);
/* The same with data and packets' fields already set by the test. */
void fake_finish_packets(struct fake_urb *urb, int status);
/* The device is pulled; reaping says so after what is finished. */
void fake_gone(void);
/* The fd does not tell yet. */
void fake_gone_silently(void);
/* Discards wait until fake_open_gate(). */
void fake_close_gate(void);
void fake_open_gate(void);
/* Something else's URB on the same fd has ended. */
void fake_finish_foreign(struct usbdevfs_urb *usb);

#endif /* FAKE_USBFS_H */
