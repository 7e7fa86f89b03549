/* SPDX-License-Identifier: MIT
 * transfer_ring.h - a transfer ring and its TDs in flight (4.9.2, 4.11)
 *
 * Loop thread only.
 */
#ifndef XHCI_TRANSFER_RING_H
#define XHCI_TRANSFER_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/list.h"
#include "xhci/controller.h"
#include "xhci/ring.h"

struct xhci_isoch;
struct xhci_pipe;

/* TDs of one transfer ring that the device holds or that wait for their events;
 * isochronous: XHCI_ISOCH_TDS_PER_RING. */
#define XHCI_TDS_PER_RING 64u
/* TDs fetched from one ring in one run, before others get their turn. */
#define XHCI_TDS_PER_TURN 32u

/**
 * struct xhci_transfer_ring - one transfer ring of an endpoint
 * @pipe:	what the endpoint's rings share
 * @isoch:	its schedule; NULL unless it is isochronous
 * @node:	in the pipe's list of rings
 * @kick_node:	in its list of rings that may have work
 * @stream_id:	0 on an endpoint without streams
 * @cursor:	behind the last TD fetched
 * @tds:	fetched, not yet reported, in ring order
 * @td_count:	of them
 * @rung:	the guest has rung its doorbell since the endpoint last stopped or halted
 * @resume:	the first of @tds was stopped in its middle, and resumes there
 * @stopped_posted: the Stopped event for the current Stop Endpoint command has been posted
 */
struct xhci_transfer_ring {
	struct xhci_pipe *pipe;
	struct xhci_isoch *isoch;
	struct list node;
	struct list kick_node;
	uint16_t stream_id;
	struct xhci_ring cursor;
	struct list tds;
	unsigned td_count;
	bool rung;
	bool resume;
	bool stopped_posted;
};

/* One more ring of @pipe. @pointer: TR Dequeue Pointer with DCS in bit 0. */
void xhci_transfer_ring_init(struct xhci_transfer_ring *ring, struct xhci_pipe *pipe,
			     struct xhci_isoch *isoch, unsigned stream_id,
			     uint64_t pointer);
/* Takes it off the lists of its pipe, and drops its TDs. */
void xhci_transfer_ring_finish(struct xhci_transfer_ring *ring);
/* There may be work: on the list for the next run. */
void xhci_transfer_ring_kick(struct xhci_transfer_ring *ring);
/* Drops all TDs; those that the device holds become orphans. */
void xhci_transfer_ring_drop_tds(struct xhci_transfer_ring *ring);
/* Moves the ring to @pointer (as above), and drops its TDs. */
void xhci_transfer_ring_set_dequeue(struct xhci_transfer_ring *ring, uint64_t pointer);
/* Its current dequeue position: the first TD not reported. */
struct xhci_ring xhci_transfer_ring_dequeue(const struct xhci_transfer_ring *ring);

/* Posts the events of the TDs that are done, in order, up to one that was cancelled
 * while the endpoint is quiescing, or as far as the budget of the run goes. Return: HALT or
 * ERROR if a TD has failed: the endpoint must enter that state. After that, other TDs that
 * failed wait, and are tried again. */
MUST_USE enum xhci_progress xhci_transfer_ring_report(struct xhci_transfer_ring *ring);
/* Fetches TDs and submits them to the device: at most a turn of them. Return: ERROR, as above,
 * if the ring cannot be read on. */
MUST_USE enum xhci_progress xhci_transfer_ring_start_tds(struct xhci_transfer_ring *ring);
/* Cancels the TDs that the device holds, the last one first so that none overtakes. */
void xhci_transfer_ring_cancel(struct xhci_transfer_ring *ring);
/* Stops waiting for the TDs that the device holds, which have been cancelled: they become
 * orphans, and another TD takes the place of the first one, with nothing moved. Return: 0,
 * or -ENOMEM, nothing done. */
MUST_USE int xhci_transfer_ring_give_up(struct xhci_transfer_ring *ring);
/* Posts the Stopped event of the first TD, which was cancelled, once (4.6.9). Return: 0 or
 * as xhci_event_post(): call again. */
MUST_USE int xhci_transfer_ring_post_stopped(struct xhci_transfer_ring *ring);
/* The device has returned everything: drops the TDs that were cancelled, to fetch them again.
 * Keeps a first TD that has moved bytes, to resume it. */
void xhci_transfer_ring_settle(struct xhci_transfer_ring *ring);

#endif /* XHCI_TRANSFER_RING_H */
