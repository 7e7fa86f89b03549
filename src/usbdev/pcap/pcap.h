/* SPDX-License-Identifier: MIT
 * pcap.h - a capture of USB transfers in a file, for Wireshark and tshark
 *
 * Each transfer of a device that is given pcap_tap() makes two records, one when it is
 * submitted and one when it has completed; record.h says what they hold. The file is
 * written by a thread of the capture's own, as soon as there is something to write. If
 * that is too slow, records are dropped and counted; if it fails, the capture ends with
 * one warning, and what follows is not recorded. All calls: loop thread.
 */
#ifndef USBDEV_PCAP_PCAP_H
#define USBDEV_PCAP_PCAP_H

#include <stdint.h>

#include "util/compiler.h"
#include "util/err.h"

struct loop;
struct pcap;
struct usbdev_tap;

/* What may wait to be written. */
#define PCAP_BUFFER_BYTES (8u << 20)

/**
 * struct pcap_stats - how a capture is doing
 * @records:	taken, written or still to be
 * @dropped:	not taken, because the buffer was full
 * @error:	what ended the capture before its time: -errno, 0 = nothing
 */
struct pcap_stats {
	uint64_t records;
	uint64_t dropped;
	int error;
};

/**
 * pcap_create() - start a capture into a file
 * @path:	made for the user alone (0600), with the directories on the way to it. What is
 *		there already must be worth no more than a capture (target.h), and is then
 *		overwritten. A FIFO must have a reader
 * @fd:		-1, or a file, pipe or socket that is open for writing: taken with success,
 *		and @path is its name for messages
 * @opened:	called once in the loop, not inside this call: the file is there, or @err says
 *		why not, and only pcap_destroy() is left to do. Not after that. May be NULL
 *
 * The file is opened by the capture's thread; nothing here or later waits for it. Records
 * that are taken meanwhile are written when it is there.
 * Return: owned, to be ended by pcap_destroy(); NULL: no memory, or no thread.
 */
MUST_USE struct pcap *pcap_create(struct loop *loop, const char *path, int fd,
				  void (*opened)(void *ctx, const struct err *err),
				  void *ctx);

/* For usbdev_set_tap(). Lives until pcap_destroy(). */
struct usbdev_tap *pcap_tap(struct pcap *pcap);

struct pcap_stats pcap_stats(const struct pcap *pcap);

/**
 * pcap_destroy() - write what has been taken, and end
 * @pcap:	dead from here on. No device may have its tap any more
 * @done:	called in the loop, not inside this call, when the file is closed. May be NULL
 *
 * As slow as the file; whoever cannot wait for a FIFO nobody reads leaves the process.
 */
void pcap_destroy(struct pcap *pcap, void (*done)(void *ctx), void *ctx);

#endif /* USBDEV_PCAP_PCAP_H */
