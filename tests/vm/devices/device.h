/* SPDX-License-Identifier: MIT
 * device.h - a USB device in user space: its transfers, state and kinds
 *
 * A process plays one device in one thread. The kernel's vhci_hcd sends each URB over a socket
 * (usbip.h). device.c keeps URBs in one queue per endpoint, iso.c completes isochronous ones in
 * real time, standard.c answers the standard requests, and a kind (kind_*.c) does the rest.
 */
#ifndef DEVICES_DEVICE_H
#define DEVICES_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/vm/devices/descr.h"
#include "util/list.h"

#define ENDPOINT_COUNT 16u

/* Vendor requests that every kind answers (recipient device). */
#define REQUEST_COUNTS 0xf0u /* IN: struct counts as le32, in order */
/* OUT, no data, wValue: leave the bus and come back soon with this product id */
#define REQUEST_BECOME 0xf1u

struct iso_packet {
	uint32_t offset;
	uint32_t length;
	uint32_t actual;
	int status; /* 0 or -errno */
};

/* A submitted transfer. It is on its endpoint's queue until device_complete(). */
struct urb {
	struct list node;
	uint32_t seqnum;
	uint8_t ep_addr; /* with the direction bit; 0 and 0x80: control */
	uint32_t flags;  /* Linux's URB_* */
	uint32_t len;
	uint32_t packet_count; /* 0: not isochronous */
	uint32_t interval;     /* in (micro)frames; periodic endpoints only */
	uint32_t start_frame;
	uint8_t setup[8];
	uint8_t *data; /* len bytes: from the host, or room for the answer */
	struct iso_packet *packets;
	uint64_t
		due_ns; /* when an isochronous transfer or a kept control request completes */
};

struct endpoint {
	uint8_t addr;
	struct list urbs;
	bool halted;
	uint64_t wake_ns; /* when to call kind->kick again, 0: never */
	uint64_t
		next_ns; /* isochronous: the bus time of the next packet, 0: no stream runs */
	uint64_t last_ns; /* when the last URB completed */
	uint32_t missed;  /* intervals lost to underruns, for kinds that count time */

	uint32_t count_urbs;
	uint64_t count_bytes;
	uint32_t count_unlinked;
	uint32_t count_zero_packets;
	uint32_t count_underruns;
	uint64_t underrun_max_ns;
};

/* Counts of what reached the device. REQUEST_COUNTS returns them in this order. */
struct counts {
	uint32_t set_configuration;
	uint32_t set_interface;
	uint32_t clear_halt;
	uint32_t set_halt;
	uint32_t resets; /* port resets after the first enumeration */
	uint32_t unlinks;
	uint32_t controls;
	uint32_t stalls;
	uint32_t
		wrong_endpoint; /* transfers to endpoints that the alternate setting lacks */
	uint32_t last_configuration;
	uint32_t last_interface; /* interface number << 8 | alternate setting */
	uint32_t
		last_cleared; /* endpoint address of the last CLEAR_FEATURE(ENDPOINT_HALT) */
	uint32_t busiest_queue; /* the most URBs that one endpoint held */
};

#define COUNTS_WORDS (sizeof(struct counts) / sizeof(uint32_t))

struct kind;

struct device {
	const struct kind *kind;
	enum usb_speed speed;
	const char *const *options; /* "name=value" or "name", NULL at the end */
	int fd;
	bool gone;   /* the kernel closed the socket */
	bool leaves; /* the device has answered REQUEST_BECOME */
	struct descr_set descr;
	uint8_t configuration;
	uint8_t alternate[256]; /* by interface number */
	struct list control;    /* control requests; the device answers the first one */
	struct endpoint in[ENDPOINT_COUNT];
	struct endpoint out[ENDPOINT_COUNT];
	struct counts counts;
};

enum control_answer {
	CONTROL_STANDARD, /* not the kind's: a standard request, or a stall */
	CONTROL_DONE,     /* the kind has called device_complete() */
	CONTROL_KEPT,     /* call control() again at urb->due_ns, UINT64_MAX: never */
};

/* The special behaviour of a device. All but name, summary and init may be NULL. */
struct kind {
	const char *name;
	const char *summary;
	/* fills dev->descr. Return: 0, or -errno for options or a speed it does not support */
	int (*init)(struct device *dev);
	enum control_answer (*control)(struct device *dev, struct urb *urb);
	/* @ep has a new URB (not isochronous), or its wake_ns has passed */
	void (*kick)(struct device *dev, struct endpoint *ep);
	/* transfers one isochronous packet: fills in or reads @data, sets actual and status */
	void (*packet)(struct device *dev, struct endpoint *ep, struct iso_packet *packet,
		       uint8_t *data);
	/* the configuration, an alternate setting or a halt changed */
	void (*changed)(struct device *dev);
	/* the host reset the port; called before it reads any descriptor again */
	void (*reset)(struct device *dev);
	/* runs a line of the control FIFO. Return: false if the kind does not know it */
	bool (*command)(struct device *dev, const char *line);
	/* prints " name=value"... for the line of statistics */
	void (*stats)(struct device *dev, FILE *out);
};

extern const struct kind kind_source_sink, kind_counter, kind_loopback, kind_alternate,
	kind_stall, kind_slow, kind_big_control, kind_hostile, kind_storage;

uint64_t now_ns(void);

/* Initializes a device; call the kind's init next. */
void device_init(struct device *dev, const struct kind *kind, enum usb_speed speed,
		 const char *const *options);

/* Frees all queued transfers. */
void device_finish(struct device *dev);

/* Starts a new connection on @fd: empty queues, no configuration, the same counts. */
void device_connected(struct device *dev, int fd);

/* Queues a transfer. Takes @urb, which comes from malloc(). */
void device_submit(struct device *dev, struct urb *urb);

/* Unlinks a transfer and answers -ECONNRESET, or 0 if it has already completed. */
void device_unlink(struct device *dev, uint32_t seqnum, uint32_t urb_seqnum);

/* Handles a port reset by the host. */
void device_reset(struct device *dev);

/* Completes @urb with @actual bytes and frees it. @status is 0 or -errno. */
void device_complete(struct device *dev, struct urb *urb, int status, uint32_t actual);

/* Halts @ep: queued transfers, and new ones until the host clears the halt, fail with -EPIPE. */
void device_halt(struct device *dev, struct endpoint *ep);

/* Does everything due. Return: when to call it again, UINT64_MAX if nothing is timed */
uint64_t device_run(struct device *dev);

struct endpoint *device_endpoint(struct device *dev, uint8_t ep_addr);

/* The first transfer of the endpoint's queue, NULL if there is none. */
struct urb *endpoint_first(const struct endpoint *ep);

/* standard.c: answers a request as chapter 9 of USB 2.0 and 3.2 demands. */
void standard_control(struct device *dev, struct urb *urb);

/* Completes an IN request with the first wLength of @len bytes. */
void control_reply(struct device *dev, struct urb *urb, const void *data, size_t len);

/* Answers gadget zero's requests 0x5b (store these bytes) and 0x5c (return them), any length.
 * Return: false if it is another request */
bool control_echo(struct device *dev, struct urb *urb);

/* iso.c */
void iso_submitted(struct device *dev, struct endpoint *ep, struct urb *urb);
void iso_run(struct device *dev, struct endpoint *ep);

/* The value of option @name, "" for an option without a value, NULL if it is not given. */
const char *option_text(const struct device *dev, const char *name);

/* The value as a number; @otherwise if the option is not given. */
unsigned long option_number(const struct device *dev, const char *name,
			    unsigned long otherwise);

/* Prints a line to stdout and flushes. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

#endif /* DEVICES_DEVICE_H */
