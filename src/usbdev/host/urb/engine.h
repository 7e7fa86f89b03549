/* SPDX-License-Identifier: MIT
 * engine.h - struct urbs: the parts of the engine for one device
 *
 * From the ground up; a file uses those before it only:
 *
 *   usbfs       the system calls
 *   buffer      memory for data, mapped from usbfs or of the heap
 *   deliver     received data to its transfer
 *   leftover    received data for the next transfers
 *   work        when the loop looks at queues
 *   presence    is the device there, are its interfaces ours?
 *   freeze      when the loop must make no call
 *   pool        URBs and their states
 *   in_flight   the URBs with the kernel
 *   queue       the transfers of one endpoint and stream; queues: all of them
 *   transfer    the states of a transfer
 *   submit      one URB to the kernel, and back
 *   unlink      asks the kernel to give URBs back
 *   piece       control, bulk and interrupt transfers as URBs
 *   isoch       isochronous transfers as packets of URBs
 *   pump        moves the transfers of one queue along
 *   urbs        the whole, for its owner: life, reaping, the end of the device
 *
 * The files up to transfer use only their own struct; those from submit on use struct urbs.
 */
#ifndef USBDEV_HOST_URB_ENGINE_H
#define USBDEV_HOST_URB_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/host/urb/freeze.h"
#include "usbdev/host/urb/in_flight.h"
#include "usbdev/host/urb/owner.h"
#include "usbdev/host/urb/pool.h"
#include "usbdev/host/urb/presence.h"
#include "usbdev/host/urb/queues.h"
#include "usbdev/host/urb/work.h"
#include "util/worker.h"

/* URBs reaped at a time. */
#define URB_REAPS_MAX 64u

/**
 * struct urb_unlinks - see unlink.h
 * @wanted:	URBs with the kernel in URB_UNLINK_WANTED
 * @first:	the URBs of @job, by their next; the worker's while @running
 */
struct urb_unlinks {
	unsigned wanted;
	bool running;
	struct worker_job job;
	struct urb *first;
};

/**
 * struct urbs
 * @transfers:	submitted and not completed
 * @piece_bytes_max: the most that the kernel takes in one URB; @piece_bytes: less while it is
 *		short of memory
 * @busy:	callbacks of the loop that run; while any does, destroying waits for its end
 * @destroyed:	the owner has done so
 */
struct urbs {
	int fd;
	struct worker *worker;
	struct urbs_owner owner;
	struct urb_work work;
	struct urb_standing standing;
	struct urb_freeze freeze;
	struct urb_pool pool;
	struct urb_in_flight in_flight;
	struct urb_queues queues;
	struct urb_unlinks unlinks;
	unsigned transfers;
	uint32_t piece_bytes_max;
	uint32_t piece_bytes;
	unsigned busy;
	bool destroyed;
};

#endif /* USBDEV_HOST_URB_ENGINE_H */
