/* SPDX-License-Identifier: MIT
 * streams.h - the small guest driver of driver.h, with streams on bulk IN
 *
 * Stream Contexts and rings are at fixed places; each stream has its own ring.
 */
#ifndef TESTS_UNIT_XHCI_STREAMS_H
#define TESTS_UNIT_XHCI_STREAMS_H

#include "driver.h"

#define IN                   DRIVER_BULK_IN_DCI
#define OUT                  DRIVER_BULK_OUT_DCI
#define DATA                 DRIVER_DATA_IOVA
#define ARRAY                (FIXTURE_LOW_IOVA + 0x50000) /* primary, of IN */
#define SECONDARY            (FIXTURE_LOW_IOVA + 0x58000)
#define RINGS                (FIXTURE_LOW_IOVA + 0x60000)
#define RING_BYTES           0x400u
#define IDS                  64u
#define ENTRIES              (2u << XHCI_MAX_PSA_SIZE)
#define RING_OF(id)          (RINGS + (id)*RING_BYTES)
#define CONTEXT(iova, index) ((iova) + 16u * (index))

/* A driver, and the guest's side of the rings of the streams of IN. */
struct streams {
	struct driver d;
	unsigned index[IDS];
};

/* Writes a Stream Context; @sct and @dcs are its low bits. */
void streams_put_context(struct streams *s, uint64_t iova, uint64_t pointer, unsigned sct,
			 unsigned dcs);
/* The first eight bytes of the Stream Context of @id in the primary array. */
uint64_t streams_context(struct streams *s, unsigned id);
/* Writes a linear array with @entries for IN; each entry has its own ring. */
void streams_put_linear(struct streams *s, unsigned entries);
/* Puts a Configure Endpoint command that gives IN streams, instead of its ring or old streams. */
void streams_configure_put(struct streams *s, unsigned max_pstreams, bool linear);
/* Runs; the next event must complete a command. Return: its completion code */
enum xhci_cc streams_command_cc(struct streams *s);
/* Starts with a configured device that supports streams; IN has none yet. */
void streams_start(struct streams *s, struct fixture *f);
/* The same, with a linear array of @max_pstreams. */
void streams_start_linear(struct streams *s, struct fixture *f, unsigned max_pstreams);
/* Adds a Normal TRB with IOC to the ring of @id. Returns its address. */
uint64_t streams_put_td(struct streams *s, unsigned id, uint32_t len);
/* Rings the doorbell of @dci with Stream ID @id, and runs. */
void streams_ring(struct streams *s, unsigned dci, unsigned id);
uint64_t streams_put_and_ring(struct streams *s, unsigned id, uint32_t len);
/* The first transfer that the device has for stream @id, or NULL. */
struct usbdev_transfer *streams_held(struct streams *s, unsigned id);
/* Completes that transfer and runs. */
void streams_complete(struct streams *s, unsigned id, enum usbdev_status status,
		      uint32_t actual_bytes);
/* Puts a Stop Endpoint for IN, and runs until idle. */
void streams_stop_put(struct streams *s);
/* Runs a Set TR Dequeue Pointer. Return: its completion code */
enum xhci_cc streams_set_dequeue(struct streams *s, unsigned dci, unsigned id,
				 uint64_t pointer);
/* Unplugs and frees. */
void streams_end(struct streams *s);

#endif /* TESTS_UNIT_XHCI_STREAMS_H */
