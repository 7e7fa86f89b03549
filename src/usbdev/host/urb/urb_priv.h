/* SPDX-License-Identifier: MIT
 * urb_priv.h - what the files of the URBs share
 *
 * urbs.c        life, reaping, the end of the device
 * urb_discard.c fetching back from the kernel, freezing
 * urb_queue.c   the transfers of one endpoint and stream, in order
 * urb_piece.c   control, bulk and interrupt transfers as URBs
 * urb_isoch.c   isochronous transfers as the packets of URBs
 *
 * A transfer here is in one of these states, told by its backend pointer:
 *
 *   waiting      NULL: not with the kernel, perhaps again (the next piece)
 *   with an URB  the URB, which is with the kernel, or back and not yet looked at
 *   over         URB_OVER: status and actual_bytes are final; it is reported when all
 *                before it on its queue have been
 *
 * actual_bytes counts what has moved from the start on. URBs that are back are looked
 * at in the order of their queue, not as the kernel gives them: data is delivered and
 * kept in the order in which the device sent it.
 */
#ifndef USBDEV_HOST_URB_URB_PRIV_H
#define USBDEV_HOST_URB_URB_PRIV_H

#include <linux/usbdevice_fs.h>
#include <stdbool.h>
#include <stdint.h>

#include "usbdev/host/urb/buffer.h"
#include "usbdev/host/urb/leftover.h"
#include "usbdev/host/urb/urbs.h"
#include "usbdev/usbdev.h"
#include "util/list.h"
#include "util/loop.h"
#include "util/worker.h"

/* One URB carries so much of a transfer at most: with a host controller that gathers, or
 * with one piece of kernel memory for it, or on a kernel that takes no more. Multiples
 * of every maximum packet size of a bulk endpoint. */
#define URB_PIECE_BYTES_MAX (1u << 20)
#define URB_PIECE_BYTES_ONE (64u << 10)
#define URB_PIECE_BYTES_OLD (16u << 10)
/* What is tried last when the kernel has no memory. */
#define URB_PIECE_BYTES_MIN (4u << 10)
/* With the kernel for one endpoint and stream; one URB may always be. */
#define URB_QUEUE_BYTES_MAX (4u << 20)
/* How soon after -ENOMEM it is tried again, if nothing of ours comes back before. */
#define URB_MEMORY_WAIT_NS 5000000u
/* So often it is looked whether mapped buffers are not needed any more. */
#define URB_TRIM_NS 50000000u
/* So long isochronous transfers wait for memory. */
#define URB_ISOCH_WAIT_NS 100000000u
#define URB_PACKETS_MAX   32u
/* The kernel takes no longer packet (96 data packets of 1024: SuperSpeedPlus). */
#define URB_PACKET_BYTES_MAX 98304u
/* All packets of an URB: the kernel needs it in one piece of memory. */
#define URB_ISOCH_BYTES_MAX (128u << 10)
#define URB_REAPS_MAX       64u
/* Reported of one queue at a time. */
#define URB_REPORTS_MAX 256u
#define URB_SPARE_MAX   128u
/* Queues of streams that are kept although nothing is on them. */
#define URB_STREAMS_SPARE_MAX 256u
#define URB_ENDPOINTS         32u
/* Lists that URBs with the kernel are found in, by their address: a power of two. */
#define URB_SLOTS 256u

/* May somebody else have the interfaces? */
enum urb_contest {
	URB_UNCONTESTED,
	URB_CONTESTED, /* the owner looks; what was refused waits */
	URB_LOOKED, /* it has, and nothing was submitted since: what is refused fails */
};

extern char urb_over_mark[];
#define URB_OVER ((void *)urb_over_mark)

enum urb_discard {
	URB_DISCARD_NONE,
	URB_DISCARD_WANTED,
	URB_DISCARD_ASKED, /* a job does or did it */
};

/**
 * struct urb - one URB: a piece of a transfer, or several isochronous transfers
 * @next:	spare ones, or those of a discard job
 * @node:	urbs->with_kernel, in the order submitted; or on none
 * @slot_node:	a list of urbs->slots, while with the kernel
 * @buffer:	where IN data comes to or OUT data lies; NULL: there is none, or it was
 *		copied by the kernel
 * @length_bytes: of the data
 * @is_last:	no further piece of the transfer will follow
 * @is_back:	reaped
 * @is_judged:	@verdict is known and the data delivered; only its reporting has to wait
 * @goes_on:	the verdict is to ask for the next piece
 * @usb:	the kernel's; ends with the packets
 */
struct urb {
	struct urb *next;
	struct list node;
	struct list slot_node;
	struct urb_queue *queue;
	struct usbdev_transfer *transfers[URB_PACKETS_MAX];
	unsigned count;
	struct urb_buffer *buffer;
	uint32_t length_bytes;
	bool is_last;
	bool is_back;
	bool goes_on;
	bool is_judged;
	enum urb_discard discard;
	enum usbdev_status verdict;
	struct usbdevfs_urb usb;
};

/**
 * struct urb_queue - the transfers of one endpoint and stream, in order
 * @node:	urbs->streams, if of a stream
 * @work_node:	urbs->work, if there is something to do
 * @transfers:	those not reported, in the order submitted
 * @waiting:	how many of them are waiting
 * @with_kernel, @kernel_bytes: URBs not reaped, and their data
 * @fetching:	the first has failed, or left data behind; those behind it are being
 *		fetched back from the kernel before that is told
 * @starved:	the kernel had no memory
 * @starved_since_ns: since when not one could be submitted, 0 = memory was there
 * @late:	goes to the next transfers before the kernel is asked for anything, so while
 *		there is some and not @fetching, no transfer has an URB
 */
struct urb_queue {
	struct list node;
	struct list work_node;
	struct urbs *urbs;
	uint8_t ep_addr;
	uint16_t stream_id;
	struct list transfers;
	unsigned waiting;
	unsigned with_kernel;
	uint32_t kernel_bytes;
	bool fetching;
	bool starved;
	uint64_t starved_since_ns;
	struct urb_late late;
};

/**
 * struct urbs
 * @watched:	what the loop watches @fd for
 * @task:	looks at the queues on @work
 * @timer:	armed while a queue is starved
 * @trim_timer:	armed while mapped buffers lie spare
 * @freezes:	of the owner
 * @discarding:	@job is with the worker; counts as a freeze
 * @job_first:	what it discards; the worker's until it is done
 * @discards_wanted: URBs with the kernel that are to be discarded and not yet asked for
 * @queues:	without streams, by endpoint number and direction
 * @lost:	transfers on streams for which there was no memory, to be told so
 * @with_kernel: URBs not reaped, in the order submitted
 * @with_kernel_count: their number
 * @slots:	the same by address
 * @late_bytes:	of all queues' late data
 * @transfers:	not finished
 * @piece_bytes_max: what the kernel is able to take
 * @piece_bytes: less while it is short of memory
 * @in_doubt:	an URB came back as if the device were gone; whether it is, is known when
 *		nothing is left to be reaped
 * @reap_wanted: the kernel has said that the device is gone: reap to be sure
 * @contest:	CONTESTED from the first refusal until the owner has looked
 * @gone_untold: the owner is to be told, when all has finished
 * @disturbed:	the owner is to be told
 * @busy:	inside a callback of the loop; then destroying waits for its end
 */
struct urbs {
	struct loop *loop;
	int fd;
	struct worker *worker;
	struct urbs_owner owner;
	struct loop_watch *watch;
	unsigned watched;
	struct loop_task task;
	struct loop_timer *timer;
	bool timer_armed;
	struct loop_timer *trim_timer;
	bool trim_armed;
	unsigned freezes;
	bool discarding;
	struct worker_job job;
	struct urb *job_first;
	unsigned discards_wanted;
	struct urb_queue queues[URB_ENDPOINTS];
	struct urb_queue lost;
	struct list streams;
	unsigned stream_count;
	struct list work;
	struct list with_kernel;
	unsigned with_kernel_count;
	struct list slots[URB_SLOTS];
	uint32_t late_bytes;
	unsigned transfers;
	uint32_t piece_bytes_max;
	uint32_t piece_bytes;
	bool in_doubt;
	bool reap_wanted;
	enum urb_contest contest;
	bool gone;
	bool gone_untold;
	bool disturbed;
	unsigned busy;
	bool destroyed;
	struct urb *spare;
	unsigned spare_count;
	struct urb_buffers buffers;
};

/* What became of handing something to the kernel. */
enum urb_handed {
	URB_HANDED_ON,   /* it is with the kernel, or over: look at the next */
	URB_HANDED_WAIT, /* neither it nor those behind it can go now */
};

static inline bool urb_transfer_is_over(const struct usbdev_transfer *transfer)
{
	return transfer->backend == URB_OVER;
}

/* NULL: waiting. Not for one that is over. */
static inline struct urb *urb_of(const struct usbdev_transfer *transfer)
{
	return transfer->backend;
}

static inline struct usbdev_transfer *urb_transfer_of(struct list *node)
{
	return LIST_ENTRY(node, struct usbdev_transfer, node);
}

static inline bool urb_kind_is_stream_of_data(const struct usbdev_transfer *transfer)
{
	return transfer->type == USBDEV_TYPE_BULK ||
	       transfer->type == USBDEV_TYPE_INTERRUPT;
}

static inline bool urbs_frozen(const struct urbs *urbs)
{
	return urbs->freezes > 0 || urbs->discarding;
}

/* ---- urbs.c ---- */

/* A cleared URB for @queue, or NULL without memory; and back, with its buffer. */
struct urb *urb_get(struct urb_queue *queue);
void urb_put(struct urbs *urbs, struct urb *urb);
/* Hands @urb, filled in, to the kernel with @data; its @transfers are then with it.
 * Return: 0 or -errno, all being as before then. */
MUST_USE int urb_submit(struct urb *urb, void *data, uint32_t bytes);
/* There is no memory: the queue is looked at again soon. */
void urbs_starve(struct urb_queue *queue);
/* A submission said -ENODEV. */
void urbs_look_if_gone(struct urbs *urbs);
/* The owner shall look whether the interfaces are still ours. */
void urbs_disturb(struct urbs *urbs);

/* Around each callback of the loop; @urbs may not be there any more after leaving. */
void urbs_enter(struct urbs *urbs);
void urbs_leave(struct urbs *urbs);
void urbs_arm_timer(struct urbs *urbs);
/* All queues with transfers are looked at soon. */
void urbs_wake_all(struct urbs *urbs);

/* ---- urb_discard.c ---- */

/* The kernel shall give @urb (not back yet) back soon. */
void urb_discard(struct urb *urb);
/* Has the worker discard what is to be, unless frozen. */
void urbs_start_discards(struct urbs *urbs);
/* The fd is watched unless frozen. */
void urbs_update_watch(struct urbs *urbs);

/* ---- urb_queue.c ---- */

void urb_queue_init(struct urb_queue *queue, struct urbs *urbs, uint8_t ep_addr,
		    uint16_t stream_id);
/* That of @transfer, made if there is none; NULL without memory for it, or while urbs->lost has
 * any. */
struct urb_queue *urb_queue_get(struct urbs *urbs,
				const struct usbdev_transfer *transfer);
struct urb_queue *urb_queue_without_streams(struct urbs *urbs, uint8_t ep_addr);
/* Drops its late data. */
void urb_queue_forget(struct urb_queue *queue);
/* Calls @each for all there are. */
void urb_queue_each(struct urbs *urbs, void (*each)(struct urb_queue *queue));
/* It is looked at in the loop's deferred tasks. */
void urb_queue_wake(struct urb_queue *queue);
/* Hands what waits to the kernel, as far as that goes now. Calls nobody. */
void urb_queue_kick(struct urb_queue *queue);
/* Looks at URBs that are back and reports what is over, in order. The owner may do
 * anything meanwhile, destroying included (then it happens later). What may be handed
 * to the kernel after it is looked at in a task. */
void urb_queue_retire(struct urb_queue *queue);
/* A queue of a stream with nothing on it may go. Not inside the two above. */
void urb_queue_release(struct urb_queue *queue);
/* The first transfer is over. */
bool urb_queue_has_report(const struct urb_queue *queue);
/* Cancels a transfer that is not over, or has it cancelled. */
void urb_queue_cancel(struct urb_queue *queue, struct usbdev_transfer *transfer);
/* All with the kernel come back. */
void urb_queue_discard(struct urb_queue *queue);

/* A transfer changes its state. */
void urb_transfer_set_waiting(struct urb_queue *queue, struct usbdev_transfer *transfer);
void urb_transfer_set_over(struct urb_queue *queue, struct usbdev_transfer *transfer,
			   enum usbdev_status status);
/* What the kernel's status of an URB or of a packet means. */
enum usbdev_status urb_status(const struct urbs *urbs, int kernel_status);
/* @urb is back with a status that a device which is gone leads to, among others. */
bool urb_in_doubt(const struct urb *urb);

/* ---- urb_piece.c ---- */

/* Nothing behind @transfer may move before its owner knows that it ended so. */
bool urb_is_failure(const struct usbdev_transfer *transfer, enum usbdev_status status);

/* The next piece of @transfer. */
enum urb_handed urb_piece_hand(struct urb_queue *queue, struct usbdev_transfer *transfer);
/* The first transfer's URB is back. Return: true if the transfer is over or waits again;
 * false if those behind it must come back before. */
bool urb_piece_retire(struct urb *urb);

/* ---- urb_isoch.c ---- */

/* @first and those that wait behind it, as many as go into one URB. */
enum urb_handed urb_isoch_hand(struct urb_queue *queue, struct usbdev_transfer *first);
/* All its transfers are over or wait again; @urb is put back. */
void urb_isoch_retire(struct urb *urb);

#endif /* USBDEV_HOST_URB_URB_PRIV_H */
