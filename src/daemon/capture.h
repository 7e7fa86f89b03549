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
/* Nothing may be left to be written (capture_is_over()). NULL is fine. */
void capture_destroy(struct capture *capture);

/* See pcap_create(); with @fd (-1: none) pcap_create_fd(), and @path is its name. @fd is
 * taken, also on failure. Return: 0, or -errno with the reason in @err; -EALREADY: one is
 * running, or not all of the last one is written. */
MUST_USE int capture_start(struct capture *capture, const char *path, int fd,
			   struct err *err);

/* Ends it. @done: all is written; called later, once. Return: 0; -ENOENT: none is
 * running. */
MUST_USE int capture_stop(struct capture *capture, void (*done)(void *ctx), void *ctx);

/* Whether one is running, and how it does. @ret_path: borrowed until it is stopped. */
bool capture_status(const struct capture *capture, struct pcap_stats *ret_stats,
		    const char **ret_path);

/* True if none is running and all is written. */
bool capture_is_over(const struct capture *capture);

#endif /* DAEMON_CAPTURE_H */
