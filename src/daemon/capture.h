/* SPDX-License-Identifier: MIT
 * capture.h - the record of the USB traffic, started and stopped while we run
 *
 * Loop thread only. One at a time.
 */
#ifndef DAEMON_CAPTURE_H
#define DAEMON_CAPTURE_H

#include <stdbool.h>

#include "usbdev/pcap/pcap.h"
#include "util/compiler.h"
#include "util/err.h"

struct capture;
struct loop;
struct vm;

/* Returns owned, or NULL without memory. @vm: borrowed. */
struct capture *capture_create(struct loop *loop, struct vm *vm);
/* All must be written (capture_is_over()). NULL is fine. */
void capture_destroy(struct capture *capture);

/**
 * capture_start() - begin one; see pcap_create()
 * @fd:		taken, also on failure; -1: none
 * @started:	it runs, or @err says why not; called once, later, unless
 *		capture_stop() comes before
 *
 * Return: 0, or -errno with the reason in @err; -EALREADY: one is running, or not all of
 * the last one is written.
 */
MUST_USE int capture_start(struct capture *capture, const char *path, int fd,
			   void (*started)(void *ctx, const struct err *err), void *ctx,
			   struct err *err);

/* Ends it. @done: all is written; called later, once. Return: 0; -ENOENT: none is
 * running; -EALREADY: it has not begun. */
MUST_USE int capture_stop(struct capture *capture, void (*done)(void *ctx), void *ctx);

/* Whether a capture is running, and its counters. @ret_path: borrowed until it is stopped. */
bool capture_status(const struct capture *capture, struct pcap_stats *ret_stats,
		    const char **ret_path);

/* True if none is running and all is written. */
bool capture_is_over(const struct capture *capture);
/* The caller that started or stopped it has gone: forgets its callback. */
void capture_forget(struct capture *capture);
/* Ends a capture in any state, for the end of the process; forgets its callers. @done: as of capture_stop(). Return: 0; -ENOENT: there is none. */
MUST_USE int capture_end(struct capture *capture, void (*done)(void *ctx), void *ctx);

#endif /* DAEMON_CAPTURE_H */
