/* SPDX-License-Identifier: MIT
 * usbdev.h - THE boundary between the xHCI model and USB devices
 *
 * Operations go down (struct usbdev_ops), completions and events come up. The
 * code above it does not know whether a device is emulated or real; the code below
 * does not know rings, TRBs or guest addresses. All of it: loop thread only; a back
 * end with blocking work uses a worker of its own and reports in the loop.
 *
 * The rules of a transfer, on which everything else rests:
 *  - usbdev_submit() hands it down; from then on it completes exactly once, by
 *    usbdev_complete(), whatever happens (cancel, unplug, reset, destroy);
 *  - never from inside submit, cancel or any other op: a back end that knows
 *    the result at once defers (see usbdev_complete_soon());
 *  - transfers of one endpoint (and stream) complete in the order of submission,
 *    even when cancelled;
 *  - back ends reach its data only through usbdev_transfer_iov()/_read()/_write(),
 *    in the loop thread, and the pointers are valid until the loop turn ends.
 */
#ifndef USBDEV_USBDEV_H
#define USBDEV_USBDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "util/compiler.h"
#include "util/list.h"
#include "util/loop.h"

struct usbdev;
struct usbdev_transfer;

/* Values of the xHCI default Port Speed IDs (7.2.2.1.1). */
enum usbdev_speed {
	USBDEV_SPEED_UNKNOWN = 0,
	USBDEV_SPEED_FULL = 1,
	USBDEV_SPEED_LOW = 2,
	USBDEV_SPEED_HIGH = 3,
	USBDEV_SPEED_SUPER = 4,
	USBDEV_SPEED_SUPER_PLUS = 5,    /* 10 Gbit/s */
	USBDEV_SPEED_SUPER_PLUS_X2 = 7, /* 20 Gbit/s */
};

static inline bool usbdev_speed_is_usb3(enum usbdev_speed speed)
{
	return speed >= USBDEV_SPEED_SUPER;
}

/* bmAttributes transfer types of an endpoint descriptor (USB 2.0 9.6.6). */
enum usbdev_type {
	USBDEV_TYPE_CONTROL = 0,
	USBDEV_TYPE_ISOCHRONOUS = 1,
	USBDEV_TYPE_BULK = 2,
	USBDEV_TYPE_INTERRUPT = 3,
};

enum usbdev_status {
	USBDEV_STATUS_OK,     /* done; actual may be less than length (short packet) */
	USBDEV_STATUS_STALL,  /* the endpoint is halted, or a control request refused */
	USBDEV_STATUS_ERROR,  /* CRC, timeout, no answer: USB Transaction Error */
	USBDEV_STATUS_BABBLE, /* the device sent more than requested */
	USBDEV_STATUS_CANCELLED, /* by usbdev_cancel(); actual says how far it got */
	USBDEV_STATUS_GONE,      /* the device has been pulled */
	USBDEV_STATUS_MISSED,    /* isochronous only: its interval went by unserved */
	USBDEV_STATUS_MEMORY,    /* guest memory could not be reached; the bytes beyond
				  * actual_bytes are neither taken nor lost: the owner may
				  * submit the rest again */
};

/* The eight bytes of a SETUP packet (USB 2.0 9.3), parsed. */
struct usbdev_setup {
	uint8_t request_type;
	uint8_t request;
	uint16_t value;
	uint16_t index;
	uint16_t length;
};

#define USBDEV_DIR_IN 0x80u /* in ep_addr and request_type */

/**
 * struct usbdev_transfer - one USB transfer: a whole TD, never a part of it
 * @ep_addr:	bEndpointAddress; 0 for control
 * @type:	transfer type. An isochronous one is the payload of one service interval;
 *		those of an endpoint follow each other interval by interval, in the
 *		order of submission, as long as the next one comes in time. None halts
 *		the endpoint, however it ends
 * @stream_id:	1..n on an endpoint with streams, 0 = no streams
 * @setup:	control only. The data stage has the direction of request_type
 * @length_bytes: bytes to move (for control: of the data stage; may differ
 *		from setup.length, devices answer at most the smaller)
 * @actual_bytes, @status: set by the back end before it completes the transfer
 * @owner:	the submitter's; the callbacks below get the transfer itself
 * @iov:	see usbdev_transfer_iov()
 * @done:	called exactly once, in the loop, never inside an op
 * @node, @backend: the back end's own, for its queues
 * @tap_id:	the tap's own; 0 when it is submitted
 */
struct usbdev_transfer {
	uint8_t ep_addr;
	enum usbdev_type type;
	uint16_t stream_id;
	struct usbdev_setup setup;
	uint32_t length_bytes;
	uint32_t actual_bytes;
	enum usbdev_status status;
	void *owner;
	int (*iov)(struct usbdev_transfer *transfer, uint32_t offset, uint32_t len,
		   struct iovec *iov, int iov_max);
	void (*done)(struct usbdev_transfer *transfer);
	struct list node;
	void *backend;
	uint64_t tap_id;
	bool cancelled; /* usbdev_cancel() was called */
	uint8_t phase;  /* usbdev.c's own: enum phase there */
};

static inline bool usbdev_transfer_is_in(const struct usbdev_transfer *transfer)
{
	return transfer->type == USBDEV_TYPE_CONTROL
		       ? (transfer->setup.request_type & USBDEV_DIR_IN) != 0
		       : (transfer->ep_addr & USBDEV_DIR_IN) != 0;
}

/**
 * usbdev_transfer_iov() - host memory of [@offset, @offset + @len) of the data
 *
 * Return: entries used, which may cover less than @len if there are @iov_max
 * (call again from there), or -EFAULT. @offset + @len must be within length_bytes.
 * Pointers are valid in this loop turn only; the guest may change the bytes at any
 * time.
 */
MUST_USE int usbdev_transfer_iov(struct usbdev_transfer *transfer, uint32_t offset,
				 uint32_t len, struct iovec *iov, int iov_max);
/* Copy data of an OUT transfer to @buf, or @buf into an IN transfer.
 * Return: 0 or -EFAULT. */
MUST_USE int usbdev_transfer_read(struct usbdev_transfer *transfer, uint32_t offset,
				  void *buf, uint32_t len);
MUST_USE int usbdev_transfer_write(struct usbdev_transfer *transfer, uint32_t offset,
				   const void *buf, uint32_t len);

/**
 * struct usbdev_streams - a request to change the streams of bulk endpoints
 * @ep_addrs, @ep_count: the endpoints
 * @stream_count: enable stream IDs 1..@stream_count, but no more than the endpoints have
 *		(MaxStreams of their descriptors), since guests round up to 2^n - 1. Fewer
 *		than that are a failure. 0 = disable streams
 * @done:	called exactly once, in the loop, never inside an op. @result: 0, or
 *		-errno if nothing changed
 * @node:	the back end's
 *
 * The caller owns it until usbdev_streams(), and again from done() on.
 */
#define USBDEV_STREAM_EPS_MAX 30u
struct usbdev_streams {
	uint8_t ep_addrs[USBDEV_STREAM_EPS_MAX];
	unsigned ep_count;
	unsigned stream_count;
	void *owner;
	void (*done)(struct usbdev_streams *request, int result);
	struct list node;
};

/**
 * struct usbdev_ops - a back end
 *
 * @submit:	takes the transfer until it completes. Refusals too are completions
 * @cancel:	ends a submitted transfer soon (never blocks); it still completes
 *		once: CANCELLED, or as it really ended. Repeated calls are fine
 * @endpoint_reset: the guest's Reset Endpoint with TSP=0: host-side halt and
 *		data toggle of @ep_addr go to their start state (4.6.8). May be NULL
 * @reset:	USB reset of the port: the device goes to its default state, all its
 *		transfers are cancelled. Calls usbdev_reset_done() later, exactly once
 * @suspend:	the port goes to U3 (true) or back to U0. May be NULL
 * @streams:	see struct usbdev_streams. NULL: the device has none (-EOPNOTSUPP)
 * @destroy:	frees the back end, at once or later, but without blocking; all transfers
 *		have completed before. Ends in usbdev_finish()
 */
struct usbdev_ops {
	const char *name;
	void (*submit)(struct usbdev *dev, struct usbdev_transfer *transfer);
	void (*cancel)(struct usbdev *dev, struct usbdev_transfer *transfer);
	void (*endpoint_reset)(struct usbdev *dev, uint8_t ep_addr);
	void (*reset)(struct usbdev *dev);
	void (*suspend)(struct usbdev *dev, bool suspended);
	void (*streams)(struct usbdev *dev, struct usbdev_streams *request);
	void (*destroy)(struct usbdev *dev);
};

/* Events for the user of a device (the port that it is plugged into). Never called
 * inside an op.
 * @reset_done:	answer to usbdev_reset(); 0 or -errno
 * @gone:	the device has been pulled. Transfers complete as GONE, before or after
 * @wake:	remote wake-up: a suspended device wants to talk */
struct usbdev_events {
	void (*reset_done)(void *ctx, int result);
	void (*gone)(void *ctx);
	void (*wake)(void *ctx);
};

#define USBDEV_NAME_BYTES 64u

/**
 * struct usbdev_tap - listens to the transfers of devices (a capture)
 * @submitted:	before the back end gets it; the data of an OUT transfer is readable
 * @completed:	before its owner gets it back; status and actual_bytes are set, and the
 *		data of an IN transfer is readable by usbdev_transfer_read()
 */
struct usbdev_tap {
	void (*submitted)(struct usbdev_tap *tap, struct usbdev *dev,
			  struct usbdev_transfer *transfer);
	void (*completed)(struct usbdev_tap *tap, struct usbdev *dev,
			  struct usbdev_transfer *transfer);
};

/* Counters since the device was created. A failed transfer is neither OK nor CANCELLED. */
struct usbdev_stats {
	uint64_t transfers;
	uint64_t failed;
	uint64_t in_bytes;
	uint64_t out_bytes;
};

/**
 * struct usbdev - embedded in each back end's own struct as first member
 * @address:	the guest's: its slot ID, 0 before it has one. For captures
 * @vendor, @product: of its descriptor; 0 = unknown. For lists
 * @in_flight:	transfers submitted and not completed, counted by usbdev.c
 * @forgotten:	of them, transfers whose submitter no longer waits for them; it counts them
 * @label:	for log lines and lists, e.g. "stick:disk.img"
 * @tap:	NULL = none
 * @destroyed:	called by usbdev_finish()
 */
struct usbdev {
	const struct usbdev_ops *ops;
	enum usbdev_speed speed;
	struct loop *loop;
	const struct usbdev_events *events; /* NULL while not plugged in */
	void *events_ctx;
	uint8_t address;
	uint16_t vendor;
	uint16_t product;
	unsigned in_flight;
	unsigned forgotten;
	struct usbdev_stats stats;
	char label[USBDEV_NAME_BYTES];
	struct usbdev_tap *tap;
	void (*destroyed)(void *ctx);
	void *destroyed_ctx;
	struct list soon; /* completed, done() not yet called */
	struct loop_task soon_task;
};

/* For back ends: sets up the common part of a zeroed struct. Return: 0 or -errno. */
MUST_USE int usbdev_init(struct usbdev *dev, const struct usbdev_ops *ops,
			 struct loop *loop, enum usbdev_speed speed, const char *label);
/* For back ends, the end of their destroy: only the memory of @dev is left to be freed.
 * Calls @destroyed. in_flight must be 0. */
void usbdev_finish(struct usbdev *dev);

/* For back ends. Completes with transfer->status and ->actual_bytes set, from
 * a loop callback that is no op. */
void usbdev_complete(struct usbdev *dev, struct usbdev_transfer *transfer,
		     enum usbdev_status status, uint32_t actual_bytes);
/* The same from anywhere in the loop thread, inside ops too: done() is called
 * in a deferred task, in the order of these calls. */
void usbdev_complete_soon(struct usbdev *dev, struct usbdev_transfer *transfer,
			  enum usbdev_status status, uint32_t actual_bytes);
/* For back ends: the events, from a loop callback that is no op. */
void usbdev_reset_done(struct usbdev *dev, int result);
void usbdev_gone(struct usbdev *dev);
void usbdev_wake(struct usbdev *dev);

/* For the user of a device. */
void usbdev_set_events(struct usbdev *dev, const struct usbdev_events *events, void *ctx);
void usbdev_submit(struct usbdev *dev, struct usbdev_transfer *transfer);
void usbdev_cancel(struct usbdev *dev, struct usbdev_transfer *transfer);
void usbdev_endpoint_reset(struct usbdev *dev, uint8_t ep_addr);
void usbdev_reset(struct usbdev *dev);
void usbdev_suspend(struct usbdev *dev, bool suspended);
/* Ends a change of streams: @request->done(). For back ends, from a loop callback that is no op. */
void usbdev_streams_done(struct usbdev_streams *request, int result);
void usbdev_streams(struct usbdev *dev, struct usbdev_streams *request);
/* True if usbdev_streams() can work at all. */
bool usbdev_has_streams(const struct usbdev *dev);
/* @tap (borrowed) gets every transfer that is submitted from now on; NULL = none. */
void usbdev_set_tap(struct usbdev *dev, struct usbdev_tap *tap);
/* in_flight must be 0. NULL is fine. Calls @destroyed (may be NULL) when @dev has given
 * everything back: inside this call or later. */
void usbdev_destroy(struct usbdev *dev, void (*destroyed)(void *ctx), void *ctx);

#endif /* USBDEV_USBDEV_H */
